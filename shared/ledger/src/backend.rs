//! What a backend keeps, and the ledger's movements written once over all of them.

use std::future::Future;
use std::time::Duration;

use ids::{ClientId, GrantId, JobId, LeaseId};

use crate::balance::{Balance, Hold, Plan};
use crate::change::Change;
use crate::moving::{Record, RecordPage};
use crate::store::{
    GrantRequest, HoldRequest, LeaseRequest, Leased, Ledger, LedgerError, Lender, Reaped,
    Settlement, Stamp, StoreFault,
};

/// How often a change is planned again when the balance moved under it.
pub(crate) const PLANS_MAX: u32 = 16;

/// How often a change is offered to a store that throttles.
const COMMITS_MAX: u32 = 16;

/// How long it is left alone in between.
const BETWEEN_COMMITS: Duration = Duration::from_millis(10);

/// A record beside the balance that a change makes or replaces. Both are committed, or neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Companion {
    /// Remembers a grant for good, so that its id never counts twice; it must not exist yet.
    Granted {
        /// The grant.
        id: GrantId,
        /// What it brought, in credits.
        credits: u64,
        /// When, in milliseconds since the Unix epoch.
        at_ms: i64,
    },
    /// A new hold; it must not exist yet.
    Hold {
        /// The generation that it is for.
        job: JobId,
        /// The credits.
        hold: Hold,
    },
    /// A hold's end; it must exist and still be held.
    Resolution {
        /// The generation that it is for.
        job: JobId,
        /// The hold as it is from now on.
        hold: Hold,
    },
}

/// A balance to plan on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The balance as the store has it.
    Current(Balance),
    /// The balance as this process saw it last. A commit that relies on something outdated fails.
    Remembered(Balance),
}

/// What became of an attempt to commit a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped in one breath")]
pub enum Commit {
    /// It is done.
    Done,
    /// The balance is no longer as it was planned on; this is how it is, if it is known. Nothing
    /// was changed.
    Moved(Option<Balance>),
    /// The companion was not as it must be. Nothing was changed.
    Companion,
    /// The client has no balance. Nothing was changed.
    Unknown,
}

/// Keeps balances and what goes with them. Every [`BalanceStore`] is a [`Ledger`].
pub trait BalanceStore: Send + Sync + 'static {
    /// Keeps a new balance, unless the client has one.
    fn create(&self, balance: Balance) -> impl Future<Output = Result<(), StoreFault>> + Send;

    /// Reads a client's balance as it is now.
    fn load(
        &self,
        client: ClientId,
    ) -> impl Future<Output = Result<Option<Balance>, StoreFault>> + Send;

    /// Finds a balance to plan on, which may be one that was seen before.
    fn recall(
        &self,
        client: ClientId,
    ) -> impl Future<Output = Result<Option<Known>, StoreFault>> + Send {
        async move { Ok(self.load(client).await?.map(Known::Current)) }
    }

    /// Reads a hold as it is now.
    fn load_hold(
        &self,
        client: ClientId,
        job: JobId,
    ) -> impl Future<Output = Result<Option<Hold>, StoreFault>> + Send;

    /// Commits a change that was planned on `balance`, with its companion.
    fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> impl Future<Output = Result<Commit, StoreFault>> + Send;

    /// Clients whose balance has something overdue at `now_ms`, the most overdue first, at most
    /// `limit` of them.
    fn overdue(
        &self,
        now_ms: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ClientId>, StoreFault>> + Send;
}

/// Keeps balances that come from another Region, and go there. Every [`MovableStore`] is a
/// [`Movable`](crate::Movable) ledger.
pub trait MovableStore: BalanceStore {
    /// Puts a balance that comes from another Region: where the client has none, or in the place of
    /// one that [is gone](Balance::is_gone) and has fewer entries. Otherwise nothing is changed.
    fn put(&self, balance: Balance) -> impl Future<Output = Result<(), StoreFault>> + Send;

    /// Reads the records beside a client's balance: the page that begins at `from`, which is the
    /// `next` of the one before.
    fn load_records(
        &self,
        client: ClientId,
        from: Option<String>,
    ) -> impl Future<Output = Result<RecordPage, StoreFault>> + Send;

