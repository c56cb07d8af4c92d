//! What clients used: counted once, whatever comes twice, late or out of order.
//!
//! Events are totals per source. For each source the table remembers the greatest total that was
//! counted, and what an event says beyond it is added to the client's hour, both in one
//! transaction. So an event that says nothing new changes nothing.
//!
//! Clients that have nothing to do with each other share a transaction: each request costs time,
//! here and there, whatever is in it. A transaction that is refused is made again client by client.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use clock::Timestamp;
use ids::{ClientId, LeaseId};
use ledger::{Evidence, Operation, Source, Spending, StoreFault, UsageEvent, Use};
use serde::{Deserialize, Serialize};

use crate::dynamo::{
    Expression, Item, Refused, StoreError, attribute, n, pause, read, s, transact,
};

/// How often a transaction is tried when others are in its way.
const TRIES_MAX: u32 = 16;

/// How many sources one transaction counts. DynamoDB takes 100 parts, and the hours are parts too.
const SOURCES_AT_ONCE: usize = 50;

/// How long it is remembered what was counted of a source, in seconds: longer than any queue keeps
/// an event.
const REMEMBERED_FOR_S: i64 = 15 * 24 * 3_600;

/// How long a client can read its usage, in seconds: thirteen months.
const KEPT_FOR_S: i64 = 400 * 24 * 3_600;

const HOUR_MS: i64 = 3_600_000;

/// What one client used within one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    /// When it begins.
    pub begins: Timestamp,
    /// What was used.
    pub spending: Spending,
}

/// What is remembered of a source.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    client_id: ClientId,
    sk: String,
    spending: Spending,
}

/// What events say of a source.
#[derive(Debug)]
struct Told {
    client: ClientId,
    /// The name of its item.
    source: String,
    /// The greatest totals.
    spending: Spending,
    /// The time of the newest.
    at_ms: i64,
}

/// Clients of whom not all was counted.
#[derive(Debug)]
pub struct NotCounted {
    /// Whose usage it is.
    pub clients: BTreeSet<ClientId>,
    /// Why.
    pub error: StoreError,
}

impl NotCounted {
    fn new(told: &[Told], error: StoreError) -> Self {
        Self { clients: told.iter().map(|told| told.client).collect(), error }
    }
}

/// The table of usage.
#[derive(Debug, Clone)]
pub struct UsageStore {
    client: Client,
    table: String,
}

impl UsageStore {
    /// The usage in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts what `events` say that was not counted before, of many clients in one transaction, and
    /// says of which clients not all was counted. Whatever is told again is counted once.
    pub async fn count(&self, events: &[UsageEvent], now_ms: i64) -> Vec<NotCounted> {
        // Of several events of a source the greatest totals say it all; the time of the newest is
        // the hour that it is counted in.
        let mut latest: BTreeMap<(ClientId, String), (Spending, i64)> = BTreeMap::new();
        for event in events {
            let known = latest
                .entry((event.client_id, source_key(event.source, event.escrow)))
                .or_insert((event.spending, event.at_ms));
            *known = (known.0.max(&event.spending), known.1.max(event.at_ms));
        }
        let latest: Vec<Told> = latest
            .into_iter()
            .map(|((client, source), (spending, at_ms))| Told { client, source, spending, at_ms })
            .collect();
        let mut not_counted = Vec::new();
        for told in latest.chunks(SOURCES_AT_ONCE) {
            match self.try_to_count(told, now_ms).await {
                Ok(()) => {}
                // Each client alone would wait in vain for the same store.
                Err(Refused::Store(error @ StoreError::TimedOut(_))) => {
                    not_counted.push(NotCounted::new(told, error));
                }
                // What is in one client's way is not in the others'.
                Err(_) => {
                    for told in told.chunk_by(|one, next| one.client == next.client) {
                        if let Err(error) = self.count_alone(told, now_ms).await {
                            not_counted.push(NotCounted::new(told, error));
                        }
                    }
                }
            }
        }
        not_counted
    }

