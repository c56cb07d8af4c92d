//! The branch: lends a Region's holders what it has leased from the client's home.
//!
//! A [`Branch`] is a [`Lender`] between holders and another lender. It keeps a *stock*, a small
//! ledger of its own, which all processes of a Region share; in it the leases from home, the
//! *escrows*, are the grants, and the holders' leases are leases. So the same movements and the
//! same invariants hold on each level, and branches can stand in a row: the processes of a Region
//! share a stock in Valkey, which is filled from the Region's durable stock, which is filled from
//! the client's home in another Region.
//!
//! # Never oversold
//!
//! A branch lends only what has left `available` at home, and stops so early that every lease out of
//! an escrow has ended and is reported before the escrow ends ([`EscrowPolicy::margin`]). An escrow
//! is announced in the stock before it is asked for, and so is a renewal, so that another process
//! asks again for the same one should the first be gone; what home gives enters the stock only while
//! that announcement stands, and therefore once. If the stock is lost, the escrows in it end at home
//! like the lease of any holder that fell silent, and are settled with what usage events tell: these
//! name the escrow that a lease was lent out of.
//!
//! # When the stock fails
//!
//! Holders then lease from home as if there were no branch, which costs more writes and keeps every
//! call answered. What they report of leases out of the stock is lost with it, and told by usage
//! events: a branch is for holders with a [`UsageSink`](crate::UsageSink).
//!
//! The stock may have lent a lease too whose answer was lost, under the same id. So a lease that came
//! from home after all names itself as its escrow: what was spent of it is told to home alone, and
//! the stock is told that nothing was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::SharedClock;
use dashmap::DashMap;
use ids::{ClientId, Mint};

use crate::backend::{BalanceStore, Commit, PLANS_MAX, change};
use crate::balance::Balance;
use crate::change::Change;
use crate::escrow::{Ask, Question};
use crate::policy::{BESIDE_BRANCH_MS, EscrowPolicy};
use crate::reconcile::{Evidence, reap};
use crate::store::{
    LeaseRequest, Leased, Ledger, LedgerError, Lender, Reaped, Settlement, Stamp, StoreFault,
};

/// How often the stock is looked at while another process asks home.
const WAITS_MAX: u32 = 120;

/// How long between two looks.
const WAIT: Duration = Duration::from_millis(20);

/// For how long nothing is asked of a stock that failed, in milliseconds.
const STOCK_RESTS_MS: u64 = 1_000;

/// Who failed.
#[derive(Debug)]
enum Fault {
    /// The stock: home may help.
    Stock(LedgerError),
    /// Home, or it refused.
    Home(LedgerError),
}

impl Fault {
    fn into_error(self) -> LedgerError {
        match self {
            Self::Stock(error) | Self::Home(error) => error,
        }
    }
}

/// What became of a wish for more.
enum Supplied {
    /// Look into the stock again.
    Look,
    /// Somebody else asks; look again soon.
    Wait,
    /// Home has no more than this, which is too little.
    Dry(u64),
}

struct Inner<H, S> {
    home: Arc<H>,
    stock: Arc<S>,
    clock: SharedClock,
    mint: Arc<Mint>,
    policy: EscrowPolicy,
    /// Of one process's callers one at a time asks.
    asking: DashMap<ClientId, Arc<tokio::sync::Mutex<()>>>,
    /// Until when the stock is left alone, in monotonic milliseconds.
    stock_rests_until_ms: AtomicU64,
}

/// Lends on what it has leased itself. See the [module's text](self).
pub struct Branch<H, S> {
    inner: Arc<Inner<H, S>>,
}

impl<H, S> Clone for Branch<H, S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<H, S> fmt::Debug for Branch<H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

impl<H: Lender, S: BalanceStore> Branch<H, S> {
    /// A branch of `home` whose stock is kept in `stock`, which is nobody else's ledger.
    #[must_use]
    pub fn new(
        home: Arc<H>,
        stock: Arc<S>,
        clock: SharedClock,
        mint: Arc<Mint>,
        policy: EscrowPolicy,
    ) -> Self {
        let (asking, stock_rests_until_ms) = (DashMap::new(), AtomicU64::new(0));
        let inner = Inner { home, stock, clock, mint, policy, asking, stock_rests_until_ms };
        Self { inner: Arc::new(inner) }
    }

