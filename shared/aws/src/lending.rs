//! Where a process's leases come from, and what else the processes of a Region share.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use ids::{ClientId, Mint};
use ledger::{
    Branch, EscrowPolicy, LeasePolicy, LeaseRequest, Leased, LedgerError, Lender, Settlement,
    Stamp, StoreFault,
};
use maas_valkey::{Bursts, ValkeyLedger};

use crate::config::{Config, ConfigError, VALKEY_URL};
use crate::ledger::DynamoLedger;

/// How long Valkey has to answer. It takes a millisecond; where it takes longer the ledger is there.
const VALKEY_DEADLINE: Duration = Duration::from_millis(250);

/// The limits that the processes of a Region share, as the configuration says. Does not connect yet.
///
/// # Errors
/// [`ConfigError`] if Valkey's address is none.
pub(crate) fn bursts(config: &Config) -> Result<Option<Bursts>, ConfigError> {
    let bursts = config.valkey_url.as_ref().map(|url| Bursts::new(url, VALKEY_DEADLINE));
    bursts.transpose().map_err(no_address)
}

fn no_address(_: StoreFault) -> ConfigError {
    ConfigError::Invalid { name: VALKEY_URL, expected: "a URL such as redis://host:6379" }
}

/// Lends a process's holder the credits that it spends.
#[derive(Debug, Clone)]
pub enum Lending {
    /// Each process leases from the ledger.
    Home(Arc<DynamoLedger>),
    /// The processes of the Region share what Valkey keeps for them.
    Region(Branch<DynamoLedger, ValkeyLedger>),
}

impl Lending {
    /// As the configuration says. Does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError`] if Valkey's address is none.
    pub(crate) fn new(
        config: &Config,
        ledger: Arc<DynamoLedger>,
        clock: SharedClock,
        mint: Arc<Mint>,
    ) -> Result<Self, ConfigError> {
        let Some(url) = &config.valkey_url else { return Ok(Self::Home(ledger)) };
        let stock = ValkeyLedger::fenced(url, VALKEY_DEADLINE).map_err(no_address)?;
        let policy = EscrowPolicy::shared();
        Ok(Self::Region(Branch::new(ledger, Arc::new(stock), clock, mint, policy)))
    }

    /// What the Region's processes share, if they share.
    #[must_use]
    pub const fn branch(&self) -> Option<&Branch<DynamoLedger, ValkeyLedger>> {
        match self {
            Self::Home(_) => None,
            Self::Region(branch) => Some(branch),
        }
    }

    /// How a holder sizes and renews its leases.
    #[must_use]
    pub fn lease_policy(&self) -> LeasePolicy {
        match self {
            Self::Home(_) => LeasePolicy::default(),
            // A lease from Valkey costs next to nothing: short ones strand less.
            Self::Region(_) => LeasePolicy {
                ttl: EscrowPolicy::shared().lease_ttl,
                horizon: Duration::from_secs(2),
                ..LeasePolicy::default()
            },
        }
    }
}

impl Lender for Lending {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        // Boxed, so that the future of every call is not as large as that of the few that ask.
        match self {
            Self::Home(ledger) => Box::pin(ledger.lease(client, request, stamp)).await,
            Self::Region(branch) => Box::pin(branch.lease(client, request, stamp)).await,
        }
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        match self {
            Self::Home(ledger) => Box::pin(ledger.settle(client, settlements, stamp)).await,
            Self::Region(branch) => Box::pin(branch.settle(client, settlements, stamp)).await,
        }
    }
}
