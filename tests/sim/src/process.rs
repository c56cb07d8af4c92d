//! Machines, the processes on them, and how both end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use clock::SharedClock;
use ids::ClientId;
use ledger::{
    Branch, EscrowPolicy, HeapSlots, Holder, LeasePolicy, LedgerError, Lender, Operation, Slot,
    Slots, Words, holds_tally,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auditor::Machine;
use crate::baselines::{Counted, WritePerCall};
use crate::chance::{Event, SkewedClock, lock};
use crate::network::Distant;
use crate::stock::NearStock;
use crate::usage::Queue;
use crate::world::{Bug, REGIONS, Region, System, World};

/// Holders are looked after this often.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a process that is to stop may take for it.
const GRACE: Duration = Duration::from_secs(10);

/// The tallies' file of one machine, which outlives its processes.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<ShelfState>);

#[derive(Debug, Default)]
struct ShelfState {
    /// Which process has the file.
    owner: u64,
    all: Vec<Arc<Words>>,
    free: Vec<Arc<Words>>,
}

/// The file in the hands of one process.
#[derive(Debug)]
struct OpenShelf {
    shelf: Arc<Shelf>,
    owner: u64,
    left_behind: Mutex<Vec<Arc<dyn Slot>>>,
}

#[derive(Debug)]
struct ShelfSlot {
    words: Arc<Words>,
    shelf: Weak<Shelf>,
    owner: u64,
}

impl Slot for ShelfSlot {
    fn words(&self) -> &Words {
        &self.words
    }
}

impl Drop for ShelfSlot {
    fn drop(&mut self) {
        // A tally that was not accounted for stays, and a process that is gone gives nothing back.
        if let Some(shelf) = self.shelf.upgrade()
            && !holds_tally(&self.words)
        {
            let mut state = lock(&shelf.0);
            if state.owner == self.owner {
                state.free.push(Arc::clone(&self.words));
            }
        }
    }
}

impl OpenShelf {
    /// Opens the file for the next process.
    fn new(shelf: &Arc<Shelf>) -> Self {
        let mut state = lock(&shelf.0);
        state.owner += 1;
        let owner = state.owner;
        let (used, free): (Vec<_>, Vec<_>) =
            state.all.iter().cloned().partition(|words| holds_tally(words));
        state.free = free;
        let slot = |words| -> Arc<dyn Slot> {
            Arc::new(ShelfSlot { words, shelf: Arc::downgrade(shelf), owner })
        };
        let left_behind = Mutex::new(used.into_iter().map(slot).collect());
        Self { shelf: Arc::clone(shelf), owner, left_behind }
    }
}

impl Slots for OpenShelf {
    fn claim(&self) -> Arc<dyn Slot> {
        let mut state = lock(&self.shelf.0);
        if state.owner != self.owner {
            return HeapSlots.claim();
        }
        let words = state.free.pop().unwrap_or_else(|| {
            let words = Arc::new(Words::default());
            state.all.push(Arc::clone(&words));
            words
        });
        Arc::new(ShelfSlot { words, shelf: Arc::downgrade(&self.shelf), owner: self.owner })
    }

    fn left_behind(&self) -> Vec<Arc<dyn Slot>> {
        std::mem::take(&mut *lock(&self.left_behind))
    }
}

/// What lends to the processes of a Region.
pub type RegionBranch = Branch<Distant, NearStock>;

/// A branch of the clients' homes in a Region, as somebody there has it until `life` is over.
pub fn branch(
    world: &Arc<World>,
    region: Region,
    machine: Option<Machine>,
    life: &CancellationToken,
    clock: SharedClock,
) -> RegionBranch {
    let home = Arc::new(Distant::new(world, region, machine, life.clone()));
    let stock = Arc::new(NearStock::new(world, region, machine, life.clone()));
    Branch::new(home, stock, clock, Arc::clone(&world.mint), EscrowPolicy::shared())
}

/// Why a call was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client has too few credits.
    Exhausted,
    /// Whoever must be asked gave no answer.
    Unanswered,
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        if matches!(error, LedgerError::Exhausted { .. }) {
            Self::Exhausted
        } else {
            Self::Unanswered
        }
    }
}

/// What sells credits in a process: the system under test.
#[derive(Debug)]
pub enum Seller {
    /// The real holder of leases.
    Leases(Arc<Holder<Distant>>),
    /// The real holder of leases out of what the Region shares.
    Shared(Arc<Holder<RegionBranch>>),
    /// See [`System::WritePerCall`].
    Writes(WritePerCall),
    /// See [`System::RegionCounter`].
    Counts(Counted),
}