    /// Where the escrows are kept.
    #[must_use]
    pub fn stock(&self) -> &Arc<S> {
        &self.inner.stock
    }

    /// Clients whose escrows somebody should [`tend`](Self::tend), at most `limit` of them.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if the stock gives no answer.
    pub async fn due(&self, limit: usize) -> Result<Vec<ClientId>, LedgerError> {
        self.inner.stock.due(self.inner.clock.now_ms(), limit).await
    }

    /// Looks after one client's escrows: takes back what silent holders had, less what `evidence`
    /// knows to be spent, gives back to home what is ended or idle, and tells it what was spent of
    /// that.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if the stock, the evidence or home gives no answer; what was not done
    /// is still due.
    pub async fn tend(
        &self,
        client: ClientId,
        evidence: &impl Evidence,
    ) -> Result<Reaped, LedgerError> {
        let inner = &self.inner;
        // What could not be reaped now is no reason to keep the rest.
        let reaped = Box::pin(reap(&*inner.stock, evidence, client, inner.stamp())).await;
        Box::pin(inner.give_back(client, false)).await.map_err(Fault::into_error)?;
        reaped
    }

    /// Gives back to home all that is not lent of one client's escrows. Called before the client's
    /// home moves.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if the stock or home gives no answer.
    pub async fn give_back(&self, client: ClientId) -> Result<(), LedgerError> {
        Box::pin(self.inner.give_back(client, true)).await.map_err(Fault::into_error)
    }
}

impl<H: Lender, S: BalanceStore> Inner<H, S> {
    fn stamp(&self) -> Stamp {
        let at_ms = self.clock.now_ms();
        Stamp { entry: self.mint.mint(at_ms), at_ms }
    }

    /// Asks home for more, unless somebody does already.
    async fn supply(&self, client: ClientId, need: u64, ahead: bool) -> Result<Supplied, Fault> {
        let one = Arc::clone(&self.asking.entry(client).or_default());
        let supplied = {
            let _one = one.lock().await;
            self.supply_alone(client, need, ahead).await
        };
        drop(one);
        self.asking.remove_if(&client, |_, one| Arc::strong_count(one) == 1);
        supplied
    }

    async fn supply_alone(
        &self,
        client: ClientId,
        need: u64,
        ahead: bool,
    ) -> Result<Supplied, Fault> {
        for _ in 0..PLANS_MAX {
            let stamp = self.stamp();
            let Some(balance) = self.stock.load(client).await.map_err(stock)? else {
                self.stock.create(Balance::empty(client)).await.map_err(stock)?;
                continue;
            };
            let fresh = (self.mint.mint(stamp.at_ms), self.mint.mint(stamp.at_ms));
            match balance.plan_ask(need, ahead, fresh, stamp, &self.policy) {
                Ask::Enough => return Ok(Supplied::Look),
                Ask::Wait => return Ok(Supplied::Wait),
                Ask::Dry(available) => return Ok(Supplied::Dry(available)),
                Ask::Home(question) => {
                    let commit = self.stock.commit(&balance, &question.change, None).await;
                    if commit.map_err(stock)? == Commit::Done {
                        return self.ask_home(client, *question).await;
                    }
                }
            }
        }
        Err(Fault::Home(LedgerError::Contended))
    }

