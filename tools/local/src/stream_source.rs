//! What Lambda puts between the stream of a table and a function, for functions in this process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::DynamoDbEventResponse;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::Instrument;

use crate::event_source::{Backoff, Unfinished, finish, stopped};
use crate::stores::Streams;

/// How a stream is read.
#[derive(Debug, Clone)]
pub struct StreamPollerConfig {
    /// The table whose stream it is.
    pub table: String,
    /// The most records in one event.
    pub batch_size: usize,
    /// How long the stream is left alone when there was nothing more in it.
    pub pause: Duration,
    /// How often a record is handed out before it is given up, at least 1.
    pub attempts_max: u32,
    /// How long a handler may take. When it takes longer it is stopped and its batch has failed.
    pub handler_timeout: Duration,
    /// The file in which it is remembered what was handled; none begins with the oldest record at
    /// each start.
    pub checkpoint: Option<PathBuf>,
    /// The queue, by its client and its URL, that is told of records that were given up.
    pub dead_letters: Option<(Client, String)>,
}

impl StreamPollerConfig {
    /// Reads the stream of `table` in batches of up to 100, five times a second.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            batch_size: 100,
            pause: Duration::from_millis(200),
            attempts_max: 10,
            handler_timeout: Duration::from_secs(60),
            checkpoint: None,
            dead_letters: None,
        }
    }
}

/// Feeds a handler from a table's stream as Lambda does, with partial batch replies
/// (`ReportBatchItemFailures`) and batches that are cut in half when they fail
/// (`BisectBatchOnFunctionError`).
///
/// - Batches come one after the other, in the order of the stream.
/// - What was handled is remembered up to the first record that the handler reports as failed. That
///   record comes again, and all that follow it.
/// - All of a batch has failed when the handler returns an error, panics or takes too long.
/// - A record that alone failed too often is given up, so that those behind it get their turn.
///
/// A record is handled at least once, so handlers must bear a repetition. The poller outlives every
/// failure of the handler; it ends by [`StreamPoller::shutdown`] or when it is dropped.
#[derive(Debug)]
pub struct StreamPoller {
    stop: watch::Sender<bool>,
    reading: JoinHandle<JoinSet<()>>,
}

impl StreamPoller {
    /// Starts to feed `handler`. Must be called in a Tokio runtime.
    pub fn start<H, F, E>(streams: Streams, config: StreamPollerConfig, handler: H) -> Self
    where
        H: Fn(Event) -> F + Send + Sync + 'static,
        F: Future<Output = Result<DynamoDbEventResponse, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let (stop, mut stopping) = watch::channel(false);
        let span = tracing::info_span!("stream_poller", table = %config.table);
        let mut reader = Reader::new(streams, config, Arc::new(handler));
        let reading = async move {
            loop {
                // A batch at work is finished: it is short, and nobody else would note its end.
                let rest = reader.round().await;
                tokio::select! {
                    biased;
                    _ = stopped(&mut stopping) => return JoinSet::new(),
                    () = rest.pass(&mut reader.backoff) => {}
                }
            }
        };
        Self { stop, reading: tokio::spawn(reading.instrument(span)) }
    }

    /// Stops reading and waits for the batch at work, up to `deadline`.
    ///
    /// # Errors
    /// [`Unfinished`] when the deadline passed first. The batch comes again at the next start.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), Unfinished> {
        let finished = finish(self.stop, self.reading, deadline);
        timeout(deadline, finished).await.unwrap_or(Err(Unfinished { handlers: 1 }))
    }
}

/// What comes between two rounds.
enum Rest {
    None,
    Pause(Duration),
    Backoff,
}

impl Rest {
    async fn pass(self, backoff: &mut Backoff) {
        match self {
            Self::None => {}
            Self::Pause(pause) => tokio::time::sleep(pause).await,
            Self::Backoff => backoff.wait().await,
        }
    }
}

struct Reader<H> {
    streams: Streams,
    config: StreamPollerConfig,
    handler: Arc<H>,
    /// The sequence number of the last record that was handled or given up.
    position: Option<String>,
    /// The most records of the next batch.
    size: usize,
    /// How often the first record of the next batch has failed.
    attempts: u32,
    backoff: Backoff,
}

