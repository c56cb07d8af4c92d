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
//! an escrow has ended and is reported before the escrow ends
//! ([`ESCROW_MARGIN_MS`](crate::policy::ESCROW_MARGIN_MS)). An escrow is announced in the stock
//! before it is asked for, so that another process asks again for the same one should the first be
//! gone; it enters the stock only while that announcement stands, and therefore once. If the stock
//! is lost, the escrows in it lapse at home like the lease of any holder that fell silent, and are
//! settled with what usage events tell: these name the escrow that a lease was lent out of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use dashmap::DashMap;
use ids::{ClientId, Mint};

use crate::backend::{BalanceStore, Commit, PLANS_MAX, change};
use crate::balance::Balance;
use crate::change::Change;
use crate::escrow::{Ask, Question};
use crate::policy::EscrowPolicy;
use crate::reconcile::{Evidence, reap};
use crate::store::{
    LeaseRequest, Leased, Ledger, LedgerError, Lender, Reaped, Settlement, Stamp, StoreFault,
};

/// How often the stock is looked at while another process asks home.
const WAITS_MAX: u32 = 120;

/// How long between two looks.
const WAIT: Duration = Duration::from_millis(20);

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
        let asking = DashMap::new();
        Self { inner: Arc::new(Inner { home, stock, clock, mint, policy, asking }) }
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
        let reaped = reap(&*inner.stock, evidence, client, inner.stamp()).await?;
        inner.give_back(client, false).await?;
        Ok(reaped)
    }

    /// Gives back to home all that is not lent of one client's escrows. Called before the client's
    /// home moves.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if the stock or home gives no answer.
    pub async fn give_back(&self, client: ClientId) -> Result<(), LedgerError> {
        self.inner.give_back(client, true).await
    }
}

impl<H: Lender, S: BalanceStore> Inner<H, S> {
    fn stamp(&self) -> Stamp {
        let at_ms = self.clock.now_ms();
        Stamp { entry: self.mint.mint(at_ms), at_ms }
    }

    /// Asks home for more, unless somebody does already.
    async fn supply(
        &self,
        client: ClientId,
        need: u64,
        ahead: bool,
    ) -> Result<Supplied, LedgerError> {
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
    ) -> Result<Supplied, LedgerError> {
        for _ in 0..PLANS_MAX {
            let stamp = self.stamp();
            let Some(balance) = self.stock.load(client).await? else {
                self.stock.create(Balance::empty(client)).await?;
                continue;
            };
            let fresh = (self.mint.mint(stamp.at_ms), self.mint.mint(stamp.at_ms));
            match balance.plan_ask(need, ahead, fresh, stamp, &self.policy) {
                Ask::Enough => return Ok(Supplied::Look),
                Ask::Wait => return Ok(Supplied::Wait),
                Ask::Dry(available) => return Ok(Supplied::Dry(available)),
                Ask::Home(question) => {
                    if self.stock.commit(&balance, &question.change, None).await? == Commit::Done {
                        return self.ask_home(client, need, *question).await;
                    }
                }
            }
        }
        Err(LedgerError::Contended)
    }

    async fn ask_home(
        &self,
        client: ClientId,
        need: u64,
        question: Question,
    ) -> Result<Supplied, LedgerError> {
        let Question { asking, want, reports, .. } = question;
        let request = LeaseRequest {
            id: asking.lease,
            need,
            want,
            share: self.policy.share,
            ttl_ms: millis(self.policy.ttl),
            window_ms: millis(self.policy.window),
            settle: reports.clone(),
        };
        let stamp = Stamp { entry: asking.entry, at_ms: asking.at_ms };
        let answer = self.home.lease(client, request, stamp).await;
        let leased = match &answer {
            Ok(leased) => *leased,
            Err(LedgerError::Store(_)) => {
                let noted =
                    self.note(client, |stock, stamp| stock.plan_unanswered(&asking, stamp)).await;
                if let Err(error) = noted {
                    tracing::warn!(%client, %error, "nobody else knows that home did not answer");
                }
                return answer.map(|_| Supplied::Look);
            }
            // Refused, for good: nothing came.
            Err(_) => Leased {
                credits: 0,
                available: 0,
                next_expiry_ms: None,
                until_ms: asking.at_ms,
                escrow: None,
            },
        };
        self.note(client, |stock, stamp| {
            stock.plan_filled(&asking, &leased, &reports, stamp, &self.policy)
        })
        .await?;
        answer?;
        if leased.credits < need { Ok(Supplied::Dry(leased.available)) } else { Ok(Supplied::Look) }
    }

    async fn give_back(&self, client: ClientId, all: bool) -> Result<(), LedgerError> {
        for _ in 0..PLANS_MAX {
            let stamp = self.stamp();
            let Some(balance) = self.stock.load(client).await? else { return Ok(()) };
            let (change, reports) = balance.plan_return(all, stamp, &self.policy);
            if let Some(change) = change
                && self.stock.commit(&balance, &change, None).await? != Commit::Done
            {
                continue;
            }
            if !reports.is_empty() {
                self.home.settle(client, reports.clone(), stamp).await?;
                self.note(client, |stock, stamp| stock.plan_closed(&reports, stamp)).await?;
            }
            return Ok(());
        }
        Err(LedgerError::Contended)
    }

    /// Commits to the stock what `plan` makes of it, if anything.
    async fn note(
        &self,
        client: ClientId,
        plan: impl Fn(&Balance, Stamp) -> Option<Change>,
    ) -> Result<(), LedgerError> {
        for _ in 0..PLANS_MAX {
            let Some(balance) = self.stock.load(client).await? else { return Ok(()) };
            let Some(change) = plan(&balance, self.stamp()) else { return Ok(()) };
            match self.stock.commit(&balance, &change, None).await? {
                Commit::Done | Commit::Unknown => return Ok(()),
                Commit::Moved(_) | Commit::Companion => {}
            }
        }
        Err(LedgerError::Contended)
    }
}

impl<H: Lender, S: BalanceStore> Lender for Branch<H, S> {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        let inner = &self.inner;
        if request.ttl_ms > millis(inner.policy.lease_ttl) {
            return Err(LedgerError::InvalidAmount);
        }
        for _ in 0..WAITS_MAX {
            let plan = |stock: &Balance| stock.plan_sublease(&request, stamp, &inner.policy);
            match change(&*inner.stock, client, plan).await {
                Ok((leased, low)) if leased.credits > 0 => {
                    if low {
                        let inner = Arc::clone(inner);
                        tokio::spawn(async move {
                            if let Err(error) = inner.supply(client, 1, true).await {
                                tracing::warn!(%client, %error, "no escrow came ahead of time");
                            }
                        });
                    }
                    return Ok(leased);
                }
                Ok(_) | Err(LedgerError::UnknownClient) => {}
                Err(error) => return Err(error),
            }
            match inner.supply(client, request.need, false).await? {
                Supplied::Look => {}
                Supplied::Wait => tokio::time::sleep(WAIT).await,
                Supplied::Dry(available) => {
                    return Ok(Leased {
                        credits: 0,
                        available,
                        next_expiry_ms: None,
                        until_ms: stamp.at_ms,
                        escrow: None,
                    });
                }
            }
        }
        Err(StoreFault::Throttled("the client's home does not answer".to_owned()).into())
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        match self.inner.stock.settle(client, settlements, stamp).await {
            // The stock was lost, and with it the leases. Usage events tell home what was spent.
            Err(LedgerError::UnknownClient) => Ok(()),
            answer => answer,
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
