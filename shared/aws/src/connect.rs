//! The SDK's clients, made once per process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;

use crate::clients::ClientStore;
use crate::config::Config;
use crate::generations::GenerationStore;
use crate::idempotency::IdempotencyStore;
use crate::journal::JournalStore;
use crate::keys::KeyStore;
use crate::ledger::DynamoLedger;
use crate::memes::MemeStore;
use crate::pictures::PictureStore;
use crate::queue::{GenerationQueue, UsageQueue, WebhookQueue};
use crate::schema;
use crate::usage::UsageStore;
use crate::webhooks::WebhookStore;

/// How long one attempt may take. DynamoDB answers within 10 ms; what takes this long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a request may take that waits for messages.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a call may take with all of its attempts. Below API Gateway's patience by far.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt of a person's command may take. Credentials that come from a sign-on
/// service or from another program are fetched within the attempt, and the Region may be far away.
const OPERATOR_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a person's command waits for a call with all of its attempts.
const OPERATOR_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// AWS, as one stage's configuration shows it.
#[derive(Debug, Clone)]
pub struct Aws {
    config: Config,
    sdk: SdkConfig,
}

impl Aws {
    /// Finds the credentials and sets up what all clients share. Makes no request to a service.
    pub async fn connect(config: Config) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        Self::load(config, loader, ATTEMPT_TIMEOUT, CALL_TIMEOUT).await
    }

    /// The same for a person's command: with the credentials of a profile of the shared AWS
    /// configuration files where one is named, and with the patience that a person has.
    pub async fn connect_as_operator(config: Config, profile: Option<&str>) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        Self::load(config, loader, OPERATOR_ATTEMPT_TIMEOUT, OPERATOR_CALL_TIMEOUT).await
    }

    async fn load(
        config: Config,
        loader: ConfigLoader,
        attempt_timeout: Duration,
        call_timeout: Duration,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(attempt_timeout)
            .operation_timeout(call_timeout)
            .build();
        let mut loader = loader
            .region(Region::new(config.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts);
        if let Some(endpoints) = &config.endpoints {
            loader = loader.credentials_provider(Credentials::new(
                &endpoints.access_key_id,
                &endpoints.secret_access_key,
                None,
                None,
                "local",
            ));
        }
        Self { sdk: loader.load().await, config }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The stage in its other Regions. Of the endpoints only DynamoDB's is that Region's.
    #[must_use]
    pub fn others(&self) -> Vec<Self> {
        self.config.other_regions.keys().filter_map(|region| self.in_region(region)).collect()
    }

    /// The stage in one of its Regions; none if that is no Region of the stage.
    #[must_use]
    pub fn in_region(&self, region: &ledger::Region) -> Option<Self> {
        let mut config = self.config.clone();
        if config.region == region.as_str() {
            return Some(self.clone());
        }
        let dynamodb = config.other_regions.remove(region)?;
        let here = ledger::Region::new(&config.region);
        let endpoint = config.endpoints.as_ref().map(|endpoints| endpoints.dynamodb.clone());
        config.other_regions.insert(here, endpoint);
        if let (Some(endpoints), Some(dynamodb)) = (&mut config.endpoints, dynamodb) {
            endpoints.dynamodb = dynamodb;
        }
        region.as_str().clone_into(&mut config.region);
        let sdk = self.sdk.to_builder().region(Region::new(config.region.clone())).build();
        Some(Self { config, sdk })
    }

    /// A DynamoDB client.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&self.sdk);
        if let Some(endpoints) = &self.config.endpoints {
            builder = builder.endpoint_url(&endpoints.dynamodb);
        }
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }

    /// An SQS client.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        self.sqs_of(aws_sdk_sqs::config::Builder::from(&self.sdk))
    }

    /// An SQS client whose requests may wait for messages, up to the 20 seconds that SQS allows.
    #[must_use]
    pub fn sqs_long_polling(&self) -> aws_sdk_sqs::Client {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(POLL_TIMEOUT)
            .disable_operation_timeout()
            .build();
        let builder = aws_sdk_sqs::config::Builder::from(&self.sdk);
        self.sqs_of(builder.timeout_config(timeouts))
    }

    fn sqs_of(&self, mut builder: aws_sdk_sqs::config::Builder) -> aws_sdk_sqs::Client {
        if let Some(endpoints) = &self.config.endpoints {
            builder = builder.endpoint_url(&endpoints.sqs);
        }
        aws_sdk_sqs::Client::from_conf(builder.build())
    }

    /// An S3 client.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let mut builder = aws_sdk_s3::config::Builder::from(&self.sdk);
        if let Some(endpoints) = &self.config.endpoints {
            builder = builder.endpoint_url(&endpoints.s3).force_path_style(true);
        }
        aws_sdk_s3::Client::from_conf(builder.build())
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.dynamodb(), self.config.table(schema::LEDGER))
    }

    /// What this Region holds of clients at home in another.
    #[must_use]
    pub fn stock(&self) -> DynamoLedger {
        DynamoLedger::new(self.dynamodb(), self.config.table(schema::STOCK))
    }

    /// The journal of the ledger's entries.
    #[must_use]
    pub fn journal(&self) -> JournalStore {
        JournalStore::new(self.dynamodb(), self.config.table(schema::JOURNAL))
    }

    /// What clients used.
    #[must_use]
    pub fn usage(&self) -> UsageStore {
        UsageStore::new(self.dynamodb(), self.config.table(schema::USAGE))
    }

    /// The queue of usage events.
    #[must_use]
    pub fn usage_queue(&self) -> UsageQueue {
        UsageQueue::new(self.sqs(), self.config.usage_queue_url.clone())
    }

    /// The clients.
    #[must_use]
    pub fn clients(&self) -> ClientStore {
        ClientStore::new(self.dynamodb(), self.config.table(schema::CLIENTS))
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> KeyStore {
        KeyStore::new(self.dynamodb(), self.config.table(schema::SIGNING_KEYS))
    }

    /// The memes that are kept.
    #[must_use]
    pub fn memes(&self) -> MemeStore {
        MemeStore::new(self.dynamodb(), self.config.table(schema::MEMES))
    }

    /// The jobs.
    #[must_use]
    pub fn generations(&self) -> GenerationStore {
        GenerationStore::new(
            self.dynamodb(),
            self.config.table(schema::GENERATIONS),
            self.memes(),
            self.idempotency(),
            self.usage(),
            self.webhooks(),
        )
    }

    /// Clients' endpoints, and the deliveries to them.
    #[must_use]
    pub fn webhooks(&self) -> WebhookStore {
        let queue = WebhookQueue::new(self.sqs(), self.config.webhooks_queue_url.clone());
        WebhookStore::new(self.dynamodb(), self.config.table(schema::WEBHOOKS), queue)
    }

    /// The idempotency keys.
    #[must_use]
    pub fn idempotency(&self) -> IdempotencyStore {
        IdempotencyStore::new(self.dynamodb(), self.config.table(schema::IDEMPOTENCY))
    }

    /// The generated pictures.
    #[must_use]
    pub fn pictures(&self) -> PictureStore {
        PictureStore::new(self.s3(), self.config.pictures_bucket.clone())
    }

    /// The queue of generations.
    #[must_use]
    pub fn generation_queue(&self) -> GenerationQueue {
        GenerationQueue::new(self.sqs(), self.config.generations_queue_url.clone())
    }
}
