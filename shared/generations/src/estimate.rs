//! How long a job will take, told from how long others took.

use serde::{Deserialize, Serialize};

/// How long a worker needs for one picture, as a moving average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTime {
    mean_ms: u64,
}

impl ServiceTime {
    /// One observation moves the average by one part in so many.
    const WEIGHT: u64 = 8;

    /// No picture counts as longer than this: a stuck worker says nothing about the others.
    const OBSERVED_MS_MAX: u64 = 600_000;

    /// The guess before anything was measured.
    #[must_use]
    pub const fn guess(mean_ms: u64) -> Self {
        Self { mean_ms }
    }

    /// The average after a picture that took `took_ms`.
    #[must_use]
    pub fn observe(self, took_ms: u64) -> Self {
        let took_ms = took_ms.min(Self::OBSERVED_MS_MAX);
        let before_ms = self.mean_ms.min(Self::OBSERVED_MS_MAX);
        Self { mean_ms: (before_ms * (Self::WEIGHT - 1) + took_ms).div_ceil(Self::WEIGHT) }
    }

    /// The average, in milliseconds.
    #[must_use]
    pub const fn mean_ms(self) -> u64 {
        self.mean_ms
    }
}

impl Default for ServiceTime {
    fn default() -> Self {
        Self::guess(4_000)
    }
}

/// In how many seconds a job of `pictures` is done that has `pictures_ahead` before it and
/// `workers` to make them, rounded up and at least 1. No workers are counted as one: the fleet
/// starts with the first job.
#[must_use]
pub fn eta_s(pictures_ahead: u64, pictures: u64, workers: u32, each: ServiceTime) -> u32 {
    // One worker makes all pictures of one job, one after the other; those ahead are shared.
    let waiting_ms =
        pictures_ahead.saturating_mul(each.mean_ms).div_ceil(u64::from(workers.max(1)));
    let own_ms = pictures.saturating_mul(each.mean_ms);
    let eta_s = waiting_ms.saturating_add(own_ms).div_ceil(1_000);
    u32::try_from(eta_s).unwrap_or(u32::MAX).max(1)
}

/// When to ask again about a job that is expected in `eta_s` seconds: not so often that asking is
/// the load, and not so late that a picture lies about.
#[must_use]
pub fn poll_after_s(eta_s: u32) -> u32 {
    eta_s.div_ceil(2).clamp(1, 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_is_measured() {
        let start = ServiceTime::guess(8_000);
        assert_eq!(start.observe(8_000), start);
        assert_eq!(start.observe(16_000).mean_ms(), 9_000);
        let settled = (0..200).fold(start, |mean, _| mean.observe(1_000));
        assert!((1_000..=1_007).contains(&settled.mean_ms()));
        // A measurement that cannot be true moves it, and does not break it.
        assert_eq!(ServiceTime::guess(u64::MAX).observe(u64::MAX).mean_ms(), 600_000);
    }

    #[test]
    fn an_estimate_counts_those_ahead_and_its_own() {
        let each = ServiceTime::guess(2_000);
        assert_eq!(eta_s(0, 1, 1, each), 2);
        assert_eq!(eta_s(10, 2, 1, each), 24);
        assert_eq!(eta_s(10, 2, 4, each), 9);
        assert_eq!(eta_s(10, 2, 0, each), 24);
        assert_eq!(eta_s(0, 1, 8, ServiceTime::guess(0)), 1);
        assert_eq!(eta_s(u64::MAX, 4, 1, each), u32::MAX);
    }

    #[test]
    fn waiting_is_polled_between_one_and_fifteen_seconds() {
        assert_eq!([0, 1, 9, 3_600].map(poll_after_s), [1, 1, 5, 15]);
    }
}
