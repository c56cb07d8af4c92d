//! Paints without a model: picks a scene for the prompt and draws it.
//!
//! There are no weights here, and nothing is learned. A [`brief`] is read out of the prompt with a
//! lexicon (who, how they feel, what they do, with what, where); a [`plan`] completes it with the
//! recipe of the prompt's topic; the [`stage`] puts it into a scene of figures, props and a set;
//! [`wit`] finds words. What is not understood is left out, and a prompt that says nothing gets a
//! picture that admits it.
//!
//! What is promised:
//!
//! - The same order with the same seed gives the same bytes; other seeds give other arrangements.
//! - Captions are made of this crate's own words: nothing of a prompt is ever written.
//! - Any text is a prompt. None makes this module panic.
//!
//! What the words, recipes and jokes are is told in the TOML files in `composer/`.

mod brief;
mod data;
mod dice;
mod plan;
mod stage;
#[cfg(test)]
mod tests;
mod wit;

use provenance::SourceType;
use render::Picture;

use crate::captions::Written;
use crate::generator::{GenerateError, Generator, Order, Painting};
use data::{Index, Lexicon};
use dice::Dice;
use plan::Plan;
use stage::Staged;

/// The backend that has no weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct Composer;

impl Composer {
    /// A composer. The first one reads the lexicon, which takes some milliseconds.
    #[must_use]
    pub fn new() -> Self {
        Lexicon::embedded();
        Index::embedded();
        Self
    }
}

impl Generator for Composer {
    fn model(&self) -> &str {
        "composer"
    }

    /// It draws by rules.
    fn source(&self) -> SourceType {
        SourceType::AlgorithmicMedia
    }

    async fn generate(&self, order: Order) -> Result<Painting, GenerateError> {
        // A picture takes a core for tenths of a second.
        tokio::task::spawn_blocking(move || paint(&order))
            .await
            .map_err(|error| GenerateError::Failed(error.to_string()))?
    }
}

/// A picture before it is drawn.
#[derive(Debug)]
struct Composition {
    plan: Plan,
    staged: Staged,
    captions: Vec<String>,
    seen: String,
}

/// The dice of one part of an order. Each part throws its own, so that one part's choices do not
/// shift another's.
fn dice_of(order: &Order, part: u64) -> Dice {
    let seed = order.seed ^ dice::hash(&order.prompt);
    Dice::new(seed ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03))
}

/// Words for a picture of `order` that somebody else paints: of the prompt only what is understood.
/// The order's own captions are not looked at.
pub(crate) fn words(order: &Order) -> Written {
    let plan = Plan::of_prompt(order.topic.as_deref(), &order.prompt, &mut dice_of(order, 1));
    let captions = wit::captions(&plan, &mut dice_of(order, 3));
    Written { captions, seen: wit::asked(&plan), topic: plan.topic }
}

/// Composes a picture.
fn compose(order: &Order) -> Composition {
    let plan = Plan::new(order.topic.as_deref(), &order.prompt, &mut dice_of(order, 1));
    let staged = stage::stage(&plan, order.size, &mut dice_of(order, 2));
    let captions = if order.captions.is_empty() {
        wit::captions(&plan, &mut dice_of(order, 3))
    } else {
        order.captions.clone()
    };
    let seen = wit::seen(&plan);
    Composition { plan, staged, captions, seen }
}

fn paint(order: &Order) -> Result<Painting, GenerateError> {
    let failed = |error: &dyn std::fmt::Display| GenerateError::Failed(error.to_string());
    let Composition { plan, staged, captions, seen } = compose(order);
    let pixels =
        scenes::rasterise(&staged.scene, order.size.width_px()).map_err(|error| failed(&error))?;
    let picture = Picture::from_rgba(pixels.width, pixels.height, pixels.rgba)
        .map_err(|error| failed(&error))?;
    Ok(Painting { picture, captions, seen, topic: plan.topic })
}
