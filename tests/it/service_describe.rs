//! `/healthz`, `/openapi.json`, `/.well-known/jwks.json`, `/problems/{type}`.

use edge::ProblemType;
use serde_json::Value;
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn the_service_tells_of_itself_without_a_token() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        assert_eq!(api.get("/healthz").await.json::<Value>()["status"], "ok");
        let openapi: Value = api.get("/openapi.json").await.json();
        assert_eq!(openapi["openapi"], "3.1.0");
        let jwks: Value = api.get("/.well-known/jwks.json").await.json();
        let key = &jwks["keys"][0];
        assert_eq!(
            (&key["kty"], &key["alg"], &key["use"]),
            (&"RSA".into(), &"RS256".into(), &"sig".into())
        );
        assert!(key["d"].is_null(), "a private key is published");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_problem_is_documented_where_its_uri_says() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        for kind in ProblemType::ALL {
            let document: Value = api.get(kind.uri()).await.json();
            assert_eq!(document["type"], kind.uri());
            assert_eq!(document["status"], kind.status().as_u16());
            assert!(document["explanation"].as_str().unwrap().len() > 20);
        }
        api.get("/problems/nonsense").await.problem(404, "not-found");
    })
    .await;
}
