//! Other ways to sell credits, under the same calls, network and faults.
//!
//! Both keep their credits in a plain [`Book`], which takes a debit once per id. The third baseline,
//! leases on the heap, is the real holder with what makes it crash-safe left out; see
//! [`start`](crate::process::start).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ids::ClientId;
use tokio::time::sleep;

use crate::auditor::Closing;
use crate::chance::{Event, lock};
use crate::process::Refusal;
use crate::world::{REGIONS, Region, World};

/// How often a process or a counter asks again for an answer that was lost.
const ATTEMPTS: usize = 3;

/// How long a book takes for an entry, in milliseconds.
const BOOK_MS: (f64, f64) = (2.0, 6.0);

/// How long a Region's counter takes, in milliseconds.
const COUNTER_MS: (f64, f64) = (0.1, 0.4);

/// How often a Region's counter is copied to its replica, which is what a failover leaves.
const REPLICATED: Duration = Duration::from_millis(500);

/// How often a Region's counter tells the book.
const WRITTEN_BACK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Page {
    granted: u64,
    debited: u64,
    expired: u64,
    /// What is left of each grant, by when it ends.
    left: BTreeMap<i64, u64>,
}

impl Page {
    fn available(&mut self, now_ms: i64) -> u64 {
        let ended: Vec<_> = self.left.range(..=now_ms).map(|(at, _)| *at).collect();
        for at in ended {
            self.expired += self.left.remove(&at).unwrap_or(0);
        }
        self.left.values().sum()
    }

    /// Debits as much of `credits` as there is.
    fn debit(&mut self, credits: u64, now_ms: i64) -> u64 {
        let part = credits.min(self.available(now_ms));
        let mut wanted = part;
        for left in self.left.values_mut() {
            let taken = wanted.min(*left);
            *left -= taken;
            wanted -= taken;
        }
        self.debited += part;
        part
    }
}

/// Balances without leases.
#[derive(Debug, Default)]
pub struct Book {
    pages: Mutex<HashMap<ClientId, Page>>,
    done: Mutex<HashSet<u64>>,
}

impl Book {
    /// Brings credits in.
    pub fn grant(&self, client: ClientId, credits: u64, expires_at_ms: i64) {
        let mut pages = lock(&self.pages);
        let page = pages.entry(client).or_default();
        page.granted += credits;
        *page.left.entry(expires_at_ms).or_default() += credits;
    }

    /// What a client has.
    pub fn available(&self, client: ClientId, now_ms: i64) -> u64 {
        lock(&self.pages).entry(client).or_default().available(now_ms)
    }

    /// Debits `credits` if they are there, once per `id`.
    fn debit(&self, client: ClientId, id: u64, credits: u64, now_ms: i64) -> bool {
        let mut pages = lock(&self.pages);
        let page = pages.entry(client).or_default();
        if lock(&self.done).contains(&id) {
            return true;
        }
        let enough = page.available(now_ms) >= credits;
        if enough {
            lock(&self.done).insert(id);
            page.debit(credits, now_ms);
        }
        enough
    }

    /// Debits what was sold already, as far as it is there, once per `id`. Says what is left.
    fn write_back(&self, client: ClientId, id: u64, credits: u64, now_ms: i64) -> u64 {
        let mut pages = lock(&self.pages);
        let page = pages.entry(client).or_default();
        if lock(&self.done).insert(id) {
            page.debit(credits, now_ms);
        }
        page.available(now_ms)
    }

    /// How a client's page stands.
    pub fn closing(&self, client: ClientId, now_ms: i64) -> Closing {
        let mut pages = lock(&self.pages);
        let page = pages.entry(client).or_default();
        let available = page.available(now_ms);
        Closing {
            granted: page.granted,
            available,
            debited: page.debited,
            expired: page.expired,
            outstanding: 0,
            usage: None,
            violations: Vec::new(),
        }
    }
}

/// Asks the book at a client's home, and again if no answer comes.
async fn ask_book<T: Send + 'static>(
    world: &Arc<World>,
    from: Region,
    client: ClientId,
    work: impl Fn(&Book, i64) -> T + Clone + Send + 'static,
) -> Option<T> {
    let home = world.home(client);
    for _ in 0..ATTEMPTS {
        let (there, work) = (Arc::clone(world), work.clone());
        let carried_out = move || {
            let at = there.time.elapsed();
            if !there.network.throttle.takes(client, at) {
                lock(&there.metrics).throttled += 1;
                return None;
            }
            lock(&there.metrics).writes += 1;
            there.trace.note(at, Event::Stored, there.number(client), 1);
            Some(work(&there.books[home], there.time.now_ms()))
        };
        match world.network.ask(from, home, BOOK_MS, carried_out).await {
            Some(Some(answer)) => return Some(answer),
            // Throttled; the next attempt may find the item less busy.
            Some(None) => sleep(world.dice.millis(10.0, 50.0)).await,
            None => {}
        }
    }
    None
}

