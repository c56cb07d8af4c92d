//! What the integration tests stand on: the service in this process, clients that call it, and the
//! books checked when a test is over.

mod api;
mod lambda;
mod link;
mod process;
mod stack;

pub use api::{Api, Reply};
pub use inference::testing as neighbour;
pub use lambda::{Lambda, LambdaOptions};
pub use link::Link;
pub use process::{Process, durable_kafka, kafka};
pub use stack::{Bench, Stack, StackOptions, eventually, within};
