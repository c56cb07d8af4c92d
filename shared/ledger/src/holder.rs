//! The holder: spends leased credits in memory, and keeps a lease at hand for every busy client.
//!
//! The hot path, [`Holder::spend`] with a lease at hand, is one compare-and-swap, one addition and
//! no I/O. The lease is renewed in the background before it runs out; only a call that finds no
//! usable lease waits for the ledger, and of many such calls one asks and the others wait for its
//! answer.
//!
//! What was spent is told to two, each time as a total, so that it may be told again: to the
//! ledger, which moves the credits, and to the [`UsageSink`], which counts what they were spent on.
//! A lease is forgotten once both know all of it.

mod lease;

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use futures_util::StreamExt as _;
use futures_util::stream;
use ids::{ClientId, LeaseId, Mint};

pub use self::lease::Spent;
use self::lease::{HeldLease, millis};
use crate::policy::{CLOCK_SKEW_MS, LeasePolicy, RECONCILE_WINDOW_MS};
use crate::store::{LeaseRequest, LedgerError, Lender, Settlement, Stamp, StoreFault};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{ArcSwapOption, AsyncMutex, DashMap, Mutex, MutexGuard, PoisonError, spawn};
use crate::tally::{Announced, HeapSlots, LEASE_MAX, Operation, Slots, Tally};
use crate::usage::UsageSink;

/// For how long a client whose credits are gone is refused without asking the ledger again.
const EXHAUSTED_FOR: Duration = Duration::from_millis(500);

/// For how long callers are told that the store failed without asking it again. Those who waited
/// while one asked are told too: otherwise each of them would wait for its own failure in turn.
const FAILED_FOR: Duration = Duration::from_millis(100);

/// How often the ledger is asked again for the answer that was lost, before a call fails.
const ATTEMPTS: u32 = 3;

/// How many clients' reports are under way at once.
const REPORTS_AT_ONCE: usize = 32;

/// How long a lease's tally is kept after the sink has taken the last of it. A sink may lose what it
/// has taken, as a queue in memory does that dies together with this process; whoever finds the tally
/// tells all of it again, which counts nothing twice.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// How many events the sink is offered at once.
const EVENTS_AT_ONCE: usize = 500;

/// A lease that was asked for and whose answer was lost.
#[derive(Debug, Clone)]
struct Unanswered {
    id: LeaseId,
    stamp: Stamp,
    asked: Duration,
    announced: Announced,
}

/// What only one task at a time may work on: talking with the ledger about one client.
#[derive(Debug, Default)]
struct Asking {
    unanswered: Option<Unanswered>,
    last_size: u64,
    /// When the store failed last, by the monotonic clock, and how.
    failed: Option<(Duration, StoreFault)>,
}

#[derive(Debug, Default)]
struct Cell {
    active: ArcSwapOption<HeldLease>,
    /// Leases that nothing is spent from any more, but of which somebody has yet to be told.
    closed: Mutex<Vec<Arc<HeldLease>>>,
    asking: AsyncMutex<Asking>,
    renewing_ahead: AtomicBool,
    /// Monotonic milliseconds of the last spend.
    last_spend_ms: AtomicU64,
    /// Until when, in monotonic milliseconds, the client is known to have less than
    /// `exhausted_below` credits.
    exhausted_until_ms: AtomicU64,
    exhausted_below: AtomicU64,
}

impl Cell {
    fn closed(&self) -> MutexGuard<'_, Vec<Arc<HeldLease>>> {
        // The list is whole after any panic: it is only pushed to and filtered.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `next` the active lease, if there is one, and puts the one before with those to be
    /// reported. Callers that took its pointer just before find it closed and come to `acquire`.
    fn replace(&self, next: Option<Arc<HeldLease>>) {
        // Under the lock, so that whoever lists the leases sees each in one place or the other.
        let mut closed = self.closed();
        if let Some(lease) = self.active.swap(next) {
            lease.tally.close();
            closed.push(lease);
        }
    }

    /// Puts a lease that may or may not have been given, and that nobody will use, with those to be
    /// reported.
    fn abandon(&self, unanswered: Unanswered) {
        let tally = unanswered.announced.abandon();
        self.closed().push(Arc::new(HeldLease::left_behind(unanswered.id, tally)));
    }

    /// Everything that somebody may have to be told of.
    fn leases(&self) -> Vec<Arc<HeldLease>> {
        let closed = self.closed();
        closed.iter().cloned().chain(self.active.load_full()).collect()
    }
}

