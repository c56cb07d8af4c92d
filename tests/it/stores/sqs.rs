use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::clients;

pub(crate) async fn create_queue(
    client: &Client,
    name: &str,
    attributes: &[(QueueAttributeName, &str)],
) -> String {
    let attributes: HashMap<_, _> =
        attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
    let output = client
        .create_queue()
        .queue_name(name)
        .set_attributes(Some(attributes))
        .send()
        .await
        .expect("the queue is made");
    output.queue_url.expect("it has a URL")
}

/// A queue whose messages are visible again after `visibility_s` seconds and go to the second
/// queue after `receives` of them.
pub(crate) async fn create_queue_with_dead_letters(
    client: &Client,
    visibility_s: &str,
    receives: u32,
) -> (String, String) {
    let dead = create_queue(client, "jobs-dead", &[]).await;
    // The count as a text, as CloudFormation and boto3 send it.
    let policy = format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:jobs-dead","maxReceiveCount":"{receives}"}}"#
    );
    let attributes = [
        (QueueAttributeName::VisibilityTimeout, visibility_s),
        (QueueAttributeName::RedrivePolicy, policy.as_str()),
    ];
    let queue = create_queue(client, "jobs", &attributes).await;
    // At each start the stack makes its queues again.
    assert_eq!(create_queue(client, "jobs", &attributes).await, queue);
    (queue, dead)
}

pub(crate) async fn send(client: &Client, queue: &str, body: &str) {
    client
        .send_message()
        .queue_url(queue)
        .message_body(body)
        .send()
        .await
        .expect("the message is sent");
}

pub(crate) async fn receive(client: &Client, queue: &str, wait_s: i32) -> Vec<Message> {
    let output = client
        .receive_message()
        .queue_url(queue)
        .max_number_of_messages(10)
        .wait_time_seconds(wait_s)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await
        .expect("the queue answers");
    output.messages.unwrap_or_default()
}

pub(crate) async fn delete(client: &Client, queue: &str, message: &Message) {
    client
        .delete_message()
        .queue_url(queue)
        .receipt_handle(message.receipt_handle().expect("a handle"))
        .send()
        .await
        .expect("the message is deleted");
}

/// How many messages are visible, and how many are in flight.
pub(crate) async fn counts(client: &Client, queue: &str) -> (u32, u32) {
    let output = client
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .expect("the queue answers");
    let attributes = output.attributes.expect("attributes");
    let count = |name| attributes[&name].parse().expect("a number");
    (
        count(QueueAttributeName::ApproximateNumberOfMessages),
        count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
    )
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

fn attribute<'a>(message: &'a Message, name: &MessageSystemAttributeName) -> Option<&'a str> {
    message.attributes()?.get(name).map(String::as_str)
}

#[tokio::test]
async fn a_message_is_hidden_while_it_is_worked_on_and_gone_when_deleted() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    send(&clients.sqs, &queue, "one").await;
    let first = receive(&clients.sqs, &queue, 0).await;
    assert_eq!(bodies(&first), ["one"]);
    assert_eq!(counts(&clients.sqs, &queue).await, (0, 1));
    assert!(receive(&clients.sqs, &queue, 0).await.is_empty());

    // Given back at once, it comes again and counts.
    clients
        .sqs
        .change_message_visibility()
        .queue_url(&queue)
        .receipt_handle(first[0].receipt_handle().expect("a handle"))
        .visibility_timeout(0)
        .send()
        .await
        .expect("its visibility changes");
    let second = receive(&clients.sqs, &queue, 0).await;
    let received = MessageSystemAttributeName::ApproximateReceiveCount;
    assert_eq!(attribute(&second[0], &received), Some("2"));
    assert_eq!(second[0].message_id(), first[0].message_id());
    delete(&clients.sqs, &queue, &second[0]).await;
    assert_eq!(counts(&clients.sqs, &queue).await, (0, 0));
}

#[tokio::test]
async fn a_message_comes_again_when_its_visibility_timeout_ends() {
    let (_stores, clients) = clients::start().await;
    let timeout = [(QueueAttributeName::VisibilityTimeout, "1")];
    let queue = create_queue(&clients.sqs, "jobs", &timeout).await;
    send(&clients.sqs, &queue, "one").await;
    assert_eq!(receive(&clients.sqs, &queue, 0).await.len(), 1);
    assert_eq!(bodies(&receive(&clients.sqs, &queue, 20).await), ["one"]);
}

