//! One connection that all requests share, and what became of those that had no answer.

use std::time::Duration;

use ledger::StoreFault;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, ScriptInvocation};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

/// A connection to one server, made when it is needed and again when it is lost.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    deadline: Duration,
    made: Mutex<Made>,
}

/// The connection that is in use, and how many there were before it.
#[derive(Debug, Default)]
struct Made {
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl Link {
    /// A link to the server at `url`. Does not connect yet.
    pub(crate) fn new(url: &str, deadline: Duration) -> Result<Self, StoreFault> {
        let client = Client::open(url).map_err(|error| StoreFault::Failed(error.to_string()))?;
        Ok(Self { client, deadline, made: Mutex::default() })
    }

    /// Runs a script within the deadline.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreFault> {
        let deadline = Instant::now() + self.deadline;
        // As long as nothing was sent nothing was changed, whatever the reason.
        let (number, mut connection) = timeout_at(deadline, self.connection())
            .await
            .map_err(|_| StoreFault::Failed("no connection in time".into()))?
            .map_err(|error| match sorted(&error) {
                StoreFault::Throttled(text) => StoreFault::Throttled(text),
                StoreFault::TimedOut(text) | StoreFault::Failed(text) => {
                    StoreFault::Failed(format!("no connection: {text}"))
                }
            })?;
        match timeout_at(deadline, Self::run(script, &mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_io_error() || error.code() == Some("READONLY") {
                    // A server that was demoted keeps its connections; the address may lead to
                    // another one by now.
                    self.leave(number);
                }
                Err(sorted(&error))
            }
            Err(_) => {
                // A host that vanished says nothing, and its connection would never break.
                self.leave(number);
                Err(StoreFault::TimedOut("no answer in time".into()))
            }
        }
    }

    /// Runs a script, which is sent again whenever the server turns out not to have it.
    async fn run<T: FromRedisValue>(
        script: &ScriptInvocation<'_>,
        connection: &mut MultiplexedConnection,
    ) -> Result<T, RedisError> {
        loop {
            match script.invoke_async(connection).await {
                // It was flushed between being sent and being run.
                Err(error) if error.code() == Some("NOSCRIPT") => {}
                answer => return answer,
            }
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let mut made = self.made.lock().await;
        if let Some(connection) = &made.connection {
            return Ok((made.number, connection.clone()));
        }
        // Deadlines are kept above.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        made.number += 1;
        made.connection = Some(connection.clone());
        Ok((made.number, connection))
    }

    /// Uses this connection no more, unless another one took its place already.
    fn leave(&self, number: u64) {
        // Where the lock is taken somebody connects already.
        if let Ok(mut made) = self.made.try_lock()
            && made.number == number
        {
            made.connection = None;
        }
    }
}

/// Sorts an error by what the caller can do about it.
fn sorted(error: &RedisError) -> StoreFault {
    let text = error.to_string();
    match error.code() {
        // It refused before it began, and will soon answer otherwise: it loads its data, is busy
        // with a script, has no memory, or is not, or not yet, the primary of enough replicas.
        Some(
            "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "NOREPLICAS" | "OOM" | "READONLY"
            | "TRYAGAIN",
        ) => StoreFault::Throttled(text),
        _ if error.is_io_error() => StoreFault::TimedOut(text),
        _ => StoreFault::Failed(text),
    }
}
