//! The suite that every backend of the ledger passes, and a wrapper that makes a backend fail.
//!
//! A backend's tests call [`run`] with the backend bare and inside [`Failing`]: what a caller is
//! promised must hold in both.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::{Clock as _, ManualClock, SharedClock, Timestamp};
use ids::{ClientId, JobId, LeaseId, Mint};

use crate::backend::{BalanceStore, Commit, Companion, MovableStore};
use crate::balance::{Balance, GrantSource, Hold, HoldState, LeaseState, Plan};
use crate::branch::Branch;
use crate::change::Account;
use crate::invariants::violations;
use crate::memory::MemoryLedger;
use crate::moving::Movable;
use crate::policy::{
    CLOCK_SKEW_MS, EscrowPolicy, GRANTED_MAX, RECONCILE_WINDOW_MS, REQUEST_LATE_MS,
};
use crate::store::{
    GrantRequest, HoldRequest, LeaseRequest, Leased, LedgerError, Lender, Reaped, Settlement,
    Stamp, StoreFault,
};

/// Asks again as a caller does, until the store answers.
macro_rules! answered {
    ($call:expr) => {{
        let mut attempts = 0;
        loop {
            match $call.await {
                Err(LedgerError::Store(StoreFault::Throttled(_) | StoreFault::TimedOut(_)))
                    if attempts < 50 =>
                {
                    attempts += 1;
                }
                answer => break answer,
            }
        }
    }};
}

mod failing;
mod moving;

pub use failing::Failing;

const START_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;
const TTL_MS: i64 = 30_000;

/// How many cases [`run`] goes through.
pub const CASES: usize = 22;

/// Runs every case against `ledger`, each with clients of its own, and panics at the first promise
/// that is not kept.
pub async fn run<L: Movable>(ledger: Arc<L>, seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let bench = Bench { ledger, mint: Mint::seeded(bytes), extra_ms: AtomicU64::new(0) };
    let mut ran = 0;
    macro_rules! cases {
        ($($case:ident)*) => {
            $(bench.$case().await; ran += 1;)*
        };
    }
    cases! {
        a_client_without_a_balance_is_named
        a_grant_comes_in_once
        impossible_grants_are_refused
        a_lease_is_bounded_by_its_share_and_the_last_credit_is_usable
        a_lease_asked_for_again_is_the_same_lease
        a_renewed_lease_lives_on_and_gets_more
        a_lease_is_not_renewed_once_it_or_what_is_in_it_has_ended
        a_settlement_is_a_total_and_counts_once
        a_late_copy_of_a_request_opens_no_settled_lease
        more_than_was_leased_cannot_be_reported
        settlements_travel_with_a_lease_even_when_nothing_is_left
        a_silent_lease_comes_back_in_two_steps
        a_late_report_is_honoured_while_the_lease_is_in_suspense
        credits_are_spent_soonest_to_end_first_and_expire
        a_hold_is_resolved_once
        credits_that_come_back_expire_in_time
        a_hold_never_takes_more_than_there_is
        many_holders_never_take_more_than_there_is
        a_fenced_balance_lends_nothing_and_comes_in
        a_move_that_is_given_up_leaves_the_balance_as_it_was
        a_balance_moves_away_and_back_and_counts_everything_once
        a_late_copy_of_an_arrival_changes_nothing
    }
    assert_eq!(ran, CASES);
}

