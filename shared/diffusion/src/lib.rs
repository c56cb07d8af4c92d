//! Pictures from prompts, in process: Z-Image-Turbo on candle.
//!
//! [`Painter::load`] takes a folder of weights, [`Painter::paint`] an [`Order`]. There is no network
//! and no clock here: where the folder comes from and how long a picture may take are the caller's.
//!
//! # The folder
//!
//! It is laid out as the model is published:
//!
//! ```text
//! SHA256SUMS                          a line of `sha256sum` for each file below
//! transformer/config.json             and its weights, in any number of *.safetensors
//! text_encoder/config.json            likewise
//! vae/config.json                     likewise
//! tokenizer/tokenizer.json
//! scheduler/scheduler_config.json
//! ```
//!
//! # What is promised
//!
//! - Nothing is built of files that do not have the checksums of `SHA256SUMS`.
//! - No file and no order makes this crate panic; errors say which file, and what to do.
//! - On the processor the same order gives the same picture.
//! - A picture can be broken off between two steps.

mod config;
mod device;
mod error;
mod manifest;
mod memory;
mod painter;
mod prompt;
mod schedule;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "testing"))]
pub mod tiny;
mod transformer;
mod weights;

pub use device::{ChoiceError, Device, Precision};
pub use error::{LoadError, PIXELS_MAX, PaintError, STEPS_MAX};
pub use painter::{Options, Order, Painter, Progress};
