//! What the functions that answer callers share, in one process.

use std::sync::Arc;
use std::time::Duration;

use auth::TokenParties;
use ledger::{HeapSlots, Holder, Slots, UsageSink};
use maas_aws::{Config, Core, CoreError};
use tallies::MappedSlots;
use tokio::time::MissedTickBehavior;

/// How often leases are looked after.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

use crate::admission::{Gate, GateError};
use crate::meter::Meter;
use crate::pace::SHARED_EVERY;

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What all functions need is not there.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The gate cannot be opened.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// What the functions that answer callers share, in one process. In Lambda that is one function; in
/// the local stack it is all of them, which spend from the same leases.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The stores, the time, identifiers.
    pub core: Core,
    /// Admits callers.
    pub gate: Arc<Gate>,
    /// Charges them.
    pub meter: Arc<Meter>,
}

impl Platform {
    /// Starts with the environment's configuration and the machine's clock.
    ///
    /// # Errors
    /// [`StartError`] says what is missing.
    pub async fn from_environment() -> Result<Self, StartError> {
        let platform = Self::new(Core::from_environment().await?).await?;
        platform.sweep_in_the_background();
        platform.share_in_the_background();
        Ok(platform)
    }

    /// Looks after the leases every second. In Lambda the process stands still between calls, and
    /// the leases with it: what was spent then is reported when it goes on, if that is in time.
    fn sweep_in_the_background(&self) {
        let holder = Arc::clone(self.meter.holder());
        tokio::spawn(async move {
            let mut seconds = tokio::time::interval(SWEEP_EVERY);
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                seconds.tick().await;
                holder.sweep().await;
            }
        });
    }

    /// Shares limits as often as it should be. In Lambda it is overdue when the process goes on, and
    /// done while the first call is answered.
    fn share_in_the_background(&self) {
        let meter = Arc::clone(&self.meter);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SHARED_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                meter.share().await;
            }
        });
    }

    /// Starts on `core`, and tells the queue of usage what credits are spent on.
    ///
    /// # Errors
    /// [`GateError`] if there are no keys to verify tokens with.
    pub async fn new(core: Core) -> Result<Self, GateError> {
        let queue = Arc::new(core.aws.usage_queue());
        Self::with_usage_sink(core, queue).await
    }

    /// Starts on `core`, and tells `sink` what credits are spent on.
    ///
    /// # Errors
    /// [`GateError`] if there are no keys to verify tokens with.
    pub async fn with_usage_sink(core: Core, sink: Arc<dyn UsageSink>) -> Result<Self, GateError> {
        let holder = Holder::new(
            Arc::clone(&core.lending),
            Arc::clone(&core.clock),
            Arc::clone(&core.mint),
            core.lending.lease_policy(),
        )
        .with_slots(slots(core.aws.config()))
        .with_sink(sink);
        let gate = Gate::open(
            &parties(core.aws.config()),
            core.aws.keys(),
            core.aws.clients(),
            Arc::clone(&core.clock),
        )
        .await?;
        let (ledger, clock) = (Arc::clone(&core.ledger), Arc::clone(&core.clock));
        let mut meter = Meter::new(Arc::new(holder), ledger, clock);
        if let Some(bursts) = &core.bursts {
            meter = meter.sharing(Arc::clone(bursts));
        }
        Ok(Self { core, gate: Arc::new(gate), meter: Arc::new(meter) })
    }
}

/// Where tallies of leases are kept. Without a folder that can be used they end with the process:
/// what it had not reported when it is killed is not charged.
fn slots(config: &Config) -> Arc<dyn Slots> {
    let Some(folder) = &config.tallies else { return Arc::new(HeapSlots) };
    match MappedSlots::open(folder) {
        Ok(slots) => Arc::new(slots),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "tallies are kept in memory");
            Arc::new(HeapSlots)
        }
    }
}

/// Who issues the tokens of a stage, and for whom.
#[must_use]
pub fn parties(config: &Config) -> TokenParties {
    TokenParties { issuer: config.base_url.clone(), audience: config.audience().to_owned() }
}
