//! A simulation of the credit ledger under virtual time.
//!
//! The real holders, plans and reaper of `shared/ledger` run in a world of three Regions whose
//! network loses, doubles and delays messages, whose clocks are wrong, whose processes are killed at
//! whatever they wait for and whose machines are lost. Everything follows from one seed, and an
//! [`auditor`] that shares no code with the ledger says what was oversold, lost or charged twice.
//! Three other designs go through the same world, to be compared with.
//!
//! One thread runs it all. Tokio's clock stands still until every task waits, and then jumps to the
//! next moment at which one does not.

pub mod auditor;
pub mod baselines;
pub mod chance;
pub mod metrics;
pub mod network;
pub mod process;
pub mod report;
pub mod stock;
pub mod usage;
pub mod workload;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ids::{ClientId, LeaseId};
use ledger::{LeaseState, Ledger as _, Stamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::auditor::{Closing, Verdict};
use crate::chance::{Event, lock};
use crate::metrics::Metrics;
use crate::network::Distant;
use crate::usage::Asked;
use crate::world::{Bug, REGIONS, Region, Scenario, System, World};

/// How many clients a reaper finds in one go, and deals with at a time. As in production.
const REAPED_AT_ONCE: usize = 10_000;
const REAPED_TOGETHER: usize = 128;

/// How long the world is left alone in the end: idle leases are given back, silent ones end, wait in
/// suspense and go back. Longer than all of that may take, as much of it falls due at once.
const REST: Duration = Duration::from_secs(150);

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was simulated.
    pub scenario: Scenario,
    /// What was measured.
    pub metrics: Metrics,
    /// What the auditor found.
    pub verdict: Verdict,
    /// The hash of all that happened.
    pub hash: u64,
    /// How many things happened.
    pub events: u64,
}

impl Outcome {
    /// Whether no promise was broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdict.broken.is_empty()
    }
}

/// Runs a scenario from beginning to end.
///
/// # Errors
/// If no runtime can be made.
pub fn run(scenario: &Scenario) -> std::io::Result<Outcome> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(live(scenario.clone())))
}

async fn live(scenario: Scenario) -> Outcome {
    // To the first moment that the timers know.
    sleep(Duration::from_millis(1)).await;
    let world = World::new(scenario);
    for place in 0..world.scenario.processes {
        process::start(&world, place);
    }
    workload::fund(&world).await;
    if world.scenario.system.leases() {
        for region in 0..REGIONS {
            if !world.has(Bug::NoReaper) {
                tokio::spawn(reaper(Arc::clone(&world), region));
            }
        }
        tokio::spawn(watch_orphans(Arc::clone(&world)));
        if world.scenario.system == System::SharedHolder {
            stock::look_after(&world);
        }
    } else {
        baselines::tend_counters(&world);
    }
    tokio::spawn(workload::trouble(Arc::clone(&world)));
    workload::call(&world).await;

    world.network.calm();
    world.stocks.iter().for_each(stock::Stock::calm);
    // Half of the processes are stopped, the others find their leases idle.
    for place in (0..world.scenario.processes).step_by(2) {
        process::retire(&world, place);
    }
    sleep(REST).await;
    for number in 0..world.clients.len() {
        let closing = closing(&world, number);
        lock(&world.auditor).close(number, &closing);
    }
    let (hash, events) = world.trace.digest();
    let metrics = lock(&world.metrics).clone();
    let verdict = lock(&world.auditor).verdict();
    Outcome { scenario: world.scenario.clone(), metrics, verdict, hash, events }
}

/// Deals with what is overdue in a Region, as `credit-reap` does.
async fn reaper(world: Arc<World>, region: Region) {
    let store = Distant::new(&world, region, None, CancellationToken::new());
    let clock = process::some_clock(&world, None);
    loop {
        sleep(Duration::from_secs(1)).await;
        let now_ms = clock::Clock::now_ms(&*clock);
        // Nothing is not told apart from a failure: both mean to try again.
        let due = store.due(now_ms, REAPED_AT_ONCE).await.unwrap_or_default();
        let reap = |client| reap(&world, &store, region, client, now_ms);
        stream::iter(due).for_each_concurrent(REAPED_TOGETHER, reap).await;
    }
}

async fn reap(world: &World, store: &Distant, region: Region, client: ClientId, now_ms: i64) {
    let stamp = Stamp { entry: world.mint.mint(now_ms), at_ms: now_ms };
    if world.has(Bug::ChargeInFull) {
        charge_in_full(world, region, client, stamp).await;
    }
    let reaped = if world.scenario.system == System::HeapLease || world.has(Bug::NoEvidence) {
        store.reap(client, stamp).await
    } else {
        ledger::reap(store, &Asked { world, from: region }, client, stamp).await
    };
    let returned = reaped.map_or(0, |reaped| reaped.returned);
    world.trace.note(world.time.elapsed(), Event::Reaped, world.number(client), returned);
}

/// A planted bug: a reaper that takes the whole of a silent lease for spent.
async fn charge_in_full(world: &World, region: Region, client: ClientId, stamp: Stamp) {
    let ledger = &world.ledgers[region];
    let Some((balance, _)) = ledger.audit(client) else { return };
    let lapsed = balance.leases.iter().filter(|(_, lease)| lease.state == LeaseState::Lapsed);
    let settlements = lapsed
        .map(|(id, lease)| ledger::Settlement {
            lease: *id,
            escrow: None,
            used: lease.amount,
            close: true,
        })
        .collect();
    let _ = ledger::Lender::settle(&**ledger, client, settlements, stamp).await;
}

/// Tells the auditor every second what has become of the leases of processes that are gone.
async fn watch_orphans(world: Arc<World>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        let clients = lock(&world.auditor).orphaned();
        let at = world.time.elapsed();
        let mut sum = 0;
        for client in clients {
            let Some((balance, _)) = world.ledgers[world.home(client)].audit(client) else {
                continue;
            };
            let stocks: Vec<_> =
                world.stocks.iter().filter_map(|stock| stock.balance(client)).collect();
            let out = |id: LeaseId| {
                let lease = balance.leases.get(&id);
                // A lease out of a stock that is gone is out with its escrow.
                let lease =
                    lease.or_else(|| stocks.iter().find_map(|stock| stock.leases.get(&id)))?;
                (lease.state != LeaseState::Settled).then(|| lease.unreported())
            };
            sum += lock(&world.auditor).look(client, at, out);
        }
        lock(&world.auditor).stranded(sum);
    }
}

fn closing(world: &World, number: usize) -> Closing {
    let client = world.clients[number];
    if !world.scenario.system.leases() {
        return world.books[client.home].closing(client.id, world.time.now_ms());
    }
    let Some((balance, holds)) = world.ledgers[client.home].audit(client.id) else {
        return Closing::nothing("the client has no balance");
    };
    let mut violations = ledger::invariants::violations(&balance, Some(&holds));
    let accounts = balance.accounts;
    let mut in_stocks = 0;
    for stock in world.stocks.iter().filter_map(|stock| stock.balance(client.id)) {
        violations.extend(ledger::invariants::violations(&stock, None));
        let accounts = stock.accounts;
        in_stocks += accounts.available + accounts.leased + accounts.suspense;
    }
    Closing {
        granted: balance.granted,
        available: accounts.available,
        debited: accounts.spent,
        expired: accounts.expired,
        outstanding: accounts.leased + accounts.held + accounts.suspense + in_stocks,
        usage: world.scenario.system.must_hold().then(|| world.usage.total(client.id)),
        violations: violations.iter().map(ToString::to_string).collect(),
    }
}
