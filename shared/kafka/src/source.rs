//! Receiving, in batches, until each message was dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ledger::UsageEvent;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Message as _, OwnedHeaders};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument as _;

use crate::KafkaFault;
use crate::outbox::{Heard, Outbox, Record};

/// The longest wait before messages are handed over again.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How long the dead-letter topic may take to acknowledge a message, before it is sent again.
const DEAD_LETTER_DEADLINE: Duration = Duration::from_secs(10);

/// How much of its message a dead letter has, in bytes, which is far more than an event. With one that
/// was as long as the broker allows, the headers would be too much.
const DEAD_LETTER_MAX: usize = 256 * 1024;

/// The wait after a failed request for messages.
const PAUSE: Duration = Duration::from_millis(100);

/// How a topic is read.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Brokers to begin with, as `host:port` with commas between.
    pub servers: String,
    /// The topic. It must exist.
    pub topic: String,
    /// Where messages go that cannot be processed. It must exist: until such a message is there, the
    /// source does not go on.
    pub dead_letters: String,
    /// The consumer group. Its members share the partitions.
    pub group: String,
    /// The most messages in one batch.
    pub batch: usize,
    /// How long a batch waits for more messages after its first.
    pub wait: Duration,
    /// How often a message is handed over, at least once, before it is a dead letter.
    pub attempts: u32,
    /// The wait before it is handed over a second time. It doubles each time, up to ten seconds.
    pub retry: Duration,
    /// How long the handler may take. When it takes longer it is stopped and its batch has failed.
    pub handler_timeout: Duration,
}

impl SourceConfig {
    /// Reads `topic` in batches of up to 500, each gathered within 200 ms. A message is handed over
    /// up to eight times, which takes half a minute, then goes to the topic of the same name with
    /// `-dead` behind.
    #[must_use]
    pub fn new(servers: impl Into<String>, topic: &str, group: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            topic: topic.to_owned(),
            dead_letters: format!("{topic}-dead"),
            group: group.into(),
            batch: 500,
            wait: Duration::from_millis(200),
            attempts: 8,
            retry: Duration::from_millis(200),
            handler_timeout: Duration::from_secs(30),
        }
    }

    fn consumer(&self) -> Result<StreamConsumer<Heard>, KafkaError> {
        // While a batch is at work nobody polls, and that must not look like a process that hangs.
        let at_work = (self.handler_timeout + RETRY_MAX).saturating_mul(self.attempts);
        let at_work_ms = (at_work + 6 * DEAD_LETTER_DEADLINE).as_millis().min(86_400_000);
        let consumer: StreamConsumer<Heard> = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .set("group.id", &self.group)
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            // What is stored is committed every second, and when the consumer is closed or loses a
            // partition. We store what has been dealt with.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("enable.auto.offset.store", "false")
            .set("max.poll.interval.ms", at_work_ms.to_string())
            // The default leaves the partitions of a killed member alone for 45 s.
            .set("session.timeout.ms", "10000")
            .set("queued.max.messages.kbytes", "16384")
            .set("reconnect.backoff.max.ms", "1000")
            .create_with_context(Heard::default())?;
        consumer.subscribe(&[&self.topic])?;
        Ok(consumer)
    }
}

/// The source was still at work when the time for stopping was over. Its handler was stopped, and
/// the group may learn only later that it is gone; what was not committed comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source was still at work and was stopped")]
pub struct Unfinished;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    AfterHandler,
    AtOnce,
}

/// Feeds a handler with usage events from a topic.
///
/// The handler is given the events of a batch and says which it did not process, by their positions.
///
/// - What it reports is handed over again after a wait, without the rest of its batch. All of a batch
///   has failed when the handler panics, takes too long, or reports a position that is not there.
/// - What has failed too often, and what is no usage event, goes to the dead-letter topic, with the
///   reason and where it was in its headers. No retry helps the latter, so there is none.
/// - The next batch comes only when every message of this one was dealt with; only then is the
///   position of the group moved. So nothing is passed over, and whatever was at work when a
///   process died or lost its partition is handed over again, here or elsewhere.
///
/// The source outlives every failure of the broker and of the handler; it ends by
/// [`shutdown`](Self::shutdown). When it is dropped instead it is stopped at once.
#[derive(Debug)]
pub struct KafkaSource {
    stop: watch::Sender<Stop>,
    task: JoinHandle<()>,
}

