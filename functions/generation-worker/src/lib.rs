//! Makes the pictures of generations.
//!
//! A message names a job; everything else is in the job's item. Ten deliveries of one message make
//! one set of pictures and one charge:
//!
//! - a worker *claims* the job for [`CLAIMED_FOR`], conditionally, and renews the claim while it
//!   works; a second worker finds it claimed and goes away;
//! - pictures, their keys and their memes' ids follow from the job's id and the picture's number,
//!   so that a second attempt makes the same things again and keeps the first one's files;
//! - the job, its memes and its credits are settled in one transaction, on condition that the job
//!   is still as the worker knows it.
//!
//! The generator only paints. The captions are drawn here, by `render`, and the picture's file gets
//! its manifest here, signed with the key that the operator brought in: there is no picture without.
//!
//! What paints is configured ([`Backend`]); where it is a model, a [`Captioner`] finds the words.

mod backend;
#[cfg(any(test, feature = "candle"))]
mod candle;
mod captions;
mod composer;
mod filter;
mod generator;
mod http;
mod manifests;
mod report;
mod work;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use maas_aws::Core;
use maas_aws::generations::GenerationStore;
use maas_aws::{GenerationMessage, GenerationQueue, PictureStore};
use manifests::Manifests;

pub use backend::{Backend, BackendError};
#[cfg(any(test, feature = "candle"))]
pub use candle::Candle;
pub use captions::{Captioner, Chat, Grammar, Words, Written};
pub use composer::Composer;
pub use filter::Filter;
pub use generator::{GenerateError, Generator, Order, Painting};
pub use http::Http;
pub use manifests::SignerError;
pub use report::chain;
pub use work::{CLAIMED_FOR, HEARTBEAT, Outcome};

/// What the worker works with.
#[derive(Debug)]
pub struct Context<G> {
    core: Core,
    store: GenerationStore,
    pictures: PictureStore,
    queue: GenerationQueue,
    manifests: Manifests,
    generator: G,
}

impl<G: Generator> Context<G> {
    /// A context on what the process shares, that paints with `generator`.
    #[must_use]
    pub fn new(core: &Core, generator: G) -> Self {
        Self {
            store: core.aws.generations(),
            pictures: core.aws.pictures(),
            queue: core.aws.generation_queue(),
            manifests: Manifests::new(core),
            core: core.clone(),
            generator,
        }
    }

    /// Makes sure that pictures can be signed: without, every job would be tried in vain.
    ///
    /// # Errors
    /// [`SignerError`] says what is missing.
    pub async fn ready(&self) -> Result<(), SignerError> {
        self.manifests.signer().await.map(drop)
    }
}

/// Works on the jobs of one batch, one after the other. Those that should come again are named.
pub async fn handle<G: Generator>(context: &Context<G>, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        if deliver(context, &record).await == Outcome::Again {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

async fn deliver<G: Generator>(context: &Context<G>, record: &SqsMessage) -> Outcome {
    let body = record.body.as_deref().unwrap_or_default();
    let Ok(message) = serde_json::from_str::<GenerationMessage>(body) else {
        // It would be as strange the next time; the dead-letter queue is not for what nobody sent.
        tracing::error!("a message names no generation");
        return Outcome::Done;
    };
    match work::work(context, message.job_id, record.receipt_handle.as_deref()).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::warn!(job.id = %message.job_id, %error, "a generation was not worked on");
            Outcome::Again
        }
    }
}
