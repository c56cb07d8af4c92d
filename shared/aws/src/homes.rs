//! Which Region is a client's home.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use ids::ClientId;
use ledger::{LedgerError, Region, StoreFault};
use quick_cache::sync::Cache;

use crate::clients::ClientStore;
use crate::connect::Aws;
use crate::journal::JournalStore;
use crate::ledger::DynamoLedger;

/// How many clients' homes a process remembers.
const REMEMBERED: usize = 20_000;

/// How long a home is believed. One that is outdated costs a refused request, and no credit.
const BELIEVED: Duration = Duration::from_secs(30);

/// How long a client is refused without asking once its home is known to move.
const MOVES_FOR: Duration = Duration::from_secs(1);

/// What a client's home keeps of it.
#[derive(Debug, Clone)]
pub struct Home {
    /// The Region.
    pub region: Region,
    /// The balances there.
    pub ledger: Arc<DynamoLedger>,
    /// The entries there.
    pub journal: JournalStore,
}

impl Home {
    fn of(aws: &Aws, ledger: Arc<DynamoLedger>) -> Self {
        Self { region: Region::new(&aws.config().region), ledger, journal: aws.journal() }
    }
}

/// What is known of a client's home, and since which monotonic time.
#[derive(Debug, Clone)]
struct Known {
    region: Region,
    read: Duration,
    /// Where a ledger said last that it moves to.
    moves: Option<(Region, Duration)>,
}

/// Finds clients' homes, in the table of clients: a global table, which every Region can read when
/// the others are gone. A stage of one Region asks nobody.
#[derive(Debug)]
pub struct Homes {
    here: Home,
    others: BTreeMap<Region, Home>,
    clients: ClientStore,
    known: Cache<ClientId, Known>,
    clock: SharedClock,
}

impl Homes {
    /// The homes of the stage that `aws` is configured for. This Region's is `ledger`.
    #[must_use]
    pub fn new(aws: &Aws, ledger: Arc<DynamoLedger>, clock: SharedClock) -> Self {
        let others = aws.others().into_iter().map(|aws| {
            let home = Home::of(&aws, Arc::new(aws.ledger()));
            (home.region.clone(), home)
        });
        Self {
            here: Home::of(aws, ledger),
            others: others.collect(),
            clients: aws.clients(),
            known: Cache::new(REMEMBERED),
            clock,
        }
    }

    /// This Region.
    #[must_use]
    pub const fn here(&self) -> &Home {
        &self.here
    }

    /// The other Regions.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Home> {
        self.others.values()
    }

    /// The home that new credits of a client come from.
    ///
    /// # Errors
    /// [`LedgerError::Moving`] if a ledger said a moment ago that it moves; otherwise as
    /// [`last_of`](Self::last_of).
    pub async fn of(&self, client: ClientId) -> Result<&Home, LedgerError> {
        let now = self.clock.monotonic();
        match self.known.get(&client) {
            Some(Known { moves: Some((to, at)), .. }) if now - at < MOVES_FOR => {
                Err(LedgerError::Moving { to })
            }
            known => self.find(client, known.filter(|known| known.moves.is_none())).await,
        }
    }

    /// The home that a client's credits came from, whether or not it moves: reports belong there.
    ///
    /// # Errors
    /// [`LedgerError::UnknownClient`]; [`LedgerError::Store`] if it is not known and cannot be read,
    /// or is no Region of the stage.
    pub async fn last_of(&self, client: ClientId) -> Result<&Home, LedgerError> {
        self.find(client, self.known.get(&client)).await
    }

    /// A client's home as its profile has it now.
    ///
    /// # Errors
    /// As [`last_of`](Self::last_of).
    pub async fn now_of(&self, client: ClientId) -> Result<&Home, LedgerError> {
        self.find(client, None).await
    }

    /// Takes note that a ledger says that a client's home moves, or is no longer where it was.
    pub(crate) fn moves(&self, client: ClientId, to: Region) {
        if let Some(known) = self.known.get(&client) {
            let moves = Some((to, self.clock.monotonic()));
            self.known.insert(client, Known { moves, ..known });
        }
    }

    async fn find(&self, client: ClientId, known: Option<Known>) -> Result<&Home, LedgerError> {
        if self.others.is_empty() {
            return Ok(&self.here);
        }
        let now = self.clock.monotonic();
        let region = match known {
            Some(known) if now - known.read < BELIEVED => known.region,
            known => self.read(client, known, now).await?,
        };
        if region == self.here.region {
            return Ok(&self.here);
        }
        self.others.get(&region).ok_or_else(|| {
            let why = format!("the home of {client} is {region}, which is no Region of this stage");
            StoreFault::Failed(why).into()
        })
    }

    async fn read(
        &self,
        client: ClientId,
        known: Option<Known>,
        now: Duration,
    ) -> Result<Region, LedgerError> {
        match (self.clients.entitlement(client).await, known) {
            (Ok(Some(entitlement)), _) => {
                let region = Region::new(entitlement.home);
                let known = Known { region: region.clone(), read: now, moves: None };
                self.known.insert(client, known);
                Ok(region)
            }
            (Ok(None), _) => Err(LedgerError::UnknownClient),
            // The table is gone for now. A home that was left meanwhile refuses.
            (Err(_), Some(known)) => Ok(known.region),
            (Err(error), None) => Err(StoreFault::from(error).into()),
        }
    }
}
