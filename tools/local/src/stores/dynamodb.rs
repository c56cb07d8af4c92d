//! DynamoDB: dynoxide's server on its SQLite store.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::{Database, streams};
use tokio::sync::watch;

use super::StoresError;
use crate::server::{Phase, stopping};

/// How often items past their time to live are removed. DynamoDB takes hours for the same.
const TTL_SWEEP: Duration = Duration::from_secs(60);

/// The tables and the server over them.
pub(super) struct Tables(Database);

impl Tables {
    /// Opens the tables in the file at `path`, made when missing.
    pub(super) fn open(path: &Path) -> Result<Self, StoresError> {
        let text = path
            .to_str()
            .ok_or_else(|| StoresError::Tables("the path of the file is not UTF-8".to_owned()))?;
        let database = Database::new(text).map_err(failed)?;
        // SQLite opens with a synchronisation of the disk at each commit. With its
        // write-ahead log the weaker setting loses nothing when the process is killed, only the
        // last moments before a power cut, which is what a stack for development may lose. The
        // store has no setting for it; this call, meant to end a bulk load, sets exactly that.
        database.disable_bulk_loading().map_err(failed)?;
        tend_streams(path).map_err(failed)?;
        Ok(Self(database))
    }

    /// Tables that go with the process.
    pub(super) fn in_memory() -> Result<Self, StoresError> {
        Database::memory().map(Self).map_err(failed)
    }

    /// A reader of the tables' streams.
    pub(super) fn streams(&self) -> Streams {
        Streams(self.0.clone())
    }

    /// Serves the tables until `phase` leaves [`Phase::Serving`].
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        mut phase: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let sweeper = tokio::spawn(sweep(self.0.clone()));
        let stop = async move { stopping(&mut phase).await };
        let result = dynoxide::server::serve_with_shutdown(listener, self.0, stop).await;
        sweeper.abort();
        result.map_err(io::Error::other)
    }
}

/// Makes the records of streams quick to find, and deletes old ones.
///
/// The store reads all records of a table for the next number and for the newest records, and keeps
/// them for good: after 50,000 changes each change would take 0.1 s. DynamoDB keeps records for a day;
/// here it is a month, since a laptop may be off for long before what happened last is read.
fn tend_streams(path: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(path)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS stream_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         DELETE FROM _stream_records WHERE created_at < unixepoch('now', '-30 days');",
    )
}

/// Reads what happened to the items of tables whose stream is on.
///
/// A table's stream is one shard, whose records stay for a month or more: DynamoDB has more of them,
/// and keeps records for a day.
#[derive(Clone)]
pub struct Streams(Database);

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl Streams {
    /// Reads the records of `table` behind the one with the sequence number `after`, or from the
    /// first on, as Lambda hands them to a function; at most `limit` of them.
    ///
    /// # Errors
    /// What the store says: there is no such table, or its stream is off.
    pub async fn read(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<Vec<EventRecord>> {
        let (database, table) = (self.0.clone(), table.to_owned());
        let after = after.map(str::to_owned);
        // SQLite blocks the thread that it is called on.
        let read = move || read_stream(&database, &table, after, limit);
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

fn read_stream(
    database: &Database,
    table: &str,
    after: Option<String>,
    limit: usize,
) -> io::Result<Vec<EventRecord>> {
    let arn = streams::stream_arn(table, "local");
    let kind = if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
    let request = GetShardIteratorRequest {
        stream_arn: arn.clone(),
        shard_id: streams::shard_id(table),
        shard_iterator_type: kind.to_owned(),
        sequence_number: after,
    };
    let iterator = database.get_shard_iterator(request).map_err(io::Error::other)?;
    let request = GetRecordsRequest {
        shard_iterator: iterator.shard_iterator.unwrap_or_default(),
        limit: Some(limit),
    };
    let records = database.get_records(request).map_err(io::Error::other)?.records;
    records
        .into_iter()
        .map(|record| {
            // The store's record and Lambda's have the same JSON.
            let mut record: EventRecord = serde_json::from_value(serde_json::to_value(record)?)?;
            record.event_source_arn = Some(arn.clone());
            Ok(record)
        })
        .collect()
}

/// The store removes expired items only when it is told to.
async fn sweep(database: Database) {
    let mut ticks = tokio::time::interval(TTL_SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    // The first tick is at once, and a start should not wait for a sweep.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(removed)) => tracing::debug!(removed, "items past their time to live"),
            Ok(Err(error)) => tracing::warn!(%error, "the sweep of expired items failed"),
            Err(error) => tracing::warn!(%error, "the sweep of expired items panicked"),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> StoresError {
    StoresError::Tables(error.to_string())
}
