//! `GET /v1/memes/{id}`.

use entitlements::Plan;
use maas_aws::memes::{MemeRecord, Picture};
use serde_json::{Value, json};
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn a_served_meme_is_found_again_though_nothing_was_stored() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 5).await;
        let served: Value = api.get("/v1/memes").await.json();
        let mut again: Value =
            api.get(&format!("/v1/memes/{}", served["id"].as_str().unwrap())).await.json();
        // Reading tells nothing of why it was served.
        again["fallback"] = served["fallback"].clone();
        assert_eq!(again, served);
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ones_own_does_not_exist() {
    Stack::run(async |stack| {
        let owner = stack.client(Plan::Free, false, 5).await;
        let other = stack.client(Plan::Free, false, 5).await;
        let body = json!({"template": "two-buttons", "captions": ["mine", "also mine"]});
        let made = owner.post("/v1/memes", body).await;
        let path = made.header("location").to_owned();
        assert_eq!(owner.get(&path).await.status, 200);
        let theirs = other.get(&path).await.problem(404, "not-found");
        let nobodys =
            other.get("/v1/memes/meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y").await.problem(404, "not-found");
        assert_eq!(theirs["detail"], nobodys["detail"]);
        for odd in ["meme_", "x", "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y", "%00", "%ff"] {
            other.get(&format!("/v1/memes/{odd}")).await.problem(404, "not-found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ai_picture_of_before_there_were_manifests_does_not_claim_one() {
    Stack::run(async |stack| {
        let owner = stack.client(Plan::Pro, true, 5).await;
        let core = &stack.platform().core;
        let old = MemeRecord {
            id: catalogue::stored(core.mint.mint(core.clock.now_ms())),
            client_id: owner.client,
            ai: true,
            picture: Picture::Stored("generations/old/0.jpg".to_owned()),
            width: 1_024,
            height: 768,
            template: None,
            captions: vec![],
            alt: "A cat.".to_owned(),
            topic: None,
            model: Some("composer".to_owned()),
            source_type: None,
            credits: 4,
            created_at: core.clock.now(),
            pool: None,
        };
        core.aws.memes().put(&old).await.unwrap();
        let read: Value = owner.get(&format!("/v1/memes/{}", old.id)).await.json();
        let drawn = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia";
        let provenance = json!({"c2pa": false, "digital_source_type": drawn});
        assert_eq!(read["provenance"], provenance);
    })
    .await;
}
