//! What AWS's SQS takes and says where rustack differs, put right before and after each request.
//!
//! - `maxReceiveCount` may be a string, as CloudFormation and boto3 send it; rustack takes a number.
//! - `MaximumMessageSize` may be up to 1 MiB; rustack stops at 256 KiB and refuses more.
//! - Numbers out of range are refused. rustack takes a negative visibility timeout for a time so
//!   far away that computing it ends the queue's task, and with it the queue.
//! - `MessageGroupId` is taken on standard queues too (fair queues); rustack refuses it there. The
//!   message travels in an [`ENVELOPE`] that keeps the group, and comes out as it went in.
//!   Groups are told to the receiver; the order of messages does not depend on them.
//! - Names of message attributes may end in `.*`, and the MD5 is that of the attributes returned.

use std::collections::HashMap;
use std::time::Duration;

use rustack_sqs_core::message::md5_of_message_attributes;
use rustack_sqs_model::operations::SqsOperation;
use rustack_sqs_model::types::{MessageAttributeValue, RedrivePolicy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Refusal, invalid};

/// The message attribute that a message with a group carries instead of its own. Clients cannot
/// have one of this name: AWS keeps the prefix to itself.
const ENVELOPE: &str = "AWS.local.envelope";

/// The longest message that rustack takes, in bytes.
const MESSAGE_MAX: i64 = 262_144;

#[derive(Serialize, Deserialize)]
struct Envelope {
    group: String,
    attributes: Map<String, Value>,
}

/// What must be remembered of a request until its answer.
#[derive(Default)]
pub(super) struct Notes {
    /// The dead-letter queue that the request names.
    pub(super) dead_letter_arn: Option<String>,
    /// How long a receiver is ready to wait, where its request says so.
    pub(super) wait: Option<Duration>,
    /// The MD5 of the attributes of each message that was put into an envelope, by the entry's id.
    sealed: HashMap<String, Option<String>>,
    /// What a receiver asked to be told.
    wanted: Wanted,
}

#[derive(Default)]
struct Wanted {
    group: bool,
    attributes: Vec<String>,
}

/// Changes the request of a client of AWS into one that rustack takes.
pub(super) fn to_rustack(
    operation: SqsOperation,
    input: &mut Map<String, Value>,
) -> Result<Notes, Refusal> {
    let mut notes = Notes::default();
    match operation {
        SqsOperation::CreateQueue | SqsOperation::SetQueueAttributes => {
            if let Some(Value::Object(attributes)) = input.get_mut("Attributes") {
                notes.dead_letter_arn = queue_attributes(attributes)?;
            }
        }
        SqsOperation::ListQueues => {
            in_range(input, "MaxResults", 1, 1_000)?;
            // rustack's token is a position, and it adds to it.
            let token = input.get("NextToken").and_then(Value::as_str);
            if token.is_some_and(|token| token.parse::<u32>().is_err()) {
                return Err(invalid("Invalid or expired next token."));
            }
        }
        SqsOperation::SendMessage => {
            let fifo = is_fifo(input);
            in_range(input, "DelaySeconds", 0, 900)?;
            if !fifo && let Some(md5) = seal(input)? {
                notes.sealed.insert(String::new(), md5);
            }
        }
        SqsOperation::SendMessageBatch => {
            let fifo = is_fifo(input);
            for entry in entries(input) {
                in_range(entry, "DelaySeconds", 0, 900)?;
                if !fifo && let Some(md5) = seal(entry)? {
                    let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
                    notes.sealed.insert(id.to_owned(), md5);
                }
            }
        }
        SqsOperation::ReceiveMessage => {
            in_range(input, "MaxNumberOfMessages", 1, 10)?;
            in_range(input, "WaitTimeSeconds", 0, 20)?;
            in_range(input, "VisibilityTimeout", 0, 43_200)?;
            notes.wanted = wanted(input);
            notes.wait = input
                .get("WaitTimeSeconds")
                .and_then(Value::as_u64)
                .filter(|wait_s| *wait_s > 0)
                .map(Duration::from_secs);
            // The envelope must come back whatever the client asked for.
            input.insert("MessageAttributeNames".to_owned(), json!(["All"]));
        }
        SqsOperation::ChangeMessageVisibility => {
            in_range(input, "VisibilityTimeout", 0, 43_200)?;
        }
        SqsOperation::ChangeMessageVisibilityBatch => {
            for entry in entries(input) {
                in_range(entry, "VisibilityTimeout", 0, 43_200)?;
            }
        }
        _ => {}
    }
    Ok(notes)
}

