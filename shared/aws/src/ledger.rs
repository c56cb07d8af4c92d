//! The ledger on DynamoDB.
//!
//! A client's balance and its open leases are one item, changed by one conditional `UpdateItem`
//! that also carries the entry; the table's stream hands the entries on. Conditions name only what
//! a change touches, so that a client's holders do not invalidate each other's changes: DynamoDB
//! serialises them. Each process remembers the last balance that it saw and plans on that; where
//! the memory is out of date a condition fails, the answer brings the balance as it is, and the
//! plan is made again.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use ids::{ClientId, GrantId, Id, JobId};
use ledger::policy::GRANTED_MAX;
use ledger::{
    Account, Balance, BalanceStore, Change, Commit, Companion, DueChange, GrantChange, Hold, Known,
    LeaseChange, LedgerError, MovableStore, MoveChange, MoveStage, Posting, Record, RecordPage,
    StoreFault,
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::dynamo::{
    Expression, Item, Refused, StoreError, attribute, n, put_all, read, s, transact, write,
};

/// How many clients' balances a process remembers.
const REMEMBERED: usize = 10_000;

/// The reaper's index is spread over this many partitions.
const DUE_SHARDS: u128 = 8;

const BALANCE: &str = "BALANCE";

/// A [`Ledger`](ledger::Ledger) on DynamoDB.
#[derive(Debug)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    seen: Cache<ClientId, Balance>,
}

/// What is remembered of a grant for good.
#[derive(Deserialize)]
struct GrantMark {
    credits: u64,
    at_ms: i64,
}

/// A balance as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBalance {
    /// The balance.
    pub balance: Balance,
    /// The entry that made it so, as it belongs in the journal; none for a balance that was opened
    /// and never changed.
    pub posting: Option<Posting>,
}

/// A part of a scan over all balances.
#[derive(Debug, Clone)]
pub struct BalancePage {
    /// The balances, in no order.
    pub balances: Vec<KeptBalance>,
    /// Where the next page begins; none on the last one.
    pub next: Option<ScanPosition>,
}

/// Where a page of a scan begins.
#[derive(Debug, Clone)]
pub struct ScanPosition(Item);

