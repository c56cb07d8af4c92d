//! Paints with a service beside the worker that speaks OpenAI's API: the crate `inference`.

use std::time::Duration;

use inference::{CallError, ImageRequest, Images};
use render::Picture;

use crate::captions::{Captioner, Words};
use crate::filter::Filter;
use crate::generator::{GenerateError, Generator, Order, Painting};
use crate::report::chain;

/// The most time for one picture. A job whose deadline comes earlier ends earlier: it drops the call.
const WITHIN: Duration = Duration::from_secs(180);

/// What a client is told whose prompt the service refuses.
const REFUSED: &str = "the model's policy on content forbids this prompt; describe something else";

/// The backend that asks a service.
#[derive(Debug)]
pub struct Http {
    images: Images,
    words: Words,
    filter: Filter,
    model: String,
}

impl Http {
    /// Paints with `images`, whose model replies name as `model`, finds its words with `words`, and
    /// gives away what `filter` lets through.
    #[must_use]
    pub const fn new(images: Images, words: Words, filter: Filter, model: String) -> Self {
        Self { images, words, filter, model }
    }

    async fn paint(&self, order: &Order) -> Result<Picture, GenerateError> {
        let request = ImageRequest {
            prompt: &order.prompt,
            width: order.size.width_px(),
            height: order.size.height_px(),
            // Each picture of a job has a seed of its own, so that a second attempt makes the same.
            count: 1,
            seed: order.seed,
        };
        let painted =
            self.images.generate(&request, WITHIN).await.map_err(|error| failure(&error))?;
        let nothing = || GenerateError::Failed("the service painted nothing".to_owned());
        self.filter.pass(painted.into_iter().next().ok_or_else(nothing)?).await
    }
}

impl Generator for Http {
    fn model(&self) -> &str {
        &self.model
    }

    async fn generate(&self, order: Order) -> Result<Painting, GenerateError> {
        let words = async { Ok(self.words.write(&order).await) };
        // Both at once; where nothing is painted, nothing is to be written.
        let (picture, words) = tokio::try_join!(self.paint(&order), words)?;
        let crate::Written { captions, seen, topic } = words;
        Ok(Painting { picture, captions, seen, topic })
    }
}

/// What a call's error is to a job.
fn failure(error: &CallError) -> GenerateError {
    match error {
        CallError::Refused { .. } => GenerateError::Refused(REFUSED.to_owned()),
        error => GenerateError::Failed(chain(error)),
    }
}