/// Sells each call with a write to the book.
#[derive(Debug)]
pub struct WritePerCall {
    world: Arc<World>,
    region: Region,
}

impl WritePerCall {
    /// A seller in `region`.
    #[must_use]
    pub fn new(world: &Arc<World>, region: Region) -> Self {
        Self { world: Arc::clone(world), region }
    }

    /// Sells one call.
    ///
    /// # Errors
    /// Why it was not served.
    pub async fn spend(&self, client: ClientId, credits: u64) -> Result<(), Refusal> {
        let id = self.world.mint.random_u64();
        let debit = move |book: &Book, now_ms| book.debit(client, id, credits, now_ms);
        match ask_book(&self.world, self.region, client, debit).await {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::Exhausted),
            None => Err(Refusal::Unanswered),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Counts {
    left: HashMap<ClientId, u64>,
    /// What was sold and the book was not told. In order, so that a run can be repeated.
    untold: BTreeMap<ClientId, u64>,
}

/// What keeps a Region's counts, and its replica.
#[derive(Debug, Default)]
pub struct Counter {
    counts: Mutex<Counts>,
    replica: Mutex<Counts>,
}

impl Counter {
    /// The replica takes over.
    pub fn fail_over(&self) {
        *lock(&self.counts) = lock(&self.replica).clone();
    }

    /// Takes credits; nothing is known if the client was not seen before.
    fn take(&self, client: ClientId, credits: u64) -> Option<bool> {
        let mut counts = lock(&self.counts);
        let left = counts.left.get_mut(&client)?;
        let enough = *left >= credits;
        if enough {
            *left -= credits;
            *counts.untold.entry(client).or_default() += credits;
        }
        Some(enough)
    }
}

/// Sells from the Region's counter.
#[derive(Debug)]
pub struct Counted {
    world: Arc<World>,
    region: Region,
}

impl Counted {
    /// A seller in `region`.
    #[must_use]
    pub fn new(world: &Arc<World>, region: Region) -> Self {
        Self { world: Arc::clone(world), region }
    }

    /// Sells one call.
    ///
    /// # Errors
    /// Why it was not served.
    pub async fn spend(&self, client: ClientId, credits: u64) -> Result<(), Refusal> {
        let (world, region) = (&self.world, self.region);
        for _ in 0..ATTEMPTS {
            let there = Arc::clone(world);
            let take = move || there.counters[region].take(client, credits);
            match world.network.ask(region, region, COUNTER_MS, take).await {
                Some(Some(true)) => return Ok(()),
                Some(Some(false)) => return Err(Refusal::Exhausted),
                Some(None) => {
                    let read = move |book: &Book, now_ms| book.available(client, now_ms);
                    let left = ask_book(world, region, client, read).await;
                    let left = left.ok_or(Refusal::Unanswered)?;
                    lock(&world.counters[region].counts).left.entry(client).or_insert(left);
                }
                None => {}
            }
        }
        Err(Refusal::Unanswered)
    }
}

/// Copies the counter of a Region to its replica, as long as the world is there.
pub async fn replicate(world: Arc<World>, region: Region) {
    loop {
        sleep(REPLICATED).await;
        let counter = &world.counters[region];
        let counts = lock(&counter.counts).clone();
        *lock(&counter.replica) = counts;
    }
}

/// Tells the books what a Region's counter has sold, as long as the world is there.
pub async fn write_back(world: Arc<World>, region: Region) {
    loop {
        sleep(WRITTEN_BACK).await;
        let untold = std::mem::take(&mut lock(&world.counters[region].counts).untold);
        for (client, credits) in untold {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let id = world.mint.random_u64();
                let tell = move |book: &Book, now_ms| book.write_back(client, id, credits, now_ms);
                let answer = ask_book(&world, region, client, tell).await;
                let mut counts = lock(&world.counters[region].counts);
                let untold = counts.untold.get(&client).copied().unwrap_or(0);
                match answer {
                    Some(left) => {
                        counts.left.insert(client, left.saturating_sub(untold));
                    }
                    // Told again with the next ones.
                    None => *counts.untold.entry(client).or_default() += credits,
                }
            });
        }
    }
}

/// Starts what the counters do behind their callers' backs.
pub fn tend_counters(world: &Arc<World>) {
    for region in 0..REGIONS {
        tokio::spawn(replicate(Arc::clone(world), region));
        tokio::spawn(write_back(Arc::clone(world), region));
    }
}
