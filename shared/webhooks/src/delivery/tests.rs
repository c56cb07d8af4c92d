use ids::Mint;
use proptest::prelude::*;

use super::*;
use crate::event::EventKind;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn delivery(now_ms: i64) -> Delivery {
    let mint = Mint::seeded([5; 32]);
    let kind = EventKind::GenerationSucceeded;
    let event = Event { id: mint.mint(now_ms), kind, at: at(now_ms), job: Some(mint.mint(1)) };
    Delivery::new(mint.mint(1), mint.mint(1), event, at(now_ms))
}

fn claimed(delivery: &Delivery, now: Timestamp) -> Delivery {
    match delivery.claim(now) {
        Ok(Claimed::Attempt(claimed)) => claimed,
        other => panic!("{other:?}"),
    }
}

/// Attempts a delivery at once and answers `answer`.
fn attempted(delivery: &Delivery, answer: Answer, random: u64) -> Delivery {
    let now = delivery.next_attempt_at.unwrap();
    claimed(delivery, now).answered(answer, now, random)
}

#[test]
fn a_2xx_is_the_end_and_a_redirect_is_a_failure() {
    for status in [200, 202, 204, 299] {
        let done = attempted(&delivery(0), Answer::Status(status), 0);
        assert_eq!((done.state, done.attempts), (State::Delivered, 1), "{status}");
        assert_eq!(done.last.unwrap().status, Some(status));
        assert_eq!(done.last.unwrap().failure, None);
    }
    for status in [101, 199, 300, 301, 302, 307, 400, 404, 500, 503] {
        let waits = attempted(&delivery(0), Answer::Status(status), 0);
        assert_eq!(waits.state, State::Pending, "{status}");
        assert_eq!(waits.last.unwrap().failure, Some(Failure::Status));
    }
}

#[test]
fn who_is_gone_is_not_asked_again() {
    let gone = attempted(&delivery(0), Answer::Status(410), 0);
    assert_eq!((gone.state, gone.attempts), (State::Failed, 1));
    assert_eq!((gone.next_attempt_at, gone.swept_at), (None, None));
    assert!(Answer::Status(410).is_gone() && !Answer::Status(404).is_gone());
}

#[test]
fn what_always_fails_is_attempted_ten_times_within_about_three_days() {
    let mut it = delivery(0);
    let mut times = Vec::new();
    while it.state == State::Pending {
        let now = it.next_attempt_at.unwrap();
        times.push(now);
        it = claimed(&it, now).answered(Answer::Unreachable, now, 100);
    }
    assert_eq!(times.len(), usize::from(ATTEMPTS_MAX));
    assert_eq!(it.last.unwrap().failure, Some(Failure::Unreachable));
    let hours = times.last().unwrap().as_second() as f64 / 3_600.0;
    assert!((75.0..76.5).contains(&hours), "{hours} h");
}

#[test]
fn of_two_messages_one_makes_the_attempt() {
    let first = claimed(&delivery(0), at(0));
    let until = at(60_000);
    assert_eq!(first.claim(at(59_999)), Err(NotClaimed::Busy { until }));
    // Its process died: after the claim somebody else goes on, and that counts.
    assert_eq!(claimed(&first, until).attempts, 2);
    let done = first.answered(Answer::Status(200), at(10), 0);
    let finished = Err(NotClaimed::Finished { state: State::Delivered });
    assert_eq!(done.claim(at(20)), finished);
}

#[test]
fn a_message_that_is_early_waits_but_for_a_second() {
    let waits = attempted(&delivery(0), Answer::TimedOut, 100);
    let next = waits.next_attempt_at.unwrap();
    assert_eq!(next, at(5_000));
    assert_eq!(waits.claim(at(3_999)), Err(NotClaimed::Early { at: next }));
    assert_eq!(claimed(&waits, at(4_000)).attempts, 2);
}

#[test]
fn short_waits_are_the_queues_and_long_ones_the_sweeps() {
    let mut it = delivery(0);
    for (attempt, by_message) in [(1, true), (2, true), (3, false), (9, false)] {
        while it.attempts < attempt {
            it = attempted(&it, Answer::Status(500), 100);
        }
        let now = it.last.unwrap().at;
        assert_eq!(it.message_delay(now).is_some(), by_message, "attempt {attempt}");
        let next = it.next_attempt_at.unwrap();
        let swept = if by_message { after(next, PATIENCE) } else { next };
        assert_eq!(it.swept_at, Some(swept), "attempt {attempt}");
        // When its time has come a message is sent at once, and is not sent twice by two sweeps.
        let sent = it.sent_again(next).unwrap();
        assert_eq!(sent.message_delay(next), Some(Duration::ZERO));
        assert_eq!(sent.swept_at, Some(after(next, PATIENCE)));
    }
}

