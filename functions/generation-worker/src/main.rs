//! The worker as a function of Lambda's kind: a batch of messages in, those to come again out.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use generation_worker::{Backend, Context, chain, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maas_aws::Core;
use maas_aws::config::WorkerConfig;
use maas_aws::telemetry::{LogFormat, start};

/// How long the backend may take until it can paint. A model of some gigabytes is loaded meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    // In words: the operator reads them.
    let config = WorkerConfig::from_environment().map_err(|error| chain(&error))?;
    let backend = Backend::start(&config, READY_WITHIN).await.map_err(|error| chain(&error))?;
    let context = Context::new(&Core::from_environment().await?, backend);
    context.ready().await.map_err(|error| chain(&error))?;
    let context = &context;
    run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Error>(handle(context, event.payload).await)
    }))
    .await
}