/// Lends out of `stock` as a branch does, through several escrows until each is closed, and panics
/// at the first promise that is not kept.
pub async fn run_branch<S: BalanceStore>(stock: Arc<S>, seed: u64) {
    let clock = ManualClock::at(Timestamp::from_millisecond(START_MS).unwrap());
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mint = Arc::new(Mint::seeded(bytes));
    let home = Arc::new(MemoryLedger::new());
    let bench = Bench {
        ledger: Arc::clone(&home),
        mint: Mint::seeded(bytes.map(|byte| !byte)),
        extra_ms: AtomicU64::new(0),
    };
    let client = bench.client(&[(1_000, 30)]).await;
    let policy = EscrowPolicy { initial: 20, ..EscrowPolicy::shared() };
    let time = Arc::clone(&clock) as SharedClock;
    let branch = Branch::new(home, Arc::clone(&stock), time, Arc::clone(&mint), policy);
    let mut used = 0;
    for round in 0..40 {
        let id = mint.mint(START_MS);
        let stamp = bench.stamp(clock.now_ms());
        let request = LeaseRequest {
            id,
            renews: false,
            need: 7,
            want: 9,
            share: 1,
            ttl_ms: 8_000,
            window_ms: RECONCILE_WINDOW_MS,
            settle: Vec::new(),
        };
        let leased = branch.lease(client, request, stamp).await.unwrap();
        assert!(leased.credits >= 7 && leased.escrow.is_some(), "{leased:?}");
        let settlement = Settlement { lease: id, escrow: None, used: 5, close: true };
        branch.settle(client, vec![settlement], stamp).await.unwrap();
        used += 5;
        let balance = stock.load(client).await.unwrap().unwrap();
        assert_eq!(violations(&balance, None), [], "round {round}");
        clock.advance(Duration::from_secs(4));
    }
    branch.give_back(client).await.unwrap();
    let balance = stock.load(client).await.unwrap().unwrap();
    assert_eq!(violations(&balance, None), []);
    assert!(balance.grants.is_empty(), "{balance:?}");
    let home = bench.balance(client).await;
    assert_eq!((home.accounts.spent, home.accounts.leased), (used, 0), "{home:?}");
    assert_eq!(home.accounts.available, 1_000 - used);
}

