//! How fast clients call, against the limits of their plans.
//!
//! A process decides for itself, by the generic cell rate algorithm, and waits for nobody. Where
//! processes share limits, each tells Valkey every [`SHARED_EVERY`] which calls it let through, and
//! takes over what is left of the shared bucket: the later theoretical arrival time wins.
//!
//! So for a moment processes do not know of each other. Let a client's limit be `l` calls a second,
//! `n` the processes that serve it, and `d` twice the time from one telling to the answer to the
//! next, a quarter of a second where Valkey answers at once. Then the processes let through at most
//! `l * w + n * l * (1 + d)` calls in any `w` seconds: what the client may call, and each process's
//! full bucket once. Nothing is forgiven: what was let through too much is refused afterwards.
//!
//! Why: what a process lets through between two tellings is a run. A run is at most `l * (1 + d)`
//! calls, and fits into what was left of the bucket as the process knew it at the first telling. In
//! between, the others put the arrival time at most `(n - 1) * (1 + d)` seconds beyond that knowledge,
//! or beyond now if that is later, by induction on `n`; the run puts it on by what the knowledge had
//! left, which is less the further ahead it was. So it is never more than `n * (1 + d)` seconds
//! ahead, and each second moves it by `l` calls.
//!
//! What is not told, because Valkey does not answer, is known to nobody else: until it does, each
//! process has the limit to itself.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clock::SharedClock;
use edge::Burst;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use ids::ClientId;
use maas_aws::{Bursts, Calls};
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

/// How often processes that share limits tell each other of calls.
pub const SHARED_EVERY: Duration = Duration::from_millis(100);

/// How far back the calls are that are told, at most. Longer ago the process stood still.
const SINCE_MAX: Duration = Duration::from_millis(200);

/// How long Valkey is left alone after it did not answer.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// How many clients' recent calls a process remembers.
const REMEMBERED: usize = 20_000;

/// Counts clients' calls, in this process and for those that share limits with it.
pub(crate) struct Pace {
    recent: Cache<ClientId, Arc<Recent>>,
    clock: SharedClock,
    sharing: Option<Sharing>,
}

/// What is shared with other processes.
struct Sharing {
    bursts: Arc<Bursts>,
    turn: Mutex<Turn>,
}

/// What whoever tells others has to know; one at a time does. By the monotonic clock.
#[derive(Default)]
struct Turn {
    /// When it was last looked which calls there are to tell.
    looked_at: Duration,
    /// When there were some.
    told_at: Option<Duration>,
    /// Until when Valkey is left alone, if it did not answer.
    left_alone_until: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { recent: Cache::new(REMEMBERED), clock, sharing: None }
    }

    /// Shares limits with all processes that have the same `bursts`.
    pub(crate) fn sharing(self, bursts: Arc<Bursts>) -> Self {
        Self { sharing: Some(Sharing { bursts, turn: Mutex::default() }), ..self }
    }

    /// Counts a call of a client whose plan allows `limit` calls a second.
    ///
    /// # Errors
    /// How long the client has to wait, if it calls too often.
    pub(crate) fn count(&self, client: ClientId, limit: NonZeroU32) -> Result<Burst, Duration> {
        let recent = match self.recent.get(&client) {
            Some(recent) if recent.limit == limit => recent,
            _ => {
                let recent = Arc::new(Recent::new(limit, &self.clock));
                self.recent.insert(client, Arc::clone(&recent));
                recent
            }
        };
        recent.count()
    }

    /// Tells the other processes what was let through since they were told last, and hears what
    /// they did. Does nothing where limits are not shared, or shortly after the last time.
    pub(crate) async fn share(&self) {
        let Some(sharing) = &self.sharing else { return };
        let mut turn = sharing.turn.lock().await;
        let now = self.clock.monotonic();
        if turn.told_at.is_some_and(|told_at| now < told_at + SHARED_EVERY / 2) {
            return;
        }
        let since = now.saturating_sub(std::mem::replace(&mut turn.looked_at, now));
        let (buckets, calls) = self.untold();
        // What is not told now is never told, since it would count as called later than it was. Nor is
        // it told again if there is no answer: counted twice it could refuse who keeps to the limit.
        if calls.is_empty() || turn.left_alone_until.is_some_and(|until| now < until) {
            return;
        }
        turn.told_at = Some(now);
        match sharing.bursts.count(&calls, since.min(SINCE_MAX)).await {
            Ok(ahead) => {
                for (bucket, ahead) in buckets.iter().zip(ahead) {
                    // From before it was asked: a process may have stood still until it heard.
                    bucket.catch_up(now, ahead);
                }
                if turn.left_alone_until.take().is_some() {
                    tracing::info!("limits are shared again");
                }
            }
            Err(error) => {
                let until = self.clock.monotonic() + LEFT_ALONE;
                if turn.left_alone_until.replace(until).is_none() {
                    tracing::warn!(%error, "limits are those of each process until Valkey answers");
                }
            }
        }
    }

    /// The calls that were let through and not told, which count as told from now on.
    fn untold(&self) -> (Vec<Arc<Recent>>, Vec<Calls>) {
        let told = |(client, recent): (ClientId, Arc<Recent>)| {
            let (limit, count) = (recent.limit, recent.bucket.take_untold()?);
            Some((recent, Calls { client, limit, count }))
        };
        self.recent.iter().filter_map(told).unzip()
    }
}

