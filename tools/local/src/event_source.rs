//! What Lambda puts between a queue or a schedule and a function, for functions in this process.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::encodings::Base64Data;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tracing::Instrument;

/// The first and the longest wait after a request to the queue that failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often the deletion of processed messages is tried before they are left to come again.
const DELETE_ATTEMPTS: u32 = 5;

/// The most messages that one request receives or deletes.
const MESSAGES_AT_ONCE: usize = 10;

/// How a queue is read.
#[derive(Debug, Clone)]
pub struct SqsPollerConfig {
    /// The queue's URL.
    pub queue_url: String,
    /// The most messages in one event, 1 to 10,000.
    pub batch_size: u16,
    /// How long a batch that is not full waits for more messages after its first one, as Lambda's
    /// `MaximumBatchingWindowInSeconds` says. What comes meanwhile is left in the queue.
    pub window: Duration,
    /// The most handlers at work at the same time, at least 1.
    pub concurrency: usize,
    /// How long one request waits for messages, in whole seconds from 1 to 20.
    pub wait: Duration,
    /// How long a handler may take. When it takes longer it is stopped and its batch has failed.
    pub handler_timeout: Duration,
}

impl SqsPollerConfig {
    /// Reads `queue_url` in batches of up to 10 that wait for nothing, with two handlers that may
    /// take 15 minutes each.
    #[must_use]
    pub fn new(queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            batch_size: 10,
            window: Duration::ZERO,
            concurrency: 2,
            wait: Duration::from_secs(20),
            handler_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// Handlers were still at work when the time for stopping was over. They were stopped where they
/// were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{handlers} handlers were still at work and were stopped")]
pub struct Unfinished {
    /// How many.
    pub handlers: usize,
}

/// Feeds a handler from a queue as Lambda does, with partial batch replies
/// (`ReportBatchItemFailures`).
///
/// - Messages that the handler does not report as failed are deleted.
/// - All of a batch has failed when the handler returns an error, panics, takes too long, or
///   reports an id that is not in the batch.
/// - A failed message comes again when its visibility timeout ends, and goes to the dead-letter
///   queue when the queue's own redrive policy says so.
///
/// A message is handled at least once, so handlers must bear a repetition. The poller outlives
/// every failure of the queue and of the handler; it ends by [`SqsPoller::shutdown`]. When it is
/// dropped instead it stops receiving, and handlers at work finish by themselves.
#[derive(Debug)]
pub struct SqsPoller {
    stop: watch::Sender<bool>,
    hurry: watch::Sender<bool>,
    receiving: JoinHandle<JoinSet<()>>,
}

impl SqsPoller {
    /// Starts to feed `handler`. Must be called in a Tokio runtime.
    pub fn start<H, F, E>(client: Client, config: SqsPollerConfig, handler: H) -> Self
    where
        H: Fn(SqsEvent) -> F + Send + Sync + 'static,
        F: Future<Output = Result<SqsBatchResponse, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let (hurry, hurried) = watch::channel(false);
        let span = tracing::info_span!("sqs_poller", queue.url = %config.queue_url);
        let poller = Arc::new(Poller { client, config, handler: Arc::new(handler), hurried });
        Self { stop, hurry, receiving: tokio::spawn(receive(poller, stopped).instrument(span)) }
    }

    /// Ends the window of the batch at hand, and has those that follow wait for nothing: for a
    /// service that stops and wants the queue empty first.
    pub fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// Stops receiving and waits for the handlers at work, up to `deadline`. A batch whose window
    /// is open is handled at once.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] when the deadline passed first. What these handlers were given comes again
    /// when its visibility timeout ends.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), Unfinished> {
        self.hurry();
        finish(self.stop, self.receiving, deadline).await
    }
}

/// Tells a task to stop and waits for the work that it leaves, up to `deadline`.
pub(crate) async fn finish(
    stop: watch::Sender<bool>,
    task: JoinHandle<JoinSet<()>>,
    deadline: Duration,
) -> Result<(), Unfinished> {
    // Fails when the task has ended, and then it needs not be told.
    let _ = stop.send(true);
    let Ok(mut work) = task.await else {
        return Ok(());
    };
    let finished = timeout(deadline, async { while work.join_next().await.is_some() {} });
    finished.await.map_err(|_| Unfinished { handlers: work.len() })
}

/// Resolves when the task is to stop: `true` when it was told so and somebody waits for its work,
/// `false` when its owner is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) -> bool {
    stop.wait_for(|stop| *stop).await.is_ok()
}

struct Poller<H> {
    client: Client,
    config: SqsPollerConfig,
    handler: Arc<H>,
    hurried: watch::Receiver<bool>,
}

