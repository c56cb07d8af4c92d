//! The process's memory of entitlements.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{SharedClock, Timestamp};
use ids::ClientId;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::entitlement::Entitlement;

/// From this age on, an entry that is asked for is loaded again in the background.
pub const REFRESH_AFTER: Duration = Duration::from_secs(20);
/// From this age on, an entry is loaded again before it is used.
pub const TTL: Duration = Duration::from_secs(30);
/// No entry of this age is used, unless the store has lately failed to answer.
pub const STALE_MAX: Duration = Duration::from_secs(60);
/// How long a client that does not exist is remembered as such.
pub const NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// How long a failure of the store excuses the use of an entry past its age.
const FAILURE_EXCUSES_MS: u64 = 30_000;
/// Time between two background loads of one client while the store fails, or lags behind a token.
const RETRY_AFTER_MS: u64 = 1_000;

/// Stands for "never" where a moment is kept.
const NEVER: u64 = u64::MAX;

/// Reads a client's entitlement from its store; `None` is a client that does not exist.
///
/// Every `Fn(ClientId) -> impl Future<Output = Result<Option<Entitlement>, E>>` is one. A loader
/// must answer or fail within a few seconds, and must read what was last written, give or take
/// [`STALE_MAX`] - [`TTL`]: the bound on revocation rests on both.
pub trait LoadEntitlement: Send + Sync + 'static {
    /// What goes wrong when the store cannot be read.
    type Error: Send + Sync + 'static;

    /// Reads the entitlement of `client`.
    fn load(
        &self,
        client: ClientId,
    ) -> impl Future<Output = Result<Option<Entitlement>, Self::Error>> + Send;
}

impl<L, F, E> LoadEntitlement for L
where
    L: Fn(ClientId) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Option<Entitlement>, E>> + Send,
    E: Send + Sync + 'static,
{
    type Error = E;

    fn load(
        &self,
        client: ClientId,
    ) -> impl Future<Output = Result<Option<Entitlement>, E>> + Send {
        self(client)
    }
}

/// Why a client is not served.
#[derive(thiserror::Error)]
pub enum Refused<E> {
    /// There is no such client.
    #[error("the client does not exist")]
    UnknownClient,
    /// The client is shut out.
    #[error("the client is revoked")]
    Revoked,
    /// The store could not be read, and nothing is remembered that may be used instead.
    #[error("the entitlement could not be read")]
    Unavailable(#[source] Arc<E>),
    /// The load ended without an answer: the loader panicked, or the runtime is shutting down or
    /// was not there.
    #[error("reading the entitlement was interrupted")]
    Interrupted,
}

impl<E> Clone for Refused<E> {
    fn clone(&self) -> Self {
        match self {
            Self::UnknownClient => Self::UnknownClient,
            Self::Revoked => Self::Revoked,
            Self::Unavailable(error) => Self::Unavailable(Arc::clone(error)),
            Self::Interrupted => Self::Interrupted,
        }
    }
}

impl<E> fmt::Debug for Refused<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownClient => "UnknownClient",
            Self::Revoked => "Revoked",
            Self::Unavailable(_) => "Unavailable",
            Self::Interrupted => "Interrupted",
        })
    }
}

/// Entitlements in the memory of the process, over a loader. Cheap to clone; clones share.
///
/// # What is promised
/// - A hit is a look into a sharded map and one look at the monotonic clock: no allocation, no
///   I/O, no waiting. From [`REFRESH_AFTER`] on a hit also starts a load in the background, so a
///   client that keeps calling never waits for its entitlement again.
/// - Per client one load runs at a time, however many callers wait for it. It runs in a task of its
///   own: a caller that goes away does not take the others' answer with it.
/// - **A revoked client is refused within 60 s of the moment at which the store shows the
///   revocation.** An entry is timed from before its load began, and an entry is used only
///   (a) under an age of [`TTL`], or (b) under an age of [`STALE_MAX`] while a load is on its way,
///   or (c) within 30 s after a load failed with an error, and then no longer than until the
///   caller's `keep_until`, which is the end of its token. Under (a) and (b) whatever is used 60 s
///   after the revocation was loaded after it. (c) is the exception, on purpose: a store that fails
///   takes no revocations either, and to refuse everybody because of it would make an outage of the
///   store an outage of the service. Tokens live 15 minutes and no new one is issued without the
///   store, which bounds it.
/// - A client that does not exist is remembered for [`NEGATIVE_TTL`], so that the calls of deleted
///   clients do not become reads. This holds whatever epoch their tokens carry.
/// - A token of a newer epoch than the entry forces a load before it is served: who has just bought
///   something gets it at once. A store that still shows the older epoch is believed, and asked
///   again once a second.
pub struct EntitlementCache<L: LoadEntitlement> {
    inner: Arc<Inner<L>>,
}

