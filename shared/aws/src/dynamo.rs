//! What the DynamoDB stores share: errors told apart, and items read and written as types.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, TransactWriteItem, WriteRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Why a store gave no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the write relied on is not so (any more). Nothing was changed.
    #[error("a condition of the write does not hold")]
    Conflict,
    /// The store refuses for its load. Nothing was changed.
    #[error("the store throttles: {0}")]
    Throttled(String),
    /// No answer came in time; a write may have been made.
    #[error("the store did not answer in time: {0}")]
    TimedOut(String),
    /// An item is not what this version of the service writes.
    #[error("an item cannot be read: {0}")]
    Unreadable(String),
    /// Anything else, such as a table that is not there or may not be read. It does not pass by
    /// itself.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the same request may succeed if it is sent again.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Conflict | Self::Throttled(_) | Self::TimedOut(_) => true,
            Self::Unreadable(_) | Self::Failed(_) => false,
        }
    }

    /// Sorts an SDK error by what the caller can do about it. The text names the operation, and what
    /// the store says names the table that is missing or closed; nothing of the request is in it.
    pub(crate) fn from_sdk<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let text = format!("{}: {}", operation::<E>(), DisplayErrorContext(&error));
        match &error {
            SdkError::TimeoutError(_) => return Self::TimedOut(text),
            SdkError::DispatchFailure(failure)
                if failure.is_timeout()
                    || failure.is_io()
                    // The connection ended before the answer came. What is no fault of the network,
                    // such as missing credentials, is of no such kind.
                    || failure.as_connector_error().is_some_and(|it| it.as_other().is_some()) =>
            {
                return Self::TimedOut(text);
            }
            SdkError::ResponseError(_) => return Self::TimedOut(text),
            _ => {}
        }
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error.code(), status) {
            (Some("ConditionalCheckFailedException"), _) => Self::Conflict,
            (
                Some(
                    "ProvisionedThroughputExceededException"
                    | "ThrottlingException"
                    | "RequestLimitExceeded"
                    | "RequestThrottled"
                    | "TransactionInProgressException"
                    | "TransactionConflictException",
                ),
                _,
            ) => Self::Throttled(text),
            (_, Some(500..)) => Self::TimedOut(text),
            _ => Self::Failed(text),
        }
    }
}

/// The name of the operation whose error `E` is: the SDK has `get_item::GetItemError` for `GetItem`.
fn operation<E>() -> &'static str {
    let name = std::any::type_name::<E>();
    let name = name.rsplit("::").next().unwrap_or(name);
    name.strip_suffix("Error").unwrap_or(name)
}

impl From<StoreError> for ledger::StoreFault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Throttled(text) => Self::Throttled(text),
            StoreError::TimedOut(text) => Self::TimedOut(text),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Reads an item as a `T`.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Writes a `T` as an item.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Writes a `T` as one attribute.
pub(crate) fn attribute<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value)
        .map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// A string attribute.
pub(crate) fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number attribute.
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Conditions did not hold; true for each part whose condition it was.
    Conditions(Vec<bool>),
    /// The store gave no answer.
    Store(StoreError),
}

/// Commits a transaction.
///
/// # Errors
/// [`Refused`] says which of its parts did not hold.
pub(crate) async fn transact(
    client: &Client,
    parts: Vec<TransactWriteItem>,
) -> Result<(), Refused> {
    let answer = client.transact_write_items().set_transact_items(Some(parts)).send().await;
    let error = match answer {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    if let SdkError::ServiceError(service) = &error
        && let TransactWriteItemsError::TransactionCanceledException(canceled) = service.err()
    {
        let codes: Vec<&str> = canceled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap_or("None"))
            .collect();
        if codes.contains(&"ConditionalCheckFailed") {
            let failed = codes.iter().map(|code| *code == "ConditionalCheckFailed").collect();
            return Err(Refused::Conditions(failed));
        }
        return Err(Refused::Store(StoreError::Throttled(codes.join(", "))));
    }
    Err(Refused::Store(StoreError::from_sdk(error)))
}

/// How many items one request may put.
const PUTS_MAX: usize = 25;

/// How many such requests are under way at once.
const PUTS_TOGETHER: usize = 8;

/// How often what a store had no time for is put again.
const PUTS_AGAIN: u32 = 50;

/// Puts items, whatever is in their place.
///
/// # Errors
/// [`StoreError`] if not all of them are known to be there.
pub(crate) async fn put_all(
    client: &Client,
    table: &str,
    items: Vec<Item>,
) -> Result<(), StoreError> {
    let batches: Vec<Vec<Item>> = items.chunks(PUTS_MAX).map(<[Item]>::to_vec).collect();
    stream::iter(batches)
        .map(|batch| put_batch(client, table, batch))
        .buffer_unordered(PUTS_TOGETHER)
        .try_collect()
        .await
}

