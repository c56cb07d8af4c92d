//! The holder: spends leased credits in memory, and keeps a lease at hand for every busy client.
//!
//! The hot path, [`Holder::spend`] with a lease at hand, is one compare-and-swap and no I/O. The
//! lease is renewed in the background before it runs out; only a call that finds no usable lease
//! waits for the ledger, and of many such calls one asks and the others wait for its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use clock::SharedClock;
use dashmap::DashMap;
use ids::{ClientId, LeaseId, Mint};
use tokio::sync::Mutex;

use crate::policy::{CLOCK_SKEW_MS, LeasePolicy};
use crate::store::{LeaseRequest, Ledger, LedgerError, Settlement, Stamp, StoreFault};

/// For how long a client whose credits are gone is refused without asking the ledger again.
const EXHAUSTED_FOR: Duration = Duration::from_millis(500);

/// How often the ledger is asked again for the answer that was lost, before a call fails.
const ATTEMPTS: u32 = 3;

/// Credits that were spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// What the client has left, as far as this holder knows: the rest of its lease and what the
    /// ledger had available when the lease was given.
    pub remaining: u64,
    /// When the next credits end, in milliseconds since the Unix epoch.
    pub next_expiry_ms: Option<i64>,
}

/// What has become of a lease's credits, in one word, so that one compare-and-swap changes all of
/// it: whether it is closed, how many credits are reserved, how many are used (the reserved ones
/// included).
#[derive(Debug)]
struct Tally(AtomicU64);

impl Tally {
    const USED_BITS: u32 = 40;
    const USED_MAX: u64 = (1 << Self::USED_BITS) - 1;
    const RESERVED_MAX: u64 = (1 << 23) - 1;
    const CLOSED: u64 = 1 << 63;

    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes `credits` of `amount` and says how many are left, or nothing if they are too few or
    /// the lease is closed.
    fn take(&self, amount: u64, credits: u64, reserve: bool) -> Option<u64> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (used, reserved) = Self::parts(word);
            let left = amount.checked_sub(used)?.checked_sub(credits)?;
            if word & Self::CLOSED != 0
                || reserve && reserved.checked_add(credits)? > Self::RESERVED_MAX
            {
                return None;
            }
            let step = if reserve { credits << Self::USED_BITS | credits } else { credits };
            match self.0.compare_exchange_weak(
                word,
                word + step,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(left),
                Err(now) => word = now,
            }
        }
    }

    /// Reserved credits become spent ones.
    fn keep(&self, credits: u64) {
        self.0.fetch_sub(credits << Self::USED_BITS, Ordering::AcqRel);
    }

    /// Reserved credits were not needed.
    fn release(&self, credits: u64) {
        self.0.fetch_sub(credits << Self::USED_BITS | credits, Ordering::AcqRel);
    }

    fn close(&self) {
        self.0.fetch_or(Self::CLOSED, Ordering::AcqRel);
    }

    /// Credits that are used or reserved.
    fn taken(&self) -> u64 {
        Self::parts(self.0.load(Ordering::Acquire)).0
    }

    /// Credits that are spent for good.
    fn spent(&self) -> u64 {
        let (used, reserved) = Self::parts(self.0.load(Ordering::Acquire));
        used - reserved
    }

    /// Whether nothing is reserved any more.
    fn is_final(&self) -> bool {
        Self::parts(self.0.load(Ordering::Acquire)).1 == 0
    }

    const fn parts(word: u64) -> (u64, u64) {
        (word & Self::USED_MAX, (word & !Self::CLOSED) >> Self::USED_BITS)
    }
}

/// A lease in this process's hands.
#[derive(Debug)]
struct HeldLease {
    id: LeaseId,
    amount: u64,
    tally: Tally,
    /// The monotonic time from which nothing may be spent.
    until: Duration,
    /// The same by the wall clock. Both must allow it: a frozen process's monotonic clock may have
    /// stood still, and a wall clock may have been set back.
    until_ms: i64,
    opened: Duration,
    /// What the ledger had available beyond this lease.
    beyond: u64,
    next_expiry_ms: Option<i64>,
}

impl HeldLease {
    fn usable(&self, clock: &SharedClock) -> bool {
        clock.monotonic() < self.until && clock.now_ms() < self.until_ms
    }

    fn take(&self, credits: u64, reserve: bool) -> Option<u64> {
        self.tally.take(self.amount, credits, reserve)
    }

    fn spent(&self, left: u64) -> Spent {
        Spent { remaining: left + self.beyond, next_expiry_ms: self.next_expiry_ms }
    }

    fn left(&self) -> u64 {
        self.amount - self.tally.taken()
    }
}