#[tokio::test]
async fn a_delayed_message_comes_later_than_one_sent_after_it() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    clients
        .sqs
        .send_message()
        .queue_url(&queue)
        .message_body("late")
        .delay_seconds(2)
        .send()
        .await
        .expect("the message is sent");
    send(&clients.sqs, &queue, "early").await;
    assert_eq!(bodies(&receive(&clients.sqs, &queue, 20).await), ["early"]);
    assert_eq!(bodies(&receive(&clients.sqs, &queue, 20).await), ["late"]);
}

#[tokio::test]
async fn a_long_poll_gets_the_message_that_is_sent_while_it_waits() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    let (received, ()) = tokio::join!(receive(&clients.sqs, &queue, 20), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        send(&clients.sqs, &queue, "one").await;
    });
    assert_eq!(bodies(&received), ["one"]);
}

#[tokio::test]
async fn after_two_receives_a_message_goes_to_the_dead_letter_queue() {
    let (_stores, clients) = clients::start().await;
    let (queue, dead) = create_queue_with_dead_letters(&clients.sqs, "0", 2).await;
    send(&clients.sqs, &queue, "poison").await;
    for _ in 0..2 {
        assert_eq!(bodies(&receive(&clients.sqs, &queue, 0).await), ["poison"]);
    }
    assert!(receive(&clients.sqs, &queue, 0).await.is_empty());
    let letters = receive(&clients.sqs, &dead, 20).await;
    assert_eq!(bodies(&letters), ["poison"]);
    let source = MessageSystemAttributeName::DeadLetterQueueSourceArn;
    assert_eq!(attribute(&letters[0], &source), Some("arn:aws:sqs:us-east-1:000000000000:jobs"));
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_a_group_and_takes_a_message_once() {
    let (_stores, clients) = clients::start().await;
    let fifo = [(QueueAttributeName::FifoQueue, "true")];
    let queue = create_queue(&clients.sqs, "events.fifo", &fifo).await;
    for (group, id) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "2")] {
        clients
            .sqs
            .send_message()
            .queue_url(&queue)
            .message_body(format!("{group}{id}"))
            .message_group_id(group)
            .message_deduplication_id(id)
            .send()
            .await
            .expect("the message is sent");
    }
    let mut seen = Vec::new();
    // While the first of a group is worked on, none of the group is given out.
    for round in [vec!["a1", "b3"], vec!["a2"], vec![]] {
        let mut messages = receive(&clients.sqs, &queue, 0).await;
        messages.sort_by_key(|message| message.body().map(str::to_owned));
        assert_eq!(bodies(&messages), round);
        assert!(receive(&clients.sqs, &queue, 0).await.is_empty());
        for message in messages {
            delete(&clients.sqs, &queue, &message).await;
            seen.push(message);
        }
    }
    let group = MessageSystemAttributeName::MessageGroupId;
    assert_eq!(attribute(&seen[0], &group), Some("a"));
}

#[tokio::test]
async fn a_standard_queue_takes_groups_and_attributes() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
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
        .message_attributes("kind", kind.clone())
        .send()
        .await
        .expect("a group is fine");
    let entry = |id: &str, group: Option<&str>| {
        SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(id)
            .set_message_group_id(group.map(str::to_owned))
            .build()
            .expect("an entry")
    };
    let batch = clients
        .sqs
        .send_message_batch()
        .queue_url(&queue)
        .entries(entry("two", Some("cl_2")))
        .entries(entry("three", None))
        .send()
        .await
        .expect("a batch is fine");
    assert_eq!(batch.successful().len(), 2);

    let messages = receive(&clients.sqs, &queue, 0).await;
    let group = MessageSystemAttributeName::MessageGroupId;
    let groups: HashMap<_, _> = messages
        .iter()
        .map(|message| (message.body().unwrap_or_default(), attribute(message, &group)))
        .collect();
    assert_eq!(
        groups,
        HashMap::from([("one", Some("cl_1")), ("two", Some("cl_2")), ("three", None)])
    );
    let one = messages.iter().find(|message| message.body() == Some("one")).expect("it is there");
    assert_eq!(
        one.message_attributes().expect("attributes"),
        &HashMap::from([("kind".to_owned(), kind)])
    );
    assert_eq!(one.md5_of_message_attributes(), sent.md5_of_message_attributes());
}

