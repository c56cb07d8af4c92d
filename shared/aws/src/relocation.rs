//! Moving a client's home to another Region, step by step.
//!
//! [`ledger::moving`] says why no credit is in two places meanwhile. Here the steps are put in their
//! order over all that a client has: its balance, what the other Regions hold of it, its journal and
//! its profile. Each step can be repeated, by another process too, so that a move that stopped
//! anywhere goes on when it is begun again.
//!
//! 1. [`fence`](Relocation::fence): the home lends nothing new, and neither do the other Regions'
//!    stocks. From here on calls are refused as leases run out.
//! 2. [`drain`](Relocation::drain), until the balance is gone: the stocks give back what nobody holds.
//!    That takes as long as the longest lease that is out, half a minute at most, two minutes where
//!    Regions share leases in Valkey or a process fell silent, and as long as generations run.
//! 3. [`carry`](Relocation::carry): records and entries are copied.
//! 4. [`arrive`](Relocation::arrive): the balance opens in its new home.
//! 5. [`announce`](Relocation::announce): the client's profile says so, under a new epoch.
//! 6. [`tidy`](Relocation::tidy): the stocks lend again, what they borrow from the new home.
//!
//! Until the balance is gone the move can be [given up](Relocation::abandon); after that it can only
//! be finished.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ids::ClientId;
use ledger::{Balance, Branch, Departure, EscrowPolicy, LedgerError, Movable, Region, moving};

use crate::clients::ClientStore;
use crate::connect::Aws;
use crate::core::Core;
use crate::dynamo::StoreError;
use crate::journal::JournalStore;
use crate::ledger::DynamoLedger;

/// How often the journal is looked at for the last entry, and how long after.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// Why a client's home was not moved, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum RelocationError {
    /// There is no such client.
    #[error("there is no client {0}")]
    UnknownClient(ClientId),
    /// The stage is not in that Region.
    #[error("the stage is not in the Region {to}, but in {}", names(.regions))]
    UnknownRegion {
        /// Where the client should be at home.
        to: Region,
        /// Where the stage is.
        regions: Vec<Region>,
    },
    /// The balance moves, or went, to another Region than was asked for.
    #[error("a move to {to} was begun; finish it, or give it up with `--abandon`, before another")]
    OtherMove {
        /// Where to.
        to: Region,
    },
    /// It was given up while it was being made.
    #[error("the move was given up by somebody else")]
    GivenUp,
    /// The balance is gone, and can only arrive.
    #[error("the balance has left for {to} already, so that the move can only be finished")]
    TooLate {
        /// Where to.
        to: Region,
    },
    /// The stream of the old home has not brought the last entry to the journal.
    #[error("the journal of the old home has no entry {seq} yet; look at `journal-append` there")]
    Journal {
        /// Its place.
        seq: u64,
    },
    /// A ledger or a stock refused, or gave no answer.
    #[error("in the Region {region}: {source}")]
    Ledger {
        /// Where.
        region: Region,
        /// What it said.
        source: LedgerError,
    },
    /// Another store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn names(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

/// What a Region has of a client.
#[derive(Debug, Clone)]
struct Place {
    region: Region,
    ledger: Arc<DynamoLedger>,
    stock: Arc<DynamoLedger>,
    journal: JournalStore,
}

impl Place {
    fn new(aws: &Aws) -> Self {
        Self {
            region: Region::new(&aws.config().region),
            ledger: Arc::new(aws.ledger()),
            stock: Arc::new(aws.stock()),
            journal: aws.journal(),
        }
    }

    fn failed(&self, source: LedgerError) -> RelocationError {
        RelocationError::Ledger { region: self.region.clone(), source }
    }
}

/// What became of an attempt to let the balance go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made, matched and dropped in one breath")]
pub enum Drained {
    /// So many credits are out still.
    Waits(u64),
    /// The balance is gone; this is it.
    Gone(Balance),
}

/// One client's move.
#[derive(Debug)]
pub struct Relocation {
    client: ClientId,
    from: Place,
    to: Place,
    /// Where the client is at home neither before nor after, and the Region that it goes to: who
    /// may hold something of what is at home now.
    abroad: Vec<Place>,
    clients: ClientStore,
    core: Core,
}

impl Relocation {
    /// Prepares the move of a client's home to `to`, as far as it is known which one it is. Changes
    /// nothing. None if the client is at home there; then only stocks may have to be
    /// [tidied](Self::tidy_all).
    ///
    /// # Errors
    /// [`RelocationError`] if there is no such client or Region, or a store gives no answer.
    pub async fn prepare(
        core: &Core,
        client: ClientId,
        to: &Region,
    ) -> Result<Option<Self>, RelocationError> {
        let mut places = places(core);
        let regions = places.keys().cloned().collect();
        let record = core.aws.clients().find(client).await?;
        let record = record.ok_or(RelocationError::UnknownClient(client))?;
        let home = Region::new(record.profile.home);
        let unknown = |to: &Region| RelocationError::UnknownRegion { to: to.clone(), regions };
        if !places.contains_key(to) {
            return Err(unknown(to));
        }
        let Some(from) = places.remove(&home) else { return Err(unknown(&home)) };
        let abroad: Vec<Place> = places.into_values().collect();
        let Some(to) = abroad.iter().find(|place| place.region == *to).cloned() else {
            return Ok(None);
        };
        let (clients, core) = (core.aws.clients(), core.clone());
        Ok(Some(Self { client, from, to, abroad, clients, core }))
    }

    /// Where the client is at home.
    #[must_use]
    pub const fn from(&self) -> &Region {
        &self.from.region
    }