impl DynamoLedger {
    /// A ledger in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seen: Cache::new(REMEMBERED) }
    }

    /// Takes note of a balance that is older or newer than what is remembered.
    pub(crate) fn remember(&self, balance: &Balance) {
        self.seen.insert(balance.client, balance.clone());
    }

    /// Forgets a balance, so that the next plan reads it.
    pub(crate) fn forget(&self, client: ClientId) {
        self.seen.remove(&client);
    }

    fn key(client: ClientId, sort: &str) -> Item {
        HashMap::from([("client_id".to_owned(), s(client)), ("sk".to_owned(), s(sort))])
    }

    /// The name of the item that remembers a grant.
    fn grant_key(grant: GrantId) -> String {
        format!("GRANT#{grant}")
    }

    /// The name of a hold's item.
    fn hold_key(job: JobId) -> String {
        format!("HOLD#{job}")
    }

    /// A change, planned on `balance`, as an expression on the balance's item.
    fn expression(balance: &Balance, change: &Change) -> Result<Expression, StoreError> {
        let client = balance.client;
        let mut it = Expression::default();
        it.shift(&["seq"], 1);
        if change.granted > 0 {
            // Plans see to it too, but two of them may meet.
            it.require_at_most(&["granted"], GRANTED_MAX.saturating_sub(change.granted))
                .shift(&["granted"], change.granted.cast_signed());
        }
        for account in Account::ALL {
            if change.accounts[account] != 0 {
                it.shift(&[account.name()], change.accounts[account]);
            }
        }
        for (id, grant) in &change.grants {
            let id = id.to_string();
            match grant {
                GrantChange::Add(grant) => {
                    it.set(&["grants", &id], attribute(grant)?)
                        .require_exists(&["grants", &id], false);
                }
                GrantChange::Move(by) => {
                    it.shift(&["grants", &id, "left"], *by);
                }
                // The sequence number says that it is as the planner saw it.
                GrantChange::Set(grant) => {
                    it.set(&["grants", &id], attribute(grant)?);
                }
                GrantChange::Remove => {
                    it.remove(&["grants", &id]).require_exists(&["grants", &id], true);
                }
            }
        }
        for (id, lease) in &change.leases {
            let id = id.to_string();
            let was = match lease {
                LeaseChange::Open(lease) => {
                    it.set(&["leases", &id], attribute(lease)?)
                        .require_exists(&["leases", &id], false);
                    continue;
                }
                LeaseChange::Update { was, lease } => {
                    it.set(&["leases", &id], attribute(lease)?);
                    was
                }
                LeaseChange::Close { was } => {
                    it.remove(&["leases", &id]);
                    was
                }
            };
            it.require(&["leases", &id, "used"], n(was.used))
                .require(&["leases", &id, "state"], attribute(&was.state)?)
                .require(&["leases", &id, "until_ms"], n(was.until_ms));
        }
        // A settled lease never becomes anything else, so that nothing need be required of it.
        for id in &change.forget {
            it.remove(&["leases", &id.to_string()]);
        }
        if let Some(supply) = &change.supply {
            it.set(&["supply"], attribute(supply)?);
        }
        match &change.moving {
            MoveChange::Keep => {}
            MoveChange::Staying => {
                it.require_exists(&["moving"], false);
            }
            MoveChange::Set(Some(moving)) => {
                it.set(&["moving"], attribute(moving)?);
            }
            MoveChange::Set(None) => {
                it.remove(&["moving"]);
            }
        }
        match change.due {
            DueChange::Keep => {}
            // DynamoDB cannot take the lesser of two numbers. An appointment that the planner knows
            // to be too late is replaced on condition that it is still that one.
            DueChange::NoLaterThan(at_ms) if balance.due_at_ms.is_some_and(|seen| seen > at_ms) => {
                it.require(&["due_at"], n(balance.due_at_ms.unwrap_or_default()))
                    .set(&["due_at"], n(at_ms));
            }
            DueChange::NoLaterThan(at_ms) => {
                it.set_if_absent(&["due_at"], n(at_ms))
                    .set_if_absent(&["due_shard"], s(due_shard(client)));
            }
            DueChange::Set(Some(at_ms)) => {
                it.set(&["due_at"], n(at_ms)).set(&["due_shard"], s(due_shard(client)));
            }
            DueChange::Set(None) => {
                it.remove(&["due_at"]).remove(&["due_shard"]);
            }
        }
        if let Some(seq) = change.exact_seq {
            it.require(&["seq"], n(seq));
        }
        it.set(&["entry"], attribute(&change.entry)?);
        Ok(it)
    }

    /// Commits a change of the balance's item alone.
    async fn update(&self, balance: &Balance, change: &Change) -> Result<Commit, StoreError> {
        let expression = Self::expression(balance, change)?;
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(balance.client, BALANCE)))
            .update_expression(expression.update())
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(output) => {
                self.remember(&read(output.attributes.unwrap_or_default())?);
                Ok(Commit::Done)
            }
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                let item = match error.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => failed.item,
                    _ => None,
                };
                let Some(item) = item else { return Ok(Commit::Unknown) };
                let balance: Balance = read(item)?;
                self.remember(&balance);
                Ok(Commit::Moved(Some(balance)))
            }
            Err(error) => Err(StoreError::from_sdk(error)),
        }
    }

    /// Commits a change of the balance's item together with a record beside it.
    async fn update_with(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Companion,
    ) -> Result<Commit, StoreError> {
        let client = balance.client;
        let companion = match companion {
            Companion::Granted { id, credits, at_ms } => {
                self.transact_granted(client, id, credits, at_ms)?
            }
            Companion::Hold { job, hold } => self.transact_hold(client, job, &hold)?,
            Companion::Resolution { job, hold } => self.transact_resolution(client, job, &hold)?,
        };
        let answer =
            transact(&self.client, vec![companion, self.transact_balance(balance, change)?]).await;
        // A transaction does not answer with the balance that it made.
        self.forget(client);
        match answer {
            Ok(()) => Ok(Commit::Done),
            Err(Refused::Conditions(failed)) if failed.first() == Some(&true) => {
                Ok(Commit::Companion)
            }
            Err(Refused::Conditions(_)) => Ok(Commit::Moved(None)),
            Err(Refused::Store(error)) => Err(error),
        }
    }

    /// The part of a transaction that changes the balance.
    pub(crate) fn transact_balance(
        &self,
        balance: &Balance,
        change: &Change,
    ) -> Result<TransactWriteItem, StoreError> {
        let expression = Self::expression(balance, change)?;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Self::key(balance.client, BALANCE)))
            .update_expression(expression.update())
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The part of a transaction that remembers a grant, which must not be known yet.
    fn transact_granted(
        &self,
        client: ClientId,
        grant: GrantId,
        credits: u64,
        at_ms: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        self.transact_put(Self::grant_item(client, grant, credits, at_ms), None)
    }

    fn grant_item(client: ClientId, grant: GrantId, credits: u64, at_ms: i64) -> Item {
        let mut item = Self::key(client, &Self::grant_key(grant));
        item.insert("credits".to_owned(), n(credits));
        item.insert("at_ms".to_owned(), n(at_ms));
        item
    }

    fn hold_item(client: ClientId, job: JobId, hold: &Hold) -> Result<Item, StoreError> {
        let mut item = write(hold)?;
        item.extend(Self::key(client, &Self::hold_key(job)));
        Ok(item)
    }

    /// The part of a transaction that makes a hold, which must not exist yet.
    pub(crate) fn transact_hold(
        &self,
        client: ClientId,
        job: JobId,
        hold: &Hold,
    ) -> Result<TransactWriteItem, StoreError> {
        self.transact_put(Self::hold_item(client, job, hold)?, None)
    }

    /// The part of a transaction that resolves a hold, which must still be held.
    pub(crate) fn transact_resolution(
        &self,
        client: ClientId,
        job: JobId,
        hold: &Hold,
    ) -> Result<TransactWriteItem, StoreError> {
        self.transact_put(Self::hold_item(client, job, hold)?, Some("held"))
    }

    /// The part of a transaction that puts an item in the place of one whose state is `before`, or
    /// where there is none yet.
    fn transact_put(
        &self,
        item: Item,
        before: Option<&str>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut it = Expression::default();
        match before {
            None => it.require_exists(&["client_id"], false),
            Some(state) => it.require(&["state"], s(state)),
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_condition_expression(it.condition())
            .set_expression_attribute_names(it.names())
            .set_expression_attribute_values(it.values())
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads a client's item as it is now.
    async fn get<T: DeserializeOwned>(
        &self,
        client: ClientId,
        sort: &str,
    ) -> Result<Option<T>, StoreError> {
        self.get_item(client, sort).await?.map(read).transpose()
    }

    async fn get_item(&self, client: ClientId, sort: &str) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, sort)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(output.item)
    }

    /// Reads a client's balance as it is now, with its newest entry; none if the client has none.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn kept(&self, client: ClientId) -> Result<Option<KeptBalance>, StoreError> {
        let item: Option<Item> = self.get_item(client, BALANCE).await?;
        item.map(kept).transpose()
    }

    /// Reads one page of all balances: those of segment `segment` of `of`, from `from` on.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn scan(
        &self,
        segment: u16,
        of: u16,
        from: Option<ScanPosition>,
    ) -> Result<BalancePage, StoreError> {
        let output = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(i32::from(segment))
            .total_segments(i32::from(of))
            .set_exclusive_start_key(from.map(|ScanPosition(key)| key))
            // Holds and grants are in the table too.
            .filter_expression("sk = :balance")
            .expression_attribute_values(":balance", s(BALANCE))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        let balances =
            output.items.unwrap_or_default().into_iter().map(kept).collect::<Result<_, _>>()?;
        Ok(BalancePage { balances, next: output.last_evaluated_key.map(ScanPosition) })
    }

    /// Reads a hold as it is now.
    ///
    /// # Errors
    /// [`LedgerError::UnknownHold`] if there is none; [`LedgerError::Store`] without an answer.
    pub async fn hold_of(&self, client: ClientId, job: JobId) -> Result<Hold, LedgerError> {
        self.load_hold(client, job).await?.ok_or(LedgerError::UnknownHold)
    }

    /// How many credits a grant brought, whether or not it has ended; none if it was never made.
    ///
    /// # Errors
    /// [`StoreFault`] without an answer.
    pub async fn granted(
        &self,
        client: ClientId,
        grant: GrantId,
    ) -> Result<Option<u64>, StoreFault> {
        let mark: Option<GrantMark> = self.get(client, &Self::grant_key(grant)).await?;
        Ok(mark.map(|mark| mark.credits))
    }
}

