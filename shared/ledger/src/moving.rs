//! A client's home moves to another Region.
//!
//! A balance is written in one Region, the client's home. To move it there are four steps, in this
//! order; each can be repeated, by anybody and at any time, and then does nothing.
//!
//! 1. [`fence`](Movable::fence): the balance notes where it moves to. From then on it lends nothing
//!    new, holds nothing and takes no grants. Reports, holds that are resolved and the reaper go on,
//!    so that all that is out comes in. [`unfence`](Movable::unfence) gives the move up.
//! 2. [`depart`](Movable::depart): once nothing is out, the balance is *gone*. What is left in its
//!    place says where it went, is never changed again by anything but a later arrival, and so is
//!    the source of what follows, however often that is begun.
//! 3. [`carry`]: the records beside it are copied, the marks of grants and the holds: a grant counts
//!    once, and a hold is resolved once, before and after the move.
//! 4. [`arrive`](Movable::arrive): the balance is put into the other Region's ledger as it was, with
//!    its sequence number, so that the journal goes on without a gap. First it is *arriving*, and as
//!    closed as it was in its old place; then it opens, by an entry of its own.
//!
//! # Never in two places
//!
//! Only a balance that is not moving lends. That there is at most one such balance of a client
//! follows from these:
//!
//! - **A fence holds against everybody.** A lease, a hold and a grant are committed on condition that
//!   the balance is not moving ([`MoveChange::Staying`]), whatever the planner remembers of it.
//! - **Nothing is out when it goes.** The departure is planned on the whole balance and committed at
//!   exactly its sequence number: no lease is open or in suspense and nothing is held at the very
//!   moment at which it is gone. Whoever had credits has reported, or the reaper has taken them back
//!   as it always does. A late copy of a settled lease's request meets a balance that lends nothing.
//! - **What is gone stays gone.** A departed balance has no lease that could be settled, no hold that
//!   could be resolved, and no appointment with the reaper; a fence cannot be lifted from it.
//! - **It arrives once.** A balance is put only where there is none, or in the place of one that is
//!   gone and has *fewer* entries. Each stay in a Region adds entries, so that a copy of an arrival
//!   that was held up on its way, for however long, finds a balance with more entries and does
//!   nothing. It opens at exactly the sequence number that it departed with.
//! - **Nothing is gone for good.** The old item keeps all that the balance was. A move that stopped
//!   after the departure is finished by repeating the steps, and by nothing else.
//!
//! In between neither Region lends, and calls are refused: from when a holder has used up what it had
//! leased, until the last holder has given its lease back and the balance has arrived.

use std::fmt;
use std::future::Future;

use ids::{ClientId, GrantId, JobId};
use serde::{Deserialize, Serialize};

use crate::backend::{BalanceStore, Commit, MovableStore, PLANS_MAX};
use crate::balance::{Balance, Hold, LeaseState, Plan};
use crate::change::{Accounts, Change, DueChange, EntryKind, MoveChange};
use crate::store::{Ledger, LedgerError, Stamp};

/// The name of a Region, such as `eu-central-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(String);

impl Region {
    /// The Region of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a balance has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveStage {
    /// It is about to go, and waits for what is out.
    Fenced,
    /// It has gone. This is what is left of it.
    Gone,
    /// It is here, and opens next.
    Arriving,
}

/// A balance's move to another Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Where to.
    pub to: Region,
    /// How far it has moved.
    pub stage: MoveStage,
}

/// What became of a wish to depart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped in one breath")]
pub enum Departure {
    /// Something is out still. This is where the credits are.
    Waits(Accounts),
    /// The balance is gone; this is it.
    Gone(Balance),
}

/// A record beside a balance that travels with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// That a grant came in, so that it never counts twice.
    Granted {
        /// The grant.
        id: GrantId,
        /// What it brought, in credits.
        credits: u64,
        /// When, in milliseconds since the Unix epoch.
        at_ms: i64,
    },
    /// A hold that is resolved.
    Hold {
        /// The generation that it is for.
        job: JobId,
        /// The hold.
        hold: Hold,
    },
}