async fn put_batch(client: &Client, table: &str, items: Vec<Item>) -> Result<(), StoreError> {
    let put = |item| {
        let put = PutRequest::builder().set_item(Some(item)).build();
        put.map(|put| WriteRequest::builder().put_request(put).build())
    };
    let requests: Result<Vec<WriteRequest>, _> = items.into_iter().map(put).collect();
    let mut requests = requests.map_err(|error| StoreError::Failed(error.to_string()))?;
    for _ in 0..PUTS_AGAIN {
        let output = client.batch_write_item().request_items(table, requests).send().await;
        let left = output.map_err(StoreError::from_sdk)?.unprocessed_items.unwrap_or_default();
        requests = left.into_values().flatten().collect();
        if requests.is_empty() {
            return Ok(());
        }
        pause().await;
    }
    Err(StoreError::Throttled(format!("{} items were not put", requests.len())))
}

/// Lets the transaction that was in the way finish.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Builds update and condition expressions, with every name and value as a placeholder: DynamoDB
/// reserves hundreds of words, `state` and `used` among them.
#[derive(Debug, Default)]
pub(crate) struct Expression {
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// A placeholder for the attribute at `path`, a list of names from the item inwards.
    pub(crate) fn path(&mut self, path: &[&str]) -> String {
        let mut placeholders = Vec::with_capacity(path.len());
        for name in path {
            let known = self.names.iter().find(|(_, value)| value == name);
            let placeholder = match known {
                Some((placeholder, _)) => placeholder.clone(),
                None => {
                    let placeholder = format!("#n{}", self.names.len());
                    self.names.insert(placeholder.clone(), (*name).to_owned());
                    placeholder
                }
            };
            placeholders.push(placeholder);
        }
        placeholders.join(".")
    }

    /// A placeholder for `value`.
    pub(crate) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// `path = value`.
    pub(crate) fn set(&mut self, path: &[&str], value: AttributeValue) -> &mut Self {
        let (path, value) = (self.path(path), self.value(value));
        self.sets.push(format!("{path} = {value}"));
        self
    }

    /// `path = value`, unless there is one.
    pub(crate) fn set_if_absent(&mut self, path: &[&str], value: AttributeValue) -> &mut Self {
        let (path, value) = (self.path(path), self.value(value));
        self.sets.push(format!("{path} = if_not_exists({path}, {value})"));
        self
    }

    /// `path = path + by`; where `by` is negative, only if there is that much.
    pub(crate) fn shift(&mut self, path: &[&str], by: i64) -> &mut Self {
        let path = self.path(path);
        let amount = self.value(n(by.unsigned_abs()));
        if by < 0 {
            self.conditions.push(format!("{path} >= {amount}"));
            self.sets.push(format!("{path} = {path} - {amount}"));
        } else {
            self.conditions.push(format!("attribute_exists({path})"));
            self.sets.push(format!("{path} = {path} + {amount}"));
        }
        self
    }

    /// Requires that a number is no greater.
    pub(crate) fn require_at_most(&mut self, path: &[&str], most: u64) -> &mut Self {
        let (path, most) = (self.path(path), self.value(n(most)));
        self.conditions.push(format!("{path} <= {most}"));
        self
    }

    /// `path = path + by`, from 0 where there is none.
    pub(crate) fn add(&mut self, path: &[&str], by: u64) -> &mut Self {
        let (path, by) = (self.path(path), self.value(n(by)));
        self.adds.push(format!("{path} {by}"));
        self
    }

    /// Takes the attribute away.
    pub(crate) fn remove(&mut self, path: &[&str]) -> &mut Self {
        let path = self.path(path);
        self.removes.push(path);
        self
    }

    /// Requires `path = value`.
    pub(crate) fn require(&mut self, path: &[&str], value: AttributeValue) -> &mut Self {
        let (path, value) = (self.path(path), self.value(value));
        self.conditions.push(format!("{path} = {value}"));
        self
    }

    /// Requires that there is (not) such an attribute.
    pub(crate) fn require_exists(&mut self, path: &[&str], exists: bool) -> &mut Self {
        let path = self.path(path);
        let function = if exists { "attribute_exists" } else { "attribute_not_exists" };
        self.conditions.push(format!("{function}({path})"));
        self
    }

    /// The update expression.
    pub(crate) fn update(&self) -> String {
        let mut parts = Vec::new();
        if !self.sets.is_empty() {
            parts.push(format!("SET {}", self.sets.join(", ")));
        }
        if !self.adds.is_empty() {
            parts.push(format!("ADD {}", self.adds.join(", ")));
        }
        if !self.removes.is_empty() {
            parts.push(format!("REMOVE {}", self.removes.join(", ")));
        }
        parts.join(" ")
    }

    /// The condition expression; none if nothing is required.
    pub(crate) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    /// What the name placeholders stand for.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// What the value placeholders stand for.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}