/// Changes rustack's answer into the one that a client of AWS expects.
pub(super) fn from_rustack(
    operation: SqsOperation,
    mut notes: Notes,
    output: &mut Map<String, Value>,
) {
    match operation {
        SqsOperation::SendMessage => {
            if let Some(md5) = notes.sealed.remove("") {
                set_md5(output, md5);
            }
        }
        SqsOperation::SendMessageBatch => {
            for entry in objects(output.get_mut("Successful")) {
                let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
                if let Some(md5) = notes.sealed.remove(id) {
                    set_md5(entry, md5);
                }
            }
        }
        SqsOperation::ReceiveMessage => {
            for message in objects(output.get_mut("Messages")) {
                open(message, &notes.wanted);
            }
        }
        _ => {}
    }
}

/// Puts the attributes of a queue into rustack's form; returns the dead-letter queue's ARN.
fn queue_attributes(attributes: &mut Map<String, Value>) -> Result<Option<String>, Refusal> {
    if let Some(size) = attributes.get("MaximumMessageSize").and_then(Value::as_str)
        && let Ok(size) = size.parse::<i64>()
        && (MESSAGE_MAX..=1_048_576).contains(&size)
    {
        attributes.insert("MaximumMessageSize".to_owned(), json!(MESSAGE_MAX.to_string()));
    }

    let Some(text) = attributes.get("RedrivePolicy").and_then(Value::as_str) else {
        return Ok(None);
    };
    // An empty text takes the policy away.
    if text.is_empty() {
        return Ok(None);
    }
    let policy = redrive_policy(text).ok_or_else(|| {
        invalid(
            "Value for parameter RedrivePolicy is invalid. Reason: it must be a JSON object with \
             deadLetterTargetArn and a maxReceiveCount between 1 and 1000.",
        )
    })?;
    // The same text for the same policy, since creating a queue again compares the texts.
    let text = serde_json::to_string(&policy)
        .map_err(|_| invalid("Value for parameter RedrivePolicy is invalid."))?;
    attributes.insert("RedrivePolicy".to_owned(), Value::String(text));
    Ok(Some(policy.dead_letter_target_arn))
}

fn redrive_policy(text: &str) -> Option<RedrivePolicy> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let count = match policy.get("maxReceiveCount")? {
        Value::String(count) => count.parse().ok()?,
        count => i32::try_from(count.as_i64()?).ok()?,
    };
    (1..=1_000).contains(&count).then_some(RedrivePolicy {
        dead_letter_target_arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(),
        max_receive_count: count,
    })
}

/// Takes the group of a message for a standard queue into an envelope, with the message's own
/// attributes. Returns the MD5 of these when it did.
fn seal(message: &mut Map<String, Value>) -> Result<Option<Option<String>>, Refusal> {
    let group = match message.remove("MessageGroupId") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(group)) if (1..=128).contains(&group.len()) => group,
        Some(_) => {
            return Err(invalid(
                "Value for parameter MessageGroupId is invalid. Reason: it must have 1 to 128 characters.",
            ));
        }
    };
    let attributes = match message.remove("MessageAttributes") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(attributes)) => attributes,
        Some(_) => return Err(invalid("MessageAttributes must be an object.")),
    };
    if attributes.len() > 10 {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            attributes.len()
        )));
    }
    let md5 = md5(&attributes).map_err(|error| {
        invalid(format!("The message attributes are not what they should be: {error}"))
    })?;
    let envelope = serde_json::to_string(&Envelope { group, attributes })
        .map_err(|_| invalid("The message attributes cannot be kept."))?;
    message.insert(
        "MessageAttributes".to_owned(),
        json!({ ENVELOPE: { "DataType": "String", "StringValue": envelope } }),
    );
    Ok(Some(md5))
}