/// Reports that are on their way to the ledger.
#[derive(Debug, Default)]
struct Reports {
    settlements: Vec<Settlement>,
    /// The lease of each.
    leases: Vec<Arc<HeldLease>>,
}

impl Reports {
    fn add(&mut self, lease: Arc<HeldLease>, close: bool) {
        let used = lease.tally.spending().credits();
        let escrow = lease.tally.escrow();
        self.settlements.push(Settlement { lease: lease.id, escrow, used, close });
        self.leases.push(lease);
    }
}

/// Spends credits for many clients from leases of one ledger.
#[derive(Debug)]
pub struct Holder<L> {
    ledger: Arc<L>,
    clock: SharedClock,
    mint: Arc<Mint>,
    policy: LeasePolicy,
    slots: Arc<dyn Slots>,
    sink: Option<Arc<dyn UsageSink>>,
    cells: DashMap<ClientId, Arc<Cell>>,
}

impl<L: Lender> Holder<L> {
    /// A holder without leases, which keeps its tallies on the heap and tells nobody of usage.
    #[must_use]
    pub fn new(ledger: Arc<L>, clock: SharedClock, mint: Arc<Mint>, policy: LeasePolicy) -> Self {
        let slots = Arc::new(HeapSlots);
        Self { ledger, clock, mint, policy, slots, sink: None, cells: DashMap::default() }
    }

    /// Keeps tallies in `slots`, and takes over what holders that are gone have left there: it is
    /// reported with the next [`sweep`](Self::sweep).
    #[must_use]
    pub fn with_slots(mut self, slots: Arc<dyn Slots>) -> Self {
        for slot in slots.left_behind() {
            if let Some((client, lease, tally)) = Tally::find(slot) {
                let left = Arc::new(HeldLease::left_behind(lease, tally));
                self.cell(client).closed().push(left);
            }
        }
        self.slots = slots;
        self
    }

