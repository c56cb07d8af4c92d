//! Who calls, how often and where; who buys credits; and what goes wrong meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use ids::{GrantId, Id as _};
use ledger::{GrantRequest, GrantSource, Ledger as _, LedgerError, Operation, Stamp};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::chance::{Dice, Event, Purpose, lock, whole_ms};
use crate::network::Distant;
use crate::process::{self, End, Process, Refusal, region_of, while_alive};
use crate::stock;
use crate::world::{Bug, REGIONS, System, World};

/// Calls are drawn this often.
const TICK: Duration = Duration::from_millis(10);

/// A load balancer gives a client one more process in a Region for so many calls per second.
const CALLS_PER_PROCESS: f64 = 20.0;

/// How often a caller does not wait for an answer that takes a while.
const IMPATIENT: f64 = 0.05;

/// How often a call's work takes a while, and how often that fails.
const WORK: f64 = 0.005;
const WORK_FAILS: f64 = 0.2;

/// What a call costs, and of how many calls one costs more.
const PRICES: [(Operation, u64, f64); 3] = [
    (Operation::NormalMeme, 1, 0.9),
    (Operation::CaptionedMeme, 2, 0.07),
    (Operation::AiMeme, 4, 0.03),
];

/// How often a top-up ends soon.
const SHORT: f64 = 0.25;

/// How long a Region is cut off at most, and how long all are connected until the next one is. Together
/// less than a lease and its time in suspense: what a Region that is cut off for longer has not
/// reported is given away, as it is with a machine that is lost, and that is known.
const CUT_MOST_MS: f64 = 40_000.0;
const BETWEEN_CUTS: Duration = Duration::from_secs(20);

const DAY_MS: i64 = 86_400_000;

/// One client's calls of a tick at one process.
struct Batch {
    world: Arc<World>,
    process: Arc<Process>,
    client: usize,
    calls: u32,
    operation: Operation,
    credits: u64,
    /// How long its work takes and whether it fails, if it takes any.
    work: Option<(Duration, bool)>,
    arrived: Duration,
    answered: u32,
}

impl Batch {
    async fn serve(mut self) {
        let id = self.world.clients[self.client].id;
        let process = Arc::clone(&self.process);
        while self.answered < self.calls {
            let outcome = match self.work {
                None => {
                    let sold = process.seller.spend(id, self.operation, self.credits).await;
                    sold.map(|()| true)
                }
                Some((work, fails)) => {
                    process.seller.work(id, self.operation, self.credits, work, fails).await
                }
            };
            self.answer(outcome);
        }
    }

