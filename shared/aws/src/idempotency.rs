//! Idempotency keys: one key is one debit and one result, however often it is sent.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use ids::ClientId;
use serde::{Deserialize, Serialize};

use crate::dynamo::{StoreError, n, read, s, write};

/// How long an answer is replayed, in milliseconds.
pub const REPLAYED_FOR_MS: i64 = 24 * 3_600 * 1_000;

/// How long a request may take before another one with its key may take over, in milliseconds.
/// Longer than any function's time limit.
pub const IN_FLIGHT_FOR_MS: i64 = 60 * 1_000;

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: String,
    /// The body, JSON.
    pub body: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    key: String,
    fingerprint: String,
    /// The id of what the request makes, so that whoever takes over makes the same thing.
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    /// Until when the record counts, in milliseconds since the Unix epoch.
    until_ms: i64,
    /// When DynamoDB may delete it, in seconds since the Unix epoch.
    ttl: i64,
}

/// What there is for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is the caller's now: do the work, for this subject.
    Yours(String),
    /// The work is done; this was the answer.
    Answered(Answer),
    /// Another request with this key is being worked on.
    InFlight,
    /// The key was used for another payload.
    OtherPayload,
}

/// A client's key and what it was sent with.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRequest<'a> {
    /// Whose key it is.
    pub client: ClientId,
    /// The key.
    pub key: &'a str,
    /// What identifies the payload.
    pub fingerprint: &'a str,
}

/// The table of idempotency keys.
#[derive(Debug, Clone)]
pub struct IdempotencyStore {
    client: Client,
    table: String,
}

impl IdempotencyStore {
    /// The keys in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Claims a key for a request that would make `subject`.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn claim(
        &self,
        request: KeyedRequest<'_>,
        subject: &str,
        now_ms: i64,
    ) -> Result<Claim, StoreError> {
        let mut record = Self::record(request, subject, None, now_ms, IN_FLIGHT_FOR_MS);
        let found = match self.try_put(&record, now_ms).await? {
            Ok(None) => return Ok(Claim::Yours(record.subject)),
            Ok(Some(crashed)) => {
                // An earlier request did not come to its answer. What it may have made is made
                // again under the same id, by this request or by one that takes over from it.
                if crashed.answer.is_none() && crashed.fingerprint == record.fingerprint {
                    record.subject = crashed.subject;
                    self.put(&record).await?;
                }
                return Ok(Claim::Yours(record.subject));
            }
            Err(found) => found,
        };
        Ok(if found.fingerprint != record.fingerprint {
            Claim::OtherPayload
        } else {
            found.answer.map_or(Claim::InFlight, Claim::Answered)
        })
    }

    /// What there is for a key, without claiming it.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn find(
        &self,
        request: KeyedRequest<'_>,
        now_ms: i64,
    ) -> Result<Option<Claim>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("key", s(Self::key(request)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        let record: Record = read(item)?;
        Ok(if record.until_ms <= now_ms {
            None
        } else if record.fingerprint != request.fingerprint {
            Some(Claim::OtherPayload)
        } else {
            Some(record.answer.map_or(Claim::InFlight, Claim::Answered))
        })
    }

    /// Records the answer to a claimed key.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn answer(
        &self,
        request: KeyedRequest<'_>,
        subject: &str,
        answer: Answer,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.put(&Self::record(request, subject, Some(answer), now_ms, REPLAYED_FOR_MS)).await
    }

    /// Lets go of a claimed key whose request was refused, so that it can be sent again.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn release(&self, request: KeyedRequest<'_>) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("key", s(Self::key(request)))
            .condition_expression("attribute_not_exists(answer)")
            .send()
            .await
            .map_err(StoreError::from_sdk)
            .map(drop)
            .or_else(|error| match error {
                StoreError::Conflict => Ok(()),
                error => Err(error),
            })
    }

    /// The part of a transaction that records an answer together with what it is the answer to;
    /// the key must be free.
    pub(crate) fn transact_answer(
        &self,
        request: KeyedRequest<'_>,
        subject: &str,
        answer: Answer,
        now_ms: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let record = Self::record(request, subject, Some(answer), now_ms, REPLAYED_FOR_MS);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write(&record)?))
            .condition_expression("attribute_not_exists(#key) OR until_ms <= :now")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":now", n(now_ms))
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn put(&self, record: &Record) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(record)?))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }

    /// Puts the record if its key is free, and brings the outdated one that it replaced; otherwise
    /// brings the one that holds the key.
    async fn try_put(
        &self,
        record: &Record,
        now_ms: i64,
    ) -> Result<Result<Option<Record>, Record>, StoreError> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(record)?))
            .condition_expression("attribute_not_exists(#key) OR until_ms <= :now")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":now", n(now_ms))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(output) => Ok(Ok(output.attributes.map(read).transpose()?)),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                let item = match error.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => failed.item,
                    _ => None,
                };
                Ok(Err(read(item.ok_or(StoreError::Conflict)?)?))
            }
            Err(error) => Err(StoreError::from_sdk(error)),
        }
    }

    fn key(request: KeyedRequest<'_>) -> String {
        format!("{}#{}", request.client, request.key)
    }

    fn record(
        request: KeyedRequest<'_>,
        subject: &str,
        answer: Option<Answer>,
        now_ms: i64,
        for_ms: i64,
    ) -> Record {
        let until_ms = now_ms.saturating_add(for_ms);
        Record {
            key: Self::key(request),
            fingerprint: request.fingerprint.to_owned(),
            subject: subject.to_owned(),
            answer,
            until_ms,
            ttl: until_ms / 1_000 + 3_600,
        }
    }
}