impl<L: LoadEntitlement> Clone for EntitlementCache<L> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<L: LoadEntitlement> fmt::Debug for EntitlementCache<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntitlementCache")
            .field("len", &self.inner.entries.len())
            .finish_non_exhaustive()
    }
}

/// What a load said, and how later loads fare. Times are milliseconds on the monotonic clock.
struct Entry {
    found: Option<Arc<Entitlement>>,
    /// From before the load began.
    loaded_ms: u64,
    /// The newest epoch that the load was made for; the store was asked and this is what it had.
    asked_epoch: u64,
    /// When a later load failed, or [`NEVER`].
    failed_ms: AtomicU64,
    /// Whether a later load is on its way. A hint that keeps hits off the lock; the map of flights
    /// is what makes loads single.
    refreshing: AtomicBool,
}

impl Entry {
    fn outcome<E>(&self) -> Result<Arc<Entitlement>, Refused<E>> {
        match &self.found {
            None => Err(Refused::UnknownClient),
            Some(entitlement) if entitlement.revoked => Err(Refused::Revoked),
            Some(entitlement) => Ok(Arc::clone(entitlement)),
        }
    }

    fn failed_within(&self, span_ms: u64, now_ms: u64) -> bool {
        let failed_ms = self.failed_ms.load(Ordering::Acquire);
        failed_ms != NEVER && now_ms.saturating_sub(failed_ms) < span_ms
    }
}

type Answer<E> = Option<Result<Arc<Entry>, Arc<E>>>;

/// A load on its way.
struct Flight<E> {
    id: u64,
    /// A caller whose token is newer than this needs a load that begins later.
    min_epoch: u64,
    answer: watch::Receiver<Answer<E>>,
}

struct Flights<E> {
    last_id: u64,
    by_client: HashMap<ClientId, Flight<E>>,
}

struct Inner<L: LoadEntitlement> {
    loader: L,
    clock: SharedClock,
    entries: quick_cache::sync::Cache<ClientId, Arc<Entry>>,
    flights: Mutex<Flights<L::Error>>,
}

impl<L: LoadEntitlement> EntitlementCache<L> {
    /// A cache of at most about `capacity` clients.
    pub fn new(loader: L, clock: SharedClock, capacity: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                loader,
                clock,
                entries: quick_cache::sync::Cache::new(capacity.max(1)),
                flights: Mutex::new(Flights { last_id: 0, by_client: HashMap::new() }),
            }),
        }
    }

    /// The entitlement of `client`, at least as new as `min_epoch` where the store has it.
    /// `keep_until` is the end of the caller's token.
    ///
    /// # Errors
    /// [`Refused`] says why the client is not served.
    pub async fn get(
        &self,
        client: ClientId,
        min_epoch: u64,
        keep_until: Timestamp,
    ) -> Result<Arc<Entitlement>, Refused<L::Error>> {
        if let Some(outcome) = self.cached(client, min_epoch, keep_until) {
            return outcome;
        }
        let error = match self.inner.begin(client, min_epoch) {
            None => Refused::Interrupted,
            Some(mut answer) => match answer.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(Ok(entry))) => return entry.outcome(),
                Ok(Some(Err(error))) => Refused::Unavailable(Arc::clone(error)),
                Ok(None) | Err(_) => Refused::Interrupted,
            },
        };
        // The store failed: what is remembered of the client is used until its token ends.
        match self.inner.entries.get(&client) {
            Some(entry) if entry.found.is_some() && self.inner.clock.now() < keep_until => {
                entry.outcome()
            }
            _ => Err(error),
        }
    }

    /// The same from memory alone: `None` when the store has to be asked first, which
    /// [`get`](Self::get) does.
    pub fn cached(
        &self,
        client: ClientId,
        min_epoch: u64,
        keep_until: Timestamp,
    ) -> Option<Result<Arc<Entitlement>, Refused<L::Error>>> {
        let inner = &self.inner;
        let entry = inner.entries.get(&client)?;
        let now_ms = inner.now_ms();
        let age_ms = now_ms.saturating_sub(entry.loaded_ms);
        let Some(entitlement) = &entry.found else {
            return (age_ms < millis(NEGATIVE_TTL)).then(|| entry.outcome());
        };

        let outdated = min_epoch > entitlement.epoch;
        let asked = min_epoch <= entry.asked_epoch;
        if age_ms < millis(TTL) && (!outdated || asked) {
            if age_ms >= millis(REFRESH_AFTER) || (outdated && age_ms >= RETRY_AFTER_MS) {
                inner.refresh(client, min_epoch, &entry, now_ms);
            }
            return Some(entry.outcome());
        }
        if entry.failed_within(FAILURE_EXCUSES_MS, now_ms) && inner.clock.now() < keep_until {
            inner.refresh(client, min_epoch, &entry, now_ms);
            return Some(entry.outcome());
        }
        // Whoever finds the entry too old waits for the load that it starts. The others need not
        // wait with it: a slow store would stop a busy client for nothing.
        if age_ms < millis(STALE_MAX)
            && (!outdated || asked)
            && entry.refreshing.load(Ordering::Acquire)
        {
            return Some(entry.outcome());
        }
        None
    }

    /// Forgets `client`: the next caller waits for a load that begins after this call.
    pub fn invalidate(&self, client: ClientId) {
        let mut flights = self.inner.flights();
        // A load on its way may have read the store before the change. Its waiters asked before
        // the change too and may have its answer, but it is not kept.
        flights.by_client.remove(&client);
        self.inner.entries.remove(&client);
    }
}

