//! Where clients want to be told, and what they are told.
//!
//! A client's endpoints and its deliveries are in one partition: `ENDPOINT#`, `DELIVERY#` with the
//! endpoint before the event, and `ENDPOINTS`, which counts the endpoints. A delivery that is pending
//! is in the index `due` under the time at which the sweep looks after it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use clock::Timestamp;
use generations::{Job, State};
use ids::{ClientId, EventId, Id, Ulid, WebhookId};
use webhooks::{Delivery, Endpoint, Event, EventKind};

use crate::dynamo::{Expression, Item, Refused, StoreError, n, read, s, transact, write};
use crate::queue::WebhookQueue;

/// The index of what is due is spread over this many partitions.
const DUE_SHARDS: u128 = 8;

/// How long a delivery can be read after its last change, in seconds.
const KEPT_FOR_S: i64 = 30 * 24 * 3_600;

/// How often it is decided anew about an endpoint that somebody else changes meanwhile.
const DECISIONS_MAX: u32 = 8;

/// The item that counts a client's endpoints.
const COUNT: &str = "ENDPOINTS";

/// What became of a new endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is kept.
    Yes,
    /// The client has as many as it may have.
    Full,
}

/// A page of an endpoint's deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries, newest first.
    pub deliveries: Vec<Delivery>,
    /// The event to go on after, if there are more.
    pub next: Option<EventId>,
}

/// The table of endpoints and deliveries, and the queue that deliveries are sent by way of.
#[derive(Debug, Clone)]
pub struct WebhookStore {
    client: Client,
    table: String,
    queue: WebhookQueue,
}

impl WebhookStore {
    /// The endpoints and deliveries in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String, queue: WebhookQueue) -> Self {
        Self { client, table, queue }
    }

    /// Keeps a new endpoint, unless the client has `most` already.
    ///
    /// # Errors
    /// [`StoreError`] without an answer; the endpoint may be kept then.
    pub async fn register(&self, endpoint: &Endpoint, most: u32) -> Result<Registered, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(endpoint_item(endpoint)?))
            .condition_expression("attribute_not_exists(client_id)")
            .build()
            .map_err(unbuilt)?;
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(endpoint.client, COUNT)))
            .update_expression("ADD endpoints :one")
            .condition_expression("attribute_not_exists(endpoints) OR endpoints < :most")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(most))
            .build()
            .map_err(unbuilt)?;
        let parts = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        match transact(&self.client, parts).await {
            Ok(()) => Ok(Registered::Yes),
            // An earlier attempt of this very call was committed, and its answer lost.
            Err(Refused::Conditions(failed)) if failed.first() == Some(&true) => {
                Ok(Registered::Yes)
            }
            Err(Refused::Conditions(_)) => Ok(Registered::Full),
            Err(Refused::Store(error)) => Err(error),
        }
    }

    /// Removes an endpoint, and says whether there was one. Its deliveries end by themselves.
    ///
    /// # Errors
    /// [`StoreError`] without an answer; it may be removed then.
    pub async fn remove(&self, client: ClientId, id: WebhookId) -> Result<bool, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(client, &endpoint_sk(id))))
            .condition_expression("attribute_exists(client_id)")
            .build()
            .map_err(unbuilt)?;
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(client, COUNT)))
            .update_expression("ADD endpoints :less")
            .expression_attribute_values(":less", n(-1))
            .build()
            .map_err(unbuilt)?;
        let parts = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(count).build(),
        ];
        match transact(&self.client, parts).await {
            Ok(()) => Ok(true),
            Err(Refused::Conditions(_)) => Ok(false),
            Err(Refused::Store(error)) => Err(error),
        }
    }

    /// A client's endpoints, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn endpoints(&self, client: ClientId) -> Result<Vec<Endpoint>, StoreError> {
        // A client has a few, which fit on one page of DynamoDB's.
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("client_id = :client AND begins_with(sk, :prefix)")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":prefix", s(ENDPOINT))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        output.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Reads an endpoint; none if the client has none of this id.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn endpoint(
        &self,
        client: ClientId,
        id: WebhookId,
    ) -> Result<Option<Endpoint>, StoreError> {
        self.get(client, &endpoint_sk(id)).await?.map(read).transpose()
    }

    /// Reads an endpoint and writes what `decide` makes of it; decides again when somebody else
    /// changes it meanwhile. None if there is no such endpoint.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it keeps changing.
    pub async fn change_endpoint(
        &self,
        client: ClientId,
        id: WebhookId,
        decide: impl Fn(&Endpoint) -> Endpoint + Send,
    ) -> Result<Option<Endpoint>, StoreError> {
        for _ in 0..DECISIONS_MAX {
            let Some(endpoint) = self.endpoint(client, id).await? else { return Ok(None) };
            let changed = decide(&endpoint);
            match self.put_over(endpoint_item(&changed)?, endpoint.version).await {
                Ok(()) => return Ok(Some(changed)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Keeps a new delivery and sends it.
    ///
    /// # Errors
    /// [`StoreError`] without an answer; it may be kept then.
    pub async fn deliver(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(delivery_item(delivery)?))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        self.announce(delivery, now).await;
        Ok(())
    }

    /// Reads a delivery; none if there is none of this event to this endpoint.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn delivery(
        &self,
        client: ClientId,
        endpoint: WebhookId,
        event: EventId,
    ) -> Result<Option<Delivery>, StoreError> {
        self.get(client, &delivery_sk(endpoint, event)).await?.map(read).transpose()
    }

    /// An endpoint's deliveries, newest first, from `after` on, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn deliveries(
        &self,
        client: ClientId,
        endpoint: WebhookId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("client_id = :client AND begins_with(sk, :prefix)")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":prefix", s(format!("{DELIVERY}{endpoint}#")))
            .scan_index_forward(false)
            .set_exclusive_start_key(after.map(|event| key(client, &delivery_sk(endpoint, event))))
            // One more than fits tells whether there is a next page.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut deliveries: Vec<Delivery> = Vec::new();
        while let Some(item) = items.next().await {
            if deliveries.len() == limit {
                let next = deliveries.last().map(|delivery| delivery.event.id);
                return Ok(DeliveryPage { deliveries, next });
            }
            deliveries.push(read(item.map_err(StoreError::from_sdk)?)?);
        }
        Ok(DeliveryPage { deliveries, next: None })
    }

    /// Writes a delivery that goes on, over the version before it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed it first.
    pub async fn update(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let before = delivery.version.checked_sub(1).ok_or(StoreError::Conflict)?;
        self.put_over(delivery_item(delivery)?, before).await
    }

    /// Deliveries that the sweep should look after at `now`, the most overdue of each partition
    /// first, at most `limit` of each.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn due(&self, now: Timestamp, limit: i32) -> Result<Vec<Delivery>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..DUE_SHARDS {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("due")
                .key_condition_expression("due_shard = :shard AND due_at <= :now")
                .expression_attribute_values(":shard", s(shard))
                .expression_attribute_values(":now", n(now.as_millisecond()))
                .limit(limit)
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            for item in output.items.unwrap_or_default() {
                due.push(read(item)?);
            }
        }
        Ok(due)
    }

    /// Sends a delivery that is pending, to be attempted when it is due. If that is too far ahead for
    /// the queue, or the queue does not take it, the sweep sends it.
    pub async fn announce(&self, delivery: &Delivery, now: Timestamp) {
        let Some(delay) = delivery.message_delay(now) else { return };
        if let Err(error) = self.queue.send(delivery, delay).await {
            tracing::warn!(event.id = %delivery.event.id, %error, "a delivery is left to the sweep");
        }
    }

    /// The deliveries that the end of a job gives rise to: to the endpoint that its request names, or
    /// to all of the client's that want to hear of it.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub(crate) async fn of_ended(&self, job: &Job) -> Result<Vec<Delivery>, StoreError> {
        let Some(event) = event_of(job) else { return Ok(Vec::new()) };
        let mut endpoints = self.endpoints(job.client).await?;
        endpoints.retain(|endpoint| match job.webhook {
            Some(named) => endpoint.id == named && endpoint.disabled.is_none(),
            None => endpoint.wants(event.kind),
        });
        let deliver = |to: Endpoint| Delivery::new(job.client, to.id, event, event.at);
        Ok(endpoints.into_iter().map(deliver).collect())
    }

    /// The part of a transaction that keeps a new delivery.
    pub(crate) fn transact_put(
        &self,
        delivery: &Delivery,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(delivery_item(delivery)?))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn get(&self, client: ClientId, sk: &str) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(client, sk)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(output.item)
    }

    async fn put_over(&self, item: Item, version: u32) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.require(&["version"], n(version));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }
}