    async fn ask_home(&self, client: ClientId, question: Question) -> Result<Supplied, Fault> {
        let asking = question.asking;
        let request = LeaseRequest {
            id: asking.lease,
            renews: asking.renews,
            need: question.need,
            want: question.want,
            share: self.policy.share,
            ttl_ms: millis(self.policy.ttl),
            window_ms: millis(self.policy.window),
            settle: question.reports.clone(),
        };
        let stamp = Stamp { entry: asking.entry, at_ms: asking.at_ms };
        let answer = self.home.lease(client, request, stamp).await;
        let leased = match &answer {
            Ok(leased) => *leased,
            // Where home moves, it is asked again for the same escrow when it has moved.
            Err(LedgerError::Store(_) | LedgerError::Moving { .. }) => {
                let noted =
                    self.note(client, |stock, stamp| stock.plan_unanswered(&asking, stamp)).await;
                if let Err(fault) = noted {
                    tracing::warn!(%client, ?fault, "nobody else knows that home did not answer");
                }
                return answer.map(|_| Supplied::Look).map_err(Fault::Home);
            }
            // Refused, for good: nothing came.
            Err(_) => nothing(0, stamp),
        };
        self.note(client, |stock, stamp| {
            stock.plan_answered(&question, &leased, stamp, &self.policy)
        })
        .await?;
        answer.map_err(Fault::Home)?;
        if question.is_worth_a_look(&leased, &self.policy) {
            Ok(Supplied::Look)
        } else {
            Ok(Supplied::Dry(leased.available))
        }
    }

    async fn give_back(&self, client: ClientId, all: bool) -> Result<(), Fault> {
        for _ in 0..PLANS_MAX {
            let stamp = self.stamp();
            let Some(balance) = self.stock.load(client).await.map_err(stock)? else {
                return Ok(());
            };
            let (change, reports) = balance.plan_return(all, stamp, &self.policy);
            if let Some(change) = change
                && self.stock.commit(&balance, &change, None).await.map_err(stock)? != Commit::Done
            {
                continue;
            }
            if !reports.is_empty() {
                self.home.settle(client, reports.clone(), stamp).await.map_err(Fault::Home)?;
                self.note(client, |stock, stamp| stock.plan_closed(&reports, stamp)).await?;
            }
            return Ok(());
        }
        Err(Fault::Stock(LedgerError::Contended))
    }

    /// Commits to the stock what `plan` makes of it, if anything.
    async fn note(
        &self,
        client: ClientId,
        plan: impl Fn(&Balance, Stamp) -> Option<Change>,
    ) -> Result<(), Fault> {
        for _ in 0..PLANS_MAX {
            let Some(balance) = self.stock.load(client).await.map_err(stock)? else {
                return Ok(());
            };
            let Some(change) = plan(&balance, self.stamp()) else { return Ok(()) };
            match self.stock.commit(&balance, &change, None).await.map_err(stock)? {
                Commit::Done | Commit::Unknown => return Ok(()),
                Commit::Moved(_) | Commit::Companion => {}
            }
        }
        Err(Fault::Stock(LedgerError::Contended))
    }

    /// Lends out of the stock, and has it filled where it has too little.
    async fn lend(
        self: &Arc<Self>,
        client: ClientId,
        request: &LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, Fault> {
        for _ in 0..WAITS_MAX {
            let plan = |stock: &Balance| stock.plan_sublease(request, stamp, &self.policy);
            match change(&*self.stock, client, &request.settle, plan).await {
                // What cannot be renewed is not waited for: another is asked for next.
                Ok((leased, low)) if leased.credits > 0 || request.renews => {
                    if low {
                        let inner = Arc::clone(self);
                        tokio::spawn(async move {
                            if let Err(fault) = inner.supply(client, 1, true).await {
                                tracing::warn!(%client, ?fault, "no escrow came ahead of time");
                            }
                        });
                    }
                    return Ok(leased);
                }
                Ok(_) | Err(LedgerError::UnknownClient) => {}
                Err(error @ (LedgerError::Store(_) | LedgerError::Contended)) => {
                    return Err(Fault::Stock(error));
                }
                Err(error) => return Err(Fault::Home(error)),
            }
            match self.supply(client, request.need, false).await? {
                Supplied::Look => {}
                Supplied::Wait => tokio::time::sleep(WAIT).await,
                Supplied::Dry(available) => return Ok(nothing(available, stamp)),
            }
        }
        let late = StoreFault::Throttled("the client's home does not answer".to_owned());
        Err(Fault::Home(late.into()))
    }

    /// Tells home of leases that it lent itself. Who has one from the stock does not wait for it.
    fn tell_home_later(self: &Arc<Self>, client: ClientId, reports: Vec<Settlement>, stamp: Stamp) {
        if reports.is_empty() {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            // Their leases lapse otherwise, and usage events tell what was spent from them.
            if let Err(error) = inner.home.settle(client, reports, stamp).await {
                tracing::warn!(%client, %error, "home was not told of leases of its own");
            }
        });
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.monotonic()).unsigned_abs()
    }

    fn stock_rests(&self) -> bool {
        self.now_ms() < self.stock_rests_until_ms.load(Ordering::Relaxed)
    }
}

