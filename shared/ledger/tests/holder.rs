//! The holder against the in-memory reference, bare and failing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{ManualClock, SharedClock, SystemClock, Timestamp};
use ids::{ClientId, JobId, LeaseId, Mint};
use ledger::conformance::Failing;
use ledger::invariants::violations;
use ledger::policy::{CLOCK_SKEW_MS, RECONCILE_WINDOW_MS};
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, Evidence, GrantRequest, GrantSource,
    HeapSlots, Hold, Holder, LeasePolicy, LeaseRequest, LeaseState, Leased, Ledger, LedgerError,
    Lender, MemoryLedger, NotTaken, Operation, Settlement, Slot, Slots, Stamp, StoreFault, Taken,
    UsageEvent, UsageSink,
};

const NORMAL: Operation = Operation::NormalMeme;
const START_MS: i64 = 1_767_225_600_000;

async fn client_with(ledger: &MemoryLedger, mint: &Mint, credits: u64, now_ms: i64) -> ClientId {
    let client = mint.mint(now_ms);
    ledger.open(client).await.unwrap();
    if credits > 0 {
        let request = GrantRequest {
            id: mint.mint(now_ms),
            credits,
            expires_at_ms: now_ms + 86_400_000,
            source: GrantSource::TopUp,
        };
        let stamp = Stamp { entry: mint.mint(now_ms), at_ms: now_ms };
        ledger.grant(client, request, stamp).await.unwrap();
    }
    client
}

fn manual() -> (Arc<ManualClock>, SharedClock) {
    let clock = ManualClock::at(Timestamp::from_millisecond(START_MS).unwrap());
    (Arc::clone(&clock), clock)
}

fn mint() -> Arc<Mint> {
    Arc::new(Mint::seeded([3; 32]))
}

fn assert_balances(ledger: &MemoryLedger, client: ClientId) -> ledger::Balance {
    let (balance, holds) = ledger.audit(client).unwrap();
    assert_eq!(violations(&balance, Some(&holds)), [], "{balance:?}");
    balance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_what_was_granted_is_served_to_many_callers() {
    let ledger = Arc::new(MemoryLedger::new());
    let mint = mint();
    let clock = SystemClock::shared();
    let client = client_with(&ledger, &mint, 1_000, clock.now_ms()).await;
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, LeasePolicy::default()));
    let calls: Vec<_> = (0..2_000)
        .map(|_| {
            let holder = Arc::clone(&holder);
            tokio::spawn(async move { holder.spend(client, NORMAL, 1).await })
        })
        .collect();
    let mut served = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => served += 1,
            Err(LedgerError::Exhausted { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(served, 1_000);
    holder.drain().await;
    let balance = assert_balances(&ledger, client);
    assert_eq!(balance.accounts.spent, 1_000);
    assert!(balance.seq < 500, "{} entries for 1000 calls", balance.seq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failing_store_loses_and_doubles_nothing() {
    for seed in 0..20 {
        let ledger = Arc::new(MemoryLedger::new());
        let mint = mint();
        let clock = SystemClock::shared();
        let client = client_with(&ledger, &mint, 300, clock.now_ms()).await;
        let failing = Arc::new(Failing::new(Arc::clone(&ledger), seed));
        let holder = Arc::new(Holder::new(failing, clock, mint, LeasePolicy::default()));
        let calls: Vec<_> = (0..600)
            .map(|n| {
                let holder = Arc::clone(&holder);
                tokio::spawn(async move {
                    if n % 3 == 0 {
                        // Work that fails every other time.
                        let reserved = holder.reserve(client, 2).await.ok()?;
                        (n % 2 == 0).then(|| reserved.keep(NORMAL)).map(|_| 2)
                    } else {
                        holder.spend(client, NORMAL, 1).await.ok().map(|_| 1)
                    }
                })
            })
            .collect();
        let mut served = 0;
        for call in calls {
            served += call.await.unwrap().unwrap_or(0);
        }
        for _ in 0..20 {
            holder.drain().await;
        }
        let balance = assert_balances(&ledger, client);
        assert!(served <= 300);
        assert_eq!(balance.accounts.spent, served, "seed {seed}");
        assert_eq!(balance.accounts.leased, 0, "seed {seed}");
    }
}

#[tokio::test]
async fn nothing_is_spent_from_a_lease_that_ended() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let policy = LeasePolicy::default();
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, policy.clone()));
    holder.spend(client, NORMAL, 1).await.unwrap();
    let open = || {
        let leases = assert_balances(&ledger, client).leases;
        let mut open = leases.into_iter().filter(|(_, lease)| lease.state == LeaseState::Open);
        open.next().unwrap().0
    };
    let first = open();

    // The margin of a skewed clock before the lease's end.
    hand.advance(policy.ttl - Duration::from_millis(CLOCK_SKEW_MS.unsigned_abs()));
    holder.spend(client, NORMAL, 1).await.unwrap();
    let balance = assert_balances(&ledger, client);
    assert_ne!(open(), first, "the old lease was spent from or not settled");
    assert_eq!(balance.accounts.spent, 1);

    // A process that was frozen: only the wall clock moved.
    let second = open();
    hand.skew(i64::try_from(policy.ttl.as_millis()).unwrap());
    holder.spend(client, NORMAL, 1).await.unwrap();
    assert_ne!(open(), second);
}

