//! `POST`, `GET` and `DELETE` under `/v1/webhooks`, and what endpoints are told.

mod attempts;
mod receiver;

use entitlements::Plan;
use serde_json::{Value, json};
use support::{Api, Stack, StackOptions};

use receiver::{Does, Receiver};

/// Registers an endpoint: its path, and its secret.
async fn registered(api: &Api, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let mut body = json!({"url": receiver.url});
    if !events.is_empty() {
        body["events"] = json!(events);
    }
    let reply = api.post("/v1/webhooks", body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let made: Value = reply.json();
    assert_eq!(reply.header("location"), format!("/v1/webhooks/{}", made["id"].as_str().unwrap()));
    (reply.header("location").to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// The newest delivery of an endpoint, once it is in `state`.
async fn delivery(api: &Api, path: &str, state: &str) -> Value {
    support::eventually("the delivery has ended", async || {
        let page: Value = api.get(&format!("{path}/deliveries")).await.json();
        let newest = page["data"][0].clone();
        (newest["state"] == state).then_some(newest)
    })
    .await
}

async fn generated(api: &Api, more: Value) -> Value {
    let mut body = json!({"prompt": "a dog at work"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let accepted = api.post("/v1/generations", body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    api.finished(accepted.header("location")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_told_with_a_signature_that_verifies() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let receiver = Receiver::start(&[Does::Answer(204)]).await;
        let (path, secret) = registered(&api, &receiver, &[]).await;
        let job = generated(&api, json!({"count": 2})).await;

        let told = &receiver.told(1).await[0];
        assert_eq!(told.header("content-type"), "application/json");
        assert!(told.verifies(&secret));
        let mut forged = told.clone();
        forged.body = String::from_utf8_lossy(&told.body).replace("dog", "cat").into();
        assert!(!forged.verifies(&secret));
        let payload = told.json();
        assert_eq!(payload["type"], "generation.succeeded");
        for member in ["id", "state", "prompt", "credits", "count"] {
            assert_eq!(payload["data"][member], job[member], "{member}");
        }
        // The pictures can be had at once, with no token.
        let memes = payload["data"]["memes"].as_array().unwrap();
        assert_eq!(memes.len(), 2);
        let picture = stack.anonymous().get(memes[0]["url"].as_str().unwrap()).await;
        assert_eq!(picture.header("content-type"), "image/jpeg");

        let delivered = delivery(&api, &path, "delivered").await;
        assert_eq!(delivered["id"], told.header("webhook-id"));
        assert_eq!(delivered["generation_id"], job["id"]);
        assert_eq!((&delivered["attempts"], &delivered["last_status"]), (&1.into(), &204.into()));
        assert_eq!(delivered["next_attempt_at"], Value::Null);
        assert_eq!(receiver.all().len(), 1);
        // All of it for nothing.
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_shown_once() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let (path, secret) = registered(&api, &receiver, &["generation.failed"]).await;
        let bytes = secret.strip_prefix("whsec_").unwrap();
        assert_eq!(bytes.len(), 44);
        let one = api.get(&path).await;
        let list = api.get("/v1/webhooks").await;
        for reply in [&one, &list] {
            assert_eq!(reply.status, 200);
            assert!(!String::from_utf8_lossy(&reply.body).contains("whsec_"));
        }
        let one: Value = one.json();
        assert_eq!(one["events"], json!(["generation.failed"]));
        assert_eq!((&one["status"], &one["url"]), (&"enabled".into(), &receiver.url.into()));
        assert_eq!(list.json::<Value>(), json!({"data": [one], "next_cursor": null}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_is_told_again_under_its_id() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let receiver = Receiver::start(&[Does::Answer(500), Does::Answer(200)]).await;
        let (path, secret) = registered(&api, &receiver, &[]).await;
        generated(&api, json!({})).await;
        let waiting = delivery(&api, &path, "pending").await;
        assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
        let told = receiver.told(2).await;
        assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
        assert!(told.iter().all(|told| told.verifies(&secret)));
        let delivered = delivery(&api, &path, "delivered").await;
        assert_eq!((&delivered["attempts"], &delivered["last_status"]), (&2.into(), &200.into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_410_is_told_nothing_more() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let receiver = Receiver::start(&[Does::Answer(410)]).await;
        let (path, _) = registered(&api, &receiver, &[]).await;
        generated(&api, json!({})).await;
        let failed = delivery(&api, &path, "failed").await;
        assert_eq!((&failed["last_status"], &failed["failure"]), (&410.into(), &"status".into()));
        assert_eq!(api.get(&path).await.json::<Value>()["status"], "disabled");
        generated(&api, json!({})).await;
        api.post(&format!("{path}/test"), json!({})).await.problem(409, "conflict");
        let page: Value = api.get(&format!("{path}/deliveries")).await.json();
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        assert_eq!(receiver.all().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_hear_what_they_are_registered_for_or_named_for() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let (all, failures) = (
            Receiver::start(&[Does::Answer(200)]).await,
            Receiver::start(&[Does::Answer(200)]).await,
        );
        registered(&api, &all, &[]).await;
        let (path, _) = registered(&api, &failures, &["generation.failed"]).await;
        generated(&api, json!({})).await;
        all.told(1).await;
        assert!(failures.all().is_empty());
        // Named by the request, it alone hears of the end, whatever it is registered for.
        let id = path.rsplit('/').next().unwrap();
        let job = generated(&api, json!({"webhook": id})).await;
        assert_eq!(failures.told(1).await[0].json()["data"]["id"], job["id"]);
        delivery(&api, &path, "delivered").await;
        assert_eq!(all.all().len(), 1);
        // Only an endpoint that there is can be named.
        let body = json!({"prompt": "a dog", "webhook": "wh_01J9ZK3V7N8Q4R5S6T7V8W9X0Y"});
        let problem = api.post("/v1/generations", body).await.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], "/webhook");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_goes_the_way_of_an_event_and_can_be_replayed() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let (path, secret) = registered(&api, &receiver, &["generation.failed"]).await;
        let asked = api.post(&format!("{path}/test"), json!({})).await;
        assert_eq!(asked.status, 202);
        let asked: Value = asked.json();
        let told = &receiver.told(1).await[0];
        assert!(told.verifies(&secret));
        assert_eq!(told.json()["type"], "webhook.test");
        assert_eq!(told.header("webhook-id"), asked["id"]);
        delivery(&api, &path, "delivered").await;
        let replay = format!("{path}/deliveries/{}/replay", asked["id"].as_str().unwrap());
        let again = api.post(&replay, json!({})).await;
        assert_eq!((again.status, &again.json::<Value>()["state"]), (202, &"pending".into()));
        let told = receiver.told(2).await;
        assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
        let nothing = format!("{path}/deliveries/evt_01J9ZK3V7N8Q4R5S6T7V8W9X0Y/replay");
        api.post(&nothing, json!({})).await.problem(404, "not-found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_not_replayed() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(500)]).await;
        let (path, _) = registered(&api, &receiver, &[]).await;
        let asked: Value = api.post(&format!("{path}/test"), json!({})).await.json();
        receiver.told(1).await;
        let replay = format!("{path}/deliveries/{}/replay", asked["id"].as_str().unwrap());
        api.post(&replay, json!({})).await.problem(409, "conflict");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_sign_while_one_takes_over_from_the_other() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let (path, old) = registered(&api, &receiver, &[]).await;
        let rotated = api.post(&format!("{path}/rotate"), json!({})).await;
        assert_eq!(rotated.status, 200);
        let new = rotated.json::<Value>()["secret"].as_str().unwrap().to_owned();
        assert_ne!(old, new);
        api.post(&format!("{path}/test"), json!({})).await;
        let told = &receiver.told(1).await[0];
        assert!(told.verifies(&old) && told.verifies(&new));
        assert_eq!(told.header("webhook-signature").split(' ').count(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_endpoints_than_the_plan_has_however_fast_they_are_registered() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..9 {
            let (api, body) = (api.clone(), json!({"url": receiver.url}));
            calls.spawn(async move { api.post("/v1/webhooks", body).await });
        }
        let replies = calls.join_all().await;
        let made: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(made.len(), 5, "{replies:?}");
        let refused = api.post("/v1/webhooks", json!({"url": receiver.url})).await;
        assert_eq!(refused.problem(409, "conflict")["webhooks_max"], 5);
        // One that goes makes room, once.
        let path = made[0].header("location");
        assert_eq!(api.delete(path).await.status, 204);
        api.delete(path).await.problem(404, "not-found");
        registered(&api, &receiver, &[]).await;
        api.post("/v1/webhooks", json!({"url": receiver.url})).await.problem(409, "conflict");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_endpoints_do_not_exist() {
    Stack::run(async |stack| {
        let owner = stack.client(Plan::Pro, false, 10).await;
        let other = stack.client(Plan::Pro, true, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let (path, _) = registered(&owner, &receiver, &[]).await;
        let event = owner.post(&format!("{path}/test"), json!({})).await.json::<Value>();
        let replay = format!("{path}/deliveries/{}/replay", event["id"].as_str().unwrap());
        delivery(&owner, &path, "delivered").await;
        other.get(&path).await.problem(404, "not-found");
        other.delete(&path).await.problem(404, "not-found");
        other.get(&format!("{path}/deliveries")).await.problem(404, "not-found");
        for path in [&format!("{path}/test"), &format!("{path}/rotate"), &replay] {
            other.post(path, json!({})).await.problem(404, "not-found");
        }
        let id = path.rsplit('/').next().unwrap();
        let body = json!({"prompt": "a dog", "webhook": id});
        other.post("/v1/generations", body).await.problem(422, "invalid-request");
        assert_eq!(other.get("/v1/webhooks").await.json::<Value>()["data"], json!([]));
        assert_eq!(owner.get(&path).await.status, 200);
        // The free plan has no webhooks, unless Memes AI comes with it.
        let free = stack.client(Plan::Free, false, 10).await;
        free.get("/v1/webhooks").await.problem(403, "insufficient-scope");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_public_are_refused_at_registration() {
    let options = StackOptions { public_webhooks: true, ..StackOptions::default() };
    Stack::run_with(options, async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        for url in [
            "http://example.com/",
            "https://me:word@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a00:1]/",
            "https://10.1.2.3/",
            "https://100.64.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://224.0.0.1/",
            // These two are names, and found by the machine's own resolver, or not at all.
            "https://localhost/",
            "https://nobody.invalid/",
            "not an address",
        ] {
            let reply = api.post("/v1/webhooks", json!({"url": url})).await;
            let problem = reply.problem(422, "invalid-request");
            assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
        }
        assert_eq!(api.get("/v1/webhooks").await.json::<Value>()["data"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_endpoint_name_the_field() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let url = "http://127.0.0.1:9/";
        for (body, pointer) in [
            (json!({}), "/url"),
            (json!({"url": 7}), "/url"),
            (json!({"url": ""}), "/url"),
            (json!({"url": format!("{url}{}", "x".repeat(2_000))}), "/url"),
            (json!({"url": url, "events": []}), "/events"),
            (json!({"url": url, "events": ["webhook.test"]}), "/events/0"),
            (json!({"url": url, "secret": "whsec_AAEC"}), "/secret"),
        ] {
            let reply = api.post("/v1/webhooks", body.clone()).await;
            assert!(matches!(reply.status, 400 | 422), "{body}: {reply:?}");
            let problem = reply.problem(reply.status, "invalid-request");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_newest_first_in_pages() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 10).await;
        let receiver = Receiver::start(&[Does::Answer(200)]).await;
        let (path, _) = registered(&api, &receiver, &[]).await;
        let mut made = Vec::new();
        for _ in 0..5 {
            let asked: Value = api.post(&format!("{path}/test"), json!({})).await.json();
            made.push(asked["id"].as_str().unwrap().to_owned());
            // Ids of one millisecond are in no order.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        made.reverse();
        let mut seen = Vec::new();
        let mut next = format!("{path}/deliveries?limit=2");
        loop {
            let page: Value = api.get(&next).await.json();
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= 2);
            seen.extend(data.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}/deliveries?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, made);
        api.get(&format!("{path}/deliveries?cursor=x")).await.problem(400, "invalid-request");
    })
    .await;
}
