//! The function in Lambda.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maas_aws::Core;
use maas_aws::telemetry::{LogFormat, start};
use webhook_send::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let context = Context::new(&Core::from_environment().await?);
    let context = &context;
    run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Error>(handle(context, event.payload).await)
    }))
    .await
}