/// A lease that was asked for and whose answer was lost.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    id: LeaseId,
    stamp: Stamp,
    asked: Duration,
}

/// What only one task at a time may work on.
#[derive(Debug, Default)]
struct Renewal {
    /// Closed leases that the ledger has not been told of.
    closed: Vec<Arc<HeldLease>>,
    /// Leases that may or may not have been given, and that nobody will use.
    abandoned: Vec<LeaseId>,
    unanswered: Option<Unanswered>,
    last_size: u64,
}

#[derive(Debug, Default)]
struct Cell {
    active: ArcSwapOption<HeldLease>,
    renewal: Mutex<Renewal>,
    renewing_ahead: AtomicBool,
    /// Monotonic milliseconds of the last spend.
    last_spend_ms: AtomicU64,
    /// Until when, in monotonic milliseconds, the client is known to have less than
    /// `exhausted_below` credits.
    exhausted_until_ms: AtomicU64,
    exhausted_below: AtomicU64,
}

/// Spends credits for many clients from leases of one ledger.
#[derive(Debug)]
pub struct Holder<L> {
    ledger: Arc<L>,
    clock: SharedClock,
    mint: Arc<Mint>,
    policy: LeasePolicy,
    cells: DashMap<ClientId, Arc<Cell>>,
}

impl<L: Ledger> Holder<L> {
    /// A holder without leases.
    #[must_use]
    pub fn new(
        ledger: Arc<L>,
        clock: SharedClock,
        mint: Arc<Mint>,
        policy: LeasePolicy,
    ) -> Arc<Self> {
        Arc::new(Self { ledger, clock, mint, policy, cells: DashMap::new() })
    }

    /// The ledger that the leases come from.
    #[must_use]
    pub fn ledger(&self) -> &Arc<L> {
        &self.ledger
    }

    /// Spends `credits` of a client's.
    ///
    /// # Errors
    /// [`LedgerError::Exhausted`] if the client has too few; [`LedgerError::Store`] if no lease is
    /// at hand and the ledger cannot be reached. Nothing is spent then.
    pub async fn spend(
        self: &Arc<Self>,
        client: ClientId,
        credits: u64,
    ) -> Result<Spent, LedgerError> {
        if let Some(cell) = self.cells.get(&client)
            && let Some(spent) = self.try_spend(client, &cell, credits)
        {
            return Ok(spent);
        }
        Ok(self.reserve(client, credits).await?.keep())
    }

    /// Spends `credits` for work that may still fail: they come back when the reservation is
    /// dropped without [`Reservation::keep`].
    ///
    /// # Errors
    /// As [`spend`](Self::spend).
    pub async fn reserve(
        self: &Arc<Self>,
        client: ClientId,
        credits: u64,
    ) -> Result<Reservation, LedgerError> {
        let cell = self.cell(client);
        let (lease, spent) = self.acquire(client, &cell, credits).await?;
        Ok(Reservation { lease, credits, spent, kept: false })
    }

    /// Gives back what is idle or about to end, and reports what the ledger has not been told.
    /// Called every few seconds, and whenever the process is about to be frozen.
    pub async fn sweep(&self) {
        for (client, cell) in self.snapshot() {
            let idle_ms = millis(self.clock.monotonic())
                .saturating_sub(cell.last_spend_ms.load(Ordering::Relaxed));
            let idle = idle_ms >= millis(self.policy.idle);
            let ended = cell.active.load().as_ref().is_some_and(|lease| !lease.usable(&self.clock));
            if idle || ended {
                self.give_back(client, &cell).await;
                drop(cell);
                self.cells.remove_if(&client, |_, cell| {
                    // Nobody else has the cell, and while the map's shard is locked nobody gets it.
                    Arc::strong_count(cell) == 1
                        && cell.active.load().is_none()
                        && cell.renewal.try_lock().is_ok_and(|state| {
                            state.closed.is_empty()
                                && state.abandoned.is_empty()
                                && state.unanswered.is_none()
                        })
                });
            }
        }
    }

    /// Gives back everything. Called when the process ends.
    pub async fn drain(&self) {
        for (client, cell) in self.snapshot() {
            self.give_back(client, &cell).await;
        }
    }

    fn snapshot(&self) -> Vec<(ClientId, Arc<Cell>)> {
        self.cells.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect()
    }

    fn cell(&self, client: ClientId) -> Arc<Cell> {
        Arc::clone(&self.cells.entry(client).or_default())
    }

