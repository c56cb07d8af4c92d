use ids::Mint;
use proptest::prelude::*;

use super::*;
use crate::request::Size;

const CLAIM_FOR: Duration = Duration::from_secs(60);
const ONE: ClaimToken = ClaimToken::new(1);
const TWO: ClaimToken = ClaimToken::new(2);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn memes(count: u8) -> Vec<MemeId> {
    let mint = Mint::seeded([3; 32]);
    (0..count).map(|_| mint.mint(0)).collect()
}

fn job(count: u8, fallback: Fallback) -> Job {
    let mint = Mint::seeded([1; 32]);
    Job::new(NewJob {
        id: mint.mint(0),
        client: mint.mint(0),
        request: Request {
            prompt: "a cat that reads the logs".to_owned(),
            topic: None,
            captions: Vec::new(),
            count,
            size: Size::default(),
            fallback,
        },
        price: 5,
        created_at: at(0),
        deadline_s: 300,
        public: false,
        house: false,
        webhook: None,
    })
}

fn failed() -> JobProblem {
    JobProblem::new(ProblemKind::Failed, "the generator is out of paint")
}

fn working(job: &Job, token: ClaimToken, second: i64) -> Job {
    match job.claim(token, at(second), CLAIM_FOR).unwrap() {
        Claimed::Work(job) => job,
        Claimed::GiveUp(problem) => panic!("gave up: {problem:?}"),
    }
}

fn not_made(normal: Option<MemeId>) -> PictureResult {
    PictureResult::NotMade { problem: failed(), normal }
}

#[test]
fn pictures_that_are_made_are_paid() {
    let running = working(&job(2, Fallback::Normal), ONE, 1);
    assert_eq!((running.state, running.attempts), (State::Running, 1));
    let results = memes(2).into_iter().map(PictureResult::Made).collect();
    let done = running.finish(ONE, results, at(9)).unwrap();
    assert_eq!(done.hold, Some(HoldOutcome { post: 10, void: 0 }));
    assert_eq!(done.job.state, State::Succeeded);
    assert_eq!(done.job.fallback(), None);
    assert_eq!(done.job.finished_at, Some(at(9)));
    assert_eq!(done.job.version, 2);
}

#[test]
fn a_normal_meme_in_place_of_a_picture_costs_nothing_and_says_why() {
    let ids = memes(2);
    let results = || vec![PictureResult::Made(ids[0]), not_made(Some(ids[1]))];

    let takes = working(&job(2, Fallback::Normal), ONE, 1);
    let done = takes.finish(ONE, results(), at(9)).unwrap();
    assert_eq!(done.hold, Some(HoldOutcome { post: 5, void: 5 }));
    assert_eq!(done.job.state, State::Succeeded);
    assert_eq!(done.job.fallback(), Some(FallbackReason::Failed));
    assert_eq!(done.job.results.len(), 2);

    let refuses = working(&job(2, Fallback::None), ONE, 1);
    let done = refuses.finish(ONE, results(), at(9)).unwrap();
    assert_eq!(done.hold, Some(HoldOutcome { post: 5, void: 5 }));
    assert_eq!(done.job.state, State::Partial);
    assert_eq!(done.job.fallback(), None);
    assert_eq!(done.job.results.len(), 1);
}

#[test]
fn one_result_for_each_picture() {
    let running = working(&job(2, Fallback::None), ONE, 1);
    for given in [0, 1, 3] {
        assert_eq!(
            running.finish(ONE, vec![not_made(None); given], at(2)),
            Err(TransitionError::ResultCount { given, count: 2 })
        );
    }
}

#[test]
fn a_claim_keeps_others_off_until_it_runs_out() {
    let first = working(&job(1, Fallback::None), ONE, 0);
    assert_eq!(first.claim(TWO, at(59), CLAIM_FOR), Err(TransitionError::Busy { until: at(60) }));
    // The same claim made again is not another attempt.
    assert_eq!(working(&first, ONE, 10).attempts, 1);
    let kept = first.heartbeat(ONE, at(30), CLAIM_FOR).unwrap();
    assert!(kept.claim(TWO, at(60), CLAIM_FOR).is_err());
    let second = working(&kept, TWO, 90);
    assert_eq!(second.attempts, 2);
    assert_eq!(second.finish(ONE, vec![not_made(None)], at(91)), Err(TransitionError::ClaimLost));
    assert_eq!(second.heartbeat(ONE, at(91), CLAIM_FOR), Err(TransitionError::ClaimLost));
}

