//! The world: how large it is, what goes wrong in it, and who is in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::ValueEnum;
use ids::{ClientId, Mint};
use ledger::MemoryLedger;

use crate::auditor::Auditor;
use crate::baselines::{Book, Counter};
use crate::chance::{Dice, Purpose, START_MS, Time, Trace};
use crate::metrics::Metrics;
use crate::network::Network;
use crate::process::Fleet;
use crate::stock::Stock;
use crate::usage::UsageStore;

/// How many Regions there are.
pub const REGIONS: usize = 3;

/// One of the Regions.
pub type Region = usize;

/// The system under test.
///
/// To add one: say here what it is called, give it a [`Seller`](crate::process::Seller) and, where
/// processes are started, what that is made of. A system with stores of its own in each Region puts
/// them into the [`World`], reaches them as [`Distant`](crate::network::Distant) does the home's, and
/// loses them where [`trouble`](crate::workload::trouble) has a Region's store fail over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// The ledger as it is: leases, tallies that outlive a process, checkpoints, evidence.
    Ledger,
    /// A write to the home ledger for each call.
    WritePerCall,
    /// A lease per process and client, counted on the heap: no takeover, no evidence.
    HeapLease,
    /// A counter in each Region that is written back behind its callers' backs.
    RegionCounter,
    /// The ledger with a branch in each Region: its processes share one stock of leased credits.
    SharedHolder,
}

impl System {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Ledger,
        Self::SharedHolder,
        Self::WritePerCall,
        Self::HeapLease,
        Self::RegionCounter,
    ];

    /// The name in tables and plots.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::WritePerCall => "write per call",
            Self::HeapLease => "heap lease",
            Self::RegionCounter => "Region counter",
            Self::SharedHolder => "shared holder",
        }
    }

    /// Whether it must pass the audit. The others are there to be compared with.
    #[must_use]
    pub const fn must_hold(self) -> bool {
        matches!(self, Self::Ledger | Self::SharedHolder)
    }

    /// Whether credits are in the real ledger; in a plain book otherwise.
    #[must_use]
    pub const fn leases(self) -> bool {
        matches!(self, Self::Ledger | Self::HeapLease | Self::SharedHolder)
    }

    /// Whether a Region has a store in memory of its own.
    #[must_use]
    pub const fn has_nodes(self) -> bool {
        matches!(self, Self::RegionCounter | Self::SharedHolder)
    }
}

/// A bug that is planted, to see that the auditor finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// The store posts what a report says twice.
    DoublePosting,
    /// Holders do not see their leases end.
    StoppedClock,
    /// The reaper gives credits back without asking what is known of them.
    NoEvidence,
    /// Nobody takes over what a killed process has counted.
    NoTakeover,
    /// Usage is added up, as if events were not totals.
    UsageAdded,
    /// The reaper charges a silent lease in full.
    ChargeInFull,
    /// There is no reaper.
    NoReaper,
    /// The network holds copies of requests for longer than the policy allows.
    VeryLateCopies,
    /// No bug of the ledger's, but more than it promises to bear: Regions are cut off for longer than
    /// a lease and its time in suspense.
    LongCuts,
    /// An order for credits that is delivered twice is granted under two ids.
    DoubleGrant,
    /// A stock that fails over comes back as it was a few seconds ago, and nothing fences it.
    StockReplayed,
    /// A stock lends from escrows that have ended at home.
    LendsTooLong,
    /// What silent holders had goes back into the stock without asking what is known of it.
    StockWithoutEvidence,
    /// What is known of usage leaves out what was lent out of an escrow.
    EscrowsUnknown,
}

/// How large the world is and how much goes wrong.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// All that is random follows from it.
    pub seed: u64,
    /// Who sells.
    pub system: System,
    /// What is wrong with it.
    pub bug: Option<Bug>,
    /// How many processes there are, over all Regions.
    pub processes: usize,
    /// How many clients there are.
    pub clients: usize,
    /// How often they call, all together, per second.
    pub calls_per_s: f64,
    /// For how long they call. After it the world is left to come to rest.
    pub duration: Duration,
    /// How long a process lives until it is killed, on average, in seconds.
    pub killed_after_s: f64,
    /// How long a machine lives until it is lost, on average, in seconds.
    pub lost_after_s: f64,
    /// How long a process lives until it is stopped in order, on average, in seconds.
    pub retired_after_s: f64,
    /// How often a Region is cut off from the others, on average, in seconds.
    pub cut_every_s: f64,
    /// How often a Region's own store fails over, on average, in seconds.
    pub failover_every_s: f64,
    /// What part of a client's calls does not come in at home.
    pub abroad: f64,
    /// Over how many processes of a Region a client's calls are spread at most.
    pub spread: usize,
    /// How often each client buys more, on average, in seconds.
    pub top_up_every_s: f64,
    /// How much of what they will need clients have from the beginning: from, to.
    pub funded: (f64, f64),
}

impl Scenario {
    /// Small enough for a test.
    #[must_use]
    pub const fn small(seed: u64, system: System) -> Self {
        Self {
            seed,
            system,
            bug: None,
            processes: 60,
            clients: 200,
            calls_per_s: 1_500.0,
            duration: Duration::from_secs(150),
            killed_after_s: 90.0,
            lost_after_s: 300.0,
            retired_after_s: 200.0,
            cut_every_s: 60.0,
            failover_every_s: 40.0,
            abroad: 0.15,
            spread: 48,
            top_up_every_s: 200.0,
            funded: (0.2, 1.6),
        }
    }

