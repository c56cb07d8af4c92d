//! Two Regions: a client at home in one calls in the other, and moves there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entitlements::Plan;
use ids::{ClientId, JobId};
use ledger::{
    Balance, Branch, EscrowPolicy, GrantRequest, GrantSource, HoldRequest, LeaseRequest, Ledger,
    LedgerError, Lender, Movable, Region, Settlement, invariants,
};
use maas_aws::relocation::{Drained, Relocation, RelocationError};
use maas_aws::{Core, DynamoLedger, schema};
use serde_json::{Value, json};
use support::{Api, Link, Stack, StackOptions, eventually};

const HOME: &str = "us-east-1";
const ABROAD: &str = "eu-west-1";

/// A stage in two Regions, and the ways between them.
struct Stage<'a> {
    home: &'a Stack,
    abroad: &'a Stack,
    /// The way from abroad to the home's DynamoDB.
    to_home: &'a Link,
}

/// Runs a test against a stage in two Regions.
async fn two_regions(test: impl AsyncFnOnce(Stage<'_>)) {
    let (to_home, to_abroad) = (Link::new().await, Link::new().await);
    let options = |region: &str, other: &str, link: &Link| StackOptions {
        region: Some(region.to_owned()),
        other_regions: BTreeMap::from([(other.to_owned(), link.url())]),
        ..StackOptions::default()
    };
    Stack::run_with(options(HOME, ABROAD, &to_abroad), async |home| {
        to_home.lead_to(dynamodb(home));
        Stack::run_with(options(ABROAD, HOME, &to_home), async |abroad| {
            to_abroad.lead_to(dynamodb(abroad));
            test(Stage { home, abroad, to_home: &to_home }).await;
        })
        .await;
    })
    .await;
}

fn core(stack: &Stack) -> &Core {
    &stack.platform().core
}

fn dynamodb(stack: &Stack) -> &str {
    &core(stack).aws.config().endpoints.as_ref().unwrap().dynamodb
}

impl Stage<'_> {
    /// A new client that is at home where home is and known abroad: its callers there and abroad.
    async fn client(&self, credits: u64) -> (ClientId, Api, Api) {
        let (client, secret) = self.home.register(Plan::Scale, true, credits).await;
        // What it spends is looked at by the tests themselves: it is told of in two Regions.
        self.home.forget(client);
        self.replicate(client).await;
        let id = client.to_string();
        let home = self.home.anonymous().log_in(&id, &secret).await;
        let abroad = self.abroad.anonymous().log_in(&id, &secret).await;
        (client, home, abroad)
    }

    /// Does what a global table does by itself: what the home wrote of a client is there abroad.
    async fn replicate(&self, client: ClientId) {
        let (home, abroad) = (core(self.home), core(self.abroad));
        let table = home.aws.config().table(schema::CLIENTS);
        let items = home.aws.dynamodb().query().table_name(&table);
        let items = items
            .key_condition_expression("client_id = :client")
            .expression_attribute_values(
                ":client",
                aws_sdk_dynamodb::types::AttributeValue::S(client.to_string()),
            )
            .consistent_read(true);
        for item in items.send().await.unwrap().items.unwrap() {
            let put = abroad.aws.dynamodb().put_item().table_name(&table).set_item(Some(item));
            put.send().await.unwrap();
        }
    }

    /// Has everything that Region `there` holds of a client at home in `home` given back.
    async fn come_in(&self, client: ClientId, there: &Stack, home: &Stack) -> Balance {
        let it = core(there);
        let ledger = Arc::new(core(home).aws.ledger());
        let branch = Branch::new(
            Arc::clone(&ledger),
            Arc::new(it.aws.stock()),
            Arc::clone(&it.clock),
            Arc::clone(&it.mint),
            EscrowPolicy::remote(),
        );
        eventually("nothing is out", async || {
            there.platform().meter.holder().drain().await;
            branch.give_back(client).await.unwrap();
            let balance = home.settled(client).await;
            (balance.accounts.leased == 0).then_some(balance)
        })
        .await
    }
}

