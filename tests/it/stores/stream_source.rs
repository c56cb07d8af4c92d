use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use local::stores::Stores;
use local::stream_source::{StreamPoller, StreamPollerConfig};
use serde_dynamo::AttributeValue as Streamed;

use super::clients::{self, Clients, eventually};
use super::sqs::{create_queue, receive};

const MINUTE: Duration = Duration::from_secs(60);

/// The names of the items in each event that a handler was given.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

async fn start() -> (Stores, Clients) {
    let (stores, clients) = clients::start().await;
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("an attribute");
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()
        .expect("a stream");
    clients
        .dynamodb
        .create_table()
        .table_name("things")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(id)
        .key_schema(key.build().expect("a key"))
        .stream_specification(stream)
        .send()
        .await
        .expect("the table is made");
    (stores, clients)
}

async fn put(clients: &Clients, ids: &[&str]) {
    for id in ids {
        let request = clients.dynamodb.put_item().table_name("things");
        let request = request.item("id", AttributeValue::S((*id).to_owned()));
        request.send().await.expect("the item is written");
    }
}

fn names(event: &Event) -> Vec<String> {
    event
        .records
        .iter()
        .map(|record| match record.change.new_image.get("id") {
            Some(Streamed::S(id)) => id.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn failing(event: &Event, at: Option<usize>) -> DynamoDbEventResponse {
    let mut response = DynamoDbEventResponse::default();
    if let Some(record) = at.and_then(|at| event.records.get(at)) {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = record.change.sequence_number.clone();
        response.batch_item_failures.push(failure);
    }
    response
}

async fn seen(what: &Seen, events: usize) -> Vec<Vec<String>> {
    eventually("so many events were handled", || async {
        let seen = what.lock().expect("no panic in here").clone();
        (seen.len() >= events).then_some(seen)
    })
    .await
}

#[tokio::test]
async fn a_failed_record_comes_again_with_all_that_follow_it() {
    let (stores, clients) = start().await;
    put(&clients, &["a", "b", "c", "d"]).await;
    let events = Seen::default();
    let poller = {
        let events = Arc::clone(&events);
        let config = StreamPollerConfig::new("things");
        StreamPoller::start(stores.streams().clone(), config, move |event: Event| {
            let mut seen = events.lock().expect("no panic in here");
            seen.push(names(&event));
            let at = names(&event).iter().position(|id| id == "c").filter(|_| seen.len() < 3);
            let response = failing(&event, at);
            async { Ok::<_, String>(response) }
        })
    };
    let all = seen(&events, 4).await;
    assert_eq!(all[0], ["a", "b", "c", "d"]);
    // Of the rest a half at a time, until what fails is alone.
    assert_eq!(all[1..3], [["c"], ["c"]]);
    let handled: Vec<&String> = all[2..].iter().flatten().collect();
    assert_eq!(handled, ["c", "d"]);
    poller.shutdown(MINUTE).await.expect("nothing is left");
}

#[tokio::test]
async fn a_record_that_fails_for_good_is_given_up_and_holds_up_nothing() {
    let (stores, clients) = start().await;
    let dead = create_queue(&clients.sqs, "dead", &[]).await;
    put(&clients, &["a", "bad", "c"]).await;
    let events = Seen::default();
    let poller = {
        let events = Arc::clone(&events);
        let config = StreamPollerConfig {
            attempts_max: 3,
            dead_letters: Some((clients.sqs.clone(), dead.clone())),
            ..StreamPollerConfig::new("things")
        };
        StreamPoller::start(stores.streams().clone(), config, move |event: Event| {
            let names = names(&event);
            assert!(!names.contains(&"bad".to_owned()), "a panic on purpose");
            events.lock().expect("no panic in here").push(names);
            async { Ok::<_, String>(DynamoDbEventResponse::default()) }
        })
    };
    let all = seen(&events, 2).await;
    assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), ["a", "c"]);
    let letter = receive(&clients.sqs, &dead, 1).await;
    let letter = format!("{letter:?}");
    assert!(letter.contains("RetryAttemptsExhausted"), "{letter}");
    poller.shutdown(MINUTE).await.expect("nothing is left");
}

#[tokio::test]
async fn the_next_start_goes_on_where_the_last_one_ended() {
    let (stores, clients) = start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let run = |events: &Seen| {
        let events = Arc::clone(events);
        let config = StreamPollerConfig {
            checkpoint: Some(folder.path().join("things.checkpoint")),
            ..StreamPollerConfig::new("things")
        };
        StreamPoller::start(stores.streams().clone(), config, move |event: Event| {
            events.lock().expect("no panic in here").push(names(&event));
            async { Ok::<_, String>(DynamoDbEventResponse::default()) }
        })
    };
    put(&clients, &["a", "b"]).await;
    let events = Seen::default();
    let poller = run(&events);
    seen(&events, 1).await;
    poller.shutdown(MINUTE).await.expect("nothing is left");
    put(&clients, &["c"]).await;
    let events = Seen::default();
    let poller = run(&events);
    assert_eq!(seen(&events, 1).await, [["c"]]);
    poller.shutdown(MINUTE).await.expect("nothing is left");
}
