//! `POST /v1/memes`.

use entitlements::Plan;
use serde_json::{Value, json};
use support::Stack;

fn buttons() -> Value {
    json!({"template": "two-buttons", "captions": ["Write a test", "Ship & hope?"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_a_meme_that_can_be_read_again_and_costs_one_credit() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        let reply = api.post("/v1/memes", buttons()).await;
        assert_eq!((reply.status, reply.left().1), (201, 4));
        let meme: Value = reply.json();
        assert_eq!(reply.header("location"), format!("/v1/memes/{}", meme["id"].as_str().unwrap()));
        assert_eq!(meme["captions"], buttons()["captions"]);
        assert!(meme["alt"].as_str().unwrap().contains("Ship & hope?"));
        assert_eq!(api.get(meme["url"].as_str().unwrap()).await.status, 200);
        let again: Value = api.get(reply.header("location")).await.json();
        assert_eq!(again, meme);
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_give_pictures_of_that_kind() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        for (format, mime) in [("png", "image/png"), ("jpg", "image/jpeg"), ("webp", "image/webp")]
        {
            let mut body = buttons();
            body["format"] = format.into();
            let meme: Value = api.post("/v1/memes", body).await.json();
            let picture = api.get(meme["url"].as_str().unwrap()).await;
            assert_eq!(picture.header("content-type"), mime);
            assert!(render::Picture::decode(&picture.body).is_ok(), "{format}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_meme_and_one_debit() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        let first = api.post_once("/v1/memes", "key-1", buttons()).await;
        let second = api.post_once("/v1/memes", "\"key-1\"", buttons()).await;
        assert_eq!((first.status, second.status), (201, 201));
        assert_eq!(first.body, second.body);
        assert_eq!(first.header("location"), second.header("location"));

        let other = json!({"template": "two-buttons", "captions": ["Other", "Words"]});
        let reply = api.post_once("/v1/memes", "key-1", other).await;
        reply.problem(422, "idempotency-key-reused");
        // Another client's key of the same name is another key.
        let neighbour = stack.client(Plan::Free, false, 5).await;
        let theirs = neighbour.post_once("/v1/memes", "key-1", buttons()).await;
        assert_ne!(theirs.json::<Value>()["id"], first.json::<Value>()["id"]);
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sent_many_times_at_once_still_pays_once() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 50).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let api = api.clone();
            calls.spawn(async move { api.post_once("/v1/memes", "burst", buttons()).await });
        }
        let replies = calls.join_all().await;
        let mut ids = std::collections::HashSet::new();
        for reply in &replies {
            match reply.status {
                201 => drop(ids.insert(reply.json::<Value>()["id"].to_string())),
                409 => drop(reply.problem(409, "idempotency-key-in-use")),
                other => panic!("{other}: {reply:?}"),
            }
        }
        assert_eq!(ids.len(), 1);
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_field_and_costs_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        let long = "x".repeat(2_000);
        for (body, status, kind, pointer) in [
            (json!({"template": "two-buttons"}), 400, "invalid-request", "/captions"),
            (
                json!({"template": "two-buttons", "captions": ["a", "b"], "size": 3}),
                400,
                "invalid-request",
                "/size",
            ),
            (
                json!({"template": "two-buttons", "captions": ["a", 2]}),
                400,
                "invalid-request",
                "/captions/1",
            ),
            (
                json!({"template": "two-buttons", "captions": ["a", "b", "c"]}),
                422,
                "invalid-request",
                "/captions",
            ),
            (
                json!({"template": "two-buttons", "captions": ["a", long]}),
                422,
                "invalid-request",
                "/captions/1",
            ),
            (
                json!({"template": "two-buttons", "captions": ["a", "b\u{7}"]}),
                422,
                "invalid-request",
                "/captions/1",
            ),
        ] {
            let reply = api.post("/v1/memes", body.clone()).await;
            assert!(reply.status == status || reply.status == 400, "{body}: {reply:?}");
            let problem = reply.problem(reply.status, kind);
            let found = problem["errors"][0]["pointer"].as_str().unwrap();
            assert!(found.starts_with(pointer), "{body}: {problem}");
        }
        let unknown = json!({"template": "two-button", "captions": ["a", "b"]});
        let problem = api.post("/v1/memes", unknown).await.problem(404, "not-found");
        assert!(problem["detail"].as_str().unwrap().contains("`two-buttons`"), "{problem}");
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (0, 5));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credits_nothing_is_made() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        api.post("/v1/memes", buttons()).await.problem(402, "credits-exhausted");
        // The key is free again: once there are credits the same request works.
        let refused = api.post_once("/v1/memes", "later", buttons()).await;
        refused.problem(402, "credits-exhausted");
    })
    .await;
}
