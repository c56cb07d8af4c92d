//! DynamoDB: dynoxide's server on its SQLite store.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use dynoxide::Database;
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
        Ok(Self(database))
    }

    /// Tables that go with the process.
    pub(super) fn in_memory() -> Result<Self, StoresError> {
        Database::memory().map(Self).map_err(failed)
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