impl Seller {
    /// Sells one call.
    ///
    /// # Errors
    /// Why it was not served.
    pub async fn spend(
        &self,
        client: ClientId,
        operation: Operation,
        credits: u64,
    ) -> Result<(), Refusal> {
        match self {
            Self::Leases(holder) => {
                holder.spend(client, operation, credits).await?;
                Ok(())
            }
            Self::Shared(holder) => {
                holder.spend(client, operation, credits).await?;
                Ok(())
            }
            Self::Writes(seller) => seller.spend(client, credits).await,
            Self::Counts(seller) => seller.spend(client, credits).await,
        }
    }

    /// Sells a call whose work takes a while and may fail. Says whether it was served.
    ///
    /// # Errors
    /// As [`spend`](Self::spend).
    pub async fn work(
        &self,
        client: ClientId,
        operation: Operation,
        credits: u64,
        work: Duration,
        fails: bool,
    ) -> Result<bool, Refusal> {
        let reserved = match self {
            Self::Leases(holder) => Some(holder.reserve(client, credits).await?),
            Self::Shared(holder) => Some(holder.reserve(client, credits).await?),
            Self::Writes(_) | Self::Counts(_) => None,
        };
        sleep(work).await;
        match reserved {
            _ if fails => {}
            Some(reserved) => drop(reserved.keep(operation)),
            None => self.spend(client, operation, credits).await?,
        }
        Ok(!fails)
    }

    async fn sweep(&self) {
        match self {
            Self::Leases(holder) => holder.sweep().await,
            Self::Shared(holder) => holder.sweep().await,
            Self::Writes(_) | Self::Counts(_) => {}
        }
    }

    async fn drain(&self) {
        match self {
            Self::Leases(holder) => holder.drain().await,
            Self::Shared(holder) => holder.drain().await,
            Self::Writes(_) | Self::Counts(_) => {}
        }
    }
}

/// A process.
#[derive(Debug)]
pub struct Process {
    /// The machine that it runs on.
    pub place: usize,
    /// Ends with the process: whatever it does is done only as long as this is not cancelled.
    pub life: CancellationToken,
    /// What sells credits in it.
    pub seller: Seller,
    clock: Arc<SkewedClock>,
    /// Whether it is sent no more calls.
    retiring: AtomicBool,
}

/// Does `work` until it is done or `life` is over, whichever is first; what is due at the same moment
/// is not done any more.
pub async fn while_alive<T>(life: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let (mut over, mut work) = (pin!(life.cancelled()), pin!(work));
    poll_fn(|context| match over.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Killed; the machine stays, and what is in its file.
    Killed,
    /// The machine is gone, and its file.
    Lost,
    /// Stopped in order.
    Retired,
}

#[derive(Debug, Default)]
struct Place {
    /// How many machines were lost here.
    losses: u32,
    shelf: Arc<Shelf>,
    process: Option<Arc<Process>>,
}

/// All machines. Machine `n` stands in Region `n % 3`.
#[derive(Debug)]
pub struct Fleet(Mutex<Vec<Place>>);

impl Fleet {
    /// Machines on which nothing runs yet.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self(Mutex::new((0..places).map(|_| Place::default()).collect()))
    }

    /// What runs on a machine and is not about to stop.
    #[must_use]
    pub fn process(&self, place: usize) -> Option<Arc<Process>> {
        let process = lock(&self.0)[place].process.clone();
        process.filter(|process| !process.retiring.load(Ordering::Relaxed))
    }
}

/// The Region that a machine stands in.
#[must_use]
pub const fn region_of(place: usize) -> Region {
    place % REGIONS
}

/// A clock that is as wrong as clocks may be, and may stand still for `step`.
pub fn some_clock(world: &World, step: Option<Duration>) -> Arc<SkewedClock> {
    Arc::new(SkewedClock::new(world.time, some_skew(world), step))
}

fn some_skew(world: &World) -> i64 {
    let most = ledger::policy::CLOCK_SKEW_MS as f64;
    world.dice.between(-most, most) as i64
}

/// Sets the clock of a process.
pub fn set_clock(world: &World, process: &Process) {
    let skew_ms = some_skew(world);
    process.clock.set_skew(skew_ms);
    let what = skew_ms.cast_unsigned();
    world.trace.note(world.time.elapsed(), Event::ClockSet, process.place, what);
}

