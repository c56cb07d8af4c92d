//! Jobs, kept together with the credits that are held for them.
//!
//! A job and its hold begin in one transaction and end in one, with the memes that came of it and the
//! deliveries that tell the client's endpoints of it. In between, every change is made on condition that the job is still of the version that was read.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, Select, TransactWriteItem};
use generations::{Job, Transition};
use ids::{ClientId, Id, JobId, Ulid};
use ledger::{HoldRequest, Ledger, LedgerError, Plan, Stamp, StoreFault};

use crate::dynamo::{Item, Refused, StoreError, n, pause, read, s, transact, write};
use crate::idempotency::{Answer, Claim, IdempotencyStore, KeyedRequest};
use crate::ledger::DynamoLedger;
use crate::memes::{MemeRecord, MemeStore};
use crate::usage::UsageStore;
use crate::webhooks::WebhookStore;

/// The index of unfinished jobs is spread over this many partitions.
const UNFINISHED_SHARDS: u128 = 8;

/// How long a finished job can be read, in seconds.
const KEPT_FOR_S: i64 = 90 * 24 * 3_600;

/// How often a transaction is tried when others are in its way.
const TRIES_MAX: u32 = 16;

/// How often it is decided anew about a job that somebody else changes meanwhile.
const DECISIONS_MAX: u32 = 8;

/// What became of a new job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is kept, and its credits are held.
    Yes,
    /// Its idempotency key was used before.
    KeyUsed(Claim),
}

/// Why a job was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Somebody else changed it first: read it and decide again.
    #[error("the job was changed by somebody else")]
    Outdated,
    /// The ledger refused, or the store gave no answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Outdated,
            error => Self::Ledger(LedgerError::Store(StoreFault::from(error))),
        }
    }
}

/// A page of a client's jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// The job to go on after, if there are more.
    pub next: Option<JobId>,
}

/// The table of jobs.
#[derive(Debug, Clone)]
pub struct GenerationStore {
    client: Client,
    table: String,
    memes: MemeStore,
    idempotency: IdempotencyStore,
    usage: UsageStore,
    webhooks: WebhookStore,
}

impl GenerationStore {
    /// The jobs in `table`, with the stores that take part in their transactions.
    #[must_use]
    pub const fn new(
        client: Client,
        table: String,
        memes: MemeStore,
        idempotency: IdempotencyStore,
        usage: UsageStore,
        webhooks: WebhookStore,
    ) -> Self {
        Self { client, table, memes, idempotency, usage, webhooks }
    }

    /// Keeps a new job, holds its credits and records the answer to its request, or does none of
    /// it. A job that costs nothing has no hold.
    ///
    /// # Errors
    /// [`LedgerError::Exhausted`] if the client has too few credits.
    pub async fn create(
        &self,
        ledger: &DynamoLedger,
        job: &Job,
        keyed: Option<(KeyedRequest<'_>, Answer)>,
        stamp: Stamp,
    ) -> Result<Created, LedgerError> {
        let fault = |error: StoreError| LedgerError::Store(StoreFault::from(error));
        for _ in 0..TRIES_MAX {
            let mut parts = vec![self.put(job, None).map_err(fault)?];
            if let Some((request, answer)) = &keyed {
                let subject = job.id.to_string();
                let record = self
                    .idempotency
                    .transact_answer(*request, &subject, answer.clone(), stamp.at_ms)
                    .map_err(fault)?;
                parts.push(record);
            }
            if job.held() > 0 {
                let balance = ledger.balance(job.client).await?;
                let request = HoldRequest { id: job.id, credits: job.held() };
                let (change, hold) = balance.plan_hold(&request, stamp)?;
                parts.push(ledger.transact_hold(job.client, job.id, &hold).map_err(fault)?);
                parts.push(ledger.transact_balance(&balance, &change).map_err(fault)?);
            }
            let answer = transact(&self.client, parts).await;
            ledger.forget(job.client);
            match answer {
                Ok(()) => return Ok(Created::Yes),
                Err(Refused::Conditions(failed)) => {
                    if failed.first() == Some(&true) {
                        // An earlier attempt of this very call was committed, and its answer lost.
                        return Ok(Created::Yes);
                    }
                    if let Some((request, _)) = &keyed
                        && failed.get(1) == Some(&true)
                        && let Some(claim) =
                            self.idempotency.find(*request, stamp.at_ms).await.map_err(fault)?
                    {
                        return Ok(Created::KeyUsed(claim));
                    }
                }
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(fault(error)),
            }
        }
        Err(LedgerError::Contended)
    }

    /// Reads a job; none if there is none of this id.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn find(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("job_id", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        output.item.map(read).transpose()
    }

