//! That a call is paid for, and not one of too many at once.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use clock::{SharedClock, Timestamp};
use edge::{Burst, Credits, MONTH_S, Problem, RateLimits};
use ledger::{Holder, Ledger, LedgerError, Operation, Reservation, Spent};
use maas_aws::{Bursts, DynamoLedger, Lending};

use crate::admission::Caller;
use crate::fault::ledger_problem;
use crate::pace::Pace;

/// Counts calls and credits.
pub struct Meter {
    holder: Arc<Holder<Lending>>,
    ledger: Arc<DynamoLedger>,
    pace: Pace,
    clock: SharedClock,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

/// Credits taken for work that may still fail. They go back if this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the credits back"]
pub struct Reserved {
    reservation: Reservation,
    operation: Operation,
    limits: RateLimits,
}

impl Reserved {
    /// The work is done. Says what the reply tells about limits.
    pub fn keep(self) -> RateLimits {
        self.reservation.keep(self.operation);
        self.limits
    }
}

impl Meter {
    /// A meter that spends from `holder`'s leases, of credits that `ledger` keeps.
    #[must_use]
    pub fn new(
        holder: Arc<Holder<Lending>>,
        ledger: Arc<DynamoLedger>,
        clock: SharedClock,
    ) -> Self {
        Self { holder, ledger, pace: Pace::new(Arc::clone(&clock)), clock }
    }

    /// Shares the limits of calls per second with all processes that have the same `bursts`.
    /// Whoever does sees to it that [`share`](Self::share) is called every [`SHARED_EVERY`].
    ///
    /// [`SHARED_EVERY`]: crate::SHARED_EVERY
    #[must_use]
    pub fn sharing(self, bursts: Arc<Bursts>) -> Self {
        Self { pace: self.pace.sharing(bursts), ..self }
    }

    /// Tells other processes how many calls were let through, and hears what they let through. Ends
    /// in time whether Valkey answers or not.
    pub async fn share(&self) {
        self.pace.share().await;
    }

    /// The holder, for whoever looks after its leases.
    #[must_use]
    pub fn holder(&self) -> &Arc<Holder<Lending>> {
        &self.holder
    }

    /// Charges a call that cannot fail any more, for what it asked.
    ///
    /// # Errors
    /// The problem that the caller is told; nothing was charged then.
    pub async fn charge(
        &self,
        caller: &Caller,
        operation: Operation,
        credits: u64,
    ) -> Result<RateLimits, Problem> {
        let burst = self.pace(caller)?;
        match self.holder.spend(caller.client(), operation, credits).await {
            Ok(spent) => Ok(limits(caller, burst, spent)),
            Err(error) => Err(self.refused(caller, burst, credits, error).await),
        }
    }

    /// Takes the price of a call that may still fail.
    ///
    /// # Errors
    /// The problem that the caller is told; nothing was taken then.
    pub async fn reserve(
        &self,
        caller: &Caller,
        operation: Operation,
        credits: u64,
    ) -> Result<Reserved, Problem> {
        let burst = self.pace(caller)?;
        match self.holder.reserve(caller.client(), credits).await {
            Ok(reservation) => {
                let limits = limits(caller, burst, reservation.spent());
                Ok(Reserved { reservation, operation, limits })
            }
            Err(error) => Err(self.refused(caller, burst, credits, error).await),
        }
    }

    /// Counts a call that is charged elsewhere, and says what the reply tells about limits.
    ///
    /// # Errors
    /// The problem that the caller is told if it calls too often, or the balance cannot be read.
    pub async fn count(&self, caller: &Caller) -> Result<Counted, Problem> {
        Ok(Counted { burst: self.pace(caller)? })
    }

    /// What a reply tells about limits after credits were held.
    ///
    /// # Errors
    /// [`Problem`] if the balance cannot be read.
    pub async fn limits_now(
        &self,
        caller: &Caller,
        counted: Counted,
    ) -> Result<RateLimits, Problem> {
        let balance = self.ledger.balance(caller.client()).await.map_err(ledger_problem)?;
        let spent = Spent {
            remaining: balance.accounts.available + balance.accounts.leased,
            next_expiry_ms: balance.next_expiry_ms(),
        };
        Ok(limits(caller, counted.burst, spent))
    }

    fn pace(&self, caller: &Caller) -> Result<Burst, Problem> {
        let limit = caller.entitlement.burst_per_second_at(caller.now);
        let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        let counted = self.pace.count(caller.client(), limit);
        counted.map_err(|wait| Problem::rate_limited(seconds_up(wait)))
    }

    async fn refused(
        &self,
        caller: &Caller,
        burst: Burst,
        needed: u64,
        error: LedgerError,
    ) -> Problem {
        match error {
            LedgerError::Exhausted { available } => {
                let spent = Spent { remaining: available, next_expiry_ms: None };
                Problem::credits_exhausted(needed, self.credits_return_at(caller))
                    .with_limits(&limits(caller, burst, spent))
            }
            error => ledger_problem(error),
        }
    }

    /// When the plan grants credits again.
    fn credits_return_at(&self, caller: &Caller) -> Option<Timestamp> {
        caller.entitlement.plan_until.filter(|until| *until > self.clock.now())
    }
}

/// A call that was counted against the pace of its client.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    burst: Burst,
}

fn limits(caller: &Caller, burst: Burst, spent: Spent) -> RateLimits {
    let now_ms = caller.now.as_millisecond();
    let reset_s = spent.next_expiry_ms.map_or(u64::from(MONTH_S), |at_ms| {
        u64::try_from(at_ms.saturating_sub(now_ms) / 1_000).unwrap_or(0)
    });
    RateLimits {
        burst,
        credits: Credits {
            quota: caller.terms().monthly_credits,
            window_s: MONTH_S,
            remaining: spent.remaining,
            reset_s,
        },
    }
}

fn seconds_up(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}
