//! What is promised of a balance that moves to another Region, and back.

use ids::{ClientId, JobId, LeaseId};

use super::{Bench, DAY_MS, START_MS};
use crate::balance::{Balance, GrantSource, HoldState};
use crate::invariants::violations;
use crate::memory::MemoryLedger;
use crate::moving::{Departure, Movable, Region, carry};
use crate::store::{GrantRequest, Ledger as _, LedgerError, Settlement, StoreFault};

/// Another Region, and what a move to it takes.
struct Elsewhere {
    ledger: MemoryLedger,
    region: Region,
    here: Region,
}

impl Default for Elsewhere {
    fn default() -> Self {
        let (region, here) = (Region::new("eu-west-1"), Region::new("us-east-1"));
        Self { ledger: MemoryLedger::new(), region, here }
    }
}

impl<L: Movable> Bench<L> {
    async fn fence(&self, client: ClientId, to: &Region) -> Result<(), LedgerError> {
        answered!(self.ledger.fence(client, to, self.stamp(START_MS)))
    }

    async fn depart(&self, client: ClientId) -> Result<Departure, LedgerError> {
        answered!(self.ledger.depart(client, self.stamp(START_MS)))
    }

    /// Moves a balance of which nothing is out, every step twice.
    async fn move_away(&self, client: ClientId, there: &Elsewhere) -> Balance {
        let (to, stamp) = (&there.region, self.stamp(START_MS));
        for _ in 0..2 {
            self.fence(client, to).await.unwrap();
        }
        self.depart(client).await.unwrap();
        let Departure::Gone(gone) = self.depart(client).await.unwrap() else {
            panic!("something is out");
        };
        for _ in 0..2 {
            answered!(carry(&*self.ledger, &there.ledger, client)).unwrap();
        }
        for _ in 0..2 {
            there.ledger.arrive(&gone, stamp).await.unwrap();
        }
        gone
    }

    /// Moves it back.
    async fn move_back(&self, client: ClientId, there: &Elsewhere) -> Balance {
        let stamp = self.stamp(START_MS);
        there.ledger.fence(client, &there.here, stamp).await.unwrap();
        let Departure::Gone(gone) = there.ledger.depart(client, stamp).await.unwrap() else {
            panic!("something is out");
        };
        for _ in 0..2 {
            answered!(carry(&there.ledger, &*self.ledger, client)).unwrap();
        }
        for _ in 0..2 {
            answered!(self.ledger.arrive(&gone, stamp)).unwrap();
        }
        gone
    }

    pub(super) async fn a_fenced_balance_lends_nothing_and_comes_in(&self) {
        let there = Elsewhere::default();
        let moving = Err(LedgerError::Moving { to: there.region.clone() });
        let client = self.client(&[(100, 30)]).await;
        let (lease, job): (LeaseId, JobId) = (self.mint.mint(START_MS), self.mint.mint(START_MS));
        self.lease(client, lease, 10, 1, Vec::new(), START_MS).await.unwrap();
        self.hold(client, job, 20).await.unwrap();
        self.fence(client, &there.region).await.unwrap();

        let new = self.lease(client, self.mint.mint(START_MS), 1, 1, Vec::new(), START_MS).await;
        assert_eq!(new.map(drop), moving);
        assert_eq!(self.hold(client, self.mint.mint(START_MS), 1).await.map(drop), moving);
        assert_eq!(self.grant(client, 5, START_MS + DAY_MS).await, moving);
        assert_eq!(self.fence(client, &there.here).await, moving);
        // What was lent before is the holder's still, should it not have heard.
        let again = self.lease(client, lease, 10, 1, Vec::new(), START_MS).await.unwrap();
        assert_eq!(again.credits, 10);

        let Departure::Waits(out) = self.depart(client).await.unwrap() else {
            panic!("the balance went with a lease and a hold");
        };
        assert_eq!((out.leased, out.held), (10, 20));
        self.settle(client, Settlement { lease, escrow: None, used: 10, close: false }, START_MS)
            .await;
        self.resolve(client, job, 15).await.unwrap();
        // Nothing is in it any more, but its holder is to close it yet.
        assert!(matches!(self.depart(client).await.unwrap(), Departure::Waits(_)));
        self.settle(client, Settlement { lease, escrow: None, used: 10, close: true }, START_MS)
            .await;
        let Departure::Gone(gone) = self.depart(client).await.unwrap() else {
            panic!("something is out: {:?}", self.balance(client).await);
        };
        assert_eq!((gone.accounts.available, gone.accounts.spent), (75, 25));

        let new = self.lease(client, self.mint.mint(START_MS), 1, 1, Vec::new(), START_MS).await;
        assert_eq!(new.map(drop), moving);
        assert_eq!(answered!(self.ledger.unfence(client, self.stamp(START_MS))), moving);
        // The grant would end here, were it not for the other Region to see to.
        self.reap(client, START_MS + 40 * DAY_MS).await;
        assert_eq!(self.balance(client).await, gone);
        let due = answered!(self.ledger.due(START_MS + 40 * DAY_MS, 10_000)).unwrap();
        assert!(!due.contains(&client));
    }