/// What every message of a queue says of its origin.
struct Source {
    arn: String,
    region: String,
}

async fn receive<H, F, E>(poller: Arc<Poller<H>>, mut stop: watch::Receiver<bool>) -> JoinSet<()>
where
    H: Fn(SqsEvent) -> F + Send + Sync + 'static,
    F: Future<Output = Result<SqsBatchResponse, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let mut handlers = JoinSet::new();
    let slots = Arc::new(Semaphore::new(poller.config.concurrency.max(1)));
    let mut backoff = Backoff::default();
    let mut source = None;
    loop {
        // Finished handlers must be taken out of the set while it lives.
        while handlers.try_join_next().is_some() {}
        let round = async {
            // A slot first: a message that is received and waits for one loses its time.
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            poller.round(&mut source, &mut backoff).await.map(|batch| (slot, batch))
        };
        let batch = tokio::select! {
            // Messages that have arrived are handled even when the stop came at the same time.
            biased;
            batch = round => batch,
            awaited = stopped(&mut stop) => {
                if !awaited {
                    handlers.detach_all();
                }
                return handlers;
            }
        };
        if let Some((slot, (source, mut messages))) = batch {
            poller.fill(&mut messages).await;
            let poller = Arc::clone(&poller);
            handlers.spawn(process(poller, source, messages, slot).in_current_span());
        }
    }
}

impl<H> Poller<H> {
    /// Asks the queue once. `None` after a failure (and a wait) or when there was nothing.
    async fn round(
        &self,
        source: &mut Option<Arc<Source>>,
        backoff: &mut Backoff,
    ) -> Option<(Arc<Source>, Vec<Message>)> {
        let known = match source {
            Some(known) => Arc::clone(known),
            None => match self.source().await {
                Ok(found) => Arc::clone(source.insert(Arc::new(found))),
                Err(error) => {
                    tracing::warn!(error, "the queue does not say what it is");
                    backoff.wait().await;
                    return None;
                }
            },
        };
        let asked_at = Instant::now();
        let wait_s = self.config.wait.as_secs().clamp(1, 20);
        match self.ask(self.batch_size(), i32::try_from(wait_s).unwrap_or(20)).await {
            Ok(messages) => {
                backoff.reset();
                if messages.is_empty() {
                    // A queue that does not hold the request, as one that is being shut down,
                    // must not be asked without a pause.
                    if asked_at.elapsed() < BACKOFF.0 {
                        sleep(BACKOFF.0).await;
                    }
                    return None;
                }
                Some((known, messages))
            }
            Err(error) => {
                tracing::warn!(error, "messages could not be received");
                backoff.wait().await;
                None
            }
        }
    }

    /// Lets the window of a batch pass, and adds what the queue has then.
    async fn fill(&self, messages: &mut Vec<Message>) {
        if self.config.window.is_zero() || messages.len() >= self.batch_size() {
            return;
        }
        // Over when somebody is in a hurry, or nobody has the poller any more.
        let mut hurried = self.hurried.clone();
        let _ = timeout(self.config.window, hurried.wait_for(|hurried| *hurried)).await;
        while messages.len() < self.batch_size() {
            match self.ask(self.batch_size() - messages.len(), 0).await {
                Ok(more) if more.is_empty() => return,
                Ok(more) => messages.extend(more),
                Err(error) => {
                    tracing::warn!(error, "a batch is handled without what may follow it");
                    return;
                }
            }
        }
    }

    /// Receives up to `limit` messages, and waits so many seconds for the first of them.
    async fn ask(&self, limit: usize, wait_s: i32) -> Result<Vec<Message>, String> {
        let limit = limit.min(MESSAGES_AT_ONCE);
        let received = self
            .client
            .receive_message()
            .queue_url(&self.config.queue_url)
            .max_number_of_messages(i32::try_from(limit).unwrap_or(1))
            .wait_time_seconds(wait_s)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        let received = received.map_err(|error| DisplayErrorContext(&error).to_string())?;
        Ok(received.messages.unwrap_or_default())
    }

    fn batch_size(&self) -> usize {
        usize::from(self.config.batch_size).max(1)
    }