    fn answer(&mut self, outcome: Result<bool, Refusal>) {
        self.answered += 1;
        let world = &*self.world;
        let now = world.time.elapsed();
        let what = outcome.map_or(0, |served| u64::from(served) * self.credits);
        world.trace.note(now, Event::Answered, self.client, what);
        let mut metrics = lock(&world.metrics);
        match outcome {
            Ok(true) => {
                metrics.served += 1;
                if self.work.is_none() {
                    metrics.waits.add(now - self.arrived);
                }
            }
            // Nothing was sold, and the caller was told so.
            Ok(false) => metrics.unfinished += 1,
            Err(Refusal::Exhausted) => metrics.exhausted += 1,
            Err(Refusal::Unanswered) => metrics.unanswered += 1,
        }
        drop(metrics);
        if what > 0 {
            lock(&world.auditor).served(self.client, self.process.place, what, now);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let unfinished = u64::from(self.calls - self.answered);
        lock(&self.world.metrics).unfinished += unfinished;
    }
}

/// Makes calls for as long as the scenario says.
pub async fn call(world: &Arc<World>) {
    let dice = Dice::of(world.scenario.seed, Purpose::Calls);
    let mut sum = 0.0;
    let sums: Vec<f64> = world
        .clients
        .iter()
        .map(|client| {
            sum += client.rate;
            sum
        })
        .collect();
    let mut due = 0.0;
    let mut arrivals = Vec::new();
    let mut next = tokio::time::Instant::now();
    while world.time.elapsed() < world.scenario.duration {
        due += world.scenario.calls_per_s * TICK.as_secs_f64() * dice.between(0.5, 1.5);
        arrivals.clear();
        while due >= 1.0 {
            due -= 1.0;
            let drawn = dice.unit() * sum;
            let client = sums.partition_point(|upto| *upto < drawn);
            let client = client.min(world.clients.len() - 1);
            arrivals.push((route(world, &dice, client), client));
        }
        arrivals.sort_unstable();
        for calls in arrivals.chunk_by(|one, other| one == other) {
            let (place, client) = calls[0];
            offer(world, &dice, place, client, calls.len());
        }
        next += TICK;
        tokio::time::sleep_until(next).await;
    }
}

/// The machine that a load balancer sends a call to.
fn route(world: &World, dice: &Dice, client: usize) -> usize {
    let it = &world.clients[client];
    let part = world.scenario.abroad;
    let abroad = dice.chance(part);
    let region = if abroad { (it.home + 1 + dice.below(REGIONS - 1)) % REGIONS } else { it.home };
    let here = world.scenario.processes / REGIONS;
    let rate = it.rate * if abroad { part / 2.0 } else { 1.0 - part };
    let width = (1 + (rate / CALLS_PER_PROCESS) as usize).min(here).min(world.scenario.spread);
    // Clients' machines overlap, but not all in the same way.
    let first = client.wrapping_mul(7_919) % here;
    region + REGIONS * ((first + dice.below(width)) % here)
}

/// Brings a client's calls to a machine, or to the next one if nothing runs there.
fn offer(world: &Arc<World>, dice: &Dice, place: usize, client: usize, calls: usize) {
    let places = world.scenario.processes / REGIONS * REGIONS;
    lock(&world.metrics).calls += calls as u64;
    let process = (0..4).find_map(|next| world.fleet.process((place + next * REGIONS) % places));
    let Some(process) = process else {
        lock(&world.metrics).unanswered += calls as u64;
        return;
    };
    let mut kind = dice.unit();
    let (operation, credits, _) = *PRICES
        .iter()
        .find(|(_, _, part)| {
            kind -= part;
            kind < 0.0
        })
        .unwrap_or(&PRICES[0]);
    let work = dice.chance(WORK).then(|| (dice.millis(20.0, 3_000.0), dice.chance(WORK_FAILS)));
    let impatient = dice.chance(IMPATIENT).then(|| dice.millis(5.0, 1_500.0));
    let life = process.life.clone();
    let batch = Batch {
        world: Arc::clone(world),
        process,
        client,
        // A tick has far fewer.
        calls: u32::try_from(calls).unwrap_or(u32::MAX),
        operation,
        credits,
        work,
        arrived: world.time.elapsed(),
        answered: 0,
    };
    let mut serving: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(batch.serve());
    // Most are served at once, without a task. A task polls again at once, so that no wake is lost.
    if serving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        tokio::spawn(async move {
            let serving = while_alive(&life, serving);
            match impatient {
                Some(patience) => drop(timeout(patience, serving).await),
                None => drop(serving.await),
            }
        });
    }
}

/// Gives every client something to begin with, and starts who buys more.
pub async fn fund(world: &Arc<World>) {
    let dice = Arc::new(Dice::of(world.scenario.seed, Purpose::Grants));
    for (number, client) in world.clients.iter().enumerate() {
        if world.scenario.system.leases() {
            // The memory ledger itself does not fail.
            let _ = world.ledgers[client.home].open(client.id).await;
        }
        let need = client.rate * world.scenario.duration.as_secs_f64();
        let credits = (need * dice.between(world.scenario.funded.0, world.scenario.funded.1))
            as u64
            + dice.below(40) as u64;
        tokio::spawn(grant(Arc::clone(world), number, credits.max(1), DAY_MS));
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let per_s = world.clients.len() as f64 / world.scenario.top_up_every_s;
        loop {
            sleep(dice.gap(1.0 / per_s)).await;
            if world.time.elapsed() >= world.scenario.duration {
                return;
            }
            let number = dice.below(world.clients.len());
            let rate = world.clients[number].rate;
            let credits = (rate * dice.between(5.0, 90.0)) as u64 + 5;
            let short = dice.chance(SHORT);
            let lives_ms = if short { whole_ms(dice.millis(15e3, 60e3)) } else { DAY_MS };
            tokio::spawn(grant(Arc::clone(&world), number, credits, lives_ms));
        }
    });
}

