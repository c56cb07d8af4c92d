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

/// How long after it was given a lease that a Region had from home beside its branch goes back at the
/// earliest, in milliseconds. Such leases are short; what usage events tell of them may still be on
/// its way from a Region that was cut off.
pub const BESIDE_BRANCH_MS: i64 = 60_000;

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

/// How long the one who asks for an escrow is left alone, in milliseconds. Then another asks again
/// in its place, for the same escrow.
pub const ASKING_MS: i64 = 2_000;

/// How soon an escrow is asked for again after the client's home gave no answer, in milliseconds.
pub const ASKING_AGAIN_MS: i64 = 200;

/// For how long a client whose credits at home are gone is refused without asking there again, in
/// milliseconds.
pub const DRY_FOR_MS: i64 = 500;

/// How long before its end an escrow is renewed at the latest, in milliseconds: the request must be
/// there before home could take the escrow back, while two clocks differ by all they may.
pub const RENEWAL_LATE_MS: i64 = 1_000 + 2 * CLOCK_SKEW_MS;

/// How many leases may be open beside one that ends for the reaper's appointment to be made anew.
/// That rests on the whole balance, and many holders would be in each other's way.
pub(crate) const FEW_LEASES: usize = 4;

/// How a [`Branch`](crate::Branch) sizes its escrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowPolicy {
    /// How long an escrow lives, unless it is renewed.
    pub ttl: Duration,
    /// How long before its end an escrow is last lent from, beyond the longest lease lent out of it;
    /// at least 9 s. In this time the lease's holder reports, and the branch reports that on, while
    /// two clocks differ by all they may. What comes in the rest of it renews the escrow still.
    pub margin: Duration,
    /// How long an escrow is renewed before another takes its place, so that what is known of its
    /// use stays small.
    pub renewed_for: Duration,
    /// How long an escrow that was not settled in time waits at home, in suspense, for the branch.
    ///
    /// None where the branch's stock may be lost and usage is reported at once, within the margin,
    /// so that what is known of usage settles it; long where the stock is as safe as the ledger but
    /// may be cut off from it.
    pub window: Duration,
    /// How long a lease out of an escrow may live.
    pub lease_ttl: Duration,
    /// An escrow covers this much time at the client's recent rate in the whole Region.
    pub horizon: Duration,
    /// The size of the first escrow for a client, in credits.
    pub initial: u64,
    /// The largest escrow, in credits.
    pub max: u64,
    /// An escrow takes at most one part in this many of what is available at home.
    pub share: u64,
    /// An escrow that nothing is lent from for this long goes back before its end where less is
    /// available at home: others may need it.
    pub idle_when_short: Duration,
}

impl EscrowPolicy {
    /// For the holders of one Region, beside the client's home: a store in memory, such as Valkey,
    /// keeps the stock. Should it be lost, everything is settled within two minutes, of which usage
    /// events may be three quarters of one late, as they are from a Region that was cut off.
    #[must_use]
    pub const fn shared() -> Self {
        Self {
            ttl: Duration::from_secs(102),
            margin: Duration::from_secs(46),
            renewed_for: Duration::from_secs(900),
            window: Duration::ZERO,
            lease_ttl: Duration::from_secs(8),
            horizon: Duration::from_secs(120),
            initial: 64,
            max: 10_000_000,
            share: 4,
            idle_when_short: Duration::from_secs(20),
        }
    }

    /// For a Region far from the client's home: a durable store keeps the stock, and an escrow
    /// carries the Region through hours without its client's home.
    #[must_use]
    pub const fn remote() -> Self {
        Self {
            ttl: Duration::from_secs(4 * 3_600),
            margin: Duration::from_secs(9),
            renewed_for: Duration::from_secs(86_400),
            window: Duration::from_secs(30 * 86_400),
            lease_ttl: Duration::from_secs(120),
            horizon: Duration::from_secs(3_600),
            initial: 256,
            max: 1_000_000_000,
            share: 8,
            idle_when_short: Duration::from_secs(600),
        }
    }
}