type Limiter = RateLimiter<NotKeyed, SharedBucket, Monotonic, StateInformationMiddleware>;

/// One client's recent calls, against the limit of its plan at the time.
struct Recent {
    limit: NonZeroU32,
    limiter: Limiter,
    bucket: SharedBucket,
    /// What the bucket's time counts from, by the monotonic clock.
    started: Duration,
}

impl Recent {
    fn new(limit: NonZeroU32, clock: &SharedClock) -> Self {
        let bucket = SharedBucket::default();
        let started = clock.monotonic();
        let quota = Quota::per_second(limit);
        let limiter = Limiter::new(quota, bucket.clone(), Monotonic(Arc::clone(clock)));
        Self { limit, limiter, bucket, started }
    }

    fn count(&self) -> Result<Burst, Duration> {
        match self.limiter.check() {
            Ok(state) => Ok(Burst {
                limit: self.limit.get(),
                remaining: state.remaining_burst_capacity(),
                window_s: 1,
            }),
            Err(too_early) => Err(too_early.wait_time_from(self.limiter.clock().now())),
        }
    }

    /// Makes this at least as empty as the shared bucket was, whose theoretical arrival time was
    /// `ahead` of `asked_at`, and by the calls that were let through since.
    fn catch_up(&self, asked_at: Duration, ahead: Duration) {
        let untold = self.bucket.0.untold.load(Ordering::Relaxed);
        let theirs = asked_at
            .saturating_sub(self.started)
            .saturating_add(ahead)
            .saturating_add(Quota::per_second(self.limit).replenish_interval() * untold);
        let theirs = Nanos::new(u64::try_from(theirs.as_nanos()).unwrap_or(u64::MAX));
        // Refused where ours is later, which is how it should be.
        let _ = self.bucket.0.arrival.measure_and_replace(&NotKeyed::NonKey, |ours| {
            if ours.is_some_and(|ours| ours >= theirs) { Err(()) } else { Ok(((), theirs)) }
        });
    }
}

/// A bucket as the limiter keeps it, and how many calls others have not been told of.
#[derive(Default)]
struct Bucket {
    arrival: InMemoryState,
    untold: AtomicU32,
}

/// The same for the limiter, and for those who share it.
#[derive(Clone, Default)]
struct SharedBucket(Arc<Bucket>);

impl SharedBucket {
    /// How many calls there are to tell, if there are any; they count as told.
    fn take_untold(&self) -> Option<u32> {
        let untold = &self.0.untold;
        // Most clients have not called, and their memory is left alone.
        (untold.load(Ordering::Relaxed) > 0).then(|| untold.swap(0, Ordering::Relaxed))
    }
}

impl StateStore for SharedBucket {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let decision = self.0.arrival.measure_and_replace(key, decide);
        if decision.is_ok() {
            self.0.untold.fetch_add(1, Ordering::Relaxed);
        }
        decision
    }
}

