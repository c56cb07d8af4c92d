//! Branches between holders and a client's home, on the in-memory reference.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{ManualClock, SharedClock, Timestamp};
use ids::{ClientId, LeaseId, Mint};
use ledger::invariants::violations;
use ledger::policy::CLOCK_SKEW_MS;
use ledger::{
    Balance, Branch, EscrowPolicy, Evidence, GrantRequest, GrantSource, Holder, LeasePolicy,
    LeaseRequest, Leased, Ledger, LedgerError, Lender, MemoryLedger, NotTaken, Operation,
    Settlement, Source, Stamp, StoreFault, Taken, UsageEvent, UsageSink,
};
use tokio::sync::Notify;

use crate::faults::{HOME_TAKES, Home, Stock};

mod faults;

const NORMAL: Operation = Operation::NormalMeme;
const START_MS: i64 = 1_767_225_600_000;

/// Keeps the newest total of every source.
#[derive(Debug, Default)]
struct Totals(Mutex<Vec<UsageEvent>>);

impl UsageSink for Totals {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        let mut kept = self.0.lock().unwrap();
        for event in events {
            kept.retain(|known| known.source != event.source);
            kept.push(event);
        }
        Box::pin(async { Ok::<(), NotTaken>(()) })
    }
}

impl Evidence for Totals {
    async fn spent_from(
        &self,
        _: ClientId,
        lease: LeaseId,
        _: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        let kept = self.0.lock().unwrap();
        let about = kept
            .iter()
            .filter(|event| event.source == Source::Lease(lease) || event.escrow == Some(lease));
        Ok(Some(about.map(|event| event.spending.credits()).sum()))
    }
}

type RegionBranch = Branch<Home, Stock>;

/// One client, its home, and one Region with a stock that its processes share.
struct Region {
    home: Arc<Home>,
    stock: Arc<Stock>,
    evidence: Arc<Totals>,
    hand: Arc<ManualClock>,
    clock: SharedClock,
    mint: Arc<Mint>,
    policy: EscrowPolicy,
    client: ClientId,
}

impl Region {
    async fn new(policy: EscrowPolicy, grants: &[u64]) -> Self {
        let hand = ManualClock::at(Timestamp::from_millisecond(START_MS).unwrap());
        let mint = Arc::new(Mint::seeded([5; 32]));
        let home = Arc::new(Home::default());
        let client = mint.mint(START_MS);
        home.ledger.open(client).await.unwrap();
        for credits in grants {
            let request = GrantRequest {
                id: mint.mint(START_MS),
                credits: *credits,
                expires_at_ms: START_MS + 86_400_000,
                source: GrantSource::TopUp,
            };
            let stamp = Stamp { entry: mint.mint(START_MS), at_ms: START_MS };
            home.ledger.grant(client, request, stamp).await.unwrap();
        }
        Self {
            home,
            stock: Arc::default(),
            evidence: Arc::default(),
            clock: Arc::clone(&hand) as SharedClock,
            hand,
            mint,
            policy,
            client,
        }
    }

    fn branch(&self) -> RegionBranch {
        Branch::new(
            Arc::clone(&self.home),
            Arc::clone(&self.stock),
            Arc::clone(&self.clock),
            Arc::clone(&self.mint),
            self.policy.clone(),
        )
    }

    fn holder(&self) -> Arc<Holder<RegionBranch>> {
        let policy = LeasePolicy { ttl: self.policy.lease_ttl, ..LeasePolicy::default() };
        let (clock, mint) = (Arc::clone(&self.clock), Arc::clone(&self.mint));
        let holder = Holder::new(Arc::new(self.branch()), clock, mint, policy);
        Arc::new(holder.with_sink(Arc::clone(&self.evidence) as Arc<dyn UsageSink>))
    }

    async fn lease(&self, branch: &RegionBranch, need: u64) -> Result<Leased, LedgerError> {
        branch.lease(self.client, self.request(need), self.stamp()).await
    }

    fn request(&self, need: u64) -> LeaseRequest {
        LeaseRequest {
            id: self.mint.mint(self.clock.now_ms()),
            renews: false,
            need,
            want: need,
            share: 1,
            ttl_ms: millis(self.policy.lease_ttl).min(10_000),
            window_ms: 30_000,
            settle: Vec::new(),
        }
    }

