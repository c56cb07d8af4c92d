//! The ledger on DynamoDB.
//!
//! A client's balance and its open leases are one item, changed by one conditional `UpdateItem`
//! that also carries the entry; the table's stream hands the entries on. Conditions name only what
//! a change touches, so that a client's holders do not invalidate each other's changes: DynamoDB
//! serialises them. Each process remembers the last balance that it saw and plans on that; where
//! the memory is out of date a condition fails, the answer brings the balance as it is, and the
//! plan is made again.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use ids::{ClientId, GrantId, Id, JobId};
use ledger::{
    Account, Balance, Change, DueChange, GrantChange, GrantRequest, Hold, HoldRequest, HoldState,
    LeaseChange, LeaseRequest, Leased, Ledger, LedgerError, Plan, Reaped, Settlement, Stamp,
};
use quick_cache::sync::Cache;
use serde::Deserialize;

use crate::dynamo::{Expression, Item, StoreError, attribute, n, read, s, write};

/// How often a change is planned again when the balance moved under it.
const PLANS_MAX: u32 = 16;

/// How many clients' balances a process remembers.
const REMEMBERED: usize = 10_000;

/// The reaper's index is spread over this many partitions.
const DUE_SHARDS: u128 = 8;

const BALANCE: &str = "BALANCE";

/// A [`Ledger`] on DynamoDB.
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
}

/// What became of an attempt to commit.
enum Committed {
    /// It is done.
    Yes,
    /// A condition did not hold; this is the balance now, if there is one.
    No(Option<Box<Balance>>),
}

impl DynamoLedger {
    /// A ledger in `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, seen: Cache::new(REMEMBERED) }
    }

    /// The balance that this process saw last, or the one in the table. Good for planning: a
    /// commit that relies on something outdated fails and brings the truth.
    pub(crate) async fn recent(&self, client: ClientId) -> Result<Balance, LedgerError> {
        match self.seen.get(&client) {
            Some(balance) => Ok(balance),
            None => self.balance(client).await,
        }
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
            it.shift(&["granted"], change.granted.cast_signed());
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
                .require(&["leases", &id, "state"], attribute(&was.state)?);
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

    async fn commit(&self, balance: &Balance, change: &Change) -> Result<Committed, LedgerError> {
        let client = balance.client;
        let expression = Self::expression(balance, change).map_err(fault)?;
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, BALANCE)))
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
                let balance: Balance =
                    read(output.attributes.unwrap_or_default()).map_err(fault)?;
                self.remember(&balance);
                Ok(Committed::Yes)
            }
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                let item = match error.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => failed.item,
                    _ => None,
                };
                let Some(item) = item else {
                    return Ok(Committed::No(None));
                };
                let balance: Balance = read(item).map_err(fault)?;
                self.remember(&balance);
                Ok(Committed::No(Some(Box::new(balance))))
            }
            Err(error) => Err(fault(StoreError::from_sdk(error))),
        }
    }

    /// Plans on what is known, commits, and plans again on what is so, until both agree.
    async fn change<T>(
        &self,
        client: ClientId,
        plan: impl Fn(&Balance) -> Result<Plan<T>, LedgerError> + Send,
    ) -> Result<T, LedgerError> {
        let mut balance = self.recent(client).await?;
        let mut fresh = false;
        for _ in 0..PLANS_MAX {
            match plan(&balance) {
                Ok(Plan::Commit(change, answer)) => match self.commit(&balance, &change).await? {
                    Committed::Yes => return Ok(answer),
                    Committed::No(Some(now)) => {
                        balance = *now;
                        fresh = true;
                    }
                    Committed::No(None) => return Err(LedgerError::UnknownClient),
                },
                // Only a commit proves that the balance was the true one. Whatever else comes of
                // a remembered balance is looked at again.
                _ if !fresh => {
                    balance = self.balance(client).await?;
                    fresh = true;
                }
                Ok(Plan::Done(answer)) => return Ok(answer),
                Err(error) => return Err(error),
            }
        }
        Err(LedgerError::Contended)
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

    /// The part of a transaction that makes a hold, which must not exist yet.
    pub(crate) fn transact_hold(
        &self,
        client: ClientId,
        job: JobId,
        hold: &Hold,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = write(hold)?;
        item.extend(Self::key(client, &Self::hold_key(job)));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(client_id)")
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The part of a transaction that resolves a hold, which must still be held.
    pub(crate) fn transact_resolution(
        &self,
        client: ClientId,
        job: JobId,
        hold: &Hold,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = write(hold)?;
        item.extend(Self::key(client, &Self::hold_key(job)));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("#state = :held")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":held", s("held"))
            .build()
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Reads a hold as it is now.
    ///
    /// # Errors
    /// [`LedgerError::UnknownHold`] if there is none; [`LedgerError::Store`] without an answer.
    pub async fn hold_of(&self, client: ClientId, job: JobId) -> Result<Hold, LedgerError> {
        self.find_hold(client, job).await?.ok_or(LedgerError::UnknownHold)
    }

    /// How many credits a grant brought, whether or not it has ended; none if it was never made.
    ///
    /// # Errors
    /// [`LedgerError::Store`] without an answer.
    pub async fn granted(
        &self,
        client: ClientId,
        grant: GrantId,
    ) -> Result<Option<u64>, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, &Self::grant_key(grant))))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(StoreError::from_sdk(error)))?;
        let mark = output.item.map(read::<GrantMark>).transpose().map_err(fault)?;
        Ok(mark.map(|mark| mark.credits))
    }

    async fn find_hold(&self, client: ClientId, job: JobId) -> Result<Option<Hold>, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, &Self::hold_key(job))))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(StoreError::from_sdk(error)))?;
        output.item.map(|item| read(item).map_err(fault)).transpose()
    }

    /// Commits a transaction.
    ///
    /// # Errors
    /// [`Refused`] says which of its parts did not hold.
    pub(crate) async fn transact(&self, parts: Vec<TransactWriteItem>) -> Result<(), Refused> {
        let answer =
            self.client.transact_write_items().set_transact_items(Some(parts)).send().await;
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
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Conditions did not hold; true for each part whose condition it was.
    Conditions(Vec<bool>),
    /// The store gave no answer.
    Store(StoreError),
}