/// Some of the records beside a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The records, in the store's order.
    pub records: Vec<Record>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

/// A ledger whose balances can move to another Region's. See the [module's text](self).
///
/// Like those of a [`Ledger`], every method may be called again after an error of the kind
/// [`LedgerError::Store`].
pub trait Movable: Ledger {
    /// Notes that a client's home moves to `to`. From then on nothing new is lent, held or granted.
    ///
    /// # Errors
    /// [`LedgerError::Moving`] if it moves elsewhere; [`LedgerError::UnknownClient`].
    fn fence(
        &self,
        client: ClientId,
        to: &Region,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Gives up a move that has not been carried out.
    ///
    /// # Errors
    /// [`LedgerError::Moving`] if the balance is gone already; [`LedgerError::UnknownClient`].
    fn unfence(
        &self,
        client: ClientId,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Lets a fenced balance go, if nothing of it is out.
    ///
    /// # Errors
    /// [`LedgerError::NotMoving`] if it is not fenced; [`LedgerError::Moving`] if it has not opened
    /// here yet itself; [`LedgerError::UnknownClient`].
    fn depart(
        &self,
        client: ClientId,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Departure, LedgerError>> + Send;

    /// Lets a balance that is gone elsewhere arrive here, and opens it.
    ///
    /// # Errors
    /// [`LedgerError::NotMoving`] if `gone` is not gone; [`LedgerError::Occupied`] if there is a
    /// balance of this client that never went.
    fn arrive(
        &self,
        gone: &Balance,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Reads the records beside a client's balance: the page that begins at `from`.
    fn records(
        &self,
        client: ClientId,
        from: Option<String>,
    ) -> impl Future<Output = Result<RecordPage, LedgerError>> + Send;

    /// Keeps records that came with a balance. Those that are there are the same.
    fn keep(
        &self,
        client: ClientId,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// Copies the records beside a balance that is gone, and says how many there are. Nothing changes them
/// any more, so that a copy which comes late brings what is there already.
///
/// # Errors
/// [`LedgerError::NotMoving`] if the balance is not gone; [`LedgerError::Store`] without an answer.
pub async fn carry<F: Movable, T: Movable>(
    from: &F,
    to: &T,
    client: ClientId,
) -> Result<u64, LedgerError> {
    if !from.balance(client).await?.is_gone() {
        return Err(LedgerError::NotMoving);
    }
    let (mut carried, mut next) = (0, None);
    loop {
        let page = from.records(client, next).await?;
        carried += page.records.len() as u64;
        if !page.records.is_empty() {
            to.keep(client, page.records).await?;
        }
        next = page.next;
        if next.is_none() {
            return Ok(carried);
        }
    }
}

impl Balance {
    /// Whether this is what is left of a balance that moved.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.stage() == Some(MoveStage::Gone)
    }

    /// Whether it cannot be worked on here: it is gone, or not open yet.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.stage(), Some(MoveStage::Gone | MoveStage::Arriving))
    }

    /// # Errors
    /// [`LedgerError::Moving`] if it moves.
    pub(crate) fn must_stay(&self) -> Result<(), LedgerError> {
        match &self.moving {
            None => Ok(()),
            Some(moving) => Err(LedgerError::Moving { to: moving.to.clone() }),
        }
    }

    fn stage(&self) -> Option<MoveStage> {
        self.moving.as_ref().map(|moving| moving.stage)
    }

    /// Plans the fence. See [`Movable::fence`].
    fn plan_fence(&self, to: &Region, stamp: Stamp) -> Result<Plan<()>, LedgerError> {
        match &self.moving {
            None => {
                let fenced = Moving { to: to.clone(), stage: MoveStage::Fenced };
                Ok(Plan::Commit(self.move_on(Some(fenced), stamp), ()))
            }
            Some(moving) if moving.to == *to && moving.stage != MoveStage::Arriving => {
                Ok(Plan::Done(()))
            }
            Some(_) => self.must_stay().map(Plan::Done),
        }
    }

    /// Plans that the move is given up. See [`Movable::unfence`].
    fn plan_unfence(&self, stamp: Stamp) -> Result<Plan<()>, LedgerError> {
        match self.stage() {
            Some(MoveStage::Fenced) => Ok(Plan::Commit(self.move_on(None, stamp), ())),
            _ => self.must_stay().map(Plan::Done),
        }
    }

    /// Plans the departure. See [`Movable::depart`].
    fn plan_depart(&self, stamp: Stamp) -> Result<Plan<Departure>, LedgerError> {
        let Some(moving) = &self.moving else { return Err(LedgerError::NotMoving) };
        match moving.stage {
            MoveStage::Arriving => {
                self.must_stay().map(|()| Plan::Done(Departure::Waits(self.accounts)))
            }
            MoveStage::Gone => Ok(Plan::Done(Departure::Gone(self.clone()))),
            MoveStage::Fenced if self.is_out() => Ok(Plan::Done(Departure::Waits(self.accounts))),
            MoveStage::Fenced => {
                let gone = Moving { stage: MoveStage::Gone, ..moving.clone() };
                let mut change = self.move_on(Some(gone), stamp);
                change.due = DueChange::Set(None);
                let mut after = self.clone();
                // The change is planned on this very balance.
                after.commit(&change).map_err(|_| LedgerError::Contended)?;
                Ok(Plan::Commit(change, Departure::Gone(after)))
            }
        }
    }

    /// Plans that a balance which has arrived opens. Nothing if it has opened before.
    fn plan_open(&self, gone: &Self, stamp: Stamp) -> Result<Plan<()>, LedgerError> {
        if self.seq > gone.seq {
            return Ok(Plan::Done(()));
        }
        if self.seq != gone.seq || self.stage() != Some(MoveStage::Arriving) {
            return Err(LedgerError::Occupied);
        }
        let mut change = self.move_on(None, stamp);
        change.due = DueChange::Set(self.next_due_ms(stamp.at_ms));
        Ok(Plan::Commit(change, ()))
    }

    /// Whether somebody has some of its credits. A lease that is used up and not closed counts too:
    /// its holder closes it yet.
    fn is_out(&self) -> bool {
        let Accounts { leased, held, suspense, .. } = self.accounts;
        leased + held + suspense > 0
            || self.leases.values().any(|lease| lease.state != LeaseState::Settled)
    }

    fn move_on(&self, moving: Option<Moving>, stamp: Stamp) -> Change {
        let mut change = Change::new(EntryKind::Move, stamp.entry, stamp.at_ms);
        change.exact_seq = Some(self.seq);
        change.moving = MoveChange::Set(moving);
        change
    }
}

/// Plans on the balance as it is, and commits, until both agree. Every plan of a move rests on the
/// whole balance.
async fn step<S: BalanceStore, T>(
    store: &S,
    client: ClientId,
    plan: impl Fn(&Balance) -> Result<Plan<T>, LedgerError> + Send,
) -> Result<T, LedgerError> {
    for _ in 0..PLANS_MAX {
        let balance = store.load(client).await?.ok_or(LedgerError::UnknownClient)?;
        let (change, answer) = match plan(&balance)? {
            Plan::Done(answer) => return Ok(answer),
            Plan::Commit(change, answer) => (change, answer),
        };
        match store.commit(&balance, &change, None).await? {
            Commit::Done => return Ok(answer),
            Commit::Unknown => return Err(LedgerError::UnknownClient),
            Commit::Moved(_) | Commit::Companion => {}
        }
    }
    Err(LedgerError::Contended)
}

impl<S: MovableStore> Movable for S {
    async fn fence(&self, client: ClientId, to: &Region, stamp: Stamp) -> Result<(), LedgerError> {
        step(self, client, |balance| balance.plan_fence(to, stamp)).await
    }

    async fn unfence(&self, client: ClientId, stamp: Stamp) -> Result<(), LedgerError> {
        step(self, client, |balance| balance.plan_unfence(stamp)).await
    }

    async fn depart(&self, client: ClientId, stamp: Stamp) -> Result<Departure, LedgerError> {
        step(self, client, |balance| balance.plan_depart(stamp)).await
    }

    async fn arrive(&self, gone: &Balance, stamp: Stamp) -> Result<(), LedgerError> {
        let Some(moving) = gone.moving.as_ref().filter(|_| gone.is_gone()) else {
            return Err(LedgerError::NotMoving);
        };
        let arriving = Moving { stage: MoveStage::Arriving, ..moving.clone() };
        self.put(Balance { moving: Some(arriving), due_at_ms: None, ..gone.clone() }).await?;
        step(self, gone.client, |balance| balance.plan_open(gone, stamp)).await
    }

    async fn records(
        &self,
        client: ClientId,
        from: Option<String>,
    ) -> Result<RecordPage, LedgerError> {
        Ok(self.load_records(client, from).await?)
    }

    async fn keep(&self, client: ClientId, records: Vec<Record>) -> Result<(), LedgerError> {
        Ok(self.put_records(client, records).await?)
    }
}

#[cfg(test)]
mod tests {
    use ids::Mint;

    use super::*;
    use crate::balance::GrantSource;
    use crate::change::Conflict;
    use crate::store::{GrantRequest, HoldRequest, LeaseRequest, Settlement};

    const NOW_MS: i64 = 1_767_225_600_000;

    fn committed<T>(plan: Result<Plan<T>, LedgerError>) -> Change {
        match plan.unwrap() {
            Plan::Commit(change, _) => change,
            Plan::Done(_) => panic!("nothing was planned"),
        }
    }

    #[test]
    fn what_was_planned_before_a_fence_is_not_committed_after_it() {
        let mint = Mint::seeded([1; 32]);
        let stamp = || Stamp { entry: mint.mint(NOW_MS), at_ms: NOW_MS };
        let grant = || GrantRequest {
            id: mint.mint(NOW_MS),
            credits: 10,
            expires_at_ms: NOW_MS + 1_000,
            source: GrantSource::TopUp,
        };
        let lease = |id| LeaseRequest {
            id,
            renews: false,
            need: 1,
            want: 1,
            share: 1,
            ttl_ms: 1_000,
            window_ms: 1_000,
            settle: Vec::new(),
        };
        let (mut balance, open) = (Balance::empty(mint.mint(NOW_MS)), mint.mint(NOW_MS));
        balance.commit(&committed(balance.plan_grant(&grant(), stamp()))).unwrap();
        balance.commit(&committed(balance.plan_lease(&lease(open), stamp()))).unwrap();

        let hold = HoldRequest { id: mint.mint(NOW_MS), credits: 1 };
        let planned = [
            committed(balance.plan_grant(&grant(), stamp())),
            committed(balance.plan_lease(&lease(mint.mint(NOW_MS)), stamp())),
            balance.plan_hold(&hold, stamp()).unwrap().0,
        ];
        let report = Settlement { lease: open, escrow: None, used: 1, close: false };
        let settled = committed(balance.plan_settle(&[report], stamp()));

        let to = Region::new("eu-west-1");
        balance.commit(&committed(balance.plan_fence(&to, stamp()))).unwrap();
        for change in planned {
            assert_eq!(balance.commit(&change), Err(Conflict), "{:?}", change.entry.kind);
        }
        assert_eq!(balance.commit(&settled), Ok(()));
        assert_eq!(balance.accounts.spent, 1);
    }
}
