//! What it costs to count the credit of a call: from a lease, as here, and with a write per call.
//!
//! All subjects count calls of one client that has more than enough, one after the other and 64 at
//! once: a lease from the ledger on the embedded DynamoDB; the same shared through Valkey; a `DECR`
//! in Valkey for each call; a conditional update of one item of the embedded DynamoDB for each call.
//! The stores are processes and sockets of this machine: what a network adds is not measured.

#![allow(clippy::expect_used, reason = "a benchmark ends where it cannot measure")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use clock::SharedClock;
use entitlements::Plan;
use ids::ClientId;
use ledger::{Branch, EscrowPolicy, Holder, LeasePolicy, Lender, Operation};
use maas_aws::schema;
use maas_valkey::ValkeyLedger;
use maas_valkey::testing::Server;
use support::{Stack, StackOptions};
use tallies::MappedSlots;

/// Credits of each client: far more than are spent.
const CREDITS: u64 = 1_000_000_000;

/// Calls that are timed where one takes about a microsecond.
const FAST: usize = 1_000_000;

/// Calls that are timed where one takes a round trip.
const SLOW: usize = 10_000;

/// Callers at once, where there are many.
const CALLERS: usize = 64;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(Stack::run_with(StackOptions::default(), measure));
}

async fn measure(stack: &Stack) {
    let core = &stack.platform().core;
    let valkey = Server::start();
    say("per call                    at once        p50        p99      calls/s   ledger writes");

    for callers in [1, CALLERS] {
        let client = stack.client(Plan::Scale, false, CREDITS).await.client.expect("logged in");
        let home = Arc::clone(&core.ledger);
        leased(stack, "lease", home, LeasePolicy::default(), client, callers).await;

        let client = stack.client(Plan::Scale, false, CREDITS).await.client.expect("logged in");
        let policy = EscrowPolicy::shared();
        let leases = LeasePolicy { ttl: policy.lease_ttl, ..LeasePolicy::default() };
        let shared = ValkeyLedger::fenced(&valkey.url(), Duration::from_secs(1));
        let shared = Arc::new(shared.expect("an address"));
        let (home, clock) = (Arc::clone(&core.ledger), Arc::clone(&core.clock));
        let branch = Branch::new(home, shared, clock, Arc::clone(&core.mint), policy);
        let subject = "lease shared in Valkey";
        leased(stack, subject, Arc::new(branch.clone()), leases, client, callers).await;
        branch.give_back(client).await.expect("the escrow goes back");

        let server = redis::Client::open(valkey.url()).expect("an address");
        let link = server.get_multiplexed_async_connection().await.expect("Valkey answers");
        let times = timed(&core.clock, callers, SLOW, move || {
            let mut link = link.clone();
            async move {
                let left: i64 = redis::cmd("DECR")
                    .arg("credits")
                    .query_async(&mut link)
                    .await
                    .expect("Valkey counts");
                std::hint::black_box(left);
            }
        })
        .await;
        report("DECR in Valkey", callers, &times, "-");

        let counter = Counter::new(stack, client).await;
        let times = timed(&core.clock, callers, SLOW, move || {
            let counter = counter.clone();
            async move { counter.take_one().await }
        })
        .await;
        report("update in DynamoDB", callers, &times, &SLOW.to_string());
    }
}

/// Times calls that spend from leases of `lender`.
async fn leased<L: Lender>(
    stack: &Stack,
    subject: &str,
    lender: Arc<L>,
    policy: LeasePolicy,
    client: ClientId,
    callers: usize,
) {
    let core = &stack.platform().core;
    let seq = async || stack.balance(client).await.seq;
    let before = seq().await;
    let folder = stack.folder().join(format!("{client}"));
    let holder = Holder::new(lender, Arc::clone(&core.clock), Arc::clone(&core.mint), policy)
        .with_slots(Arc::new(MappedSlots::open(&folder).expect("slots can be mapped")))
        .with_sink(Arc::new(core.aws.usage_queue()));
    let holder = Arc::new(holder);
    let spending = Arc::clone(&holder);
    let times = timed(&core.clock, callers, FAST, move || {
        let holder = Arc::clone(&spending);
        async move {
            holder.spend(client, Operation::NormalMeme, 1).await.expect("there are enough");
        }
    })
    .await;
    holder.drain().await;
    report(subject, callers, &times, &(seq().await - before).to_string());
}

/// One item that holds a client's credits, and is updated for each call.
#[derive(Clone)]
struct Counter {
    client: aws_sdk_dynamodb::Client,
    table: String,
    id: ClientId,
}

impl Counter {
    async fn new(stack: &Stack, id: ClientId) -> Self {
        let aws = &stack.platform().core.aws;
        let it = Self { client: aws.dynamodb(), table: aws.config().table(schema::USAGE), id };
        it.client
            .put_item()
            .table_name(&it.table)
            .item("client_id", AttributeValue::S(id.to_string()))
            .item("sk", AttributeValue::S("COUNTER".to_owned()))
            .item("credits", AttributeValue::N(CREDITS.to_string()))
            .send()
            .await
            .expect("the item is made");
        it
    }

    async fn take_one(&self) {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("client_id", AttributeValue::S(self.id.to_string()))
            .key("sk", AttributeValue::S("COUNTER".to_owned()))
            .update_expression("SET credits = credits - :one")
            .condition_expression("credits >= :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .expect("there are enough");
    }
}

/// How long each of `calls` calls takes, made by so many callers at once, and all of them together.
async fn timed<F: Future<Output = ()> + Send>(
    clock: &SharedClock,
    callers: usize,
    calls: usize,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> (Vec<Duration>, Duration) {
    let from = clock.monotonic();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (clock, call) = (Arc::clone(clock), call.clone());
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(calls / callers);
            for _ in 0..calls / callers {
                let from = clock.monotonic();
                call().await;
                times.push(clock.monotonic() - from);
            }
            times
        });
    }
    let times = tasks.join_all().await.into_iter().flatten().collect();
    (times, clock.monotonic() - from)
}

fn report(what: &str, callers: usize, (times, wall): &(Vec<Duration>, Duration), writes: &str) {
    let mut sorted = times.clone();
    sorted.sort_unstable();
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let rate = times.len() as f64 / wall.as_secs_f64();
    say(&format!(
        "{what:<25} {callers:>9} {:>7.2} us {:>7.2} us {rate:>12.0} {writes:>15}",
        at(50),
        at(99)
    ));
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn say(line: &str) {
    println!("{line}");
}