#[tokio::test]
async fn a_crashed_holder_strands_its_lease_until_the_reaper_comes_and_no_longer() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let policy = LeasePolicy::default();
    let holder =
        Holder::new(Arc::clone(&ledger), Arc::clone(&clock), Arc::clone(&mint), policy.clone());
    Arc::new(holder).spend(client, NORMAL, 1).await.unwrap();

    hand.advance(policy.ttl + Duration::from_millis(CLOCK_SKEW_MS.unsigned_abs()));
    let reap = |at_ms| {
        let (ledger, stamp) = (Arc::clone(&ledger), Stamp { entry: mint.mint(at_ms), at_ms });
        async move { ledger.reap(client, stamp).await.unwrap() }
    };
    assert_eq!(reap(clock.now_ms()).await.lapsed, 8);
    hand.advance(Duration::from_millis(RECONCILE_WINDOW_MS.unsigned_abs()));
    assert_eq!(reap(clock.now_ms()).await.returned, 8);
    assert_eq!(assert_balances(&ledger, client).accounts.available, 100);
}

#[tokio::test]
async fn idle_leases_are_given_back_and_cells_forgotten() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let policy = LeasePolicy::default();
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, policy.clone()));
    let spent = holder.spend(client, NORMAL, 1).await.unwrap();
    assert_eq!(spent.remaining, 99);
    holder.sweep().await;
    assert_eq!(assert_balances(&ledger, client).accounts.leased, 8);
    hand.advance(policy.idle);
    holder.sweep().await;
    let accounts = assert_balances(&ledger, client).accounts;
    assert_eq!((accounts.leased, accounts.spent), (0, 1));
    // And the client can go on.
    assert_eq!(holder.spend(client, NORMAL, 1).await.unwrap().remaining, 98);
}

#[tokio::test]
async fn work_that_fails_costs_nothing_even_if_its_lease_ends_meanwhile() {
    let ledger = Arc::new(MemoryLedger::new());
    let (_, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 20, START_MS).await;
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, LeasePolicy::default()));
    let working = holder.reserve(client, 2).await.unwrap();
    holder.drain().await;
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 0, "settled while reserved");
    drop(working);
    holder.drain().await;
    let accounts = assert_balances(&ledger, client).accounts;
    assert_eq!((accounts.spent, accounts.leased, accounts.available), (0, 0, 20));

    let working = holder.reserve(client, 2).await.unwrap();
    assert_eq!(working.keep(NORMAL).remaining, 18);
    holder.drain().await;
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 2);
}

#[tokio::test]
async fn a_client_without_credits_does_not_reach_the_ledger_with_every_call() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 0, START_MS).await;
    let holder = Arc::new(Holder::new(
        Arc::clone(&ledger),
        clock,
        Arc::clone(&mint),
        LeasePolicy::default(),
    ));
    let refused = LedgerError::Exhausted { available: 0 };
    assert_eq!(holder.spend(client, NORMAL, 1).await, Err(refused.clone()));
    let request = GrantRequest {
        id: mint.mint(START_MS),
        credits: 1,
        expires_at_ms: START_MS + 86_400_000,
        source: GrantSource::TopUp,
    };
    let stamp = Stamp { entry: mint.mint(START_MS), at_ms: START_MS };
    ledger.grant(client, request, stamp).await.unwrap();
    // For half a second the answer is remembered, then the top-up is seen.
    assert_eq!(holder.spend(client, NORMAL, 1).await, Err(refused));
    hand.advance(Duration::from_millis(500));
    assert_eq!(holder.spend(client, NORMAL, 1).await.unwrap().remaining, 0);
    let nobody = mint.mint(START_MS);
    assert_eq!(holder.spend(nobody, NORMAL, 1).await, Err(LedgerError::UnknownClient));
}