fn fault(error: StoreError) -> LedgerError {
    LedgerError::Store(error.into())
}

/// The partition of the reaper's index that a client's appointments are in.
fn due_shard(client: ClientId) -> u128 {
    // The low bits of a ULID are random.
    u128::from(client.ulid()) % DUE_SHARDS
}

impl Ledger for DynamoLedger {
    async fn open(&self, client: ClientId) -> Result<(), LedgerError> {
        let mut item = write(&Balance::empty(client)).map_err(fault)?;
        item.extend(Self::key(client, BALANCE));
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
            Err(error) => Err(fault(error)),
        }
    }

    async fn balance(&self, client: ClientId) -> Result<Balance, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(client, BALANCE)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(StoreError::from_sdk(error)))?;
        let balance: Balance =
            read(output.item.ok_or(LedgerError::UnknownClient)?).map_err(fault)?;
        self.remember(&balance);
        Ok(balance)
    }

    async fn grant(
        &self,
        client: ClientId,
        request: GrantRequest,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        for _ in 0..PLANS_MAX {
            let balance = self.balance(client).await?;
            let Plan::Commit(change, ()) = balance.plan_grant(&request, stamp)? else {
                return Ok(());
            };
            // An item of its own remembers the grant when the balance has forgotten it.
            let mut mark = Self::key(client, &Self::grant_key(request.id));
            mark.insert("credits".to_owned(), n(request.credits));
            mark.insert("at_ms".to_owned(), n(stamp.at_ms));
            let mark = Put::builder()
                .table_name(&self.table)
                .set_item(Some(mark))
                .condition_expression("attribute_not_exists(client_id)")
                .build()
                .map_err(|error| fault(StoreError::Failed(error.to_string())))?;
            let parts = vec![
                TransactWriteItem::builder().put(mark).build(),
                self.transact_balance(&balance, &change).map_err(fault)?,
            ];
            match self.transact(parts).await {
                Ok(()) => {
                    self.forget(client);
                    return Ok(());
                }
                Err(Refused::Conditions(failed)) if failed.first() == Some(&true) => return Ok(()),
                Err(Refused::Conditions(_)) => {}
                // Two transactions met; the other one is through by now.
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(fault(error)),
            }
        }
        Err(LedgerError::Contended)
    }

    async fn lease(
        &self,
        client: ClientId,
        request: LeaseRequest,
        stamp: Stamp,
    ) -> Result<Leased, LedgerError> {
        self.change(client, |balance| balance.plan_lease(&request, stamp)).await
    }

    async fn settle(
        &self,
        client: ClientId,
        settlements: Vec<Settlement>,
        stamp: Stamp,
    ) -> Result<(), LedgerError> {
        self.change(client, |balance| balance.plan_settle(&settlements, stamp)).await
    }

    async fn hold(
        &self,
        client: ClientId,
        request: HoldRequest,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        for _ in 0..PLANS_MAX {
            if let Some(hold) = self.find_hold(client, request.id).await? {
                return Ok(hold);
            }
            let balance = self.balance(client).await?;
            let (change, hold) = balance.plan_hold(&request, stamp)?;
            let parts = vec![
                self.transact_hold(client, request.id, &hold).map_err(fault)?,
                self.transact_balance(&balance, &change).map_err(fault)?,
            ];
            match self.transact(parts).await {
                Ok(()) => {
                    self.forget(client);
                    return Ok(hold);
                }
                Err(Refused::Conditions(_)) => {}
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(fault(error)),
            }
        }
        Err(LedgerError::Contended)
    }

    async fn resolve(
        &self,
        client: ClientId,
        job: JobId,
        posted: u64,
        stamp: Stamp,
    ) -> Result<Hold, LedgerError> {
        for _ in 0..PLANS_MAX {
            let balance = self.balance(client).await?;
            let hold = self.hold_of(client, job).await?;
            let (change, hold) = match balance.plan_resolve(job, &hold, posted, stamp)? {
                Plan::Done(hold) => return Ok(hold),
                Plan::Commit(change, hold) => (change, hold),
            };
            debug_assert!(hold.state != HoldState::Held);
            let parts = vec![
                self.transact_resolution(client, job, &hold).map_err(fault)?,
                self.transact_balance(&balance, &change).map_err(fault)?,
            ];
            match self.transact(parts).await {
                Ok(()) => {
                    self.forget(client);
                    return Ok(hold);
                }
                Err(Refused::Conditions(_)) => {}
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(fault(error)),
            }
        }
        Err(LedgerError::Contended)
    }

    async fn reap(&self, client: ClientId, stamp: Stamp) -> Result<Reaped, LedgerError> {
        // The reaper works on what it has read: its plan rests on the whole balance.
        self.forget(client);
        self.change(client, |balance| Ok(balance.plan_reap(stamp))).await
    }

    async fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<ClientId>, LedgerError> {
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
                .map_err(|error| fault(StoreError::from_sdk(error)))?;
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

/// Lets the transaction that was in the way finish.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
