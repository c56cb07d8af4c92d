//! A lease in a holder's hands.

use std::time::Duration;

use clock::SharedClock;
use ids::{ClientId, LeaseId};

use crate::store::Leased;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tally::Tally;
use crate::usage::{Source, UsageEvent};

/// Credits that were spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// What the client has left, as far as this holder knows: the rest of its lease and what the
    /// ledger had available when the lease was given.
    pub remaining: u64,
    /// When the next credits end, in milliseconds since the Unix epoch.
    pub next_expiry_ms: Option<i64>,
}

/// A lease in this process's hands, and who was told what of it.
#[derive(Debug)]
pub(super) struct HeldLease {
    pub(super) id: LeaseId,
    pub(super) tally: Tally,
    /// The monotonic time from which nothing may be spent.
    pub(super) until: Duration,
    /// The same by the wall clock. Both must allow it: a frozen process's monotonic clock may have
    /// stood still, and a wall clock may have been set back.
    pub(super) until_ms: i64,
    pub(super) opened: Duration,
    /// What the ledger had available beyond this lease.
    pub(super) beyond: u64,
    next_expiry_ms: Option<i64>,
    /// Whether the ledger knows that the lease is closed.
    pub(super) settled: AtomicBool,
    /// What the ledger was told that is spent, in credits.
    told: AtomicU64,
    /// When, in monotonic milliseconds.
    told_at_ms: AtomicU64,
    /// What the sink was told that is spent, in credits.
    published: AtomicU64,
    /// When, in monotonic milliseconds.
    published_at_ms: AtomicU64,
}

impl HeldLease {
    /// A lease that was given just now, asked for at `opened`.
    pub(super) fn new(
        id: LeaseId,
        tally: Tally,
        until: Duration,
        until_ms: i64,
        opened: Duration,
        leased: Leased,
    ) -> Self {
        Self {
            id,
            tally,
            until,
            until_ms,
            opened,
            beyond: leased.available,
            next_expiry_ms: leased.next_expiry_ms,
            settled: AtomicBool::new(false),
            told: AtomicU64::new(0),
            told_at_ms: AtomicU64::new(millis(opened)),
            published: AtomicU64::new(0),
            published_at_ms: AtomicU64::new(0),
        }
    }

    /// A lease of a holder that is gone. Nothing can be spent from it.
    pub(super) fn left_behind(id: LeaseId, tally: Tally) -> Self {
        let nothing = Leased {
            credits: 0,
            available: 0,
            next_expiry_ms: None,
            until_ms: i64::MIN,
            escrow: tally.escrow(),
        };
        Self::new(id, tally, Duration::ZERO, i64::MIN, Duration::ZERO, nothing)
    }

    pub(super) fn usable(&self, clock: &SharedClock) -> bool {
        clock.monotonic() < self.until && clock.now_ms() < self.until_ms
    }

    pub(super) fn spent(&self, left: u64) -> Spent {
        Spent { remaining: left + self.beyond, next_expiry_ms: self.next_expiry_ms }
    }

    pub(super) fn left(&self) -> u64 {
        self.tally.amount() - self.tally.taken()
    }

    /// Whether it is about to be used up.
    pub(super) fn is_low(&self) -> bool {
        self.left() <= self.tally.amount() / 4
    }

    /// Whether others may need what it holds.
    pub(super) const fn is_short(&self) -> bool {
        self.beyond < self.tally.amount()
    }

    /// Whether something was spent that the ledger was not told for `checkpoint`.
    pub(super) fn is_untold(&self, now: Duration, checkpoint: Duration) -> bool {
        let waited_ms = millis(now).saturating_sub(self.told_at_ms.load(Ordering::Acquire));
        waited_ms >= millis(checkpoint)
            && self.tally.spending().credits() > self.told.load(Ordering::Acquire)
    }

    /// Notes what the ledger was told.
    pub(super) fn told(&self, used: u64, now: Duration) {
        self.told.fetch_max(used, Ordering::AcqRel);
        self.told_at_ms.store(millis(now), Ordering::Release);
    }

    /// What the sink was not told yet.
    pub(super) fn news(&self, client_id: ClientId, at_ms: i64) -> Option<UsageEvent> {
        let spending = self.tally.spending();
        (spending.credits() > self.published.load(Ordering::Acquire)).then_some(UsageEvent {
            client_id,
            source: Source::Lease(self.id),
            escrow: self.tally.escrow(),
            spending,
            at_ms,
        })
    }

    /// Notes what the sink was told.
    pub(super) fn published(&self, total: u64, now: Duration) {
        self.published.fetch_max(total, Ordering::AcqRel);
        self.published_at_ms.store(millis(now), Ordering::Release);
    }

    /// Whether the sink has known for so long all that was spent.
    pub(super) fn is_published_for(&self, time: Duration, now: Duration) -> bool {
        let spent = self.tally.spending().credits();
        let waited_ms = millis(now).saturating_sub(self.published_at_ms.load(Ordering::Acquire));
        self.published.load(Ordering::Acquire) == spent && (spent == 0 || waited_ms >= millis(time))
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
