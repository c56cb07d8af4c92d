//! What the tally and the holder share between threads and tasks.
//!
//! They take all of it from here, and name each other by `crate`, so that two tests can compile the
//! same source with instrumented kinds in this module's place: `tests/orderings.rs` with Loom's
//! atomics, `tests/interleavings.rs` with Shuttle's.

pub(crate) use std::sync::atomic;
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use arc_swap::ArcSwapOption;
pub(crate) use tokio::spawn;
pub(crate) use tokio::sync::Mutex as AsyncMutex;

/// A map whose keys are clients. Their ids come from verified tokens, so that nobody can make up
/// ids that collide, and a hash that is quick will do.
pub(crate) type DashMap<K, V> = dashmap::DashMap<K, V, foldhash::fast::RandomState>;