    /// Counts what is told of one client, however often others are in the way.
    async fn count_alone(&self, told: &[Told], now_ms: i64) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            match self.try_to_count(told, now_ms).await {
                Ok(()) => return Ok(()),
                // Somebody else counted one of the sources meanwhile.
                Err(Refused::Conditions(_)) => {}
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Throttled("the usage of a client is contended".to_owned()))
    }

    /// Counts what is told in one transaction.
    async fn try_to_count(&self, told: &[Told], now_ms: i64) -> Result<(), Refused> {
        let counted = self.counted(told).await.map_err(Refused::Store)?;
        let mut parts = Vec::new();
        let mut hours: BTreeMap<(ClientId, i64), Spending> = BTreeMap::new();
        for told in told {
            let before = counted.get(&(told.client, told.source.clone()));
            let new = told.spending.beyond(before.unwrap_or(&Spending::default()));
            if new == Spending::default() {
                continue;
            }
            parts.push(self.remember(told, before, now_ms).map_err(Refused::Store)?);
            let hour = hours.entry((told.client, told.at_ms.div_euclid(HOUR_MS))).or_default();
            *hour = hour.plus(&new);
        }
        for ((client, hour), spending) in &hours {
            parts.push(self.add(*client, *hour, spending).map_err(Refused::Store)?);
        }
        if parts.is_empty() { Ok(()) } else { transact(&self.client, parts).await }
    }

    /// What was counted of some sources before.
    async fn counted(
        &self,
        told: &[Told],
    ) -> Result<HashMap<(ClientId, String), Spending>, StoreError> {
        let keys: Vec<_> = told.iter().map(|told| key(told.client, &told.source)).collect();
        let mut wanted = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(keys))
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let mut counted = HashMap::new();
        for _ in 0..TRIES_MAX {
            let output = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            for item in
                output.responses.and_then(|mut of| of.remove(&self.table)).unwrap_or_default()
            {
                let record: Counted = read(item)?;
                counted.insert((record.client_id, record.sk), record.spending);
            }
            match output.unprocessed_keys.and_then(|mut of| of.remove(&self.table)) {
                Some(rest) => wanted = rest,
                None => return Ok(counted),
            }
            pause().await;
        }
        Err(StoreError::Throttled("what was counted is not read to the end".to_owned()))
    }

    /// The part of a transaction that remembers what was counted of a source. Nobody may have
    /// counted any of it since it was read.
    fn remember(
        &self,
        told: &Told,
        before: Option<&Spending>,
        now_ms: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let total = before.map_or(told.spending, |before| before.max(&told.spending));
        let mut item = key(told.client, &told.source);
        item.insert("spending".to_owned(), attribute(&total)?);
        item.insert("ttl".to_owned(), n(now_ms / 1_000 + REMEMBERED_FOR_S));
        let mut put = Put::builder().table_name(&self.table).set_item(Some(item));
        put = match before {
            None => put.condition_expression("attribute_not_exists(client_id)"),
            Some(before) => put
                .condition_expression("spending = :before")
                .expression_attribute_values(":before", attribute(before)?),
        };
        let put = put.build().map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The part of a transaction that adds to an hour.
    fn add(
        &self,
        client: ClientId,
        hour: i64,
        spending: &Spending,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut it = Expression::default();
        for (operation, part) in spending.iter() {
            for (name, amount) in names(operation).iter().zip([part.calls, part.credits]) {
                if amount > 0 {
                    it.add(&[name], amount);
                }
            }
        }
        it.set(&["ttl"], n(hour * 3_600 + KEPT_FOR_S));
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(client, &hour_key(hour))))
            .update_expression(it.update())
            .set_expression_attribute_names(it.names())
            .set_expression_attribute_values(it.values())
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The parts of a transaction that count one generation. It must be part of what ends the
    /// generation, which happens once.
    pub(crate) fn transact_generation(
        &self,
        client: ClientId,
        credits: u64,
        at_ms: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let spending = Spending::on(Operation::Generation, credits);
        self.add(client, at_ms.div_euclid(HOUR_MS), &spending)
    }

    /// The hours from `from` on and before `to` in which a client used something, in order, at most
    /// `limit` of them.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn hours(
        &self,
        client: ClientId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Hour>, StoreError> {
        let first = from.as_millisecond().div_euclid(HOUR_MS);
        // The hour that `to` is in belongs to the answer unless it begins with `to`.
        let last = (to.as_millisecond() - 1).div_euclid(HOUR_MS);
        if last < first {
            return Ok(Vec::new());
        }
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("client_id = :client AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":first", s(hour_key(first)))
            .expression_attribute_values(":last", s(hour_key(last)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut hours = Vec::new();
        while hours.len() < limit
            && let Some(item) = pages.next().await
        {
            hours.push(hour(&item.map_err(StoreError::from_sdk)?)?);
        }
        Ok(hours)
    }
}

impl Evidence for UsageStore {
    async fn spent_from(
        &self,
        client: ClientId,
        lease: LeaseId,
        escrow: Option<LeaseId>,
    ) -> Result<Option<u64>, StoreFault> {
        // What was lent out of a lease has keys that begin with that lease's own.
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("client_id = :client AND begins_with(sk, :source)")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":source", s(source_key(Source::Lease(lease), escrow)))
            .into_paginator()
            .items()
            .send();
        let mut spent: Option<u64> = None;
        while let Some(item) = pages.next().await {
            let counted: Counted = read(item.map_err(StoreError::from_sdk)?)?;
            spent = Some(spent.unwrap_or(0).saturating_add(counted.spending.credits()));
        }
        Ok(spent)
    }
}

fn key(client: ClientId, sort: &str) -> Item {
    HashMap::from([("client_id".to_owned(), s(client)), ("sk".to_owned(), s(sort))])
}

/// The name of a source's item: that of the escrow that it was lent out of comes first.
fn source_key(source: Source, escrow: Option<LeaseId>) -> String {
    match (source, escrow) {
        (Source::Lease(lease), None) => format!("SOURCE#{lease}"),
        (Source::Lease(lease), Some(escrow)) => format!("SOURCE#{escrow}#{lease}"),
        (Source::Hold(job), _) => format!("SOURCE#{job}"),
    }
}

/// The name of an hour's item. Hours since the Unix epoch have six digits until 2084, so that their
/// names are in their order.
fn hour_key(hour: i64) -> String {
    format!("HOUR#{hour:08}")
}

/// The attributes of an hour that count an operation's calls and credits.
fn names(operation: Operation) -> [String; 2] {
    ["calls", "credits"].map(|what| format!("{}_{what}", operation.name()))
}

fn hour(item: &Item) -> Result<Hour, StoreError> {
    let unreadable = || StoreError::Unreadable("an hour of usage".to_owned());
    let number = |name: &String| match item.get(name) {
        None => Ok(0),
        Some(AttributeValue::N(number)) => number.parse().map_err(|_| unreadable()),
        Some(_) => Err(unreadable()),
    };
    let spending = Operation::ALL
        .into_iter()
        .map(|operation| {
            let [calls, credits] = names(operation);
            Ok((operation, Use { calls: number(&calls)?, credits: number(&credits)? }))
        })
        .collect::<Result<Spending, StoreError>>()?;
    let begins = item
        .get("sk")
        .and_then(|sk| sk.as_s().ok()?.strip_prefix("HOUR#")?.parse::<i64>().ok())
        .and_then(|hour| Timestamp::from_second(hour.checked_mul(3_600)?).ok())
        .ok_or_else(unreadable)?;
    Ok(Hour { begins, spending })
}
