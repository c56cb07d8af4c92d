//! What the processes of a Region share: a store in memory, and how they see it.
//!
//! It is near and loses nothing of what is sent to it, but for the times at which it is slow or not
//! reached, and for a failover. That empties it: the primary that is promoted remembers something,
//! but the fence does not let it count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ids::{ClientId, Id as _, JobId, LeaseId};
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, Evidence, GrantChange, Hold, LeaseChange,
    MemoryLedger, StoreFault,
};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auditor::Machine;
use crate::chance::{Dice, Event, Purpose, lock};
use crate::network::now;
use crate::process::{self, while_alive};
use crate::usage::{Asked, Recent};
use crate::world::{Bug, REGIONS, Region, World};

/// When a process gives up on an answer. As in production.
const DEADLINE: Duration = Duration::from_millis(250);

/// How long a request takes there and back, in milliseconds.
const ROUND_TRIP_MS: (f64, f64) = (0.2, 1.0);

/// How long it takes while the stock is slow.
const SLOW_MS: (f64, f64) = (5.0, 400.0);

/// How often a Region's stock becomes slow or is not reached, and for how long.
const IMPAIRED_EVERY_S: f64 = 60.0;
const IMPAIRED_MS: (f64, f64) = (200.0, 12_000.0);

/// How long nobody reaches a stock that fails over.
const PROMOTION_MS: (f64, f64) = (100.0, 15_000.0);

/// How often somebody looks after escrows.
const TENDED: Duration = Duration::from_secs(10);

/// How many clients are found in one go, and dealt with at a time. As in production.
const TENDED_AT_ONCE: usize = 10_000;
const TENDED_TOGETHER: usize = 128;

/// How often a planted bug copies a stock, and by how much another one lends too long.
const COPIED: Duration = Duration::from_secs(5);
const TOO_LONG_MS: i64 = 120_000;

/// How a stock answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    Slow,
    Unreached,
}

/// The stock of one Region.
#[derive(Debug, Default)]
pub struct Stock {
    kept: Mutex<Arc<MemoryLedger>>,
    /// How it answers, and until when.
    health: Mutex<(Health, Duration)>,
    calm: AtomicBool,
    /// Escrows that were asked for.
    asked: Mutex<Recent<LeaseId, bool>>,
    /// What a planted bug brings back.
    copy: Mutex<Vec<Balance>>,
}

impl Stock {
    /// What it has of a client.
    #[must_use]
    pub fn balance(&self, client: ClientId) -> Option<Balance> {
        self.kept().audit(client).map(|(balance, _)| balance)
    }

    /// Whether this is the id of an escrow that the Region has asked for.
    #[must_use]
    pub fn asks(&self, lease: LeaseId) -> bool {
        lock(&self.asked).get(lease).is_some()
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    fn kept(&self) -> Arc<MemoryLedger> {
        Arc::clone(&lock(&self.kept))
    }

    fn health(&self, at: Duration) -> Health {
        let (health, until) = *lock(&self.health);
        if at < until && !self.calm.load(Ordering::Relaxed) { health } else { Health::Well }
    }

    fn impair(&self, health: Health, until: Duration) {
        *lock(&self.health) = (health, until);
    }
}

/// A Region's stock fails over.
pub fn fail_over(world: &World, region: Region) {
    let stock = &world.stocks[region];
    let at = world.time.elapsed();
    let before = std::mem::take(&mut *lock(&stock.kept));
    for client in &world.clients {
        if let Some((balance, _)) = before.audit(client.id) {
            let escrows: Vec<_> =
                balance.grants.keys().map(|id| LeaseId::from_ulid(id.ulid())).collect();
            lock(&world.auditor).escrows_lost(client.id, &escrows, at);
        }
    }
    if world.has(Bug::StockReplayed) {
        let kept = stock.kept();
        for balance in lock(&stock.copy).iter() {
            let _ = now(kept.create(balance.clone()));
        }
    }
    let (low, high) = PROMOTION_MS;
    stock.impair(Health::Unreached, at + world.stock_dice.millis(low, high));
}

/// Starts what happens to stocks, and who looks after the escrows in them.
pub fn look_after(world: &Arc<World>) {
    for region in 0..REGIONS {
        tokio::spawn(impair(Arc::clone(world), region));
        tokio::spawn(tend(Arc::clone(world), region));
        if world.has(Bug::StockReplayed) {
            tokio::spawn(copy(Arc::clone(world), region));
        }
    }
}

async fn impair(world: Arc<World>, region: Region) {
    let dice = Dice::of(world.scenario.seed.wrapping_add(region as u64), Purpose::Stocks);
    // As much goes wrong with a stock as with the rest of the world.
    let every_s = world.scenario.failover_every_s.max(IMPAIRED_EVERY_S);
    loop {
        sleep(dice.gap(every_s)).await;
        let health = if dice.chance(0.5) { Health::Slow } else { Health::Unreached };
        let at = world.time.elapsed();
        world.stocks[region].impair(health, at + dice.millis(IMPAIRED_MS.0, IMPAIRED_MS.1));
        world.trace.note(at, Event::Impaired, region, u64::from(health == Health::Slow));
    }
}

/// A planted bug: remembers what a stock had.
async fn copy(world: Arc<World>, region: Region) {
    loop {
        sleep(COPIED).await;
        let stock = &world.stocks[region];
        *lock(&stock.copy) =
            world.clients.iter().filter_map(|client| stock.balance(client.id)).collect();
    }
}

/// A planted bug: nothing is known.
struct Nothing;

impl Evidence for Nothing {
    async fn spent_from(
        &self,
        _: ClientId,
        _: LeaseId,
        _: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        Ok(None)
    }
}

/// Looks after a Region's escrows, as `credit-reap` does.
async fn tend(world: Arc<World>, region: Region) {
    let clock = process::some_clock(&world, None);
    let branch = &process::branch(&world, region, None, &CancellationToken::new(), clock);
    let world = &*world;
    loop {
        sleep(TENDED).await;
        // What is not known or cannot be done now is still due the next time.
        let due = branch.due(TENDED_AT_ONCE).await.unwrap_or_default();
        stream::iter(due)
            .for_each_concurrent(TENDED_TOGETHER, |client| async move {
                let reaped = if world.has(Bug::StockWithoutEvidence) {
                    branch.tend(client, &Nothing).await
                } else {
                    branch.tend(client, &Asked { world, from: region }).await
                };
                let returned = reaped.map_or(0, |reaped| reaped.returned);
                let number = world.number(client);
                world.trace.note(world.time.elapsed(), Event::Tended, number, returned);
            })
            .await;
    }
}

/// The stock of a Region as somebody there sees it.
pub struct NearStock {
    world: Arc<World>,
    region: Region,
    machine: Option<Machine>,
    life: CancellationToken,
}

impl NearStock {
    /// The stock of `region` as seen by somebody who asks until `life` is over.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        region: Region,
        machine: Option<Machine>,
        life: CancellationToken,
    ) -> Self {
        Self { world: Arc::clone(world), region, machine, life }
    }

