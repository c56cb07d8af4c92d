//! Usage: the queue of each Region, at least once and in no order, and the store that counts.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ids::{ClientId, LeaseId};
use ledger::{Evidence, NotTaken, Source, Spending, StoreFault, Taken, UsageEvent, UsageSink};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::auditor::Machine;
use crate::chance::{Event, lock};
use crate::process::while_alive;
use crate::world::{Bug, Region, World};

// How often what happens.
const NOT_TAKEN: f64 = 0.01;
const DELIVERED_TWICE: f64 = 0.02;
const DELIVERED_LATE: f64 = 0.05;

/// As many as queues take at once.
const EVENTS_PER_MESSAGE: usize = 10;

/// How long what is only of use for a while is remembered at least.
const REMEMBERED: Duration = Duration::from_secs(300);

/// A map that forgets what was not written for a while, so that a long run needs no more memory
/// than a short one.
#[derive(Debug)]
pub struct Recent<K, V> {
    new: HashMap<K, V>,
    old: HashMap<K, V>,
    turned: Duration,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), turned: Duration::ZERO }
    }
}

impl<K: Copy + Eq + Hash, V: Copy + Default> Recent<K, V> {
    /// What is known under `key`.
    pub fn get(&self, key: K) -> Option<V> {
        self.new.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    /// Puts `value` there.
    pub fn put(&mut self, key: K, value: V, at: Duration) {
        if at - self.turned >= REMEMBERED {
            self.old = std::mem::take(&mut self.new);
            self.turned = at;
        }
        self.new.insert(key, value);
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// By the escrow that the lease was lent out of, if a branch lent it, and the lease.
    leases: Recent<(Option<LeaseId>, LeaseId), Spending>,
    /// The credits of all leases that were lent out of an escrow.
    escrows: Recent<LeaseId, u64>,
    totals: HashMap<ClientId, u64>,
}

/// Counts what is new in usage events, and is the reaper's evidence.
#[derive(Debug)]
pub struct UsageStore {
    counts: Mutex<Counts>,
    bug: Option<Bug>,
}

impl UsageStore {
    /// A store that has counted nothing.
    #[must_use]
    pub fn new(bug: Option<Bug>) -> Self {
        Self { counts: Mutex::default(), bug }
    }

    /// Takes an event, for the first time or again.
    pub fn count(&self, event: &UsageEvent, at: Duration) {
        let Source::Lease(lease) = event.source else { return };
        let mut counts = lock(&self.counts);
        let known = counts.leases.get((event.escrow, lease)).unwrap_or_default();
        let total = event.spending.max(&known);
        let new = if self.bug == Some(Bug::UsageAdded) {
            event.spending.credits()
        } else {
            total.beyond(&known).credits()
        };
        counts.leases.put((event.escrow, lease), total, at);
        if let Some(escrow) = event.escrow {
            let lent = counts.escrows.get(escrow).unwrap_or(0) + total.beyond(&known).credits();
            counts.escrows.put(escrow, lent, at);
        }
        *counts.totals.entry(event.client_id).or_default() += new;
    }

    /// All credits that were counted for a client.
    #[must_use]
    pub fn total(&self, client: ClientId) -> u64 {
        lock(&self.counts).totals.get(&client).copied().unwrap_or(0)
    }
}

/// The usage store as the reaper of a Region asks it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The world.
    pub world: &'a World,
    /// The Region that asks.
    pub from: Region,
}

impl Evidence for Asked<'_> {
    async fn spent_from(
        &self,
        client: ClientId,
        lease: LeaseId,
        escrow: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        let world = self.world;
        sleep(world.dice.millis(2.0, 8.0)).await;
        // It is counted at the client's home.
        let is_cut = !world.network.cut_for(self.from, world.home(client)).is_zero();
        if is_cut || world.dice.chance(NOT_TAKEN) {
            return Err(StoreFault::TimedOut("no answer".to_owned()));
        }
        let counts = lock(&world.usage.counts);
        let of_lease = counts.leases.get((escrow, lease)).map(|spending| spending.credits());
        let lent = if escrow.is_none() && !world.has(Bug::EscrowsUnknown) {
            counts.escrows.get(lease)
        } else {
            None
        };
        Ok(match (of_lease, lent) {
            (None, None) => None,
            (of_lease, lent) => Some(of_lease.unwrap_or(0) + lent.unwrap_or(0)),
        })
    }
}

/// The queue of a process's Region, as that process sees it.
pub struct Queue {
    /// The world.
    pub world: Arc<World>,
    /// The Region.
    pub region: Region,
    /// The process's machine.
    pub machine: Machine,
    /// Ends with the process.
    pub life: CancellationToken,
}

impl Queue {
    /// A message of events is safe. It is delivered some time, and each event counted at its client's
    /// home.
    fn accept(&self, events: Vec<UsageEvent>) {
        let world = Arc::clone(&self.world);
        let mut cut = Duration::ZERO;
        for event in &events {
            let Source::Lease(lease) = event.source else { continue };
            let (client, credits) = (world.number(event.client_id), event.spending.credits());
            let at = world.time.elapsed();
            lock(&world.auditor).published(self.machine, client, lease, credits, at);
            cut = cut.max(world.network.cut_for(self.region, world.clients[client].home));
        }
        let late_ms = if world.dice.chance(DELIVERED_LATE) { 8_000.0 } else { 500.0 };
        let first = cut + world.dice.millis(20.0, late_ms);
        let again = world.dice.chance(DELIVERED_TWICE).then(|| world.dice.millis(0.0, 20_000.0));
        tokio::spawn(async move {
            for delay in std::iter::once(first).chain(again) {
                sleep(delay).await;
                let at = world.time.elapsed();
                for event in &events {
                    world.usage.count(event, at);
                    let (client, credits) = (event.client_id, event.spending.credits());
                    world.trace.note(at, Event::Counted, world.number(client), credits);
                }
            }
        });
    }
}

impl UsageSink for Queue {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        let taking = async move {
            sleep(self.world.dice.millis(2.0, 15.0)).await;
            let fails = self.world.dice.chance(NOT_TAKEN);
            let some = if fails { self.world.dice.below(events.len() + 1) } else { events.len() };
            for message in events[..some].chunks(EVENTS_PER_MESSAGE) {
                lock(&self.world.metrics).messages += 1;
                self.accept(message.to_vec());
            }
            if fails { Err(NotTaken("the queue is busy".to_owned())) } else { Ok(()) }
        };
        Box::pin(async move {
            let gone = || Err(NotTaken("the process is gone".to_owned()));
            while_alive(&self.life, taking).await.unwrap_or_else(gone)
        })
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("machine", &self.machine).finish_non_exhaustive()
    }
}
