//! The function in Lambda.

use lambda_http::Error;
use maas_aws::Config;
use maas_aws::telemetry::{LogFormat, start};
use template_read::{Context, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start(LogFormat::Json, "info");
    let context = Context::new(Config::from_environment()?.base_url);
    edge::serve(maas_aws::request_ids()?, context, |context, request| async move {
        handle(&context, request).await
    })
    .await
}
