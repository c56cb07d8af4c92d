//! Usage: what credits were spent on, told to whoever keeps count of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ids::{ClientId, JobId, LeaseId};
use serde::{Deserialize, Serialize};

use crate::tally::Spending;

/// Where the credits of an event were before they were spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In a lease.
    #[serde(rename = "lease_id")]
    Lease(LeaseId),
    /// In the hold of a generation.
    #[serde(rename = "generation_id")]
    Hold(JobId),
}

/// What was spent from one source so far.
///
/// Events are totals. One that comes twice, late, or after a later one says nothing new; one that
/// is lost is made good by the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageEvent {
    /// Whose credits.
    pub client_id: ClientId,
    /// Where they were.
    pub source: Source,
    /// The escrow that the source was lent out of, if a [`Branch`](crate::Branch) lent it.
    #[serde(default, rename = "escrow_id", skip_serializing_if = "Option::is_none")]
    pub escrow: Option<LeaseId>,
    /// What they were spent on, in total since the source was opened.
    pub spending: Spending,
    /// When the newest of it was spent or later, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Why events were not taken. They are offered again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("usage events were not taken: {0}")]
pub struct NotTaken(pub String);

/// The answer of a sink, when it comes.
pub type Taken<'a> = Pin<Box<dyn Future<Output = Result<(), NotTaken>> + Send + 'a>>;

/// Takes usage events and keeps them safe.
pub trait UsageSink: Send + Sync + fmt::Debug {
    /// Takes all of `events`, or says why not. Some may have been taken then.
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_>;
}
