//! The queues: of generations, of usage events, and of webhooks' deliveries.

use std::time::Duration;

use aws_sdk_sqs::Client;
use ids::{ClientId, EventId, JobId, WebhookId};
use ledger::{NotTaken, Taken, UsageEvent, UsageSink};
use serde::{Deserialize, Serialize};
use webhooks::Delivery;

use crate::dynamo::StoreError;

/// A message that says: work on this job. All else is in the job's own item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationMessage {
    /// The job.
    pub job_id: JobId,
}

/// The queue of generations.
#[derive(Debug, Clone)]
pub struct GenerationQueue {
    client: Client,
    url: String,
}

impl GenerationQueue {
    /// The queue at `url`.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends a job to the workers. The client is its message group, so that SQS hands out the jobs
    /// of many clients fairly.
    ///
    /// # Errors
    /// [`StoreError`] if the queue did not take it; the sweep sends it again.
    pub async fn send(&self, job: JobId, client: ClientId) -> Result<(), StoreError> {
        let body = serde_json::to_string(&GenerationMessage { job_id: job })
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(client.to_string())
            .message_body(body)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }

    /// Keeps a message that is being worked on hidden for another `seconds`.
    ///
    /// # Errors
    /// [`StoreError`] if the queue did not agree; the message may come to another worker, which
    /// will find the job claimed.
    pub async fn hide(&self, receipt_handle: &str, seconds: i32) -> Result<(), StoreError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }
}

/// A message that says: attempt this delivery. All else is in the delivery's own item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookMessage {
    /// Whose endpoint it is.
    pub client_id: ClientId,
    /// The endpoint.
    pub webhook_id: WebhookId,
    /// The event.
    pub event_id: EventId,
}

/// The queue of deliveries.
#[derive(Debug, Clone)]
pub struct WebhookQueue {
    client: Client,
    url: String,
}

impl WebhookQueue {
    /// The queue at `url`.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends a delivery, to be handed out after `delay` (15 minutes at most). The client is its
    /// message group, so that one whose endpoints are slow is not in the way of others.
    ///
    /// # Errors
    /// [`StoreError`] if the queue did not take it; the sweep sends it again.
    pub async fn send(&self, delivery: &Delivery, delay: Duration) -> Result<(), StoreError> {
        let message = WebhookMessage {
            client_id: delivery.client,
            webhook_id: delivery.endpoint,
            event_id: delivery.event.id,
        };
        let body = serde_json::to_string(&message)
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let delay_s = delay.as_millis().div_ceil(1_000);
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_group_id(delivery.client.to_string())
            .delay_seconds(i32::try_from(delay_s).unwrap_or(i32::MAX))
            .message_body(body)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }
}

/// The queue of usage events. A message is a JSON array of them.
#[derive(Debug, Clone)]
pub struct UsageQueue {
    client: Client,
    url: String,
}

impl UsageQueue {
    /// How many events go into one message. One of them is less than 500 bytes long, and a message
    /// may have 256 KiB.
    const EVENTS_PER_MESSAGE: usize = 500;

    /// The queue at `url`.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn send(&self, events: &[UsageEvent]) -> Result<(), StoreError> {
        let body =
            serde_json::to_string(events).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }
}

impl UsageSink for UsageQueue {
    fn take(&self, events: Vec<UsageEvent>) -> Taken<'_> {
        Box::pin(async move {
            for events in events.chunks(Self::EVENTS_PER_MESSAGE) {
                self.send(events).await.map_err(|error| NotTaken(error.to_string()))?;
            }
            Ok(())
        })
    }
}
