//! Credits, spent through the API: none sold twice, and the last one usable.

use std::time::Duration;

use entitlements::Plan;
use support::{Api, Stack};

/// Makes `calls` calls, at most `at_once` of them at a time, and counts the answers.
pub(crate) async fn storm(api: &Api, calls: usize, at_once: usize) -> (usize, usize) {
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..at_once {
        let api = api.clone();
        workers.spawn(async move {
            let (mut served, mut refused) = (0, 0);
            for _ in (worker..calls).step_by(at_once) {
                loop {
                    let reply = api.get("/v1/memes").await;
                    match reply.status {
                        200 => served += 1,
                        402 => refused += 1,
                        429 => {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                        other => panic!("{other}: {reply:?}"),
                    }
                    break;
                }
            }
            (served, refused)
        });
    }
    let counts = workers.join_all().await;
    counts.into_iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_2000_calls_exactly_as_many_are_served_as_were_bought() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, false, 1_000).await;
        assert_eq!(storm(&api, 2_000, 200).await, (1_000, 1_000));
        let settled = stack.settled(api.client.unwrap()).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (1_000, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_very_last_credit_is_usable_and_then_it_is_over() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, false, 3).await;
        for left in [2, 1, 0] {
            let reply = api.get("/v1/memes").await;
            assert_eq!((reply.status, reply.left().1), (200, left));
        }
        let reply = api.get("/v1/memes").await;
        let problem = reply.problem(402, "credits-exhausted");
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
        let returns_at = problem["credits_return_at"].as_str().expect("a paid plan grants again");
        assert!(problem["detail"].as_str().unwrap().contains(returns_at), "{problem}");
        assert_eq!(reply.left().1, 0);
        // Reading costs nothing, also for who has nothing.
        assert_eq!(api.get("/v1/account").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_nothing_is_told_how_to_get_more() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        let problem = api.get("/v1/memes").await.problem(402, "credits-exhausted");
        assert!(problem["detail"].as_str().unwrap().contains("Top up"), "{problem}");
        assert_eq!(problem["credits_needed"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_counts_at_once() {
    use ledger::{GrantRequest, GrantSource, Ledger};

    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        api.get("/v1/memes").await.problem(402, "credits-exhausted");
        let platform = stack.platform();
        let stamp = platform.core.stamp();
        let grant = GrantRequest {
            id: platform.core.mint.mint(stamp.at_ms),
            credits: 2,
            expires_at_ms: stamp.at_ms + 60_000,
            source: GrantSource::TopUp,
        };
        platform.core.ledger.grant(api.client.unwrap(), grant, stamp).await.unwrap();
        support::eventually("the top-up is spendable", async || {
            (api.get("/v1/memes").await.status == 200).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_with_one_credit_gets_a_normal_meme() {
    use support::{StackOptions, eventually};

    Stack::run_with(StackOptions { pool: true, ..StackOptions::default() }, async |stack| {
        let rich = stack.client(Plan::Pro, true, 100).await;
        eventually("the pool has a meme", async || {
            let meme: serde_json::Value = rich.get("/v1/memes").await.json();
            (meme["tier"] == "ai").then_some(())
        })
        .await;
        let poor = stack.client(Plan::Pro, true, 1).await;
        let meme: serde_json::Value = poor.get("/v1/memes").await.json();
        assert_eq!(meme["tier"], "normal", "{meme}");
        assert_eq!(meme["fallback"]["reason"], "no_credits");
    })
    .await;
}