/// A record's item.
fn record(item: Item) -> Result<Option<Record>, StoreError> {
    let Some(AttributeValue::S(sort)) = item.get("sk") else { return Ok(None) };
    // Whatever else there is beside a balance one day: it is not known here.
    let Some((kind, id)) = sort.split_once('#') else { return Ok(None) };
    let unreadable = || StoreError::Unreadable(format!("an item is called {sort}"));
    match kind {
        "GRANT" => {
            let id = id.parse().map_err(|_| unreadable())?;
            let GrantMark { credits, at_ms } = read(item)?;
            Ok(Some(Record::Granted { id, credits, at_ms }))
        }
        "HOLD" => {
            let job = id.parse().map_err(|_| unreadable())?;
            Ok(Some(Record::Hold { job, hold: read(item)? }))
        }
        _ => Ok(None),
    }
}

/// A balance's item, and the entry in it.
fn kept(item: Item) -> Result<KeptBalance, StoreError> {
    let posting = item.contains_key("entry").then(|| read(item.clone())).transpose()?;
    Ok(KeptBalance { balance: read(item)?, posting })
}

/// The partition of the reaper's index that a client's appointments are in.
fn due_shard(client: ClientId) -> u128 {
    // The low bits of a ULID are random.
    u128::from(client.ulid()) % DUE_SHARDS
}

