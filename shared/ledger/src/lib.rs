//! Credits: the unit in which calls are sold, and the proof that none is sold twice.
//!
//! The ledger is double entry, one set of accounts per client, integers only. Credits enter by a
//! grant and then only move between the six [`Account`]s; `granted` is their sum at every instant
//! (see [`invariants`]).
//!
//! # Never oversold, by construction
//!
//! A call is served only against a credit that has already left `available`. A [`Holder`] leases
//! credits from the ledger and spends them with one atomic operation in memory. It times a lease
//! from *before* the request that asked for it and stops spending [`policy::CLOCK_SKEW_MS`] early;
//! the reaper waits the same time longer. Whatever the store, the network or a crash does between
//! them, a credit is either in a live holder's lease or back in the ledger, never in both.
//!
//! # How a change is made
//!
//! [`Balance`] plans: given what is known of the balance it computes a [`Change`], which says by
//! how much each account, grant and lease moves and what must hold for that. A backend commits the
//! change atomically if those conditions hold, and otherwise reads again and plans again. The
//! conditions name only what the change touches, so that two holders of one client do not
//! invalidate each other.
//!
//! The crate is pure: time, randomness and the store are handed in.

mod backend;
mod balance;
mod branch;
mod change;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod escrow;
mod holder;
pub mod invariants;
mod journal;
mod memory;
pub mod moving;
pub mod policy;
mod reconcile;
mod store;
mod sync;
mod tally;
// Declared here, not in `tally`: whoever compiles that file with other atomics leaves these out.
#[cfg(test)]
#[path = "tally/tests.rs"]
mod tally_tests;
mod usage;

pub use backend::{BalanceStore, Commit, Companion, Known, MovableStore};
pub use balance::{Balance, Grant, GrantSource, Hold, HoldState, Lease, LeaseState, Plan, Slices};
pub use branch::Branch;
pub use change::{
    Account, Accounts, Change, Conflict, DueChange, Entry, EntryKind, GrantChange, LeaseChange,
    LeaseMark, Leg, MoveChange,
};
pub use escrow::{Asking, Current, Supply};
pub use holder::{Holder, Reservation, Spent};
pub use journal::{Journal, JournalError, Posting, Totals, verify};
pub use memory::MemoryLedger;
pub use moving::{Departure, Movable, MoveStage, Moving, Record, RecordPage, Region};
pub use policy::{EscrowPolicy, LeasePolicy};
pub use reconcile::{Evidence, reap};
pub use store::{
    GrantRequest, HoldRequest, LeaseRequest, Leased, Ledger, LedgerError, Lender, Reaped,
    Settlement, Stamp, StoreFault,
};
pub use tally::{
    HeapSlots, LEASE_MAX, Operation, Slot, Slots, Spending, Use, WORDS, Words, holds_tally,
};
pub use usage::{NotTaken, Source, Taken, UsageEvent, UsageSink};
