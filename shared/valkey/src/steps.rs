//! A change as the steps that the script takes, and a balance as the fields that it keeps.

use std::collections::HashMap;

use ids::{ClientId, GrantId, JobId, LeaseId};
use ledger::policy::GRANTED_MAX;
use ledger::{
    Account, Balance, Change, Companion, DueChange, Grant, GrantChange, Hold, HoldState, Lease,
    LeaseChange, LeaseMark, LeaseState, MoveChange, Record, StoreFault,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The fields of a hash.
pub(crate) type Fields = HashMap<String, String>;

/// Which of the script's keys a step is about: by its number there.
const BALANCE: &str = "1";
const RECORDS: &str = "2";

/// What the script is to require and to write, four words a step.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<String>);

impl Steps {
    /// The steps to a new balance.
    pub(crate) fn create(balance: &Balance) -> Result<Self, StoreFault> {
        let mut it = Self::default();
        it.set("seq", balance.seq.to_string()).set("granted", balance.granted.to_string());
        for account in Account::ALL {
            it.set(account.name(), balance.accounts[account].to_string());
        }
        for (id, grant) in &balance.grants {
            it.set_grant(*id, grant)?;
        }
        for (id, lease) in &balance.leases {
            it.set_lease(*id, lease)?;
        }
        if let Some(at_ms) = balance.due_at_ms {
            it.due("due", balance.client, at_ms);
        }
        if let Some(moving) = &balance.moving {
            it.set("moving", json(moving)?);
        }
        Ok(it)
    }

    /// The steps that keep records which came with a balance.
    pub(crate) fn keep(records: &[Record]) -> Result<Self, StoreFault> {
        let mut it = Self::default();
        for record in records {
            match record {
                Record::Granted { id, credits, at_ms } => {
                    it.set_granted(*id, &Granted { credits: *credits, at_ms: *at_ms })?;
                }
                Record::Hold { job, hold } => {
                    it.set_hold(*job, hold)?;
                }
            }
        }
        Ok(it)
    }

    /// The steps of a change and of its companion.
    pub(crate) fn change(
        client: ClientId,
        change: &Change,
        companion: Option<&Companion>,
    ) -> Result<Self, StoreFault> {
        let mut it = Self::default();
        match companion {
            None => {}
            Some(Companion::Granted { id, credits, at_ms }) => {
                let granted = Granted { credits: *credits, at_ms: *at_ms };
                it.step("absent", RECORDS, grant_field(*id), String::new())
                    .set_granted(*id, &granted)?;
            }
            Some(Companion::Hold { job, hold }) => {
                it.step("absent", RECORDS, hold_field(*job), String::new()).set_hold(*job, hold)?;
            }
            Some(Companion::Resolution { job, hold }) => {
                it.step("present", RECORDS, held_field(*job), String::new())
                    .set_hold(*job, hold)?;
            }
        }
        if let Some(seq) = change.exact_seq {
            it.require("is", "seq", seq.to_string());
        }
        it.shift("seq", 1);
        if change.granted > 0 {
            // Plans see to it too, but two of them may meet.
            it.require("most", "granted", GRANTED_MAX.saturating_sub(change.granted).to_string())
                .shift("granted", change.granted.cast_signed());
        }
        for account in Account::ALL {
            if change.accounts[account] != 0 {
                it.shift(account.name(), change.accounts[account]);
            }
        }
        for (id, grant) in &change.grants {
            match grant {
                GrantChange::Add(grant) => {
                    it.require("absent", grant_field(*id), "").set_grant(*id, grant)?;
                }
                GrantChange::Move(by) => {
                    it.shift(left_field(*id), *by);
                }
                // The sequence number says that it is as the planner saw it.
                GrantChange::Set(grant) => {
                    it.set_grant(*id, grant)?;
                }
                GrantChange::Remove => {
                    it.require("present", grant_field(*id), "")
                        .delete(grant_field(*id))
                        .delete(left_field(*id));
                }
            }
        }
        for (id, lease) in &change.leases {
            match lease {
                LeaseChange::Open(lease) => {
                    it.require("absent", mark_field(*id), "").set_lease(*id, lease)?;
                }
                LeaseChange::Update { was, lease } => {
                    it.require("is", mark_field(*id), mark(*was)).set_lease(*id, lease)?;
                }
                LeaseChange::Close { was } => {
                    it.require("is", mark_field(*id), mark(*was))
                        .delete(mark_field(*id))
                        .delete(lease_field(*id));
                }
            }
        }
        for id in &change.forget {
            it.step("forget", BALANCE, mark_field(*id), lease_field(*id));
        }
        match change.due {
            DueChange::Keep => {}
            DueChange::NoLaterThan(at_ms) => {
                it.due("due_no_later", client, at_ms);
            }
            DueChange::Set(Some(at_ms)) => {
                it.due("due", client, at_ms);
            }
            DueChange::Set(None) => {
                it.due("due_never", client, 0);
            }
        }
        if let Some(supply) = &change.supply {
            it.set("supply", json(supply)?);
        }
        match &change.moving {
            MoveChange::Keep => {}
            MoveChange::Staying => {
                it.require("absent", "moving", "");
            }
            MoveChange::Set(Some(moving)) => {
                it.set("moving", json(moving)?);
            }
            MoveChange::Set(None) => {
                it.delete("moving".to_owned());
            }
        }
        it.set("entry", json(&change.entry)?);
        Ok(it)
    }

    /// The words, for the script.
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    fn step(&mut self, step: &str, key: &str, field: String, value: String) -> &mut Self {
        self.0.extend([step.to_owned(), key.to_owned(), field, value]);
        self
    }

    fn require(
        &mut self,
        condition: &str,
        field: impl Into<String>,
        value: impl Into<String>,
    ) -> &mut Self {
        self.step(condition, BALANCE, field.into(), value.into())
    }

    fn set(&mut self, field: impl Into<String>, value: String) -> &mut Self {
        self.step("set", BALANCE, field.into(), value)
    }

    fn delete(&mut self, field: String) -> &mut Self {
        self.step("delete", BALANCE, field, String::new())
    }

    /// Adds `by` to a number that is there; where `by` is negative, only if it is that large.
    fn shift(&mut self, field: impl Into<String>, by: i64) -> &mut Self {
        let field = field.into();
        let least = if by < 0 { by.unsigned_abs() } else { 0 };
        self.require("least", field.clone(), least.to_string()).step(
            "add",
            BALANCE,
            field,
            by.to_string(),
        )
    }

    fn due(&mut self, step: &str, client: ClientId, at_ms: i64) -> &mut Self {
        self.step(step, BALANCE, client.to_string(), at_ms.to_string())
    }

    /// What is left of a grant changes, and is a field of its own; the rest stays as it was written.
    fn set_grant(&mut self, id: GrantId, grant: &Grant) -> Result<&mut Self, StoreFault> {
        Ok(self.set(grant_field(id), json(grant)?).set(left_field(id), grant.left.to_string()))
    }

    /// What a plan relies on of a lease is a field of its own, which the script compares as text.
    fn set_lease(&mut self, id: LeaseId, lease: &Lease) -> Result<&mut Self, StoreFault> {
        Ok(self.set(lease_field(id), json(lease)?).set(mark_field(id), mark(lease.mark())))
    }

    /// That a grant came in is remembered beside the balance, for good.
    fn set_granted(&mut self, id: GrantId, granted: &Granted) -> Result<&mut Self, StoreFault> {
        Ok(self.step("set", RECORDS, grant_field(id), json(granted)?))
    }

    /// A hold that is not resolved has a second field, for the script.
    fn set_hold(&mut self, job: JobId, hold: &Hold) -> Result<&mut Self, StoreFault> {
        let step = if hold.state == HoldState::Held { "set" } else { "delete" };
        Ok(self.step("set", RECORDS, hold_field(job), json(hold)?).step(
            step,
            RECORDS,
            held_field(job),
            String::new(),
        ))
    }
}

/// What is remembered of a grant for good.
#[derive(Debug, Serialize, Deserialize)]
struct Granted {
    credits: u64,
    at_ms: i64,
}

/// Reads a balance. Fields that are not known are left alone: a newer version wrote them.
pub(crate) fn balance(client: ClientId, fields: &Fields) -> Result<Balance, StoreFault> {
    let mut balance = Balance::empty(client);
    balance.seq = number(fields, "seq")?;
    balance.granted = number(fields, "granted")?;
    for account in Account::ALL {
        balance.accounts[account] = number(fields, account.name())?;
    }
    for (field, value) in fields {
        match field.split_once(':') {
            Some(("grant", id)) => {
                let id: GrantId = parsed(field, id)?;
                let mut grant: Grant = from_json(value)?;
                grant.left = number(fields, &left_field(id))?;
                balance.grants.insert(id, grant);
            }
            Some(("lease", id)) => {
                balance.leases.insert(parsed(field, id)?, from_json(value)?);
            }
            _ => {}
        }
    }
    if let Some(supply) = fields.get("supply") {
        balance.supply = from_json(supply)?;
    }
    balance.moving = fields.get("moving").map(|moving| from_json(moving)).transpose()?;
    balance.due_at_ms = fields.get("due_at").map(|at| parsed("due_at", at)).transpose()?;
    Ok(balance)
}

/// Reads the records beside a balance.
pub(crate) fn records(fields: &Fields) -> Result<Vec<Record>, StoreFault> {
    let mut records = Vec::new();
    for (field, value) in fields {
        match field.split_once(':') {
            Some(("grant", id)) => {
                let Granted { credits, at_ms } = from_json(value)?;
                records.push(Record::Granted { id: parsed(field, id)?, credits, at_ms });
            }
            Some(("hold", id)) => {
                records.push(Record::Hold { job: parsed(field, id)?, hold: from_json(value)? });
            }
            _ => {}
        }
    }
    Ok(records)
}

/// Reads a record beside a balance.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|error| StoreFault::Failed(format!("{error} in {text}")))
}

