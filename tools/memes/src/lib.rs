//! The operator's command line: clients, credits, the ledger and signing keys, in the local stack or in a stage
//! on AWS.
//!
//! A command is a function on a [`Stack`] that answers with a type of its own, which is printed for
//! people or as one JSON object.
//!
//! An error says what to do about it. What was written wrongly is told before anything is asked of
//! a store, and the exit code is then 2 rather than 1.

pub mod books;
pub mod certify;
pub mod cli;
pub mod client;
pub mod credits;
pub mod home;
pub mod keys;
mod progress;
mod stack;
mod target;
mod text;

pub use stack::Stack;
pub use target::{Stage, Target};
