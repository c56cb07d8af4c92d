//! The ledger in memory: the reference that the other backends are held to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ids::{ClientId, GrantId, JobId};

use crate::backend::{BalanceStore, Commit, Companion};
use crate::balance::{Balance, Hold, HoldState};
use crate::change::Change;
use crate::store::StoreFault;

#[derive(Debug)]
struct Book {
    balance: Balance,
    holds: BTreeMap<JobId, Hold>,
    grants_seen: BTreeSet<GrantId>,
}

/// A [`Ledger`](crate::Ledger) in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    books: Mutex<HashMap<ClientId, Book>>,
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
        self.lock().get(&client).map(|book| (book.balance.clone(), book.holds.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Book>> {
        // A balance is replaced whole, so that a panic elsewhere leaves none half-changed.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BalanceStore for MemoryLedger {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.lock().entry(balance.client).or_insert_with(|| Book {
            balance,
            holds: BTreeMap::new(),
            grants_seen: BTreeSet::new(),
        });
        Ok(())
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        Ok(self.lock().get(&client).map(|book| book.balance.clone()))
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        Ok(self.lock().get(&client).and_then(|book| book.holds.get(&job).cloned()))
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let mut books = self.lock();
        let Some(book) = books.get_mut(&balance.client) else { return Ok(Commit::Unknown) };
        let fits = match &companion {
            None => true,
            Some(Companion::Granted { id, .. }) => !book.grants_seen.contains(id),
            Some(Companion::Hold { job, .. }) => !book.holds.contains_key(job),
            Some(Companion::Resolution { job, .. }) => {
                book.holds.get(job).is_some_and(|hold| hold.state == HoldState::Held)
            }
        };
        if !fits {
            return Ok(Commit::Companion);
        }
        if book.balance.commit(change).is_err() {
            return Ok(Commit::Moved(Some(book.balance.clone())));
        }
        match companion {
            None => {}
            Some(Companion::Granted { id, .. }) => {
                book.grants_seen.insert(id);
            }
            Some(Companion::Hold { job, hold } | Companion::Resolution { job, hold }) => {
                book.holds.insert(job, hold);
            }
        }
        Ok(Commit::Done)
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        let mut due: Vec<_> = self
            .lock()
            .values()
            .filter_map(|book| Some((book.balance.due_at_ms?, book.balance.client)))
            .filter(|(at, _)| *at <= now_ms)
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, client)| client).collect())
    }
}