    fn stamp(&self) -> Stamp {
        let at_ms = self.clock.now_ms();
        Stamp { entry: self.mint.mint(at_ms), at_ms }
    }

    /// Lets time pass as it does where somebody looks after holders, escrows and home each second.
    async fn pass(&self, seconds: u64, holders: &[&Arc<Holder<RegionBranch>>]) {
        let branch = self.branch();
        for _ in 0..seconds {
            self.hand.advance(Duration::from_secs(1));
            for holder in holders {
                holder.sweep().await;
            }
            for client in branch.due(10).await.unwrap_or_default() {
                // What cannot be told now is told later.
                let _ = branch.tend(client, &*self.evidence).await;
            }
            let now_ms = self.clock.now_ms();
            for client in self.home.ledger.due(now_ms, 10).await.unwrap() {
                ledger::reap(&self.home.ledger, &*self.evidence, client, self.stamp())
                    .await
                    .unwrap();
            }
            self.check();
        }
    }

    fn check(&self) {
        for ledger in [&self.home.ledger, &*self.stock.kept()] {
            if let Some((balance, holds)) = ledger.audit(self.client) {
                assert_eq!(violations(&balance, Some(&holds)), [], "{balance:?}");
            }
        }
    }

    fn at_home(&self) -> Balance {
        self.home.ledger.audit(self.client).unwrap().0
    }

    fn in_stock(&self) -> Balance {
        self.stock.kept().audit(self.client).unwrap().0
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

#[tokio::test]
async fn the_processes_of_a_region_share_what_one_request_brought() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    let holders: Vec<_> = (0..4).map(|_| it.holder()).collect();
    for _ in 0..10 {
        for holder in &holders {
            holder.spend(it.client, NORMAL, 1).await.unwrap();
        }
    }
    assert_eq!(it.home.wire.asked.load(Ordering::Relaxed), 1);
    for holder in &holders {
        holder.drain().await;
    }
    it.pass(105, &[]).await;
    let home = it.at_home();
    assert_eq!((home.accounts.spent, home.accounts.available), (40, 9_960), "{home:?}");
    assert!(it.in_stock().grants.is_empty(), "what went back is forgotten");
    let told: u64 = it.evidence.0.lock().unwrap().iter().map(|it| it.spending.credits()).sum();
    assert_eq!(told, 40);
}

#[tokio::test]
async fn what_is_told_of_the_rest_is_what_home_told() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let branch = it.branch();
    for _ in 0..2 {
        let leased = it.lease(&branch, 5).await.unwrap();
        assert_eq!(leased.next_expiry_ms, Some(START_MS + 86_400_000));
    }
    assert_eq!(it.lease(&branch, 5).await.unwrap().available, 1_000 - 15);
}

#[tokio::test]
async fn of_many_processes_one_asks_home() {
    let policy = EscrowPolicy { initial: 10_000, ..EscrowPolicy::shared() };
    let it = Region::new(policy, &[1_000_000]).await;
    let calls: Vec<_> = (0..50).map(|_| it.holder()).collect();
    let calls = calls.iter().map(|holder| holder.spend(it.client, NORMAL, 1));
    for spent in futures_util::future::join_all(calls).await {
        spent.unwrap();
    }
    assert_eq!(it.home.wire.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_escrow_whose_answer_was_lost_is_asked_for_again_by_another() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    it.home.wire.answers_lost.store(1, Ordering::Relaxed);
    let lost = it.lease(&it.branch(), 1).await;
    assert!(matches!(lost, Err(LedgerError::Store(StoreFault::TimedOut(_)))), "{lost:?}");
    it.hand.advance(Duration::from_millis(300));
    assert_eq!(it.lease(&it.branch(), 1).await.unwrap().credits, 1);
    let home = it.at_home();
    assert_eq!(home.leases.len(), 1, "it is the same escrow: {home:?}");
    assert_eq!(home.accounts.leased, it.in_stock().granted);
}

/// A home whose answers to one process are held back.
struct Late {
    home: Arc<Home>,
    until: Notify,
}

impl Lender for Late {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        let leased = self.home.lease(client, request, stamp).await?;
        self.until.notified().await;
        Ok(leased)
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.home.settle(client, settlements, stamp).await
    }
}

