//! The network, and the ledger's store on the far side of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use ids::{ClientId, JobId};
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, EntryKind, Hold, Known, LeaseChange,
    StoreFault,
};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auditor::Machine;
use crate::chance::{Dice, Event, Time, lock, rounded};
use crate::process::while_alive;
use crate::world::{Bug, REGIONS, Region, World};

/// When a sender gives up on an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How late a request may be carried out: what `ledger::policy::REQUEST_LATE_MS` allows for beside
/// the difference between clocks.
const LATE_MS: f64 = 10_990.0;

/// How long a message takes between two Regions, one way, in milliseconds. As between Virginia,
/// Ireland and Tokyo.
const DISTANCE_MS: [[f64; REGIONS]; REGIONS] =
    [[0.5, 36.0, 78.0], [36.0, 0.5, 104.0], [78.0, 104.0, 0.5]];

/// How long a store takes to carry a request out, in milliseconds.
const SERVICE_MS: (f64, f64) = (2.0, 6.0);

/// How many writes to one client's item a store takes per second, and at once.
const WRITES_PER_S: f64 = 1_000.0;

// How often a message meets with what.
const LOST_REQUEST: f64 = 0.002;
const LOST_ANSWER: f64 = 0.002;
const DOUBLED: f64 = 0.005;
const DELAYED: f64 = 0.001;
const SLOW: f64 = 0.01;

/// How many balances a process remembers.
const REMEMBERED: usize = 128;

/// What becomes of one request.
struct Fate {
    /// When it arrives, if it does.
    there: Option<Duration>,
    /// How long its answer takes, if that arrives.
    back: Option<Duration>,
    /// When a copy of it arrives.
    copy: Option<Duration>,
}

/// Carries requests between Regions, some of them badly.
#[derive(Debug)]
pub struct Network {
    dice: Dice,
    time: Time,
    /// How much each item was written to. Of the stores, but each message passes here.
    pub throttle: Throttle,
    /// Until when each Region is cut off from the others.
    cut_until: Mutex<[Duration; REGIONS]>,
    calm: AtomicBool,
    bug: Option<Bug>,
}

impl Network {
    /// A network in which all Regions reach each other.
    #[must_use]
    pub fn new(dice: Dice, time: Time, bug: Option<Bug>) -> Self {
        let cut_until = Mutex::new([Duration::ZERO; REGIONS]);
        Self {
            dice,
            time,
            throttle: Throttle::default(),
            cut_until,
            calm: AtomicBool::new(false),
            bug,
        }
    }

    /// Cuts a Region off from the others for a while.
    pub fn cut(&self, region: Region, for_: Duration) {
        lock(&self.cut_until)[region] = self.time.elapsed() + for_;
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
        *lock(&self.cut_until) = [Duration::ZERO; REGIONS];
    }

    /// For how much longer two Regions do not reach each other.
    #[must_use]
    pub fn cut_for(&self, from: Region, to: Region) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        let cut = lock(&self.cut_until);
        cut[from].max(cut[to]).saturating_sub(self.time.elapsed())
    }

    fn fate(&self, from: Region, to: Region, service_ms: (f64, f64)) -> Fate {
        let dice = &self.dice;
        let distance = DISTANCE_MS[from][to];
        let travel = || {
            let slow = if dice.chance(SLOW) { dice.between(10.0, 100.0) } else { 0.0 };
            rounded(distance * dice.between(1.0, 1.15) + slow)
        };
        let there = travel() + dice.millis(service_ms.0, service_ms.1);
        let mut fate = Fate { there: Some(there), back: Some(travel()), copy: None };
        if self.calm.load(Ordering::Relaxed) {
            return fate;
        }
        if self.cut_for(from, to) > Duration::ZERO || dice.chance(LOST_REQUEST) {
            fate.there = None;
        } else if dice.chance(DELAYED) {
            fate.there = Some(dice.millis(1_000.0, LATE_MS));
        }
        if dice.chance(LOST_ANSWER) {
            fate.back = None;
        }
        if dice.chance(DOUBLED) {
            fate.copy = Some(dice.millis(0.0, LATE_MS));
        }
        if self.bug == Some(Bug::VeryLateCopies) && dice.chance(0.05) {
            fate.copy = Some(dice.millis(20_000.0, 40_000.0));
        }
        fate
    }

    /// Sends a request and brings its answer, if it comes in time. `work` is done where the request
    /// arrives, whatever becomes of the sender: never, once or twice.
    pub async fn ask<T: Send + 'static>(
        &self,
        from: Region,
        to: Region,
        service_ms: (f64, f64),
        work: impl Fn() -> T + Send + 'static,
    ) -> Option<T> {
        let Fate { there, back, copy } = self.fate(from, to, service_ms);
        let Some(there) = there else {
            sleep(TIMEOUT).await;
            return None;
        };
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            sleep(there).await;
            let done = work();
            if let Some(back) = back {
                sleep(back).await;
                // The sender may be gone; then nobody reads it.
                let _ = answer.send(done);
            }
            if let Some(copy) = copy {
                // Counted from the request, so that no copy is later than it may be.
                sleep(copy.saturating_sub(there + back.unwrap_or_default())).await;
                work();
            }
        });
        match timeout(TIMEOUT, answered).await {
            Ok(Ok(answer)) => Some(answer),
            // The answer was lost. The sender does not know, and waits.
            Ok(Err(_)) => {
                sleep(TIMEOUT.saturating_sub(there)).await;
                None
            }
            Err(_) => None,
        }
    }
}

/// How much each client's item was written to.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<ClientId, (f64, Duration)>>);

