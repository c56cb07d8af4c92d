//! Where a process's leases come from, and what else the processes of a Region share.
//!
//! A client at home here leases from the ledger; one at home elsewhere from the Region's durable
//! stock, which is filled from the ledger of its home. Where the processes of the Region share leases
//! in Valkey, these come from the one or the other in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use ids::{ClientId, Mint};
use ledger::{
    Branch, EscrowPolicy, Evidence, LeasePolicy, LeaseRequest, Leased, Ledger, LedgerError, Lender,
    Region, Settlement, Stamp, StoreFault,
};
use maas_valkey::{Bursts, ValkeyLedger};

use crate::config::{Config, ConfigError, VALKEY_URL};
use crate::homes::{Home, Homes};
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

/// A Region's durable part of a client's credits, at home in another one.
pub(crate) type Abroad = Branch<DynamoLedger, DynamoLedger>;

/// Lends what a client's home lends: the ledger, or the Region's stock where home is elsewhere.
#[derive(Debug)]
pub struct Source {
    homes: Arc<Homes>,
    stock: Arc<DynamoLedger>,
    abroad: BTreeMap<Region, Abroad>,
}

impl Source {
    fn new(
        homes: Arc<Homes>,
        stock: Arc<DynamoLedger>,
        clock: &SharedClock,
        mint: &Arc<Mint>,
    ) -> Self {
        let abroad = homes.others().map(|home| {
            let (ledger, stock) = (Arc::clone(&home.ledger), Arc::clone(&stock));
            let (clock, mint) = (Arc::clone(clock), Arc::clone(mint));
            let branch = Branch::new(ledger, stock, clock, mint, EscrowPolicy::remote());
            (home.region.clone(), branch)
        });
        Self { abroad: abroad.collect(), homes, stock }
    }

    /// The branch that credits at home in `home` come by way of; none if that is here.
    fn branch_to(&self, home: &Home) -> Option<&Abroad> {
        self.abroad.get(&home.region)
    }

    async fn tend(
        &self,
        client: ClientId,
        evidence: &impl Evidence,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        match self.branch_to(self.homes.last_of(client).await?) {
            Some(branch) => branch.tend(client, evidence).await.map(drop),
            // Its home came here, and left nothing in the stock but what is to be forgotten.
            None => self.stock.reap(client, stamp).await.map(drop),
        }
    }
}

impl Lender for Source {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        let home = self.homes.of(client).await?;
        let leased = match self.branch_to(home) {
            None => Box::pin(home.ledger.lease(client, request, stamp)).await,
            Some(branch) => Box::pin(branch.lease(client, request, stamp)).await,
        };
        if let Err(LedgerError::Moving { to }) = &leased {
            self.homes.moves(client, to.clone());
        }
        leased
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        let home = self.homes.last_of(client).await?;
        match self.branch_to(home) {
            None => Box::pin(home.ledger.settle(client, settlements, stamp)).await,
            Some(branch) => Box::pin(branch.settle(client, settlements, stamp)).await,
        }
    }
}

/// Where escrows lie that somebody should look after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// In Valkey.
    Shared,
    /// In the durable stock.
    Stock,
}

/// Lends a process's holder the credits that it spends.
#[derive(Debug, Clone)]
pub enum Lending {
    /// Each process leases for itself.
    Alone(Arc<Source>),
    /// The processes of the Region share what Valkey keeps for them.
    Shared(Branch<Source, ValkeyLedger>, Arc<Source>),
}

impl Lending {
    /// As the configuration says. Does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError`] if Valkey's address is none.
    pub(crate) fn new(
        config: &Config,
        homes: Arc<Homes>,
        stock: Arc<DynamoLedger>,
        clock: SharedClock,
        mint: Arc<Mint>,
    ) -> Result<Self, ConfigError> {
        let source = Arc::new(Source::new(homes, stock, &clock, &mint));
        let Some(url) = &config.valkey_url else { return Ok(Self::Alone(source)) };
        let stock = ValkeyLedger::fenced(url, VALKEY_DEADLINE).map_err(no_address)?;
        let (stock, policy) = (Arc::new(stock), EscrowPolicy::shared());
        Ok(Self::Shared(Branch::new(Arc::clone(&source), stock, clock, mint, policy), source))
    }

    /// Whose escrows somebody should look after, and where; at most `limit` of each level. What
    /// cannot be read now is due the next time.
    pub async fn due(&self, now_ms: i64, limit: usize) -> Vec<(Level, ClientId)> {
        let mut due = Vec::new();
        let mut add = |level, clients: Result<Vec<ClientId>, LedgerError>| match clients {
            Ok(clients) => due.extend(clients.into_iter().map(|client| (level, client))),
            Err(error) => tracing::warn!(%error, ?level, "it is not known which escrows are due"),
        };
        // What lies in Valkey goes back into the stock first.
        if let Self::Shared(branch, _) = self {
            add(Level::Shared, branch.due(limit).await);
        }
        let source = self.source();
        if !source.abroad.is_empty() {
            add(Level::Stock, source.stock.due(now_ms, limit).await);
        }
        due
    }

    /// Looks after one client's escrows: takes back what silent holders had, less what `evidence`
    /// knows to be spent, and gives back what is ended or idle.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if a store, the evidence or home gives no answer; what was not done is
    /// still due.
    pub async fn tend(
        &self,
        level: Level,
        client: ClientId,
        evidence: &impl Evidence,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        match (level, self) {
            (Level::Shared, Self::Shared(branch, _)) => {
                branch.tend(client, evidence).await.map(drop)
            }
            _ => self.source().tend(client, evidence, stamp).await,
        }
    }

    /// Gives back to a client's home all that the Region holds of it and has not lent.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if a store or home gives no answer.
    pub async fn give_back(&self, client: ClientId) -> Result<(), LedgerError> {
        if let Self::Shared(branch, _) = self {
            Box::pin(branch.give_back(client)).await?;
        }
        let source = self.source();
        match source.branch_to(source.homes.last_of(client).await?) {
            Some(branch) => Box::pin(branch.give_back(client)).await,
            None => Ok(()),
        }
    }

    /// How a holder sizes and renews its leases.
    #[must_use]
    pub fn lease_policy(&self) -> LeasePolicy {
        match self {
            Self::Alone(_) => LeasePolicy::default(),
            // A lease from Valkey costs next to nothing: short ones strand less.
            Self::Shared(..) => LeasePolicy {
                ttl: EscrowPolicy::shared().lease_ttl,
                horizon: Duration::from_secs(2),
                ..LeasePolicy::default()
            },
        }
    }

    const fn source(&self) -> &Arc<Source> {
        match self {
            Self::Alone(source) | Self::Shared(_, source) => source,
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
            Self::Alone(source) => Box::pin(source.lease(client, request, stamp)).await,
            Self::Shared(branch, _) => {
                let leased = Box::pin(branch.lease(client, request, stamp)).await;
                if matches!(leased, Err(LedgerError::Moving { .. })) {
                    give_back(branch.clone(), client);
                }
                leased
            }
        }
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        match self {
            Self::Alone(source) => Box::pin(source.settle(client, settlements, stamp)).await,
            Self::Shared(branch, _) => Box::pin(branch.settle(client, settlements, stamp)).await,
        }
    }
}

/// The sooner all is back, the sooner the client's home has moved.
fn give_back(branch: Branch<Source, ValkeyLedger>, client: ClientId) {
    tokio::spawn(async move {
        if let Err(error) = branch.give_back(client).await {
            tracing::warn!(client.id = %client, %error, "escrows are given back when they end");
        }
    });
}
