//! The function in Lambda: called every minute, it makes a pass every ten seconds of it.

use std::time::Duration;

use credit_reap::{Context, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maas_aws::Core;
use maas_aws::telemetry::{LogFormat, start};
use tokio::time::MissedTickBehavior;

/// Passes per call: a minute's worth. Should they take longer, the next call makes its own beside
/// them; what both find is moved once.
const PASSES: u32 = 6;

/// From one pass to the next. That credits are back two minutes after a crash rests on it.
const EVERY: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let context = Context::new(&Core::from_environment().await?);
    let context = &context;
    run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for _ in 0..PASSES {
            ticks.tick().await;
            handle(context).await?;
        }
        Ok::<_, Error>(())
    }))
    .await
}