    /// Keeps records beside a client's balance, which need not be there yet. A record that is there
    /// is replaced; it is the same.
    fn put_records(
        &self,
        client: ClientId,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<(), StoreFault>> + Send;
}

/// Plans on what is known, commits, and plans again on what is so, until both agree.
///
/// A lease that a balance does not know is taken for settled, and nothing of a change rests on that.
/// So a balance that is remembered must know all leases of the `reports` that the plan is about.
pub(crate) async fn change<S: BalanceStore, T>(
    store: &S,
    client: ClientId,
    reports: &[Settlement],
    plan: impl Fn(&Balance) -> Result<Plan<T>, LedgerError> + Send,
) -> Result<T, LedgerError> {
    let mut known = store.recall(client).await?.ok_or(LedgerError::UnknownClient)?;
    if let Known::Remembered(balance) = &known
        && !reports.iter().all(|report| balance.leases.contains_key(&report.lease))
    {
        known = current(store, client).await?;
    }
    for _ in 0..PLANS_MAX {
        let (balance, remembered) = match &known {
            Known::Current(balance) => (balance, false),
            Known::Remembered(balance) => (balance, true),
        };
        match plan(balance) {
            // What rests on the whole of a remembered balance is most likely refused, and a refused
            // write costs more than a look.
            Ok(Plan::Commit(change, _)) if remembered && change.exact_seq.is_some() => {
                known = current(store, client).await?;
            }
            Ok(Plan::Commit(change, answer)) => match store.commit(balance, &change, None).await? {
                Commit::Done => return Ok(answer),
                Commit::Moved(Some(now)) => known = Known::Current(now),
                Commit::Moved(None) | Commit::Companion => known = current(store, client).await?,
                Commit::Unknown => return Err(LedgerError::UnknownClient),
            },
            // Only a commit proves that the balance was the true one. Whatever else comes of a
            // remembered balance is looked at again.
            _ if remembered => known = current(store, client).await?,
            Ok(Plan::Done(answer)) => return Ok(answer),
            Err(error) => return Err(error),
        }
    }
    Err(LedgerError::Contended)
}

/// Commits a change whose companion only one of many may bring. Where the store throttles, as
/// DynamoDB does when two transactions meet, the other one is through soon.
async fn commit_with<S: BalanceStore>(
    store: &S,
    balance: &Balance,
    change: &Change,
    companion: &Companion,
) -> Result<Commit, LedgerError> {
    let mut attempt = 1;
    loop {
        match store.commit(balance, change, Some(companion.clone())).await {
            Ok(Commit::Unknown) => return Err(LedgerError::UnknownClient),
            Ok(commit) => return Ok(commit),
            Err(StoreFault::Throttled(_)) if attempt < COMMITS_MAX => {
                attempt += 1;
                tokio::time::sleep(BETWEEN_COMMITS).await;
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

async fn current<S: BalanceStore>(store: &S, client: ClientId) -> Result<Known, LedgerError> {
    store.load(client).await?.map(Known::Current).ok_or(LedgerError::UnknownClient)
}

impl<S: BalanceStore> Lender for S {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        let plan = |balance: &Balance| balance.plan_lease(&request, stamp);
        change(self, client, &request.settle, plan).await
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        let plan = |balance: &Balance| balance.plan_settle(&settlements, stamp);
        change(self, client, &settlements, plan).await
    }
}

impl<S: BalanceStore> Ledger for S {
    async fn open(&self, client: ClientId) -> Result<(), LedgerError> {
        Ok(self.create(Balance::empty(client)).await?)
    }

    async fn balance(&self, client: ClientId) -> Result<Balance, LedgerError> {
        self.load(client).await?.ok_or(LedgerError::UnknownClient)
    }

    async fn grant(
        &self,
        client: ClientId,
        request: GrantRequest,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        for _ in 0..PLANS_MAX {
            let balance = self.balance(client).await?;
            let Plan::Commit(change, ()) = balance.plan_grant(&request, stamp)? else {
                return Ok(());
            };
            let GrantRequest { id, credits, .. } = request;
            let companion = Companion::Granted { id, credits, at_ms: stamp.at_ms };
            match commit_with(self, &balance, &change, &companion).await? {
                // It may have been granted before, and forgotten by the balance since.
                Commit::Done | Commit::Companion => return Ok(()),
                Commit::Moved(_) | Commit::Unknown => {}
            }
        }
        Err(LedgerError::Contended)
    }

    async fn hold(
        &self,
        client: ClientId,
        request: HoldRequest,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        for _ in 0..PLANS_MAX {
            if let Some(hold) = self.load_hold(client, request.id).await? {
                return Ok(hold);
            }
            let balance = self.balance(client).await?;
            let (change, hold) = balance.plan_hold(&request, stamp)?;
            let companion = Companion::Hold { job: request.id, hold: hold.clone() };
            if commit_with(self, &balance, &change, &companion).await? == Commit::Done {
                return Ok(hold);
            }
        }
        Err(LedgerError::Contended)
    }

    async fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        for _ in 0..PLANS_MAX {
            let balance = self.balance(client).await?;
            let hold = self.load_hold(client, job).await?.ok_or(LedgerError::UnknownHold)?;
            let (change, hold) = match balance.plan_resolve(job, &hold, posted, stamp)? {
                Plan::Done(hold) => return Ok(hold),
                Plan::Commit(change, hold) => (change, hold),
            };
            let companion = Companion::Resolution { job, hold: hold.clone() };
            if commit_with(self, &balance, &change, &companion).await? == Commit::Done {
                return Ok(hold);
            }
        }
        Err(LedgerError::Contended)
    }

    async fn reap_except(
        &self,
        client: ClientId,
        kept: &[LeaseId],
        stamp: Stamp,
    ) -> Result<Reaped, LedgerError> {
        // A plan that rests on the whole balance is made on the balance as it is: that of a
        // remembered one would be refused, or worse, say that nothing is due.
        for _ in 0..PLANS_MAX {
            let balance = self.balance(client).await?;
            let (change, reaped) = match balance.plan_reap(kept, stamp) {
                Plan::Done(reaped) => return Ok(reaped),
                Plan::Commit(change, reaped) => (change, reaped),
            };
            match self.commit(&balance, &change, None).await? {
                Commit::Done => return Ok(reaped),
                Commit::Unknown => return Err(LedgerError::UnknownClient),
                Commit::Moved(_) | Commit::Companion => {}
            }
        }
        Err(LedgerError::Contended)
    }

    async fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, LedgerError> {
        Ok(self.overdue(now_ms, limit).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ids::{LeaseId, Mint};

    use super::*;
    use crate::balance::GrantSource;
    use crate::memory::MemoryLedger;

    const NOW_MS: i64 = 1_767_225_600_000;

    /// A store of which a process remembers what it is given to remember.
    #[derive(Default)]
    struct Remembering {
        store: MemoryLedger,
        remembered: Mutex<Option<Balance>>,
    }

    impl BalanceStore for Remembering {
        async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
            self.store.create(balance).await
        }

        async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
            self.store.load(client).await
        }

        async fn recall(&self, client: ClientId) -> Result<Option<Known>, StoreFault> {
            let remembered = self.remembered.lock().unwrap().clone();
            match remembered {
                Some(balance) => Ok(Some(Known::Remembered(balance))),
                None => Ok(self.load(client).await?.map(Known::Current)),
            }
        }

        async fn load_hold(
            &self,
            client: ClientId,
            job: JobId,
        ) -> Result<Option<Hold>, StoreFault> {
            self.store.load_hold(client, job).await
        }

        async fn commit(
            &self,
            balance: &Balance,
            change: &Change,
            companion: Option<Companion>,
        ) -> Result<Commit, StoreFault> {
            self.store.commit(balance, change, companion).await
        }

        async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
            self.store.overdue(now_ms, limit).await
        }
    }

    #[tokio::test]
    async fn a_report_on_a_lease_that_is_not_remembered_is_not_passed_over() {
        let (ledger, mint) = (Remembering::default(), Mint::seeded([1; 32]));
        let stamp = || Stamp { entry: mint.mint(NOW_MS), at_ms: NOW_MS };
        let client = mint.mint(NOW_MS);
        ledger.open(client).await.unwrap();
        let grant = GrantRequest {
            id: mint.mint(NOW_MS),
            credits: 10,
            expires_at_ms: NOW_MS + 1_000,
            source: GrantSource::TopUp,
        };
        ledger.grant(client, grant, stamp()).await.unwrap();
        let request = |settle| LeaseRequest {
            id: mint.mint(NOW_MS),
            renews: false,
            need: 3,
            want: 3,
            share: 1,
            ttl_ms: 1_000,
            window_ms: 1_000,
            settle,
        };
        let [first, second] = [request(Vec::new()), request(Vec::new())];
        ledger.lease(client, first.clone(), stamp()).await.unwrap();
        // Two answers overtake each other: what is remembered is older than the second lease.
        let before = ledger.balance(client).await.unwrap();
        ledger.lease(client, second.clone(), stamp()).await.unwrap();
        *ledger.remembered.lock().unwrap() = Some(before);

        let used = |lease: LeaseId| Settlement { lease, escrow: None, used: 3, close: true };
        ledger.settle(client, vec![used(first.id), used(second.id)], stamp()).await.unwrap();
        let balance = ledger.balance(client).await.unwrap();
        assert_eq!((balance.accounts.spent, balance.accounts.leased), (6, 0));
    }
}