impl KafkaSource {
    /// Starts to feed `handler`. Must be called in a Tokio runtime. Does not wait for a connection.
    ///
    /// # Errors
    /// [`KafkaFault`] if librdkafka cannot work with these values.
    pub fn start<H, F>(config: SourceConfig, handler: H) -> Result<Self, KafkaFault>
    where
        H: Fn(Vec<UsageEvent>) -> F + Send + Sync + 'static,
        F: Future<Output = BTreeSet<usize>> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(Stop::No);
        let consumer = config.consumer()?;
        let outbox = Outbox::new(&config.servers, DEAD_LETTER_DEADLINE)?;
        let span = tracing::info_span!("kafka_source", topic = %config.topic);
        let worker = Worker { config, outbox, handler: Arc::new(handler) };
        Ok(Self { stop, task: tokio::spawn(run(worker, consumer, stopped).instrument(span)) })
    }

    /// Takes no more messages, and waits up to `deadline` for the handler at work and until the group
    /// knows.
    ///
    /// # Errors
    /// [`Unfinished`] when the deadline passed first.
    pub async fn shutdown(mut self, deadline: Duration) -> Result<(), Unfinished> {
        self.stop.send_replace(Stop::AfterHandler);
        if timeout(deadline, &mut self.task).await.is_ok() {
            return Ok(());
        }
        self.stop.send_replace(Stop::AtOnce);
        // It fails when the task panicked, and has ended then too.
        let _ = self.task.await;
        Err(Unfinished)
    }
}

/// Resolves when the source is to stop like this or faster, or is gone.
async fn told(stop: &mut watch::Receiver<Stop>, how: Stop) {
    // It fails when the source is gone.
    let _ = stop.wait_for(|stop| *stop >= how).await;
}

async fn run<H, F>(
    worker: Worker<H>,
    consumer: StreamConsumer<Heard>,
    mut stop: watch::Receiver<Stop>,
) where
    H: Fn(Vec<UsageEvent>) -> F + Send + Sync + 'static,
    F: Future<Output = BTreeSet<usize>> + Send + 'static,
{
    let mut at_once = stop.clone();
    tokio::select! {
        biased;
        () = told(&mut at_once, Stop::AtOnce) => {}
        () = worker.work(&consumer, &mut stop) => {}
    }
    // Closing commits, leaves the group and waits for both, which without a broker takes as long as a
    // session. A thread of its own holds up neither the runtime nor its end.
    let (closing, closed) = oneshot::channel();
    thread::spawn(move || {
        drop((consumer, worker));
        // It fails when nobody waits any more.
        let _ = closing.send(());
    });
    tokio::select! {
        () = told(&mut at_once, Stop::AtOnce) => {}
        _ = closed => {}
    }
}

/// A message as it was received.
struct Received {
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    event: Result<UsageEvent, String>,
}

impl Received {
    fn new(message: &BorrowedMessage<'_>) -> Self {
        let payload = message.payload().map(<[u8]>::to_vec);
        let event = serde_json::from_slice(payload.as_deref().unwrap_or_default());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload,
            event: event.map_err(|error| error.to_string()),
        }
    }

    fn dead_letter(&self) -> Record {
        let reason = match &self.event {
            Ok(_) => "it was not processed",
            Err(error) => error,
        };
        let header = |headers: OwnedHeaders, key, value: &str| {
            headers.insert(Header { key, value: Some(value) })
        };
        let headers = header(OwnedHeaders::new(), "reason", reason);
        let headers = header(headers, "partition", &self.partition.to_string());
        let headers = header(headers, "offset", &self.offset.to_string());
        let mut payload = self.payload.clone();
        payload.iter_mut().for_each(|payload| payload.truncate(DEAD_LETTER_MAX));
        Record { key: self.key.clone(), payload, headers }
    }
}

struct Worker<H> {
    config: SourceConfig,
    outbox: Outbox,
    handler: Arc<H>,
}