impl<L: LoadEntitlement> Inner<L> {
    fn now_ms(&self) -> u64 {
        millis(self.clock.monotonic())
    }

    fn flights(&self) -> MutexGuard<'_, Flights<L::Error>> {
        // The map is whole after any panic: each change of it is one call.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads `client` in the background, unless that is under way or has just failed.
    fn refresh(self: &Arc<Self>, client: ClientId, min_epoch: u64, entry: &Entry, now_ms: u64) {
        if entry.failed_within(RETRY_AFTER_MS, now_ms)
            || entry.refreshing.swap(true, Ordering::AcqRel)
        {
            return;
        }
        if self.begin(client, min_epoch).is_none() {
            entry.refreshing.store(false, Ordering::Release);
        }
    }

    /// Joins the load of `client` or starts it. `None` outside a runtime.
    fn begin(
        self: &Arc<Self>,
        client: ClientId,
        min_epoch: u64,
    ) -> Option<watch::Receiver<Answer<L::Error>>> {
        let runtime = Handle::try_current().ok()?;
        let mut flights = self.flights();
        let known = self.entries.peek(&client);
        // A refresh is made for the newest epoch known, so that callers of that epoch can join it.
        let known_epoch = known
            .as_ref()
            .and_then(|entry| entry.found.as_ref())
            .map_or(0, |entitlement| entitlement.epoch);
        let asked_epoch = min_epoch.max(known_epoch);
        if let Some(flight) = flights.by_client.get(&client)
            && flight.min_epoch >= min_epoch
        {
            return Some(flight.answer.clone());
        }

        if let Some(entry) = known {
            entry.refreshing.store(true, Ordering::Release);
        }
        let (tell, answer) = watch::channel(None);
        flights.last_id += 1;
        let id = flights.last_id;
        flights
            .by_client
            .insert(client, Flight { id, min_epoch: asked_epoch, answer: answer.clone() });
        let landing = Landing { inner: Arc::clone(self), client, id, failed: true };
        let loaded_ms = self.now_ms();
        // A runtime that shuts down drops the task inside `spawn`, and the landing takes the lock.
        drop(flights);
        runtime.spawn(async move {
            let loaded = landing.inner.loader.load(client).await;
            let result = loaded.map_err(Arc::new).map(|found| {
                Arc::new(Entry {
                    found: found.map(Arc::new),
                    loaded_ms,
                    asked_epoch,
                    failed_ms: AtomicU64::new(NEVER),
                    refreshing: AtomicBool::new(false),
                })
            });
            landing.land(result.as_ref().ok());
            // Told last: who hears the answer finds it kept.
            tell.send_replace(Some(result));
        });
        Some(answer)
    }
}

