//! The local stack: the whole service in one process, with no account, container or network.
//!
//! - [`stores`] are AWS's parts: DynamoDB, SQS and S3 on loopback, for any AWS SDK or CLI.
//! - [`event_source`] is what Lambda puts between a queue or a schedule and a function, and
//!   [`stream_source`] what it puts between a table's stream and a function.
//! - [`server`] is the HTTP server that the gateway stands on.
//! - [`service`] is everything together: the stores, the functions behind a gateway, the event
//!   functions on their queues and schedules, and the demo clients.
//!
//! The functions are the ones that are deployed: nothing here has a second implementation of them.

pub mod demo;
pub mod event_source;
mod functions;
mod gateway;
mod kafka;
mod manifest_key;
mod resources;
pub mod server;
pub mod service;
pub mod stores;
pub mod stream_source;
mod studio;