/// A store that answers nobody, and takes a second to be given up on.
#[derive(Debug, Default)]
struct Unreachable {
    asked: AtomicUsize,
}

impl Unreachable {
    async fn fail<T>(&self) -> Result<T, StoreFault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err(StoreFault::TimedOut("nobody is there".into()))
    }
}

impl BalanceStore for Unreachable {
    async fn create(&self, _: Balance) -> Result<(), StoreFault> {
        self.fail().await
    }

    async fn load(&self, _: ClientId) -> Result<Option<Balance>, StoreFault> {
        self.fail().await
    }

    async fn load_hold(&self, _: ClientId, _: JobId) -> Result<Option<Hold>, StoreFault> {
        self.fail().await
    }

    async fn commit(
        &self,
        _: &Balance,
        _: &Change,
        _: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        self.fail().await
    }

    async fn overdue(&self, _: i64, _: usize) -> Result<Vec<ClientId>, StoreFault> {
        self.fail().await
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_that_asks_in_vain_do_not_wait_again() {
    let ledger = Arc::new(Unreachable::default());
    let (_, clock) = manual();
    let mint = mint();
    let client = mint.mint(START_MS);
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, LeasePolicy::default()));
    let began = tokio::time::Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let holder = Arc::clone(&holder);
            tokio::spawn(async move { holder.spend(client, NORMAL, 1).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(LedgerError::Store(_))));
    }
    assert_eq!(began.elapsed(), Duration::from_secs(3), "three attempts of one caller");
    assert_eq!(ledger.asked.load(Ordering::Relaxed), 3);
}

/// Slots that outlive their holders, as words in a file do.
#[derive(Debug, Default)]
struct Surviving(Mutex<Vec<Arc<dyn Slot>>>);

impl Slots for Surviving {
    fn claim(&self) -> Arc<dyn Slot> {
        let slot = HeapSlots.claim();
        self.0.lock().unwrap().push(Arc::clone(&slot));
        slot
    }

    fn left_behind(&self) -> Vec<Arc<dyn Slot>> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn what_a_killed_holder_spent_is_reported_by_the_next_to_the_credit() {
    let ledger = Arc::new(MemoryLedger::new());
    let (_, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 1_000, START_MS).await;
    let slots = Arc::new(Surviving::default());
    let holder = || {
        let policy = LeasePolicy::default();
        let holder =
            Holder::new(Arc::clone(&ledger), Arc::clone(&clock), Arc::clone(&mint), policy);
        Arc::new(holder.with_slots(Arc::clone(&slots) as Arc<dyn Slots>))
    };
    let killed = holder();
    for _ in 0..150 {
        killed.spend(client, NORMAL, 1).await.unwrap();
        // Background renewals run here.
        tokio::task::yield_now().await;
    }
    // A call whose answer is never sent.
    let unanswered = killed.reserve(client, 3).await.unwrap();
    std::mem::forget(unanswered);
    drop(killed);

    let next = holder();
    next.sweep().await;
    let accounts = assert_balances(&ledger, client).accounts;
    assert_eq!((accounts.spent, accounts.leased, accounts.available), (150, 0, 850));
    // Told once, it is forgotten.
    let third = holder();
    third.sweep().await;
    assert_eq!(assert_balances(&ledger, client).accounts, accounts);
}

/// Carries a lease out and never answers.
#[derive(Debug)]
struct Silent(Arc<MemoryLedger>);

impl Lender for Silent {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.0.lease(client, request, stamp).await?;
        std::future::pending().await
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.0.settle(client, settlements, stamp).await
    }
}