/// Takes a load off the map of flights when it ends, also when it ends by a panic or is dropped
/// with the runtime.
struct Landing<L: LoadEntitlement> {
    inner: Arc<Inner<L>>,
    client: ClientId,
    id: u64,
    failed: bool,
}

impl<L: LoadEntitlement> Landing<L> {
    fn land(mut self, entry: Option<&Arc<Entry>>) {
        let Some(entry) = entry else {
            return;
        };
        self.failed = false;
        let flights = self.inner.flights();
        // A flight that is no longer in the map was overtaken by a later one or by `invalidate`.
        let current = flights.by_client.get(&self.client);
        if current.is_some_and(|flight| flight.id == self.id) {
            self.inner.entries.insert(self.client, Arc::clone(entry));
        }
    }
}

impl<L: LoadEntitlement> Drop for Landing<L> {
    fn drop(&mut self) {
        let now_ms = self.inner.now_ms();
        let mut flights = self.inner.flights();
        let current = flights.by_client.get(&self.client);
        if current.is_some_and(|flight| flight.id == self.id) {
            flights.by_client.remove(&self.client);
        }
        if let Some(entry) = self.inner.entries.peek(&self.client) {
            if self.failed {
                entry.failed_ms.store(now_ms, Ordering::Release);
            }
            entry.refreshing.store(false, Ordering::Release);
        }
    }
}