impl<H, F> Worker<H>
where
    H: Fn(Vec<UsageEvent>) -> F + Send + Sync + 'static,
    F: Future<Output = BTreeSet<usize>> + Send + 'static,
{
    async fn work(&self, consumer: &StreamConsumer<Heard>, stop: &mut watch::Receiver<Stop>) {
        loop {
            let batch = tokio::select! {
                biased;
                () = told(stop, Stop::AfterHandler) => return,
                batch = self.gather(consumer) => batch,
            };
            if !self.deal_with(&batch, stop).await {
                return;
            }
            self.store(consumer, &batch);
        }
    }

    async fn gather(&self, consumer: &StreamConsumer<Heard>) -> Vec<Received> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            match consumer.recv().await {
                Ok(message) => batch.push(Received::new(&message)),
                Err(error) => {
                    tracing::warn!(%error, "messages could not be received");
                    sleep(PAUSE).await;
                }
            }
        }
        let until = Instant::now() + self.config.wait;
        while batch.len() < self.config.batch {
            match timeout_at(until, consumer.recv()).await {
                Ok(Ok(message)) => batch.push(Received::new(&message)),
                Ok(Err(error)) => tracing::warn!(%error, "messages could not be received"),
                Err(_) => break,
            }
        }
        batch
    }

    /// Has every message processed or made a dead letter. False when it was told to stop before.
    async fn deal_with(&self, batch: &[Received], stop: &mut watch::Receiver<Stop>) -> bool {
        let mut left: Vec<_> = (0..batch.len()).filter(|at| batch[*at].event.is_ok()).collect();
        let mut attempt = 1;
        while !left.is_empty() {
            let events = left.iter().filter_map(|at| batch[*at].event.clone().ok()).collect();
            left = self.hand_over(events).await.into_iter().map(|at| left[at]).collect();
            if left.is_empty() || attempt >= self.config.attempts {
                break;
            }
            tracing::info!(failed = left.len(), attempt, "messages will be handed over again");
            let wait = self.config.retry.saturating_mul(2_u32.saturating_pow(attempt - 1));
            if stopped_during(wait.min(RETRY_MAX), stop).await {
                return false;
            }
            attempt += 1;
        }
        let dead: Vec<_> = batch
            .iter()
            .enumerate()
            .filter(|(at, message)| message.event.is_err() || left.contains(at))
            .map(|(_, message)| {
                let Received { partition, offset, event, .. } = message;
                let error = event.as_ref().err();
                tracing::error!(partition, offset, error, "a message is a dead letter");
                message.dead_letter()
            })
            .collect();
        while let Err(error) = self.outbox.send(&self.config.dead_letters, &dead).await {
            tracing::error!(error, letters = dead.len(), "dead letters were not sent");
            if stopped_during(PAUSE, stop).await {
                return false;
            }
        }
        true
    }

    /// The positions of those events that the handler did not process.
    async fn hand_over(&self, events: Vec<UsageEvent>) -> BTreeSet<usize> {
        let count = events.len();
        // A task of its own takes a panic; in a set, it goes when this one is stopped.
        let handler = Arc::clone(&self.handler);
        let mut task = JoinSet::new();
        task.spawn(async move { handler(events).await }.in_current_span());
        let error = match timeout(self.config.handler_timeout, task.join_next()).await {
            Ok(Some(Ok(failed))) if failed.iter().all(|at| *at < count) => return failed,
            Ok(Some(Ok(_))) => {
                "the handler reported a position that is not in the batch".to_owned()
            }
            Ok(Some(Err(error))) => format!("the handler panicked: {error}"),
            Ok(None) => "the handler did not run".to_owned(),
            Err(_) => "the handler took too long".to_owned(),
        };
        tracing::warn!(error, batch = count, "a batch has failed");
        (0..count).collect()
    }

    /// Notes that everything up to the end of `batch` was dealt with.
    fn store(&self, consumer: &StreamConsumer<Heard>, batch: &[Received]) {
        let next: BTreeMap<_, _> =
            batch.iter().map(|message| (message.partition, message.offset + 1)).collect();
        for (partition, offset) in next {
            let mut position = TopicPartitionList::new();
            let stored = position
                .add_partition_offset(&self.config.topic, partition, Offset::Offset(offset))
                .and_then(|()| consumer.store_offsets(&position));
            // The partition belongs to another member by now, which gets these messages again.
            if let Err(error) = stored {
                tracing::info!(partition, offset, %error, "a position was not stored");
            }
        }
    }
}

/// Waits, and says whether it was told to stop meanwhile.
async fn stopped_during(wait: Duration, stop: &mut watch::Receiver<Stop>) -> bool {
    timeout(wait, told(stop, Stop::AfterHandler)).await.is_ok()
}