#[tokio::test]
async fn a_lease_whose_answer_a_killed_holder_never_had_is_given_back_by_the_next() {
    let ledger = Arc::new(MemoryLedger::new());
    let (_, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let slots = Arc::new(Surviving::default());
    let with_slots = || Arc::clone(&slots) as Arc<dyn Slots>;
    let (silent, policy) = (Arc::new(Silent(Arc::clone(&ledger))), LeasePolicy::default());
    let killed = Holder::new(silent, Arc::clone(&clock), Arc::clone(&mint), policy.clone());
    let killed = Arc::new(killed.with_slots(with_slots()));
    tokio::select! {
        biased;
        answer = killed.spend(client, NORMAL, 1) => panic!("{answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(assert_balances(&ledger, client).accounts.leased, 8);
    drop(killed);

    let next = Holder::new(Arc::clone(&ledger), clock, mint, policy).with_slots(with_slots());
    next.sweep().await;
    let accounts = assert_balances(&ledger, client).accounts;
    assert_eq!((accounts.leased, accounts.available, accounts.spent), (0, 100, 0));
}

#[tokio::test]
async fn a_lease_in_use_is_reported_before_it_ends() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 1_000, START_MS).await;
    let policy = LeasePolicy::default();
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, policy.clone()));
    holder.spend(client, NORMAL, 2).await.unwrap();
    holder.sweep().await;
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 0, "it is too early");
    hand.advance(policy.checkpoint);
    holder.sweep().await;
    let accounts = assert_balances(&ledger, client).accounts;
    assert_eq!((accounts.spent, accounts.leased), (2, 6));
    // Nothing new, nothing to tell.
    let entries = assert_balances(&ledger, client).seq;
    hand.advance(policy.checkpoint / 2);
    holder.sweep().await;
    assert_eq!(assert_balances(&ledger, client).seq, entries);
    // Whoever may be frozen tells at once.
    holder.spend(client, NORMAL, 1).await.unwrap();
    holder.flush().await;
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 3);
}

#[tokio::test]
async fn where_credits_are_short_an_idle_lease_comes_back_sooner() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 12, START_MS).await;
    let policy = LeasePolicy { share: 1, ..LeasePolicy::default() };
    let holder = Arc::new(Holder::new(Arc::clone(&ledger), clock, mint, policy.clone()));
    holder.spend(client, NORMAL, 1).await.unwrap();
    hand.advance(policy.idle_when_short);
    holder.sweep().await;
    assert_eq!(assert_balances(&ledger, client).accounts.available, 11);
}

/// Takes every other batch of events, and loses those that it refuses.
#[derive(Debug, Default)]
struct Moody {
    asked: AtomicUsize,
    events: Mutex<Vec<UsageEvent>>,
}

impl UsageSink for Moody {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        Box::pin(async move {
            if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return Err(NotTaken("injected".into()));
            }
            self.events.lock().unwrap().extend(events);
            Ok(())
        })
    }
}

#[tokio::test]
async fn the_sink_learns_of_everything_that_was_spent_and_on_what() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 1_000, START_MS).await;
    let sink = Arc::new(Moody::default());
    let policy = LeasePolicy::default();
    let holder = Holder::new(Arc::clone(&ledger), clock, mint, policy.clone())
        .with_sink(Arc::clone(&sink) as Arc<dyn UsageSink>);
    let holder = Arc::new(holder);
    for round in 0..6 {
        holder.spend(client, NORMAL, 5).await.unwrap();
        holder.spend(client, Operation::AiMeme, 2).await.unwrap();
        hand.advance(policy.checkpoint * (1 + round % 2));
        holder.sweep().await;
    }
    for _ in 0..4 {
        holder.drain().await;
    }
    // Events are totals per lease: the largest of each is what was spent from it.
    let mut largest = BTreeMap::new();
    for event in sink.events.lock().unwrap().iter() {
        let known = largest.entry(event.source).or_insert(event.spending);
        if event.spending.credits() > known.credits() {
            *known = event.spending;
        }
    }
    let of = |operation| {
        largest
            .values()
            .map(|spending| spending.of(operation))
            .map(|part| (part.calls, part.credits))
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    assert_eq!((of(NORMAL), of(Operation::AiMeme)), ((6, 30), (6, 12)));
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 42);
    // Both know everything, so that nothing is told again.
    let told = sink.events.lock().unwrap().len();
    holder.drain().await;
    assert_eq!(sink.events.lock().unwrap().len(), told);
}

