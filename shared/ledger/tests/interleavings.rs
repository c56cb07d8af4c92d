//! The holder, its callers, its sweeps and its end, in many interleavings.
//!
//! The sources of the holder and of the tally are compiled here once more, with what Shuttle
//! schedules in place of threads, locks and atomics; see `src/sync.rs`. Each check runs under a
//! random scheduler, and under one that looks for what takes few but unlikely preemptions (PCT).
//! A failure prints the schedule, which `shuttle::replay` takes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../src"]
#[allow(dead_code, unreachable_pub, reason = "only the holder itself is of interest here")]
mod source {
    pub(crate) mod holder;
    pub(crate) mod tally;
    pub(crate) mod usage;
}

mod policy {
    pub(crate) use ledger::policy::*;
}

mod store {
    pub(crate) use ledger::{
        LeaseRequest, Leased, LedgerError, Lender, Settlement, Stamp, StoreFault,
    };
}

/// What `src/sync.rs` has, in kinds that Shuttle schedules.
mod sync {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::fmt::{self, Debug, Formatter};
    use std::ops::Deref;
    pub(crate) use std::sync::PoisonError;

    use shuttle::future::JoinHandle;
    use shuttle::sync::{Arc, RwLock, RwLockReadGuard};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
    /// Tokio's own: whoever waits for it is not polled, and nobody is interrupted inside it.
    pub(crate) use tokio::sync::Mutex as AsyncMutex;

    thread_local! {
        /// The tasks of this thread's check that nobody waits for.
        static BACKGROUND: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        let task = shuttle::future::spawn(task);
        BACKGROUND.with_borrow_mut(|tasks| tasks.push(task));
    }

    /// Waits until nothing runs in the background any more.
    pub(crate) async fn quiet() {
        while let Some(task) = BACKGROUND.with_borrow_mut(Vec::pop) {
            task.await.unwrap();
        }
    }

    pub(crate) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

    impl<T> ArcSwapOption<T> {
        pub(crate) fn load(&self) -> Option<Arc<T>> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            self.0.lock().unwrap().clone()
        }

        pub(crate) fn swap(&self, next: Option<Arc<T>>) -> Option<Arc<T>> {
            std::mem::replace(&mut *self.0.lock().unwrap(), next)
        }
    }

    impl<T> Default for ArcSwapOption<T> {
        fn default() -> Self {
            Self(Mutex::new(None))
        }
    }

    impl<T> Debug for ArcSwapOption<T> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("ArcSwapOption")
        }
    }

    /// A map of one shard.
    pub(crate) struct DashMap<K, V>(RwLock<BTreeMap<K, V>>);

    /// A value, and the shard's lock.
    pub(crate) struct Ref<'a, K, V>(RwLockReadGuard<'a, BTreeMap<K, V>>, K);

    impl<K: Ord, V> Deref for Ref<'_, K, V> {
        type Target = V;

        fn deref(&self) -> &V {
            &self.0[&self.1]
        }
    }

    pub(crate) struct Entry<'a, K, V>(&'a DashMap<K, V>, K);

    impl<K: Ord, V: Default + Clone> Entry<'_, K, V> {
        pub(crate) fn or_default(self) -> V {
            self.0.0.write().unwrap().entry(self.1).or_default().clone()
        }
    }

    pub(crate) struct Pair<K, V>(K, V);

    impl<K, V> Pair<K, V> {
        pub(crate) fn key(&self) -> &K {
            &self.0
        }

        pub(crate) fn value(&self) -> &V {
            &self.1
        }
    }

    impl<K, V> Default for DashMap<K, V> {
        fn default() -> Self {
            Self(RwLock::new(BTreeMap::new()))
        }
    }

    impl<K: Ord + Copy, V: Clone> DashMap<K, V> {
        pub(crate) fn get(&self, key: &K) -> Option<Ref<'_, K, V>> {
            let map = self.0.read().unwrap();
            map.contains_key(key).then_some(Ref(map, *key))
        }

        pub(crate) fn entry(&self, key: K) -> Entry<'_, K, V> {
            Entry(self, key)
        }

        pub(crate) fn iter(&self) -> std::vec::IntoIter<Pair<K, V>> {
            let map = self.0.read().unwrap();
            map.iter().map(|(k, v)| Pair(*k, v.clone())).collect::<Vec<_>>().into_iter()
        }

        pub(crate) fn remove_if(&self, key: &K, which: impl FnOnce(&K, &V) -> bool) {
            let mut map = self.0.write().unwrap();
            if map.get(key).is_some_and(|value| which(key, value)) {
                map.remove(key);
            }
        }
    }

    impl<K, V> Debug for DashMap<K, V> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("DashMap")
        }
    }
}

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clock::{ManualClock, SharedClock, Timestamp};
use futures_util::future::join_all;
use ids::{ClientId, Mint};
use ledger::invariants::violations;
use ledger::{GrantRequest, GrantSource, LeasePolicy, Ledger as _, MemoryLedger};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use self::holder::Holder;
use self::source::{holder, tally, usage};
use self::store::{LeaseRequest, Leased, LedgerError, Lender, Settlement, Stamp, StoreFault};
use self::tally::Operation;
use self::usage::{Source, Taken, UsageEvent, UsageSink};