    async fn source(&self) -> Result<Source, String> {
        let output = self
            .client
            .get_queue_attributes()
            .queue_url(&self.config.queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        let arn = output
            .attributes()
            .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
            .ok_or("it has no ARN")?;
        // arn:aws:sqs:REGION:ACCOUNT:NAME
        let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
        Ok(Source { arn: arn.clone(), region })
    }
}

/// Hands one batch to the handler and deletes what it has processed. Holds `slot` until then.
async fn process<H, F, E>(
    poller: Arc<Poller<H>>,
    source: Arc<Source>,
    messages: Vec<Message>,
    slot: OwnedSemaphorePermit,
) where
    H: Fn(SqsEvent) -> F + Send + Sync + 'static,
    F: Future<Output = Result<SqsBatchResponse, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let receipts: Vec<(String, String)> = messages
        .iter()
        .map(|message| {
            (
                message.message_id().unwrap_or_default().to_owned(),
                message.receipt_handle().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let mut event = SqsEvent::default();
    event.records = messages.into_iter().map(|message| record(message, &source)).collect();

    // A task of its own takes a panic, also one before the handler's first await; in a set, it
    // goes when this one is stopped.
    let handler = Arc::clone(&poller.handler);
    let mut task = JoinSet::new();
    task.spawn(async move { handler(event).await }.in_current_span());
    let outcome = match timeout(poller.config.handler_timeout, task.join_next()).await {
        Ok(Some(Ok(Ok(reply)))) => done(&receipts, &reply),
        Ok(Some(Ok(Err(error)))) => Err(format!("the handler failed: {error}")),
        Ok(Some(Err(error))) => Err(format!("the handler panicked: {error}")),
        Ok(None) => Err("the handler did not run".to_owned()),
        Err(_) => Err("the handler took too long".to_owned()),
    };
    match outcome {
        Ok(done) => {
            let failed = receipts.len() - done.len();
            if failed > 0 {
                tracing::info!(failed, batch = receipts.len(), "messages will come again");
            }
            for done in done.chunks(MESSAGES_AT_ONCE) {
                delete(&poller.client, &poller.config.queue_url, done.to_vec()).await;
            }
        }
        Err(error) => {
            tracing::warn!(error, batch = receipts.len(), "a batch will come again");
        }
    }
    drop(slot);
}

/// The receipt handles of the messages that `reply` does not report as failed.
fn done(receipts: &[(String, String)], reply: &SqsBatchResponse) -> Result<Vec<String>, String> {
    let failed: HashSet<&str> =
        reply.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    let known = |id: &str| receipts.iter().any(|(message_id, _)| message_id == id);
    if failed.iter().any(|id| !known(id)) {
        return Err("the handler reported an id that is not in the batch".to_owned());
    }
    Ok(receipts
        .iter()
        .filter(|(message_id, _)| !failed.contains(message_id.as_str()))
        .map(|(_, receipt)| receipt.clone())
        .collect())
}

/// Deletes processed messages; those that cannot be deleted come again.
async fn delete(client: &Client, queue_url: &str, mut receipts: Vec<String>) {
    let mut backoff = Backoff::default();
    for attempt in 1..=DELETE_ATTEMPTS {
        if receipts.is_empty() {
            return;
        }
        let entries = receipts.iter().enumerate().filter_map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .build()
                // Both fields that can be missing are set.
                .ok()
        });
        let result = client
            .delete_message_batch()
            .queue_url(queue_url)
            .set_entries(Some(entries.collect()))
            .send()
            .await;
        match result {
            Ok(output) => {
                let left = output
                    .failed()
                    .iter()
                    .filter_map(|entry| receipts.get(entry.id().parse::<usize>().ok()?))
                    .cloned()
                    .collect();
                receipts = left;
            }
            Err(error) => {
                let error = DisplayErrorContext(&error).to_string();
                tracing::warn!(error, attempt, "processed messages could not be deleted");
            }
        }
        if !receipts.is_empty() {
            backoff.wait().await;
        }
    }
    if !receipts.is_empty() {
        tracing::error!(messages = receipts.len(), "processed messages will come again");
    }
}

/// The record that Lambda makes of a message.
fn record(message: Message, source: &Source) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = message.message_id;
    record.receipt_handle = message.receipt_handle;
    record.body = message.body;
    record.md5_of_body = message.md5_of_body;
    record.md5_of_message_attributes = message.md5_of_message_attributes;
    record.attributes = message
        .attributes
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value))
        .collect();
    record.message_attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, attribute(value)))
        .collect::<HashMap<_, _>>();
    record.event_source = Some("aws:sqs".to_owned());
    record.event_source_arn = Some(source.arn.clone());
    record.aws_region = Some(source.region.clone());
    record
}

fn attribute(value: MessageAttributeValue) -> SqsMessageAttribute {
    let mut attribute = SqsMessageAttribute::default();
    attribute.string_value = value.string_value;
    attribute.binary_value = value.binary_value.map(|blob| {
        let mut data = Base64Data::default();
        *data = blob.into_inner();
        data
    });
    attribute.data_type = Some(value.data_type);
    attribute
}

