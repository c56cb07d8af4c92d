//! Looks after generations that nobody works on: ends those whose time is up, and sends those again
//! whose message was lost between the table and the queue or with a worker.

use std::time::Duration;

use generations::Job;
use maas_aws::Core;
use maas_aws::generations::{ChangeError, GenerationStore};
use maas_aws::{GenerationQueue, StoreError};

/// How many jobs are looked at in each partition of the unfinished.
const AT_ONCE: i32 = 200;

/// How long a job may wait before its message is taken for lost. Longer than the queue hides a
/// message of a dead worker, so that it mostly comes again by itself.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    store: GenerationStore,
    queue: GenerationQueue,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self {
            store: core.aws.generations(),
            queue: core.aws.generation_queue(),
            core: core.clone(),
        }
    }
}

/// What a sweep came to, in jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Ended, for their time was up.
    pub ended: u32,
    /// Sent to the workers again.
    pub sent: u32,
}

/// Goes through the unfinished jobs once. A job counts as lost after `patience`; a queue that is
/// known to be empty needs none.
///
/// # Errors
/// [`StoreError`] if the jobs cannot be read. A job that cannot be changed now is left for the next
/// time.
pub async fn handle(context: &Context, patience: Duration) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for job in context.store.unfinished(AT_ONCE).await? {
        let now = context.core.clock.now();
        let done = if job.is_late(now) {
            end(context, &job).await.map(|ended| swept.ended += u32::from(ended))
        } else if job.is_lost(now, patience) {
            send(context, &job).await.map(|sent| swept.sent += u32::from(sent))
        } else {
            Ok(())
        };
        if let Err(error) = done {
            tracing::warn!(job.id = %job.id, %error, "a generation was not swept");
        }
    }
    if swept != Swept::default() {
        tracing::info!(ended = swept.ended, sent = swept.sent, "swept");
    }
    Ok(swept)
}

async fn end(context: &Context, job: &Job) -> Result<bool, ChangeError> {
    let core = &context.core;
    let ended = context
        .store
        .transition(
            &core.ledger,
            job.id,
            || core.stamp(),
            |job| {
                let now = core.clock.now();
                let normal = generations::stand_ins(job, now, core.mint.random_u64());
                job.miss_deadline(&normal, now).ok()
            },
        )
        .await?;
    Ok(ended.is_some())
}

/// Sends a job again. It is marked first: a mark without a message costs another wait, a message
/// without a mark would be sent by every sweep.
async fn send(context: &Context, job: &Job) -> Result<bool, ChangeError> {
    let Ok(marked) = job.sent_again(context.core.clock.now()) else { return Ok(false) };
    match context.store.update(&marked).await {
        Ok(()) => {}
        // A worker has it now, or it ended.
        Err(StoreError::Conflict) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    context.queue.send(job.id, job.client).await?;
    Ok(true)
}