    pub(super) async fn a_move_that_is_given_up_leaves_the_balance_as_it_was(&self) {
        let there = Elsewhere::default();
        let client = self.client(&[(100, 30)]).await;
        assert_eq!(self.depart(client).await, Err(LedgerError::NotMoving));
        let before = self.balance(client).await;
        self.fence(client, &there.region).await.unwrap();
        for _ in 0..2 {
            answered!(self.ledger.unfence(client, self.stamp(START_MS))).unwrap();
        }
        let after = self.balance(client).await;
        assert_eq!(after, Balance { seq: before.seq + 2, ..before });
        let leased = self.lease(client, self.mint.mint(START_MS), 5, 1, Vec::new(), START_MS).await;
        assert_eq!(leased.unwrap().credits, 5);
        let never = there.ledger.arrive(&after, self.stamp(START_MS)).await;
        assert_eq!(never, Err(LedgerError::NotMoving));
        assert_eq!(
            answered!(carry(&*self.ledger, &there.ledger, client)),
            Err(LedgerError::NotMoving)
        );
    }

    pub(super) async fn a_balance_moves_away_and_back_and_counts_everything_once(&self) {
        let there = Elsewhere::default();
        let client = self.client(&[]).await;
        let granted = |credits| GrantRequest {
            id: self.mint.mint(START_MS),
            credits,
            expires_at_ms: START_MS + DAY_MS,
            source: GrantSource::TopUp,
        };
        let (first, second, stamp) = (granted(60), granted(40), self.stamp(START_MS));
        answered!(self.ledger.grant(client, first.clone(), stamp)).unwrap();
        let job: JobId = self.mint.mint(START_MS);
        self.hold(client, job, 10).await.unwrap();
        self.resolve(client, job, 4).await.unwrap();

        let gone = self.move_away(client, &there).await;
        let (moved, holds) = there.ledger.audit(client).unwrap();
        assert_eq!(violations(&moved, Some(&holds)), []);
        // It opened by an entry of its own, and is otherwise what it was.
        assert_eq!((moved.seq, moved.moving.clone()), (gone.seq + 1, None));
        assert_eq!((moved.accounts, &moved.grants), (gone.accounts, &gone.grants));
        assert_eq!(moved.due_at_ms, Some(START_MS + DAY_MS));
        // A grant counts once, and a hold is resolved once.
        there.ledger.grant(client, first.clone(), stamp).await.unwrap();
        there.ledger.grant(client, second.clone(), stamp).await.unwrap();
        let resolved = there.ledger.resolve(client, job, 4, stamp).await.unwrap();
        assert_eq!(resolved.state, HoldState::Resolved { posted: 4, voided: 6 });
        assert_eq!(there.ledger.balance(client).await.unwrap().granted, 100);
        // The grants end there, so that only their marks know of them.
        there.ledger.reap(client, self.stamp(START_MS + 2 * DAY_MS)).await.unwrap();

        let gone = self.move_back(client, &there).await;
        let back = self.balance(client).await;
        assert_eq!((back.seq, back.moving.clone()), (gone.seq + 1, None));
        assert_eq!(back.accounts, gone.accounts);
        for grant in [first, second] {
            answered!(self.ledger.grant(client, grant.clone(), stamp)).unwrap();
        }
        assert_eq!(self.balance(client).await.granted, 100);
        self.grant(client, 7, START_MS + 3 * DAY_MS).await.unwrap();
        let lease = self.mint.mint(START_MS);
        let leased =
            self.lease(client, lease, 7, 1, Vec::new(), START_MS + 2 * DAY_MS).await.unwrap();
        assert_eq!(leased.credits, 7);
        assert_eq!(violations(&self.balance(client).await, None), []);
    }

    pub(super) async fn a_late_copy_of_an_arrival_changes_nothing(&self) {
        let there = Elsewhere::default();
        let client = self.client(&[(100, 30)]).await;
        self.move_away(client, &there).await;
        let first = self.move_back(client, &there).await;
        let arrived = self.balance(client).await;
        answered!(self.ledger.arrive(&first, self.stamp(START_MS))).unwrap();
        assert_eq!(self.balance(client).await, arrived);
        // It has gone again meanwhile, and what arrived then is older than what is left of it now.
        self.move_away(client, &there).await;
        let gone = self.balance(client).await;
        answered!(self.ledger.arrive(&first, self.stamp(START_MS))).unwrap();
        assert_eq!(self.balance(client).await, gone);
        // A balance that never went is not replaced.
        let other = self.client(&[]).await;
        let seq = self.balance(other).await.seq + 40;
        let foreign = Balance { client: other, seq, ..first };
        let refused = answered!(self.ledger.arrive(&foreign, self.stamp(START_MS)));
        assert_eq!(refused, Err(LedgerError::Occupied));
        assert_eq!(self.balance(other).await.granted, 0);
    }
}