/// Starts a process on a machine, unless one runs there.
pub fn start(world: &Arc<World>, place: usize) {
    let mut places = lock(&world.fleet.0);
    let machine = &mut places[place];
    if machine.process.is_some() {
        return;
    }
    let life = CancellationToken::new();
    let step = world.has(Bug::StoppedClock).then_some(Duration::from_secs(90));
    let clock = some_clock(world, step);
    let seller = match world.scenario.system {
        System::Ledger | System::HeapLease => {
            Seller::Leases(Arc::new(holder(world, place, machine, &life, clock.clone())))
        }
        System::SharedHolder => {
            Seller::Shared(Arc::new(shared_holder(world, place, machine, &life, clock.clone())))
        }
        System::WritePerCall => Seller::Writes(WritePerCall::new(world, region_of(place))),
        System::RegionCounter => Seller::Counts(Counted::new(world, region_of(place))),
    };
    let process = Arc::new(Process {
        place,
        life: life.clone(),
        seller,
        clock,
        retiring: AtomicBool::new(false),
    });
    machine.process = Some(Arc::clone(&process));
    drop(places);
    world.trace.note(world.time.elapsed(), Event::Started, place, 0);
    if let Seller::Leases(_) | Seller::Shared(_) = process.seller {
        let first = world.dice.millis(0.0, 1_000.0);
        tokio::spawn(async move {
            let sweeps = async {
                sleep(first).await;
                loop {
                    process.seller.sweep().await;
                    sleep(SWEEP).await;
                }
            };
            while_alive::<()>(&life, sweeps).await
        });
    }
}

fn holder(
    world: &Arc<World>,
    place: usize,
    at: &Place,
    life: &CancellationToken,
    clock: SharedClock,
) -> Holder<Distant> {
    let region = region_of(place);
    let machine = Machine { place, number: at.losses };
    let stores = Arc::new(Distant::new(world, region, Some(machine), life.clone()));
    let holder = Holder::new(stores, clock, Arc::clone(&world.mint), LeasePolicy::default());
    if world.scenario.system == System::HeapLease {
        return holder;
    }
    crash_safe(world, holder, machine, at, life)
}

/// A holder that shares what the Region has, with the policy that production has for it.
fn shared_holder(
    world: &Arc<World>,
    place: usize,
    at: &Place,
    life: &CancellationToken,
    clock: SharedClock,
) -> Holder<RegionBranch> {
    let machine = Machine { place, number: at.losses };
    let branch = branch(world, region_of(place), Some(machine), life, Arc::clone(&clock));
    let policy = LeasePolicy {
        ttl: EscrowPolicy::shared().lease_ttl,
        horizon: Duration::from_secs(2),
        ..LeasePolicy::default()
    };
    let holder = Holder::new(Arc::new(branch), clock, Arc::clone(&world.mint), policy);
    crash_safe(world, holder, machine, at, life)
}

/// Has a holder tell of usage, and keep its tallies in the machine's file.
fn crash_safe<L: Lender>(
    world: &Arc<World>,
    holder: Holder<L>,
    machine: Machine,
    at: &Place,
    life: &CancellationToken,
) -> Holder<L> {
    let (region, life) = (region_of(machine.place), life.clone());
    let sink = Queue { world: Arc::clone(world), region, machine, life };
    let holder = holder.with_sink(Arc::new(sink));
    if world.has(Bug::NoTakeover) {
        return holder;
    }
    holder.with_slots(Arc::new(OpenShelf::new(&at.shelf)))
}

/// Ends what runs on a machine, and has the next process start there a little later.
pub fn end(world: &Arc<World>, place: usize, how: End) {
    let process = {
        let mut places = lock(&world.fleet.0);
        if how == End::Lost {
            places[place].losses += 1;
            places[place].shelf = Arc::default();
        }
        places[place].process.take()
    };
    if let Some(process) = process {
        process.life.cancel();
    }
    let now = world.time.elapsed();
    let event = match how {
        End::Killed => Event::Killed,
        End::Lost => Event::Lost,
        End::Retired => Event::Retired,
    };
    world.trace.note(now, event, place, 0);
    let mut auditor = lock(&world.auditor);
    auditor.ended(place, now);
    if how == End::Lost {
        auditor.lost(place);
    }
    drop(auditor);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(world.dice.millis(200.0, 3_000.0)).await;
        start(&world, place);
    });
}

/// Stops a process in order: it is sent no more calls and gives back what it holds.
pub fn retire(world: &Arc<World>, place: usize) {
    let Some(process) = world.fleet.process(place) else { return };
    process.retiring.store(true, Ordering::Relaxed);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        // What is not given back within the grace is found in the file.
        let _ = timeout(GRACE, while_alive(&process.life, process.seller.drain())).await;
        if !process.life.is_cancelled() {
            end(&world, place, End::Retired);
        }
    });
}