    /// What is run when nothing else is said.
    #[must_use]
    pub const fn usual(seed: u64, system: System) -> Self {
        Self {
            processes: 600,
            clients: 2_000,
            calls_per_s: 10_000.0,
            duration: Duration::from_secs(300),
            killed_after_s: 300.0,
            lost_after_s: 1_500.0,
            retired_after_s: 600.0,
            failover_every_s: 60.0,
            ..Self::small(seed, system)
        }
    }

    /// As large as it gets: three of these are more than 100,000,000 calls.
    #[must_use]
    pub const fn large(seed: u64, system: System) -> Self {
        Self {
            processes: 3_000,
            clients: 10_000,
            calls_per_s: 100_000.0,
            duration: Duration::from_secs(350),
            killed_after_s: 600.0,
            lost_after_s: 3_000.0,
            ..Self::usual(seed, system)
        }
    }

    /// What the shared holder is for: many clients, most of whom call rarely, on a quiet day. Each
    /// calls in one Region, its home.
    #[must_use]
    pub const fn many(seed: u64, system: System) -> Self {
        Self {
            processes: 1_000,
            clients: 10_000,
            duration: Duration::from_secs(600),
            killed_after_s: 3_600.0,
            lost_after_s: 36_000.0,
            retired_after_s: 3_600.0,
            cut_every_s: 600.0,
            failover_every_s: 3_600.0,
            abroad: 0.0,
            top_up_every_s: 86_400.0,
            funded: (2.0, 4.0),
            ..Self::usual(seed, system)
        }
    }

    /// The same, where some of each client's calls come in far from home.
    #[must_use]
    pub const fn abroad(seed: u64, system: System) -> Self {
        Self { abroad: 0.15, ..Self::many(seed, system) }
    }

    /// One client that calls as often as it can.
    #[must_use]
    pub const fn hot(seed: u64, system: System) -> Self {
        Self {
            processes: 500,
            clients: 1,
            calls_per_s: 100_000.0,
            duration: Duration::from_secs(60),
            spread: 500,
            ..Self::abroad(seed, system)
        }
    }
}

/// A customer.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where its balance is kept.
    pub home: Region,
    /// How often it calls, per second.
    pub rate: f64,
}

/// Everything that the tasks of a run share.
pub struct World {
    /// What is simulated.
    pub scenario: Scenario,
    /// What time it is.
    pub time: Time,
    /// What happened.
    pub trace: Trace,
    /// Makes all ids.
    pub mint: Arc<Mint>,
    /// Draws for processes: clocks, delays, and who gives up when.
    pub dice: Dice,
    /// Draws for the Regions' stocks.
    pub stock_dice: Dice,
    /// The customers, the busiest first.
    pub clients: Vec<Client>,
    index: HashMap<ClientId, usize>,
    /// What carries messages.
    pub network: Network,
    /// The ledger of each Region.
    pub ledgers: [Arc<MemoryLedger>; REGIONS],
    /// What the processes of each Region share.
    pub stocks: [Stock; REGIONS],
    /// The books of each Region, where a system has no ledger.
    pub books: [Book; REGIONS],
    /// The counter of each Region.
    pub counters: [Counter; REGIONS],
    /// Where usage is counted.
    pub usage: UsageStore,
    /// Who checks it all.
    pub auditor: Mutex<Auditor>,
    /// What is measured.
    pub metrics: Mutex<Metrics>,
    /// The machines.
    pub fleet: Fleet,
}

impl World {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(scenario: Scenario) -> Arc<Self> {
        let seed = scenario.seed;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mint = Arc::new(Mint::seeded(key));
        let time = Time::start();
        // Zipf's law: the second client calls half as often as the first, the third a third.
        let weights: f64 = (1..=scenario.clients).map(|rank| 1.0 / rank as f64).sum();
        let clients: Vec<_> = (0..scenario.clients)
            .map(|at| Client {
                id: mint.mint(START_MS),
                home: at % REGIONS,
                rate: scenario.calls_per_s / weights / (at + 1) as f64,
            })
            .collect();
        let index = clients.iter().enumerate().map(|(at, client)| (client.id, at)).collect();
        Arc::new(Self {
            time,
            trace: Trace::default(),
            mint,
            dice: Dice::of(seed, Purpose::Processes),
            stock_dice: Dice::of(!seed, Purpose::Stocks),
            index,
            network: Network::new(Dice::of(seed, Purpose::Network), time, scenario.bug),
            ledgers: std::array::from_fn(|_| Arc::new(MemoryLedger::new())),
            stocks: std::array::from_fn(|_| Stock::default()),
            books: std::array::from_fn(|_| Book::default()),
            counters: std::array::from_fn(|_| Counter::default()),
            usage: UsageStore::new(scenario.bug),
            auditor: Mutex::new(Auditor::new(
                scenario.clients,
                scenario.processes,
                scenario.system.leases(),
            )),
            metrics: Mutex::new(Metrics::default()),
            fleet: Fleet::new(scenario.processes),
            clients,
            scenario,
        })
    }

    /// The number of a client.
    #[must_use]
    pub fn number(&self, client: ClientId) -> usize {
        // All ids of clients that are in the world are made above.
        self.index[&client]
    }

    /// Where a client's balance is.
    #[must_use]
    pub fn home(&self, client: ClientId) -> Region {
        self.clients[self.number(client)].home
    }

    /// Whether a bug was planted.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.scenario.bug == Some(bug)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("scenario", &self.scenario).finish_non_exhaustive()
    }
}