#[test]
fn a_process_that_dies_with_every_attempt_ends_it_too() {
    let mut it = delivery(0);
    for _ in 0..ATTEMPTS_MAX {
        it = claimed(&it, it.swept_at.unwrap());
    }
    let now = it.swept_at.unwrap();
    let Ok(Claimed::GivenUp(ended)) = it.claim(now) else { panic!("attempted again") };
    assert_eq!((ended.state, ended.attempts), (State::Failed, ATTEMPTS_MAX));
    assert_eq!(ended.last.unwrap().failure, Some(Failure::Unknown));
}

#[test]
fn what_is_over_can_be_asked_for_again_under_its_id() {
    let pending = delivery(0);
    assert_eq!(pending.replay(at(1)), Err(StillPending));
    for ended in [
        attempted(&pending, Answer::Status(200), 0),
        pending.give_up(Failure::EndpointDisabled, at(1)),
    ] {
        let again = ended.replay(at(7)).unwrap();
        assert_eq!((again.state, again.attempts), (State::Pending, 0));
        assert_eq!((again.next_attempt_at, again.event), (Some(at(7)), pending.event));
        assert!(again.version > ended.version);
        assert_eq!(claimed(&again, at(7)).attempts, 1);
    }
}

#[test]
fn a_delivery_survives_the_store() {
    let waits = attempted(&delivery(0), Answer::Status(500), 3);
    let json = serde_json::to_string(&waits).unwrap();
    assert_eq!(serde_json::from_str::<Delivery>(&json).unwrap(), waits);
}

/// What may happen to a delivery next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A message comes, and its process dies before it writes what came of it.
    Dies,
    /// A message comes and the endpoint answers.
    Answers(u16),
    /// A message comes and nobody answers.
    Silence,
    /// The sweep sends a message.
    Swept,
}

fn steps() -> impl Strategy<Value = Vec<(Step, u32, u64)>> {
    let step = prop_oneof![
        Just(Step::Dies),
        (100_u16..600).prop_map(Step::Answers),
        Just(Step::Silence),
        Just(Step::Swept),
    ];
    prop::collection::vec((step, 0_u32..100_000_000, any::<u64>()), 0..60)
}

proptest! {
    /// Whatever is lost, repeated or early: nothing pending is forgotten, nothing is attempted too
    /// often, and what is over stays so.
    #[test]
    fn nothing_pending_is_forgotten(steps in steps()) {
        let mut now = at(0);
        let mut it = delivery(0);
        let mut asked = 0_u8;
        for (step, later_ms, random) in steps {
            now = after(now, Duration::from_millis(u64::from(later_ms)));
            let was = it.clone();
            let next = match step {
                Step::Swept => it.sent_again(now).ok(),
                _ => match it.claim(now) {
                    Err(_) => None,
                    Ok(Claimed::GivenUp(ended)) => Some(ended),
                    Ok(Claimed::Attempt(claimed)) => {
                        asked += 1;
                        Some(match step {
                            Step::Answers(status) => {
                                claimed.answered(Answer::Status(status), now, random)
                            }
                            Step::Silence => claimed.answered(Answer::TimedOut, now, random),
                            _ => claimed,
                        })
                    }
                },
            };
            it = next.unwrap_or(it);
            if was.state != State::Pending {
                prop_assert_eq!(&it, &was);
            }
            prop_assert_eq!(it.state == State::Pending, it.swept_at.is_some());
            prop_assert_eq!(it.state == State::Pending, it.next_attempt_at.is_some());
            prop_assert_eq!(it.attempts, asked);
            prop_assert!(asked <= ATTEMPTS_MAX);
        }
        // Left to the sweeps alone, each of whose messages dies, it ends.
        for _ in 0..=ATTEMPTS_MAX {
            let Some(swept) = it.swept_at else { break };
            now = now.max(swept);
            it = it.sent_again(now).unwrap();
            it = match it.claim(now.max(it.next_attempt_at.unwrap())) {
                Ok(Claimed::Attempt(claimed) | Claimed::GivenUp(claimed)) => claimed,
                Err(error) => panic!("{error}"),
            };
        }
        prop_assert!(it.state != State::Pending);
    }
}
