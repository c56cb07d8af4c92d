//! How fast clients call, where processes share their limits.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::try_join_all;
use ids::ClientId;
use ledger::StoreFault;
use redis::Script;

use crate::connection::Link;
use crate::shard;

/// Calls of one client that a process let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// The client.
    pub client: ClientId,
    /// Its limit, in calls a second. Each limit has a bucket of its own.
    pub limit: NonZeroU32,
    /// How many calls were let through.
    pub count: u32,
}

/// Token buckets that processes share, one per client and limit. A bucket holds one second's calls.
///
/// The processes decide for themselves and tell afterwards: nothing is refused here, and a bucket
/// that was overdrawn is so much longer empty. It is kept by the server's own clock and handed out
/// as a distance from now, so that no two machines' times are compared.
///
/// Buckets are on the primary that answers, and nothing fences them: one that is lost is full again,
/// one that an old file or a replica brings back is behind by what was called since. Both only let a
/// client call more for a second. They expire when they are full.
#[derive(Debug)]
pub struct Bursts {
    link: Link,
    count: Script,
}

impl Bursts {
    /// Buckets on the server at `url`. Each request ends after `deadline`. Does not connect yet.
    ///
    /// # Errors
    /// [`StoreFault::Failed`] if the address is none.
    pub fn new(url: &str, deadline: Duration) -> Result<Self, StoreFault> {
        let count = Script::new(concat!("#!lua\n", include_str!("scripts/count.lua")));
        Ok(Self { link: Link::new(url, deadline)?, count })
    }

    /// Counts calls that were made within the last `since`, and says for each of `calls`, in their
    /// order, how far ahead of now its bucket's theoretical arrival time is then; zero where the
    /// bucket is full.
    ///
    /// Calls count as made at the beginning of `since`, so that a client is not refused for the time
    /// that it takes to tell of them.
    ///
    /// # Errors
    /// [`StoreFault`] if not all was counted. Some of it may have been, and is counted twice if it
    /// is told again.
    pub async fn count(
        &self,
        calls: &[Calls],
        since: Duration,
    ) -> Result<Vec<Duration>, StoreFault> {
        let mut sorted: Vec<_> = calls.iter().enumerate().collect();
        sorted.sort_by_key(|(_, calls)| shard(calls.client));
        let shards =
            sorted.chunk_by(|(_, one), (_, other)| shard(one.client) == shard(other.client));
        // They go out together, on one connection; the keys of each are on one server of a cluster.
        let answers = try_join_all(shards.map(|calls| self.count_in_shard(calls, since))).await?;
        let mut ahead = vec![Duration::ZERO; calls.len()];
        for ((place, _), answer) in sorted.iter().zip(answers.into_iter().flatten()) {
            ahead[*place] = Duration::from_micros(answer);
        }
        Ok(ahead)
    }

    async fn count_in_shard(
        &self,
        calls: &[(usize, &Calls)],
        since: Duration,
    ) -> Result<Vec<u64>, StoreFault> {
        let mut script = self.count.prepare_invoke();
        script.arg(u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        for (_, Calls { client, limit, count }) in calls {
            let key = format!("burst{{{}}}{client}:{limit}", shard(*client));
            script.key(key).arg(limit.get()).arg(*count);
        }
        let ahead: Vec<u64> = self.link.ask(&script).await?;
        if ahead.len() == calls.len() {
            return Ok(ahead);
        }
        Err(StoreFault::Failed(format!("{} buckets of {} are told", ahead.len(), calls.len())))
    }
}