impl Throttle {
    /// Whether one more write is taken.
    pub fn takes(&self, client: ClientId, now: Duration) -> bool {
        let mut items = lock(&self.0);
        let (left, at) = items.entry(client).or_insert((WRITES_PER_S, now));
        *left = (*left + (now - *at).as_secs_f64() * WRITES_PER_S).min(WRITES_PER_S);
        *at = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// The ledgers' stores as somebody in some Region sees them: over the network. As it is a
/// [`BalanceStore`] it is a `Lender` and a `Ledger`, with the ledger's own plans.
///
/// Plans are made on this side on remembered balances, as production makes them; what travels is
/// the change. So what is lost, doubled and late are commits.
pub struct Distant {
    world: Arc<World>,
    from: Region,
    /// The machine that asks, if it is one that may be lost.
    machine: Option<Machine>,
    life: CancellationToken,
    seen: Mutex<HashMap<ClientId, Balance>>,
}

impl Distant {
    /// The stores as seen from `from` by somebody who asks until `life` is over.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        from: Region,
        machine: Option<Machine>,
        life: CancellationToken,
    ) -> Self {
        Self { world: Arc::clone(world), from, machine, life, seen: Mutex::default() }
    }

    async fn ask<T: Send + 'static>(
        &self,
        client: ClientId,
        work: impl Fn(&World, &ledger::MemoryLedger) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let home = self.world.home(client);
        let world = Arc::clone(&self.world);
        let work = move || work(&world, &world.ledgers[home]);
        let answer = self.world.network.ask(self.from, home, SERVICE_MS, work);
        match while_alive(&self.life, answer).await {
            Some(Some(answer)) => answer,
            Some(None) => Err(StoreFault::TimedOut("no answer".to_owned())),
            // What a dead process had spawned ends here, and learns nothing.
            None => Err(StoreFault::Failed("the process is gone".to_owned())),
        }
    }

    fn remember(&self, balance: Balance) {
        let mut seen = lock(&self.seen);
        // All at once, since which one a map would give up is not in the seed's hands.
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(balance.client, balance);
    }
}

impl std::fmt::Debug for Distant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distant").field("from", &self.from).finish_non_exhaustive()
    }
}

/// The memory ledger answers at once.
pub(crate) fn now<T>(answer: impl Future<Output = Result<T, StoreFault>>) -> Result<T, StoreFault> {
    answer.now_or_never().unwrap_or_else(|| Err(StoreFault::Failed("it waits".to_owned())))
}

impl BalanceStore for Distant {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.ask(balance.client, move |_, ledger| now(ledger.create(balance.clone()))).await
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        let read = move |world: &World, ledger: &ledger::MemoryLedger| {
            lock(&world.metrics).reads += 1;
            now(ledger.load(client))
        };
        let balance = self.ask(client, read).await?;
        if let Some(balance) = &balance {
            self.remember(balance.clone());
        }
        Ok(balance)
    }

    async fn recall(&self, client: ClientId) -> Result<Option<Known>, StoreFault> {
        if let Some(balance) = lock(&self.seen).get(&client) {
            return Ok(Some(Known::Remembered(balance.clone())));
        }
        Ok(self.load(client).await?.map(Known::Current))
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        self.ask(client, move |_, ledger| now(ledger.load_hold(client, job))).await
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let client = balance.client;
        let mut change = change.clone();
        if self.world.has(Bug::DoublePosting) && change.accounts.spent > 0 {
            let posted = change.accounts.spent;
            change.accounts.spent += posted;
            change.accounts.available -= posted;
        }
        let machine = self.machine;
        let write = move |world: &World, ledger: &ledger::MemoryLedger| {
            store(world, ledger, client, &change, companion.clone(), machine)
        };
        let (commit, after) = self.ask(client, write).await?;
        if let Some(after) = after {
            self.remember(after);
        }
        Ok(commit)
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        // Asked by a Region's reaper about the clients that are at home there.
        now(self.world.ledgers[self.from].overdue(now_ms, limit))
    }
}

/// Carries out one write where the balance is kept.
fn store(
    world: &World,
    ledger: &ledger::MemoryLedger,
    client: ClientId,
    change: &Change,
    companion: Option<Companion>,
    machine: Option<Machine>,
) -> Result<(Commit, Option<Balance>), StoreFault> {
    let at = world.time.elapsed();
    if !world.network.throttle.takes(client, at) {
        lock(&world.metrics).throttled += 1;
        return Err(StoreFault::Throttled("too many writes to one item".to_owned()));
    }
    lock(&world.metrics).writes += 1;
    // The store has the balance itself. Nothing of the planner's travels but the change.
    let commit = now(ledger.commit(&Balance::empty(client), change, companion))?;
    world.trace.note(at, Event::Stored, world.number(client), u64::from(commit == Commit::Done));
    if commit != Commit::Done {
        let after = if let Commit::Moved(after) = &commit { after.clone() } else { None };
        return Ok((commit, after));
    }
    if let Some(machine) = machine {
        let mut auditor = lock(&world.auditor);
        for (id, lease) in &change.leases {
            if world.stocks.iter().any(|stock| stock.asks(*id)) {
                // It is the Region's, not the machine's.
                match lease {
                    LeaseChange::Open(_) => auditor.escrow(client, *id, at),
                    LeaseChange::Update { .. } if change.entry.kind == EntryKind::Lease => {
                        auditor.escrow_renewed(client, *id, at);
                    }
                    LeaseChange::Update { .. } | LeaseChange::Close { .. } => {}
                }
                continue;
            }
            match lease {
                LeaseChange::Open(_) => auditor.opened(machine.place, client, *id, at),
                LeaseChange::Update { lease, .. } => {
                    auditor.reported(machine, world.number(client), *id, lease.used, at);
                }
                LeaseChange::Close { .. } => {}
            }
        }
    }
    Ok((commit, now(ledger.load(client))?))
}
