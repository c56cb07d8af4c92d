//! What a backend of the ledger does.

use std::future::Future;

use ids::{ClientId, EntryId, GrantId, JobId, LeaseId};

use crate::balance::{Balance, GrantSource, Hold};
use crate::moving::Region;

/// Who asks, as far as the ledger cares: the id of the entry to be made, and the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Made by whoever asks.
    pub entry: EntryId,
    /// The asker's wall clock *before* the request, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Credits that come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// The grant's id; granting it twice grants it once.
    pub id: GrantId,
    /// How many; at least 1.
    pub credits: u64,
    /// When they end, in milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
    /// Where they come from.
    pub source: GrantSource,
}

/// A holder's wish for credits to spend locally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Made by the holder, so that asking again gets the same lease.
    pub id: LeaseId,
    /// Whether the holder has the lease, which is to live on from the stamp's time and to get more
    /// credits. It does neither where it is not open any more, or where credits in it have ended.
    pub renews: bool,
    /// How many credits are needed at once, beyond those that a renewed lease holds; at least 1 for
    /// a new one. Fewer than this are never leased.
    pub need: u64,
    /// How many credits would be useful; at least as many as are needed.
    pub want: u64,
    /// At most one part in this many of what is available; at least 1.
    pub share: u64,
    /// How long the lease lives from the stamp's time, in milliseconds.
    pub ttl_ms: i64,
    /// How long its credits stay in suspense for a last report, should it lapse, in milliseconds.
    pub window_ms: i64,
    /// Reports on earlier leases, committed in the same change.
    pub settle: Vec<Settlement>,
}

/// A holder's report on one of its leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub lease: LeaseId,
    /// The escrow that it was lent out of, as far as the holder knows.
    pub escrow: Option<LeaseId>,
    /// Credits used from it so far, in total.
    pub used: u64,
    /// Whether this is the last report: what is not used goes back.
    pub close: bool,
}

/// A wish to set credits aside for a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldRequest {
    /// The generation; one hold each.
    pub id: JobId,
    /// How many; at least 1.
    pub credits: u64,
}

/// A lease that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// How many credits came with the lease since it was opened; 0 when fewer are available than
    /// are needed, or there is no such lease any more.
    pub credits: u64,
    /// What is available beyond them.
    pub available: u64,
    /// When the next credits end, in milliseconds since the Unix epoch.
    pub next_expiry_ms: Option<i64>,
    /// When the lease ends, in milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// The escrow that it was lent out of, if a [`Branch`](crate::Branch) lent it; itself if the branch
    /// had it from home after all.
    pub escrow: Option<LeaseId>,
}

/// What the reaper moved for one client, in credits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// From silent leases into suspense.
    pub lapsed: u64,
    /// From suspense back to the client.
    pub returned: u64,
    /// From ended grants.
    pub expired: u64,
}

/// Why the store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// It refused for its load; nothing was changed.
    #[error("the store throttles: {0}")]
    Throttled(String),
    /// No answer came; the change may or may not have been made. Asking again is safe.
    #[error("the store did not answer in time: {0}")]
    TimedOut(String),
    /// Anything else: misconfigured, unreachable, or an item that cannot be read.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Why a request to the ledger was not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Too few credits are available.
    #[error("{available} credits are available")]
    Exhausted {
        /// How many there are.
        available: u64,
    },
    /// The client has no balance.
    #[error("the client has no balance")]
    UnknownClient,
    /// There is no hold for this generation.
    #[error("there is no such hold")]
    UnknownHold,
    /// The hold was resolved before, and otherwise.
    #[error("the hold was resolved before with another amount")]
    AlreadyResolved,
    /// A holder reports more than it was given.
    #[error("lease {lease} holds {amount} credits, but {used} are reported as used")]
    OverReported {
        /// The lease.
        lease: LeaseId,
        /// What it holds.
        amount: u64,
        /// What was reported.
        used: u64,
    },
    /// An amount is 0, too large, or already over.
    #[error("the amount is 0 or out of bounds, or its time is over")]
    InvalidAmount,
    /// The client's home moves, or has moved, to another Region. Reports are taken until it has.
    #[error("the client's home moves to {to}")]
    Moving {
        /// Where to.
        to: Region,
    },
    /// The balance was not fenced, or the move was given up.
    #[error("the client's home does not move")]
    NotMoving,
    /// Where the balance should arrive there is another one of the same client.
    #[error("there is another balance of this client")]
    Occupied,
    /// The balance changed faster than a plan could be made for it.
    #[error("the balance is contended")]
    Contended,
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// What a [`Holder`](crate::Holder) needs: somebody who lends credits and takes reports.
///
/// Both methods may be called again with the same ids after an error of the kind
/// [`LedgerError::Store`], whatever became of the first call: it is done once.
pub trait Lender: Send + Sync + 'static {
    /// Leases credits and commits the settlements that travel with the request. A lease of 0
    /// credits means that none are available; its settlements were committed all the same.
    fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Leased, LedgerError>> + Send;

    /// Commits a holder's reports.
    fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// A ledger of credits.
///
/// Every method may be called again with the same ids after an error of the kind
/// [`LedgerError::Store`], whatever became of the first call: it is done once.
pub trait Ledger: Lender {
    /// Opens a client's balance at zero, unless there is one.
    fn open(&self, client: ClientId) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Reads a balance as it is now.
    fn balance(
        &self,
        client: ClientId,
    ) -> impl Future<Output = Result<Balance, LedgerError>> + Send;

    /// Brings credits in, once per grant id.
    fn grant(
        &self,
        client: ClientId,
        request: GrantRequest,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Sets credits aside for a generation, once per generation.
    fn hold(
        &self,
        client: ClientId,
        request: HoldRequest,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Hold, LedgerError>> + Send;

    /// Resolves a hold: `posted` credits are paid, the rest goes back.
    fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Hold, LedgerError>> + Send;

    /// Moves what is overdue in one client's balance.
    fn reap(
        &self,
        client: ClientId,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Reaped, LedgerError>> + Send {
        self.reap_except(client, &[], stamp)
    }

    /// Moves what is overdue in one client's balance, except the leases that are named: these stay as
    /// they are, and overdue.
    fn reap_except(
        &self,
        client: ClientId,
        kept: &[LeaseId],
        stamp: Stamp,
    ) -> impl Future<Output = Result<Reaped, LedgerError>> + Send;

    /// Clients whose balance has something overdue at `now_ms`, the most overdue first, at most
    /// `limit` of them.
    fn due(
        &self,
        now_ms: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ClientId>, LedgerError>> + Send;
}