#[tokio::test]
async fn what_a_sink_took_and_lost_is_told_again_by_the_next_holder() {
    let ledger = Arc::new(MemoryLedger::new());
    let (hand, clock) = manual();
    let mint = mint();
    let client = client_with(&ledger, &mint, 1_000, START_MS).await;
    let slots = Arc::new(Surviving::default());
    let policy = LeasePolicy::default();
    // A sink that takes everything, like a queue in memory.
    let holder = || {
        let sink = Arc::new(Moody { asked: AtomicUsize::new(1), ..Moody::default() });
        let (ledger, clock, mint) = (Arc::clone(&ledger), Arc::clone(&clock), Arc::clone(&mint));
        let holder = Holder::new(ledger, clock, mint, policy.clone())
            .with_slots(Arc::clone(&slots) as Arc<dyn Slots>)
            .with_sink(Arc::clone(&sink) as Arc<dyn UsageSink>);
        (Arc::new(holder), sink)
    };
    let (killed, lost) = holder();
    killed.spend(client, NORMAL, 3).await.unwrap();
    hand.advance(policy.idle);
    // The lease goes back, and the sink is told; then both die.
    killed.sweep().await;
    assert_eq!(lost.events.lock().unwrap().len(), 1);
    drop(killed);
    let (next, sink) = holder();
    next.sweep().await;
    let told = sink.events.lock().unwrap().clone();
    assert_eq!(told.iter().map(|event| event.spending.credits()).sum::<u64>(), 3);
    assert_eq!(assert_balances(&ledger, client).accounts.spent, 3);
    // After a while it is safe, and forgotten.
    hand.advance(Duration::from_secs(10));
    next.sweep().await;
    let (_, quiet) = holder();
    next.sweep().await;
    assert!(quiet.events.lock().unwrap().is_empty());
    let left = slots.left_behind();
    assert!(left.iter().all(|slot| !ledger::holds_tally(slot.words())));
}

/// Refuses every change for its load, for as long as it is told to.
#[derive(Debug)]
struct Throttling {
    inner: MemoryLedger,
    refusals: AtomicUsize,
}