    fn try_spend(
        self: &Arc<Self>,
        client: ClientId,
        cell: &Arc<Cell>,
        credits: u64,
    ) -> Option<Spent> {
        let lease = cell.active.load();
        let lease = lease.as_ref()?;
        let now = self.clock.monotonic();
        if now >= lease.until || self.clock.now_ms() >= lease.until_ms {
            return None;
        }
        let left = lease.take(credits, false)?;
        cell.last_spend_ms.store(millis(now), Ordering::Relaxed);
        let low = left <= lease.amount / 4;
        let old = now - lease.opened >= self.policy.ttl / 2;
        // Near zero there is nothing to renew ahead for: the next call asks itself.
        if (low && lease.beyond > 0 || old)
            && lease.amount > 1
            && !cell.renewing_ahead.swap(true, Ordering::AcqRel)
        {
            self.renew_ahead(client, Arc::clone(cell));
        }
        Some(lease.spent(left))
    }

    /// The slow way to a credit: one caller asks the ledger, the others wait for it.
    async fn acquire(
        self: &Arc<Self>,
        client: ClientId,
        cell: &Arc<Cell>,
        credits: u64,
    ) -> Result<(Arc<HeldLease>, Spent), LedgerError> {
        if let Some(taken) = self.take_reserved(cell, credits) {
            return Ok(taken);
        }
        let mut state = cell.renewal.lock().await;
        loop {
            if let Some(taken) = self.take_reserved(cell, credits) {
                return Ok(taken);
            }
            self.refuse_if_exhausted(cell, credits)?;
            self.renew(client, cell, &mut state, credits).await?;
        }
    }

    /// Takes credits from the active lease as a reservation that holds up its settlement until it
    /// is kept or given back. The fast path's spends need none: they are final at once.
    fn take_reserved(&self, cell: &Cell, credits: u64) -> Option<(Arc<HeldLease>, Spent)> {
        let lease = cell.active.load_full()?;
        if !lease.usable(&self.clock) {
            return None;
        }
        let left = lease.take(credits, true)?;
        cell.last_spend_ms.store(millis(self.clock.monotonic()), Ordering::Relaxed);
        let spent = lease.spent(left);
        Some((lease, spent))
    }

    fn refuse_if_exhausted(&self, cell: &Cell, credits: u64) -> Result<(), LedgerError> {
        let now_ms = millis(self.clock.monotonic());
        let below = cell.exhausted_below.load(Ordering::Relaxed);
        if credits >= below && now_ms < cell.exhausted_until_ms.load(Ordering::Relaxed) {
            return Err(LedgerError::Exhausted { available: below.saturating_sub(1) });
        }
        Ok(())
    }

    fn renew_ahead(self: &Arc<Self>, client: ClientId, cell: Arc<Cell>) {
        let holder = Arc::clone(self);
        tokio::spawn(async move {
            {
                let mut state = cell.renewal.lock().await;
                // Whoever had the lock before may have renewed already.
                let due = cell.active.load().as_ref().is_some_and(|lease| {
                    lease.left() <= lease.amount / 4
                        || holder.clock.monotonic() - lease.opened >= holder.policy.ttl / 2
                });
                if due && let Err(error) = holder.renew(client, &cell, &mut state, 1).await {
                    match error {
                        LedgerError::Exhausted { .. } => {}
                        error => tracing::warn!(%client, %error, "a lease was not renewed ahead"),
                    }
                }
            }
            cell.renewing_ahead.store(false, Ordering::Release);
        });
    }

