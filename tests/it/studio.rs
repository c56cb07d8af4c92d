//! What the gateway serves beside the API: the studio and the demo clients.

use serde_json::Value;
use support::{Stack, StackOptions};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_all_that_it_asks_for_is_there() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let page = api.get("/").await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        let mut asked = 0;
        for attribute in ["src=\"/", "href=\"/"] {
            for rest in page.split(attribute).skip(1) {
                let path = rest.split('"').next().unwrap();
                assert_eq!(api.get(&format!("/{path}")).await.status, 200, "/{path}");
                asked += 1;
            }
        }
        assert!(asked >= 3, "{asked} files");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_clients_are_what_their_names_say() {
    Stack::run_with(StackOptions::default(), async |stack| {
        let demo: Value = stack.anonymous().get("/demo.json").await.json();
        let file = std::fs::read(stack.folder().join("demo.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&file).unwrap(), demo);
        for (name, plan, ai) in [
            ("free", "free", false),
            ("pro", "pro", false),
            ("premium", "pro", true),
            ("empty", "free", false),
        ] {
            let client = &demo["clients"][name];
            let credential = |field: &str| client[field].as_str().unwrap();
            let api = stack
                .anonymous()
                .log_in(credential("client_id"), credential("client_secret"))
                .await;
            let account: Value = api.get("/v1/account").await.json();
            assert_eq!((&account["plan"], &account["ai"]), (&plan.into(), &ai.into()), "{name}");
            let status = if name == "empty" { 402 } else { 200 };
            assert_eq!(api.get("/v1/memes").await.status, status, "{name}");
        }
    })
    .await;
}