    /// Writes a job that goes on, over the version before it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed it first.
    pub async fn update(&self, job: &Job) -> Result<(), StoreError> {
        let before = job.version.checked_sub(1).ok_or(StoreError::Conflict)?;
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Self::item(job)?))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", n(before))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }

    /// Writes what a transition comes to: the job, the memes, what becomes of its credits, and whom
    /// its end is told. That is sent then.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] if somebody else changed the job first. Nothing was changed then.
    pub async fn commit(
        &self,
        ledger: &DynamoLedger,
        transition: &Transition,
        memes: &[MemeRecord],
        stamp: Stamp,
    ) -> Result<(), ChangeError> {
        let job = &transition.job;
        let deliveries = self.webhooks.of_ended(job).await?;
        for _ in 0..TRIES_MAX {
            let mut parts = vec![self.put(job, job.version.checked_sub(1))?];
            for meme in memes {
                parts.push(self.memes.transact_put(meme)?);
            }
            for delivery in &deliveries {
                parts.push(self.webhooks.transact_put(delivery)?);
            }
            if let Some(outcome) = transition.hold
                && job.held() > 0
            {
                let balance = ledger.balance(job.client).await?;
                let hold = ledger.hold_of(job.client, job.id).await?;
                match balance.plan_resolve(job.id, &hold, outcome.post, stamp) {
                    // Credits and job are resolved together, so the job is finished too.
                    Ok(Plan::Done(_)) | Err(LedgerError::AlreadyResolved) => {
                        return self.committed_before(job).await;
                    }
                    Err(error) => return Err(error.into()),
                    Ok(Plan::Commit(change, hold)) => {
                        parts.push(ledger.transact_resolution(job.client, job.id, &hold)?);
                        parts.push(ledger.transact_balance(&balance, &change)?);
                        if outcome.post > 0 {
                            let at_ms = stamp.at_ms;
                            let counted =
                                self.usage.transact_generation(job.client, outcome.post, at_ms)?;
                            parts.push(counted);
                        }
                    }
                }
            }
            let answer = transact(&self.client, parts).await;
            ledger.forget(job.client);
            match answer {
                Ok(()) => {
                    for delivery in &deliveries {
                        self.webhooks.announce(delivery, delivery.created_at).await;
                    }
                    return Ok(());
                }
                Err(Refused::Conditions(failed)) if failed.first() == Some(&true) => {
                    return self.committed_before(job).await;
                }
                Err(Refused::Conditions(_)) => {}
                Err(Refused::Store(StoreError::Throttled(_))) => pause().await,
                Err(Refused::Store(error)) => return Err(error.into()),
            }
        }
        Err(LedgerError::Contended.into())
    }

    /// Whether the job is as it should be written already: an earlier attempt of the same call was
    /// committed, and its answer lost. Otherwise it was lost to somebody else.
    async fn committed_before(&self, job: &Job) -> Result<(), ChangeError> {
        match self.find(job.id).await? {
            Some(now) if now == *job => Ok(()),
            _ => Err(ChangeError::Outdated),
        }
    }

    /// Reads a job and commits what `decide` makes of it; decides again when somebody else changes
    /// the job meanwhile. None if there is no such job, or none that `decide` wants to change.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] if the job keeps changing; [`ChangeError::Ledger`] without an
    /// answer.
    pub async fn transition(
        &self,
        ledger: &DynamoLedger,
        id: JobId,
        stamp: impl Fn() -> Stamp + Send,
        decide: impl Fn(&Job) -> Option<Transition> + Send,
    ) -> Result<Option<Job>, ChangeError> {
        for _ in 0..DECISIONS_MAX {
            let Some(job) = self.find(id).await? else { return Ok(None) };
            let Some(transition) = decide(&job) else { return Ok(None) };
            match self.commit(ledger, &transition, &[], stamp()).await {
                Ok(()) => return Ok(Some(transition.job)),
                Err(ChangeError::Outdated) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ChangeError::Outdated)
    }

    /// A client's jobs, newest first, from `after` on, at most `limit`, those that `wanted` likes.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn list(
        &self,
        client: ClientId,
        after: Option<JobId>,
        limit: usize,
        wanted: impl Fn(&Job) -> bool + Send,
    ) -> Result<Page, StoreError> {
        let mut jobs = Vec::new();
        let mut from = after.map(|job| {
            Item::from([("client_id".to_owned(), s(client)), ("job_id".to_owned(), s(job))])
        });
        loop {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by-client")
                .key_condition_expression("client_id = :client")
                .expression_attribute_values(":client", s(client))
                .scan_index_forward(false)
                .set_exclusive_start_key(from)
                // One more than fits tells whether there is a next page.
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            for item in output.items.unwrap_or_default() {
                let job: Job = read(item)?;
                if !wanted(&job) {
                    continue;
                }
                if jobs.len() == limit {
                    let next = jobs.last().map(|job: &Job| job.id);
                    return Ok(Page { jobs, next });
                }
                jobs.push(job);
            }
            from = output.last_evaluated_key;
            if from.is_none() {
                return Ok(Page { jobs, next: None });
            }
        }
    }

    /// How many jobs are waiting or worked on that were accepted before this one.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn ahead_of(&self, job: JobId) -> Result<u64, StoreError> {
        let mut ahead = 0;
        for shard in 0..UNFINISHED_SHARDS {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("unfinished")
                .key_condition_expression("unfinished = :shard AND job_id < :job")
                .expression_attribute_values(":shard", s(shard))
                .expression_attribute_values(":job", s(job))
                .select(Select::Count)
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            ahead += u64::try_from(output.count).unwrap_or(0);
        }
        Ok(ahead)
    }

    /// Jobs that are waiting or worked on, the oldest of each partition first, at most `limit` of
    /// each.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn unfinished(&self, limit: i32) -> Result<Vec<Job>, StoreError> {
        let mut jobs = Vec::new();
        for shard in 0..UNFINISHED_SHARDS {
            let output = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("unfinished")
                .key_condition_expression("unfinished = :shard")
                .expression_attribute_values(":shard", s(shard))
                .limit(limit)
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
            for item in output.items.unwrap_or_default() {
                jobs.push(read(item)?);
            }
        }
        Ok(jobs)
    }

    /// How many of a client's jobs that were made from `since_ms` on (milliseconds since the Unix
    /// epoch) are not finished: what its limit of jobs in flight is held against.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn in_flight(&self, client: ClientId, since_ms: i64) -> Result<u64, StoreError> {
        let oldest = Ulid::from_parts(u64::try_from(since_ms).unwrap_or(0), 0);
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by-client")
            .key_condition_expression("client_id = :client AND job_id >= :oldest")
            .filter_expression("attribute_exists(unfinished)")
            .expression_attribute_values(":client", s(client))
            .expression_attribute_values(":oldest", s(JobId::from_ulid(oldest)))
            .scan_index_forward(false)
            .select(Select::Count)
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(u64::try_from(output.count).unwrap_or(0))
    }

    fn item(job: &Job) -> Result<Item, StoreError> {
        let mut item = write(job)?;
        match job.finished_at {
            None => {
                let shard = u128::from(job.id.ulid()) % UNFINISHED_SHARDS;
                item.insert("unfinished".to_owned(), s(shard));
            }
            Some(at) => {
                item.insert("ttl".to_owned(), n(at.as_second().saturating_add(KEPT_FOR_S)));
            }
        }
        Ok(item)
    }

    /// The part of a transaction that writes a job over the version `before`, or as a new one.
    fn put(&self, job: &Job, before: Option<u32>) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(Self::item(job)?));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(job_id)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", n(version)),
        };
        let put = put.build().map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
