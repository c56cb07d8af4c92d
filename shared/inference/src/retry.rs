//! When a call is made again, and when no more.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::{Instant, timeout};

use crate::error::CallError;

/// How long and how often a call is tried.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The most time for one attempt.
    pub attempt_within: Duration,
    /// The most attempts of one call, the first one included.
    pub attempts_max: usize,
    /// The pause before the second attempt, unless the service asks for a longer one. It doubles
    /// with each attempt, and up to as much again is added by chance.
    pub pause: Duration,
    /// The most retries of all calls together that follow at once.
    pub retries_burst: NonZeroU16,
    /// How long it takes until one more retry is allowed, from a millisecond to a day.
    pub retry_every: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempt_within: Duration::from_secs(90),
            attempts_max: 3,
            pause: Duration::from_millis(500),
            retries_burst: NonZeroU16::MIN.saturating_add(9),
            retry_every: Duration::from_secs(5),
        }
    }
}

/// Makes calls again, within what all calls of a client may.
#[derive(Debug)]
pub(crate) struct Retrier {
    policy: RetryPolicy,
    budget: DefaultDirectRateLimiter,
}

impl Retrier {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        // A quota needs some time, and cannot count centuries.
        let every = policy.retry_every.clamp(Duration::from_millis(1), Duration::from_hours(24));
        let quota = Quota::with_period(every)
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(policy.retries_burst.into());
        Self { policy, budget: RateLimiter::direct(quota) }
    }

    /// What `attempt` gives, tried again where that may help, all of it `within` a time.
    ///
    /// # Errors
    /// The last attempt's error.
    pub(crate) async fn call<T, F>(
        &self,
        within: Duration,
        attempt: impl Fn() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let policy = &self.policy;
        let ends = Instant::now() + within;
        let attempt = || async {
            let left = ends.saturating_duration_since(Instant::now());
            let within = policy.attempt_within.min(left);
            timeout(within, attempt()).await.unwrap_or(Err(CallError::Late { within }))
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(policy.pause)
            .with_max_times(policy.attempts_max.saturating_sub(1))
            .with_jitter();
        let tried = attempt
            .retry(pauses)
            .when(CallError::is_transient)
            .adjust(|error, pause| {
                let pause = pause?.max(error.retry_after().unwrap_or_default());
                let fits = pause < ends.saturating_duration_since(Instant::now());
                (fits && self.budget.check().is_ok()).then_some(pause)
            })
            .notify(|error, pause| {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "an inference call is retried");
            });
        tried.await
    }
}
