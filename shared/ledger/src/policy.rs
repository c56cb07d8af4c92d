//! The times and sizes that the ledger's promises rest on.

use std::time::Duration;

/// The largest difference between two machines' wall clocks that the ledger allows for, in
/// milliseconds. A holder stops spending a lease this long before it expires, and the reaper takes
/// a lease back this long after, so that clocks may differ by twice this before anything overlaps.
pub const CLOCK_SKEW_MS: i64 = 2_000;

/// How long a lapsed lease waits in `suspense` for its holder's last report, in milliseconds.
pub const RECONCILE_WINDOW_MS: i64 = 30_000;

/// How long after a lease's settlement a copy of the request for it may still be carried out, in
/// milliseconds: a request that was held up somewhere after its sender had given up on it, and
/// twice the difference between two clocks. As long is the lease remembered, so that it is not
/// opened again.
pub const REQUEST_LATE_MS: i64 = 11_000 + 2 * CLOCK_SKEW_MS;

/// The most credits that one client can ever have been granted. Keeps every sum far from overflow
/// and inside the integers that JSON numbers hold exactly.
pub const GRANTED_MAX: u64 = 1_000_000_000_000_000;

/// How a [`Holder`](crate::Holder) sizes and renews its leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePolicy {
    /// How long a lease lives without renewal.
    pub ttl: Duration,
    /// A lease covers this much time at the client's recent rate.
    pub horizon: Duration,
    /// The size of a holder's first lease for a client, in credits.
    pub initial: u64,
    /// The largest lease, in credits; at most [`LEASE_MAX`](crate::LEASE_MAX).
    pub max: u64,
    /// A lease takes at most one part in this many of what is available, so that one holder does
    /// not starve the others; near zero this comes down to single credits.
    pub share: u64,
    /// A lease that was not spent from for this long is given back.
    pub idle: Duration,
    /// The same where less is available than the lease holds: others may need it.
    pub idle_when_short: Duration,
    /// What was spent from a lease is reported at least this often while it is in use, so that the
    /// loss of a whole machine leaves little unreported.
    pub checkpoint: Duration,
}

impl Default for LeasePolicy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30),
            horizon: Duration::from_secs(5),
            initial: 8,
            max: 1_000_000,
            share: 8,
            idle: Duration::from_secs(10),
            idle_when_short: Duration::from_secs(1),
            checkpoint: Duration::from_secs(5),
        }
    }
}
