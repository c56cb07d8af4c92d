//! Logs.
//!
//! Never logged: tokens, secrets, prompts, captions, signed addresses, whole events.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for CloudWatch.
    Json,
    /// For people.
    Text,
}

/// Starts logging at `level` and above (`info`, `warn`, or a filter such as `ledger=debug`). Does
/// nothing where logging is set up already.
pub fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer.compact().with_target(false)).try_init(),
    };
    // Somebody else, a test harness say, has set it up.
    drop(started);
}
