//! The function in Lambda, called every minute.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maas_aws::Core;
use maas_aws::telemetry::{LogFormat, start};
use webhook_sweep::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let context = Context::new(&Core::from_environment().await?);
    let context = &context;
    run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        handle(context, Duration::ZERO).await?;
        Ok::<_, Error>(())
    }))
    .await
}