#[tokio::test]
async fn an_escrow_whose_answer_comes_after_it_was_closed_enters_no_second_time() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    let late = Arc::new(Late { home: Arc::clone(&it.home), until: Notify::new() });
    let (stock, clock) = (Arc::clone(&it.stock), Arc::clone(&it.clock));
    let mint = Arc::clone(&it.mint);
    let slow = Branch::new(Arc::clone(&late), stock, clock, mint, it.policy.clone());
    let (client, request, stamp) = (it.client, it.request(1), it.stamp());
    let asking = tokio::spawn(async move { slow.lease(client, request, stamp).await });
    tokio::time::sleep(2 * HOME_TAKES).await;
    // Another process takes over, and is done with the escrow before the first has its answer.
    it.hand.advance(Duration::from_secs(3));
    let branch = it.branch();
    it.lease(&branch, 5).await.unwrap();
    let lease = *it.in_stock().leases.keys().next().unwrap();
    let done = Settlement { lease, escrow: None, used: 5, close: true };
    branch.settle(it.client, vec![done], it.stamp()).await.unwrap();
    branch.give_back(it.client).await.unwrap();
    assert_eq!((it.at_home().accounts.leased, it.at_home().accounts.spent), (0, 5));

    late.until.notify_one();
    tokio::time::sleep(2 * HOME_TAKES).await;
    late.until.notify_one();
    asking.await.unwrap().unwrap();
    let stock = it.in_stock().accounts;
    assert_eq!(stock.available + stock.leased, it.at_home().accounts.leased, "{stock:?}");
}

#[tokio::test]
async fn an_escrow_that_never_came_goes_back() {
    let it = Region::new(EscrowPolicy::shared(), &[100]).await;
    it.home.wire.answers_lost.store(1, Ordering::Relaxed);
    it.lease(&it.branch(), 1).await.unwrap_err();
    it.hand.advance(it.policy.ttl / 2);
    assert_eq!(it.lease(&it.branch(), 1).await.unwrap().credits, 1);
    let home = it.at_home();
    assert_eq!(home.accounts.leased, it.in_stock().granted, "{home:?}");
}

#[tokio::test]
async fn a_region_goes_on_while_home_is_gone_and_settles_when_it_is_back() {
    let it = Region::new(EscrowPolicy::remote(), &[10_000]).await;
    let holder = it.holder();
    holder.spend(it.client, NORMAL, 1).await.unwrap();
    it.home.wire.is_cut.store(true, Ordering::Relaxed);
    let mut served = 1;
    let refused = loop {
        match holder.spend(it.client, NORMAL, 1).await {
            Ok(_) => served += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, LedgerError::Store(_)), "{refused:?}");
    assert_eq!(served, it.in_stock().granted, "to the last credit of its escrow");
    // Long enough for the escrow to lapse at home.
    it.pass(5 * 3_600, &[&holder]).await;
    assert_eq!(it.at_home().accounts.suspense, served);
    it.home.wire.is_cut.store(false, Ordering::Relaxed);
    it.pass(20, &[&holder]).await;
    assert_eq!((it.at_home().accounts.spent, it.at_home().accounts.suspense), (served, 0));
    holder.spend(it.client, NORMAL, 1).await.unwrap();
}

#[tokio::test]
async fn usage_settles_the_escrow_of_a_stock_that_was_lost() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    let holder = it.holder();
    for _ in 0..5 {
        holder.spend(it.client, NORMAL, 1).await.unwrap();
    }
    let escrow = it.at_home().accounts.leased;
    it.stock.empty();
    holder.drain().await;
    it.pass(110, &[&holder]).await;
    let home = it.at_home();
    assert!(escrow > 5);
    assert_eq!((home.accounts.spent, home.accounts.leased + home.accounts.suspense), (5, 0));
    assert_eq!(home.accounts.available, 9_995, "back within two minutes");
}

