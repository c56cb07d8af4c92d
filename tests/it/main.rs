//! The service against the embedded stores: a module per route or subject, a case per outcome.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod account_history;
mod account_read;
mod architecture;
mod backends;
mod bad_input;
mod contract;
mod crash;
mod credits;
mod faults;
mod generations;
mod image_render;
mod journal;
mod lambda;
mod ledger;
mod limits;
mod meme_create;
mod meme_read;
mod meme_serve;
mod moderation;
mod regions;
mod service_describe;
mod stores;
mod studio;
mod template_read;
mod token_issue;
mod unauthenticated;
mod usage;
mod webhooks;
mod worker;
