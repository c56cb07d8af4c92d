//! `GET /v1/account/ledger` and `GET /v1/account/usage`.

use entitlements::Plan;
use ledger::Operation;
use serde_json::{Value, json};
use support::{Api, Stack, eventually};

/// Everything in a list, page by page, and how many pages there were.
async fn pages(api: &Api, path: &str) -> (Vec<Value>, usize) {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut data, mut count, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page: Value = api.get(&format!("{path}{next}")).await.json();
        data.extend(page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone());
        count += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{joint}cursor={cursor}"),
            None => return (data, count),
        }
    }
}

/// The entries of a client, once the newest that moved something is there.
async fn entries(stack: &Stack, api: &Api) -> Vec<Value> {
    let settled = stack.settled(api.client.unwrap()).await;
    eventually("the journal is there", async || {
        let journal = stack.journal(api.client.unwrap()).await;
        (journal.entries() >= settled.seq).then_some(())
    })
    .await;
    pages(api, "/v1/account/ledger?limit=100").await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_listed_newest_first_and_come_to_the_balance() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 500).await;
        for _ in 0..4 {
            assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
        }
        let accepted = api.post("/v1/generations", json!({"prompt": "a cat at sea"})).await;
        let job = api.finished(accepted.header("location")).await;
        let data = entries(stack, &api).await;

        let seqs: Vec<u64> = data.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
        assert!(seqs.windows(2).all(|pair| pair[0] > pair[1]), "{seqs:?}");
        let first = data.last().unwrap();
        assert_eq!(first["kind"], "grant", "{first}");
        let came_in = json!([{"from": null, "to": "available", "credits": 500}]);
        assert_eq!(first["movements"], came_in);
        assert!(first["grant_id"].as_str().unwrap().starts_with("grn_"));
        assert_eq!((&first["generation_id"], &first["lease_id"]), (&Value::Null, &Value::Null));
        let of_job: Vec<&str> = data
            .iter()
            .filter(|entry| entry["generation_id"] == job["id"])
            .map(|entry| entry["kind"].as_str().unwrap())
            .collect();
        assert_eq!(of_job, ["post", "hold"]);

        // The movements make the balance.
        let balance = api.balance().await;
        let sum = |name: &str, side: &str| -> u64 {
            let movements = data.iter().flat_map(|entry| entry["movements"].as_array().unwrap());
            let of = movements.filter(|it| it[side] == *name);
            of.map(|it| it["credits"].as_u64().unwrap()).sum()
        };
        for name in ["available", "leased", "held", "suspense", "spent", "expired"] {
            assert_eq!(sum(name, "to") - sum(name, "from"), balance[name], "{name}: {balance}");
        }
        for entry in &data {
            assert!(!entry["movements"].as_array().unwrap().is_empty());
            assert!(entry["id"].as_str().unwrap().starts_with("ent_"));
            assert!(entry["at"].as_str().unwrap().ends_with('Z'));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_on_one_page_and_nobody_elses_is() {
    Stack::run(async |stack| {
        let (api, other) =
            (stack.client(Plan::Pro, false, 50).await, stack.client(Plan::Pro, false, 70).await);
        for _ in 0..3 {
            for api in [&api, &other] {
                assert_eq!(api.get("/v1/memes").await.status, 200);
                stack.settled(api.client.unwrap()).await;
            }
        }
        let whole = entries(stack, &api).await;
        assert!(whole.len() >= 5, "{whole:?}");
        for limit in [1, 2, whole.len(), whole.len() + 1] {
            let (data, count) = pages(&api, &format!("/v1/account/ledger?limit={limit}")).await;
            assert_eq!(data, whole, "by {limit}");
            assert_eq!(count, whole.len().div_ceil(limit), "by {limit}");
        }
        let theirs = entries(stack, &other).await;
        let ids = |data: &[Value]| -> std::collections::BTreeSet<String> {
            data.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
        };
        assert!(ids(&whole).is_disjoint(&ids(&theirs)));
        // A cursor says where, not whose.
        let page: Value = other.get("/v1/account/ledger?limit=1").await.json();
        let cursor = page["next_cursor"].as_str().unwrap();
        let page: Value = api.get(&format!("/v1/account/ledger?cursor={cursor}")).await.json();
        assert!(page["data"].as_array().unwrap().iter().all(|entry| whole.contains(entry)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_nothing_has_no_entries_and_no_usage() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        let page: Value = api.get("/v1/account/ledger").await.json();
        assert_eq!(page, json!({"data": [], "next_cursor": null}));
        for by in ["day", "hour"] {
            let page: Value = api.get(&format!("/v1/account/usage?by={by}")).await.json();
            assert_eq!((&page["data"], &page["next_cursor"]), (&json!([]), &Value::Null));
            assert_eq!(page["totals"], json!({"calls": 0, "credits": 0, "operations": []}));
            assert_eq!(page["by"], by);
        }
        let none = "/v1/account/usage?from=1960-01-01T00:00:00Z&to=1960-02-01T00:00:00Z&by=hour";
        let page: Value = api.get(none).await.json();
        assert_eq!(page["data"], json!([]), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_named() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 1).await;
        for (path, parameter) in [
            ("ledger?limit=0", "limit"),
            ("ledger?limit=101", "limit"),
            ("ledger?limit=ten", "limit"),
            ("ledger?cursor=x", "cursor"),
            ("ledger?from=2026-01-01T00:00:00Z", "from"),
            ("usage?by=week", "by"),
            ("usage?from=yesterday", "from"),
            ("usage?from=2026-01-01", "from"),
            ("usage?to=2026-01-01T00:00:00", "to"),
            ("usage?to=2026-01-01T00:00:00Z%5BUTC%5D", "to"),
            ("usage?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
            ("usage?from=2020-01-01T00:00:00Z", "from"),
            ("usage?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z&by=hour", "from"),
            ("usage?from=9999-01-01T00:00:00Z", "from"),
            ("usage?cursor=x", "cursor"),
            ("usage?limit=0", "limit"),
            ("usage?since=1", "since"),
        ] {
            let reply = api.get(&format!("/v1/account/{path}")).await;
            let problem = reply.problem(400, "invalid-request");
            assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}: {problem}");
            assert!(problem["errors"][0]["detail"].as_str().unwrap().len() > 10, "{problem}");
        }
        // A cursor of the one is none of the other.
        let api = stack.client(Plan::Pro, false, 10).await;
        assert_eq!(api.get("/v1/memes").await.status, 200);
        entries(stack, &api).await;
        let page: Value = api.get("/v1/account/ledger?limit=1").await.json();
        let cursor = page["next_cursor"].as_str().unwrap();
        let reply = api.get(&format!("/v1/account/usage?cursor={cursor}")).await;
        reply.problem(400, "invalid-request");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_need_the_scope_of_the_account() {
    Stack::run(async |stack| {
        let (client, secret) = stack.register(Plan::Free, false, 1).await;
        let api = stack.anonymous();
        let token = api.token_reply(&client.to_string(), &secret, "memes:read").await;
        let token = token.json::<Value>()["access_token"].as_str().unwrap().to_owned();
        let api = api.with_token(token);
        for path in ["/v1/account/ledger", "/v1/account/usage"] {
            let problem = api.get(path).await.problem(403, "insufficient-scope");
            assert!(problem["detail"].as_str().unwrap().contains("account:read"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_by_the_hour_and_by_the_day_page_by_page() {
    use ids::LeaseId;
    use ledger::{Source, Spending, UsageEvent, Use};

    Stack::run(async |stack| {
        let core = &stack.platform().core;
        // Not one of those whose books the harness balances: it is told of usage that nobody paid.
        let secret = stack.register(Plan::Pro, false, 0).await;
        let api = stack.anonymous().log_in(&secret.0.to_string(), &secret.1).await;
        let day_ms = 86_400_000;
        let start_ms = 1_767_225_600_000;
        let mut events = Vec::new();
        // Three days, of each the first and the last hour.
        for hour in [0, 23, 24, 47, 48, 71] {
            let at_ms = start_ms + hour * 3_600_000;
            let lease: LeaseId = core.mint.mint(at_ms);
            let used = Use { calls: 1, credits: 2 };
            let spending: Spending = [(Operation::AiMeme, used)].into_iter().collect();
            let source = Source::Lease(lease);
            events.push(UsageEvent { client_id: secret.0, source, escrow: None, spending, at_ms });
        }
        stack.forget(secret.0);
        let not_counted = core.aws.usage().count(&events, start_ms + 3 * day_ms).await;
        assert!(not_counted.is_empty(), "{not_counted:?}");

        let range = "from=2026-01-01T00:00:00Z&to=2026-01-04T00:00:00Z";
        let (days, _) = pages(&api, &format!("/v1/account/usage?{range}")).await;
        let begins: Vec<&str> = days.iter().map(|day| day["begins"].as_str().unwrap()).collect();
        assert_eq!(
            begins,
            ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
        );
        for day in &days {
            let used = json!([{"operation": "ai_meme", "calls": 2, "credits": 4}]);
            assert_eq!(day["operations"], used);
        }
        for (limit, count) in [(1, 6), (4, 2), (6, 1), (100, 1)] {
            let path = format!("/v1/account/usage?{range}&by=hour&limit={limit}");
            let (hours, found) = pages(&api, &path).await;
            assert_eq!((hours.len(), found), (6, count));
        }
        let page: Value =
            api.get(&format!("/v1/account/usage?{range}&by=hour&limit=1")).await.json();
        assert_eq!(page["totals"]["credits"], 12, "the totals are of all pages: {page}");
        // The range of a cursor is that of its first page, said again or not.
        let cursor = page["next_cursor"].as_str().unwrap();
        let next = api.get(&format!("/v1/account/usage?by=hour&cursor={cursor}")).await;
        assert_eq!(next.json::<Value>()["data"][0]["begins"], "2026-01-01T23:00:00Z");
        let other = api.get(&format!("/v1/account/usage?by=day&cursor={cursor}")).await;
        other.problem(400, "invalid-request");
        // The part of a day is told with its whole.
        let part = "from=2026-01-02T10:00:00Z&to=2026-01-02T11:00:00Z";
        let page: Value = api.get(&format!("/v1/account/usage?{part}")).await.json();
        assert_eq!(page["from"], "2026-01-02T00:00:00Z");
        assert_eq!(
            (&page["to"], &page["totals"]["calls"]),
            (&"2026-01-03T00:00:00Z".into(), &2.into())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_usage_and_ledger_agree_to_the_credit() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 1_000).await;
        let mut served = 0;
        for _ in 0..9 {
            assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
            served += 1;
        }
        let meme = json!({"template": "two-buttons", "captions": ["Count", "Guess"]});
        for _ in 0..4 {
            assert_eq!(api.post("/v1/memes", meme.clone()).await.status, 201);
        }
        // A part of what was served is reported here, and the rest later.
        stack.settled(api.client.unwrap()).await;
        let accepted = api.post("/v1/generations", json!({"prompt": "a cat", "count": 2})).await;
        let job = api.finished(accepted.header("location")).await;
        let paid = job["credits"]["spent"].as_u64().unwrap();
        for _ in 0..3 {
            assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
            served += 1;
        }
        let data = entries(stack, &api).await;
        let spent: u64 = data
            .iter()
            .flat_map(|entry| entry["movements"].as_array().unwrap())
            .filter(|movement| movement["to"] == "spent")
            .map(|movement| movement["credits"].as_u64().unwrap())
            .sum();
        let total = served + 4 + paid;
        assert_eq!(spent, total);
        assert_eq!(api.balance().await["spent"], total);
        let page = eventually("the usage is counted", async || {
            let page: Value = api.get("/v1/account/usage").await.json();
            (page["totals"]["credits"] == total).then_some(page)
        })
        .await;
        assert_eq!(
            page["totals"],
            json!({
                "calls": served + 5,
                "credits": total,
                "operations": [
                    {"operation": "normal_meme", "calls": served, "credits": served},
                    {"operation": "captioned_meme", "calls": 4, "credits": 4},
                    {"operation": "generation", "calls": 1, "credits": paid},
                ],
            })
        );
    })
    .await;
}
