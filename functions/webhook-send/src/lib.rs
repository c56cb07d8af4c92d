//! Tells clients' endpoints of events, as Standard Webhooks has it.
//!
//! A message names a delivery; everything else is in the delivery's item. An attempt *claims* the
//! delivery, conditionally, so that of two messages one makes it; it counts from then on. What is
//! told is read at each attempt, so that the addresses of pictures in it are fresh, and signed at
//! each attempt with every secret of the endpoint that is good. Only the id is the same.

mod payload;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use maas_aws::generations::GenerationStore;
use maas_aws::webhooks::WebhookStore;
use maas_aws::{Core, StoreError, WebhookMessage};
use outbound::{Resolver, Sender};
use views::Generations;
use webhooks::{Claimed, Delivery, Disabled, Endpoint, Failure, NotClaimed};

/// Who calls.
const AGENT: &str = concat!("memes-webhooks/", env!("CARGO_PKG_VERSION"));

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    store: WebhookStore,
    jobs: GenerationStore,
    generations: Generations,
    sender: Sender,
}

impl Context {
    /// A context on what the process shares, with the machine's own resolver.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        let targets = core.aws.config().webhook_targets;
        Self::with_sender(core, Sender::new(targets, Resolver::system()))
    }

    /// The same with another way out.
    #[must_use]
    pub fn with_sender(core: &Core, sender: Sender) -> Self {
        Self {
            store: core.aws.webhooks(),
            jobs: core.aws.generations(),
            generations: Generations::new(&core.aws),
            core: core.clone(),
            sender,
        }
    }
}

/// Attempts the deliveries of one batch, all at once: one that waits for its endpoint is in nobody's
/// way. Those that the store had no answer for come again.
pub async fn handle(context: &Context, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let attempts = event.records.iter().map(|record| attempted(context, record));
    let done = join_all(attempts).await;
    for (record, done) in event.records.into_iter().zip(done) {
        if !done {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// Whether nothing is left to do for a message.
async fn attempted(context: &Context, record: &SqsMessage) -> bool {
    let body = record.body.as_deref().unwrap_or_default();
    let Ok(message) = serde_json::from_str::<WebhookMessage>(body) else {
        // It would be as strange the next time; the dead-letter queue is not for what nobody sent.
        tracing::error!("a message names no delivery");
        return true;
    };
    match deliver(context, message).await {
        // Somebody else has changed the delivery, and looks after it.
        Ok(()) | Err(StoreError::Conflict) => true,
        Err(error) => {
            tracing::warn!(event.id = %message.event_id, %error, "a delivery was not attempted");
            false
        }
    }
}

async fn deliver(context: &Context, message: WebhookMessage) -> Result<(), StoreError> {
    let WebhookMessage { client_id, webhook_id, event_id } = message;
    let found = context.store.delivery(client_id, webhook_id, event_id).await?;
    let Some(delivery) = found else { return Ok(()) };
    let now = context.core.clock.now();
    let claimed = match delivery.claim(now) {
        Ok(Claimed::Attempt(claimed)) => claimed,
        Ok(Claimed::GivenUp(ended)) => return context.store.update(&ended).await,
        // The sweep knows when to send it.
        Err(NotClaimed::Early { .. } | NotClaimed::Busy { .. } | NotClaimed::Finished { .. }) => {
            return Ok(());
        }
    };
    let endpoint = match context.store.endpoint(client_id, webhook_id).await? {
        Some(endpoint) if endpoint.disabled.is_none() => endpoint,
        Some(_) => return give_up(context, &delivery, Failure::EndpointDisabled).await,
        None => return give_up(context, &delivery, Failure::EndpointDeleted).await,
    };
    let Some(body) = payload::of(context, &delivery).await? else {
        return give_up(context, &delivery, Failure::SubjectGone).await;
    };
    context.store.update(&claimed).await?;
    attempt(context, &endpoint, &claimed, body).await
}

async fn give_up(context: &Context, delivery: &Delivery, why: Failure) -> Result<(), StoreError> {
    context.store.update(&delivery.give_up(why, context.core.clock.now())).await
}

/// Asks the endpoint, and writes what came of it.
async fn attempt(
    context: &Context,
    endpoint: &Endpoint,
    claimed: &Delivery,
    body: String,
) -> Result<(), StoreError> {
    let core = &context.core;
    let headers = headers(endpoint, claimed, core.clock.now(), &body);
    let answer = context.sender.post(&endpoint.url, headers, body).await;
    if answer.is_gone() {
        let disable = |endpoint: &Endpoint| endpoint.disable(Disabled::Gone);
        context.store.change_endpoint(endpoint.client, endpoint.id, disable).await?;
    }
    let now = core.clock.now();
    let written = claimed.answered(answer, now, core.mint.random_u64());
    context.store.update(&written).await?;
    tracing::info!(
        event.id = %written.event.id,
        webhook.id = %endpoint.id,
        attempt = written.attempts,
        state = written.state.as_str(),
        ?answer,
        "told an endpoint"
    );
    context.store.announce(&written, now).await;
    Ok(())
}

fn headers(
    endpoint: &Endpoint,
    delivery: &Delivery,
    now: clock::Timestamp,
    body: &str,
) -> HeaderMap {
    let id = delivery.event.id;
    let timestamp_s = now.as_second();
    let signatures: Vec<String> =
        endpoint.signing(now).map(|secret| secret.sign(id, timestamp_s, body)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in [
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", timestamp_s.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ] {
        // Ids, numbers and base64 are what a header can hold.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}
