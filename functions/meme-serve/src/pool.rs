//! The pool of AI memes, in the memory of the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::SharedClock;
use edge::models::MemeView;
use ids::{ClientId, MemeId};
use maas_aws::memes::{MemeStore, POOL_SHARDS};
use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use views::Memes;

/// The pool is read again in the background this long after it was read.
const REFRESH_AFTER: Duration = Duration::from_secs(10);

/// The same while it holds few memes, as in a service that has just begun to fill it.
const REFRESH_SMALL_AFTER: Duration = Duration::from_millis(500);

/// A pool of fewer memes than this is small.
const SMALL: usize = 64;

/// Addresses of pictures are good for an hour; a pool is not served from for longer than this.
const USABLE_FOR: Duration = Duration::from_secs(1_800);

/// How many memes are read of each partition, the newest first.
const READ_OF_EACH: i32 = 200;

/// How many of the memes that a client was served last are not served to it again.
const NOT_AGAIN: usize = 24;

/// How many clients' last memes a process remembers.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
struct Memory {
    memes: Vec<Arc<MemeView>>,
    read_at: Option<Duration>,
}

/// AI memes that were made beforehand.
#[derive(Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: MemeStore,
    memes: Memes,
    clock: SharedClock,
    memory: ArcSwap<Memory>,
    reading: Mutex<()>,
    refreshing: AtomicBool,
    served: Cache<ClientId, Arc<std::sync::Mutex<VecDeque<MemeId>>>>,
}

impl Pool {
    /// A pool over the memes in `store`, shown by `memes`.
    #[must_use]
    pub fn new(store: MemeStore, memes: Memes, clock: SharedClock) -> Self {
        Self(Arc::new(Inner {
            store,
            memes,
            clock,
            memory: ArcSwap::default(),
            reading: Mutex::new(()),
            refreshing: AtomicBool::new(false),
            served: Cache::new(REMEMBERED),
        }))
    }

    /// A meme of the pool, about `topic` if one is named, that this client was not served lately;
    /// which one, follows from `random`. None if the pool has nothing to offer.
    pub async fn pick(
        &self,
        topic: Option<&str>,
        client: ClientId,
        random: u64,
    ) -> Option<MemeView> {
        let inner = &self.0;
        let memory = inner.fresh().await;
        let about =
            |meme: &&Arc<MemeView>| topic.is_none_or(|it| meme.topic.as_deref() == Some(it));
        let fitting = memory.memes.iter().filter(about).count();
        if fitting == 0 {
            return None;
        }
        let lately = inner.lately(client);
        let mut lately = lately.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let skip = usize::try_from(random % u64::try_from(fitting).unwrap_or(1)).unwrap_or(0);
        let around = || {
            let fitting = || memory.memes.iter().filter(about);
            fitting().skip(skip).chain(fitting().take(skip))
        };
        // A small pool comes round: then whatever was served longest ago.
        let chosen = around()
            .find(|meme| !lately.contains(&meme.id))
            .or_else(|| lately.iter().find_map(|old| around().find(|meme| meme.id == *old)))?;
        lately.retain(|id| *id != chosen.id);
        lately.push_back(chosen.id);
        if lately.len() > NOT_AGAIN {
            lately.pop_front();
        }
        Some(MemeView::clone(chosen))
    }
}

impl Inner {
    /// The pool as it was read last; read now if that was never or long ago.
    async fn fresh(self: &Arc<Self>) -> Arc<Memory> {
        let memory = self.memory.load_full();
        let age = memory.read_at.map(|at| self.clock.monotonic().saturating_sub(at));
        match age {
            Some(age) if age < USABLE_FOR => {
                let small = memory.memes.len() < SMALL;
                let due = if small { REFRESH_SMALL_AFTER } else { REFRESH_AFTER };
                if age >= due && !self.refreshing.swap(true, Ordering::AcqRel) {
                    let inner = Arc::clone(self);
                    tokio::spawn(async move {
                        inner.read().await;
                        inner.refreshing.store(false, Ordering::Release);
                    });
                }
                memory
            }
            _ => {
                let _reading = self.reading.lock().await;
                let now = self.memory.load_full();
                if Arc::ptr_eq(&now, &memory) {
                    self.read().await;
                }
                self.memory.load_full()
            }
        }
    }

    async fn read(&self) {
        let read_at = self.clock.monotonic();
        let mut memes = Vec::new();
        for shard in 0..POOL_SHARDS {
            match self.store.pool(shard, READ_OF_EACH).await {
                Ok(records) => {
                    for record in records {
                        if let Ok(view) = self.memes.stored(&record).await {
                            memes.push(Arc::new(view));
                        }
                    }
                }
                Err(error) => {
                    // What is known goes on being served.
                    tracing::warn!(%error, "the pool was not read");
                    return;
                }
            }
        }
        self.memory.store(Arc::new(Memory { memes, read_at: Some(read_at) }));
    }

    fn lately(&self, client: ClientId) -> Arc<std::sync::Mutex<VecDeque<MemeId>>> {
        if let Some(known) = self.served.get(&client) {
            return known;
        }
        let new = Arc::default();
        self.served.insert(client, Arc::clone(&new));
        new
    }
}