/// Takes a message out of its envelope, if it is in one, and leaves of its attributes what was
/// asked for.
fn open(message: &mut Map<String, Value>, wanted: &Wanted) {
    let mut attributes = match message.remove("MessageAttributes") {
        Some(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    };
    let envelope = attributes
        .get(ENVELOPE)
        .and_then(|envelope| envelope.get("StringValue"))
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Envelope>(text).ok());
    if let Some(envelope) = envelope {
        attributes = envelope.attributes;
        if wanted.group {
            let system = message.entry("Attributes").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(system) = system {
                system.insert("MessageGroupId".to_owned(), Value::String(envelope.group));
            }
        }
    }
    attributes.retain(|name, _| wanted.attribute(name));
    // They were taken from a client that got their MD5, so they have one.
    set_md5(message, md5(&attributes).unwrap_or_default());
    if !attributes.is_empty() {
        message.insert("MessageAttributes".to_owned(), Value::Object(attributes));
    }
}

impl Wanted {
    fn attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|wanted| {
            wanted == "All"
                || wanted == name
                || wanted
                    .strip_suffix(".*")
                    .is_some_and(|prefix| prefix.is_empty() || name.starts_with(prefix))
        })
    }
}

fn wanted(input: &Map<String, Value>) -> Wanted {
    let names = |field: &str| -> Vec<String> {
        input
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    Wanted {
        group: ["AttributeNames", "MessageSystemAttributeNames"]
            .into_iter()
            .flat_map(names)
            .any(|name| name == "All" || name == "MessageGroupId"),
        attributes: names("MessageAttributeNames"),
    }
}

fn md5(attributes: &Map<String, Value>) -> Result<Option<String>, serde_json::Error> {
    let attributes = attributes
        .iter()
        .map(|(name, value)| Ok((name.clone(), MessageAttributeValue::deserialize(value)?)))
        .collect::<Result<HashMap<_, _>, serde_json::Error>>()?;
    Ok(md5_of_message_attributes(&attributes))
}

fn set_md5(message: &mut Map<String, Value>, md5: Option<String>) {
    match md5 {
        Some(md5) => message.insert("MD5OfMessageAttributes".to_owned(), Value::String(md5)),
        None => message.remove("MD5OfMessageAttributes"),
    };
}

fn is_fifo(input: &Map<String, Value>) -> bool {
    input.get("QueueUrl").and_then(Value::as_str).is_some_and(|url| url.ends_with(".fifo"))
}

/// Refuses a whole number outside `min..=max`. Other kinds of values are left to rustack.
fn in_range(input: &Map<String, Value>, name: &str, min: i64, max: i64) -> Result<(), Refusal> {
    match input.get(name).and_then(Value::as_i64) {
        Some(value) if !(min..=max).contains(&value) => Err(invalid(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be between {min} and {max}."
        ))),
        _ => Ok(()),
    }
}

fn entries(input: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    objects(input.get_mut("Entries"))
}