/// Waits that double from one failure to the next.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF.0)
    }
}

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(BACKOFF.1);
    }

    pub(crate) fn reset(&mut self) {
        self.0 = BACKOFF.0;
    }
}

/// A handler that runs on a schedule. When this is dropped it runs no more; a run at work finishes
/// by itself.
#[derive(Debug)]
pub struct Schedule {
    stop: watch::Sender<bool>,
    running: JoinHandle<JoinSet<()>>,
}

/// Runs `handler` now and then once in every `period`, until the schedule is stopped. Must be
/// called in a Tokio runtime.
///
/// Runs never overlap. They begin at whole periods after the first, however long each takes; a
/// period that begins during a run is left out. A run that fails or panics is logged, and the next
/// one comes in its time.
pub fn every<H, F, E>(period: Duration, handler: H) -> Schedule
where
    H: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let (stop, stopping) = watch::channel(false);
    let running = repeat(period, Arc::new(handler), stopping).in_current_span();
    Schedule { stop, running: tokio::spawn(running) }
}

impl Schedule {
    /// Starts no more runs and waits for the one at work, up to `deadline`.
    ///
    /// # Errors
    ///
    /// [`Unfinished`] when the deadline passed first.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), Unfinished> {
        finish(self.stop, self.running, deadline).await
    }
}

async fn repeat<H, F, E>(
    period: Duration,
    handler: Arc<H>,
    mut stop: watch::Receiver<bool>,
) -> JoinSet<()>
where
    H: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let mut run = JoinSet::new();
    // A period of nothing would panic.
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            awaited = stopped(&mut stop) => {
                if !awaited {
                    run.detach_all();
                }
                return run;
            }
            Some(result) = run.join_next() => {
                if let Err(error) = result {
                    tracing::error!(%error, "a scheduled run panicked");
                }
            }
            // Ticks are taken during a run too, so that a missed one is not made up for later.
            _ = ticks.tick() => {
                if run.is_empty() {
                    let handler = Arc::clone(&handler);
                    run.spawn(async move {
                        if let Err(error) = handler().await {
                            tracing::warn!(%error, "a scheduled run failed");
                        }
                    }.in_current_span());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// The seconds at which the runs of `every(10 s)` begin in a minute and a half, each run being
    /// what `run` makes of its number.
    async fn begins<F>(run: impl Fn(usize) -> F + Send + Sync + 'static) -> Vec<u64>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let zero = Instant::now();
        let begins: Arc<Mutex<Vec<u64>>> = Arc::default();
        let schedule = every(Duration::from_secs(10), {
            let begins = Arc::clone(&begins);
            move || {
                let mut begins = begins.lock().expect("no panic in here");
                begins.push(zero.elapsed().as_secs());
                let number = begins.len();
                drop(begins);
                run(number)
            }
        });
        sleep(Duration::from_secs(95)).await;
        schedule.shutdown(Duration::from_secs(100)).await.expect("the last run finishes");
        let begins = begins.lock().expect("no panic in here");
        begins.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn runs_begin_at_whole_periods_and_never_overlap() {
        let inside = Arc::new(Mutex::new(()));
        let begins = begins(move |number| {
            let inside = Arc::clone(&inside);
            async move {
                let alone = inside.try_lock().is_ok();
                // The second takes two and a half periods.
                let seconds = if number == 2 { 25 } else { 3 };
                sleep(Duration::from_secs(seconds)).await;
                assert!(alone && inside.try_lock().is_ok());
                Ok(())
            }
        })
        .await;
        assert_eq!(begins, [0, 10, 40, 50, 60, 70, 80, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_schedule_survives_errors_and_panics() {
        let begins = begins(|number| async move {
            assert_ne!(number, 2, "a panic on purpose");
            Err("an error on purpose".to_owned())
        })
        .await;
        assert_eq!(begins, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_schedule_lets_its_run_finish() {
        let (finished, finish) = tokio::sync::mpsc::channel(8);
        let schedule = every(Duration::from_secs(10), move || {
            let finished = finished.clone();
            async move {
                sleep(Duration::from_secs(5)).await;
                finished.send(()).await.map_err(|error| error.to_string())
            }
        });
        sleep(Duration::from_secs(1)).await;
        drop(schedule);
        let mut finish = finish;
        assert_eq!(finish.recv().await, Some(()));
        // The handler is gone with its schedule, so there is no second run.
        assert_eq!(finish.recv().await, None);
    }
}
