//! The worker as a function of Lambda's kind: a batch of messages in, those to come again out.

use aws_lambda_events::sqs::SqsEvent;
use generation_worker::{Composer, Context, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maas_aws::Core;
use maas_aws::telemetry::{LogFormat, start};

#[tokio::main]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let context = Context::new(&Core::from_environment().await?, Composer::new());
    context.ready().await?;
    let context = &context;
    run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Error>(handle(context, event.payload).await)
    }))
    .await
}
