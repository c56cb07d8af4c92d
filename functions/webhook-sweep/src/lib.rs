//! Looks after deliveries that nobody attempts: sends those whose time has come, which is too far
//! ahead for a queue when they fail, and those again whose message was lost on its way or with the
//! process that made the attempt.

use std::time::Duration;

use maas_aws::webhooks::WebhookStore;
use maas_aws::{Core, StoreError};
use webhooks::Delivery;

/// How many deliveries are looked at in each partition of those that are due.
const AT_ONCE: i32 = 200;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    store: WebhookStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { store: core.aws.webhooks(), core: core.clone() }
    }
}

/// Goes once through the deliveries that are due within `ahead`, and says how many were sent. A
/// minute's sweep needs to look no further than now; where the queue is known to be empty, what a
/// message is waited for is lost already.
///
/// # Errors
/// [`StoreError`] if the deliveries cannot be read. One that cannot be changed now is left for the
/// next time.
pub async fn handle(context: &Context, ahead: Duration) -> Result<u32, StoreError> {
    let now = context.core.clock.now();
    let until = now.checked_add(ahead).unwrap_or(now);
    let mut sent = 0;
    for delivery in context.store.due(until, AT_ONCE).await? {
        match send(context, &delivery).await {
            Ok(done) => sent += u32::from(done),
            Err(error) => {
                tracing::warn!(event.id = %delivery.event.id, %error, "a delivery was not swept");
            }
        }
    }
    if sent > 0 {
        tracing::info!(sent, "swept");
    }
    Ok(sent)
}

/// Sends a delivery. It is marked first: a mark without a message costs another wait, a message
/// without a mark would be sent by every sweep.
async fn send(context: &Context, delivery: &Delivery) -> Result<bool, StoreError> {
    let now = context.core.clock.now();
    let Ok(marked) = delivery.sent_again(now) else { return Ok(false) };
    match context.store.update(&marked).await {
        Ok(()) => {}
        // Somebody attempts it now, or it ended.
        Err(StoreError::Conflict) => return Ok(false),
        Err(error) => return Err(error),
    }
    context.store.announce(&marked, now).await;
    Ok(true)
}
