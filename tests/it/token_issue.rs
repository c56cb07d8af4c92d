//! `POST /oauth/token`.

use entitlements::Plan;
use http::Method;
use serde_json::Value;
use support::{Api, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn gives_a_token_for_credentials_in_the_header_or_the_form() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 5).await;
        let (client, api) = (client.to_string(), stack.anonymous());
        let by_header = api.token_reply(&client, &secret, "").await;
        assert_eq!(by_header.status, 200);
        assert_eq!(by_header.header("cache-control"), "no-store");
        let token: Value = by_header.json();
        assert_eq!(token["token_type"], "Bearer");
        assert_eq!(token["expires_in"], 900);
        assert_eq!(token["scope"], "memes:read memes:create account:read");

        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("client_secret", secret.as_str()),
        ];
        let request = api.request(Method::POST, "/oauth/token").form(&form);
        assert_eq!(Api::send(request).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_scope_is_given_and_a_wider_one_refused() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 5).await;
        let (client, api) = (client.to_string(), stack.anonymous());
        let narrow: Value = api.token_reply(&client, &secret, "memes:read").await.json();
        assert_eq!(narrow["scope"], "memes:read");
        for wide in ["generations:create", "memes:read nonsense"] {
            let reply = api.token_reply(&client, &secret, wide).await;
            assert_eq!(reply.status, 400, "{wide}");
            assert_eq!(reply.json::<Value>()["error"], "invalid_scope", "{wide}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_alike() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 5).await;
        let api = stack.anonymous();
        let middle = secret.len() / 2;
        let swapped = if secret.as_bytes()[middle] == b'x' { "y" } else { "x" };
        let other = format!("{}{swapped}{}", &secret[..middle], &secret[middle + 1..]);
        let nobody = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";
        let mut answers = Vec::new();
        for (id, secret) in [(client.to_string().as_str(), other.as_str()), (nobody, &secret)] {
            let reply = api.token_reply(id, secret, "").await;
            assert_eq!(reply.status, 401);
            assert!(reply.header("www-authenticate").starts_with("Basic"));
            answers.push(reply.json::<Value>());
        }
        assert_eq!(answers[0]["error"], "invalid_client");
        assert_eq!(answers[0], answers[1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_told_in_oauths_words() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 5).await;
        let (client, api) = (client.to_string(), stack.anonymous());
        for (form, error) in [
            (vec![("grant_type", "password")], "unsupported_grant_type"),
            (vec![], "invalid_request"),
            (
                vec![("grant_type", "client_credentials"), ("grant_type", "client_credentials")],
                "invalid_request",
            ),
        ] {
            let request = api
                .request(Method::POST, "/oauth/token")
                .basic_auth(&client, Some(&secret))
                .form(&form);
            let reply = Api::send(request).await;
            assert_eq!(reply.status, 400, "{form:?}");
            assert_eq!(reply.json::<Value>()["error"], error, "{form:?}");
        }
        let reply = api.post("/oauth/token", serde_json::json!({})).await;
        assert!(reply.status == 400 || reply.status == 415, "{reply:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_gets_no_token_and_its_old_one_ends() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 5).await;
        let api = stack.anonymous().log_in(&client.to_string(), &secret).await;
        assert_eq!(api.get("/v1/memes").await.status, 200);
        let platform = stack.platform();
        let clients = platform.core.aws.clients();
        let now = platform.core.clock.now();
        clients.change(client, now, |profile, _| profile.revoked = true).await.unwrap();
        let refused = api.token_reply(&client.to_string(), &secret, "").await;
        assert_eq!(refused.status, 401);
        // Other processes learn of it within the half minute that an entitlement is remembered.
        platform.gate.forget(client);
        api.get("/v1/memes").await.problem(401, "unauthenticated");
    })
    .await;
}