    /// Gets a new lease of at least `need` credits and makes it the active one.
    async fn renew(
        &self,
        client: ClientId,
        cell: &Cell,
        state: &mut Renewal,
        need: u64,
    ) -> Result<(), LedgerError> {
        let active = cell.active.load_full();
        let mut want = self.policy.initial;
        let mut checkpoint = None;
        if let Some(lease) = &active {
            let elapsed = (self.clock.monotonic() - lease.opened).max(Duration::from_millis(1));
            let pace = u128::from(lease.tally.taken()) * self.policy.horizon.as_micros();
            let pace = u64::try_from(pace / elapsed.as_micros().max(1)).unwrap_or(u64::MAX);
            want = pace.clamp(self.policy.initial, state.last_size.saturating_mul(16).max(1));
            if !lease.usable(&self.clock) || lease.left() < need {
                self.retire(cell, state);
            } else {
                checkpoint =
                    Some(Settlement { lease: lease.id, used: lease.tally.spent(), close: false });
            }
        }
        let want = want.min(self.policy.max).max(need);

        let asked = self.clock.monotonic();
        let unanswered = state.unanswered.take().filter(|unanswered| {
            let fresh = asked - unanswered.asked < self.policy.ttl / 2;
            if !fresh {
                state.abandoned.push(unanswered.id);
            }
            fresh
        });
        let asking = unanswered.unwrap_or_else(|| {
            let now_ms = self.clock.now_ms();
            Unanswered { id: self.mint.mint(now_ms), stamp: self.stamp(now_ms), asked }
        });
        let (mut settle, told) = self.reports(state);
        settle.extend(checkpoint);
        let request = LeaseRequest {
            id: asking.id,
            need,
            want,
            share: self.policy.share,
            ttl_ms: millis(self.policy.ttl).cast_signed(),
            settle,
        };
        let mut attempt = 1;
        let leased = loop {
            match self.ledger.lease(client, request.clone(), asking.stamp).await {
                Ok(leased) => break leased,
                Err(LedgerError::Store(StoreFault::TimedOut(_))) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => {
                    if matches!(error, LedgerError::Store(_)) {
                        state.unanswered = Some(asking);
                    }
                    return Err(error);
                }
            }
        };
        self.told(state, &told);
        if leased.credits < need {
            // A lease that was asked for before, when less was needed, does not help this caller.
            if leased.credits > 0 {
                state.abandoned.push(asking.id);
            }
            cell.exhausted_below.store(need, Ordering::Relaxed);
            let until = self.clock.monotonic() + EXHAUSTED_FOR;
            cell.exhausted_until_ms.store(millis(until), Ordering::Relaxed);
            return Err(LedgerError::Exhausted { available: leased.available });
        }
        let margin_ms = CLOCK_SKEW_MS.unsigned_abs();
        let lease = Arc::new(HeldLease {
            id: asking.id,
            amount: leased.credits,
            tally: Tally::new(),
            until: asking.asked + self.policy.ttl.saturating_sub(Duration::from_millis(margin_ms)),
            until_ms: asking.stamp.at_ms.saturating_add(request.ttl_ms - CLOCK_SKEW_MS),
            opened: asked,
            beyond: leased.available,
            next_expiry_ms: leased.next_expiry_ms,
        });
        state.last_size = lease.amount;
        // The old lease is closed only now, so that nobody had to wait for the new one. Callers
        // that took the old lease's pointer just before find it closed and come to `acquire`.
        self.retire(cell, state);
        cell.active.store(Some(lease));
        Ok(())
    }

    /// Closes the active lease, if there is one, and puts it with those to be reported.
    fn retire(&self, cell: &Cell, state: &mut Renewal) {
        if let Some(lease) = cell.active.swap(None) {
            lease.tally.close();
            state.closed.push(lease);
        }
    }

    /// The reports on closed leases that nobody's reservation holds up, and on abandoned ones.
    fn reports(&self, state: &Renewal) -> (Vec<Settlement>, Vec<LeaseId>) {
        let closed = state
            .closed
            .iter()
            .filter(|lease| lease.tally.is_final())
            .map(|lease| Settlement { lease: lease.id, used: lease.tally.spent(), close: true });
        let abandoned =
            state.abandoned.iter().map(|id| Settlement { lease: *id, used: 0, close: true });
        let reports: Vec<_> = closed.chain(abandoned).collect();
        let ids = reports.iter().map(|report| report.lease).collect();
        (reports, ids)
    }

    fn told(&self, state: &mut Renewal, told: &[LeaseId]) {
        state.closed.retain(|lease| !told.contains(&lease.id));
        state.abandoned.retain(|id| !told.contains(id));
    }

    async fn give_back(&self, client: ClientId, cell: &Cell) {
        let mut state = cell.renewal.lock().await;
        self.retire(cell, &mut state);
        if let Some(unanswered) = state.unanswered.take() {
            state.abandoned.push(unanswered.id);
        }
        let (reports, told) = self.reports(&state);
        if reports.is_empty() {
            return;
        }
        let stamp = self.stamp(self.clock.now_ms());
        match self.ledger.settle(client, reports, stamp).await {
            Ok(()) => self.told(&mut state, &told),
            // They stay in the list for the next sweep; if none comes, the reaper takes them.
            Err(error) => tracing::warn!(%client, %error, "leases were not settled"),
        }
    }

    fn stamp(&self, now_ms: i64) -> Stamp {
        Stamp { entry: self.mint.mint(now_ms), at_ms: now_ms }
    }
}

/// Credits taken for work that is not done yet.
#[derive(Debug)]
#[must_use = "dropping a reservation gives its credits back"]
pub struct Reservation {
    lease: Arc<HeldLease>,
    credits: u64,
    spent: Spent,
    kept: bool,
}

impl Reservation {
    /// What the client has left if the reservation is kept.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// The work is done and paid.
    pub fn keep(mut self) -> Spent {
        self.kept = true;
        self.lease.tally.keep(self.credits);
        self.spent
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            // The lease cannot have been settled: that waits until nothing is reserved.
            self.lease.tally.release(self.credits);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
