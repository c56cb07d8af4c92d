//! Usage events over Kafka, or over any broker that speaks its protocol.
//!
//! [`KafkaSink`] takes the events of holders, [`KafkaSource`] hands them to whoever counts. An event
//! is one message: its key is the client, so that the events of one client stay in one partition and
//! in order, and its value is the event as JSON.
//!
//! Events are totals, so that nothing here has to happen exactly once. What a broker has not
//! acknowledged the holder offers again, and what was not counted to the end is handed over again.
//! The producer is idempotent all the same: it keeps the order when it repeats a request.
//!
//! Topics are there before either is started. Neither creates one: a misspelt name should fail
//! rather than swallow events. Connections are in plain text, without authentication; both need
//! libraries that this crate does without.

mod outbox;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

use std::time::Duration;

use ledger::{NotTaken, Taken, UsageEvent, UsageSink};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub use crate::outbox::QUEUE_MAX;
use crate::outbox::{Outbox, Record};
pub use crate::source::{KafkaSource, SourceConfig, Unfinished};

/// Kafka cannot be used as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Kafka: {0}")]
pub struct KafkaFault(pub String);

impl From<KafkaError> for KafkaFault {
    fn from(error: KafkaError) -> Self {
        Self(error.to_string())
    }
}

/// Sends usage events to a topic. When it is dropped it gives up what it is still sending, which may
/// take half a second.
#[derive(Debug)]
pub struct KafkaSink {
    outbox: Outbox,
    topic: String,
}

impl KafkaSink {
    /// A sink that sends to `topic` by way of the brokers in `servers`, a list of `host:port` with
    /// commas between. Whatever is not acknowledged within `deadline` is not taken. Does not connect
    /// yet.
    ///
    /// # Errors
    /// [`KafkaFault`] if librdkafka cannot work with these values, as with a deadline of less than 5 ms.
    pub fn new(
        servers: &str,
        topic: impl Into<String>,
        deadline: Duration,
    ) -> Result<Self, KafkaFault> {
        Ok(Self { outbox: Outbox::new(servers, deadline)?, topic: topic.into() })
    }
}

impl UsageSink for KafkaSink {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        Box::pin(async move {
            let records: Vec<_> = events.iter().map(Record::of).collect::<Result<_, _>>()?;
            self.outbox.send(&self.topic, &records).await.map_err(NotTaken)
        })
    }
}

/// Creates those of `topics` that are missing, each with so many partitions and one copy of them.
/// For brokers that are started for the purpose; elsewhere topics belong to whoever runs the broker.
///
/// # Errors
/// [`KafkaFault`] if the broker did not create all of them within `deadline`.
pub async fn create_topics(
    servers: &str,
    topics: &[&str],
    partitions: i32,
    deadline: Duration,
) -> Result<(), KafkaFault> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", servers).create()?;
    let wanted: Vec<_> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1)))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(deadline));
    for created in admin.create_topics(&wanted, &options).await? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(KafkaFault(format!("topic `{topic}`: {code}"))),
        }
    }
    Ok(())
}
