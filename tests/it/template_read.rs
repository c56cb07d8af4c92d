//! `GET /v1/templates` and `GET /v1/templates/{id}`.

use serde_json::Value;
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn pages_bring_every_template_once() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let mut ids = Vec::new();
        let mut path = "/v1/templates?limit=7".to_owned();
        loop {
            let page: Value = api.get(&path).await.json();
            let data = page["data"].as_array().unwrap();
            assert!(!data.is_empty() && data.len() <= 7);
            ids.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("/v1/templates?limit=7&cursor={next}"),
                None => break,
            }
        }
        let mut unique = ids.clone();
        unique.dedup();
        assert_eq!(ids, unique);
        assert!(ids.len() >= 40, "{} templates", ids.len());
        assert_eq!(ids.len(), catalogue::Catalogue::embedded().templates().len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_by_words_and_topic() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let found: Value = api.get("/v1/templates?query=buttons").await.json();
        assert_eq!(found["data"][0]["id"], "two-buttons");
        let none: Value = api.get("/v1/templates?query=zzzzzz").await.json();
        assert_eq!(
            (none["data"].as_array().unwrap().len(), &none["next_cursor"]),
            (0, &Value::Null)
        );
        let work: Value = api.get("/v1/templates?topic=work&limit=100").await.json();
        for template in work["data"].as_array().unwrap() {
            assert!(template["topics"].as_array().unwrap().contains(&"work".into()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_template_tells_how_it_is_written_on() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        let reply = api.get("/v1/templates/two-buttons").await;
        assert!(reply.header("cache-control").contains("public"));
        let template: Value = reply.json();
        assert_eq!(template["caption_count"], 2);
        assert_eq!(template["example_captions"].as_array().unwrap().len(), 2);
        assert_eq!(api.get(template["example_url"].as_str().unwrap()).await.status, 200);
        api.get("/v1/templates/no-such-thing").await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_queries_are_named() {
    Stack::run(async |stack| {
        let api = stack.anonymous();
        for (query, parameter) in [
            ("limit=-1", "limit"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=ten", "limit"),
            ("cursor=nonsense", "cursor"),
            ("page=2", "page"),
        ] {
            let problem =
                api.get(&format!("/v1/templates?{query}")).await.problem(400, "invalid-request");
            assert_eq!(problem["errors"][0]["parameter"], parameter, "{problem}");
        }
    })
    .await;
}