const fn millis(span: Duration) -> u64 {
    // Spans here are ages within one process: they fit for five hundred million years.
    span.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entitlement::tests::profile;
    use clock::{Clock, ManualClock};
    use std::sync::atomic::AtomicU32;
    use tokio::sync::Semaphore;
    use tokio::task::{JoinSet, yield_now};

    #[derive(Debug, thiserror::Error)]
    #[error("the store is down")]
    struct Down;

    #[derive(Clone)]
    enum Store {
        Has(Entitlement),
        Lacks,
        Fails,
        Panics,
    }

    /// A store that counts its reads and can be made to wait. It answers what it held when the
    /// read began, as a real one may.
    struct Fake {
        store: Mutex<Store>,
        reads: AtomicU32,
        gate: Semaphore,
        open: AtomicBool,
    }

    #[derive(Clone)]
    struct Loader(Arc<Fake>);

    impl LoadEntitlement for Loader {
        type Error = Down;

        async fn load(&self, _client: ClientId) -> Result<Option<Entitlement>, Down> {
            self.0.reads.fetch_add(1, Ordering::SeqCst);
            let held = self.0.store.lock().unwrap().clone();
            if !self.0.open.load(Ordering::SeqCst) {
                self.0.gate.acquire().await.unwrap().forget();
            }
            match held {
                Store::Has(entitlement) => Ok(Some(entitlement)),
                Store::Lacks => Ok(None),
                Store::Fails => Err(Down),
                Store::Panics => panic!("as told"),
            }
        }
    }

    struct World {
        clock: Arc<ManualClock>,
        fake: Arc<Fake>,
        cache: EntitlementCache<Loader>,
        client: ClientId,
    }

    const LATER: Timestamp = Timestamp::MAX;

    impl World {
        fn new() -> Self {
            let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
            let fake = Arc::new(Fake {
                store: Mutex::new(Store::Has(epoch(1))),
                reads: AtomicU32::new(0),
                gate: Semaphore::new(0),
                open: AtomicBool::new(true),
            });
            let shared: SharedClock = clock.clone();
            Self {
                cache: EntitlementCache::new(Loader(Arc::clone(&fake)), shared, 100),
                client: profile().client,
                clock,
                fake,
            }
        }

        fn set(&self, store: Store) {
            *self.fake.store.lock().unwrap() = store;
        }

        fn shut(&self) {
            self.fake.open.store(false, Ordering::SeqCst);
        }

        fn let_one_through(&self) {
            self.fake.gate.add_permits(1);
        }

        fn reads(&self) -> u32 {
            self.fake.reads.load(Ordering::SeqCst)
        }

        fn advance_s(&self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }

        async fn epoch(&self, min_epoch: u64) -> Result<u64, Refused<Down>> {
            let got = self.cache.get(self.client, min_epoch, LATER).await;
            got.map(|entitlement| entitlement.epoch)
        }

        /// The epoch in memory, without waiting.
        fn cached(&self) -> Option<u64> {
            let got = self.cache.cached(self.client, 0, LATER)?;
            Some(got.unwrap().epoch)
        }
    }

    fn epoch(epoch: u64) -> Entitlement {
        Entitlement::materialise(profile(), &[], epoch - 1, Timestamp::UNIX_EPOCH)
    }

    fn revoked() -> Entitlement {
        Entitlement { revoked: true, ..epoch(2) }
    }

    /// Lets every task run that can.
    async fn settle() {
        for _ in 0..20 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_hundred_callers_make_one_read() {
        let world = World::new();
        world.shut();
        let mut callers = JoinSet::new();
        for _ in 0..100 {
            let (cache, client) = (world.cache.clone(), world.client);
            callers.spawn(async move { cache.get(client, 0, LATER).await.unwrap().epoch });
        }
        settle().await;
        world.let_one_through();
        assert_eq!(callers.join_all().await, vec![1; 100]);
        assert_eq!(world.reads(), 1);
        assert_eq!(world.cached(), Some(1));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_take_the_load_with_it() {
        let world = World::new();
        world.shut();
        let (cache, client) = (world.cache.clone(), world.client);
        let caller = tokio::spawn(async move { cache.get(client, 0, LATER).await.is_ok() });
        settle().await;
        caller.abort();
        settle().await;
        world.let_one_through();
        settle().await;
        assert_eq!((world.cached(), world.reads()), (Some(1), 1));
    }

    #[tokio::test]
    async fn an_entry_is_refreshed_before_its_time_without_anybody_waiting() {
        let world = World::new();
        assert_eq!(world.epoch(0).await.unwrap(), 1);
        world.set(Store::Has(epoch(2)));
        world.advance_s(19);
        assert_eq!(world.cached(), Some(1));
        settle().await;
        assert_eq!(world.reads(), 1);

        world.advance_s(1);
        for _ in 0..10 {
            assert_eq!(world.cached(), Some(1));
        }
        settle().await;
        assert_eq!((world.cached(), world.reads()), (Some(2), 2));
        // The new entry's time starts again.
        world.advance_s(19);
        assert_eq!(world.cached(), Some(2));
        settle().await;
        assert_eq!(world.reads(), 2);
    }

    #[tokio::test]
    async fn an_entry_past_its_time_is_loaded_before_it_is_used() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Has(epoch(2)));
        world.advance_s(30);
        assert_eq!(world.cached(), None);
        assert_eq!(world.epoch(0).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_revoked_client_is_refused_within_a_minute_even_by_a_slow_store() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Has(revoked()));
        world.shut();
        // Busy: the refresh starts at 20 s and hangs. The old entry serves while it is younger
        // than 60 s, and not a moment longer.
        for second in 1..60 {
            world.advance_s(1);
            assert_eq!(world.cached(), Some(1), "after {second} s");
        }
        settle().await;
        assert_eq!(world.reads(), 2);
        world.advance_s(1);
        assert_eq!(world.cached(), None);
        world.let_one_through();
        assert!(matches!(world.epoch(0).await, Err(Refused::Revoked)));
    }

    /// Random busy and idle times, slow and failing reads, and a revocation somewhere among them:
    /// nobody is served a minute after it, unless the store failed in the last half minute.
    #[tokio::test]
    async fn no_history_serves_a_revoked_client_after_a_minute() {
        let random = ids::Mint::seeded([42; 32]);
        let chance = |of: u64| random.random_u64().is_multiple_of(of);
        let (mut served, mut refused, mut excused) = (0, 0, 0);
        for _ in 0..200 {
            let world = World::new();
            let fails = chance(2);
            let (mut revoked_s, mut shut_s, mut failed_s) = (None, None, None);
            let mut waiting: JoinSet<bool> = JoinSet::new();
            let mut now_s: u64 = 0;
            for _ in 0..150 {
                let step_s = if chance(20) { 45 } else { random.random_u64() % 4 };
                // A loader gives up in time; this one answers.
                if shut_s.is_some_and(|since| now_s + step_s > since + 20) || chance(4) {
                    shut_s = None;
                    world.fake.open.store(true, Ordering::SeqCst);
                    world.fake.gate.add_permits(1_000);
                } else if shut_s.is_none() && chance(4) {
                    shut_s = Some(now_s);
                    world.shut();
                    while world.fake.gate.forget_permits(1_000) > 0 {}
                }
                settle().await;
                now_s += step_s;
                world.advance_s(step_s);
                if revoked_s.is_none() && chance(60) {
                    revoked_s = Some(now_s);
                }
                let failing = fails && chance(12);
                world.set(match revoked_s {
                    _ if failing => Store::Fails,
                    Some(_) => Store::Has(revoked()),
                    None => Store::Has(epoch(1)),
                });
                let (cache, client) = (world.cache.clone(), world.client);
                waiting.spawn(async move { cache.get(client, 0, LATER).await.is_ok() });
                settle().await;
                failed_s = failing.then_some(now_s).or(failed_s);
                while let Some(ok) = waiting.try_join_next() {
                    let overdue = revoked_s.is_some_and(|at| now_s >= at + 60);
                    // A failing read may say so as late as it is let go.
                    let excuse = failed_s.is_some_and(|at| now_s < at + 20 + 45 + 30);
                    match (ok.unwrap(), overdue) {
                        (true, false) => served += 1,
                        (true, true) if excuse => excused += 1,
                        (true, true) => panic!("served at {now_s} s, revoked at {revoked_s:?}"),
                        (false, _) => refused += 1,
                    }
                }
            }
        }
        // The histories were worth it.
        assert!(served > 1_000 && refused > 1_000 && excused < served / 20);
    }

    #[tokio::test]
    async fn an_idle_client_is_not_served_from_an_old_entry() {
        for idle_s in [30, 59, 60, 600] {
            let world = World::new();
            world.epoch(0).await.unwrap();
            world.set(Store::Has(revoked()));
            world.advance_s(idle_s);
            assert!(matches!(world.epoch(0).await, Err(Refused::Revoked)));
        }
    }

    #[tokio::test]
    async fn a_failing_store_leaves_what_is_known_until_the_token_ends() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Fails);
        world.advance_s(100);
        let token_end = world.clock.now().checked_add(Duration::from_secs(5)).unwrap();
        let get = || world.cache.get(world.client, 0, token_end);

        assert_eq!(get().await.unwrap().epoch, 1);
        assert_eq!(world.reads(), 2);
        // For a second nobody asks again; then one caller does, and nobody waits for it.
        for _ in 0..50 {
            assert!(get().await.is_ok());
        }
        settle().await;
        assert_eq!(world.reads(), 2);
        world.advance_s(1);
        for _ in 0..50 {
            assert!(world.cache.cached(world.client, 0, token_end).is_some());
        }
        settle().await;
        assert_eq!(world.reads(), 3);

        world.advance_s(4);
        assert!(matches!(get().await, Err(Refused::Unavailable(_))));
    }

    #[tokio::test]
    async fn an_old_failure_excuses_nothing() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Fails);
        world.advance_s(30);
        assert_eq!(world.epoch(0).await.unwrap(), 1);
        // The store is back, and the client revoked; it calls again much later.
        world.set(Store::Has(revoked()));
        world.advance_s(30);
        assert!(matches!(world.epoch(0).await, Err(Refused::Revoked)));
    }

    #[tokio::test]
    async fn a_failed_refresh_is_tried_again_while_the_entry_is_good() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Fails);
        world.advance_s(20);
        assert_eq!(world.cached(), Some(1));
        settle().await;
        world.set(Store::Has(epoch(2)));
        assert_eq!(world.cached(), Some(1));
        settle().await;
        assert_eq!(world.reads(), 2);
        world.advance_s(1);
        assert_eq!(world.cached(), Some(1));
        settle().await;
        assert_eq!((world.cached(), world.reads()), (Some(2), 3));
    }

    #[tokio::test]
    async fn a_failing_store_and_an_empty_memory_is_an_error() {
        let world = World::new();
        world.set(Store::Fails);
        let error = world.epoch(0).await.unwrap_err();
        assert!(std::error::Error::source(&error).is_some());
        world.set(Store::Has(epoch(1)));
        assert_eq!(world.epoch(0).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_token_of_a_newer_epoch_forces_a_load() {
        let world = World::new();
        assert_eq!(world.epoch(1).await.unwrap(), 1);
        world.set(Store::Has(epoch(2)));
        assert_eq!(world.epoch(1).await.unwrap(), 1);
        assert_eq!(world.epoch(2).await.unwrap(), 2);
        assert_eq!(world.epoch(1).await.unwrap(), 2);
        assert_eq!(world.reads(), 2);
    }

    #[tokio::test]
    async fn a_newer_token_does_not_join_a_load_that_began_before_it() {
        let world = World::new();
        world.shut();
        let (cache, client) = (world.cache.clone(), world.client);
        let old = tokio::spawn(async move { cache.get(client, 1, LATER).await.unwrap().epoch });
        settle().await;
        world.set(Store::Has(epoch(2)));
        let (cache, client) = (world.cache.clone(), world.client);
        let new = tokio::spawn(async move { cache.get(client, 2, LATER).await.unwrap().epoch });
        settle().await;
        world.fake.gate.add_permits(2);
        assert_eq!((old.await.unwrap(), new.await.unwrap()), (1, 2));
        assert_eq!((world.cached(), world.reads()), (Some(2), 2));
    }

    #[tokio::test]
    async fn a_store_that_lags_behind_a_token_is_asked_once_a_second() {
        let world = World::new();
        assert_eq!(world.epoch(5).await.unwrap(), 1);
        for _ in 0..50 {
            assert_eq!(world.epoch(5).await.unwrap(), 1);
        }
        settle().await;
        assert_eq!(world.reads(), 1);
        world.set(Store::Has(epoch(5)));
        world.advance_s(1);
        assert_eq!(world.epoch(5).await.unwrap(), 1);
        settle().await;
        assert_eq!((world.epoch(5).await.unwrap(), world.reads()), (5, 2));
    }

    #[tokio::test]
    async fn a_client_that_does_not_exist_is_remembered_for_five_seconds() {
        let world = World::new();
        world.set(Store::Lacks);
        for _ in 0..50 {
            // Deleted clients hold tokens with epochs.
            assert!(matches!(world.epoch(9).await, Err(Refused::UnknownClient)));
        }
        assert_eq!(world.reads(), 1);
        world.advance_s(5);
        world.set(Store::Has(epoch(1)));
        assert_eq!(world.epoch(0).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_client_that_is_deleted_is_refused_with_the_next_load() {
        let world = World::new();
        world.epoch(0).await.unwrap();
        world.set(Store::Lacks);
        world.advance_s(30);
        assert!(matches!(world.epoch(0).await, Err(Refused::UnknownClient)));
        // A failure does not bring it back.
        world.set(Store::Fails);
        world.advance_s(5);
        assert!(matches!(world.epoch(0).await, Err(Refused::Unavailable(_))));
    }

    #[tokio::test]
    async fn what_is_invalidated_is_not_brought_back_by_a_load_on_its_way() {
        let world = World::new();
        world.shut();
        let (cache, client) = (world.cache.clone(), world.client);
        let early = tokio::spawn(async move { cache.get(client, 0, LATER).await.unwrap().epoch });
        settle().await;
        world.set(Store::Has(epoch(2)));
        world.cache.invalidate(world.client);
        world.let_one_through();
        assert_eq!(early.await.unwrap(), 1);
        assert_eq!(world.cached(), None);
        world.let_one_through();
        assert_eq!(world.epoch(0).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_loader_that_panics_blocks_nobody() {
        let world = World::new();
        world.set(Store::Panics);
        assert!(matches!(world.epoch(0).await, Err(Refused::Interrupted)));
        world.set(Store::Has(epoch(1)));
        assert_eq!(world.epoch(0).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_closure_is_a_loader() {
        let clock: SharedClock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let load = |_client| async { Ok::<_, Down>(Some(epoch(3))) };
        let cache = EntitlementCache::new(load, clock, 10);
        let client = profile().client;
        assert_eq!(cache.get(client, 0, LATER).await.unwrap().epoch, 3);
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let clock: SharedClock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let load = |_client| async { Ok::<_, Down>(Some(epoch(3))) };
        let cache = EntitlementCache::new(load, clock, 10);
        let mint = ids::Mint::seeded([9; 32]);
        for _ in 0..1_000 {
            cache.get(mint.mint(0), 0, LATER).await.unwrap();
        }
        assert!(cache.inner.entries.len() <= 10);
        assert!(cache.inner.flights().by_client.is_empty());
    }

    #[test]
    fn without_a_runtime_it_refuses_rather_than_panics() {
        let world = World::new();
        let mut get = std::pin::pin!(world.epoch(0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let polled = get.as_mut().poll(&mut context);
        assert!(matches!(polled, std::task::Poll::Ready(Err(Refused::Interrupted))));
    }
}
