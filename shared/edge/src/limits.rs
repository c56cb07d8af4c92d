//! What a client may still do, told in every metered reply (draft-ietf-httpapi-ratelimit-headers-10).

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that tells the limits.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The header that tells what is left of them.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Calls in a short time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Calls in one window.
    pub limit: u32,
    /// Calls that are left of it.
    pub remaining: u32,
    /// The window, in seconds; also the time until it is full again.
    pub window_s: u32,
}

/// Credits of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credits {
    /// Credits of one period.
    pub quota: u64,
    /// The period, in seconds.
    pub window_s: u32,
    /// Credits that are left.
    pub remaining: u64,
    /// Seconds until the next period.
    pub reset_s: u64,
}

/// Both limits of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls in a short time.
    pub burst: Burst,
    /// Credits of a period.
    pub credits: Credits,
}

/// A month as limits count it, in seconds.
pub const MONTH_S: u32 = 30 * 24 * 60 * 60;

impl RateLimits {
    /// Writes `RateLimit-Policy` and `RateLimit` over what is there.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { burst, credits } = self;
        let policy = format!(
            "\"burst\";q={};w={}, \"credits\";q={};w={}",
            burst.limit,
            burst.window_s,
            integer(credits.quota),
            credits.window_s
        );
        let left = format!(
            "\"burst\";r={};t={}, \"credits\";r={};t={}",
            burst.remaining,
            burst.window_s,
            integer(credits.remaining),
            integer(credits.reset_s)
        );
        for (name, value) in [(RATELIMIT_POLICY, policy), (RATELIMIT, left)] {
            // Digits and quotes always make a header.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Structured fields have integers of at most 15 digits (RFC 9651, 3.3.1).
fn integer(value: u64) -> u64 {
    value.min(999_999_999_999_999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_the_contract_has_them() {
        let mut headers = HeaderMap::new();
        let mut limits = RateLimits {
            burst: Burst { limit: 50, remaining: 49, window_s: 1 },
            credits: Credits {
                quota: 10_000,
                window_s: MONTH_S,
                remaining: 9_991,
                reset_s: 86_400,
            },
        };
        limits.write(&mut headers);
        assert_eq!(headers[RATELIMIT_POLICY], "\"burst\";q=50;w=1, \"credits\";q=10000;w=2592000");
        assert_eq!(headers[RATELIMIT], "\"burst\";r=49;t=1, \"credits\";r=9991;t=86400");

        limits.credits.remaining = u64::MAX;
        limits.write(&mut headers);
        assert_eq!(headers[RATELIMIT], "\"burst\";r=49;t=1, \"credits\";r=999999999999999;t=86400");
        assert_eq!(headers.len(), 2);
    }
}
