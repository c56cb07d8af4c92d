//! `GET /v1/account`.

use entitlements::Plan;
use serde_json::Value;
use support::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn tells_plan_subscriptions_balance_and_limits() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 250).await;
        let account: Value = api.get("/v1/account").await.json();
        assert_eq!(account["client_id"], api.client.unwrap().to_string());
        assert_eq!((&account["plan"], &account["ai"]), (&"pro".into(), &true.into()));
        let products: Vec<&str> = account["subscriptions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["product"].as_str().unwrap())
            .collect();
        assert_eq!(products, ["memes", "memes-ai"]);
        assert_eq!(account["balance"]["granted"], 250);
        assert_eq!(account["limits"]["burst_per_second"], 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_per_second_that_were_agreed_are_the_limit() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Pro, false, 10).await;
        let core = &stack.platform().core;
        let clients = core.aws.clients();
        let agreed = clients.change(client, core.clock.now(), |profile, _| {
            profile.burst_per_second = Some(3);
        });
        agreed.await.unwrap();
        let api = stack.anonymous().log_in(&client.to_string(), &secret).await;
        let account: Value = api.get("/v1/account").await.json();
        assert_eq!(account["limits"]["burst_per_second"], 3);
        let reply = api.get("/v1/memes").await;
        assert!(reply.header("ratelimit-policy").starts_with("\"burst\";q=3;w=1"), "{reply:?}");
        let found = support::eventually("a call is one too many", async || {
            let reply = api.get("/v1/memes").await;
            (reply.status != 200).then_some(reply)
        });
        found.await.problem(429, "rate-limited");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_balance_add_up_while_calls_are_made() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 40).await;
        for _ in 0..10 {
            assert_eq!(api.get("/v1/memes").await.status, 200);
        }
        let balance = api.balance().await;
        let parts = ["available", "leased", "held", "suspense", "spent", "expired"];
        let sum: u64 = parts.iter().map(|part| balance[part].as_u64().unwrap()).sum();
        assert_eq!(sum, 40, "{balance}");
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (10, 30));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_no_query_and_needs_its_scope() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 1).await;
        let problem = api.get("/v1/account?verbose=1").await.problem(400, "invalid-request");
        assert_eq!(problem["errors"][0]["parameter"], "verbose");

        let (client, secret) = stack.register(Plan::Free, false, 1).await;
        let token = api.token_reply(&client.to_string(), &secret, "memes:read").await;
        let token = token.json::<Value>()["access_token"].as_str().unwrap().to_owned();
        let problem =
            api.with_token(token).get("/v1/account").await.problem(403, "insufficient-scope");
        assert!(problem["detail"].as_str().unwrap().contains("account:read"));
    })
    .await;
}