#[test]
fn a_heartbeat_never_shortens_a_claim() {
    let first = working(&job(1, Fallback::None), ONE, 0);
    let kept = first.heartbeat(ONE, at(1), Duration::from_secs(1)).unwrap();
    assert_eq!(kept.claim.unwrap().until, at(60));
}

#[test]
fn the_third_failure_is_the_last() {
    let mut now = job(1, Fallback::Normal);
    for attempt in 1..ATTEMPTS_MAX {
        let failing = working(&now, ONE, i64::from(attempt));
        let again = failing.attempt_failed(ONE, failed(), &memes(1), at(5)).unwrap();
        assert_eq!((again.job.state, again.hold), (State::Queued, None));
        now = again.job;
    }
    let last = working(&now, ONE, 10);
    let done = last.attempt_failed(ONE, failed(), &[], at(11)).unwrap();
    assert_eq!(done.job.state, State::Failed);
    assert_eq!(done.hold, Some(HoldOutcome { post: 0, void: 5 }));
    assert_eq!(done.job.problem, Some(failed()));
}

#[test]
fn a_job_that_kills_its_workers_is_given_up() {
    let mut now = job(1, Fallback::Normal);
    for attempt in 0..ATTEMPTS_MAX {
        let token = ClaimToken::new(u64::from(attempt));
        now = working(&now, token, i64::from(attempt) * 60);
    }
    let fourth = now.claim(ClaimToken::new(9), at(200), CLAIM_FOR).unwrap();
    let Claimed::GiveUp(problem) = fourth else {
        panic!("a fourth attempt: {fourth:?}");
    };
    let done = now.give_up(problem, &memes(3), at(200)).unwrap();
    assert_eq!(done.job.state, State::Succeeded);
    assert_eq!(done.job.results.len(), 1);
    assert_eq!(done.job.fallback(), Some(FallbackReason::Failed));
    assert_eq!(done.hold, Some(HoldOutcome { post: 0, void: 5 }));
}

#[test]
fn nothing_is_done_or_paid_after_the_deadline() {
    let queued = job(1, Fallback::Normal);
    assert_eq!(
        queued.miss_deadline(&[], at(299)),
        Err(TransitionError::DeadlineAhead { deadline_at: at(300) })
    );
    let claimed = queued.claim(ONE, at(300), CLAIM_FOR).unwrap();
    assert_eq!(claimed, Claimed::GiveUp(late()));

    let running = working(&queued, ONE, 299);
    let made = vec![PictureResult::Made(memes(1)[0])];
    assert_eq!(running.finish(ONE, made, at(300)), Err(TransitionError::DeadlinePassed));
    assert_eq!(running.heartbeat(ONE, at(300), CLAIM_FOR), Err(TransitionError::DeadlinePassed));
    let missed = running.miss_deadline(&memes(1), at(300)).unwrap();
    assert_eq!(missed.job.fallback(), Some(FallbackReason::Backlog));
    assert_eq!(missed.hold, Some(HoldOutcome { post: 0, void: 5 }));
}

#[test]
fn a_cancelled_job_gives_all_back_and_its_worker_loses() {
    let running = working(&job(4, Fallback::Normal), ONE, 1);
    let done = running.cancel(at(2)).unwrap();
    assert_eq!(done.job.state, State::Canceled);
    assert_eq!(done.hold, Some(HoldOutcome { post: 0, void: 20 }));
    assert_eq!(done.job.claim, None);
    let finished = TransitionError::Finished { state: State::Canceled };
    assert_eq!(done.job.finish(ONE, vec![not_made(None); 4], at(3)), Err(finished));
    assert_eq!(done.job.cancel(at(3)), Err(finished));
    assert_eq!(finished.to_string(), "the job is already canceled");
}

#[test]
fn a_job_of_the_house_holds_nothing() {
    let mut house = job(2, Fallback::None);
    (house.price, house.house) = (0, true);
    let running = working(&house, ONE, 1);
    let results = memes(2).into_iter().map(PictureResult::Made).collect();
    let done = running.finish(ONE, results, at(2)).unwrap();
    assert_eq!(house.held(), 0);
    assert_eq!(done.hold, Some(HoldOutcome::default()));
}

