//! What an endpoint is told.

use edge::models::{TestData, WebhookPayload};
use maas_aws::StoreError;
use webhooks::{Delivery, Event};

use crate::Context;

/// The body of an attempt; none if what it is about is gone.
///
/// # Errors
/// [`StoreError`] if it cannot be read now.
pub(crate) async fn of(
    context: &Context,
    delivery: &Delivery,
) -> Result<Option<String>, StoreError> {
    let event = &delivery.event;
    let Some(id) = event.job else {
        return written(event, TestData { webhook_id: delivery.endpoint }).map(Some);
    };
    let Some(job) = context.jobs.find(id).await? else { return Ok(None) };
    written(event, context.generations.with_memes(&job).await?).map(Some)
}

fn written<T: serde::Serialize>(event: &Event, data: T) -> Result<String, StoreError> {
    let payload =
        WebhookPayload { kind: event.kind.as_str().to_owned(), timestamp: event.at, data };
    serde_json::to_string(&payload).map_err(|error| StoreError::Unreadable(error.to_string()))
}
