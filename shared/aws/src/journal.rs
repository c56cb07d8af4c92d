//! The journal on DynamoDB: one immutable item for each entry of each client.
//!
//! Entries have a table of their own. Only the function that appends may write to it, and it may
//! only put: nobody can change or delete an entry but the table's time to live.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use ids::ClientId;
use ledger::{JournalError, Posting};

use crate::dynamo::{Item, StoreError, n, put_all, read, s, write};
use crate::ledger::DynamoLedger;

/// How long an entry is kept after its time, in seconds: thirteen months.
const KEPT_FOR_S: i64 = 400 * 24 * 3_600;

/// How many entries are copied in one go.
const COPIED_AT_ONCE: usize = 1_000;

/// Why a posting was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It does not belong there.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store gave no answer; the posting may have been appended.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The table of entries.
#[derive(Debug, Clone)]
pub struct JournalStore {
    client: Client,
    table: String,
}

impl JournalStore {
    /// The journal in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Appends a posting. One that is there already is left as it is.
    ///
    /// # Errors
    /// [`JournalError::Altered`] if another one has its place; [`StoreError`] without an answer.
    pub async fn append(&self, posting: &Posting) -> Result<(), AppendError> {
        let item = item(posting)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(client_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let there = match answer {
            Ok(_) => return Ok(()),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                match error.into_err() {
                    PutItemError::ConditionalCheckFailedException(failed) => failed.item,
                    _ => None,
                }
            }
            Err(error) => return Err(StoreError::from_sdk(error).into()),
        };
        let there: Option<Posting> = there.map(read).transpose()?;
        if there.as_ref() == Some(posting) {
            Ok(())
        } else {
            Err(JournalError::Altered { seq: posting.seq }.into())
        }
    }

    /// Reads a client's posting at one place.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn find(&self, client: ClientId, seq: u64) -> Result<Option<Posting>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(client, seq)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        output.item.map(read).transpose()
    }

    /// Reads a client's postings, the newest first: those with a place before `before`, at most
    /// `limit` of them.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn newest(
        &self,
        client: ClientId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Posting>, StoreError> {
        let last = before.map_or(Some(u64::MAX), |before| before.checked_sub(1));
        match last {
            Some(last) => self.between(client, (0, last), false, limit).await,
            None => Ok(Vec::new()),
        }
    }

    /// Reads a client's postings in their order: those with a place after `after`, at most `limit`
    /// of them.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn following(
        &self,
        client: ClientId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Posting>, StoreError> {
        match after.checked_add(1) {
            Some(first) => self.between(client, (first, u64::MAX), true, limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn between(
        &self,
        client: ClientId,
        (first, last): (u64, u64),
        forward: bool,
        limit: usize,
    ) -> Result<Vec<Posting>, StoreError> {
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("client_id = :client AND seq BETWEEN :first AND :last")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":first", n(first))
            .expression_attribute_values(":last", n(last))
            .scan_index_forward(forward)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut postings = Vec::new();
        while postings.len() < limit
            && let Some(item) = items.next().await
        {
            postings.push(read(item.map_err(StoreError::from_sdk)?)?);
        }
        Ok(postings)
    }

    /// Copies what a client's journal has to `other`, as far as the entry at `last`, and says how
    /// many were copied. None if that entry is not here yet; then what is here was copied.
    ///
    /// # Errors
    /// [`StoreError`] without an answer; it may be tried again.
    pub async fn copy(
        &self,
        other: &Self,
        client: ClientId,
        last: u64,
    ) -> Result<Option<u64>, StoreError> {
        let newest = other.newest(client, None, 1).await?.first().map_or(0, |newest| newest.seq);
        // Of the page that was being copied when it was tried last some may be missing.
        let (mut after, mut copied) = (newest.saturating_sub(COPIED_AT_ONCE as u64), 0);
        while after < last {
            let mut page = self.following(client, after, COPIED_AT_ONCE).await?;
            page.retain(|posting| posting.seq <= last);
            let Some(newest) = page.last() else { return Ok(None) };
            after = newest.seq;
            let items: Vec<Item> = page.iter().map(item).collect::<Result<_, _>>()?;
            copied += items.len() as u64;
            put_all(&other.client, &other.table, items).await?;
        }
        Ok(Some(copied))
    }

    /// Lets the journal of every client that `ledger` has begin with its newest entry, where the
    /// stream was not read from the client's first. Says of how many.
    ///
    /// # Errors
    /// [`AppendError`] if a client's journal was not begun; it may be tried again.
    pub async fn begin(&self, ledger: &DynamoLedger) -> Result<u64, AppendError> {
        let mut begun = 0;
        let mut from = None;
        loop {
            let page = ledger.scan(0, 1, from).await?;
            for posting in page.balances.iter().filter_map(|kept| kept.posting.as_ref()) {
                self.append(posting).await?;
                begun += 1;
            }
            from = page.next;
            if from.is_none() {
                return Ok(begun);
            }
        }
    }
}

fn item(posting: &Posting) -> Result<Item, StoreError> {
    let mut item = write(posting)?;
    item.insert("ttl".to_owned(), n(posting.entry.at_ms / 1_000 + KEPT_FOR_S));
    Ok(item)
}

fn key(client: ClientId, seq: u64) -> Item {
    HashMap::from([("client_id".to_owned(), s(client)), ("seq".to_owned(), n(seq))])
}
