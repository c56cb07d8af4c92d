//! When a delivery is tried again.

use std::time::Duration;

/// How often a delivery is attempted before it is given up.
pub const ATTEMPTS_MAX: u8 = 10;

/// The longest that a message can wait in the queue before it is handed out. What waits longer is
/// sent by the sweep when its time has come.
pub const MESSAGE_DELAY_MAX: Duration = Duration::from_secs(900);

/// The pause after each attempt but the last, in seconds: 75.6 hours in all. An endpoint that is
/// restarted misses nothing for long, and one that is broken over a weekend misses nothing at all.
const PAUSES_S: [u64; ATTEMPTS_MAX as usize - 1] =
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 68_400, 90_000];

/// How far a pause may be shorter or longer, in thousandths: what failed together is not tried
/// again together.
const JITTER: u64 = 100;

/// The pause after so many failed attempts, with jitter from `random`; none when there is no attempt
/// left.
#[must_use]
pub fn retry_after(attempts: u8, random: u64) -> Option<Duration> {
    let pause_s = PAUSES_S.get(usize::from(attempts.checked_sub(1)?))?;
    let thousandths = 1_000 - JITTER + random % (2 * JITTER + 1);
    Some(Duration::from_millis(pause_s * thousandths))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(random: u64) -> Duration {
        (1..=ATTEMPTS_MAX).filter_map(|attempts| retry_after(attempts, random)).sum()
    }

    #[test]
    fn ten_attempts_take_about_seventy_five_hours() {
        let hours = |random| total(random).as_secs_f64() / 3_600.0;
        let middle = hours(JITTER);
        assert!((75.0..76.5).contains(&middle), "{middle} h");
        assert!(hours(0) > 67.0 && hours(2 * JITTER) < 84.0);
        assert_eq!(retry_after(0, 0), None);
        assert_eq!(retry_after(ATTEMPTS_MAX, 0), None);
        assert_eq!(retry_after(u8::MAX, 0), None);
    }

    proptest! {
        #[test]
        fn pauses_grow_whatever_the_jitter(a: u64, b: u64, attempts in 1_u8..9) {
            let (this, next) = (retry_after(attempts, a), retry_after(attempts + 1, b));
            prop_assert!(this.unwrap() < next.unwrap());
        }
    }
}
