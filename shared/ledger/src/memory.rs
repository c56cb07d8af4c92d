//! The ledger in memory: the reference that the other backends are held to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ids::{ClientId, GrantId, JobId};

use crate::backend::{BalanceStore, Commit, Companion, MovableStore};
use crate::balance::{Balance, Hold, HoldState};
use crate::change::Change;
use crate::moving::{Record, RecordPage};
use crate::store::StoreFault;

/// What is kept beside a client's balance.
#[derive(Debug, Default)]
struct Records {
    holds: BTreeMap<JobId, Hold>,
    /// What each grant brought, in credits, and when, in milliseconds since the Unix epoch.
    grants: BTreeMap<GrantId, (u64, i64)>,
}

impl Records {
    fn fit(&self, companion: &Companion) -> bool {
        match companion {
            Companion::Granted { id, .. } => !self.grants.contains_key(id),
            Companion::Hold { job, .. } => !self.holds.contains_key(job),
            Companion::Resolution { job, .. } => {
                self.holds.get(job).is_some_and(|hold| hold.state == HoldState::Held)
            }
        }
    }

    fn keep(&mut self, record: Record) {
        match record {
            Record::Granted { id, credits, at_ms } => {
                self.grants.insert(id, (credits, at_ms));
            }
            Record::Hold { job, hold } => {
                self.holds.insert(job, hold);
            }
        }
    }
}

impl From<Companion> for Record {
    fn from(it: Companion) -> Self {
        match it {
            Companion::Granted { id, credits, at_ms } => Self::Granted { id, credits, at_ms },
            Companion::Hold { job, hold } | Companion::Resolution { job, hold } => {
                Self::Hold { job, hold }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Books {
    balances: HashMap<ClientId, Balance>,
    records: HashMap<ClientId, Records>,
}

/// A [`Ledger`](crate::Ledger) in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    books: Mutex<Books>,
}

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client's balance and all of its holds, for checking.
    #[must_use]
    pub fn audit(&self, client: ClientId) -> Option<(Balance, BTreeMap<JobId, Hold>)> {
        let books = self.lock();
        let holds = books.records.get(&client).map(|records| records.holds.clone());
        books.balances.get(&client).map(|balance| (balance.clone(), holds.unwrap_or_default()))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // A balance is replaced whole, so that a panic elsewhere leaves none half-changed.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BalanceStore for MemoryLedger {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.lock().balances.entry(balance.client).or_insert(balance);
        Ok(())
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        Ok(self.lock().balances.get(&client).cloned())
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        let books = self.lock();
        Ok(books.records.get(&client).and_then(|records| records.holds.get(&job).cloned()))
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let mut books = self.lock();
        let Books { balances, records } = &mut *books;
        let Some(kept) = balances.get_mut(&balance.client) else { return Ok(Commit::Unknown) };
        let records = records.entry(balance.client).or_default();
        if companion.as_ref().is_some_and(|companion| !records.fit(companion)) {
            return Ok(Commit::Companion);
        }
        if kept.commit(change).is_err() {
            return Ok(Commit::Moved(Some(kept.clone())));
        }
        if let Some(companion) = companion {
            records.keep(companion.into());
        }
        Ok(Commit::Done)
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        let mut due: Vec<_> = self
            .lock()
            .balances
            .values()
            .filter_map(|balance| Some((balance.due_at_ms?, balance.client)))
            .filter(|(at, _)| *at <= now_ms)
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, client)| client).collect())
    }
}

impl MovableStore for MemoryLedger {
    async fn put(&self, balance: Balance) -> Result<(), StoreFault> {
        let mut books = self.lock();
        let there = books.balances.get(&balance.client);
        if there.is_none_or(|there| there.is_gone() && there.seq < balance.seq) {
            books.balances.insert(balance.client, balance);
        }
        Ok(())
    }

    async fn load_records(
        &self,
        client: ClientId,
        _from: Option<String>,
    ) -> Result<RecordPage, StoreFault> {
        let books = self.lock();
        let mut all = Vec::new();
        if let Some(Records { holds, grants }) = books.records.get(&client) {
            let granted = |(id, (credits, at_ms)): (&GrantId, &(u64, i64))| Record::Granted {
                id: *id,
                credits: *credits,
                at_ms: *at_ms,
            };
            all.extend(grants.iter().map(granted));
            let hold =
                |(job, hold): (&JobId, &Hold)| Record::Hold { job: *job, hold: hold.clone() };
            all.extend(holds.iter().map(hold));
        }
        Ok(RecordPage { records: all, next: None })
    }

    async fn put_records(&self, client: ClientId, kept: Vec<Record>) -> Result<(), StoreFault> {
        let mut books = self.lock();
        let records = books.records.entry(client).or_default();
        kept.into_iter().for_each(|record| records.keep(record));
        Ok(())
    }
}
