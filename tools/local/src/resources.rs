//! The tables, the bucket and the queues that `template.yaml` declares, made in the local stores.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName;
use maas_aws::{Aws, StoreError, schema};

/// How often a message is received before it is given up, as in `template.yaml`.
const RECEIVES_MAX: u32 = 3;

/// How long a received message is hidden, in seconds, as in `template.yaml`.
const HIDDEN_FOR_S: u32 = 120;

/// The queues' URLs.
#[derive(Debug, Clone)]
pub(crate) struct Queues {
    pub(crate) generations: String,
    pub(crate) dead: String,
    pub(crate) usage: String,
    pub(crate) webhooks: String,
    pub(crate) journal_dead: String,
}

/// Makes what is not there yet.
pub(crate) async fn create(aws: &Aws) -> Result<Queues, StoreError> {
    let stage = &aws.config().stage;
    let dynamodb = aws.dynamodb();
    let tables = async {
        let there = dynamodb.list_tables().send().await.map_err(|error| failed(&error))?;
        for table in schema::TABLES {
            if !there.table_names().contains(&table.in_stage(stage)) {
                table.create(&dynamodb, stage).await?;
            }
        }
        // The data may be older than the journal.
        if schema::LEDGER.start_stream(&dynamodb, stage).await? {
            let begun = aws.journal().begin(&aws.ledger()).await;
            begun.map_err(|error| StoreError::Failed(error.to_string()))?;
        }
        Ok(())
    };
    let ((), (), queues) = tokio::try_join!(tables, bucket(aws), queues(aws))?;
    Ok(queues)
}

async fn bucket(aws: &Aws) -> Result<(), StoreError> {
    let made = aws.s3().create_bucket().bucket(&aws.config().pictures_bucket).send().await;
    match made {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(error.code(), Some("BucketAlreadyExists" | "BucketAlreadyOwnedByYou")) =>
        {
            Ok(())
        }
        Err(error) => Err(failed(&error)),
    }
}

async fn queues(aws: &Aws) -> Result<Queues, StoreError> {
    let sqs = aws.sqs();
    let make = |name: String, policy: Option<String>| {
        let request = sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::VisibilityTimeout, HIDDEN_FOR_S.to_string());
        match policy {
            Some(policy) => request.attributes(QueueAttributeName::RedrivePolicy, policy),
            None => request,
        }
    };
    let stage = &aws.config().stage;
    let with_dead = async |name: &str| {
        let dead = make(format!("memes-{stage}-{name}-dead"), None)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let dead = dead.queue_url.unwrap_or_default();
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&dead)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| failed(&error))?;
        let arn = attributes
            .attributes
            .and_then(|mut all| all.remove(&QueueAttributeName::QueueArn))
            .unwrap_or_default();
        let policy = serde_json::json!({
            "deadLetterTargetArn": arn,
            "maxReceiveCount": RECEIVES_MAX,
        });
        let queue = make(format!("memes-{stage}-{name}"), Some(policy.to_string()))
            .send()
            .await
            .map_err(|error| failed(&error))?;
        Ok::<_, StoreError>((queue.queue_url.unwrap_or_default(), dead))
    };
    let journal_dead = async {
        let queue = make(format!("memes-{stage}-journal-dead"), None).send().await;
        Ok(queue.map_err(|error| failed(&error))?.queue_url.unwrap_or_default())
    };
    let ((generations, dead), (usage, _), (webhooks, _), journal_dead) = tokio::try_join!(
        with_dead("generations"),
        with_dead("usage"),
        with_dead("webhooks"),
        journal_dead
    )?;
    Ok(Queues { generations, dead, usage, webhooks, journal_dead })
}

fn failed(error: &(dyn std::error::Error + 'static)) -> StoreError {
    StoreError::Failed(aws_sdk_sqs::error::DisplayErrorContext(error).to_string())
}