const NORMAL: Operation = Operation::NormalMeme;
const START_MS: i64 = 1_767_225_600_000;
const RUNS: usize = 1_500;

/// A ledger that takes its time, and loses as many questions and answers as it is told to, in turn.
#[derive(Debug, Default)]
struct Wire {
    ledger: MemoryLedger,
    to_lose: AtomicUsize,
}

impl Wire {
    /// Loses what is on its way, if a question is lost next or an answer.
    async fn carry(&self, question: bool) -> Result<(), StoreFault> {
        yield_now().await;
        let lost = |left: usize| (left > 0 && left.is_multiple_of(2) == question).then(|| left - 1);
        match self.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lost) {
            Ok(_) => Err(StoreFault::TimedOut("lost on its way".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

impl Lender for Wire {
    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.carry(true).await?;
        let leased = self.ledger.lease(client, request, stamp).await?;
        self.carry(false).await?;
        Ok(leased)
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.carry(true).await?;
        self.ledger.settle(client, settlements, stamp).await?;
        self.carry(false).await?;
        Ok(())
    }
}

/// Keeps the greatest total of every source, and takes its time.
#[derive(Debug, Default)]
struct Totals(Mutex<BTreeMap<Source, u64>>);

impl UsageSink for Totals {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        Box::pin(async move {
            yield_now().await;
            for event in events {
                let mut totals = self.0.lock().unwrap();
                let total = totals.entry(event.source).or_default();
                *total = event.spending.credits().max(*total);
            }
            yield_now().await;
            Ok(())
        })
    }
}

struct Bench {
    wire: Arc<Wire>,
    sink: Arc<Totals>,
    hand: Arc<ManualClock>,
    holder: Arc<Holder<Wire>>,
    client: ClientId,
    granted: u64,
}

impl Bench {
    async fn new(granted: u64, to_lose: usize) -> Arc<Self> {
        let mint = Arc::new(Mint::seeded([3; 32]));
        let hand = ManualClock::at(Timestamp::from_millisecond(START_MS).unwrap());
        let (wire, sink) = (Arc::new(Wire::default()), Arc::new(Totals::default()));
        let client = mint.mint(START_MS);
        wire.ledger.open(client).await.unwrap();
        let request = GrantRequest {
            id: mint.mint(START_MS),
            credits: granted,
            expires_at_ms: START_MS + 86_400_000,
            source: GrantSource::TopUp,
        };
        let stamp = Stamp { entry: mint.mint(START_MS), at_ms: START_MS };
        wire.ledger.grant(client, request, stamp).await.unwrap();
        wire.to_lose.store(to_lose, Ordering::Relaxed);
        let policy = LeasePolicy { initial: 2, max: 4, share: 2, ..LeasePolicy::default() };
        let clock = Arc::clone(&hand) as SharedClock;
        let holder = Holder::new(Arc::clone(&wire), clock, mint, policy)
            .with_sink(Arc::clone(&sink) as Arc<dyn UsageSink>);
        Arc::new(Self { wire, sink, hand, holder: Arc::new(holder), client, granted })
    }

    /// Spends, and says how many credits.
    async fn spend(self: Arc<Self>, times: u64) -> u64 {
        let mut spent = 0;
        for _ in 0..times {
            match self.holder.spend(self.client, NORMAL, 1).await {
                Ok(_) => spent += 1,
                Err(LedgerError::Exhausted { .. } | LedgerError::Store(_)) => {}
                Err(error) => panic!("{error}"),
            }
            yield_now().await;
        }
        spent
    }

    /// Takes 2 credits for work that takes its time, and may fail. Says how many were spent.
    async fn work(self: Arc<Self>, succeeds: bool) -> u64 {
        let Ok(reservation) = self.holder.reserve(self.client, 2).await else { return 0 };
        yield_now().await;
        if succeeds {
            reservation.keep(Operation::Generation);
            return 2;
        }
        0
    }

    /// Looks after the leases as the seconds pass.
    async fn sweep(self: Arc<Self>, times: u64) -> u64 {
        for _ in 0..times {
            // Past the checkpoint; the second time past what makes a lease idle, or old.
            self.hand.advance(LeasePolicy::default().ttl / 4);
            self.holder.sweep().await;
            yield_now().await;
        }
        0
    }

    async fn drain(self: Arc<Self>) -> u64 {
        self.holder.drain().await;
        0
    }

    /// Ends everything, and compares what was served with what everybody was told.
    async fn end(&self, served: u64) {
        sync::quiet().await;
        for _ in 0..9 {
            self.holder.drain().await;
        }
        let (balance, holds) = self.wire.ledger.audit(self.client).unwrap();
        assert_eq!(violations(&balance, Some(&holds)), []);
        assert!(served <= self.granted);
        assert_eq!((balance.accounts.spent, balance.accounts.leased), (served, 0), "{balance:?}");
        assert_eq!(self.sink.0.lock().unwrap().values().sum::<u64>(), served);
    }
}

/// Runs what `check` begins under each scheduler.
fn explore<T: Future<Output = ()>>(check: impl Fn() -> T + Copy + Send + Sync + 'static) {
    let mut config = Config::new();
    // Shuttle's own choice is too small for code that is not optimised.
    config.stack_size = 1 << 20;
    let run = move || block_on(check());
    Runner::new(RandomScheduler::new(RUNS), config.clone()).run(run);
    Runner::new(PctScheduler::new(3, RUNS), config).run(run);
}

#[test]
fn callers_get_what_was_granted_while_leases_are_renewed_swept_and_given_back() {
    explore(|| async {
        let bench = Bench::new(7, 0).await;
        let it = || Arc::clone(&bench);
        let tasks =
            [spawn(it().spend(3)), spawn(it().spend(3)), spawn(it().sweep(3)), spawn(it().drain())];
        let served = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
        bench.end(served).await;
    });
}

#[test]
fn work_that_is_under_way_holds_up_the_last_report_of_its_lease() {
    explore(|| async {
        let bench = Bench::new(12, 0).await;
        let it = || Arc::clone(&bench);
        let tasks = [
            spawn(it().work(true)),
            spawn(it().work(false)),
            spawn(it().spend(2)),
            spawn(it().sweep(2)),
            spawn(it().drain()),
        ];
        let served = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
        bench.end(served).await;
    });
}

#[test]
fn what_is_lost_on_its_way_loses_and_doubles_no_credit() {
    explore(|| async {
        // A caller asks three times before it gives up.
        let bench = Bench::new(9, 7).await;
        let it = || Arc::clone(&bench);
        let tasks = [
            spawn(it().spend(2)),
            spawn(it().spend(2)),
            spawn(it().work(true)),
            spawn(it().sweep(4)),
        ];
        let served = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
        bench.end(served).await;
    });
}

#[test]
fn a_process_that_ends_twice_gives_everything_back_once() {
    explore(|| async {
        let bench = Bench::new(5, 1).await;
        let it = || Arc::clone(&bench);
        let tasks = [spawn(it().spend(2)), spawn(it().drain()), spawn(it().drain())];
        let served = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
        bench.end(served).await;
    });
}
