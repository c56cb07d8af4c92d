//! What becomes of an endpoint that there is.

use edge::models::DeliveryView;
use edge::{Body, Problem, Response, reply};
use gate::{Caller, store_problem};
use http::StatusCode;
use ids::{EventId, WebhookId};
use maas_aws::StoreError;
use webhooks::{Delivery, Event, EventKind};

use crate::{Context, new_secret};

pub(crate) async fn remove(
    context: &Context,
    caller: &Caller,
    id: WebhookId,
) -> Result<Response<Body>, Problem> {
    if !context.store.remove(caller.client(), id).await.map_err(store_problem)? {
        return Err(Problem::not_found());
    }
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(crate) async fn rotate(
    context: &Context,
    caller: &Caller,
    id: WebhookId,
) -> Result<Response<Body>, Problem> {
    let secret = new_secret()?;
    let rotated = context
        .store
        .change_endpoint(caller.client(), id, |it| it.rotate(secret.clone(), caller.now))
        .await
        .map_err(store_problem)?
        .ok_or_else(Problem::not_found)?;
    reply::ok(&views::endpoint_with_secret(&rotated, &secret))
}

/// Tells an endpoint of nothing, the way that it is told of events.
pub(crate) async fn test(
    context: &Context,
    caller: &Caller,
    id: WebhookId,
) -> Result<Response<Body>, Problem> {
    enabled(context, caller, id).await?;
    let event = Event {
        id: context.platform.core.mint.mint(caller.now.as_millisecond()),
        kind: EventKind::Test,
        at: caller.now,
        job: None,
    };
    let delivery = Delivery::new(caller.client(), id, event, caller.now);
    context.store.deliver(&delivery, caller.now).await.map_err(store_problem)?;
    accepted(&views::delivery(&delivery))
}

pub(crate) async fn replay(
    context: &Context,
    caller: &Caller,
    id: WebhookId,
    event: EventId,
) -> Result<Response<Body>, Problem> {
    enabled(context, caller, id).await?;
    let found = context.store.delivery(caller.client(), id, event).await.map_err(store_problem)?;
    let delivery = found.ok_or_else(Problem::not_found)?;
    let pending = || {
        Problem::conflict(
            "The delivery is still pending and is attempted again by itself, at `next_attempt_at`.",
        )
    };
    let again = delivery.replay(caller.now).map_err(|_| pending())?;
    match context.store.update(&again).await {
        Ok(()) => {}
        // Another request has it replayed.
        Err(StoreError::Conflict) => return Err(pending()),
        Err(error) => return Err(store_problem(error)),
    }
    context.store.announce(&again, caller.now).await;
    accepted(&views::delivery(&again))
}

async fn enabled(context: &Context, caller: &Caller, id: WebhookId) -> Result<(), Problem> {
    let found = context.store.endpoint(caller.client(), id).await.map_err(store_problem)?;
    match found.ok_or_else(Problem::not_found)?.disabled {
        None => Ok(()),
        Some(_) => Err(Problem::conflict(
            "The endpoint answered 410 and is disabled; register it again if it is back.",
        )),
    }
}

fn accepted(delivery: &DeliveryView) -> Result<Response<Body>, Problem> {
    reply::json(StatusCode::ACCEPTED, delivery)
}
