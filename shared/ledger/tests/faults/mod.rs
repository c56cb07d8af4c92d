//! The two ends of a branch, each of which can fail: a client's home and a Region's stock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ids::{ClientId, JobId};
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, Hold, LeaseRequest, Leased, LedgerError,
    Lender, MemoryLedger, Settlement, Stamp, StoreFault,
};

/// How long home takes to answer, so that whoever else wants to ask meanwhile has the time to.
pub(crate) const HOME_TAKES: Duration = Duration::from_millis(30);

/// What can happen to answers, and to whoever gives them.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Whether nothing comes through.
    pub(crate) is_cut: AtomicBool,
    /// How many answers are lost from now on.
    pub(crate) answers_lost: AtomicUsize,
    /// How many questions there were.
    pub(crate) asked: AtomicUsize,
}

impl Wire {
    fn reach(&self) -> Result<(), StoreFault> {
        self.asked.fetch_add(1, Relaxed);
        if self.is_cut.load(Relaxed) {
            return Err(StoreFault::TimedOut("nothing comes through".to_owned()));
        }
        Ok(())
    }

    fn answer<T>(&self, answer: T) -> Result<T, StoreFault> {
        let lost = self.answers_lost.load(Relaxed);
        if lost > 0 {
            self.answers_lost.store(lost - 1, Relaxed);
            return Err(StoreFault::TimedOut("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

/// A client's home.
#[derive(Debug, Default)]
pub(crate) struct Home {
    pub(crate) ledger: MemoryLedger,
    pub(crate) wire: Wire,
}

impl Lender for Home {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.wire.reach()?;
        tokio::time::sleep(HOME_TAKES).await;
        let leased = self.ledger.lease(client, request, stamp).await?;
        Ok(self.wire.answer(leased)?)
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.wire.reach()?;
        self.ledger.settle(client, settlements, stamp).await?;
        Ok(self.wire.answer(())?)
    }
}

/// A Region's stock.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    kept: Mutex<Arc<MemoryLedger>>,
    pub(crate) wire: Wire,
}

impl Stock {
    /// What is in it, whether or not it can be reached.
    pub(crate) fn kept(&self) -> Arc<MemoryLedger> {
        Arc::clone(&self.kept.lock().unwrap())
    }

    /// Loses all of it.
    pub(crate) fn empty(&self) {
        *self.kept.lock().unwrap() = Arc::default();
    }
}

impl BalanceStore for Stock {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.wire.reach()?;
        self.kept().create(balance).await
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        self.wire.reach()?;
        self.kept().load(client).await
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        self.wire.reach()?;
        self.kept().load_hold(client, job).await
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        self.wire.reach()?;
        let commit = self.kept().commit(balance, change, companion).await?;
        self.wire.answer(commit)
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        self.wire.reach()?;
        self.kept().overdue(now_ms, limit).await
    }
}
