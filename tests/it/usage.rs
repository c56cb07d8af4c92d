//! Usage: counted once, whatever comes twice, late or out of order.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use clock::{SystemClock, Timestamp};
use entitlements::Plan;
use ids::{ClientId, LeaseId, Mint};
use ledger::{Evidence as _, Operation, Source, Spending, UsageEvent, Use};
use maas_aws::Core;
use serde_json::json;
use support::{Bench, Stack, StackOptions};
use usage_settle::{Context, handle};

const HOUR_MS: i64 = 3_600_000;

/// The beginning of an hour.
const START_MS: i64 = 1_767_225_600_000;

struct Counter {
    core: Core,
    context: Context,
    mint: Mint,
    bench: Bench,
}

impl Counter {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let core = Core::new(bench.aws.clone(), SystemClock::shared()).unwrap();
        let context = Context::new(&core);
        Self { core, context, mint: Mint::seeded([4; 32]), bench }
    }

    /// Hands messages to the function, and says which of them come again.
    async fn send(&self, bodies: &[String]) -> Vec<String> {
        let mut batch = SqsEvent::default();
        for (number, body) in bodies.iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(number.to_string());
            message.body = Some(body.clone());
            batch.records.push(message);
        }
        let SqsBatchResponse { batch_item_failures, .. } = handle(&self.context, batch).await;
        batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// What is counted, hour by hour.
    async fn hours(&self, client: ClientId) -> Vec<(i64, Spending)> {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let (from, to) = (at(START_MS), at(START_MS + 24 * HOUR_MS));
        let hours = self.core.aws.usage().hours(client, from, to, 100).await.unwrap();
        hours
            .into_iter()
            .map(|hour| ((hour.begins.as_millisecond() - START_MS) / HOUR_MS, hour.spending))
            .collect()
    }
}

fn spent(calls: u64, credits: u64) -> Spending {
    [(Operation::AiMeme, Use { calls, credits })].into_iter().collect()
}

fn event(client_id: ClientId, lease: LeaseId, spending: Spending, at_ms: i64) -> UsageEvent {
    UsageEvent { client_id, source: Source::Lease(lease), escrow: None, spending, at_ms }
}

