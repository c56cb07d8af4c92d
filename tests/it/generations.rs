//! `POST /v1/generations`, `GET /v1/generations`, `GET` and `DELETE /v1/generations/{id}`.

use entitlements::Plan;
use serde_json::{Value, json};
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn goes_from_a_prompt_to_pictures_that_are_paid_for() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let body = json!({"prompt": "two cats that read the server logs", "count": 2,
                          "size": "1024x768", "captions": ["Night shift", "Nothing to see"]});
        let accepted = api.post("/v1/generations", body).await;
        assert_eq!(accepted.status, 202);
        assert!(accepted.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(accepted.left().1, 92);
        let queued: Value = accepted.json();
        assert_eq!(queued["state"], "queued");
        assert_eq!(queued["credits"], json!({"held": 8, "spent": 0, "returned": 0}));
        assert!(queued["position"].as_u64().unwrap() >= 1);

        let done = api.finished(accepted.header("location")).await;
        assert_eq!(done["state"], "succeeded", "{done}");
        assert_eq!(done["credits"], json!({"held": 0, "spent": 8, "returned": 0}));
        let memes = done["memes"].as_array().unwrap();
        assert_eq!(memes.len(), 2);
        let mut pictures = Vec::new();
        for meme in memes {
            assert_eq!((&meme["tier"], &meme["model"]), (&"ai".into(), &"composer".into()));
            assert_eq!(meme["captions"], json!(["Night shift", "Nothing to see"]));
            // The address is signed: whoever has it needs no token, and who changes it no picture.
            let url = meme["url"].as_str().unwrap();
            let picture = stack.anonymous().get(url).await;
            assert_eq!(picture.header("content-type"), "image/jpeg");
            let decoded = render::Picture::decode(&picture.body).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (1_024, 768));
            assert_manifest(meme, &picture.body);
            pictures.push(picture.body);
            let unsigned = url.split('?').next().unwrap();
            assert_eq!(stack.anonymous().get(unsigned).await.status, 403);
            let id = meme["id"].as_str().unwrap();
            assert_eq!(api.get(&format!("/v1/memes/{id}")).await.status, 200);
            let other = stack.client(Plan::Pro, true, 1).await;
            other.get(&format!("/v1/memes/{id}")).await.problem(404, "not-found");
        }
        assert_ne!(pictures[0], pictures[1], "two pictures of one prompt are the same");
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (8, 92));
    })
    .await;
}