#[test]
fn a_job_survives_json() {
    let running = working(&job(2, Fallback::Normal), ClaimToken::new(u64::MAX), 1);
    let ids = memes(2);
    let results = vec![PictureResult::Made(ids[0]), not_made(Some(ids[1]))];
    let token = ClaimToken::new(u64::MAX);
    let done = running.finish(token, results, at(9)).unwrap().job;
    for job in [job(1, Fallback::None), running, done] {
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Claim(u64),
    Heartbeat(u64),
    Finish(u64, Vec<(bool, bool)>),
    AttemptFailed(u64, u8),
    GiveUp(u8),
    MissDeadline(u8),
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    let token = 0_u64..3;
    let results = proptest::collection::vec(any::<(bool, bool)>(), 0..6);
    prop_oneof![
        4 => token.clone().prop_map(Step::Claim),
        2 => token.clone().prop_map(Step::Heartbeat),
        2 => (token.clone(), results).prop_map(|(token, results)| Step::Finish(token, results)),
        2 => (token, 0_u8..6).prop_map(|(token, normal)| Step::AttemptFailed(token, normal)),
        1 => (0_u8..6).prop_map(Step::GiveUp),
        1 => (0_u8..6).prop_map(Step::MissDeadline),
        1 => Just(Step::Cancel),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_hold_is_resolved_once_and_in_full(
        count in 1_u8..=4,
        price in prop_oneof![0_u64..10, Just(u64::MAX / 4), Just(u64::MAX)],
        normal in any::<bool>(),
        // Times jump back as well: the machines' clocks do not agree.
        steps in proptest::collection::vec((step(), -20_i64..90), 1..40),
    ) {
        let fallback = if normal { Fallback::Normal } else { Fallback::None };
        let mut now = job(count, fallback);
        now.price = price;
        let held = now.held();
        let mut resolutions = Vec::new();
        let mut second = 0;
        for (step, forward) in steps {
            second += forward;
            let time = at(second);
            let before = now.clone();
            let token = ClaimToken::new;
            let transition = match step.clone() {
                Step::Claim(by) => match now.claim(token(by), time, CLAIM_FOR) {
                    Ok(Claimed::Work(job)) => Ok(Transition { job, hold: None }),
                    Ok(Claimed::GiveUp(problem)) => now.give_up(problem, &memes(count), time),
                    Err(error) => Err(error),
                },
                Step::Heartbeat(by) => now
                    .heartbeat(token(by), time, CLAIM_FOR)
                    .map(|job| Transition { job, hold: None }),
                Step::Finish(by, results) => {
                    let results = results
                        .into_iter()
                        .map(|(made, normal)| if made {
                            PictureResult::Made(memes(1)[0])
                        } else {
                            not_made(normal.then(|| memes(1)[0]))
                        })
                        .collect();
                    now.finish(token(by), results, time)
                }
                Step::AttemptFailed(by, normal) => {
                    now.attempt_failed(token(by), failed(), &memes(normal), time)
                }
                Step::GiveUp(normal) => now.give_up(failed(), &memes(normal), time),
                Step::MissDeadline(normal) => now.miss_deadline(&memes(normal), time),
                Step::Cancel => now.cancel(time),
            };
            match transition {
                Ok(done) => {
                    prop_assert!(!before.is_finished(), "{step:?} changed a finished job");
                    prop_assert_eq!(done.job.version, before.version + 1);
                    prop_assert_eq!(done.hold.is_some(), done.job.is_finished());
                    prop_assert_eq!(done.hold, done.job.settled);
                    prop_assert_eq!(
                        done.job.claim.is_some(),
                        done.job.state == State::Running
                    );
                    prop_assert!(done.job.attempts <= ATTEMPTS_MAX);
                    prop_assert!(done.job.results.len() <= usize::from(count));
                    resolutions.extend(done.hold);
                    now = done.job;
                }
                Err(TransitionError::Finished { state }) => {
                    prop_assert!(before.is_finished());
                    prop_assert_eq!(state, before.state);
                }
                Err(_) => prop_assert!(!before.is_finished()),
            }
        }
        prop_assert_eq!(resolutions.len(), usize::from(now.is_finished()));
        for outcome in resolutions {
            prop_assert_eq!(u128::from(outcome.post) + u128::from(outcome.void), u128::from(held));
            let ai = now.results.iter().filter(|picture| picture.ai).count();
            prop_assert_eq!(ai == 0 || price == 0, outcome.post == 0);
            if now.state == State::Canceled {
                prop_assert_eq!(outcome.post, 0);
            }
            if fallback == Fallback::None {
                prop_assert!(now.results.iter().all(|picture| picture.ai));
            }
        }
    }
}