    /// Has `work` done there. What was sent is done, whatever becomes of who sent it.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&World, &MemoryLedger) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (world, region) = (&self.world, self.region);
        if self.life.is_cancelled() {
            return Err(gone());
        }
        let stock = &world.stocks[region];
        lock(&world.metrics).stock += 1;
        let dice = &world.stock_dice;
        let answer = match stock.health(world.time.elapsed()) {
            Health::Unreached => {
                let waiting = while_alive(&self.life, sleep(DEADLINE)).await;
                return Err(waiting.map_or_else(gone, |()| silent()));
            }
            Health::Well => {
                let back = dice.millis(ROUND_TRIP_MS.0, ROUND_TRIP_MS.1);
                let answer = work(world, &stock.kept());
                return match while_alive(&self.life, sleep(back)).await {
                    Some(()) => answer,
                    None => Err(gone()),
                };
            }
            Health::Slow => {
                let (there, back) =
                    (dice.millis(SLOW_MS.0, SLOW_MS.1) / 2, dice.millis(SLOW_MS.0, SLOW_MS.1) / 2);
                let (answer, answered) = oneshot::channel();
                let world = Arc::clone(world);
                tokio::spawn(async move {
                    sleep(there).await;
                    let done = work(&world, &world.stocks[region].kept());
                    sleep(back).await;
                    // Who asked may have given up.
                    let _ = answer.send(done);
                });
                while_alive(&self.life, timeout(DEADLINE, answered)).await
            }
        };
        match answer {
            Some(Ok(Ok(answer))) => answer,
            Some(_) => Err(silent()),
            None => Err(gone()),
        }
    }
}

fn silent() -> StoreFault {
    StoreFault::TimedOut("the stock does not answer".to_owned())
}

fn gone() -> StoreFault {
    StoreFault::Failed("the process is gone".to_owned())
}

impl std::fmt::Debug for NearStock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NearStock").field("region", &self.region).finish_non_exhaustive()
    }
}

impl BalanceStore for NearStock {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.ask(move |world, stock| {
            // Counted from the time, so that nothing that was planned on a balance that is gone fits.
            let micros = u64::try_from(world.time.elapsed().as_micros()).unwrap_or(u64::MAX);
            now(stock.create(Balance { seq: micros, ..balance }))
        })
        .await
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        self.ask(move |_, stock| now(stock.load(client))).await
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        self.ask(move |_, stock| now(stock.load_hold(client, job))).await
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let (client, machine, region) = (balance.client, self.machine, self.region);
        let mut change = change.clone();
        if self.world.has(Bug::LendsTooLong) {
            for (_, change) in &mut change.grants {
                if let GrantChange::Set(grant) = change
                    && grant.left > 0
                {
                    grant.expires_at_ms += TOO_LONG_MS;
                }
            }
        }
        self.ask(move |world, stock| {
            let commit = now(stock.commit(&Balance::empty(client), &change, companion))?;
            let (at, done) = (world.time.elapsed(), commit == Commit::Done);
            world.trace.note(at, Event::Stocked, world.number(client), u64::from(done));
            if done {
                noted(world, region, client, &change, machine);
            }
            Ok(commit)
        })
        .await
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        self.ask(move |_, stock| now(stock.overdue(now_ms, limit))).await
    }
}

/// Tells the auditor what a change to a stock means.
///
/// A report to a stock is not safe: should the stock be lost, only usage tells what was spent.
fn noted(
    world: &World,
    region: Region,
    client: ClientId,
    change: &Change,
    machine: Option<Machine>,
) {
    let at = world.time.elapsed();
    if let Some(asking) = change.supply.as_ref().and_then(|supply| supply.asking) {
        lock(&world.stocks[region].asked).put(asking.lease, true, at);
    }
    if let Some(machine) = machine {
        for (id, lease) in &change.leases {
            if let LeaseChange::Open(_) = lease {
                lock(&world.auditor).opened(machine.place, client, *id, at);
            }
        }
    }
}
