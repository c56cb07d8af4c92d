//! Requests that nobody should send, to every route: an answer that helps, and no fault of ours.

use edge::routes::ROUTES;
use entitlements::Plan;
use http::Method;
use serde_json::{Value, json};
use support::{Api, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_too_big_or_of_another_kind() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        for path in ["/v1/memes", "/v1/generations", "/v1/webhooks"] {
            let json = "application/json";
            for (body, status, kind) in [
                (b"{".to_vec(), 400, "invalid-request"),
                (b"".to_vec(), 400, "invalid-request"),
                (b"[]".to_vec(), 400, "invalid-request"),
                (b"null".to_vec(), 400, "invalid-request"),
                (b"{\"prompt\": \"\xff\"}".to_vec(), 400, "invalid-request"),
                (b"{\"prompt\": \"a\", \"prompt\": \"b\"}".to_vec(), 400, "invalid-request"),
                ([b"[".repeat(30_000), b"]".repeat(30_000)].concat(), 400, "invalid-request"),
                (vec![b' '; 65 * 1024], 413, "payload-too-large"),
                (vec![b' '; 7 * 1024 * 1024], 413, "payload-too-large"),
            ] {
                let length = body.len();
                let reply = api.post_raw(path, json, body).await;
                assert_eq!(reply.status, status, "{path}: {length} bytes");
                reply.problem(status, kind);
            }
            let reply = api.post_raw(path, "text/plain", "{}").await;
            reply.problem(415, "unsupported-media-type");
        }
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!(settled.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_named() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        for (path, body) in [
            ("/v1/memes", json!({"template": "two-buttons", "captions": ["a", "b"], "colour": 1})),
            ("/v1/generations", json!({"prompt": "a cat", "colour": 1})),
        ] {
            let problem = api.post(path, body).await.problem(400, "invalid-request");
            assert_eq!(problem["errors"][0]["pointer"], "/colour", "{problem}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_not_there() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        for path in ["/v2/memes", "/v1/memes/", "/v1", "/%ff", "/..%2f..%2fetc%2fpasswd", "//"] {
            api.get(path).await.problem(404, "not-found");
        }
        for route in ROUTES {
            let path = route.path.replace(['{', '}', '+'], "");
            let reply = Api::send(api.request(Method::PATCH, &path)).await;
            reply.problem(405, "method-not-allowed");
            assert!(reply.header("allow").contains(route.method.as_str()), "{path}");
        }
        let long = format!("/v1/memes?topic={}", "x".repeat(11_000));
        api.get(&long).await.problem(414, "uri-too-long");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_idempotency_keys_are_named() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 100).await;
        let body = json!({"template": "two-buttons", "captions": ["a", "b"]});
        for key in ["", "\"", &"k".repeat(256)] {
            let reply = api.post_once("/v1/memes", key, body.clone()).await;
            let problem = reply.problem(400, "invalid-request");
            let header = problem["errors"][0]["header"].as_str().unwrap_or_default();
            assert!(header.eq_ignore_ascii_case("idempotency-key"), "{problem}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_call_from_any_page() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let asked = api
            .request(Method::OPTIONS, "/v1/memes")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST");
        let reply = Api::send(asked).await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(reply.header("access-control-allow-headers").contains("idempotency-key"));
        let refused = api.get("/v1/memes").await;
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert!(refused.header("access-control-expose-headers").contains("ratelimit"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_problem_tells_of_our_insides() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        for path in ["/v1/memes/meme_x", "/v1/generations/gen_x", "/v1/memes?topic=%00"] {
            let reply = api.get(path).await;
            assert!((400..500).contains(&reply.status), "{path}");
            let text = String::from_utf8_lossy(&reply.body).to_lowercase();
            for word in ["dynamo", "panicked", "src/", "sdk", "serde", "unwrap"] {
                assert!(!text.contains(word), "{path}: {text}");
            }
            assert!(reply.json::<Value>()["detail"].is_string());
        }
    })
    .await;
}
