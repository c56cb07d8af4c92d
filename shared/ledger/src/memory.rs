//! The ledger in memory: the reference that the other backends are held to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ids::{ClientId, GrantId, JobId};

use crate::balance::{Balance, Hold, HoldState, Plan};
use crate::store::{
    GrantRequest, HoldRequest, LeaseRequest, Leased, Ledger, LedgerError, Reaped, Settlement, Stamp,
};

#[derive(Debug)]
struct Book {
    balance: Balance,
    holds: BTreeMap<JobId, Hold>,
    grants_seen: BTreeSet<GrantId>,
}

/// A [`Ledger`] in this process's memory.
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

    fn with<T>(
        &self,
        client: ClientId,
        act: impl FnOnce(&mut Book) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        act(self.lock().get_mut(&client).ok_or(LedgerError::UnknownClient)?)
    }
}

fn commit<T>(balance: &mut Balance, plan: Plan<T>) -> Result<T, LedgerError> {
    match plan {
        Plan::Done(answer) => Ok(answer),
        Plan::Commit(change, answer) => {
            balance.commit(&change).map_err(|_| LedgerError::Contended)?;
            Ok(answer)
        }
    }
}

impl Ledger for MemoryLedger {
    async fn open(&self, client: ClientId) -> Result<(), LedgerError> {
        self.lock().entry(client).or_insert_with(|| Book {
            balance: Balance::empty(client),
            holds: BTreeMap::new(),
            grants_seen: BTreeSet::new(),
        });
        Ok(())
    }

    async fn balance(&self, client: ClientId) -> Result<Balance, LedgerError> {
        self.with(client, |book| Ok(book.balance.clone()))
    }

    async fn grant(
        &self,
        client: ClientId,
        request: GrantRequest,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.with(client, |book| {
            if book.grants_seen.contains(&request.id) {
                return Ok(());
            }
            let plan = book.balance.plan_grant(&request, stamp)?;
            commit(&mut book.balance, plan)?;
            book.grants_seen.insert(request.id);
            Ok(())
        })
    }

    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.with(client, |book| {
            let plan = book.balance.plan_lease(&request, stamp)?;
            commit(&mut book.balance, plan)
        })
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.with(client, |book| {
            let plan = book.balance.plan_settle(&settlements, stamp)?;
            commit(&mut book.balance, plan)
        })
    }

    async fn hold(
        &self,
        client: ClientId,
        request: HoldRequest,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        self.with(client, |book| {
            if let Some(hold) = book.holds.get(&request.id) {
                return Ok(hold.clone());
            }
            let (change, hold) = book.balance.plan_hold(&request, stamp)?;
            commit(&mut book.balance, Plan::Commit(change, ()))?;
            book.holds.insert(request.id, hold.clone());
            Ok(hold)
        })
    }

    async fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        self.with(client, |book| {
            let hold = book.holds.get(&job).ok_or(LedgerError::UnknownHold)?;
            let plan = book.balance.plan_resolve(job, hold, posted, stamp)?;
            let hold = commit(&mut book.balance, plan)?;
            debug_assert!(hold.state != HoldState::Held);
            book.holds.insert(job, hold.clone());
            Ok(hold)
        })
    }

    async fn reap(&self, client: ClientId, stamp: Stamp) -> Result<Reaped, LedgerError> {
        self.with(client, |book| {
            let plan = book.balance.plan_reap(stamp);
            commit(&mut book.balance, plan)
        })
    }

    async fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, LedgerError> {
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