fn objects(list: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    fn refused(operation: SqsOperation, input: Value) -> String {
        match to_rustack(operation, &mut object(input)) {
            Ok(_) => panic!("must be refused"),
            Err(refusal) => refusal.message,
        }
    }

    #[test]
    fn a_redrive_policy_is_the_same_however_its_count_is_written() {
        for count in [json!("3"), json!(3)] {
            let policy =
                json!({"maxReceiveCount": count, "deadLetterTargetArn": "arn:aws:sqs:r:0:d"});
            let mut input = object(json!({"Attributes": {"RedrivePolicy": policy.to_string()}}));
            let notes = to_rustack(SqsOperation::CreateQueue, &mut input)
                .unwrap_or_else(|refusal| panic!("{}", refusal.message));
            assert_eq!(notes.dead_letter_arn.as_deref(), Some("arn:aws:sqs:r:0:d"));
            assert_eq!(
                input["Attributes"]["RedrivePolicy"],
                r#"{"deadLetterTargetArn":"arn:aws:sqs:r:0:d","maxReceiveCount":3}"#
            );
        }
        for count in [json!(0), json!("many"), json!(1_001), json!(1.5), json!(null)] {
            let policy = json!({"maxReceiveCount": count, "deadLetterTargetArn": "arn"});
            refused(
                SqsOperation::SetQueueAttributes,
                json!({"Attributes": {"RedrivePolicy": policy.to_string()}}),
            );
        }
    }

    #[test]
    fn numbers_that_would_end_a_queue_are_refused() {
        refused(SqsOperation::ReceiveMessage, json!({"VisibilityTimeout": -1}));
        refused(SqsOperation::ReceiveMessage, json!({"WaitTimeSeconds": 21}));
        refused(
            SqsOperation::ChangeMessageVisibilityBatch,
            json!({"Entries": [{"VisibilityTimeout": 0}, {"VisibilityTimeout": 43_201}]}),
        );
        refused(SqsOperation::ListQueues, json!({"NextToken": "18446744073709551615"}));
    }

    #[test]
    fn a_group_on_a_standard_queue_travels_in_the_envelope() {
        let attributes = json!({"kind": {"DataType": "String", "StringValue": "a"}});
        let mut sent = object(json!({
            "QueueUrl": "http://127.0.0.1:1/0/jobs",
            "MessageBody": "b",
            "MessageGroupId": "cl_1",
            "MessageAttributes": attributes,
        }));
        let notes = to_rustack(SqsOperation::SendMessage, &mut sent)
            .unwrap_or_else(|refusal| panic!("{}", refusal.message));
        assert!(!sent.contains_key("MessageGroupId"));

        let mut answer = object(json!({"MD5OfMessageAttributes": "the envelope's"}));
        from_rustack(SqsOperation::SendMessage, notes, &mut answer);
        let md5 = answer["MD5OfMessageAttributes"].clone();
        assert_ne!(md5, "the envelope's");

        let mut asked = object(json!({
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["ki.*"],
        }));
        let notes = to_rustack(SqsOperation::ReceiveMessage, &mut asked)
            .unwrap_or_else(|refusal| panic!("{}", refusal.message));
        let mut received =
            object(json!({"Messages": [{"MessageAttributes": sent["MessageAttributes"]}]}));
        from_rustack(SqsOperation::ReceiveMessage, notes, &mut received);
        assert_eq!(
            received["Messages"][0],
            json!({
                "Attributes": {"MessageGroupId": "cl_1"},
                "MessageAttributes": attributes,
                "MD5OfMessageAttributes": md5,
            })
        );
    }

    #[test]
    fn what_was_not_asked_for_is_not_told() {
        let mut sent = object(json!({
            "QueueUrl": "http://127.0.0.1:1/0/jobs",
            "MessageGroupId": "cl_1",
            "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "a"}},
        }));
        to_rustack(SqsOperation::SendMessage, &mut sent)
            .unwrap_or_else(|refusal| panic!("{}", refusal.message));
        let notes = to_rustack(SqsOperation::ReceiveMessage, &mut Map::new())
            .unwrap_or_else(|refusal| panic!("{}", refusal.message));
        let mut received = object(json!({"Messages": [
            {"Body": "b", "MD5OfMessageAttributes": "m", "MessageAttributes": sent["MessageAttributes"]},
        ]}));
        from_rustack(SqsOperation::ReceiveMessage, notes, &mut received);
        assert_eq!(received["Messages"][0], json!({"Body": "b"}));
    }
}