    /// Tells `sink` what credits are spent on.
    #[must_use]
    pub fn with_sink(mut self, sink: Arc<dyn UsageSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Where the leases come from.
    #[must_use]
    pub fn ledger(&self) -> &Arc<L> {
        &self.ledger
    }

    /// Spends `credits` of a client's on `operation`.
    ///
    /// # Errors
    /// [`LedgerError::Exhausted`] if the client has too few; [`LedgerError::Store`] if no lease is
    /// at hand and the ledger cannot be reached. Nothing is spent then.
    pub async fn spend(
        self: &Arc<Self>,
        client: ClientId,
        operation: Operation,
        credits: u64,
    ) -> Result<Spent, LedgerError> {
        if let Some(cell) = self.cells.get(&client)
            && let Some(lease) = cell.active.load().as_ref()
            && let Some(spent) = self.take(client, &cell, lease, credits)
        {
            lease.tally.keep(operation, credits);
            return Ok(spent);
        }
        Ok(self.reserve(client, credits).await?.keep(operation))
    }

    /// Takes `credits` for work that may still fail: they come back when the reservation is
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

    /// Gives back what is idle or about to end, reports what has not been reported for a while, and
    /// tells the sink what is new. Called every second.
    pub async fn sweep(&self) {
        self.tell_all(self.policy.checkpoint, KEPT_FOR).await;
    }

    /// Reports everything there is to report, and keeps the leases. Called when the process may be
    /// frozen and not wake up again.
    pub async fn flush(&self) {
        self.tell_all(Duration::ZERO, KEPT_FOR).await;
    }

    /// Gives back everything. Called when the process ends.
    pub async fn drain(&self) {
        for (_, cell) in self.snapshot() {
            cell.replace(None);
        }
        self.tell_all(Duration::ZERO, Duration::ZERO).await;
    }

    /// Tells of everything that was not told for `checkpoint`, and forgets the closed leases that the
    /// sink has known all of for `kept`.
    async fn tell_all(&self, checkpoint: Duration, kept: Duration) {
        let cells = self.snapshot();
        let reports: Vec<_> =
            cells.iter().map(|(client, cell)| self.look_after(*client, cell, checkpoint)).collect();
        let reports = stream::iter(reports).buffer_unordered(REPORTS_AT_ONCE).collect::<()>();
        tokio::join!(reports, self.publish(&cells));
        for (client, cell) in cells {
            self.forget_told(&cell, kept);
            drop(cell);
            self.cells.remove_if(&client, |_, cell| {
                // Nobody else has the cell, and while the map's shard is locked nobody gets it.
                Arc::strong_count(cell) == 1
                    && cell.active.load().is_none()
                    && cell.closed().is_empty()
                    && cell.asking.try_lock().is_ok_and(|asking| asking.unanswered.is_none())
            });
        }
    }

    /// The clients' cells, in the same order whatever the map's.
    fn snapshot(&self) -> Vec<(ClientId, Arc<Cell>)> {
        let mut cells: Vec<_> =
            self.cells.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect();
        cells.sort_unstable_by_key(|(client, _)| *client);
        cells
    }

    fn cell(&self, client: ClientId) -> Arc<Cell> {
        Arc::clone(&self.cells.entry(client).or_default())
    }

    /// Takes credits from a cell's active lease, and renews it ahead if it is about to be used up.
    fn take(
        self: &Arc<Self>,
        client: ClientId,
        cell: &Arc<Cell>,
        lease: &HeldLease,
        credits: u64,
    ) -> Option<Spent> {
        let now = self.clock.monotonic();
        if now >= lease.until || self.clock.now_ms() >= lease.until_ms {
            return None;
        }
        let left = lease.tally.take(credits)?;
        cell.last_spend_ms.store(millis(now), Ordering::Relaxed);
        // Near zero there is nothing to renew ahead for: the next call asks itself.
        if lease.tally.amount() > 1
            && (lease.is_low() && lease.beyond > 0 || self.is_old(lease, now))
            && !cell.renewing_ahead.swap(true, Ordering::AcqRel)
        {
            self.renew_ahead(client, Arc::clone(cell));
        }
        Some(lease.spent(left))
    }

    /// As [`take`](Self::take), for work that holds on to the lease.
    fn take_along(
        self: &Arc<Self>,
        client: ClientId,
        cell: &Arc<Cell>,
        credits: u64,
    ) -> Option<(Arc<HeldLease>, Spent)> {
        let lease = cell.active.load_full()?;
        let spent = self.take(client, cell, &lease, credits)?;
        Some((lease, spent))
    }

    fn is_old(&self, lease: &HeldLease, now: Duration) -> bool {
        now - lease.opened >= self.policy.ttl / 2
    }

    /// The slow way to a credit: one caller asks the ledger, the others wait for it.
    async fn acquire(
        self: &Arc<Self>,
        client: ClientId,
        cell: &Arc<Cell>,
        credits: u64,
    ) -> Result<(Arc<HeldLease>, Spent), LedgerError> {
        if let Some(taken) = self.take_along(client, cell, credits) {
            return Ok(taken);
        }
        let mut asking = cell.asking.lock().await;
        loop {
            if let Some(taken) = self.take_along(client, cell, credits) {
                return Ok(taken);
            }
            self.refuse_if_exhausted(cell, credits)?;
            self.refuse_if_failed(&asking)?;
            self.renew(client, cell, &mut asking, credits).await?;
        }
    }

    fn refuse_if_exhausted(&self, cell: &Cell, credits: u64) -> Result<(), LedgerError> {
        let now_ms = millis(self.clock.monotonic());
        let below = cell.exhausted_below.load(Ordering::Relaxed);
        if credits >= below && now_ms < cell.exhausted_until_ms.load(Ordering::Relaxed) {
            return Err(LedgerError::Exhausted { available: below.saturating_sub(1) });
        }
        Ok(())
    }

    fn refuse_if_failed(&self, asking: &Asking) -> Result<(), LedgerError> {
        match &asking.failed {
            Some((at, fault)) if self.clock.monotonic() - *at < FAILED_FOR => {
                Err(fault.clone().into())
            }
            _ => Ok(()),
        }
    }

    fn renew_ahead(self: &Arc<Self>, client: ClientId, cell: Arc<Cell>) {
        let holder = Arc::clone(self);
        spawn(async move {
            {
                let mut asking = cell.asking.lock().await;
                // Whoever had the lock before may have renewed already.
                let active = cell.active.load_full();
                let now = holder.clock.monotonic();
                let due = active.is_some_and(|lease| lease.is_low() || holder.is_old(&lease, now));
                if due && let Err(error) = holder.renew(client, &cell, &mut asking, 1).await {
                    match error {
                        LedgerError::Exhausted { .. } => {}
                        error => tracing::warn!(%client, %error, "a lease was not renewed ahead"),
                    }
                }
            }
            cell.renewing_ahead.store(false, Ordering::Release);
        });
    }

    /// How many credits the next lease should have: what the client spends within the policy's
    /// horizon at its recent rate.
    fn size(&self, active: Option<&HeldLease>, last_size: u64, need: u64) -> u64 {
        let mut size = self.policy.initial;
        if let Some(lease) = active {
            let elapsed = (self.clock.monotonic() - lease.opened).max(Duration::from_millis(1));
            let pace = u128::from(lease.tally.taken()) * self.policy.horizon.as_micros()
                / elapsed.as_micros();
            let pace = u64::try_from(pace).unwrap_or(u64::MAX);
            let ceiling = last_size.saturating_mul(16).max(self.policy.initial);
            size = pace.clamp(self.policy.initial, ceiling);
        }
        size.min(self.policy.max.min(LEASE_MAX)).max(need)
    }

    /// Gets a new lease of at least `need` credits and makes it the active one.
    async fn renew(
        &self,
        client: ClientId,
        cell: &Cell,
        asking: &mut Asking,
        need: u64,
    ) -> Result<(), LedgerError> {
        let active = cell.active.load_full();
        let want = self.size(active.as_deref(), asking.last_size, need);
        let keeps = active.filter(|lease| lease.usable(&self.clock) && lease.left() >= need);
        if keeps.is_none() {
            cell.replace(None);
        }

        let asked = self.clock.monotonic();
        let question = match asking.unanswered.take() {
            Some(unanswered) if asked - unanswered.asked < self.policy.ttl / 2 => unanswered,
            old => {
                old.into_iter().for_each(|old| cell.abandon(old));
                let now_ms = self.clock.now_ms();
                let (id, stamp) = (self.mint.mint(now_ms), self.stamp(now_ms));
                let announced = Announced::new(self.slots.claim(), client, id);
                Unanswered { id, stamp, asked, announced }
            }
        };
        let mut reports = self.reports(cell);
        if let Some(lease) = keeps {
            reports.add(lease, false);
        }
        let request = LeaseRequest {
            id: question.id,
            renews: false,
            need,
            want,
            share: self.policy.share,
            ttl_ms: millis(self.policy.ttl).cast_signed(),
            window_ms: RECONCILE_WINDOW_MS,
            settle: reports.settlements.clone(),
        };
        // Noted before the question is asked: the caller may be gone when the answer comes.
        asking.unanswered = Some(question.clone());
        let mut attempt = 1;
        let answer = loop {
            match self.ledger.lease(client, request.clone(), question.stamp).await {
                Err(LedgerError::Store(StoreFault::TimedOut(_))) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                answer => break answer,
            }
        };
        let leased = match answer {
            Ok(leased) => leased,
            Err(error) => {
                if let LedgerError::Store(fault) = &error {
                    asking.failed = Some((self.clock.monotonic(), fault.clone()));
                } else {
                    asking.unanswered = None;
                    question.announced.withdraw();
                    self.give_up(client, cell, &error);
                }
                return Err(error);
            }
        };
        asking.failed = None;
        asking.unanswered = None;
        self.told(&reports);
        if leased.credits < need {
            // A lease that was asked for before, when less was needed, does not help this caller.
            if leased.credits > 0 {
                cell.abandon(question);
            } else {
                question.announced.withdraw();
            }
            cell.exhausted_below.store(need, Ordering::Relaxed);
            let until = self.clock.monotonic() + EXHAUSTED_FOR;
            cell.exhausted_until_ms.store(millis(until), Ordering::Relaxed);
            return Err(LedgerError::Exhausted { available: leased.available });
        }
        asking.last_size = leased.credits;
        let tally = question.announced.open(leased.credits, leased.escrow);
        let margin = Duration::from_millis(CLOCK_SKEW_MS.unsigned_abs());
        let until = question.asked + self.policy.ttl.saturating_sub(margin);
        let until_ms = question.stamp.at_ms.saturating_add(request.ttl_ms - CLOCK_SKEW_MS);
        let lease = HeldLease::new(question.id, tally, until, until_ms, asked, leased);
        let usable = lease.usable(&self.clock);
        // The old lease is closed only now, so that nobody had to wait for the new one.
        cell.replace(Some(Arc::new(lease)));
        self.forget_told(cell, KEPT_FOR);
        if !usable {
            // Asking once more would only bring another one as late.
            let late = StoreFault::TimedOut("the lease had ended when it came".to_owned());
            asking.failed = Some((self.clock.monotonic(), late.clone()));
            return Err(late.into());
        }
        Ok(())
    }

    /// The reports on closed leases that nobody's reservation holds up.
    fn reports(&self, cell: &Cell) -> Reports {
        let mut reports = Reports::default();
        for lease in cell.closed().iter() {
            if !lease.settled.load(Ordering::Acquire) && lease.tally.is_final() {
                reports.add(Arc::clone(lease), true);
            }
        }
        reports
    }

    /// Notes that the ledger knows what was reported.
    fn told(&self, reports: &Reports) {
        let now = self.clock.monotonic();
        for (lease, settlement) in reports.leases.iter().zip(&reports.settlements) {
            lease.told(settlement.used, now);
            lease.settled.fetch_or(settlement.close, Ordering::AcqRel);
        }
    }

    /// Stops telling the ledger what it will never take.
    fn give_up(&self, client: ClientId, cell: &Cell, error: &LedgerError) {
        for lease in cell.closed().iter() {
            let hopeless = match error {
                LedgerError::OverReported { lease: named, .. } => lease.id == *named,
                LedgerError::UnknownClient => true,
                _ => false,
            };
            if hopeless && !lease.settled.swap(true, Ordering::AcqRel) {
                tracing::error!(%client, lease = %lease.id, %error, "a lease cannot be settled");
            }
        }
    }

    /// Tells the ledger about one client if there is a reason to.
    async fn look_after(&self, client: ClientId, cell: &Cell, checkpoint: Duration) {
        let now = self.clock.monotonic();
        let active = cell.active.load_full();
        if let Some(lease) = &active {
            let limit =
                if lease.is_short() { self.policy.idle_when_short } else { self.policy.idle };
            let idle_ms = millis(now).saturating_sub(cell.last_spend_ms.load(Ordering::Relaxed));
            if idle_ms >= millis(limit) || !lease.usable(&self.clock) {
                cell.replace(None);
            }
        }
        let in_use = cell.active.load_full();
        let mut asking = cell.asking.lock().await;
        if in_use.is_none()
            && let Some(unanswered) = asking.unanswered.take()
        {
            cell.abandon(unanswered);
        }
        let mut reports = self.reports(cell);
        if let Some(lease) = in_use.filter(|lease| lease.is_untold(now, checkpoint)) {
            reports.add(lease, false);
        }
        if reports.settlements.is_empty() {
            return;
        }
        let stamp = self.stamp(self.clock.now_ms());
        match self.ledger.settle(client, reports.settlements.clone(), stamp).await {
            Ok(()) => self.told(&reports),
            // They stay in the list for the next sweep; if none comes, the reaper takes them.
            Err(error) => {
                tracing::warn!(%client, %error, "leases were not settled");
                self.give_up(client, cell, &error);
            }
        }
    }

    /// Tells the sink what was spent since it was told last.
    async fn publish(&self, cells: &[(ClientId, Arc<Cell>)]) {
        let Some(sink) = &self.sink else { return };
        let (now, at_ms) = (self.clock.monotonic(), self.clock.now_ms());
        let news: Vec<_> = cells
            .iter()
            .flat_map(|(client, cell)| cell.leases().into_iter().map(move |lease| (client, lease)))
            .filter_map(|(client, lease)| Some((lease.news(*client, at_ms)?, lease)))
            .collect();
        for batch in news.chunks(EVENTS_AT_ONCE) {
            match sink.take(batch.iter().map(|(event, _)| event.clone()).collect()).await {
                Ok(()) => {
                    for (event, lease) in batch {
                        lease.published(event.spending.credits(), now);
                    }
                }
                // They are offered again with the next sweep.
                Err(error) => {
                    tracing::warn!(%error, events = news.len(), "usage was not published");
                    return;
                }
            }
        }
    }

    /// Drops the closed leases of which both the ledger and the sink know everything, the sink for
    /// `kept` already.
    fn forget_told(&self, cell: &Cell, kept: Duration) {
        let now = self.clock.monotonic();
        cell.closed().retain(|lease| {
            let told = lease.settled.load(Ordering::Acquire)
                && lease.tally.is_final()
                && (self.sink.is_none() || lease.is_published_for(kept, now));
            if told {
                lease.tally.end();
            }
            !told
        });
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

    /// The work is done, and its credits are spent on `operation`.
    pub fn keep(mut self, operation: Operation) -> Spent {
        self.kept = true;
        self.lease.tally.keep(operation, self.credits);
        self.spent
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            // The lease cannot have been settled: that waits until nothing is pending.
            self.lease.tally.release(self.credits);
        }
    }
}
