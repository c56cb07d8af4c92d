//! `GET /v1/memes`.

use std::collections::HashSet;

use entitlements::Plan;
use serde_json::Value;
use support::{Stack, StackOptions, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_memes_ai_gets_a_normal_meme_and_the_reason() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 10).await;
        let reply = api.get("/v1/memes").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.left(), (49, 9));
        assert_eq!(
            reply.header("ratelimit-policy"),
            "\"burst\";q=50;w=1, \"credits\";q=1000;w=2592000"
        );
        let meme: Value = reply.json();
        assert_eq!(meme["tier"], "normal");
        assert_eq!(meme["fallback"]["reason"], "not_entitled");
        assert_eq!((&meme["credits"], &meme["model"]), (&1.into(), &Value::Null));
        let url = meme["url"].as_str().unwrap();
        assert!(url.starts_with(stack.base_url()) && url.ends_with(".jpg"), "{url}");
        let picture = api.get(url).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, "image/jpeg"));
        let picture = render::Picture::decode(&picture.body).unwrap();
        assert_eq!(meme["width"], picture.width());
        assert_eq!(meme["height"], picture.height());

        let asked: Value = api.get("/v1/memes?tier=normal").await.json();
        assert_eq!((&asked["tier"], &asked["fallback"]), (&"normal".into(), &Value::Null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_gets_ai_memes_from_the_same_route_and_no_repeats() {
    Stack::run_with(StackOptions { pool: true, ..StackOptions::default() }, async |stack| {
        let api = stack.client(Plan::Pro, true, 1_000).await;
        let meme = eventually("an AI meme is served", async || {
            let meme: Value = api.get("/v1/memes").await.json();
            if meme["tier"] == "normal" {
                assert_eq!(meme["fallback"]["reason"], "backlog");
                return None;
            }
            Some(meme)
        })
        .await;
        assert_eq!((&meme["tier"], &meme["credits"]), (&"ai".into(), &2.into()));
        assert_eq!((&meme["model"], &meme["template"]), (&"composer".into(), &Value::Null));
        assert_eq!(meme["provenance"]["c2pa"], true);
        let picture = stack.anonymous().get(meme["url"].as_str().unwrap()).await;
        assert_eq!(picture.status, 200);
        assert_eq!(render::Picture::decode(&picture.body).unwrap().width(), 1_200);

        eventually("the pool has a few memes", async || {
            let memes = stack.platform().core.aws.memes();
            let mut count = 0;
            for shard in 0..maas_aws::memes::POOL_SHARDS {
                count += memes.pool(shard, 100).await.unwrap().len();
            }
            (count >= 8).then_some(())
        })
        .await;
        // What was read of the pool before is at most half a second old.
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        api.get("/v1/memes").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let mut seen = HashSet::new();
        for _ in 0..6 {
            let meme: Value = api.get("/v1/memes?tier=ai").await.json();
            assert_eq!(meme["tier"], "ai");
            assert!(seen.insert(meme["id"].to_string()), "a meme came twice within six calls");
        }
        // A meme of the pool can be read again by whoever has Memes AI, and by nobody else.
        let id = meme["id"].as_str().unwrap();
        assert_eq!(api.get(&format!("/v1/memes/{id}")).await.status, 200);
        let other = stack.client(Plan::Free, false, 1).await;
        other.get(&format!("/v1/memes/{id}")).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_pool_gives_a_normal_meme_and_says_so() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 10).await;
        let meme: Value = api.get("/v1/memes?tier=ai").await.json();
        assert_eq!((&meme["tier"], &meme["credits"]), (&"normal".into(), &1.into()));
        assert_eq!(meme["fallback"]["reason"], "backlog");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_templates_are_followed() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 100).await;
        for _ in 0..5 {
            let cats: Value = api.get("/v1/memes?topic=cats").await.json();
            assert_eq!(cats["topic"], "cats");
            let buttons: Value = api.get("/v1/memes?template=two-buttons").await.json();
            assert_eq!(buttons["template"], "two-buttons");
            assert_eq!(buttons["captions"].as_array().unwrap().len(), 2);
        }
        let problem = api.get("/v1/memes?topic=cat").await.problem(404, "not-found");
        assert!(problem["detail"].as_str().unwrap().contains("`cats`"), "{problem}");
        api.get("/v1/memes?template=two-doors").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_itself_is_one_redirect_away() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 2).await;
        let reply = api.get("/v1/memes?format=image").await;
        assert_eq!(reply.status, 302);
        assert_eq!(reply.left().1, 1);
        assert_eq!(api.get(reply.header("location")).await.header("content-type"), "image/jpeg");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_subscribed_or_not_known_is_refused_and_costs_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        let problem = api.get("/v1/memes?tier=ai").await.problem(403, "not-entitled");
        assert!(problem["detail"].as_str().unwrap().contains("tier=auto"));
        for (query, parameter) in [
            ("tier=gold", "tier"),
            ("format=gif", "format"),
            ("topic=Cats!", "topic"),
            ("colour=red", "colour"),
            ("topic=cats&topic=dogs", "topic"),
        ] {
            let problem =
                api.get(&format!("/v1/memes?{query}")).await.problem(400, "invalid-request");
            assert_eq!(problem["errors"][0]["parameter"], parameter, "{problem}");
        }
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (0, 5));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_calls_too_fast_is_told_to_wait() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 1_000).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let api = api.clone();
            calls.spawn(async move { api.get("/v1/memes").await });
        }
        let replies = calls.join_all().await;
        let limited: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
        assert!(!limited.is_empty(), "200 calls at once were all served at 50 a second");
        let problem = limited[0].problem(429, "rate-limited");
        assert_eq!(limited[0].header("retry-after"), "1", "{problem}");
        let served = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(served + limited.len(), 200);
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!(settled.accounts.spent, u64::try_from(served).unwrap());
    })
    .await;
}