#[tokio::test]
async fn calls_are_answered_while_the_stock_is_down_and_nothing_is_charged_twice() {
    let it = Region::new(EscrowPolicy::shared(), &[100_000]).await;
    let holder = it.holder();
    let mut served = 0;
    for second in 0..240 {
        // Down twice: for a moment, and for longer than any escrow lives.
        let is_down = (30..32).contains(&second) || (60..180).contains(&second);
        it.stock.wire.is_cut.store(is_down, Ordering::Relaxed);
        for _ in 0..5 {
            holder.spend(it.client, NORMAL, 1).await.unwrap();
            served += 1;
        }
        it.pass(1, &[&holder]).await;
    }
    holder.drain().await;
    it.pass(120, &[&holder]).await;
    let home = it.at_home();
    assert_eq!((home.accounts.spent, home.accounts.available), (served, 100_000 - served));
}

#[tokio::test]
async fn a_lease_that_came_from_home_after_all_is_charged_there_alone() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    it.lease(&it.branch(), 1).await.unwrap();
    let holder = it.holder();
    // The stock has lent it, but nobody knows: it is asked for at home, under the same id.
    it.stock.wire.answers_lost.store(1, Ordering::Relaxed);
    for _ in 0..5 {
        holder.spend(it.client, NORMAL, 1).await.unwrap();
    }
    it.hand.advance(Duration::from_secs(2));
    holder.drain().await;
    it.pass(120, &[]).await;
    assert_eq!(it.at_home().accounts.spent, 5);
}

#[tokio::test]
async fn usage_of_a_lease_from_home_may_be_as_late_as_with_longer_leases() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    it.stock.wire.is_cut.store(true, Ordering::Relaxed);
    let lease = it.lease(&it.branch(), 8).await.unwrap();
    assert_eq!(lease.credits, 8);
    it.pass(55, &[]).await;
    assert_eq!(it.at_home().accounts.suspense, 8);
    it.pass(15, &[]).await;
    assert_eq!(it.at_home().accounts.available, 10_000);
}

#[tokio::test]
async fn what_was_spent_of_a_lease_from_home_is_told_there_though_the_next_is_from_the_stock() {
    let it = Region::new(EscrowPolicy::shared(), &[10_000]).await;
    let holder = it.holder();
    it.stock.wire.is_cut.store(true, Ordering::Relaxed);
    for _ in 0..8 {
        holder.spend(it.client, NORMAL, 1).await.unwrap();
    }
    it.stock.wire.is_cut.store(false, Ordering::Relaxed);
    it.hand.advance(Duration::from_secs(2));
    holder.spend(it.client, NORMAL, 1).await.unwrap();
    // Whatever was told behind the caller's back is told by then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(it.at_home().accounts.spent, 8);
}

#[tokio::test]
async fn a_region_in_use_never_lets_an_escrow_lapse() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000_000]).await;
    let holder = it.holder();
    let mut served = 0;
    for _ in 0..600 {
        for _ in 0..3 {
            holder.spend(it.client, NORMAL, 1).await.unwrap();
            served += 1;
        }
        it.pass(1, &[&holder]).await;
        assert_eq!(it.at_home().accounts.suspense, 0);
    }
    let writes = it.at_home().seq;
    assert!(writes < 20, "home was written to {writes} times in ten minutes");
    holder.drain().await;
    it.pass(105, &[&holder]).await;
    assert_eq!(it.at_home().accounts.spent, served);
}

#[tokio::test]
async fn nothing_is_lent_from_an_escrow_that_is_about_to_end() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    it.lease(&it.branch(), 1).await.unwrap();
    let first = it.at_home();
    let (id, escrow) = first.leases.first_key_value().unwrap();
    let lend_until_ms = it.in_stock().grants.values().next().unwrap().expires_at_ms;
    let lease_ttl_ms = millis(it.policy.lease_ttl);
    assert!(lend_until_ms + lease_ttl_ms + 2 * CLOCK_SKEW_MS < escrow.until_ms);
    it.hand.advance(Duration::from_millis((lend_until_ms - START_MS).unsigned_abs()));
    it.lease(&it.branch(), 1).await.unwrap();
    let home = it.at_home();
    assert!(home.leases[id].until_ms > escrow.until_ms, "it lives on: {home:?}");
}

