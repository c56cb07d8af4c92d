//! What the service refuses to make, whichever route it is asked by.

use entitlements::Plan;
use serde_json::{Value, json};
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_names_the_field_and_the_rule_and_costs_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 50).await;
        let captions =
            |captions: [&str; 2]| json!({"template": "two-buttons", "captions": captions});
        let cases = [
            ("/v1/memes", captions(["me", "kill yourself"]), "/captions", "self_harm"),
            // What is split over two captions is read together.
            ("/v1/memes", captions(["two kids", "without clothes"]), "/captions", "sexual_minors"),
            ("/v1/generations", json!({"prompt": "a nude woman"}), "/prompt", "sexual"),
            (
                "/v1/generations",
                json!({"prompt": "a cat", "captions": ["kill yourself"]}),
                "/captions",
                "self_harm",
            ),
        ];
        for (path, body, pointer, category) in cases {
            let reply = api.post(path, body.clone()).await;
            let problem = reply.problem(422, "moderated");
            assert_eq!(problem["category"], category, "{body}: {problem}");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
            let said = problem.to_string();
            assert!(!said.contains("kill yourself") && !said.contains("nude"), "{said}");
        }
        let accounts = stack.settled(api.client.unwrap()).await.accounts;
        assert_eq!((accounts.available, accounts.held, accounts.spent), (50, 0, 0));
        let jobs: Value = api.get("/v1/generations").await.json();
        assert_eq!(jobs["data"].as_array().map(Vec::len), Some(0), "{jobs}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_developers_say_of_processes_passes() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 50).await;
        let body = json!({"template": "two-buttons", "captions": ["kill the child", "process"]});
        assert_eq!(api.post("/v1/memes", body).await.status, 201);
        let body = json!({"prompt": "an orphan process is killed with -9 by its parent"});
        assert_eq!(api.post("/v1/generations", body).await.status, 202);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_s_address_is_held_to_the_same() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let refused = api.get("/images/two-buttons/me/kill_yourself.png").await;
        assert_eq!((refused.status, refused.header("content-type")), (422, "image/png"));
        assert!(!refused.header("cache-control").contains("immutable"));
        assert_eq!(api.get("/images/two-buttons/kill_-9/the_child.png").await.status, 200);
    })
    .await;
}

#[test]
fn the_catalogue_is_held_to_it_as_well() {
    let catalogue = catalogue::Catalogue::embedded();
    for number in 0..5_000_u64 {
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let choice = catalogue.select(catalogue::Selection::default(), random).unwrap();
        let refused = moderation::text::check_captions(&choice.captions);
        assert_eq!(refused, Ok(()), "{:?}", choice.captions);
    }
}
