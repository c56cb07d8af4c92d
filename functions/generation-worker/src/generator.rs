//! What paints: the port that every backend of Memes AI has.

use std::future::Future;

use generations::Size;
use provenance::SourceType;
use render::Picture;

/// One picture to be painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What it should show, in the client's words.
    pub prompt: String,
    /// What the meme is about, where the client says it: the id of a topic.
    pub topic: Option<String>,
    /// What to write on it, from top to bottom; the painter finds words where there are none.
    pub captions: Vec<String>,
    /// How big it is.
    pub size: Size,
    /// The same order with the same seed gives the same picture.
    pub seed: u64,
}

/// A painted picture, before words are drawn on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Painting {
    /// The pixels, of the size that was ordered.
    pub picture: Picture,
    /// What to write on it, from top to bottom: one caption or two.
    pub captions: Vec<String>,
    /// What the picture shows, as a sentence, for those who cannot see it.
    pub seen: String,
    /// What the meme is about: the id of a topic.
    pub topic: String,
}

/// Why a picture was not painted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// It must not be painted. The text is for the client and says what to change.
    #[error("refused: {0}")]
    Refused(String),
    /// It could not be painted this time; it may be another time. The text is for the log.
    #[error("failed: {0}")]
    Failed(String),
}

/// Paints.
pub trait Generator: Send + Sync + 'static {
    /// What paints, as replies name it.
    fn model(&self) -> &str;

    /// How its pictures come about, as their manifests say.
    fn source(&self) -> SourceType {
        SourceType::TrainedAlgorithmicMedia
    }

    /// Paints one picture.
    fn generate(
        &self,
        order: Order,
    ) -> impl Future<Output = Result<Painting, GenerateError>> + Send;
}