/// Commits plans that were made on a balance of before, as processes that remember one do, and panics
/// if one undoes what others did meanwhile.
pub async fn run_stale_plans<S: MovableStore>(store: Arc<S>, seed: u64) {
    let mut bytes = [2; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let bench = Bench {
        ledger: Arc::clone(&store),
        mint: Mint::seeded(bytes),
        extra_ms: AtomicU64::new(0),
    };
    let client = bench.client(&[(100, 1)]).await;
    let lease = bench.lease_id();
    bench.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
    let before = store.load(client).await.unwrap().unwrap();
    bench.renew(client, lease, 5, vec![], bench.stamp(START_MS + 5_000)).await;
    let after = store.load(client).await.unwrap().unwrap();
    for (used, close) in [(4, false), (4, true)] {
        let report = Settlement { lease, escrow: None, used, close };
        let stamp = bench.stamp(START_MS + 6_000);
        let Plan::Commit(change, ()) = before.plan_settle(&[report], stamp).unwrap() else {
            panic!("a report of {used} says something new");
        };
        let commit = store.commit(&before, &change, None).await.unwrap();
        assert!(matches!(commit, Commit::Moved(_)), "{commit:?}");
    }
    assert_eq!(store.load(client).await.unwrap().unwrap(), after);

    // Each alone is within what a client can ever have; both together are not.
    for expected in [true, false] {
        let (id, credits) = (bench.mint.mint(START_MS), GRANTED_MAX - 100);
        let expires_at_ms = START_MS + DAY_MS;
        let request = GrantRequest { id, credits, expires_at_ms, source: GrantSource::TopUp };
        let Plan::Commit(change, ()) = before.plan_grant(&request, bench.stamp(START_MS)).unwrap()
        else {
            panic!("a grant under a new id is a new grant");
        };
        let companion = Companion::Granted { id, credits, at_ms: START_MS };
        let commit = store.commit(&before, &change, Some(companion)).await.unwrap();
        assert_eq!(commit == Commit::Done, expected, "{commit:?}");
    }
    assert_eq!(store.load(client).await.unwrap().unwrap().granted, GRANTED_MAX);
}

struct Bench<L> {
    ledger: Arc<L>,
    mint: Mint,
    extra_ms: AtomicU64,
}

impl<L: Movable> Bench<L> {
    fn stamp(&self, at_ms: i64) -> Stamp {
        Stamp { entry: self.mint.mint(at_ms), at_ms }
    }

    async fn client(&self, grants: &[(u64, i64)]) -> ClientId {
        let client = self.mint.mint(START_MS);
        answered!(self.ledger.open(client)).unwrap();
        for (credits, days) in grants {
            self.grant(client, *credits, START_MS + days * DAY_MS).await.unwrap();
        }
        client
    }

    async fn grant(
        &self,
        client: ClientId,
        credits: u64,
        expires_at_ms: i64,
    ) -> Result<(), LedgerError> {
        let request = GrantRequest {
            id: self.mint.mint(START_MS),
            credits,
            expires_at_ms,
            source: GrantSource::TopUp,
        };
        let stamp = self.stamp(START_MS);
        answered!(self.ledger.grant(client, request.clone(), stamp))
    }

    async fn renew(
        &self,
        client: ClientId,
        id: LeaseId,
        want: u64,
        settle: Vec<Settlement>,
        stamp: Stamp,
    ) -> Leased {
        let request = LeaseRequest {
            id,
            renews: true,
            need: 0,
            want,
            share: 1,
            ttl_ms: TTL_MS,
            window_ms: RECONCILE_WINDOW_MS,
            settle,
        };
        answered!(self.ledger.lease(client, request.clone(), stamp)).unwrap()
    }

    async fn lease(
        &self,
        client: ClientId,
        id: LeaseId,
        want: u64,
        share: u64,
        settle: Vec<Settlement>,
        at_ms: i64,
    ) -> Result<Leased, LedgerError> {
        let request = LeaseRequest {
            id,
            renews: false,
            need: 1,
            want,
            share,
            ttl_ms: TTL_MS,
            window_ms: RECONCILE_WINDOW_MS,
            settle,
        };
        let stamp = self.stamp(at_ms);
        answered!(self.ledger.lease(client, request.clone(), stamp))
    }

    async fn settle(&self, client: ClientId, settlement: Settlement, at_ms: i64) {
        let stamp = self.stamp(at_ms);
        answered!(self.ledger.settle(client, vec![settlement], stamp)).unwrap();
    }

    async fn hold(&self, client: ClientId, job: JobId, credits: u64) -> Result<Hold, LedgerError> {
        let stamp = self.stamp(START_MS);
        answered!(self.ledger.hold(client, HoldRequest { id: job, credits }, stamp))
    }

    async fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
    ) -> Result<Hold, LedgerError> {
        let stamp = self.stamp(START_MS);
        answered!(self.ledger.resolve(client, job, posted, stamp))
    }

    /// Reaps, and says what this call moved. Where an answer is lost the amounts are unknown, so
    /// that cases look at the balance instead.
    async fn reap(&self, client: ClientId, at_ms: i64) {
        let stamp = self.stamp(at_ms);
        let _: Reaped = answered!(self.ledger.reap(client, stamp)).unwrap();
    }

    /// The balance, checked.
    async fn balance(&self, client: ClientId) -> Balance {
        let balance = answered!(self.ledger.balance(client)).unwrap();
        assert_eq!(violations(&balance, None), [], "{balance:?}");
        balance
    }

    fn lease_id(&self) -> LeaseId {
        self.mint.mint(START_MS + self.extra_ms.fetch_add(1, Ordering::Relaxed).cast_signed())
    }

    async fn a_client_without_a_balance_is_named(&self) {
        let nobody = self.mint.mint(START_MS);
        let answer = answered!(self.ledger.balance(nobody));
        assert_eq!(answer.unwrap_err(), LedgerError::UnknownClient);
        let answer = self.lease(nobody, self.lease_id(), 1, 1, vec![], START_MS).await;
        assert_eq!(answer.unwrap_err(), LedgerError::UnknownClient);
        let answer = self.hold(nobody, self.mint.mint(START_MS), 1).await;
        assert_eq!(answer.unwrap_err(), LedgerError::UnknownClient);
        let answer = self.grant(nobody, 1, START_MS + DAY_MS).await;
        assert_eq!(answer.unwrap_err(), LedgerError::UnknownClient);
    }

    async fn a_grant_comes_in_once(&self) {
        let client = self.client(&[]).await;
        let request = GrantRequest {
            id: self.mint.mint(START_MS),
            credits: 100,
            expires_at_ms: START_MS + DAY_MS,
            source: GrantSource::Promotion,
        };
        for _ in 0..3 {
            let stamp = self.stamp(START_MS);
            answered!(self.ledger.grant(client, request.clone(), stamp)).unwrap();
        }
        // Nor when all of it is used and over, and the balance has forgotten it.
        let lease = self.lease_id();
        self.lease(client, lease, 100, 1, vec![], START_MS).await.unwrap();
        self.settle(client, Settlement { lease, escrow: None, used: 100, close: true }, START_MS)
            .await;
        self.reap(client, START_MS + 2 * DAY_MS).await;
        let stamp = self.stamp(START_MS);
        answered!(self.ledger.grant(client, request.clone(), stamp)).unwrap();
        let balance = self.balance(client).await;
        assert_eq!((balance.granted, balance.accounts.spent), (100, 100));
        // Opening again changes nothing.
        answered!(self.ledger.open(client)).unwrap();
        assert_eq!(self.balance(client).await, balance);
    }

    async fn impossible_grants_are_refused(&self) {
        let client = self.client(&[(5, 1)]).await;
        for (credits, expires_at_ms) in
            [(0, START_MS + DAY_MS), (1, START_MS), (GRANTED_MAX, START_MS + DAY_MS)]
        {
            let answer = self.grant(client, credits, expires_at_ms).await;
            assert_eq!(answer.unwrap_err(), LedgerError::InvalidAmount);
        }
        assert_eq!(self.balance(client).await.granted, 5);
    }

    async fn a_lease_is_bounded_by_its_share_and_the_last_credit_is_usable(&self) {
        let client = self.client(&[(16, 1)]).await;
        let mut given = Vec::new();
        loop {
            let id = self.lease_id();
            let leased = self.lease(client, id, 100, 8, vec![], START_MS).await.unwrap();
            if leased.credits == 0 {
                break;
            }
            given.push(leased.credits);
        }
        assert_eq!(given[0], 2);
        assert_eq!(given.last(), Some(&1));
        assert_eq!(given.iter().sum::<u64>(), 16);
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.available, balance.accounts.leased), (0, 16));
    }

    async fn a_lease_asked_for_again_is_the_same_lease(&self) {
        let client = self.client(&[(100, 1)]).await;
        let id = self.lease_id();
        for _ in 0..3 {
            let leased = self.lease(client, id, 10, 1, vec![], START_MS).await.unwrap();
            assert_eq!(leased.credits, 10);
        }
        assert_eq!(self.balance(client).await.accounts.leased, 10);
        // Whoever is done with it in the same breath does not have it.
        let done = Settlement { lease: id, escrow: None, used: 3, close: true };
        let leased = self.lease(client, id, 10, 1, vec![done], START_MS).await.unwrap();
        assert_eq!(leased.credits, 0);
        assert_eq!(self.balance(client).await.accounts.leased, 0);
        let request = LeaseRequest {
            id: self.lease_id(),
            renews: false,
            need: 0,
            want: 0,
            share: 1,
            ttl_ms: TTL_MS,
            window_ms: RECONCILE_WINDOW_MS,
            settle: vec![],
        };
        let stamp = self.stamp(START_MS);
        let answer = answered!(self.ledger.lease(client, request.clone(), stamp));
        assert_eq!(answer.unwrap_err(), LedgerError::InvalidAmount);
    }

    async fn a_renewed_lease_lives_on_and_gets_more(&self) {
        let client = self.client(&[(100, 1)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        let (first, second) = (self.stamp(START_MS + 5_000), self.stamp(START_MS + 9_000));
        let report = |used| vec![Settlement { lease, escrow: None, used, close: false }];
        // The first twice; the second brings time alone; then a copy of the first, which is late.
        let asked = [(5, 6, first, first), (5, 6, first, first), (0, 8, second, second)];
        for (want, used, stamp, newest) in asked.into_iter().chain([(5, 6, first, second)]) {
            let leased = self.renew(client, lease, want, report(used), stamp).await;
            assert_eq!((leased.credits, leased.available), (15, 85));
            assert_eq!(leased.until_ms, newest.at_ms + TTL_MS);
        }
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.leased, balance.accounts.spent), (7, 8));
        assert_eq!(balance.due_at_ms, Some(second.at_ms + TTL_MS + CLOCK_SKEW_MS));
        // What came in two parts goes back as one.
        let done = Settlement { lease, escrow: None, used: 12, close: true };
        self.settle(client, done, START_MS + 10_000).await;
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.available, accounts.leased, accounts.spent), (88, 0, 12));
    }

    async fn a_lease_is_not_renewed_once_it_or_what_is_in_it_has_ended(&self) {
        let client = self.client(&[(10, 1), (90, 2)]).await;
        let nobody = self.renew(client, self.lease_id(), 5, vec![], self.stamp(START_MS)).await;
        assert_eq!((nobody.credits, nobody.available), (0, 100));
        let end_ms = START_MS + DAY_MS;
        let (stale, silent) = (self.lease_id(), self.lease_id());
        self.lease(client, stale, 5, 1, vec![], end_ms - 1_000).await.unwrap();
        let kept = self.renew(client, stale, 5, vec![], self.stamp(end_ms)).await;
        assert_eq!((kept.credits, kept.until_ms), (5, end_ms - 1_000 + TTL_MS));
        self.lease(client, silent, 5, 1, vec![], end_ms).await.unwrap();
        let lapse_ms = end_ms + TTL_MS + CLOCK_SKEW_MS;
        self.reap(client, lapse_ms).await;
        let lapsed = self.renew(client, silent, 5, vec![], self.stamp(lapse_ms)).await;
        assert_eq!(lapsed.credits, 0);
        let done = Settlement { lease: silent, escrow: None, used: 2, close: true };
        self.settle(client, done, lapse_ms).await;
        let settled = self.renew(client, silent, 5, vec![], self.stamp(lapse_ms)).await;
        assert_eq!(settled.credits, 0);
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.leased, accounts.suspense, accounts.spent), (0, 5, 2));
    }

    async fn a_settlement_is_a_total_and_counts_once(&self) {
        let client = self.client(&[(100, 1)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        // 4, then a late 3, then 4 again, then the end at 7, then the end again.
        for (used, close) in [(4, false), (3, false), (4, false), (7, true), (7, true)] {
            self.settle(client, Settlement { lease, escrow: None, used, close }, START_MS).await;
        }
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.available, accounts.leased, accounts.spent), (93, 0, 7));
    }

    async fn a_late_copy_of_a_request_opens_no_settled_lease(&self) {
        let client = self.client(&[(100, 1)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        let done = Settlement { lease, escrow: None, used: 7, close: true };
        self.settle(client, done, START_MS).await;
        // Held up on its way, it is carried out after the lease's end; nobody knows of its answer.
        let copy = self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        assert_eq!(copy.credits, 0);
        // Whoever had no answer to the settlement, or finds out later, reports it again, or less, or
        // what the lease never held. It is over: that is no entry, and no error.
        let before = self.balance(client).await;
        for used in [7, 3, 11] {
            self.settle(client, Settlement { used, ..done }, START_MS).await;
        }
        assert_eq!(self.balance(client).await, before);
        let accounts = before.accounts;
        assert_eq!((accounts.available, accounts.leased, accounts.spent), (93, 0, 7));
        // It is not remembered for longer than a copy can take.
        let next = self.lease_id();
        let late_ms = START_MS + REQUEST_LATE_MS;
        self.lease(client, next, 10, 1, vec![], late_ms).await.unwrap();
        assert!(self.balance(client).await.leases.keys().eq([&next]));
    }

    async fn more_than_was_leased_cannot_be_reported(&self) {
        let client = self.client(&[(100, 1)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        let stamp = self.stamp(START_MS);
        let settlement = Settlement { lease, escrow: None, used: 11, close: true };
        let answer = answered!(self.ledger.settle(client, vec![settlement], stamp));
        assert_eq!(answer.unwrap_err(), LedgerError::OverReported { lease, amount: 10, used: 11 });
        assert_eq!(self.balance(client).await.accounts.leased, 10);
    }

    async fn settlements_travel_with_a_lease_even_when_nothing_is_left(&self) {
        let client = self.client(&[(10, 1)]).await;
        let first = self.lease_id();
        self.lease(client, first, 10, 1, vec![], START_MS).await.unwrap();
        let done = Settlement { lease: first, escrow: None, used: 10, close: true };
        let second = self.lease_id();
        let leased = self.lease(client, second, 5, 1, vec![done], START_MS).await.unwrap();
        assert_eq!(leased.credits, 0);
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.spent, balance.leases.len()), (10, 1));
        assert_eq!(balance.leases[&first].state, LeaseState::Settled);
        // What a settlement gives back can be leased in the same breath.
        self.grant(client, 4, START_MS + DAY_MS).await.unwrap();
        let third = self.lease_id();
        self.lease(client, third, 4, 1, vec![], START_MS).await.unwrap();
        let half = Settlement { lease: third, escrow: None, used: 1, close: true };
        let fourth = self.lease_id();
        let leased = self.lease(client, fourth, 9, 1, vec![half], START_MS).await.unwrap();
        assert_eq!(leased.credits, 3);
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.available, accounts.leased, accounts.spent), (0, 3, 11));
    }

    async fn a_silent_lease_comes_back_in_two_steps(&self) {
        let client = self.client(&[(100, 30)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        self.settle(client, Settlement { lease, escrow: None, used: 2, close: false }, START_MS)
            .await;
        let lapse_ms = START_MS + TTL_MS + CLOCK_SKEW_MS;

        self.reap(client, lapse_ms - 1).await;
        assert_eq!(self.balance(client).await.accounts.leased, 8);

        let due = answered!(self.ledger.due(lapse_ms, 10_000)).unwrap();
        assert!(due.contains(&client), "the reaper is not told of a lease that ended");
        self.reap(client, lapse_ms).await;
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.leased, balance.accounts.suspense), (0, 8));
        assert_eq!(balance.leases[&lease].state, LeaseState::Lapsed);

        let return_ms = lapse_ms + RECONCILE_WINDOW_MS;
        let due = answered!(self.ledger.due(return_ms, 10_000)).unwrap();
        assert!(due.contains(&client), "the reaper is not told of what is in suspense");
        self.reap(client, return_ms).await;
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.suspense, balance.accounts.available), (0, 98));
        // Too late: the credits are the client's again, and no report can take them.
        self.settle(client, Settlement { lease, escrow: None, used: 10, close: true }, return_ms)
            .await;
        assert_eq!(self.balance(client).await.accounts, balance.accounts);
    }

    async fn a_late_report_is_honoured_while_the_lease_is_in_suspense(&self) {
        let client = self.client(&[(100, 30)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        let lapse_ms = START_MS + TTL_MS + CLOCK_SKEW_MS;
        self.reap(client, lapse_ms).await;
        self.settle(client, Settlement { lease, escrow: None, used: 6, close: true }, lapse_ms + 1)
            .await;
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.suspense, accounts.spent, accounts.available), (0, 6, 94));
    }

    async fn credits_are_spent_soonest_to_end_first_and_expire(&self) {
        let client = self.client(&[(10, 9), (10, 1)]).await;
        let lease = self.lease_id();
        self.lease(client, lease, 12, 1, vec![], START_MS).await.unwrap();
        self.settle(client, Settlement { lease, escrow: None, used: 4, close: true }, START_MS)
            .await;
        // 4 of the grant that ends first are spent; its other 6 end with it.
        let end_ms = START_MS + DAY_MS;
        let due = answered!(self.ledger.due(end_ms, 10_000)).unwrap();
        assert!(due.contains(&client), "the reaper is not told of a grant that ended");
        self.reap(client, end_ms).await;
        let balance = self.balance(client).await;
        let accounts = balance.accounts;
        assert_eq!((accounts.spent, accounts.expired, accounts.available), (4, 6, 10));
        assert_eq!(balance.grants.len(), 1);

        // Nothing of an ended grant can be taken, reaped or not; what comes back to it expires.
        let lease = self.lease_id();
        self.lease(client, lease, 10, 1, vec![], START_MS).await.unwrap();
        let late_ms = START_MS + 9 * DAY_MS;
        self.settle(client, Settlement { lease, escrow: None, used: 1, close: true }, late_ms)
            .await;
        let leased = self.lease(client, self.lease_id(), 1, 1, vec![], late_ms).await.unwrap();
        assert_eq!(leased.credits, 0);
        let due = answered!(self.ledger.due(late_ms, 10_000)).unwrap();
        assert!(due.contains(&client), "the reaper is not told of credits of an ended grant");
        self.reap(client, late_ms).await;
        let balance = self.balance(client).await;
        assert_eq!((balance.accounts.spent, balance.accounts.expired), (5, 15));
        assert!(balance.grants.is_empty());
        assert_eq!(balance.due_at_ms, None);
    }

    async fn a_hold_is_resolved_once(&self) {
        let client = self.client(&[(20, 1)]).await;
        let job: JobId = self.mint.mint(START_MS);
        for _ in 0..2 {
            let hold = self.hold(client, job, 8).await.unwrap();
            assert_eq!((hold.credits, hold.state), (8, HoldState::Held));
        }
        assert_eq!(self.balance(client).await.accounts.held, 8);
        assert_eq!(self.resolve(client, job, 9).await.unwrap_err(), LedgerError::InvalidAmount);
        for _ in 0..2 {
            let hold = self.resolve(client, job, 6).await.unwrap();
            assert_eq!(hold.state, HoldState::Resolved { posted: 6, voided: 2 });
        }
        assert_eq!(self.resolve(client, job, 0).await.unwrap_err(), LedgerError::AlreadyResolved);
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.held, accounts.spent, accounts.available), (0, 6, 14));
        let unknown = self.resolve(client, self.mint.mint(START_MS), 0).await;
        assert_eq!(unknown.unwrap_err(), LedgerError::UnknownHold);
    }

    async fn credits_that_come_back_expire_in_time(&self) {
        let client = self.client(&[(5, 1)]).await;
        let job: JobId = self.mint.mint(START_MS);
        self.hold(client, job, 5).await.unwrap();
        // The reaper comes while nothing is left that could expire.
        self.reap(client, START_MS).await;
        self.resolve(client, job, 2).await.unwrap();
        let end_ms = START_MS + DAY_MS;
        let due = answered!(self.ledger.due(end_ms, 10_000)).unwrap();
        assert!(due.contains(&client), "the reaper is not told of credits that came back");
        self.reap(client, end_ms).await;
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.spent, accounts.expired, accounts.available), (2, 3, 0));
    }

    async fn a_hold_never_takes_more_than_there_is(&self) {
        let client = self.client(&[(10, 1)]).await;
        self.hold(client, self.mint.mint(START_MS), 7).await.unwrap();
        let refused = self.hold(client, self.mint.mint(START_MS), 4).await;
        assert_eq!(refused.unwrap_err(), LedgerError::Exhausted { available: 3 });
        let nothing = self.hold(client, self.mint.mint(START_MS), 0).await;
        assert_eq!(nothing.unwrap_err(), LedgerError::InvalidAmount);
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.held, accounts.available), (7, 3));
    }

    async fn many_holders_never_take_more_than_there_is(&self) {
        let client = self.client(&[(30, 1), (30, 2)]).await;
        let takers: Vec<_> = (0..24)
            .map(|_| {
                let ledger = Arc::clone(&self.ledger);
                let (id, hold) = (self.lease_id(), self.mint.mint::<JobId>(START_MS));
                let (first, second) = (self.stamp(START_MS), self.stamp(START_MS));
                tokio::spawn(async move {
                    let request = LeaseRequest {
                        id,
                        renews: false,
                        need: 1,
                        want: 3,
                        share: 1,
                        ttl_ms: TTL_MS,
                        window_ms: RECONCILE_WINDOW_MS,
                        settle: vec![],
                    };
                    let leased = answered!(ledger.lease(client, request.clone(), first));
                    let request = HoldRequest { id: hold, credits: 2 };
                    let held = answered!(ledger.hold(client, request, second));
                    (leased, held)
                })
            })
            .collect();
        let (mut leased, mut held) = (0, 0);
        for taker in takers {
            let (lease, hold) = taker.await.unwrap();
            leased += lease.unwrap().credits;
            match hold {
                Ok(hold) => held += hold.credits,
                Err(LedgerError::Exhausted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let accounts = self.balance(client).await.accounts;
        assert_eq!((accounts.leased, accounts.held), (leased, held));
        assert_eq!(accounts[Account::Available] + leased + held, 60);
        assert!(accounts.available < 2, "credits were left although more were asked for");
    }
}
