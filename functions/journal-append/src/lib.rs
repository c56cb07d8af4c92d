//! Appends the entries of the ledger to the journal, from the stream of the table of balances.
//!
//! An entry is appended only if it adds up: it must follow the one before it, and make of the
//! balance after that one what was kept with this one. Both colours of a stage read the stream, and
//! a stream may hand out a record again, so that most of the time an entry is there already.

use std::collections::BTreeSet;
use std::fmt;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use ids::ClientId;
use ledger::{Journal, JournalError, Posting};
use maas_aws::journal::{AppendError, JournalStore};
use maas_aws::{Core, StoreError};
use quick_cache::sync::Cache;
use serde_dynamo::AttributeValue;

/// Of how many clients a process remembers what it has appended last.
const REMEMBERED: usize = 10_000;

/// What the function works with.
pub struct Context {
    store: JournalStore,
    /// Journals up to an entry that this process has appended, or found there. Entries are never
    /// altered, so that the one before the next need not be read again.
    known: Cache<ClientId, Journal>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { store: core.aws.journal(), known: Cache::new(REMEMBERED) }
    }
}

/// Appends the entries of one batch. What was not appended comes again, with all that follows it.
///
/// One client's trouble is its own: the entries of others behind it are appended all the same.
pub async fn handle(context: &Context, batch: Event) -> DynamoDbEventResponse {
    let mut stuck: BTreeSet<String> = BTreeSet::new();
    let mut response = DynamoDbEventResponse::default();
    for record in batch.records {
        let key = |name: &str| match record.change.keys.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        // In Lambda the event source leaves other items out.
        if key("sk") != "BALANCE" {
            continue;
        }
        let (client, place) = (key("client_id"), record.change.sequence_number.clone());
        if !stuck.contains(&client) {
            let Err(error) = append(context, record).await else { continue };
            tell(&client, &error);
        }
        stuck.insert(client);
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = place;
        response.batch_item_failures.push(failure);
    }
    response
}

async fn append(context: &Context, record: EventRecord) -> Result<(), AppendError> {
    let image = record.change.new_image;
    if record.event_name == "REMOVE" {
        // Nothing comes of trying again, and the proof does not see a balance that is not there.
        tracing::error!(event = "ledger_violation", keys = ?record.change.keys, "a balance was deleted");
        return Ok(());
    }
    // A balance is opened without an entry.
    if !image.contains_key("entry") {
        return Ok(());
    }
    let posting: Posting = serde_dynamo::from_item(image)
        .map_err(|error| StoreError::Unreadable(error.to_string()))?;
    // Taken out while it is worked on: after a failure nothing is known. What is known does not help
    // where something is missing between.
    let reaches = |journal: &Journal| {
        journal.totals().is_some_and(|totals| totals.seq.saturating_add(1) >= posting.seq)
    };
    let known = context.known.remove(&posting.client).map(|(_, journal)| journal).filter(reaches);
    let mut journal = match known {
        Some(journal) => journal,
        None => match before(context, &posting).await? {
            Some(journal) => journal,
            // It is there; what follows it follows it there.
            None => {
                context.known.insert(posting.client, Journal::after(&posting));
                return Ok(());
            }
        },
    };
    // One that came before is only compared.
    if journal.totals().is_none_or(|totals| totals.seq < posting.seq) {
        journal.read(&posting)?;
    }
    context.store.append(&posting).await?;
    context.known.insert(posting.client, journal);
    Ok(())
}

/// The journal up to the entry before `posting`; none if `posting` is in it already.
async fn before(context: &Context, posting: &Posting) -> Result<Option<Journal>, AppendError> {
    let Some(previous) = posting.seq.checked_sub(1).filter(|previous| *previous > 0) else {
        return Ok(Some(Journal::whole(posting.client)));
    };
    if let Some(previous) = context.store.find(posting.client, previous).await? {
        return Ok(Some(Journal::after(&previous)));
    }
    // The one before it may be gone because its time was over, or never have been there because the
    // journal begins with this one.
    if context.store.find(posting.client, posting.seq).await?.as_ref() == Some(posting) {
        return Ok(None);
    }
    Err(JournalError::Missing { seq: previous, next: posting.seq }.into())
}

fn tell(client: &str, error: &AppendError) {
    match error {
        AppendError::Store(StoreError::Unreadable(_)) => {
            tracing::error!(event = "ledger_violation", client.id = client, %error, "an entry cannot be read");
        }
        AppendError::Store(_) => {
            tracing::warn!(client.id = client, %error, "an entry was not appended");
        }
        // The one before it may be on its way. If it never comes, this one is given up and ends in
        // the dead-letter queue.
        AppendError::Journal(JournalError::Missing { .. }) => {
            tracing::warn!(client.id = client, %error, "an entry waits for the one before it");
        }
        AppendError::Journal(_) => {
            tracing::error!(event = "ledger_violation", client.id = client, %error, "an entry does not add up");
        }
    }
}
