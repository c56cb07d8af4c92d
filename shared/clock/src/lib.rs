//! Time as an argument.
//!
//! No crate of this workspace but this one asks the machine for the time. Whoever needs it takes a
//! [`SharedClock`], so that a test or a simulation can decide what time it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use jiff::Timestamp;

/// A clock that can be handed to many owners.
pub type SharedClock = Arc<dyn Clock>;

/// The two times that the service needs.
///
/// They answer different questions. [`now`](Clock::now) is comparable between machines, but may
/// jump when it is corrected. [`monotonic`](Clock::monotonic) never goes back, but means nothing
/// outside this process.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock, in UTC.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment in the past of this process.
    fn monotonic(&self) -> Duration;

    /// The wall clock in milliseconds since the Unix epoch, as the stores keep it.
    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// The same, ready to be handed out.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Stores and replies keep milliseconds; what is compared is of one kind everywhere.
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// Without a [`Timestamp`] on the way: calls that spend credits ask for nothing else.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => {
                // The millisecond that has begun, as for times after the epoch.
                let until = before.duration().as_nanos().div_ceil(1_000_000);
                i64::try_from(until).map_or(i64::MIN, |until| -until)
            }
        }
    }
}

/// A clock that moves only when told to, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            wall_ms: AtomicI64::new(start.as_millisecond()),
            monotonic_ms: AtomicU64::new(0),
        })
    }

    /// Moves both times on by `step`.
    pub fn advance(&self, step: Duration) {
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        self.monotonic_ms.fetch_add(step_ms, Ordering::Relaxed);
        self.wall_ms.fetch_add(i64::try_from(step_ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Moves the wall clock alone, as a correction of the machine's time does.
    pub fn skew(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall_ms.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now_ms(), 0);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now_ms(), 1_500);
        assert_eq!(clock.monotonic(), Duration::from_millis(1_500));
    }

    #[test]
    fn a_correction_moves_the_wall_clock_alone() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        clock.skew(-2_000);
        assert_eq!(clock.now_ms(), -2_000);
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the machine's time is what is looked for")]
    fn the_system_clock_has_the_machine_s_time_in_whole_milliseconds() {
        let clock = SystemClock::new();
        let before = Timestamp::now().as_millisecond();
        let (now, now_ms) = (clock.now(), clock.now_ms());
        let after = Timestamp::now().as_millisecond();
        assert_eq!(now, Timestamp::from_millisecond(now.as_millisecond()).unwrap());
        assert!((before..=after).contains(&now.as_millisecond()), "{before} {now} {after}");
        assert!((now.as_millisecond()..=after).contains(&now_ms), "{now} {now_ms} {after}");
    }

    #[test]
    fn the_system_clock_advances() {
        let clock = SystemClock::new();
        let before = clock.monotonic();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.monotonic() > before);
    }
}
