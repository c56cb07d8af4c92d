//! The programs that are deployed, in a Lambda that lets them stand still between calls.

use entitlements::Plan;
use ids::ClientId;
use ledger::Spending;
use maas_valkey::testing::Server;
use serde_json::{Value, json};
use support::{Api, Lambda, LambdaOptions, Stack, StackOptions, eventually};

use crate::limits::{FAR_TOO_MANY, elsewhere};

const WITH_EXTENSIONS: LambdaOptions = LambdaOptions { extensions: true };

async fn start(stack: &Stack, options: LambdaOptions) -> Lambda {
    let folder = stack.folder().join("sandbox");
    Lambda::start("meme-serve", stack.platform().core.aws.config(), &folder, options).await
}

/// `GET /v1/memes` as API Gateway's HTTP API hands it on.
fn request(api: &Api) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "GET /v1/memes",
        "rawPath": "/v1/memes",
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "authorization": format!("Bearer {}", api.token.as_deref().unwrap()),
            "host": "api.example.com"
        },
        "requestContext": {
            "accountId": "1",
            "apiId": "api",
            "domainName": "api.example.com",
            "http": {
                "method": "GET",
                "path": "/v1/memes",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test"
            },
            "requestId": "r",
            "routeKey": "GET /v1/memes",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_i64
        },
        "isBase64Encoded": false
    })
}

async fn counted(stack: &Stack, client: ClientId, calls: u64) -> Spending {
    eventually("what was spent is counted", async || {
        let used = stack.used(client).await;
        (used.credits() >= calls).then_some(used)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_spent_is_told_before_it_stands_still() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 100).await;
        let client = api.client.unwrap();
        let mut lambda = start(stack, WITH_EXTENSIONS).await;
        for calls in 1..=3 {
            let answer = lambda.call(request(&api)).await;
            assert_eq!(answer["statusCode"], 200, "{answer}");
            // The process stands still, and usage is known all the same.
            assert_eq!(counted(stack, client, calls).await.credits(), calls);
            // As long as it takes between calls that are looked after one by one.
            tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
        }
        lambda.end().await;
        let balance = stack.settled(client).await;
        assert_eq!((balance.accounts.spent, balance.accounts.leased), (3, 0), "{balance:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_shared_before_a_process_stands_still() {
    let server = Server::start();
    let options = StackOptions { valkey_url: Some(server.url()), ..StackOptions::default() };
    Stack::run_with(options, async |stack| {
        let api = stack.client(Plan::Free, false, 100).await;
        elsewhere(&server, api.client.unwrap(), FAR_TOO_MANY).await;
        let mut lambda = start(stack, WITH_EXTENSIONS).await;
        let answer = lambda.call(request(&api)).await;
        assert_eq!(answer["statusCode"], 200, "the first call waits for nobody: {answer}");
        let answer = lambda.call(request(&api)).await;
        assert_eq!(answer["statusCode"], 429, "{answer}");
        lambda.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_goes_on_where_there_are_no_extensions() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 100).await;
        let client = api.client.unwrap();
        let mut lambda = start(stack, LambdaOptions { extensions: false }).await;
        for _ in 0..2 {
            let answer = lambda.call(request(&api)).await;
            assert_eq!(answer["statusCode"], 200, "{answer}");
        }
        drop(lambda);
        // The next process of the sandbox finds what this one had not told.
        let mut lambda = start(stack, WITH_EXTENSIONS).await;
        let answer = lambda.call(request(&api)).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(counted(stack, client, 3).await.credits(), 3);
        lambda.end().await;
        assert_eq!(stack.settled(client).await.accounts.spent, 3);
    })
    .await;
}