#[tokio::test]
async fn the_last_credits_are_usable_though_they_lie_in_pieces() {
    let it =
        Region::new(EscrowPolicy { share: 1, initial: 1, ..EscrowPolicy::shared() }, &[1, 1, 1])
            .await;
    let branch = it.branch();
    assert_eq!(it.lease(&branch, 1).await.unwrap().credits, 1);
    assert_eq!(it.lease(&branch, 2).await.unwrap().credits, 2);
    let none = it.lease(&branch, 1).await.unwrap();
    assert_eq!((none.credits, none.available), (0, 0));
    let asked = it.home.wire.asked.load(Ordering::Relaxed);
    it.lease(&it.branch(), 1).await.unwrap();
    assert_eq!(it.home.wire.asked.load(Ordering::Relaxed), asked, "home was asked a moment ago");
    it.hand.advance(Duration::from_secs(1));
    it.lease(&it.branch(), 1).await.unwrap();
    assert!(it.home.wire.asked.load(Ordering::Relaxed) > asked);
}

#[tokio::test]
async fn leftovers_that_help_nobody_go_home_to_become_enough() {
    let it =
        Region::new(EscrowPolicy { share: 1, initial: 3, ..EscrowPolicy::shared() }, &[3, 4]).await;
    let branch = it.branch();
    assert_eq!(it.lease(&branch, 2).await.unwrap().credits, 2);
    let lease = *it.in_stock().leases.keys().next().unwrap();
    let used = Settlement { lease, escrow: None, used: 2, close: true };
    branch.settle(it.client, vec![used], it.stamp()).await.unwrap();
    // One credit is left of the escrow, and four are at home.
    assert_eq!(it.lease(&branch, 5).await.unwrap().credits, 5);
    assert_eq!(it.at_home().accounts.spent, 2);
    it.check();
}

#[tokio::test]
async fn an_idle_client_leaves_nothing_in_the_region() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let holder = it.holder();
    holder.spend(it.client, NORMAL, 1).await.unwrap();
    it.pass(105, &[&holder]).await;
    let home = it.at_home();
    assert_eq!((home.accounts.spent, home.accounts.available), (1, 999), "{home:?}");
}

#[tokio::test]
async fn an_escrow_that_is_used_up_is_renewed_by_the_next_call() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let branch = it.branch();
    let all = it.lease(&branch, 64).await.unwrap().credits;
    let lease = *it.in_stock().leases.keys().next().unwrap();
    let done = Settlement { lease, escrow: None, used: all, close: true };
    branch.settle(it.client, vec![done], it.stamp()).await.unwrap();
    let escrow = it.at_home().leases;
    it.pass(30, &[]).await;
    it.lease(&branch, 1).await.unwrap();
    let home = it.at_home();
    assert!(home.leases.keys().eq(escrow.keys()), "{home:?}");
    assert_eq!(home.accounts.spent, all);
}

#[tokio::test]
async fn an_escrow_that_went_back_is_not_renewed() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let branch = it.branch();
    it.lease(&branch, 5).await.unwrap();
    // All but what is lent.
    branch.give_back(it.client).await.unwrap();
    it.lease(&branch, 5).await.unwrap();
    let home = it.at_home();
    assert_eq!(home.leases.len(), 2, "{home:?}");
}

#[tokio::test]
async fn what_was_asked_for_and_never_came_goes_back_with_the_rest() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let branch = it.branch();
    it.home.wire.answers_lost.store(1, Ordering::Relaxed);
    it.lease(&branch, 5).await.unwrap_err();
    assert!(it.at_home().accounts.leased > 5);
    branch.give_back(it.client).await.unwrap();
    assert_eq!(it.at_home().accounts.available, 1_000);
    assert_eq!(it.lease(&branch, 5).await.unwrap().credits, 5);
    assert_eq!(it.at_home().accounts.leased, it.in_stock().granted);
}