/// Grants credits, however often it takes.
async fn grant(world: Arc<World>, number: usize, credits: u64, lives_ms: i64) {
    let client = world.clients[number];
    let now_ms = world.time.now_ms();
    let (mut id, expires_at_ms) = (world.mint.mint::<GrantId>(now_ms), now_ms + lives_ms);
    lock(&world.auditor).granted(number, credits);
    let what = u64::try_from(id.ulid().0 >> 64).unwrap_or(0);
    world.trace.note(world.time.elapsed(), Event::Granted, number, what);
    if !world.scenario.system.leases() {
        world.books[client.home].grant(client.id, credits, expires_at_ms);
        return;
    }
    let store = Distant::new(&world, client.home, None, CancellationToken::new());
    loop {
        let request = GrantRequest { id, credits, expires_at_ms, source: GrantSource::TopUp };
        let now_ms = world.time.now_ms();
        let stamp = Stamp { entry: world.mint.mint(now_ms), at_ms: now_ms };
        match store.grant(client.id, request, stamp).await {
            // A planted bug: the order for it is delivered twice, and each delivery is a grant.
            Ok(()) if world.has(Bug::DoubleGrant) && world.dice.chance(0.1) => {
                id = world.mint.mint(now_ms);
            }
            Ok(()) => return,
            Err(LedgerError::InvalidAmount) => {
                // It had ended before it could be made.
                lock(&world.auditor).withdrawn(number, credits);
                return;
            }
            Err(_) => {}
        }
        sleep(world.dice.millis(50.0, 500.0)).await;
    }
}

/// Ends processes, loses machines, sets clocks, cuts Regions off, for as long as calls are made.
pub async fn trouble(world: Arc<World>) {
    let dice = Dice::of(world.scenario.seed, Purpose::Trouble);
    let it = &world.scenario;
    let processes = it.processes as f64;
    // How often what happens, per second.
    let rates = [
        processes / it.killed_after_s,
        processes / it.lost_after_s,
        processes / it.retired_after_s,
        processes / 200.0,
        1.0 / it.cut_every_s,
        1.0 / it.failover_every_s,
    ];
    let all: f64 = rates.iter().sum();
    let mut next_cut = Duration::ZERO;
    loop {
        sleep(dice.gap(1.0 / all)).await;
        if world.time.elapsed() >= it.duration {
            return;
        }
        let mut drawn = dice.unit() * all;
        let kind = rates.iter().position(|rate| {
            drawn -= rate;
            drawn < 0.0
        });
        let place = dice.below(it.processes);
        let cut = dice.millis(3_000.0, CUT_MOST_MS);
        let cut = if world.has(Bug::LongCuts) { cut + 2 * BETWEEN_CUTS } else { cut };
        match kind {
            Some(0) => process::end(&world, place, End::Killed),
            Some(1) => process::end(&world, place, End::Lost),
            Some(2) => process::retire(&world, place),
            Some(3) => {
                if let Some(process) = world.fleet.process(place) {
                    process::set_clock(&world, &process);
                }
            }
            Some(4) if world.time.elapsed() >= next_cut => {
                let region = region_of(place);
                world.network.cut(region, cut);
                world.trace.note(world.time.elapsed(), Event::Cut, region, 0);
                next_cut = world.time.elapsed() + cut + BETWEEN_CUTS;
            }
            Some(4) => {}
            _ => {
                let region = region_of(place);
                world.trace.note(world.time.elapsed(), Event::FailedOver, region, 0);
                match it.system {
                    System::RegionCounter => world.counters[region].fail_over(),
                    System::SharedHolder => stock::fail_over(&world, region),
                    _ => {}
                }
            }
        }
    }
}