fn stock(fault: StoreFault) -> Fault {
    Fault::Stock(fault.into())
}

/// Whether a report is on a lease that came from home after all.
fn is_from_home(report: &Settlement) -> bool {
    report.escrow == Some(report.lease)
}

/// What home is told of `reports`: what is not known to have been lent out of the stock.
fn for_home(reports: &[Settlement]) -> Vec<Settlement> {
    let of_home = |report: &&Settlement| report.escrow.is_none() || is_from_home(report);
    reports.iter().filter(of_home).copied().collect()
}

/// What the stock is told of `reports`: from what home lent nothing was spent of the stock's.
fn for_stock(reports: &[Settlement]) -> Vec<Settlement> {
    let used = |report: &Settlement| if is_from_home(report) { 0 } else { report.used };
    reports.iter().map(|report| Settlement { used: used(report), ..*report }).collect()
}

/// The answer where too little is available.
const fn nothing(available: u64, stamp: Stamp) -> Leased {
    Leased { credits: 0, available, next_expiry_ms: None, until_ms: stamp.at_ms, escrow: None }
}

impl<H: Lender, S: BalanceStore> Lender for Branch<H, S> {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        let inner = &self.inner;
        let mut reports = request.settle.clone();
        reports.retain(is_from_home);
        if request.ttl_ms > millis(inner.policy.lease_ttl) {
            return Err(LedgerError::InvalidAmount);
        }
        if !inner.stock_rests() {
            let request = LeaseRequest { settle: for_stock(&request.settle), ..request.clone() };
            // Boxed: what a store's SDK makes of these is too deep a type for the compiler otherwise.
            match Box::pin(inner.lend(client, &request, stamp)).await {
                Ok(leased) => {
                    inner.tell_home_later(client, reports, stamp);
                    return Ok(leased);
                }
                Err(Fault::Home(error)) => return Err(error),
                Err(Fault::Stock(error)) => {
                    tracing::warn!(%client, %error, "the stock failed: leases come from home");
                    let until_ms = inner.now_ms() + STOCK_RESTS_MS;
                    inner.stock_rests_until_ms.store(until_ms, Ordering::Relaxed);
                }
            }
        }
        // What is reported of leases out of the stock is in usage events too.
        let (id, settle) = (request.id, for_home(&request.settle));
        let window_ms = request.window_ms.max(BESIDE_BRANCH_MS - request.ttl_ms);
        let request = LeaseRequest { settle, window_ms, ..request };
        let leased = inner.home.lease(client, request, stamp).await?;
        Ok(Leased { escrow: (leased.credits > 0).then_some(id), ..leased })
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        let inner = &self.inner;
        // Of a lease whose answer was lost nobody knows where it came from, if it came.
        let of_home = for_home(&settlements);
        if !of_home.is_empty() {
            inner.home.settle(client, of_home, stamp).await?;
        }
        match inner.stock.settle(client, for_stock(&settlements), stamp).await {
            // The stock was lost, and with it the leases.
            Ok(()) | Err(LedgerError::UnknownClient) => Ok(()),
            // Their leases lapse, and usage events tell what was spent from them.
            Err(LedgerError::Store(fault)) => {
                tracing::warn!(%client, %fault, "the stock failed: usage events tell what was spent");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
