//! What a change to a balance is: the movements, and the conditions under which they hold.

use std::ops::{Index, IndexMut};

use ids::{EntryId, GrantId, JobId, LeaseId};
use serde::{Deserialize, Serialize};

use crate::balance::{Grant, Lease, LeaseState};
use crate::escrow::Supply;
use crate::moving::Moving;

/// Where a credit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Free to be leased or held.
    Available,
    /// In the hands of a holder that spends it locally.
    Leased,
    /// Set aside for a generation that is not finished.
    Held,
    /// In a lease whose holder fell silent; waits for the holder's last report.
    Suspense,
    /// Paid for a call.
    Spent,
    /// Not used before its grant ended.
    Expired,
}

impl Account {
    /// All accounts.
    pub const ALL: [Self; 6] =
        [Self::Available, Self::Leased, Self::Held, Self::Suspense, Self::Spent, Self::Expired];

    /// The account's name in stores and replies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Leased => "leased",
            Self::Held => "held",
            Self::Suspense => "suspense",
            Self::Spent => "spent",
            Self::Expired => "expired",
        }
    }
}

/// An amount per account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts<T = u64> {
    /// See [`Account::Available`].
    pub available: T,
    /// See [`Account::Leased`].
    pub leased: T,
    /// See [`Account::Held`].
    pub held: T,
    /// See [`Account::Suspense`].
    pub suspense: T,
    /// See [`Account::Spent`].
    pub spent: T,
    /// See [`Account::Expired`].
    pub expired: T,
}

impl<T> Index<Account> for Accounts<T> {
    type Output = T;

    fn index(&self, account: Account) -> &T {
        match account {
            Account::Available => &self.available,
            Account::Leased => &self.leased,
            Account::Held => &self.held,
            Account::Suspense => &self.suspense,
            Account::Spent => &self.spent,
            Account::Expired => &self.expired,
        }
    }
}

impl<T> IndexMut<Account> for Accounts<T> {
    fn index_mut(&mut self, account: Account) -> &mut T {
        match account {
            Account::Available => &mut self.available,
            Account::Leased => &mut self.leased,
            Account::Held => &mut self.held,
            Account::Suspense => &mut self.suspense,
            Account::Spent => &mut self.spent,
            Account::Expired => &mut self.expired,
        }
    }
}

/// Why an entry was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Credits came from outside.
    Grant,
    /// A holder took credits, and may have settled earlier leases in the same breath.
    Lease,
    /// A holder reported what it used.
    Settle,
    /// The reaper moved what was overdue: silent leases, unclaimed suspense, ended grants.
    Reap,
    /// Credits were set aside for a generation.
    Hold,
    /// A hold was paid, wholly or in part; the rest went back.
    Post,
    /// A hold went back whole.
    Void,
    /// The balance moves to another Region, or does not after all. No credits move.
    Move,
}

/// One movement of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The account that gave; none for a grant.
    pub from: Option<Account>,
    /// The account that took.
    pub to: Account,
    /// How many credits; never 0.
    pub credits: u64,
}

/// One immutable entry of a client's ledger. Its sequence number is given when it is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry's id, made by whoever asked for the change.
    pub id: EntryId,
    /// Why.
    pub kind: EntryKind,
    /// What moved.
    pub legs: Vec<Leg>,
    /// When, by the clock of whoever asked, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The lease that was opened or settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// The generation whose hold it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<JobId>,
    /// The grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
}

/// What happens to one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantChange {
    /// A new grant; it must not be there yet.
    Add(Grant),
    /// Credits leave it (it must have them) or come back to it (it must be there).
    Move(i64),
    /// It becomes this; only in a change with [`Change::exact_seq`].
    Set(Grant),
    /// It ended and nothing refers to it; only in a change with [`Change::exact_seq`].
    Remove,
}

/// What happens to one lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseChange {
    /// A new lease; it must not be there yet.
    Open(Lease),
    /// The lease as it is from now on; `was` must still be its mark.
    Update {
        /// What the planner saw.
        was: LeaseMark,
        /// What it becomes.
        lease: Lease,
    },
    /// The lease is done with; `was` must still be its mark.
    Close {
        /// What the planner saw.
        was: LeaseMark,
    },
}

