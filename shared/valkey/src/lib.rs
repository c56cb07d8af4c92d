//! The ledger on Valkey, or on any server that speaks its protocol and runs its scripts (Redis 7).
//!
//! A balance is a hash, changed by one script that first looks at everything the change relies on
//! and then writes all of it. Scripts run one at a time, so that no two changes meet; what a script
//! does is done whole or not at all. The records that go with a balance, its holds and the grants
//! that it ever had, are a second hash, and the reaper's appointments of many clients a sorted set.
//!
//! The clients are spread over [64 shards](SHARDS), and the keys of a shard share a hash tag. So a
//! balance, its records and the index that it is in are always on one server of a cluster, and one
//! script changes them together: the index is never behind. This crate connects to one address; a
//! cluster takes a proxy that leads each key to its server.
//!
//! The server must not evict (`maxmemory-policy noeviction`): a record that is gone could let a
//! grant come in twice.
//!
//! # As the truth
//!
//! [`ValkeyLedger::durable`] is for those who host the service themselves. It needs `appendonly yes`.
//! With `appendfsync always` a change is on disk before it is answered, and a server that is killed
//! or loses power comes back with all of them; with the default, `everysec`, a loss of power takes
//! the last second or two.
//!
//! Replication is asynchronous: a replica that is promoted may lack the last changes, so that credits
//! which were leased or spent just before are there once more. `min-replicas-to-write` and
//! `min-replicas-max-lag` on the server bound that to the lag that they name; nothing brings it to
//! zero. `WAIT` is not used, since it would say too much: a request that is repeated finds its change
//! made, and could not tell whether the replicas have it. Whoever may lose nothing restarts the
//! primary from its own disk instead of promoting a replica.
//!
//! # As a cache of leased credits
//!
//! With [`ValkeyLedger::fenced`] the balances hold credits that were leased from a ledger elsewhere,
//! which is the truth and takes back what lapses. Here the danger is a server that remembers too
//! much. A replica that is promoted while its primary lives on, or a server that comes back from an
//! old file, could lend the same credits once more. So each balance bears the **replication id** of
//! the primary that created it, and counts only where that is the id of the server that runs the
//! script. A server draws the id at random, 160 bits, when it starts and when it is promoted; no two
//! primaries ever have the same.
//!
//! - **Split brain:** the old primary keeps its id and goes on with what it was lent. The promoted
//!   one has another; the copies that it holds are not there for it, and it borrows anew. When the
//!   old one is made a replica it can no longer write, and if it is promoted again, its id is new.
//! - **A restart**, from whatever file: the id is new, and what the file brought is not there.
//! - **`FLUSHALL`** keeps the id and takes the balances. What they held is nowhere any more, and
//!   lapses at whoever lent it. The same goes for a server that lost all its data.
//! - **Keys moved** to another primary of a cluster bear the id of the one that they came from.
//!
//! Two things could still bring back what is gone: what was planned on the old balance, and what is
//! asked again. So a new balance counts its entries from the time in microseconds, and no change that
//! relies on an old one's `seq` fits it. And whoever brings borrowed credits in must rest that change
//! on the `seq` of the balance that they were borrowed for: the memory of the grants that came in
//! begins anew too, and a mere repetition would bring them in once more.
//!
//! Nothing is ever spent that another server may spend, and what is refused is only lent for longer
//! than it had to be. A primary also draws a new id when its first replica comes and when its last
//! one has been gone for `repl-backlog-ttl`; that costs the same and is as safe. What no id protects
//! from is a whole machine that is brought back from an image of its memory: no file is read then.
//!
//! # Limits
//!
//! [`Bursts`] is no ledger. It keeps the token buckets of clients whose calls meet several processes.

mod bursts;
mod connection;
mod steps;
#[cfg(feature = "testing")]
pub mod testing;

use std::time::Duration;

use futures_util::future::try_join_all;
use ids::{ClientId, Id, JobId};
use ledger::{
    Balance, BalanceStore, Change, Commit, Companion, Hold, MovableStore, Record, RecordPage,
    StoreFault,
};
use redis::Script;

pub use crate::bursts::{Bursts, Calls};
use crate::connection::Link;
use crate::steps::{Fields, Steps};

/// Over how many hash tags the clients are spread. Another number would look for every balance
/// elsewhere.
pub const SHARDS: u128 = 64;

/// A script with what every script begins with. Not to be flagged as one that only reads has the
/// server refuse it on a replica, which may be behind.
macro_rules! script {
    ($flags:literal, $file:literal) => {
        Script::new(concat!(
            "#!lua",
            $flags,
            "\n",
            include_str!("scripts/fence.lua"),
            include_str!($file)
        ))
    };
}

/// What a script says became of a request, and the fields that it found.
type Answer = (String, Fields);

/// Which shard a client is in.
fn shard(client: ClientId) -> u128 {
    // The low bits of a ULID are random.
    u128::from(client.ulid()) % SHARDS
}

/// A [`Ledger`](ledger::Ledger) on Valkey.
#[derive(Debug)]
pub struct ValkeyLedger {
    link: Link,
    mode: &'static str,
    read: Script,
    write: Script,
    records: Script,
    overdue: Script,
}

