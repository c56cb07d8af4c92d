//! Words for pictures that a model paints: what is written on them, and what is told to who cannot
//! see them.
//!
//! A [`Captioner`] never fails: whatever goes wrong, there are words. [`Grammar`] makes them of this
//! crate's own; [`Chat`] asks a model, takes nothing of its answer on trust, and falls back.

mod chat;
mod judge;

use std::future::Future;

use crate::composer;
use crate::generator::Order;

pub use chat::Chat;

/// Words for a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What to write on it, from top to bottom: one caption or two.
    pub captions: Vec<String>,
    /// What the picture was to show, as a sentence. Whether it does has nobody looked at.
    pub seen: String,
    /// What the meme is about: the id of a topic.
    pub topic: String,
}

/// Finds words.
pub trait Captioner: Send + Sync + 'static {
    /// Words for the picture of `order`. Where the order has captions of its own, they are the words'.
    fn write(&self, order: &Order) -> impl Future<Output = Written> + Send;
}

/// Words of our own, as the composer finds them, in slots that only what is understood of a prompt
/// fills. The same order has the same words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grammar;

impl Captioner for Grammar {
    async fn write(&self, order: &Order) -> Written {
        let mut written = composer::words(order);
        if !order.captions.is_empty() {
            written.captions.clone_from(&order.captions);
        }
        written
    }
}

/// The captioner that is configured.
#[derive(Debug)]
pub enum Words {
    /// Our own words.
    Grammar(Grammar),
    /// A model's.
    Chat(Box<Chat>),
}

impl Captioner for Words {
    async fn write(&self, order: &Order) -> Written {
        match self {
            Self::Grammar(grammar) => grammar.write(order).await,
            Self::Chat(chat) => chat.write(order).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use generations::Size;

    use super::*;

    #[tokio::test]
    async fn the_clients_own_captions_are_kept() {
        let captions = vec!["Mine".to_owned()];
        let order = Order {
            prompt: "a dog at work".to_owned(),
            topic: None,
            captions: captions.clone(),
            size: Size::default(),
            seed: 1,
        };
        let written = Grammar.write(&order).await;
        assert_eq!((written.captions, written.topic.as_str()), (captions, "dogs"));
        let without = Grammar.write(&Order { captions: vec![], ..order }).await;
        assert_ne!(without.captions, ["Mine"]);
    }
}
