//! Looks after deliveries that nobody attempts: sends those whose time has come, which is too far
//! ahead for a queue when they fail, and those again whose message was lost on its way or with the
//! process that made the attempt.

use std::time::Duration;

use futures_util::future::join_all;
use maas_aws::webhooks::WebhookStore;
use maas_aws::{Core, StoreError};
use webhooks::Delivery;

/// How many deliveries are read at once in each partition of those that are due.
const AT_ONCE: i32 = 200;

/// How many are sent at the same time.
const TOGETHER: usize = 16;

/// How long a sweep goes on while there is more. The next one comes after a minute.
const ENOUGH: Duration = Duration::from_secs(40);

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

/// Sends the deliveries that are due within `ahead`, and says how many. A minute's sweep needs to look
/// no further than now; where the queue is known to be empty, what a message is waited for is lost
/// already.
///
/// # Errors
/// [`StoreError`] if the deliveries cannot be read. One that cannot be changed now is left for the
/// next time.
pub async fn handle(context: &Context, ahead: Duration) -> Result<u32, StoreError> {
    let clock = &context.core.clock;
    let begun = clock.monotonic();
    let until = clock.now().checked_add(ahead).unwrap_or(clock.now());
    let mut sent = 0;
    loop {
        // What was sent is not due any more. The index may be a little behind; then none is sent
        // twice, and the next sweep finds the rest.
        let due = context.store.due(until, AT_ONCE).await?;
        let mut round = 0;
        for some in due.chunks(TOGETHER) {
            let done = join_all(some.iter().map(|it| swept(context, it))).await;
            round += done.into_iter().map(u32::from).sum::<u32>();
        }
        sent += round;
        if round == 0 || clock.monotonic().saturating_sub(begun) > ENOUGH {
            break;
        }
    }
    if sent > 0 {
        tracing::info!(sent, "swept");
    }
    Ok(sent)
}

/// Whether a delivery was sent.
async fn swept(context: &Context, delivery: &Delivery) -> bool {
    match send(context, delivery).await {
        Ok(sent) => sent,
        Err(error) => {
            tracing::warn!(event.id = %delivery.event.id, %error, "a delivery was not swept");
            false
        }
    }
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
