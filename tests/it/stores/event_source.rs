use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::types::MessageAttributeValue;
use local::event_source::{SqsPoller, SqsPollerConfig, Unfinished};
use tokio::sync::Notify;

use super::clients::{self, Clients, eventually};
use super::sqs::{counts, create_queue, create_queue_with_dead_letters, receive, send};

const MINUTE: Duration = Duration::from_secs(60);

/// How often each body was handed to a handler.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<String, u32>>>);

impl Seen {
    fn note(&self, event: &SqsEvent) {
        let mut seen = self.0.lock().expect("no panic in here");
        for record in &event.records {
            let body = record.body.clone().unwrap_or_default();
            *seen.entry(body).or_default() += 1;
        }
    }

    fn times(&self, body: &str) -> u32 {
        let seen = self.0.lock().expect("no panic in here");
        seen.get(body).copied().unwrap_or_default()
    }
}

fn failing(event: &SqsEvent, body: &str) -> SqsBatchResponse {
    let mut reply = SqsBatchResponse::default();
    for record in &event.records {
        if record.body.as_deref() == Some(body) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.clone().unwrap_or_default();
            reply.batch_item_failures.push(failure);
        }
    }
    reply
}

async fn emptied(clients: &Clients, queue: &str) {
    eventually("the queue is empty", || async {
        (counts(&clients.sqs, queue).await == (0, 0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_processed_is_deleted_and_the_event_is_lambdas() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    let events: Arc<Mutex<Vec<SqsEvent>>> = Arc::default();
    let poller = SqsPoller::start(clients.sqs.clone(), SqsPollerConfig::new(&queue), {
        let events = Arc::clone(&events);
        move |event: SqsEvent| {
            events.lock().expect("no panic in here").push(event);
            async { Ok::<_, String>(SqsBatchResponse::default()) }
        }
    });
    let kind = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("generation")
        .build()
        .expect("an attribute");
    let sent = clients
        .sqs
        .send_message()
        .queue_url(&queue)
        .message_body("one")
        .message_group_id("cl_1")
        .message_attributes("kind", kind)
        .send()
        .await
        .expect("the message is sent");
    eventually("the event comes", || async {
        (!events.lock().expect("no panic in here").is_empty()).then_some(())
    })
    .await;
    emptied(&clients, &queue).await;
    poller.shutdown(MINUTE).await.expect("nothing is left");

    let event = events.lock().expect("no panic in here").remove(0);
    let record = &event.records[0];
    assert_eq!(record.message_id, sent.message_id);
    assert_eq!(record.body.as_deref(), Some("one"));
    assert_eq!(record.md5_of_body, sent.md5_of_message_body);
    assert_eq!(record.md5_of_message_attributes, sent.md5_of_message_attributes);
    assert!(record.receipt_handle.is_some());
    assert_eq!(record.event_source.as_deref(), Some("aws:sqs"));
    assert_eq!(record.event_source_arn.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:jobs"));
    assert_eq!(record.aws_region.as_deref(), Some("us-east-1"));
    assert_eq!(record.attributes["ApproximateReceiveCount"], "1");
    assert_eq!(record.attributes["MessageGroupId"], "cl_1");
    assert_eq!(record.attributes["SenderId"], "000000000000");
    assert!(record.attributes["SentTimestamp"].parse::<u64>().is_ok());
    assert!(record.attributes["ApproximateFirstReceiveTimestamp"].parse::<u64>().is_ok());
    let attribute = &record.message_attributes["kind"];
    assert_eq!(attribute.string_value.as_deref(), Some("generation"));
    assert_eq!(attribute.data_type.as_deref(), Some("String"));
}

#[tokio::test]
async fn of_a_batch_only_the_failed_message_comes_again() {
    let (_stores, clients) = clients::start().await;
    let (queue, dead) = create_queue_with_dead_letters(&clients.sqs, "1", 10).await;
    for body in ["good", "bad", "fine"] {
        send(&clients.sqs, &queue, body).await;
    }
    let seen = Seen::default();
    let poller = SqsPoller::start(clients.sqs.clone(), SqsPollerConfig::new(&queue), {
        let seen = seen.clone();
        move |event: SqsEvent| {
            seen.note(&event);
            // The third time it goes well.
            let reply = if seen.times("bad") < 3 {
                failing(&event, "bad")
            } else {
                SqsBatchResponse::default()
            };
            async { Ok::<_, String>(reply) }
        }
    });
    emptied(&clients, &queue).await;
    poller.shutdown(MINUTE).await.expect("nothing is left");
    assert_eq!((seen.times("good"), seen.times("bad"), seen.times("fine")), (1, 3, 1));
    assert_eq!(counts(&clients.sqs, &dead).await, (0, 0));
}

/// Every way in which a whole batch fails, and then the dead-letter queue.
#[tokio::test]
async fn a_batch_that_fails_goes_to_the_dead_letter_queue_in_the_end() {
    let (_stores, clients) = clients::start().await;
    let (queue, dead) = create_queue_with_dead_letters(&clients.sqs, "1", 4).await;
    send(&clients.sqs, &queue, "poison").await;
    let calls = Arc::new(AtomicU32::new(0));
    let config = SqsPollerConfig {
        handler_timeout: Duration::from_millis(100),
        ..SqsPollerConfig::new(&queue)
    };
    let poller = SqsPoller::start(clients.sqs.clone(), config, {
        let calls = Arc::clone(&calls);
        move |_event: SqsEvent| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            // Before the first await, where a panic is easiest to miss.
            assert_ne!(call, 0, "a panic on purpose");
            async move {
                match call {
                    1 => Err("an error on purpose".to_owned()),
                    2 => {
                        let mut failure = BatchItemFailure::default();
                        failure.item_identifier = "not-in-the-batch".to_owned();
                        let mut reply = SqsBatchResponse::default();
                        reply.batch_item_failures.push(failure);
                        Ok(reply)
                    }
                    _ => std::future::pending().await,
                }
            }
        }
    });
    let letters = eventually("the message is given up", || async {
        let letters = receive(&clients.sqs, &dead, 0).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters[0].body(), Some("poison"));
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    assert_eq!(counts(&clients.sqs, &queue).await, (0, 0));
    poller.shutdown(MINUTE).await.expect("nothing is left");
}

/// A handler that counts who is in it and waits for a word.
#[derive(Default)]
struct Gate {
    inside: AtomicU32,
    most: AtomicU32,
    open: AtomicBool,
    opened: Notify,
}

impl Gate {
    async fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            let opened = self.opened.notified();
            if !self.open.load(Ordering::SeqCst) {
                opened.await;
            }
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        self.opened.notify_waiters();
    }
}

fn start_gated(clients: &Clients, queue: &str, gate: &Arc<Gate>, seen: &Seen) -> SqsPoller {
    let config = SqsPollerConfig { batch_size: 1, concurrency: 2, ..SqsPollerConfig::new(queue) };
    let (gate, seen) = (Arc::clone(gate), seen.clone());
    SqsPoller::start(clients.sqs.clone(), config, move |event: SqsEvent| {
        let (gate, seen) = (Arc::clone(&gate), seen.clone());
        async move {
            assert_eq!(event.records.len(), 1);
            gate.pass().await;
            seen.note(&event);
            Ok::<_, String>(SqsBatchResponse::default())
        }
    })
}

async fn both_inside(gate: &Gate) {
    eventually("two handlers are at work", || async {
        (gate.inside.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_waits_for_the_handlers_at_work_and_takes_no_more() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    for body in ["1", "2", "3", "4"] {
        send(&clients.sqs, &queue, body).await;
    }
    let (gate, seen) = (Arc::new(Gate::default()), Seen::default());
    let poller = start_gated(&clients, &queue, &gate, &seen);
    both_inside(&gate).await;
    let mut shutdown = pin!(poller.shutdown(MINUTE));
    tokio::select! {
        biased;
        _ = shutdown.as_mut() => panic!("two handlers are at work"),
        // The poller has been told; this lets it hear it.
        () = tokio::task::yield_now() => {}
    }
    gate.open();
    shutdown.await.expect("both have finished");
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
    assert_eq!((seen.times("1"), seen.times("2")), (1, 1));
    assert_eq!(counts(&clients.sqs, &queue).await, (2, 0));
}

#[tokio::test]
async fn a_shutdown_past_its_deadline_says_what_it_left() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    for body in ["1", "2"] {
        send(&clients.sqs, &queue, body).await;
    }
    let (gate, seen) = (Arc::new(Gate::default()), Seen::default());
    let poller = start_gated(&clients, &queue, &gate, &seen);
    both_inside(&gate).await;
    let left = poller.shutdown(Duration::ZERO).await;
    assert_eq!(left, Err(Unfinished { handlers: 2 }));
    // Nothing was deleted, so both come again.
    assert_eq!(counts(&clients.sqs, &queue).await, (0, 2));
    assert_eq!((seen.times("1"), seen.times("2")), (0, 0));
}

#[tokio::test]
async fn the_poller_waits_for_a_queue_that_is_not_there_yet() {
    let (stores, clients) = clients::start().await;
    let queue = format!("{}000000000000/jobs", stores.endpoints().sqs);
    let seen = Seen::default();
    let poller = SqsPoller::start(clients.sqs.clone(), SqsPollerConfig::new(&queue), {
        let seen = seen.clone();
        move |event: SqsEvent| {
            seen.note(&event);
            async { Ok::<_, String>(SqsBatchResponse::default()) }
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(create_queue(&clients.sqs, "jobs", &[]).await, queue);
    send(&clients.sqs, &queue, "one").await;
    eventually("the message is handled", || async { (seen.times("one") == 1).then_some(()) }).await;
    poller.shutdown(MINUTE).await.expect("nothing is left");
}

/// The bodies of each event that a handler is given.
type Batches = Arc<Mutex<Vec<Vec<String>>>>;

/// A poller that gathers up to `batch_size` messages for a minute, and what it has handed out.
fn start_gathering(clients: &Clients, queue: &str, batch_size: u16) -> (SqsPoller, Batches) {
    let config = SqsPollerConfig { batch_size, window: MINUTE, ..SqsPollerConfig::new(queue) };
    let batches = Batches::default();
    let poller = SqsPoller::start(clients.sqs.clone(), config, {
        let batches = Arc::clone(&batches);
        move |event: SqsEvent| {
            let bodies = event.records.into_iter().filter_map(|record| record.body);
            batches.lock().expect("no panic in here").push(bodies.collect());
            async { Ok::<_, String>(SqsBatchResponse::default()) }
        }
    });
    (poller, batches)
}

fn sizes(batches: &Batches) -> Vec<usize> {
    batches.lock().expect("no panic in here").iter().map(Vec::len).collect()
}

async fn send_many(clients: &Clients, queue: &str, messages: usize) {
    for number in 0..messages {
        send(&clients.sqs, queue, &number.to_string()).await;
    }
}

/// A window is open: what began it is in the poller's hands.
async fn gathering(clients: &Clients, queue: &str) {
    eventually("a batch is begun", || async {
        (counts(&clients.sqs, queue).await.1 > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_comes_while_a_window_is_open_is_one_batch_and_a_hurry_ends_it() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "usage", &[]).await;
    send_many(&clients, &queue, 3).await;
    let (poller, batches) = start_gathering(&clients, &queue, 100);
    gathering(&clients, &queue).await;
    send_many(&clients, &queue, 25).await;
    assert_eq!(sizes(&batches), [0; 0], "the window is open");
    poller.hurry();
    emptied(&clients, &queue).await;
    assert_eq!(sizes(&batches), [28]);
    // From then on nothing waits.
    send(&clients.sqs, &queue, "late").await;
    emptied(&clients, &queue).await;
    assert_eq!(sizes(&batches), [28, 1]);
    poller.shutdown(MINUTE).await.expect("nothing is left");
}

#[tokio::test]
async fn a_shutdown_ends_a_window_and_handles_its_batch() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "usage", &[]).await;
    send_many(&clients, &queue, 2).await;
    let (poller, batches) = start_gathering(&clients, &queue, 100);
    gathering(&clients, &queue).await;
    poller.shutdown(MINUTE).await.expect("nothing is left");
    assert_eq!(counts(&clients.sqs, &queue).await, (0, 0));
    assert_eq!(sizes(&batches).iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn a_full_batch_waits_for_nothing() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "usage", &[]).await;
    send_many(&clients, &queue, 20).await;
    let (poller, batches) = start_gathering(&clients, &queue, 10);
    emptied(&clients, &queue).await;
    assert_eq!(sizes(&batches), [10, 10]);
    poller.shutdown(MINUTE).await.expect("nothing is left");
}
