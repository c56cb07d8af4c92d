//! Usage events by way of Kafka, in place of the queue: for whoever hosts the service with it.
//!
//! The library for it takes a C++ compiler to build, so that it is a feature of this program.

/// Why usage does not go by way of Kafka.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// This program cannot.
    #[error("this program was built without Kafka: start it with `cargo run --features kafka`")]
    NotBuilt,
    /// The library refuses.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Fault(#[from] maas_kafka::KafkaFault),
}

#[cfg(feature = "kafka")]
pub(crate) use with::{Source, sink};
#[cfg(not(feature = "kafka"))]
pub(crate) use without::{Source, sink};

#[cfg(feature = "kafka")]
mod with {
    use std::sync::Arc;
    use std::time::Duration;

    use gate::Platform;
    use ledger::UsageSink;
    use maas_kafka::{KafkaSink, KafkaSource, SourceConfig, create_topics};

    use super::KafkaError;

    const TOPIC: &str = "memes-local-usage";
    const DEAD_LETTERS: &str = "memes-local-usage-dead";

    /// How many consumers could share the topic.
    const PARTITIONS: i32 = 4;

    /// How long the broker may take to acknowledge an event. The next sweep offers it again.
    const DEADLINE: Duration = Duration::from_secs(5);

    /// What tells `servers` of usage. The topics are made if the broker makes any.
    pub(crate) async fn sink(servers: &str) -> Result<Arc<dyn UsageSink>, KafkaError> {
        let made = create_topics(servers, &[TOPIC, DEAD_LETTERS], PARTITIONS, DEADLINE).await;
        if let Err(error) = made {
            tracing::warn!(%error, "topics were not made; they may be there");
        }
        Ok(Arc::new(KafkaSink::new(servers, TOPIC, DEADLINE)?))
    }

    /// Feeds `usage-settle`.
    #[derive(Debug)]
    pub(crate) struct Source(KafkaSource);

    impl Source {
        pub(crate) fn start(servers: &str, platform: &Platform) -> Result<Self, KafkaError> {
            let settle = Arc::new(usage_settle::Context::new(&platform.core));
            let config = SourceConfig::new(servers, TOPIC, "usage-settle");
            let source = KafkaSource::start(config, move |events| {
                let settle = Arc::clone(&settle);
                async move { usage_settle::count_events(&settle, events).await }
            })?;
            Ok(Self(source))
        }

        /// Finishes the batch at work. What was not counted the broker keeps for the next start.
        pub(crate) async fn shutdown(self, deadline: Duration) {
            if let Err(unfinished) = self.0.shutdown(deadline).await {
                tracing::warn!(%unfinished, "usage is counted at the next start");
            }
        }
    }
}

#[cfg(not(feature = "kafka"))]
mod without {
    use std::sync::Arc;
    use std::time::Duration;

    use gate::Platform;
    use ledger::UsageSink;

    use super::KafkaError;

    pub(crate) async fn sink(_: &str) -> Result<Arc<dyn UsageSink>, KafkaError> {
        Err(KafkaError::NotBuilt)
    }

    #[derive(Debug)]
    pub(crate) enum Source {}

    impl Source {
        pub(crate) const fn start(_: &str, _: &Platform) -> Result<Self, KafkaError> {
            Err(KafkaError::NotBuilt)
        }

        pub(crate) async fn shutdown(self, _: Duration) {
            match self {}
        }
    }
}
