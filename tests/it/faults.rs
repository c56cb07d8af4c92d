//! What a caller is told when a store gives no answer: to try again if that may help, and otherwise
//! that the fault is the service's.

use std::convert::Infallible;

use bytes::Bytes;
use edge::ProblemType;
use entitlements::Plan;
use gate::store_problem;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maas_aws::keys::Half;
use maas_aws::{Aws, Config, Endpoints, schema};
use serde_json::json;
use support::{Bench, Stack};
use tokio::net::TcpListener;

/// What a DynamoDB does with every request.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Refuses it, with this status and code.
    Refuse(u16, &'static str),
    /// Ends the connection.
    HangUp,
    /// Takes it, and never answers.
    Sleep,
}

/// AWS with such a DynamoDB.
async fn aws(config: &Config, does: Does) -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dynamodb = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if matches!(does, Does::HangUp) {
                continue;
            }
            let service = service_fn(move |_: Request<Incoming>| answer(does));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let endpoints = Endpoints { dynamodb, ..config.endpoints.clone().unwrap() };
    Aws::connect(Config { endpoints: Some(endpoints), ..config.clone() }).await
}

async fn answer(does: Does) -> Result<Response<Full<Bytes>>, Infallible> {
    let Does::Refuse(status, code) = does else { return std::future::pending().await };
    let body = json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": "table/memes-test-signing-keys says why",
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}

/// What becomes of a request to such a DynamoDB: the problem, and what is logged of it.
async fn told(bench: &Bench, does: Does) -> (ProblemType, Option<String>, String) {
    let keys = aws(bench.aws.config(), does).await.keys();
    let error = keys.list(Half::Public).await.unwrap_err();
    let logged = error.to_string();
    let problem = store_problem(error);
    let kind = problem.kind();
    let reply = problem.into_response("req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap(), "/");
    let retry = reply.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (kind, retry, logged)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_by_itself_is_a_fault_of_the_service() {
    let bench = Bench::start().await;
    for code in [
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ValidationException",
        "UnrecognizedClientException",
        "SomethingNewException",
    ] {
        let (kind, retry, logged) = told(&bench, Does::Refuse(400, code)).await;
        assert_eq!((kind, retry), (ProblemType::Internal, None), "{code}");
        // The operation, the table and the reason, and nothing of what was asked for.
        for part in ["Query", "memes-test-signing-keys", code] {
            assert!(logged.contains(part), "{part} is not in: {logged}");
        }
        assert!(!logged.contains("half"), "{logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttles_failures_and_silence_are_to_be_tried_again() {
    let bench = Bench::start().await;
    for does in [
        Does::Refuse(400, "ProvisionedThroughputExceededException"),
        Does::Refuse(400, "ThrottlingException"),
        Does::Refuse(400, "RequestLimitExceeded"),
        Does::Refuse(500, "InternalServerError"),
        Does::Refuse(503, "ServiceUnavailable"),
        Does::HangUp,
        Does::Sleep,
    ] {
        let (kind, retry, logged) = told(&bench, does).await;
        let wanted = (ProblemType::Overloaded, Some("1".to_owned()));
        assert_eq!((kind, retry), wanted, "{does:?}: {logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_is_a_fault_of_the_service_and_costs_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let meme = json!({"template": "two-buttons", "captions": ["Work", "Fail"]});
        let made = api.post("/v1/memes", meme.clone()).await;
        let aws = &stack.platform().core.aws;
        for table in [schema::MEMES, schema::IDEMPOTENCY] {
            let name = aws.config().table(table);
            aws.dynamodb().delete_table().table_name(name).send().await.unwrap();
        }
        api.get(made.header("location")).await.problem(500, "internal");
        api.post("/v1/memes", meme.clone()).await.problem(500, "internal");
        api.post_once("/v1/memes", "a-key", meme).await.problem(500, "internal");
        let accounts = stack.settled(api.client.unwrap()).await.accounts;
        assert_eq!((accounts.spent, accounts.available), (1, 9));
    })
    .await;
}