fn message(events: &[UsageEvent]) -> String {
    serde_json::to_string(events).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_twice_late_or_out_of_order_is_counted_once() {
    let it = Counter::start().await;
    let (client, lease, other) = (it.mint.mint(1), it.mint.mint(2), it.mint.mint(3));
    let early = event(client, lease, spent(2, 4), START_MS);
    let later = event(client, lease, spent(5, 10), START_MS + HOUR_MS);
    let another = event(client, other, spent(1, 2), START_MS + 2 * HOUR_MS);

    assert!(it.send(&[message(std::slice::from_ref(&early))]).await.is_empty());
    assert_eq!(it.hours(client).await, [(0, spent(2, 4))]);
    // Both in one message, the older one last; and the message twice.
    let both = message(&[later.clone(), another, early.clone()]);
    assert!(it.send(&[both.clone(), both]).await.is_empty());
    let counted = [(0, spent(2, 4)), (1, spent(3, 6)), (2, spent(1, 2))];
    assert_eq!(it.hours(client).await, counted);
    // And again, one by one.
    for event in [early, later] {
        assert!(it.send(&[message(&[event])]).await.is_empty());
    }
    assert_eq!(it.hours(client).await, counted);

    let usage = it.core.aws.usage();
    assert_eq!(usage.spent_from(client, lease, None).await, Ok(Some(10)));
    assert_eq!(usage.spent_from(client, it.mint.mint(9), None).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lent_out_of_an_escrow_counts_as_spent_from_it() {
    let it = Counter::start().await;
    let (client, escrow) = (it.mint.mint(1), it.mint.mint(2));
    let lent: Vec<_> = (1..4)
        .map(|calls| UsageEvent {
            escrow: Some(escrow),
            ..event(client, it.mint.mint(3), spent(calls, calls), START_MS)
        })
        .collect();
    let Source::Lease(first) = lent[0].source else { unreachable!("a lease was made") };
    let beside = event(client, it.mint.mint(2), spent(50, 50), START_MS);
    assert!(it.send(&[message(&lent), message(&[beside])]).await.is_empty());
    let usage = it.core.aws.usage();
    assert_eq!(usage.spent_from(client, escrow, None).await, Ok(Some(6)));
    assert_eq!(usage.spent_from(client, first, Some(escrow)).await, Ok(Some(1)));
    assert_eq!(it.hours(client).await, [(0, spent(56, 56))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_functions_that_count_the_same_count_it_once() {
    let it = std::sync::Arc::new(Counter::start().await);
    let client = it.mint.mint(1);
    let leases: Vec<LeaseId> = (0..60).map(|_| it.mint.mint(2)).collect();
    let events: Vec<_> =
        leases.iter().map(|lease| event(client, *lease, spent(1, 2), START_MS)).collect();
    let mut functions = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (it, body) = (std::sync::Arc::clone(&it), message(&events));
        functions.spawn(async move {
            // A function that lost to the others is called again, as SQS does.
            while !it.send(std::slice::from_ref(&body)).await.is_empty() {}
        });
    }
    functions.join_all().await;
    assert_eq!(it.hours(client).await, [(0, spent(60, 120))]);
}

/// More clients than one transaction takes, each with two leases in two hours, told in three events
/// a lease.
#[tokio::test(flavor = "multi_thread")]
async fn what_many_clients_used_is_counted_together_as_it_is_one_by_one() {
    let it = Counter::start().await;
    let mut events = Vec::new();
    let clients: Vec<ClientId> = (0..40).map(|_| it.mint.mint(1)).collect();
    for calls in 1..=3 {
        for (number, client) in (1..).zip(&clients) {
            let lease = |other: i64| -> LeaseId { Mint::seeded([5; 32]).mint(number * 2 + other) };
            events.push(event(*client, lease(0), spent(calls, 2 * calls), START_MS));
            events.push(event(
                *client,
                lease(1),
                spent(1, number.unsigned_abs()),
                START_MS + HOUR_MS,
            ));
        }
    }
    let (together, one_by_one) = clients.split_at(30);
    let of = |clients: &[ClientId]| -> Vec<UsageEvent> {
        events.iter().filter(|event| clients.contains(&event.client_id)).cloned().collect()
    };
    assert!(it.send(&[message(&of(together))]).await.is_empty());
    for event in of(one_by_one) {
        assert!(it.send(&[message(&[event])]).await.is_empty());
    }
    // All of it once more, together with what was not told of yet.
    let new = it.mint.mint(1);
    let more = event(new, it.mint.mint(2), spent(9, 9), START_MS);
    assert!(it.send(&[message(&events), message(&[more])]).await.is_empty());
    for (number, client) in (1..).zip(&clients) {
        assert_eq!(it.hours(*client).await, [(0, spent(3, 6)), (1, spent(1, number))]);
    }
    assert_eq!(it.hours(new).await, [(0, spent(9, 9))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_counted_holds_up_nobody_who_shares_its_transaction() {
    let it = Counter::start().await;
    let clients: [ClientId; 3] = [it.mint.mint(1), it.mint.mint(1), it.mint.mint(1)];
    let leases: [LeaseId; 3] = [it.mint.mint(2), it.mint.mint(2), it.mint.mint(2)];
    // What is remembered of the second client's lease is nothing that this version writes.
    it.bench
        .aws
        .dynamodb()
        .put_item()
        .table_name("memes-test-usage")
        .item("client_id", AttributeValue::S(clients[1].to_string()))
        .item("sk", AttributeValue::S(format!("SOURCE#{}", leases[1])))
        .item("spending", AttributeValue::S("much".to_owned()))
        .send()
        .await
        .unwrap();
    let bodies: Vec<String> = clients
        .iter()
        .zip(leases)
        .map(|(client, lease)| message(&[event(*client, lease, spent(1, 2), START_MS)]))
        .collect();
    assert_eq!(it.send(&bodies).await, ["1"]);
    for (client, counted) in clients.iter().zip([true, false, true]) {
        let expected = if counted { vec![(0, spent(1, 2))] } else { Vec::new() };
        assert_eq!(it.hours(*client).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_comes_again_and_takes_no_other_with_it() {
    let it = Counter::start().await;
    let (client, lease) = (it.mint.mint(1), it.mint.mint(2));
    let good = event(client, lease, spent(1, 2), START_MS);
    let with = |name: &str, value| {
        let mut event = serde_json::to_value(&good).unwrap();
        event[name] = value;
        json!([event]).to_string()
    };
    let bodies = [
        "no JSON".to_owned(),
        message(std::slice::from_ref(&good)),
        with("client_id", json!("cl_nobody")),
        with("spending", json!({"ai_meme": {"calls": -1, "credits": 2}})),
        with("spending", json!({"tea": {"calls": 1, "credits": 2}})),
        with("more", json!(1)),
        "{}".to_owned(),
        "[]".to_owned(),
    ];
    assert_eq!(it.send(&bodies).await, ["0", "2", "3", "4", "5", "6"]);
    assert_eq!(it.hours(client).await, [(0, spent(1, 2))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_goes_by_way_of_kafka_is_counted_too() {
    let broker = support::kafka(&["memes-local-usage", "memes-local-usage-dead"]);
    let options = StackOptions { kafka_servers: Some(broker.servers()), ..StackOptions::default() };
    // When it is over, the stack compares usage and ledger.
    Stack::run_with(options, async |stack| {
        let clients =
            [stack.client(Plan::Pro, false, 50).await, stack.client(Plan::Scale, true, 50).await];
        for api in &clients {
            for _ in 0..9 {
                assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_usage_and_the_ledger_agree_by_what_was_asked() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 1_000).await;
        let client = api.client.unwrap();
        for _ in 0..7 {
            assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
        }
        let meme = json!({"template": "two-buttons", "captions": ["Count", "Guess"]});
        for _ in 0..3 {
            assert_eq!(api.post("/v1/memes", meme.clone()).await.status, 201);
        }
        let accepted = api.post("/v1/generations", json!({"prompt": "a cat at sea"})).await;
        let job = api.finished(accepted.header("location")).await;
        let paid = job["credits"]["spent"].as_u64().unwrap();
        assert!(paid > 0, "{job}");

        let settled = stack.settled(client).await;
        assert_eq!(settled.accounts.spent, 10 + paid);
        let used = support::eventually("the usage is counted", async || {
            let used = stack.used(client).await;
            (used.credits() == 10 + paid).then_some(used)
        })
        .await;
        let of = |operation| used.of(operation);
        assert_eq!(of(Operation::NormalMeme), Use { calls: 7, credits: 7 });
        assert_eq!(of(Operation::CaptionedMeme), Use { calls: 3, credits: 3 });
        assert_eq!(of(Operation::Generation), Use { calls: 1, credits: paid });
        assert_eq!(of(Operation::AiMeme), Use::default());
    })
    .await;
}