/// What a job's end is to be told as. Nobody is told of the service's own jobs, and who withdrew one
/// knows. A job ends once, so its event has one id however often it is worked out.
fn event_of(job: &Job) -> Option<Event> {
    let at = job.finished_at.filter(|_| !job.house)?;
    let kind = match job.state {
        State::Succeeded | State::Partial => EventKind::GenerationSucceeded,
        State::Failed => EventKind::GenerationFailed,
        State::Queued | State::Running | State::Canceled => return None,
    };
    let at_ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let id = EventId::from_ulid(Ulid::from_parts(at_ms, job.id.ulid().random()));
    Some(Event { id, kind, at, job: Some(job.id) })
}

const ENDPOINT: &str = "ENDPOINT#";
const DELIVERY: &str = "DELIVERY#";

fn endpoint_sk(id: WebhookId) -> String {
    format!("{ENDPOINT}{id}")
}

fn delivery_sk(endpoint: WebhookId, event: EventId) -> String {
    format!("{DELIVERY}{endpoint}#{event}")
}

fn key(client: ClientId, sk: &str) -> Item {
    Item::from([("client_id".to_owned(), s(client)), ("sk".to_owned(), s(sk))])
}

fn endpoint_item(endpoint: &Endpoint) -> Result<Item, StoreError> {
    let mut item = write(endpoint)?;
    item.insert("sk".to_owned(), s(endpoint_sk(endpoint.id)));
    Ok(item)
}

fn delivery_item(delivery: &Delivery) -> Result<Item, StoreError> {
    let mut item = write(delivery)?;
    item.insert("sk".to_owned(), s(delivery_sk(delivery.endpoint, delivery.event.id)));
    if let Some(at) = delivery.swept_at {
        let shard = u128::from(delivery.event.id.ulid()) % DUE_SHARDS;
        item.insert("due_shard".to_owned(), s(shard));
        item.insert("due_at".to_owned(), n(at.as_millisecond()));
    }
    let last = delivery.last.map_or(delivery.created_at, |last| last.at);
    let newest = last.max(delivery.next_attempt_at.unwrap_or(last));
    item.insert("ttl".to_owned(), n(newest.as_second().saturating_add(KEPT_FOR_S)));
    Ok(item)
}

fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Failed(error.to_string())
}
