//! What is kept, as replies show it.
//!
//! The stores and the domain know nothing of the wire; the wire's models know nothing of them.
//! Here the one becomes the other, for all functions that show the same thing.

mod generation;
mod meme;
mod webhook;

pub use generation::{Generations, generation, request_size};
pub use meme::{Memes, image_path};
pub use webhook::{delivery, endpoint, endpoint_with_secret, event_kind};