/// Calls until `over` says so, and counts what was served.
async fn call(api: Api, over: Arc<AtomicBool>, served: Arc<AtomicU64>) {
    while !over.load(Ordering::Relaxed) {
        let reply = api.get("/v1/memes?tier=normal").await;
        match reply.status {
            200 => {
                served.fetch_add(1, Ordering::Relaxed);
            }
            429 => {}
            503 => {
                reply.problem(503, "overloaded");
                assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => panic!("{other}: {reply:?}"),
        }
    }
}

/// Makes all calls that are served, and says how many those were and what ended it.
async fn call_to_the_end(api: &Api) -> (u64, u16) {
    let mut served = 0;
    loop {
        match api.get("/v1/memes?tier=normal").await.status {
            200 => served += 1,
            429 => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return (served, other),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escrow_carries_a_region_while_the_home_of_its_client_is_gone() {
    two_regions(async |stage| {
        let (client, _, api) = stage.client(1_000).await;
        assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
        let kept = json!({"template": "two-buttons", "captions": ["One", "Two"]});
        assert_eq!(api.post("/v1/memes", kept).await.status, 201);
        let mut served = 2;
        // One eighth of what there is.
        assert_eq!(stage.home.balance(client).await.accounts.leased, 125);
        // What is shown is what home has.
        let account: Value = api.get("/v1/account").await.json();
        assert_eq!(
            (&account["balance"]["granted"], &account["balance"]["leased"]),
            (&json!(1_000), &json!(125))
        );
        eventually("the entry of the escrow is listed", async || {
            let entries: Value = api.get("/v1/account/ledger").await.json();
            (entries["data"][0]["kind"] == "lease").then_some(())
        })
        .await;

        stage.to_home.cut();
        let (more, end) = call_to_the_end(&api).await;
        served += more;
        assert_eq!((served, end), (125, 503), "the escrow is for 125 calls, and none is free");
        assert_eq!(api.get("/v1/account").await.status, 503);

        stage.to_home.lead_to(dynamodb(stage.home));
        eventually("home is asked again", async || {
            let reply = api.get("/v1/memes?tier=normal").await;
            (reply.status == 200).then(|| served += 1)
        })
        .await;
        let balance = stage.come_in(client, stage.abroad, stage.home).await;
        assert_eq!((balance.accounts.spent, balance.accounts.leased), (served, 0));
        // And the last credit is usable abroad too.
        let (more, end) = call_to_the_end(&api).await;
        assert_eq!((served + more, end), (1_000, 402));
        let balance = stage.come_in(client, stage.abroad, stage.home).await;
        assert_eq!((balance.accounts.spent, balance.accounts.available), (1_000, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_made_at_home_only() {
    two_regions(async |stage| {
        let (client, home, abroad) = stage.client(100).await;
        let wanted = json!({"prompt": "a cat that moves house"});
        let problem = abroad.post("/v1/generations", wanted.clone()).await.problem(409, "conflict");
        assert_eq!(problem["home"], HOME, "{problem}");
        assert_eq!(stage.home.balance(client).await.accounts.held, 0);
        assert_eq!(home.post("/v1/generations", wanted).await.status, 202);
    })
    .await;
}

/// Takes all steps of a move, each as often as `times` says.
async fn relocate(core: &Core, client: ClientId, to: &Region, times: u32) {
    let it = Relocation::prepare(core, client, to).await.unwrap().expect("it is not there yet");
    for _ in 0..times {
        it.fence().await.unwrap();
    }
    let gone = drained(&it).await;
    for _ in 0..times {
        assert_eq!(it.drain().await.unwrap(), Drained::Gone(gone.clone()));
        it.carry(&gone).await.unwrap();
    }
    for _ in 0..times {
        it.arrive(&gone).await.unwrap();
    }
    for _ in 0..times {
        it.announce().await.unwrap();
        it.tidy().await.unwrap();
    }
}

async fn drained(it: &Relocation) -> Balance {
    eventually("everything is back", async || match it.drain().await.unwrap() {
        Drained::Gone(gone) => Some(gone),
        Drained::Waits(_) => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_moves_while_it_calls_and_every_call_is_charged_once() {
    two_regions(async |stage| {
        let (client, at_home, abroad) = stage.client(1_000_000).await;
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let callers = [&at_home, &abroad, &at_home, &abroad]
            .map(|api| tokio::spawn(call(api.clone(), Arc::clone(&over), Arc::clone(&served))));
        let counted = || served.load(Ordering::Relaxed);
        eventually("calls are served", async || (counted() > 200).then_some(())).await;

        relocate(core(stage.home), client, &Region::new(ABROAD), 1).await;
        stage.replicate(client).await;
        let before = counted();
        eventually("calls are served again", async || (counted() > before + 200).then_some(()))
            .await;
        over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        // Where it was at home it has become one of those who are abroad.
        for api in [&at_home, &abroad] {
            eventually("it is served where it is not at home any more", async || {
                (api.get("/v1/memes?tier=normal").await.status == 200).then_some(())
            })
            .await;
        }
        let balance = stage.come_in(client, stage.home, stage.abroad).await;
        assert_eq!(invariants::violations(&balance, None), []);
        assert_eq!((balance.accounts.spent, balance.accounts.leased), (counted() + 2, 0));
        assert!(stage.home.balance(client).await.is_gone());
        eventually("the journal comes to the balance", async || {
            let journal = stage.abroad.journal(client).await;
            (journal.entries() == balance.seq).then(|| assert_eq!(journal.prove(&balance), Ok(())))
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_stops_after_any_step_is_finished_by_beginning_it_again() {
    two_regions(async |stage| {
        let (core, to) = (core(stage.home), Region::new(ABROAD));
        for stops_after in 0..=6 {
            let (client, _, _) = stage.client(50).await;
            let grant = GrantRequest {
                id: core.mint.mint(core.clock.now_ms()),
                credits: 7,
                expires_at_ms: core.clock.now_ms() + 86_400_000,
                source: GrantSource::TopUp,
            };
            core.ledger.grant(client, grant.clone(), core.stamp()).await.unwrap();
            let job: JobId = core.mint.mint(core.clock.now_ms());
            let hold = HoldRequest { id: job, credits: 5 };
            core.ledger.hold(client, hold, core.stamp()).await.unwrap();
            core.ledger.resolve(client, job, 3, core.stamp()).await.unwrap();
            let before = stage.home.balance(client).await;

            stop_after(stops_after, core, client, &to).await;
            match Relocation::prepare(core, client, &to).await.unwrap() {
                Some(_) => relocate(core, client, &to, 2).await,
                None => assert!(stops_after >= 5, "the profile was changed after {stops_after}"),
            }
            Relocation::tidy_all(core, client).await.unwrap();

            let ledger = core.aws.in_region(&to).unwrap().ledger();
            let moved = ledger.balance(client).await.unwrap();
            let was = |it: &Balance| (it.granted, it.accounts, it.grants.clone());
            assert_eq!((was(&moved), moved.moving.clone()), (was(&before), None));
            // Fenced, gone, open: three entries, however often the steps were taken.
            assert_eq!(moved.seq, before.seq + 3, "stopped after {stops_after}");
            assert!(stage.home.balance(client).await.is_gone());
            let record = core.aws.clients().find(client).await.unwrap().unwrap();
            assert_eq!(record.profile.home, ABROAD);
            ledger.grant(client, grant, core.stamp()).await.unwrap();
            ledger.resolve(client, job, 3, core.stamp()).await.unwrap();
            assert_eq!(was(&ledger.balance(client).await.unwrap()), was(&before));
        }
    })
    .await;
}

/// Begins a move and takes its first `steps`, as a process does that is killed then.
async fn stop_after(steps: u32, core: &Core, client: ClientId, to: &Region) {
    let it = Relocation::prepare(core, client, to).await.unwrap().unwrap();
    if steps >= 1 {
        it.fence().await.unwrap();
    }
    if steps < 2 {
        return;
    }
    let gone = drained(&it).await;
    if steps >= 3 {
        it.carry(&gone).await.unwrap();
    }
    if steps >= 4 {
        it.arrive(&gone).await.unwrap();
    }
    if steps >= 5 {
        it.announce().await.unwrap();
    }
    if steps >= 6 {
        it.tidy().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_can_be_given_up_until_the_balance_is_gone() {
    two_regions(async |stage| {
        let (client, at_home, abroad) = stage.client(100).await;
        let (core, to) = (core(stage.home), Region::new(ABROAD));
        assert_eq!(abroad.get("/v1/memes?tier=normal").await.status, 200);
        let it = Relocation::prepare(core, client, &to).await.unwrap().unwrap();
        it.fence().await.unwrap();
        let (_, end) = call_to_the_end(&abroad).await;
        assert_eq!(end, 503, "what was leased is used up, and nothing is free");
        assert_eq!(at_home.get("/v1/memes?tier=normal").await.status, 503);
        it.abandon().await.unwrap();
        for api in [&at_home, &abroad] {
            eventually("calls are served again", async || {
                (api.get("/v1/memes?tier=normal").await.status == 200).then_some(())
            })
            .await;
        }
        assert!(matches!(it.drain().await, Err(RelocationError::GivenUp)));

        it.fence().await.unwrap();
        let gone = drained(&it).await;
        let late = it.abandon().await;
        assert!(matches!(late, Err(RelocationError::TooLate { .. })), "{late:?}");
        it.arrive(&gone).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_remembers_the_balance_before_the_fence_lends_nothing() {
    two_regions(async |stage| {
        let (client, _, _) = stage.client(100).await;
        let core = core(stage.home);
        let old: DynamoLedger = core.aws.ledger();
        let lease = |settle| LeaseRequest {
            id: core.mint.mint(core.clock.now_ms()),
            renews: false,
            need: 1,
            want: 1,
            share: 1,
            ttl_ms: 30_000,
            window_ms: 30_000,
            settle,
        };
        // This is how it comes to remember.
        let first = lease(Vec::new());
        assert_eq!(old.lease(client, first.clone(), core.stamp()).await.unwrap().credits, 1);
        core.ledger.fence(client, &Region::new(ABROAD), core.stamp()).await.unwrap();
        let refused = old.lease(client, lease(Vec::new()), core.stamp()).await;
        assert_eq!(refused.map(drop), Err(LedgerError::Moving { to: Region::new(ABROAD) }));
        let report = Settlement { lease: first.id, escrow: None, used: 1, close: true };
        old.settle(client, vec![report], core.stamp()).await.unwrap();
        assert_eq!(stage.home.balance(client).await.accounts.spent, 1);
        core.ledger.unfence(client, core.stamp()).await.unwrap();
    })
    .await;
}
