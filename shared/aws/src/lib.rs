//! The adapters to AWS: what the pure crates decide is kept, queued and read here.
//!
//! Each store is a concrete type over an SDK client, and knows one table or bucket. Where a write
//! must not happen twice it is conditional; where two things must happen together they are one
//! transaction. The stores work unchanged on the local stack, which speaks AWS's protocols.

pub mod audit;
pub mod clients;
pub mod config;
mod connect;
mod core;
mod dynamo;
pub mod generations;
mod homes;
pub mod idempotency;
pub mod journal;
pub mod keys;
mod ledger;
mod lending;
pub mod memes;
pub mod onboarding;
mod pictures;
mod queue;
pub mod relocation;
pub mod schema;
pub mod telemetry;
pub mod usage;
pub mod webhooks;

pub use config::{Config, ConfigError, Endpoints};
pub use connect::Aws;
pub use core::{Core, CoreError, mint, request_ids};
pub use dynamo::StoreError;
pub use homes::{Home, Homes};
pub use ledger::{BalancePage, DynamoLedger, KeptBalance, ScanPosition};
pub use lending::{Lending, Level};
pub use maas_valkey::{Bursts, Calls};
pub use pictures::PictureStore;
pub use queue::{GenerationMessage, GenerationQueue, UsageQueue, WebhookMessage, WebhookQueue};
