//! Usage events through a real client and a broker in a process of its own, which is killed, comes
//! back with and without its memory, and is given what nobody can read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::SystemClock;
use ids::{ClientId, LeaseId, Mint};
use ledger::invariants::violations;
use ledger::{
    GrantRequest, GrantSource, Holder, LeasePolicy, Ledger, MemoryLedger, NotTaken, Operation,
    Source, Stamp, UsageEvent, UsageSink, Use,
};
use maas_kafka::testing::Broker;
use maas_kafka::{KafkaSink, KafkaSource, QUEUE_MAX, SourceConfig, Unfinished, create_topics};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const START_MS: i64 = 1_767_225_600_000;
const DEADLINE: Duration = Duration::from_secs(5);
/// Groups take three seconds to form, and a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
const NORMAL: Operation = Operation::NormalMeme;

fn broker() -> Broker {
    Broker::start_program(env!("CARGO_BIN_EXE_kafka-broker"), &["usage", "usage-dead"])
}

fn sink(broker: &Broker, deadline: Duration) -> KafkaSink {
    KafkaSink::new(&broker.servers(), "usage", deadline).unwrap()
}

fn config(broker: &Broker) -> SourceConfig {
    SourceConfig {
        retry: Duration::from_millis(20),
        ..SourceConfig::new(broker.servers(), "usage", "settle")
    }
}

/// Events of `clients` clients: for each the totals 1 to `totals` of one lease, all clients in turn.
fn events(clients: usize, totals: u64) -> Vec<UsageEvent> {
    let mint = Mint::seeded([7; 32]);
    let leases: Vec<(ClientId, LeaseId)> =
        (0..clients).map(|_| (mint.mint(START_MS), mint.mint(START_MS))).collect();
    let event = |total, (client_id, lease): (ClientId, LeaseId)| UsageEvent {
        client_id,
        source: Source::Lease(lease),
        escrow: None,
        spending: std::iter::once((NORMAL, Use { calls: total, credits: total })).collect(),
        at_ms: START_MS,
    };
    (1..=totals).flat_map(|total| leases.iter().map(move |lease| event(total, *lease))).collect()
}

/// What is counted downstream: of each source the highest total, as `usage-settle` counts.
#[derive(Debug, Default)]
struct Counts(Mutex<BTreeMap<(ClientId, Source), u64>>);

impl Counts {
    fn count(&self, events: &[UsageEvent]) {
        let mut counts = self.0.lock().unwrap();
        for event in events {
            let count = counts.entry((event.client_id, event.source)).or_default();
            *count = event.spending.credits().max(*count);
        }
    }

    fn of_clients(&self) -> BTreeMap<ClientId, u64> {
        let mut clients = BTreeMap::new();
        for ((client, _), count) in &*self.0.lock().unwrap() {
            *clients.entry(*client).or_default() += count;
        }
        clients
    }

