//! Counts what clients used, from the events that holders of leases send.
//!
//! What is counted is also the evidence by which `credit-reap` settles the leases of holders that
//! fell silent.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use ids::ClientId;
use ledger::UsageEvent;
use maas_aws::Core;
use maas_aws::usage::UsageStore;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    usage: UsageStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { usage: core.aws.usage(), core: core.clone() }
    }
}

/// Counts the events of one batch. Messages that were not counted to the end come again, which
/// counts nothing twice; those that cannot be read end in the dead-letter queue.
pub async fn handle(context: &Context, batch: SqsEvent) -> SqsBatchResponse {
    let mut all: Vec<UsageEvent> = Vec::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut sent_in: BTreeMap<ClientId, BTreeSet<String>> = BTreeMap::new();
    for message in batch.records {
        let id = message.message_id.clone().unwrap_or_default();
        match events(&message) {
            Ok(events) => {
                for event in events {
                    sent_in.entry(event.client_id).or_default().insert(id.clone());
                    all.push(event);
                }
            }
            Err(error) => {
                tracing::error!(message.id = %id, %error, "a message has no usage events");
                failed.insert(id);
            }
        }
    }
    for client in count(context, &all).await {
        failed.extend(sent_in.remove(&client).unwrap_or_default());
    }
    let mut response = SqsBatchResponse::default();
    for id in failed {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        response.batch_item_failures.push(failure);
    }
    response
}

/// Counts the events of one batch that came by way of Kafka, and says which were not counted, by
/// their positions. Those come again, which counts nothing twice.
pub async fn count_events(context: &Context, events: Vec<UsageEvent>) -> BTreeSet<usize> {
    let failed = count(context, &events).await;
    let positions = events.iter().enumerate();
    positions.filter(|(_, event)| failed.contains(&event.client_id)).map(|(at, _)| at).collect()
}

/// Counts events, and says whose were not.
async fn count(context: &Context, events: &[UsageEvent]) -> BTreeSet<ClientId> {
    let mut failed = BTreeSet::new();
    for it in context.usage.count(events, context.core.clock.now_ms()).await {
        for client in it.clients {
            tracing::warn!(client.id = %client, error = %it.error, "usage was not counted");
            failed.insert(client);
        }
    }
    failed
}

fn events(message: &SqsMessage) -> Result<Vec<UsageEvent>, serde_json::Error> {
    serde_json::from_str(message.body.as_deref().unwrap_or_default())
}
