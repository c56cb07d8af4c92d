//! What is kept, as replies show it.
//!
//! The stores and the domain know nothing of the wire; the wire's models know nothing of them.
//! Here the one becomes the other, for all functions that show the same thing.

mod generation;
mod meme;

pub use generation::{generation, request_size};
pub use meme::{Memes, image_path};
