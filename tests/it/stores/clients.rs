//! Stores of its own for each test, and the SDK's clients on them.

use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use local::stores::{Endpoints, Stores, StoresConfig};

pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

pub(crate) async fn start() -> (Stores, Clients) {
    start_with(StoresConfig::default()).await
}

pub(crate) async fn start_with(config: StoresConfig) -> (Stores, Clients) {
    let stores = Stores::start(config).await.expect("the stores start");
    let clients = clients(stores.endpoints());
    (stores, clients)
}

fn clients(endpoints: &Endpoints) -> Clients {
    let http: SharedHttpClient = aws_smithy_http_client::Builder::new().build_http();
    let credentials = Credentials::new(
        &endpoints.access_key_id,
        &endpoints.secret_access_key,
        None,
        None,
        "test",
    );
    let region = Region::new(endpoints.region.clone());
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .credentials_provider(credentials.clone())
        .region(region.clone())
        .endpoint_url(endpoints.dynamodb.as_str())
        .build();
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .credentials_provider(credentials.clone())
        .region(region.clone())
        .endpoint_url(endpoints.sqs.as_str())
        .build();
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .credentials_provider(credentials)
        .region(region)
        .endpoint_url(endpoints.s3.as_str())
        .force_path_style(true)
        .build();
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        sqs: aws_sdk_sqs::Client::from_conf(sqs),
        s3: aws_sdk_s3::Client::from_conf(s3),
    }
}

/// Asks `question` until it answers, for what happens in its own time. Gives up after a minute,
/// which is longer than anything here takes.
pub(crate) async fn eventually<T, F>(what: &str, mut question: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    for _ in 0..1_200 {
        if let Some(answer) = question().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never happened: {what}");
}
