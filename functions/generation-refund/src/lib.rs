//! Ends generations whose message was given up, and gives their credits back.
//!
//! Fed from the dead-letter queue: what is there was received several times and never finished. A
//! job that ended meanwhile, or that a worker still has in its hands, is left alone.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use generations::{Job, JobProblem, ProblemKind, Transition};
use maas_aws::Core;
use maas_aws::GenerationMessage;
use maas_aws::generations::{ChangeError, GenerationStore};

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    store: GenerationStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { store: core.aws.generations(), core: core.clone() }
    }
}

/// Ends the generations of one batch. Those that could not be ended come again.
pub async fn handle(context: &Context, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let body = record.body.as_deref().unwrap_or_default();
        let Ok(message) = serde_json::from_str::<GenerationMessage>(body) else {
            // Nothing of ours; it would be as strange the next time.
            tracing::error!("a dead message names no generation");
            continue;
        };
        if let Err(error) = end(context, message).await {
            tracing::warn!(job.id = %message.job_id, %error, "a generation was not ended");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

async fn end(context: &Context, message: GenerationMessage) -> Result<(), ChangeError> {
    let core = &context.core;
    let ended = context
        .store
        .transition(&core.ledger, message.job_id, || core.stamp(), |job| given_up(core, job))
        .await?;
    if let Some(job) = ended {
        tracing::info!(job.id = %job.id, state = job.state.as_str(), "ended a given-up generation");
    }
    Ok(())
}

fn given_up(core: &Core, job: &Job) -> Option<Transition> {
    let now = core.clock.now();
    if job.claim.is_some_and(|claim| now < claim.until) {
        return None;
    }
    let normal = generations::stand_ins(job, now, core.mint.random_u64());
    let problem = job.problem.clone().unwrap_or_else(|| {
        JobProblem::new(
            ProblemKind::Failed,
            "the picture could not be made after several attempts; ask again later",
        )
    });
    job.give_up(problem, &normal, now).ok()
}
