//! Sending, with an answer for every message.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::{NotTaken, UsageEvent};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::KafkaFault;

/// How many messages wait to be sent or acknowledged at most, in one sink. What is more is refused
/// at once.
pub const QUEUE_MAX: usize = 10_000;

/// The same in KiB.
const QUEUE_MAX_KIB: usize = 16 * 1024;

/// How many messages of one call wait at once, so that a large one is not refused for its size.
const AT_ONCE: usize = 1_000;

/// A message to be sent.
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: OwnedHeaders,
}

impl Record {
    pub(crate) fn of(event: &UsageEvent) -> Result<Self, NotTaken> {
        let payload = serde_json::to_vec(event).map_err(|error| NotTaken(error.to_string()))?;
        let key = event.client_id.to_string().into_bytes();
        Ok(Self { key: Some(key), payload: Some(payload), headers: OwnedHeaders::new() })
    }
}

/// Remembers what the connections said last, since a message that waits in vain does not tell why.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<String>>>);

impl Heard {
    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Heard {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
        // Which comes after the faults that it follows from, and says less.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.last() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Heard {}

type Producer = FutureProducer<Heard>;

/// A producer, and another one when it has failed for good.
pub(crate) struct Outbox {
    config: ClientConfig,
    deadline: Duration,
    heard: Heard,
    producer: Mutex<Producer>,
}

impl Outbox {
    pub(crate) fn new(servers: &str, deadline: Duration) -> Result<Self, KafkaFault> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", servers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            // Zero would be no deadline at all.
            .set("delivery.timeout.ms", deadline.as_millis().max(1).to_string())
            .set("queue.buffering.max.messages", QUEUE_MAX.to_string())
            .set("queue.buffering.max.kbytes", QUEUE_MAX_KIB.to_string())
            .set("allow.auto.create.topics", "false")
            // Within a deadline, so that whoever misspelt a topic is told that it is unknown.
            .set("topic.metadata.propagation.max.ms", "1000")
            // The default, ten seconds, is longer than many a deadline.
            .set("reconnect.backoff.max.ms", "1000");
        let heard = Heard::default();
        let producer = Mutex::new(config.create_with_context(heard.clone())?);
        Ok(Self { config, deadline, heard, producer })
    }

    /// Sends all of `records`, or says why not. Some may have been sent then.
    pub(crate) async fn send(&self, topic: &str, records: &[Record]) -> Result<(), String> {
        let producer = self.producer().map_err(|error| error.to_string())?;
        let sent = match timeout(self.deadline, send_all(&producer, topic, records)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("not acknowledged within {:?}", self.deadline)),
        };
        let mut heard = self.heard.last();
        match (sent, heard.as_ref()) {
            (Ok(()), _) => {
                *heard = None;
                Ok(())
            }
            (Err(error), Some(reason)) => Err(format!("{error}; heard last: {reason}")),
            (Err(error), None) => Err(error),
        }
    }

    /// The producer. One that cannot be sure of its order any more refuses everything from then on,
    /// and its place is taken by a new one: order among totals is a comfort, no need.
    fn producer(&self) -> Result<Producer, KafkaError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = producer.client().fatal_error() {
            tracing::error!(%code, reason, "a producer is replaced");
            let new = self.config.create_with_context(self.heard.clone())?;
            let old = std::mem::replace(&mut *producer, new);
            // Waits for its thread.
            spawn_blocking(move || drop(old));
        }
        Ok(producer.clone())
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbox").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

async fn send_all(producer: &Producer, topic: &str, records: &[Record]) -> Result<(), String> {
    for records in records.chunks(AT_ONCE) {
        let mut waiting = Vec::with_capacity(records.len());
        for record in records {
            let mut message = FutureRecord::to(topic).headers(record.headers.clone());
            message.key = record.key.as_ref();
            message.payload = record.payload.as_ref();
            let queued = producer.send_result(message);
            waiting.push(queued.map_err(|(error, _)| error.to_string())?);
        }
        for delivery in waiting {
            let delivered = delivery.await.map_err(|_| "the producer is gone".to_owned())?;
            delivered.map_err(|(error, _)| error.to_string())?;
        }
    }
    Ok(())
}