#[tokio::test]
async fn an_escrow_whose_renewal_has_no_answer_keeps_what_is_lent_of_it() {
    let it = Region::new(EscrowPolicy::shared(), &[1_000]).await;
    let branch = it.branch();
    it.lease(&branch, 5).await.unwrap();
    let lease = *it.in_stock().leases.keys().next().unwrap();
    it.hand.advance(Duration::from_secs(1));
    it.home.wire.answers_lost.store(1, Ordering::Relaxed);
    it.lease(&branch, 100).await.unwrap_err();
    branch.give_back(it.client).await.unwrap();
    // Its holder may spend all of it still.
    assert!(it.at_home().accounts.leased >= 5, "{:?}", it.at_home());
    let done = Settlement { lease, escrow: None, used: 5, close: true };
    branch.settle(it.client, vec![done], it.stamp()).await.unwrap();
    branch.give_back(it.client).await.unwrap();
    let home = it.at_home().accounts;
    assert_eq!((home.spent, home.available), (5, 995));
}

#[tokio::test]
async fn a_lease_that_is_renewed_gets_more_of_its_own_escrow_alone() {
    let policy =
        EscrowPolicy { initial: 10, renewed_for: Duration::ZERO, ..EscrowPolicy::shared() };
    let it = Region::new(policy, &[1_000]).await;
    let branch = it.branch();
    let first = LeaseRequest { want: 8, ..it.request(8) };
    let opened = branch.lease(it.client, first.clone(), it.stamp()).await.unwrap();
    it.hand.advance(Duration::from_secs(1));
    let more = LeaseRequest { renews: true, need: 1, want: 1, ..first.clone() };
    let renewed = branch.lease(it.client, more.clone(), it.stamp()).await.unwrap();
    assert_eq!((renewed.credits, renewed.until_ms), (9, opened.until_ms + 1_000));
    // There is another escrow now, which has more than enough.
    it.lease(&branch, 5).await.unwrap();
    it.hand.advance(Duration::from_secs(1));
    let refused = branch.lease(it.client, more, it.stamp()).await.unwrap();
    assert_eq!((refused.credits, refused.until_ms), (9, renewed.until_ms));
}

#[tokio::test]
async fn branches_stand_in_a_row() {
    let it = Region::new(EscrowPolicy::remote(), &[1_000_000]).await;
    let region = Arc::new(it.branch());
    let near_stock = Arc::new(MemoryLedger::new());
    let (clock, mint) = (Arc::clone(&it.clock), Arc::clone(&it.mint));
    let near = Branch::new(region, Arc::clone(&near_stock), clock, mint, EscrowPolicy::shared());
    let (clock, mint) = (Arc::clone(&it.clock), Arc::clone(&it.mint));
    let leases = LeasePolicy { ttl: EscrowPolicy::shared().lease_ttl, ..LeasePolicy::default() };
    let holder = Arc::new(Holder::new(Arc::new(near.clone()), clock, mint, leases));
    for _ in 0..100 {
        holder.spend(it.client, NORMAL, 1).await.unwrap();
    }
    holder.drain().await;
    near.give_back(it.client).await.unwrap();
    it.branch().give_back(it.client).await.unwrap();
    it.check();
    let home = it.at_home();
    assert_eq!((home.accounts.spent, home.accounts.leased), (100, 0), "{home:?}");
}

#[tokio::test]
async fn a_client_that_home_does_not_know_is_named_and_blocks_nobody() {
    let it = Region::new(EscrowPolicy::shared(), &[10]).await;
    let stranger = Region { client: it.mint.mint(START_MS), ..it };
    let branch = stranger.branch();
    for _ in 0..2 {
        let refused = stranger.lease(&branch, 1).await;
        assert!(matches!(refused, Err(LedgerError::UnknownClient)), "{refused:?}");
        stranger.hand.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_lease_that_would_outlive_its_escrow_is_refused() {
    let it = Region::new(EscrowPolicy::shared(), &[10]).await;
    let request = LeaseRequest { ttl_ms: 60_000, ..it.request(1) };
    let refused = it.branch().lease(it.client, request, it.stamp()).await;
    assert_eq!(refused, Err(LedgerError::InvalidAmount));
}