    /// Waits until so much is counted of each of so many clients.
    async fn reach(&self, clients: usize, credits: u64) {
        let reached = async {
            loop {
                let counts = self.of_clients();
                if counts.len() == clients && counts.values().all(|count| *count == credits) {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let counted = timeout(PATIENCE, reached).await;
        assert!(counted.is_ok(), "not {credits} each: {:?}", self.of_clients());
    }

    fn source(self: &Arc<Self>, broker: &Broker) -> KafkaSource {
        let counts = Arc::clone(self);
        KafkaSource::start(config(broker), move |events| {
            counts.count(&events);
            async { BTreeSet::new() }
        })
        .unwrap()
    }
}

/// The first `count` messages of a topic, those of a partition in order.
async fn messages(broker: &Broker, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let reader: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..4 {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&all).unwrap();
    let mut found = Vec::new();
    while found.len() < count {
        found.push(timeout(PATIENCE, reader.recv()).await.unwrap().unwrap().detach());
    }
    found
}

/// Offers events until they are taken, as the sweep of a holder does.
async fn offer(sink: &KafkaSink, events: &[UsageEvent]) {
    let taken = async {
        while sink.take(events.to_vec()).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_keyed_and_in_the_order_of_each_client() {
    let broker = broker();
    // More than wait at once.
    let sent = events(20, 75);
    sink(&broker, DEADLINE).take(sent.clone()).await.unwrap();
    let mut partitions: BTreeMap<ClientId, BTreeSet<i32>> = BTreeMap::new();
    let mut totals: BTreeMap<ClientId, Vec<u64>> = BTreeMap::new();
    for message in messages(&broker, "usage", sent.len()).await {
        let event: UsageEvent = serde_json::from_slice(message.payload().unwrap()).unwrap();
        assert_eq!(message.key().unwrap(), event.client_id.to_string().as_bytes());
        partitions.entry(event.client_id).or_default().insert(message.partition());
        totals.entry(event.client_id).or_default().push(event.spending.credits());
    }
    assert!(partitions.values().all(|partitions| partitions.len() == 1), "{partitions:?}");
    assert!(partitions.values().flatten().collect::<BTreeSet<_>>().len() > 1, "{partitions:?}");
    assert_eq!(totals.len(), 20);
    assert!(totals.values().all(|totals| totals.iter().copied().eq(1..=75)), "{totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_twice_or_late_is_counted_once() {
    let broker = broker();
    let (counts, sink) = (Arc::new(Counts::default()), sink(&broker, DEADLINE));
    let source = counts.source(&broker);
    let sent = events(5, 10);
    sink.take(sent.clone()).await.unwrap();
    counts.reach(5, 10).await;
    sink.take(sent[..20].to_vec()).await.unwrap();
    let more = events(6, 1);
    sink.take(more).await.unwrap();
    // The sixth client's event comes last, or shows at least that the source goes on.
    let six = async {
        while counts.of_clients().len() < 6 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, six).await.unwrap();
    source.shutdown(DEADLINE).await.unwrap();
    let counted: Vec<_> = counts.of_clients().into_values().collect();
    assert_eq!(counted.iter().sum::<u64>(), 5 * 10 + 1, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_events_are_not_taken_and_do_not_pile_up() {
    let mut broker = broker();
    broker.kill();
    let deadline = Duration::from_secs(2);
    let sink = Arc::new(sink(&broker, deadline));
    let began = Instant::now();
    let NotTaken(reason) = sink.take(events(1, 1)).await.unwrap_err();
    assert!(began.elapsed() < deadline + Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(reason.contains("refused"), "{reason}");

    let mut takes = JoinSet::new();
    let offered = events(1, 500);
    for _ in 0..2 * QUEUE_MAX / offered.len() {
        let (sink, offered) = (Arc::clone(&sink), offered.clone());
        takes.spawn(async move {
            let began = Instant::now();
            let NotTaken(reason) = sink.take(offered).await.unwrap_err();
            (began.elapsed(), reason)
        });
    }
    let takes = takes.join_all().await;
    let full = takes.iter().filter(|(_, reason)| reason.contains("Queue full"));
    let refused = full.inspect(|(after, _)| assert!(*after < deadline / 2, "{after:?}")).count();
    assert!((takes.len() / 2..takes.len()).contains(&refused), "{takes:?}");
    assert!(takes.iter().all(|(after, _)| *after < deadline + Duration::from_secs(1)), "{takes:?}");

    broker.restart();
    offer(&sink, &offered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_comes_again_and_poison_is_put_aside() {
    let broker = broker();
    let sent = events(5, 4);
    let (flaky, poison) = (sent[0].client_id, sent[1].client_id);
    let (calls, counts) = (Arc::new(AtomicUsize::new(0)), Arc::new(Counts::default()));
    let source = KafkaSource::start(SourceConfig { attempts: 5, ..config(&broker) }, {
        let (calls, counts) = (Arc::clone(&calls), Arc::clone(&counts));
        move |events| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            assert_ne!(call, 0, "a panic on purpose");
            let fails = |event: &UsageEvent| {
                event.client_id == poison || event.client_id == flaky && call < 3
            };
            let failed: BTreeSet<_> = match call {
                1 => BTreeSet::from([events.len()]),
                _ => (0..events.len()).filter(|at| fails(&events[*at])).collect(),
            };
            let processed = events.into_iter().enumerate().filter(|(at, _)| !failed.contains(at));
            if call > 1 {
                counts.count(&processed.map(|(_, event)| event).collect::<Vec<_>>());
            }
            async { failed }
        }
    })
    .unwrap();

    let raw: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", broker.servers()).create().unwrap();
    for nonsense in ["", "no event"] {
        let record = FutureRecord::to("usage").key("nobody").payload(nonsense);
        raw.send(record, DEADLINE).await.unwrap();
    }
    let sink = sink(&broker, DEADLINE);
    sink.take(sent.clone()).await.unwrap();
    let dead = messages(&broker, "usage-dead", 6).await;
    let reason = |letter: &OwnedMessage| {
        String::from_utf8(letter.headers().unwrap().get(0).value.unwrap().to_vec()).unwrap()
    };
    let (unread, unprocessed): (Vec<_>, Vec<_>) =
        dead.iter().partition(|letter| letter.key() == Some(b"nobody"));
    assert_eq!((unread.len(), unprocessed.len()), (2, 4));
    assert!(unread.iter().any(|letter| letter.payload() == Some(b"no event")), "{unread:?}");
    assert!(unread.iter().all(|letter| reason(letter).contains("at line 1")), "{unread:?}");
    for (letter, total) in unprocessed.into_iter().zip(1..) {
        let event: UsageEvent = serde_json::from_slice(letter.payload().unwrap()).unwrap();
        assert_eq!((event.client_id, event.spending.credits()), (poison, total));
        assert_eq!(reason(letter), "it was not processed");
    }
    // The source goes on, and everybody else was counted.
    let more: Vec<_> = events(5, 5).into_iter().filter(|event| event.client_id != poison).collect();
    sink.take(more).await.unwrap();
    counts.reach(4, 5).await;
    source.shutdown(DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_at_work_when_a_consumer_ends_comes_to_the_next_one() {
    let broker = broker();
    let sent = events(8, 5);
    sink(&broker, DEADLINE).take(sent.clone()).await.unwrap();
    let ten = SourceConfig { batch: 10, ..config(&broker) };
    let (first, stuck) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let source = KafkaSource::start(ten.clone(), {
        let (first, stuck) = (Arc::clone(&first), Arc::clone(&stuck));
        move |events| {
            let mut first = first.lock().unwrap();
            let hangs = !first.is_empty();
            if hangs {
                stuck.store(true, Ordering::Relaxed);
            } else {
                first.extend(events);
            }
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                BTreeSet::new()
            }
        }
    })
    .unwrap();
    let hanging = async {
        while !stuck.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, hanging).await.unwrap();
    assert_eq!(source.shutdown(Duration::from_millis(100)).await, Err(Unfinished));

    let (rest, news) = tokio::sync::mpsc::unbounded_channel();
    let source = KafkaSource::start(ten, move |events| {
        events.into_iter().for_each(|event| rest.send(event).unwrap());
        async { BTreeSet::new() }
    })
    .unwrap();
    let first = std::mem::take(&mut *first.lock().unwrap());
    let mut news = news;
    let mut second = Vec::new();
    // What the first one had processed was committed, and all the rest is here exactly once.
    while first.len() + second.len() < sent.len() {
        second.push(timeout(PATIENCE, news.recv()).await.unwrap().unwrap());
    }
    source.shutdown(DEADLINE).await.unwrap();
    assert!(news.recv().await.is_none(), "something came twice");
    let key = |event: &UsageEvent| (event.client_id, event.spending.credits());
    let came: BTreeSet<_> = first.iter().chain(&second).map(key).collect();
    assert_eq!(came, sent.iter().map(key).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_spent_and_what_is_counted_agree_although_the_broker_is_killed() {
    const CLIENTS: usize = 40;
    let mut broker = broker();
    let (ledger, clock) = (Arc::new(MemoryLedger::new()), SystemClock::shared());
    let (mint, now_ms) = (Arc::new(Mint::seeded([3; 32])), clock.now_ms());
    let mut clients: Vec<ClientId> = Vec::new();
    for _ in 0..CLIENTS {
        let client = mint.mint(now_ms);
        ledger.open(client).await.unwrap();
        let grant = GrantRequest {
            id: mint.mint(now_ms),
            credits: 100,
            expires_at_ms: now_ms + 86_400_000,
            source: GrantSource::TopUp,
        };
        let stamp = Stamp { entry: mint.mint(now_ms), at_ms: now_ms };
        ledger.grant(client, grant, stamp).await.unwrap();
        clients.push(client);
    }
    let sink = Arc::new(sink(&broker, Duration::from_secs(2)));
    let holder = Holder::new(Arc::clone(&ledger), clock, mint, LeasePolicy::default());
    let holder = Arc::new(holder.with_sink(sink));
    let counts = Arc::new(Counts::default());
    let source = counts.source(&broker);
    let sweeping = tokio::spawn({
        let holder = Arc::clone(&holder);
        async move {
            loop {
                holder.sweep().await;
                sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let spend = async |credits: u64| {
        let mut calls = JoinSet::new();
        for client in clients.iter().copied() {
            let holder = Arc::clone(&holder);
            calls.spawn(async move {
                for _ in 0..credits {
                    holder.spend(client, NORMAL, 1).await.unwrap();
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        calls.join_all().await;
    };

    spend(10).await;
    counts.reach(CLIENTS, 10).await;
    // A broker that goes in the middle of everything, and comes back with what it had.
    let ((), ()) = tokio::join!(spend(50), async {
        sleep(Duration::from_millis(150)).await;
        broker.cut();
        sleep(Duration::from_secs(1)).await;
        broker.mend();
    });
    counts.reach(CLIENTS, 60).await;
    source.shutdown(DEADLINE).await.unwrap();
    // One that is killed, and another in its place.
    broker.kill();
    spend(20).await;
    broker.restart();
    let source = counts.source(&broker);
    spend(20).await;
    counts.reach(CLIENTS, 100).await;

    sweeping.abort();
    holder.drain().await;
    source.shutdown(DEADLINE).await.unwrap();
    for client in clients {
        let (balance, holds) = ledger.audit(client).unwrap();
        assert_eq!(violations(&balance, Some(&holds)), []);
        assert_eq!(balance.accounts.spent, counts.of_clients()[&client]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_durable_broker_has_acknowledged_outlives_it() {
    let program = env!("CARGO_BIN_EXE_kafka-broker");
    let mut broker = Broker::durable_program(program, &["usage", "usage-dead"]);
    let (sink, counts) = (sink(&broker, DEADLINE), Arc::new(Counts::default()));
    let source = counts.source(&broker);
    sink.take(events(5, 10)).await.unwrap();
    counts.reach(5, 10).await;
    broker.kill();
    broker.restart();
    let mut totals: BTreeMap<ClientId, Vec<u64>> = BTreeMap::new();
    for message in messages(&broker, "usage", 5 * 10).await {
        let event: UsageEvent = serde_json::from_slice(message.payload().unwrap()).unwrap();
        totals.entry(event.client_id).or_default().push(event.spending.credits());
    }
    assert_eq!(totals.len(), 5);
    assert!(totals.values().all(|totals| totals.iter().copied().eq(1..=10)), "{totals:?}");

    // Who lives on goes on, and another kill takes nothing either.
    offer(&sink, &events(5, 20)).await;
    counts.reach(5, 20).await;
    source.shutdown(DEADLINE).await.unwrap();
    broker.kill();
    broker.restart();
    let counts = Arc::new(Counts::default());
    let source = counts.source(&broker);
    counts.reach(5, 20).await;
    source.shutdown(DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_a_broker_does_not_create_are_reported() {
    let broker = broker();
    let second = Duration::from_secs(1);
    let created = create_topics(&broker.servers(), &["more"], 2, second).await;
    let error = created.unwrap_err().to_string();
    assert!(error.contains("imed out"), "{error}");
    assert!(KafkaSink::new(&broker.servers(), "more", Duration::ZERO).is_err());
    // Nor does a sink bring one into being.
    let sink = KafkaSink::new(&broker.servers(), "more", DEADLINE).unwrap();
    let NotTaken(reason) = sink.take(events(1, 1)).await.unwrap_err();
    assert!(reason.contains("Unknown topic"), "{reason}");
}