/// The picture's file says where it comes from, as the reply does, and nothing of the prompt. Whether
/// that is signed as it should be is for others to say: `tests/peers`.
fn assert_manifest(meme: &Value, file: &[u8]) {
    let holds = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    let drawn = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia";
    assert_eq!(meme["provenance"], json!({"c2pa": true, "digital_source_type": drawn}));
    for told in [drawn, "c2pa.created", "Memes as a Service", meme["id"].as_str().unwrap()] {
        assert!(holds(told), "{told} is not in the file");
    }
    assert!(!holds("server logs"), "the prompt is in the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_subscribed_is_refused() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 100).await;
        let reply = api.post("/v1/generations", json!({"prompt": "a cat"})).await;
        // Its token was not even given the scope.
        reply.problem(403, "insufficient-scope");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_subscription_is_refused_with_the_old_token() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let platform = stack.platform();
        let client = api.client.unwrap();
        let clients = platform.core.aws.clients();
        let ended = clients.change(client, platform.core.clock.now(), |_, held| {
            held.retain(|it| it.product != entitlements::Product::MemesAi);
        });
        ended.await.unwrap();
        platform.gate.forget(client);
        let reply = api.post("/v1/generations", json!({"prompt": "a cat"})).await;
        reply.problem(403, "not-entitled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_credits_hold_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 5).await;
        let reply = api.post("/v1/generations", json!({"prompt": "a cat"})).await;
        reply.problem(402, "credits-exhausted");
        let list: Value = api.get("/v1/generations").await.json();
        assert_eq!(list["data"], json!([]));
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.available, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_job_and_one_hold() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let body = json!({"prompt": "a dog at work"});
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (api, body) = (api.clone(), body.clone());
            calls.spawn(async move { api.post_once("/v1/generations", "once", body).await });
        }
        let replies = calls.join_all().await;
        for reply in &replies {
            assert_eq!(reply.status, 202, "{reply:?}");
            assert_eq!(reply.header("location"), replies[0].header("location"));
        }
        let other = json!({"prompt": "a cat at work"});
        let reused = api.post_once("/v1/generations", "once", other).await;
        reused.problem(422, "idempotency-key-reused");
        api.finished(replies[0].header("location")).await;
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_job_gives_its_credits_back_whenever_it_is_called_off() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let accepted = api.post("/v1/generations", json!({"prompt": "a dog", "count": 4})).await;
        let path = accepted.header("location").to_owned();
        let canceled = api.delete(&path).await;
        if canceled.status == 200 {
            let job: Value = canceled.json();
            assert_eq!(job["state"], "canceled");
            assert_eq!(job["credits"], json!({"held": 0, "spent": 0, "returned": 24}));
            assert_eq!(stack.settled(api.client.unwrap()).await.accounts.available, 100);
        } else {
            // The worker was faster than the cancellation.
            canceled.problem(409, "conflict");
        }
        api.delete(&path).await.problem(409, "conflict");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_cannot_be_called_off() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let accepted = api.post("/v1/generations", json!({"prompt": "a dog"})).await;
        let path = accepted.header("location").to_owned();
        api.finished(&path).await;
        let problem = api.delete(&path).await.problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("succeeded"), "{problem}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_jobs_do_not_exist() {
    Stack::run(async |stack| {
        let owner = stack.client(Plan::Pro, true, 100).await;
        let other = stack.client(Plan::Pro, true, 100).await;
        let accepted = owner.post("/v1/generations", json!({"prompt": "a dog"})).await;
        let path = accepted.header("location").to_owned();
        other.get(&path).await.problem(404, "not-found");
        other.delete(&path).await.problem(404, "not-found");
        assert_eq!(other.get("/v1/generations").await.json::<Value>()["data"], json!([]));
        assert_eq!(owner.finished(&path).await["state"], "succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_in_pages_and_by_state() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 1_000).await;
        let mut made = Vec::new();
        for number in 0..5 {
            let body = json!({"prompt": format!("a dog number {number}")});
            let accepted = api.post("/v1/generations", body).await;
            made.push(accepted.json::<Value>()["id"].as_str().unwrap().to_owned());
            // Ids of one millisecond are in no order.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        made.reverse();
        for id in &made {
            api.finished(&format!("/v1/generations/{id}")).await;
        }
        let mut seen = Vec::new();
        let mut path = "/v1/generations?limit=2&state=succeeded".to_owned();
        loop {
            let page: Value = api.get(&path).await.json();
            let data = page["data"].as_array().unwrap();
            seen.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => {
                    path = format!("/v1/generations?limit=2&state=succeeded&cursor={next}")
                }
                None => break,
            }
        }
        assert_eq!(seen, made);
        let failed: Value = api.get("/v1/generations?state=failed").await.json();
        assert_eq!(failed["data"], json!([]));
        api.get("/v1/generations?state=lost").await.problem(400, "invalid-request");
        api.get("/v1/generations?limit=-3").await.problem(400, "invalid-request");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_job_name_the_field() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        for (body, pointer) in [
            (json!({}), "/prompt"),
            (json!({"prompt": ""}), "/prompt"),
            (json!({"prompt": "x".repeat(1_001)}), "/prompt"),
            (json!({"prompt": "a\u{0}b"}), "/prompt"),
            (json!({"prompt": 7}), "/prompt"),
            (json!({"prompt": "a", "count": 0}), "/count"),
            (json!({"prompt": "a", "count": 5}), "/count"),
            (json!({"prompt": "a", "count": 1.5}), "/count"),
            (json!({"prompt": "a", "size": "1x1"}), "/size"),
            (json!({"prompt": "a", "deadline_s": 1}), "/deadline_s"),
            (json!({"prompt": "a", "fallback": "maybe"}), "/fallback"),
            (json!({"prompt": "a", "topic": "nonsense-topic"}), "/topic"),
            (json!({"prompt": "a", "captions": ["a", "b", "c"]}), "/captions"),
            (json!({"prompt": "a", "captions": ["a", "b\u{1}"]}), "/captions/1"),
        ] {
            let reply = api.post("/v1/generations", body.clone()).await;
            assert!(matches!(reply.status, 400 | 422), "{body}: {reply:?}");
            let problem = reply.problem(reply.status, "invalid-request");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        }
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_at_a_time_than_the_plan_allows() {
    Stack::run(async |stack| {
        // Two for the free plan, and four pictures take longer than it takes to ask.
        let api = stack.client(Plan::Free, true, 500).await;
        let mut replies = Vec::new();
        for number in 0..12 {
            let body = json!({"prompt": format!("a dog {number}"), "count": 4});
            replies.push(api.post("/v1/generations", body).await);
        }
        let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
        assert!(!refused.is_empty(), "twelve jobs in a row were all taken");
        for reply in refused {
            reply.problem(429, "rate-limited");
        }
        for reply in replies.iter().filter(|reply| reply.status == 202) {
            api.finished(reply.header("location")).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_in_any_script_give_a_picture() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 1_000).await;
        for prompt in ["猫がコードを読む", "قطة تقرأ السجلات", "🐱🔥💻", "….!?", "\u{202e}tac a"]
        {
            let accepted = api.post("/v1/generations", json!({"prompt": prompt})).await;
            assert_eq!(accepted.status, 202, "{prompt}");
            let job = api.finished(accepted.header("location")).await;
            assert_eq!(job["state"], "succeeded", "{prompt}: {job}");
        }
    })
    .await;
}