impl<H, F, E> Reader<H>
where
    H: Fn(Event) -> F + Send + Sync + 'static,
    F: Future<Output = Result<DynamoDbEventResponse, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    fn new(streams: Streams, config: StreamPollerConfig, handler: Arc<H>) -> Self {
        let position = config.checkpoint.as_deref().and_then(recall);
        let size = config.batch_size.max(1);
        Self { streams, config, handler, position, size, attempts: 0, backoff: Backoff::default() }
    }

    /// Reads and handles one batch.
    async fn round(&mut self) -> Rest {
        let table = &self.config.table;
        let records = match self.streams.read(table, self.position.as_deref(), self.size).await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "the stream could not be read");
                return Rest::Backoff;
            }
        };
        if records.is_empty() {
            return Rest::Pause(self.config.pause);
        }
        let places: Vec<String> = records
            .iter()
            .map(|it| it.change.sequence_number.clone().unwrap_or_default())
            .collect();
        let done = self.handle(records, &places).await;
        if let Some(last) = done.checked_sub(1).and_then(|last| places.get(last)) {
            self.move_to(last.clone());
        }
        if done == places.len() {
            let full = places.len() == self.size;
            self.size = self.config.batch_size.max(1);
            self.backoff.reset();
            return if full { Rest::None } else { Rest::Pause(self.config.pause) };
        }
        self.attempts += 1;
        if places.len() > 1 {
            // The half with the failed record first; what it alone fails for is found so.
            self.size = ((places.len() - done) / 2).max(1);
        } else if self.attempts >= self.config.attempts_max {
            // There is one record, and it has failed.
            self.give_up(&places[0]).await;
        }
        Rest::Backoff
    }

    /// Has the handler work on a batch, and says how many of its first records are done.
    async fn handle(&self, records: Vec<EventRecord>, places: &[String]) -> usize {
        let mut event = Event::default();
        event.records = records;
        let handler = Arc::clone(&self.handler);
        // A task of its own takes a panic.
        let mut task = JoinSet::new();
        task.spawn(async move { handler(event).await }.in_current_span());
        let error = match timeout(self.config.handler_timeout, task.join_next()).await {
            Ok(Some(Ok(Ok(reply)))) => {
                let failed = |place: &String| {
                    let mut failures = reply.batch_item_failures.iter();
                    failures.any(|failure| failure.item_identifier.as_ref() == Some(place))
                };
                return match places.iter().position(failed) {
                    Some(first) => first,
                    None if reply.batch_item_failures.is_empty() => places.len(),
                    // It reports what it was not given: who knows what it has done.
                    None => 0,
                };
            }
            Ok(Some(Ok(Err(error)))) => format!("the handler failed: {error}"),
            Ok(Some(Err(error))) => format!("the handler panicked: {error}"),
            Ok(None) => "the handler did not run".to_owned(),
            Err(_) => "the handler took too long".to_owned(),
        };
        tracing::warn!(error, batch = places.len(), "a batch will come again");
        0
    }

    /// Leaves a record behind, and tells the dead-letter queue which, as Lambda does.
    async fn give_up(&mut self, place: &str) {
        tracing::error!(record = place, attempts = self.attempts, "a record was given up");
        if let Some((client, queue_url)) = &self.config.dead_letters {
            let letter = json!({
                "requestContext": {
                    "condition": "RetryAttemptsExhausted",
                    "approximateInvokeCount": self.attempts,
                },
                "version": "1.0",
                "DDBStreamBatchInfo": {
                    "startSequenceNumber": place,
                    "endSequenceNumber": place,
                    "batchSize": 1,
                    "streamArn": self.config.table,
                },
            });
            let request =
                client.send_message().queue_url(queue_url).message_body(letter.to_string());
            if let Err(error) = request.send().await {
                let error = DisplayErrorContext(&error).to_string();
                tracing::error!(error, "the dead-letter queue was not told");
            }
        }
        self.move_to(place.to_owned());
        self.size = self.config.batch_size.max(1);
        self.backoff.reset();
    }

    fn move_to(&mut self, place: String) {
        if let Some(path) = &self.config.checkpoint
            && let Err(error) = remember(path, &place)
        {
            // Records that were handled come again at the next start, which changes nothing.
            tracing::warn!(%error, "it is not remembered what was handled");
        }
        self.position = Some(place);
        self.attempts = 0;
    }
}

/// What a checkpoint says; none if there is none yet, or nothing that a stream could have said.
fn recall(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let place = text.trim();
    let digits = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| place.to_owned())
}

/// Writes a checkpoint beside the old one and puts it in its place, so that there is always one.
fn remember(path: &Path, place: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, place)?;
    std::fs::rename(new, path)
}
