//! Randomness, time and the trace: what a run is made of, and what shows that two runs are the same.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Clock, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

/// When every simulation begins, in milliseconds since the Unix epoch.
pub const START_MS: i64 = 1_767_225_600_000;

/// Locks what no panic leaves half-changed: a run that panics is over.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What random numbers are drawn for. Each purpose has its own stream, so that what one system draws
/// for its network does not change the calls that the next one is given.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Clocks, delays of processes and queues.
    Processes = 1,
    /// What becomes of messages.
    Network,
    /// Who calls, and where.
    Calls,
    /// Who buys credits.
    Grants,
    /// What goes wrong when.
    Trouble,
    /// What becomes of the Regions' stocks.
    Stocks,
}

/// A stream of random numbers that follows from the run's seed.
#[derive(Debug)]
pub struct Dice(Mutex<StdRng>);

impl Dice {
    /// The stream for one purpose.
    #[must_use]
    pub fn of(seed: u64, purpose: Purpose) -> Self {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (purpose as u64).rotate_left(32);
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// True with this probability.
    pub fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// From 0 up to and without 1.
    pub fn unit(&self) -> f64 {
        lock(&self.0).random()
    }

    /// From `low` up to and without `high`.
    pub fn between(&self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// From 0 up to and without `end`, which is at least 1.
    pub fn below(&self, end: usize) -> usize {
        lock(&self.0).random_range(0..end)
    }

    /// A time from `low` up to `high` milliseconds, in whole ones: see [`rounded`].
    pub fn millis(&self, low: f64, high: f64) -> Duration {
        rounded(self.between(low, high))
    }

    /// The time until the next of events that are independent of each other.
    pub fn gap(&self, mean_s: f64) -> Duration {
        rounded(-1_000.0 * mean_s * (1.0 - self.unit()).ln())
    }
}

/// Whole milliseconds. Tokio's timers know no other ones, and count them from a moment of the real
/// clock: parts of one would be rounded differently from run to run.
#[must_use]
pub fn rounded(ms: f64) -> Duration {
    Duration::from_millis(ms.round().max(0.0) as u64)
}

/// Virtual time since the run began.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    started: Instant,
}

impl Time {
    /// Time that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How much of it is over.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The true wall clock, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        START_MS + whole_ms(self.elapsed())
    }
}

/// Whole milliseconds.
#[must_use]
pub fn whole_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The clock of one machine.
#[derive(Debug)]
pub struct SkewedClock {
    time: Time,
    skew_ms: AtomicI64,
    /// A planted bug: the clock is read only this often.
    step: Option<Duration>,
}

impl SkewedClock {
    /// A clock that is off by `skew_ms`.
    #[must_use]
    pub fn new(time: Time, skew_ms: i64, step: Option<Duration>) -> Self {
        Self { time, skew_ms: AtomicI64::new(skew_ms), step }
    }

    /// Corrects the wall clock, for better or worse.
    pub fn set_skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        let elapsed = self.time.elapsed();
        match self.step {
            Some(step) => {
                let steps = elapsed.as_millis() / step.as_millis();
                step * u32::try_from(steps).unwrap_or(u32::MAX)
            }
            None => elapsed,
        }
    }

    fn now_ms(&self) -> i64 {
        START_MS + whole_ms(self.monotonic()) + self.skew_ms.load(Ordering::Relaxed)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A call was answered.
    Answered,
    /// A request was carried out by a store.
    Stored,
    /// Usage events were delivered.
    Counted,
    /// A process began.
    Started,
    /// A process was killed.
    Killed,
    /// A machine was lost.
    Lost,
    /// A process was stopped in order.
    Retired,
    /// A machine's clock was set.
    ClockSet,
    /// A Region was cut off.
    Cut,
    /// A Region's own store failed over.
    FailedOver,
    /// Credits were granted.
    Granted,
    /// The reaper has dealt with a client.
    Reaped,
    /// A request was carried out by a Region's stock.
    Stocked,
    /// A Region's stock became slow, or is not reached.
    Impaired,
    /// A client's escrows were looked after.
    Tended,
}

/// A hash of everything that happened, in its order.
#[derive(Debug, Default)]
pub struct Trace(Mutex<(u64, u64)>);

impl Trace {
    /// Adds an event.
    pub fn note(&self, at: Duration, event: Event, who: usize, what: u64) {
        // An accident is all that is guarded against, so that the hash may be a cheap one. Those of
        // the standard library that are seeded by the machine would differ from run to run.
        let mix =
            |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        let mut trace = lock(&self.0);
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        trace.0 = [at, event as u64, who as u64, what].into_iter().fold(trace.0, mix);
        trace.1 += 1;
    }

    /// The hash, and how many events there were.
    #[must_use]
    pub fn digest(&self) -> (u64, u64) {
        *lock(&self.0)
    }
}
