//! The journal: every entry is appended once, and what was tampered with is found.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_sdk_dynamodb::types::AttributeValue;
use clock::{ManualClock, Timestamp};
use entitlements::Plan;
use ids::ClientId;
use journal_append::{Context, handle};
use journal_prove::Summary;
use ledger::{
    GrantRequest, GrantSource, JournalError, LeaseRequest, Ledger, Lender, Settlement, Stamp,
};
use maas_aws::Core;
use maas_aws::audit::{Auditor, Extent, Proof};
use serde_json::json;
use support::{Bench, Stack};

const NOW_MS: i64 = 1_767_225_600_000;

struct Books {
    core: Core,
    append: Context,
    prove: journal_prove::Context,
    clock: std::sync::Arc<ManualClock>,
    bench: Bench,
}

impl Books {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let clock = ManualClock::at(Timestamp::from_millisecond(NOW_MS).unwrap());
        let core = Core::new(bench.aws.clone(), clock.clone()).unwrap();
        let (append, prove) = (Context::new(&core), journal_prove::Context::new(&core));
        Self { core, append, prove, clock, bench }
    }

    fn stamp(&self) -> Stamp {
        self.core.stamp()
    }

    /// A client with so many entries: a grant, and leases of which each settles the one before.
    async fn client(&self, entries: u64) -> ClientId {
        let client = self.core.mint.mint(NOW_MS);
        let ledger = &self.core.ledger;
        ledger.open(client).await.unwrap();
        let grant = GrantRequest {
            id: self.core.mint.mint(NOW_MS),
            credits: 1_000,
            expires_at_ms: NOW_MS + 86_400_000,
            source: GrantSource::TopUp,
        };
        ledger.grant(client, grant, self.stamp()).await.unwrap();
        let mut settle = Vec::new();
        for used in 1..entries {
            let id = self.core.mint.mint(NOW_MS);
            let request = LeaseRequest {
                id,
                renews: false,
                need: 1,
                want: 20,
                share: 1,
                ttl_ms: 30_000,
                window_ms: 30_000,
                settle: std::mem::take(&mut settle),
            };
            ledger.lease(client, request, self.stamp()).await.unwrap();
            settle.push(Settlement { lease: id, escrow: None, used: used % 20, close: true });
        }
        client
    }

    /// All that the stream has.
    async fn records(&self) -> Vec<EventRecord> {
        self.bench.streams().read("memes-test-ledger", None, 1_000).await.unwrap()
    }

    /// Hands records to the function, and says how many of them come again.
    async fn send(&self, records: Vec<EventRecord>) -> usize {
        let mut event = Event::default();
        event.records = records;
        handle(&self.append, event).await.batch_item_failures.len()
    }

    async fn places(&self, client: ClientId) -> Vec<u64> {
        let postings = self.core.aws.journal().following(client, 0, 1_000).await.unwrap();
        postings.iter().map(|posting| posting.seq).collect()
    }

    async fn audit(&self, client: ClientId) -> Proof {
        let auditor = Auditor::new(self.core.ledger.clone(), self.core.aws.journal());
        let kept = self.core.ledger.kept(client).await.unwrap().unwrap();
        let now_ms = self.core.clock.now_ms();
        auditor.audit(kept, Extent::Whole, now_ms, &|_| {}).await.unwrap()
    }

    /// Sets one attribute of a client's item.
    async fn tamper(&self, table: &str, client: ClientId, at: &str, attribute: &str, to: u64) {
        let sort = match at.parse::<u64>() {
            Ok(seq) => ("seq", AttributeValue::N(seq.to_string())),
            Err(_) => ("sk", AttributeValue::S(at.to_owned())),
        };
        self.bench
            .aws
            .dynamodb()
            .update_item()
            .table_name(format!("memes-test-{table}"))
            .key("client_id", AttributeValue::S(client.to_string()))
            .key(sort.0, sort.1)
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", attribute)
            .expression_attribute_values(":value", AttributeValue::N(to.to_string()))
            .send()
            .await
            .unwrap();
    }

    async fn remove(&self, client: ClientId, seq: u64) {
        self.bench
            .aws
            .dynamodb()
            .delete_item()
            .table_name("memes-test-journal")
            .key("client_id", AttributeValue::S(client.to_string()))
            .key("seq", AttributeValue::N(seq.to_string()))
            .send()
            .await
            .unwrap();
    }

    async fn prove(&self) -> Summary {
        journal_prove::handle(&self.prove).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_appended_once_however_often_it_comes() {
    let it = Books::start().await;
    let (one, two) = (it.client(6).await, it.client(3).await);
    let records = it.records().await;
    // In batches, of which each comes twice; and then everything again.
    for batch in records.chunks(4) {
        for _ in 0..2 {
            assert_eq!(it.send(batch.to_vec()).await, 0);
        }
    }
    assert_eq!(it.send(records).await, 0);
    assert_eq!(it.places(one).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(it.places(two).await, [1, 2, 3]);
    assert_eq!(it.audit(one).await, Proof::Proven { entries: 6 });
    let summary = it.prove().await;
    assert_eq!(summary, Summary { proven: 2, ..Summary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_waits_for_the_one_before_it_and_holds_up_nobody_else() {
    let it = Books::start().await;
    let (one, two) = (it.client(5).await, it.client(2).await);
    let mut rest = it.records().await;
    // The first client's third entry is late.
    let is_third = |record: &EventRecord| {
        let [client, seq] = ["client_id", "seq"].map(|name| record.change.new_image.get(name));
        client == Some(&serde_dynamo::AttributeValue::S(one.to_string()))
            && seq == Some(&serde_dynamo::AttributeValue::N("3".to_owned()))
    };
    let late = rest.remove(rest.iter().position(is_third).unwrap());
    assert_eq!(it.send(rest.clone()).await, 2);
    assert_eq!(it.places(one).await, [1, 2]);
    assert_eq!(it.places(two).await, [1, 2]);
    assert_eq!(it.send(vec![late]).await, 0);
    assert_eq!(it.send(rest).await, 0);
    assert_eq!(it.places(one).await, [1, 2, 3, 4, 5]);
}

/// Both colours read the stream, now the one ahead and now the other; each knows its own part.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_take_turns_append_every_entry_once() {
    let it = Books::start().await;
    let client = it.client(9).await;
    let records = it.records().await;
    let (opened, entries) = records.split_at(records.len() - 9);
    assert_eq!(it.send(opened.to_vec()).await, 0);
    let other = Context::new(&it.core);
    for (function, part) in
        [(&it.append, 0..3), (&other, 0..5), (&it.append, 2..6), (&other, 6..8), (&it.append, 0..9)]
    {
        let mut event = Event::default();
        event.records = entries[part].to_vec();
        assert!(handle(function, event).await.batch_item_failures.is_empty());
    }
    assert_eq!(it.places(client).await, (1..=9).collect::<Vec<_>>());
    assert_eq!(it.audit(client).await, Proof::Proven { entries: 9 });
}

/// Entries are never taken away, so that a function does not look for what it has appended itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_remembers_what_it_has_appended() {
    let it = Books::start().await;
    let client = it.client(4).await;
    let mut records = it.records().await;
    let last = records.pop().unwrap();
    assert_eq!(it.send(records).await, 0);
    it.remove(client, 3).await;
    let mut event = Event::default();
    event.records = vec![last.clone()];
    let another = Context::new(&it.core);
    assert_eq!(handle(&another, event).await.batch_item_failures.len(), 1, "it has to look");
    assert_eq!(it.send(vec![last]).await, 0);
    assert_eq!(it.places(client).await, [1, 2, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_add_up_is_not_appended() {
    let it = Books::start().await;
    let client = it.client(3).await;
    let mut records = it.records().await;
    let image = &mut records.last_mut().unwrap().change.new_image;
    image.insert("spent".to_owned(), serde_dynamo::AttributeValue::N("7".to_owned()));
    assert_eq!(it.send(records.clone()).await, 1);
    assert_eq!(it.places(client).await, [1, 2]);
    // The true one takes its place, and then a false one does not.
    assert_eq!(it.send(it.records().await).await, 0);
    assert_eq!(it.send(vec![records.pop().unwrap()]).await, 1);
    assert_eq!(it.audit(client).await, Proof::Proven { entries: 3 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_was_tampered_with_is_found() {
    let it = Books::start().await;
    let (client, honest) = (it.client(3).await, it.client(3).await);
    assert_eq!(it.send(it.records().await).await, 0);
    assert!(it.prove().await.broken.is_empty());
    let before = it.core.ledger.balance(client).await.unwrap().accounts.available;
    it.tamper("ledger", client, "BALANCE", "available", before + 5).await;
    assert_eq!(it.prove().await.broken, [client]);
    let sum = JournalError::Sum {
        seq: 3,
        name: "available",
        entries: i128::from(before),
        kept: before + 5,
    };
    assert_eq!(it.audit(client).await, Proof::Broken(sum));
    it.tamper("ledger", client, "BALANCE", "available", before).await;
    assert!(it.prove().await.broken.is_empty());
    // One that was set back to an earlier entry.
    it.tamper("ledger", client, "BALANCE", "seq", 2).await;
    assert_eq!(it.prove().await.broken, [client]);
    assert_eq!(
        it.audit(client).await,
        Proof::Broken(JournalError::Ahead { journal: 3, balance: 2 })
    );
    assert_eq!(it.audit(honest).await, Proof::Proven { entries: 3 });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_tampered_with_removed_or_doubled_is_found() {
    let it = Books::start().await;
    let [altered, without, doubled, last] =
        [it.client(4).await, it.client(4).await, it.client(4).await, it.client(4).await];
    assert_eq!(it.send(it.records().await).await, 0);
    assert_eq!(it.prove().await.proven, 4);

    it.tamper("journal", altered, "2", "granted", 1_001).await;
    it.remove(without, 2).await;
    let journal = it.core.aws.journal();
    let mut copy = journal.find(doubled, 4).await.unwrap().unwrap();
    copy.seq = 5;
    journal.append(&copy).await.unwrap();
    let mut broken = it.prove().await.broken;
    broken.sort_unstable();
    let mut expected = vec![altered, without, doubled];
    expected.sort_unstable();
    assert_eq!(broken, expected);
    assert!(matches!(
        it.audit(altered).await,
        Proof::Broken(JournalError::Sum { seq: 2, name: "granted", .. })
    ));
    assert_eq!(it.audit(without).await, Proof::Broken(JournalError::Missing { seq: 2, next: 3 }));
    assert_eq!(
        it.audit(doubled).await,
        Proof::Broken(JournalError::Ahead { journal: 5, balance: 4 })
    );

    // The newest may be on its way, but not for long.
    it.remove(last, 4).await;
    assert_eq!(it.audit(last).await, Proof::Pending);
    assert_eq!(it.prove().await.pending, 1);
    it.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(it.audit(last).await, Proof::Broken(JournalError::Missing { seq: 4, next: 4 }));
    assert_eq!(it.prove().await.broken.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_may_begin_with_balances_that_are_older() {
    let it = Books::start().await;
    let client = it.client(3).await;
    let before = it.records().await.len();
    assert_eq!(it.core.aws.journal().begin(&it.core.ledger).await.unwrap(), 1);
    let request = GrantRequest {
        id: it.core.mint.mint(NOW_MS),
        credits: 5,
        expires_at_ms: NOW_MS + 86_400_000,
        source: GrantSource::Promotion,
    };
    it.core.ledger.grant(client, request, it.stamp()).await.unwrap();
    assert_eq!(it.send(it.records().await.split_off(before)).await, 0);
    assert_eq!(it.places(client).await, [3, 4]);
    assert_eq!(it.audit(client).await, Proof::Proven { entries: 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_appends_what_its_calls_change() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Scale, true, 500).await;
        for _ in 0..5 {
            assert_eq!(api.get("/v1/memes?tier=normal").await.status, 200);
        }
        let accepted = api.post("/v1/generations", json!({"prompt": "a cat at sea"})).await;
        api.finished(accepted.header("location")).await;
        let client = api.client.unwrap();
        let settled = stack.settled(client).await;
        // That it comes to the balance is looked at when every test is over.
        support::eventually("the journal is there", async || {
            (stack.journal(client).await.entries() >= settled.seq).then_some(())
        })
        .await;
    })
    .await;
}

/// What was not appended when the service was killed is appended when it starts again, and what was
/// is left as it is; the operator's command reads it all.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_and_a_restart_leave_no_gap() {
    use serde_json::Value;
    use support::{Api, Process};

    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let client =
        process.memes(&["client", "create", "--name", "n", "--plan", "pro", "--credits", "100"]);
    let id = client["client_id"].as_str().unwrap();
    let call = async |process: &Process| {
        let secret = client["client_secret"].as_str().unwrap();
        let api = Api::anonymous(process.base_url()).log_in(id, secret).await;
        for _ in 0..5 {
            assert_eq!(api.get("/v1/memes").await.status, 200);
        }
    };
    call(&process).await;
    process.kill();
    let process = Process::start(folder.path());
    call(&process).await;
    process.stop();
    let process = Process::start(folder.path());
    let verified: Value = support::eventually("the journal is there", async || {
        let verified = process.memes(&["ledger", "verify", id]);
        verified["pending"].as_array().unwrap().is_empty().then_some(verified)
    })
    .await;
    assert_eq!((&verified["clients"], &verified["violations"]), (&json!(1), &json!([])));
    assert!(verified["entries"].as_u64().unwrap() >= 4, "{verified}");
    let all = process.memes(&["ledger", "verify"]);
    assert_eq!(all["clients"], 5, "the demo clients are looked at too: {all}");
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_made_without_a_stream_gets_one() {
    use maas_aws::schema::{LEDGER, Table};

    let bench = Bench::start().await;
    let dynamodb = bench.aws.dynamodb();
    Table { stream: false, ..LEDGER }.create(&dynamodb, "older").await.unwrap();
    assert!(LEDGER.start_stream(&dynamodb, "older").await.unwrap());
    assert!(!LEDGER.start_stream(&dynamodb, "older").await.unwrap());
    dynamodb
        .put_item()
        .table_name("memes-older-ledger")
        .item("client_id", AttributeValue::S("cl_1".to_owned()))
        .item("sk", AttributeValue::S("BALANCE".to_owned()))
        .send()
        .await
        .unwrap();
    let records = bench.streams().read("memes-older-ledger", None, 10).await.unwrap();
    assert_eq!(records.len(), 1);
}