impl BalanceStore for DynamoLedger {
    async fn create(&self, balance: Balance) -> Result<(), StoreFault> {
        let mut item = write(&balance)?;
        item.extend(Self::key(balance.client, BALANCE));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(client_id)")
            .send()
            .await;
        match answer.map_err(StoreError::from_sdk) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn load(&self, client: ClientId) -> Result<Option<Balance>, StoreFault> {
        let balance = self.get(client, BALANCE).await?;
        if let Some(balance) = &balance {
            self.remember(balance);
        }
        Ok(balance)
    }

    async fn recall(&self, client: ClientId) -> Result<Option<Known>, StoreFault> {
        match self.seen.get(&client) {
            Some(balance) => Ok(Some(Known::Remembered(balance))),
            None => Ok(self.load(client).await?.map(Known::Current)),
        }
    }

    async fn load_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, StoreFault> {
        Ok(self.get(client, &Self::hold_key(job)).await?)
    }

    async fn commit(
        &self,
        balance: &Balance,
        change: &Change,
        companion: Option<Companion>,
    ) -> Result<Commit, StoreFault> {
        let committed = match companion {
            None => self.update(balance, change).await,
            Some(companion) => self.update_with(balance, change, companion).await,
        };
        Ok(committed?)
    }

    async fn overdue(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, StoreFault> {
        let mut due = Vec::new();
        for shard in 0..DUE_SHARDS {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("due")
                .key_condition_expression("due_shard = :shard AND due_at <= :now")
                .expression_attribute_values(":shard", s(shard))
                .expression_attribute_values(":now", n(now_ms))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            for item in output.items.unwrap_or_default() {
                let (Some(AttributeValue::N(at)), Some(AttributeValue::S(id))) =
                    (item.get("due_at"), item.get("client_id"))
                else {
                    continue;
                };
                if let (Ok(at), Ok(id)) = (at.parse::<i64>(), id.parse::<ClientId>()) {
                    due.push((at, id));
                }
            }
        }
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, client)| client).collect())
    }
}

impl MovableStore for DynamoLedger {
    async fn put(&self, balance: Balance) -> Result<(), StoreFault> {
        let mut item = write(&balance)?;
        item.extend(Self::key(balance.client, BALANCE));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "attribute_not_exists(client_id) OR (moving.stage = :gone AND seq < :seq)",
            )
            .expression_attribute_values(":gone", attribute(&MoveStage::Gone)?)
            .expression_attribute_values(":seq", n(balance.seq))
            .send()
            .await;
        self.forget(balance.client);
        match answer.map_err(StoreError::from_sdk) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn load_records(
        &self,
        client: ClientId,
        from: Option<String>,
    ) -> Result<RecordPage, StoreFault> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            // The balance comes first of its client's items.
            .key_condition_expression("client_id = :client AND sk > :balance")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":balance", s(BALANCE))
            .set_exclusive_start_key(from.map(|sort| Self::key(client, &sort)))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        let records = output.items.unwrap_or_default().into_iter().map(record);
        let records: Vec<Option<Record>> = records.collect::<Result<_, _>>()?;
        let next = output.last_evaluated_key.and_then(|mut key| match key.remove("sk") {
            Some(AttributeValue::S(sort)) => Some(sort),
            _ => None,
        });
        Ok(RecordPage { records: records.into_iter().flatten().collect(), next })
    }

    async fn put_records(&self, client: ClientId, records: Vec<Record>) -> Result<(), StoreFault> {
        let items = records.into_iter().map(|record| match record {
            Record::Granted { id, credits, at_ms } => {
                Ok(Self::grant_item(client, id, credits, at_ms))
            }
            Record::Hold { job, hold } => Self::hold_item(client, job, &hold),
        });
        let items: Vec<Item> = items.collect::<Result<_, StoreError>>()?;
        Ok(put_all(&self.client, &self.table, items).await?)
    }
}
