//! The function in Lambda.

use image_render::{Context, handle};
use lambda_http::Error;
use maas_aws::telemetry::{LogFormat, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    edge::serve(maas_aws::request_ids()?, Context::default(), |context, request| async move {
        handle(&context, request).await
    })
    .await
}