/// The process's monotonic clock, for the limiter.
struct Monotonic(SharedClock);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use clock::{Clock as _, ManualClock, Timestamp};
    use ids::Mint;

    use super::*;

    const LIMIT: NonZeroU32 = NonZeroU32::new(50).unwrap();

    /// The time in which a bucket with that limit gets one call more.
    const REFILL: Duration = Duration::from_millis(20);

    fn start() -> (Arc<ManualClock>, Pace, ClientId) {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_secs(3));
        let pace = Pace::new(Arc::clone(&clock) as SharedClock);
        (clock, pace, Mint::seeded([7; 32]).mint(0))
    }

    fn bucket(pace: &Pace, client: ClientId) -> Arc<Recent> {
        pace.recent.get(&client).unwrap()
    }

    /// Counts calls, which all get through, and says what is left then.
    fn left_after(pace: &Pace, client: ClientId, calls: u32) -> u32 {
        let left = (0..calls).map(|_| pace.count(client, LIMIT).unwrap().remaining);
        left.last().unwrap()
    }

    #[test]
    fn a_second_s_calls_get_through_at_once_and_then_as_many_as_the_limit_says() {
        let (clock, pace, client) = start();
        assert_eq!(left_after(&pace, client, 50), 0);
        assert_eq!(pace.count(client, LIMIT), Err(REFILL));
        clock.advance(REFILL);
        assert_eq!(left_after(&pace, client, 1), 0);
        assert_eq!(pace.count(client, LIMIT), Err(REFILL));
    }

    #[test]
    fn another_limit_is_another_bucket() {
        let (_, pace, client) = start();
        assert_eq!(left_after(&pace, client, 50), 0);
        let more = NonZeroU32::new(200).unwrap();
        let burst = pace.count(client, more).unwrap();
        assert_eq!((burst.limit, burst.remaining), (200, 199));
    }

    #[test]
    fn of_ours_and_theirs_what_leaves_less_counts() {
        let (clock, pace, client) = start();
        assert_eq!(left_after(&pace, client, 5), 45);
        let recent = bucket(&pace, client);
        assert_eq!(recent.bucket.take_untold(), Some(5));
        assert_eq!(recent.bucket.take_untold(), None);
        let now = clock.monotonic();
        // Others let 25 through.
        recent.catch_up(now, REFILL * 30);
        assert_eq!(left_after(&pace, client, 1), 19);
        // An older answer, or a bucket that was lost.
        recent.bucket.take_untold();
        recent.catch_up(now, REFILL * 10);
        recent.catch_up(now, Duration::ZERO);
        assert_eq!(left_after(&pace, client, 1), 18);
        // What others let through too much is waited for.
        recent.catch_up(now, REFILL * 150);
        assert_eq!(pace.count(client, LIMIT), Err(REFILL * 102));
        assert_eq!(recent.bucket.take_untold(), Some(1), "a refused call is not told");
    }

    #[test]
    fn calls_of_the_meantime_are_on_top_of_what_others_know() {
        let (clock, pace, client) = start();
        left_after(&pace, client, 5);
        let recent = bucket(&pace, client);
        recent.bucket.take_untold();
        let asked_at = clock.monotonic();
        left_after(&pace, client, 3);
        recent.catch_up(asked_at, REFILL * 30);
        assert_eq!(left_after(&pace, client, 1), 50 - 30 - 3 - 1);
    }

    #[test]
    fn what_is_heard_late_counts_from_when_it_was_asked() {
        let (clock, pace, client) = start();
        left_after(&pace, client, 1);
        let recent = bucket(&pace, client);
        recent.bucket.take_untold();
        let asked_at = clock.monotonic();
        // The process stood still.
        clock.advance(Duration::from_secs(60));
        recent.catch_up(asked_at, REFILL * 500);
        assert_eq!(left_after(&pace, client, 1), 49);
    }

    #[test]
    fn an_answer_that_cannot_be_refuses_and_breaks_nothing() {
        let (clock, pace, client) = start();
        left_after(&pace, client, 1);
        bucket(&pace, client).catch_up(clock.monotonic(), Duration::MAX);
        assert!(pace.count(client, LIMIT).unwrap_err() > Duration::from_secs(3_600));
    }
}