impl ValkeyLedger {
    /// A ledger whose truth is on the server at `url`. Each request ends after `deadline`. Does not
    /// connect yet.
    ///
    /// # Errors
    /// [`StoreFault::Failed`] if the address is none.
    pub fn durable(url: &str, deadline: Duration) -> Result<Self, StoreFault> {
        Self::new(url, deadline, "durable")
    }

    /// A ledger whose balances count only on the primary that they were created on: a cache of
    /// credits that are leased from elsewhere. Otherwise like [`durable`](Self::durable); the two
    /// share no balance.
    ///
    /// # Errors
    /// [`StoreFault::Failed`] if the address is none.
    pub fn fenced(url: &str, deadline: Duration) -> Result<Self, StoreFault> {
        Self::new(url, deadline, "fenced")
    }

    fn new(url: &str, deadline: Duration, mode: &'static str) -> Result<Self, StoreFault> {
        Ok(Self {
            link: Link::new(url, deadline)?,
            mode,
            // What is there can be read when there is no memory for more.
            read: script!(" flags=allow-oom", "scripts/read.lua"),
            write: script!("", "scripts/write.lua"),
            records: script!(" flags=allow-oom", "scripts/records.lua"),
            overdue: script!(" flags=allow-oom", "scripts/overdue.lua"),
        })
    }

    /// The keys of a client: its balance, the records beside it, and the index that it is in.
    fn keys(&self, client: ClientId) -> [String; 3] {
        let shard = shard(client);
        let mode = self.mode;
        [
            format!("{mode}{{{shard}}}balance:{client}"),
            format!("{mode}{{{shard}}}records:{client}"),
            self.index(shard),
        ]
    }

    fn index(&self, shard: u128) -> String {
        format!("{}{{{shard}}}due", self.mode)
    }

    async fn write(
        &self,
        client: ClientId,
        verb: &str,
        steps: &Steps,
    ) -> Result<Answer, StoreFault> {
        let mut script = self.write.prepare_invoke();
        script.key(&self.keys(client)).arg(self.mode).arg(verb).arg(steps.words());
        self.link.ask(&script).await
    }

    /// The fields of a balance, or one of its records; none if there is none.
    async fn read(
        &self,
        client: ClientId,
        record: Option<String>,
    ) -> Result<Option<Fields>, StoreFault> {
        let mut script = self.read.prepare_invoke();
        script.key(&self.keys(client)).arg(self.mode).arg(record);
        let (found, fields): Answer = self.link.ask(&script).await?;
        Ok((found == "found").then_some(fields))
    }
}

impl BalanceStore for ValkeyLedger {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        self.write(balance.client, "create", &Steps::create(&balance)?).await?;
        Ok(())
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        let fields = self.read(client, None).await?;
        fields.map(|fields| steps::balance(client, &fields)).transpose()
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        let fields = self.read(client, Some(steps::hold_field(job))).await?.unwrap_or_default();
        fields.values().next().map(|text| steps::from_json(text)).transpose()
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let client = balance.client;
        let steps = Steps::change(client, change, companion.as_ref())?;
        let (became, fields) = self.write(client, "change", &steps).await?;
        match became.as_str() {
            "done" => Ok(Commit::Done),
            "moved" => Ok(Commit::Moved(Some(steps::balance(client, &fields)?))),
            "companion" => Ok(Commit::Companion),
            "unknown" => Ok(Commit::Unknown),
            other => Err(StoreFault::Failed(format!("the script answered `{other}`"))),
        }
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        let shards = (0..SHARDS).map(|shard| async move {
            let mut script = self.overdue.prepare_invoke();
            script.key(self.index(shard)).arg(self.mode).arg(now_ms).arg(limit);
            // The time comes back as a floating-point number, which these are far from too large for.
            let due: Vec<(String, f64)> = self.link.ask(&script).await?;
            Ok(due)
        });
        // They go out together, on one connection.
        let mut due: Vec<_> = try_join_all(shards).await?.into_iter().flatten().collect();
        due.sort_unstable_by(|(_, one), (_, other)| one.total_cmp(other));
        Ok(due.iter().filter_map(|(client, _)| client.parse().ok()).take(limit).collect())
    }
}

/// For a ledger that is [the truth](ValkeyLedger::durable). What a cache holds has its home elsewhere,
/// and never moves itself.
impl MovableStore for ValkeyLedger {
    async fn put(&self, balance: Balance) -> Result<(), StoreFault> {
        self.write(balance.client, "put", &Steps::create(&balance)?).await?;
        Ok(())
    }

    async fn load_records(
        &self,
        client: ClientId,
        _from: Option<String>,
    ) -> Result<RecordPage, StoreFault> {
        let mut script = self.records.prepare_invoke();
        script.key(&self.keys(client)).arg(self.mode);
        let fields: Fields = self.link.ask(&script).await?;
        Ok(RecordPage { records: steps::records(&fields)?, next: None })
    }

    async fn put_records(&self, client: ClientId, records: Vec<Record>) -> Result<(), StoreFault> {
        self.write(client, "keep", &Steps::keep(&records)?).await?;
        Ok(())
    }
}
