//! What every function of a process works with.

use std::sync::Arc;

use clock::{SharedClock, SystemClock};
use ids::{Mint, RequestId};
use ledger::Stamp;
use maas_valkey::Bursts;
use rand::TryRng;
use rand::rngs::{SysError, SysRng};

use crate::config::{Config, ConfigError};
use crate::connect::Aws;
use crate::homes::Homes;
use crate::ledger::DynamoLedger;
use crate::lending::{self, Lending};

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness(#[from] SysError),
}

/// The stage's stores and ledger, the time, and new identifiers. A clone shares them.
#[derive(Debug, Clone)]
pub struct Core {
    /// The stage's stores.
    pub aws: Aws,
    /// The time.
    pub clock: SharedClock,
    /// Makes identifiers.
    pub mint: Arc<Mint>,
    /// The ledger of clients at home here.
    pub ledger: Arc<DynamoLedger>,
    /// Where clients are at home.
    pub homes: Arc<Homes>,
    /// What a holder leases from.
    pub lending: Arc<Lending>,
    /// The limits that the Region's processes share, if they share.
    pub bursts: Option<Arc<Bursts>>,
}

impl Core {
    /// With the environment's configuration and the machine's clock.
    ///
    /// # Errors
    /// [`CoreError`] says what is missing.
    pub async fn from_environment() -> Result<Self, CoreError> {
        let aws = Aws::connect(Config::from_environment()?).await;
        Self::new(aws, SystemClock::shared())
    }

    /// On `aws` with `clock`.
    ///
    /// # Errors
    /// [`CoreError`] if the operating system has no randomness to give, or Valkey's address is
    /// none.
    pub fn new(aws: Aws, clock: SharedClock) -> Result<Self, CoreError> {
        let (ledger, mint) = (Arc::new(aws.ledger()), Arc::new(mint()?));
        let homes = Arc::new(Homes::new(&aws, Arc::clone(&ledger), Arc::clone(&clock)));
        let stock = Arc::new(aws.stock());
        let (time, ids) = (Arc::clone(&clock), Arc::clone(&mint));
        let lending = Lending::new(aws.config(), Arc::clone(&homes), stock, time, ids)?;
        let bursts = lending::bursts(aws.config())?.map(Arc::new);
        Ok(Self { aws, clock, mint, ledger, homes, lending: Arc::new(lending), bursts })
    }

    /// Names requests.
    pub fn request_ids(&self) -> impl Fn() -> RequestId + Send + Sync + 'static {
        let (mint, clock) = (Arc::clone(&self.mint), Arc::clone(&self.clock));
        move || mint.mint(clock.now_ms())
    }

    /// The mark of a change to the ledger that is asked for now.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let at_ms = self.clock.now_ms();
        Stamp { entry: self.mint.mint(at_ms), at_ms }
    }
}

/// Names the requests of a function that needs nothing else of a [`Core`].
///
/// # Errors
/// [`SysError`] if the operating system has no randomness to give.
pub fn request_ids() -> Result<impl Fn() -> RequestId + Send + Sync + 'static, SysError> {
    let (mint, clock) = (mint()?, SystemClock::shared());
    Ok(move || mint.mint(clock.now_ms()))
}

/// A mint seeded by the operating system.
///
/// # Errors
/// [`SysError`] if it has no randomness to give.
pub fn mint() -> Result<Mint, SysError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed)?;
    Ok(Mint::seeded(seed))
}
