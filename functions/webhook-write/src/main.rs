//! The function in Lambda.

use gate::Platform;
use lambda_http::Error;
use maas_aws::telemetry::{LogFormat, start};
use webhook_write::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let platform = Platform::from_environment().await?;
    let context = Context::new(&platform);
    edge::serve(platform.core.request_ids(), context, |context, request| async move {
        handle(&context, request).await
    })
    .await
}