#[tokio::test]
async fn batches_change_and_delete_what_they_name() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    send(&clients.sqs, &queue, "one").await;
    send(&clients.sqs, &queue, "two").await;
    let messages = receive(&clients.sqs, &queue, 0).await;
    let handle = |index: usize| messages[index].receipt_handle().expect("a handle");
    let change = |id: &str, index: usize| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle(index))
            .visibility_timeout(0)
            .build()
            .expect("an entry")
    };
    clients
        .sqs
        .change_message_visibility_batch()
        .queue_url(&queue)
        .entries(change("a", 1))
        .send()
        .await
        .expect("the visibility changes");
    let delete = DeleteMessageBatchRequestEntry::builder()
        .id("a")
        .receipt_handle(handle(0))
        .build()
        .expect("an entry");
    clients
        .sqs
        .delete_message_batch()
        .queue_url(&queue)
        .entries(delete)
        .send()
        .await
        .expect("the message is deleted");
    assert_eq!(counts(&clients.sqs, &queue).await, (1, 0));
}

#[tokio::test]
async fn refusals_are_those_that_the_sdk_knows() {
    let (_stores, clients) = clients::start().await;
    let missing = clients.sqs.get_queue_url().queue_name("none").send().await;
    assert!(matches!(
        missing.expect_err("it is not there").into_service_error(),
        GetQueueUrlError::QueueDoesNotExist(_)
    ));

    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    let stale = clients
        .sqs
        .change_message_visibility()
        .queue_url(&queue)
        .receipt_handle("bm9uZQ==")
        .visibility_timeout(1)
        .send()
        .await
        .expect_err("nothing is in flight")
        .into_service_error();
    assert!(stale.is_message_not_inflight());

    // A timeout before the beginning of time leaves the queue alive.
    let negative = clients.sqs.receive_message().queue_url(&queue).visibility_timeout(-1).send();
    assert!(negative.await.is_err());
    send(&clients.sqs, &queue, &"x".repeat(200_000)).await;
    assert_eq!(receive(&clients.sqs, &queue, 0).await.len(), 1);

    let too_long = clients
        .sqs
        .send_message()
        .queue_url(&queue)
        .message_body("x".repeat(1024 * 1024 + 1))
        .send()
        .await
        .expect_err("the body is over the limit");
    let status = too_long.raw_response().map(|answer| answer.status().as_u16());
    assert_eq!(status, Some(413));

    let nowhere =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":3}"#;
    let dangling = clients
        .sqs
        .set_queue_attributes()
        .queue_url(&queue)
        .attributes(QueueAttributeName::RedrivePolicy, nowhere)
        .send();
    assert!(dangling.await.is_err());
}

#[tokio::test]
async fn a_long_poll_without_a_message_ends_empty() {
    let (_stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    assert!(receive(&clients.sqs, &queue, 1).await.is_empty());
}

/// Whoever stops waiting must not take a message with him.
#[tokio::test]
async fn a_client_that_has_gone_gets_nothing() {
    let (stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    let host = stores.endpoints().sqs.authority().to_owned();
    for _ in 0..10 {
        // Without the SDK, whose connections close behind its back.
        let mut gone = TcpStream::connect(&host).await.expect("a connection");
        let body = format!(r#"{{"QueueUrl":"{queue}","WaitTimeSeconds":20}}"#);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        gone.write_all(request.as_bytes()).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(gone);
        send(&clients.sqs, &queue, "one").await;
        let messages = receive(&clients.sqs, &queue, 5).await;
        assert_eq!(bodies(&messages), ["one"]);
        delete(&clients.sqs, &queue, &messages[0]).await;
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_long_polls() {
    let (stores, clients) = clients::start().await;
    let queue = create_queue(&clients.sqs, "jobs", &[]).await;
    let poll = tokio::spawn({
        let client = clients.sqs.clone();
        let queue = queue.clone();
        async move { receive(&client, &queue, 20).await }
    });
    // A poll that waits cannot be seen from outside. One that comes late is refused its
    // connection, and then the expectation in `receive` fails.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stores.shutdown().await;
    assert!(poll.await.expect("the poll is answered").is_empty());
}