    /// First step: nothing new is lent, here and abroad.
    ///
    /// # Errors
    /// [`RelocationError::OtherMove`] if another move was begun; [`RelocationError`] without an
    /// answer.
    pub async fn fence(&self) -> Result<(), RelocationError> {
        let to = &self.to.region;
        let fenced = self.from.ledger.fence(self.client, to, self.core.stamp()).await;
        fenced.map_err(|error| match error {
            LedgerError::Moving { to } => RelocationError::OtherMove { to },
            error => self.from.failed(error),
        })?;
        for place in &self.abroad {
            match place.stock.fence(self.client, to, self.core.stamp()).await {
                // A stock that has nothing of the client gets nothing either: its home is fenced.
                Ok(()) | Err(LedgerError::UnknownClient) => {}
                Err(error) => return Err(place.failed(error)),
            }
        }
        Ok(())
    }

    /// Second step, to be repeated until the balance is gone: takes back what nobody holds.
    ///
    /// # Errors
    /// [`RelocationError::GivenUp`] if the fence is not there any more; [`RelocationError`] without
    /// an answer.
    pub async fn drain(&self) -> Result<Drained, RelocationError> {
        for place in &self.abroad {
            let branch = Branch::new(
                Arc::clone(&self.from.ledger),
                Arc::clone(&place.stock),
                Arc::clone(&self.core.clock),
                Arc::clone(&self.core.mint),
                EscrowPolicy::remote(),
            );
            branch.give_back(self.client).await.map_err(|error| place.failed(error))?;
        }
        match self.from.ledger.depart(self.client, self.core.stamp()).await {
            Ok(Departure::Gone(gone)) => Ok(Drained::Gone(gone)),
            Ok(Departure::Waits(out)) => {
                Ok(Drained::Waits(out.leased.saturating_add(out.held).saturating_add(out.suspense)))
            }
            Err(LedgerError::NotMoving) => Err(RelocationError::GivenUp),
            Err(error) => Err(self.from.failed(error)),
        }
    }

    /// Third step: copies the records beside the balance that is gone, and its journal. Says how many
    /// records and entries.
    ///
    /// # Errors
    /// [`RelocationError::Journal`] if its last entry is not in the journal in half a minute;
    /// [`RelocationError`] without an answer.
    pub async fn carry(&self, gone: &Balance) -> Result<(u64, u64), RelocationError> {
        let records = moving::carry(&*self.from.ledger, &*self.to.ledger, self.client).await;
        let records = records.map_err(|error| self.from.failed(error))?;
        for _ in 0..LOOKS {
            let copied = self.from.journal.copy(&self.to.journal, self.client, gone.seq).await?;
            if let Some(entries) = copied {
                return Ok((records, entries));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(RelocationError::Journal { seq: gone.seq })
    }

    /// Fourth step: the balance that is gone opens in its new home.
    ///
    /// # Errors
    /// [`RelocationError`] without an answer, or if there is another balance of the client.
    pub async fn arrive(&self, gone: &Balance) -> Result<(), RelocationError> {
        let arrived = self.to.ledger.arrive(gone, self.core.stamp()).await;
        arrived.map_err(|error| self.to.failed(error))
    }

    /// Fifth step: the client's profile says where its home is. Says which epoch that made.
    ///
    /// # Errors
    /// [`RelocationError`] without an answer, or if others keep changing the client.
    pub async fn announce(&self) -> Result<u64, RelocationError> {
        let to = self.to.region.as_str();
        let now = self.core.clock.now();
        let home =
            |profile: &mut entitlements::Profile, _: &mut Vec<_>| to.clone_into(&mut profile.home);
        Ok(self.clients.change(self.client, now, home).await?.epoch)
    }

    /// Last step: the stocks of the other Regions lend again.
    ///
    /// # Errors
    /// [`RelocationError`] without an answer.
    pub async fn tidy(&self) -> Result<(), RelocationError> {
        Self::unfence(&self.core, self.client, self.abroad.iter().chain([&self.from])).await
    }

    /// The same for a client that is at home where it should be: a move to there may have stopped
    /// just before its last step.
    ///
    /// # Errors
    /// [`RelocationError`] without an answer.
    pub async fn tidy_all(core: &Core, client: ClientId) -> Result<(), RelocationError> {
        Self::unfence(core, client, places(core).values()).await
    }

    async fn unfence(
        core: &Core,
        client: ClientId,
        places: impl Iterator<Item = &Place>,
    ) -> Result<(), RelocationError> {
        for place in places {
            match place.stock.unfence(client, core.stamp()).await {
                Ok(()) | Err(LedgerError::UnknownClient) => {}
                Err(error) => return Err(place.failed(error)),
            }
        }
        Ok(())
    }

    /// Gives the move up: everything lends again. Nothing to do is no error.
    ///
    /// # Errors
    /// [`RelocationError::TooLate`] if the balance is gone; [`RelocationError`] without an answer.
    pub async fn abandon(&self) -> Result<(), RelocationError> {
        match self.from.ledger.unfence(self.client, self.core.stamp()).await {
            Ok(()) => self.tidy().await,
            Err(LedgerError::Moving { to }) => Err(RelocationError::TooLate { to }),
            Err(error) => Err(self.from.failed(error)),
        }
    }
}

fn places(core: &Core) -> BTreeMap<Region, Place> {
    let mut all = core.aws.others();
    all.push(core.aws.clone());
    all.iter().map(Place::new).map(|place| (place.region.clone(), place)).collect()
}
