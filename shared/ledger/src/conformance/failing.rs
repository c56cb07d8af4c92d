//! A wrapper that makes a backend fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ids::{ClientId, JobId, LeaseId};

use crate::balance::{Balance, Hold};
use crate::moving::{Departure, Movable, Record, RecordPage, Region};
use crate::store::{
    GrantRequest, HoldRequest, LeaseRequest, Leased, Ledger, LedgerError, Lender, Reaped,
    Settlement, Stamp, StoreFault,
};

/// A ledger that fails as a distributed store does: refuses for its load, loses the question,
/// commits and loses the answer, or does everything twice. Which, follows from a seed.
#[derive(Debug)]
pub struct Failing<L> {
    inner: Arc<L>,
    random: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Throttle,
    LoseQuestion,
    LoseAnswer,
    Twice,
}

impl<L> Failing<L> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<L>, seed: u64) -> Self {
        Self { inner, random: AtomicU64::new(seed) }
    }

    fn fault(&self) -> Fault {
        // SplitMix64, Steele et al. 2014: one addition per draw, so that tasks can share it.
        let state = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        match (z ^ (z >> 31)) % 12 {
            0 | 1 => Fault::Throttle,
            2 => Fault::LoseQuestion,
            3 | 4 => Fault::LoseAnswer,
            5 | 6 => Fault::Twice,
            _ => Fault::None,
        }
    }
}

macro_rules! faulty {
    ($self:ident, $call:expr) => {{
        match $self.fault() {
            Fault::None => $call.await,
            Fault::Throttle => Err(StoreFault::Throttled("injected".into()).into()),
            Fault::LoseQuestion => Err(StoreFault::TimedOut("injected".into()).into()),
            Fault::LoseAnswer => {
                let _ = $call.await;
                Err(StoreFault::TimedOut("injected".into()).into())
            }
            Fault::Twice => {
                let _ = $call.await;
                $call.await
            }
        }
    }};
}

impl<L: Ledger> Lender for Failing<L> {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        faulty!(self, self.inner.lease(client, request.clone(), stamp))
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        faulty!(self, self.inner.settle(client, settlements.clone(), stamp))
    }
}

impl<L: Ledger> Ledger for Failing<L> {
    async fn open(&self, client: ClientId) -> Result<(), LedgerError> {
        faulty!(self, self.inner.open(client))
    }

    async fn balance(&self, client: ClientId) -> Result<Balance, LedgerError> {
        faulty!(self, self.inner.balance(client))
    }

    async fn grant(
        &self,
        client: ClientId,
        request: GrantRequest,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        faulty!(self, self.inner.grant(client, request.clone(), stamp))
    }

    async fn hold(
        &self,
        client: ClientId,
        request: HoldRequest,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        faulty!(self, self.inner.hold(client, request, stamp))
    }

    async fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        faulty!(self, self.inner.resolve(client, job, posted, stamp))
    }

    async fn reap_except(
        &self,
        client: ClientId,
        kept: &[LeaseId],
        stamp: Stamp,
    ) -> Result<Reaped, LedgerError> {
        faulty!(self, self.inner.reap_except(client, kept, stamp))
    }

    async fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, LedgerError> {
        faulty!(self, self.inner.due(now_ms, limit))
    }
}

impl<L: Movable> Movable for Failing<L> {
    async fn fence(&self, client: ClientId, to: &Region, stamp: Stamp) -> Result<(), LedgerError> {
        faulty!(self, self.inner.fence(client, to, stamp))
    }

    async fn unfence(&self, client: ClientId, stamp: Stamp) -> Result<(), LedgerError> {
        faulty!(self, self.inner.unfence(client, stamp))
    }

    async fn depart(&self, client: ClientId, stamp: Stamp) -> Result<Departure, LedgerError> {
        faulty!(self, self.inner.depart(client, stamp))
    }

    async fn arrive(&self, gone: &Balance, stamp: Stamp) -> Result<(), LedgerError> {
        faulty!(self, self.inner.arrive(gone, stamp))
    }

    async fn records(
        &self,
        client: ClientId,
        from: Option<String>,
    ) -> Result<RecordPage, LedgerError> {
        faulty!(self, self.inner.records(client, from.clone()))
    }

    async fn keep(&self, client: ClientId, records: Vec<Record>) -> Result<(), LedgerError> {
        faulty!(self, self.inner.keep(client, records.clone()))
    }
}