/// The name of the record of a hold.
pub(crate) fn hold_field(job: JobId) -> String {
    format!("hold:{job}")
}

fn held_field(job: JobId) -> String {
    format!("held:{job}")
}

fn grant_field(id: GrantId) -> String {
    format!("grant:{id}")
}

fn left_field(id: GrantId) -> String {
    format!("left:{id}")
}

fn lease_field(id: LeaseId) -> String {
    format!("lease:{id}")
}

fn mark_field(id: LeaseId) -> String {
    format!("mark:{id}")
}

fn mark(LeaseMark { used, state, until_ms }: LeaseMark) -> String {
    let state = match state {
        LeaseState::Open => "open",
        LeaseState::Lapsed => "lapsed",
        LeaseState::Settled => "settled",
    };
    format!("{state}:{used}:{until_ms}")
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreFault> {
    serde_json::to_string(value).map_err(|error| StoreFault::Failed(error.to_string()))
}

fn number(fields: &Fields, field: &str) -> Result<u64, StoreFault> {
    let text = fields
        .get(field)
        .ok_or_else(|| StoreFault::Failed(format!("the balance has no `{field}`")))?;
    parsed(field, text)
}

fn parsed<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, StoreFault> {
    text.parse().map_err(|_| StoreFault::Failed(format!("`{field}` cannot be read: {text}")))
}