impl BalanceStore for Throttling {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.inner.create(balance).await
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        self.inner.load(client).await
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        self.inner.load_hold(client, job).await
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let spare = |left: usize| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spare).is_ok() {
            return Err(StoreFault::Throttled("injected".into()));
        }
        self.inner.commit(balance, change, companion).await
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        self.inner.overdue(now_ms, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_throttles_is_asked_again_and_named_if_it_goes_on() {
    let mint = mint();
    for (refusals, granted) in [(5, true), (1_000, false)] {
        let store = Throttling { inner: MemoryLedger::new(), refusals: AtomicUsize::new(refusals) };
        let client = mint.mint(START_MS);
        store.open(client).await.unwrap();
        let request = GrantRequest {
            id: mint.mint(START_MS),
            credits: 5,
            expires_at_ms: START_MS + 86_400_000,
            source: GrantSource::TopUp,
        };
        let stamp = Stamp { entry: mint.mint(START_MS), at_ms: START_MS };
        match store.grant(client, request, stamp).await {
            Ok(()) => assert!(granted),
            Err(error) => {
                assert!(!granted);
                assert!(matches!(error, LedgerError::Store(StoreFault::Throttled(_))), "{error}");
            }
        }
        assert_eq!(store.balance(client).await.unwrap().granted, if granted { 5 } else { 0 });
    }
}

/// Knows of every lease but one that nothing was spent from it.
struct AllBut(Mutex<LeaseId>);

impl Evidence for AllBut {
    async fn spent_from(
        &self,
        _: ClientId,
        lease: LeaseId,
        _: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        match *self.0.lock().unwrap() == lease {
            true => Err(StoreFault::TimedOut("injected".into())),
            false => Ok(None),
        }
    }
}

#[tokio::test]
async fn a_lease_of_which_nobody_can_say_anything_does_not_hold_up_the_others() {
    let ledger = MemoryLedger::new();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let stamp = |at_ms| Stamp { entry: mint.mint(at_ms), at_ms };
    let lease = async |at_ms| {
        let id: LeaseId = mint.mint(at_ms);
        let (need, want, share, renews) = (10, 10, 1, false);
        let (ttl_ms, window_ms, settle) = (1_000, 1_000, Vec::new());
        let request = LeaseRequest { id, renews, need, want, share, ttl_ms, window_ms, settle };
        ledger.lease(client, request, stamp(at_ms)).await.unwrap();
        id
    };
    let silent = [lease(START_MS).await, lease(START_MS).await, lease(START_MS).await];
    let evidence = AllBut(Mutex::new(silent[1]));
    let lapsed_ms = START_MS + 1_000 + CLOCK_SKEW_MS;
    assert_eq!(
        ledger::reap(&ledger, &evidence, client, stamp(lapsed_ms)).await.unwrap().lapsed,
        30
    );
    // It ends later than the others, and lapses with them being settled.
    let later = lease(lapsed_ms - CLOCK_SKEW_MS).await;
    let over_ms = lapsed_ms + 1_000;
    let reaped = ledger::reap(&ledger, &evidence, client, stamp(over_ms)).await;
    assert!(matches!(reaped, Err(LedgerError::Store(_))), "{reaped:?}");
    let balance = assert_balances(&ledger, client);
    assert_eq!(balance.leases[&silent[1]].state, LeaseState::Lapsed);
    assert_eq!(balance.leases[&later].state, LeaseState::Lapsed);
    assert_eq!((balance.accounts.suspense, balance.accounts.available), (20, 80));
    assert_eq!(ledger.due(over_ms, 9).await.unwrap(), [client], "it is still due");

    *evidence.0.lock().unwrap() = later;
    let reaped = ledger::reap(&ledger, &evidence, client, stamp(over_ms)).await.unwrap();
    assert_eq!(reaped.returned, 10);
}

/// Knows nothing, and counts how often it is asked.
#[derive(Default)]
struct Nobody(AtomicUsize);

impl Evidence for Nobody {
    async fn spent_from(
        &self,
        _: ClientId,
        _: LeaseId,
        _: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(StoreFault::TimedOut("injected".into()))
    }
}

#[tokio::test]
async fn who_knows_nothing_of_many_leases_is_not_asked_of_each() {
    let ledger = MemoryLedger::new();
    let mint = mint();
    let client = client_with(&ledger, &mint, 100, START_MS).await;
    let stamp = |at_ms| Stamp { entry: mint.mint(at_ms), at_ms };
    for _ in 0..100 {
        let (id, need, want, share, renews) = (mint.mint(START_MS), 1, 1, 1, false);
        let (ttl_ms, window_ms, settle) = (1_000, 1_000, Vec::new());
        let request = LeaseRequest { id, renews, need, want, share, ttl_ms, window_ms, settle };
        ledger.lease(client, request, stamp(START_MS)).await.unwrap();
    }
    let (nobody, lapsed_ms) = (Nobody::default(), START_MS + 1_000 + CLOCK_SKEW_MS);
    ledger::reap(&ledger, &nobody, client, stamp(lapsed_ms)).await.unwrap();
    let reaped = ledger::reap(&ledger, &nobody, client, stamp(lapsed_ms + 1_000)).await;
    assert!(matches!(reaped, Err(LedgerError::Store(_))), "{reaped:?}");
    let asked = nobody.0.load(Ordering::Relaxed);
    assert!((16..=32).contains(&asked), "asked {asked} times");
    assert_eq!(assert_balances(&ledger, client).accounts.suspense, 100);
}

/// What is known of one lease, or that nobody can say.
struct Known(Result<Option<u64>, StoreFault>);

impl Evidence for Known {
    async fn spent_from(
        &self,
        _: ClientId,
        _: LeaseId,
        _: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        self.0.clone()
    }
}

#[tokio::test]
async fn of_a_silent_lease_only_what_nobody_has_spent_goes_back() {
    // What is known, and what is charged then of a lease of 8 of which 2 were reported.
    for (known, spent) in [(None, 2), (Some(1), 2), (Some(6), 6), (Some(99), 8)] {
        let ledger = Arc::new(MemoryLedger::new());
        let (hand, clock) = manual();
        let mint = mint();
        let client = client_with(&ledger, &mint, 100, START_MS).await;
        let policy = LeasePolicy::default();
        let holder = Arc::new(Holder::new(
            Arc::clone(&ledger),
            Arc::clone(&clock),
            Arc::clone(&mint),
            policy.clone(),
        ));
        holder.spend(client, NORMAL, 2).await.unwrap();
        holder.flush().await;
        drop(holder);
        let reap = async |evidence| {
            let at_ms = clock.now_ms();
            let stamp = Stamp { entry: mint.mint(at_ms), at_ms };
            ledger::reap(&*ledger, &Known(evidence), client, stamp).await
        };
        hand.advance(policy.ttl + Duration::from_millis(CLOCK_SKEW_MS.unsigned_abs()));
        assert_eq!(reap(Ok(known)).await.unwrap().lapsed, 6);
        hand.advance(Duration::from_millis(RECONCILE_WINDOW_MS.unsigned_abs()));

        // While nobody can say, nothing goes back.
        let unknown = reap(Err(StoreFault::Failed("injected".into()))).await;
        assert!(matches!(unknown, Err(LedgerError::Store(_))));
        assert_eq!(assert_balances(&ledger, client).accounts.suspense, 6);

        assert_eq!(reap(Ok(known)).await.unwrap().returned, 8 - spent);
        let accounts = assert_balances(&ledger, client).accounts;
        assert_eq!(
            (accounts.spent, accounts.available, accounts.suspense),
            (spent, 100 - spent, 0)
        );
    }
}