/// The part of a lease that tells whether a plan still fits it: none of its changes leaves all of
/// this as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseMark {
    /// Credits reported as used.
    pub used: u64,
    /// Open or lapsed.
    pub state: LeaseState,
    /// When it ends, in milliseconds since the Unix epoch. A renewal makes it later.
    pub until_ms: i64,
}

/// What happens to the moment at which the reaper looks at the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueChange {
    /// Stays.
    Keep,
    /// Is set to this time, unless an earlier one stands already.
    ///
    /// A backend that cannot compare sets it only where none is set or the planner saw a later
    /// one; the time that stands is never later than the first thing due, give or take one lease.
    NoLaterThan(i64),
    /// Is replaced; only in a change with [`Change::exact_seq`].
    Set(Option<i64>),
}

/// What a change has to do with the balance's move to another Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveChange {
    /// Nothing: it may be made while the balance moves.
    Keep,
    /// The balance must not be moving.
    Staying,
    /// The move is at this stage, or over; only in a change with [`Change::exact_seq`].
    Set(Option<Moving>),
}

/// A planned change of one balance: all of it is committed, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Credits that come from outside.
    pub granted: u64,
    /// By how much each account moves. An account that gives must have what it gives.
    pub accounts: Accounts<i64>,
    /// What happens to grants; each grant at most once.
    pub grants: Vec<(GrantId, GrantChange)>,
    /// What happens to leases; each lease at most once.
    pub leases: Vec<(LeaseId, LeaseChange)>,
    /// Settled leases that need not be remembered any longer. One that is not there, or is not
    /// settled, stays as it is.
    pub forget: Vec<LeaseId>,
    /// What a branch notes of its supply; only in a change with [`Change::exact_seq`].
    pub supply: Option<Supply>,
    /// What it has to do with the balance's move to another Region.
    pub moving: MoveChange,
    /// What happens to the reaper's appointment.
    pub due: DueChange,
    /// The balance must be at exactly this sequence number. Set where the change was computed from
    /// the whole of the balance, not only from what it touches.
    pub exact_seq: Option<u64>,
    /// The record of it.
    pub entry: Entry,
}

impl Change {
    /// A change that moves nothing yet.
    pub(crate) fn new(kind: EntryKind, id: EntryId, at_ms: i64) -> Self {
        Self {
            granted: 0,
            accounts: Accounts::default(),
            grants: Vec::new(),
            leases: Vec::new(),
            forget: Vec::new(),
            supply: None,
            moving: MoveChange::Keep,
            due: DueChange::Keep,
            exact_seq: None,
            entry: Entry {
                id,
                kind,
                legs: Vec::new(),
                at_ms,
                lease: None,
                hold: None,
                grant: None,
            },
        }
    }

    /// Moves `credits` from one account to another. Amounts are bounded by
    /// [`GRANTED_MAX`](crate::policy::GRANTED_MAX), so that they always fit an `i64`.
    pub(crate) fn transfer(&mut self, from: Account, to: Account, credits: u64) {
        if credits == 0 {
            return;
        }
        self.accounts[from] -= credits.cast_signed();
        self.accounts[to] += credits.cast_signed();
        let leg = self.entry.legs.iter_mut().find(|leg| leg.from == Some(from) && leg.to == to);
        match leg {
            Some(leg) => leg.credits += credits,
            None => self.entry.legs.push(Leg { from: Some(from), to, credits }),
        }
    }

    /// Moves `by` credits into (or, negative, out of) a grant, merged with what it moves already.
    pub(crate) fn move_grant(&mut self, grant: GrantId, by: i64) {
        if by == 0 {
            return;
        }
        match self.grants.iter_mut().find(|(id, _)| *id == grant) {
            Some((_, GrantChange::Move(sum))) => *sum += by,
            Some((_, GrantChange::Add(added))) => added.left = added.left.saturating_add_signed(by),
            Some((_, GrantChange::Set(_) | GrantChange::Remove)) => {}
            None => self.grants.push((grant, GrantChange::Move(by))),
        }
    }

    /// Leaves out what cancels itself, as a settlement and a lease in one change may.
    pub(crate) fn simplified(mut self) -> Self {
        self.grants.retain(|(_, change)| *change != GrantChange::Move(0));
        self
    }
}

/// The balance is no longer as the planner saw it. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the balance changed since it was read")]
pub struct Conflict;
