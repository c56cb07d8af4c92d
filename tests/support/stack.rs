//! The service in this process, and its books.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{HashCost, SecretHasher};
use clock::Timestamp;
use entitlements::Plan;
use gate::Platform;
use ids::ClientId;
use ledger::{Balance, Journal, Ledger, Spending, invariants};
use local::service::{Service, ServiceConfig};
use local::stores::{Stores, StoresConfig, Streams};
use maas_aws::onboarding::{NewAccount, Onboarded, Onboarding};
use maas_aws::{Aws, Config, Endpoints, schema};
use tempfile::TempDir;
use webhooks::Targets;

use crate::api::Api;

/// Embedded stores with the service's tables, and no service.
#[derive(Debug)]
pub struct Bench {
    /// AWS, for the code under test.
    pub aws: Aws,
    // Held so that the stores live as long as the test.
    stores: Stores,
}

impl Bench {
    /// Starts the stores and creates the tables.
    ///
    /// # Panics
    /// If a store does not start: then no test can say anything.
    #[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
    pub async fn start() -> Self {
        let stores = Stores::start(StoresConfig::default()).await.expect("the stores start");
        let endpoints = stores.endpoints();
        let config = Config {
            stage: "test".to_owned(),
            colour: None,
            region: endpoints.region.clone(),
            base_url: "http://127.0.0.1:8080".to_owned(),
            pictures_bucket: "memes-test-pictures".to_owned(),
            generations_queue_url: String::new(),
            usage_queue_url: String::new(),
            webhooks_queue_url: String::new(),
            webhook_targets: Targets::Public,
            tallies: None,
            valkey_url: None,
            other_regions: BTreeMap::new(),
            endpoints: Some(Endpoints {
                dynamodb: endpoints.dynamodb.to_string(),
                sqs: endpoints.sqs.to_string(),
                s3: endpoints.s3.to_string(),
                access_key_id: endpoints.access_key_id.clone(),
                secret_access_key: endpoints.secret_access_key.clone(),
            }),
        };
        let aws = Aws::connect(config).await;
        for table in schema::TABLES {
            table.create(&aws.dynamodb(), "test").await.expect("the tables are created");
        }
        Self { aws, stores }
    }

    /// The streams of the tables.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        self.stores.streams()
    }
}

/// How a [`Stack`] is started.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// Whether the pool of AI memes is filled.
    pub pool: bool,
    /// The URL of a Valkey server through which leases are shared.
    pub valkey_url: Option<String>,
    /// The Region's name; without one, the stores' own.
    pub region: Option<String>,
    /// The stage's other Regions, each with its DynamoDB's URL.
    pub other_regions: BTreeMap<String, String>,
    /// Kafka brokers that usage events go by way of.
    pub kafka_servers: Option<String>,
    /// Whether webhooks lead to public addresses alone.
    pub public_webhooks: bool,
    /// Whether data is kept in files, as `cargo run` does, rather than in memory.
    pub in_files: bool,
    /// How long usage events wait for others to be counted with; nothing, where a test waits for
    /// what is counted.
    pub usage_window: Duration,
}

/// The whole service, on a port of its own.
#[derive(Debug)]
pub struct Stack {
    service: Service,
    folder: TempDir,
    clients: Arc<Mutex<Vec<ClientId>>>,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]
impl Stack {
    /// Runs a test against a service of its own. When it is over, the queues must run empty and the
    /// books of every client that the test made must balance.
    ///
    /// # Panics
    /// If the service does not start, the test fails or the books do not balance.
    pub async fn run(test: impl AsyncFnOnce(&Self)) {
        Self::run_with(StackOptions::default(), test).await;
    }

    /// [`run`](Self::run), with options.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub async fn run_with(options: StackOptions, test: impl AsyncFnOnce(&Self)) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let config = ServiceConfig {
            data_dir: folder.path().to_owned(),
            memory: !options.in_files,
            port: 0,
            fill_pool: options.pool,
            valkey_url: options.valkey_url.clone(),
            region: options.region.clone(),
            other_regions: options.other_regions.clone(),
            usage_window: options.usage_window,
            kafka_servers: options.kafka_servers.clone(),
            public_webhooks: options.public_webhooks,
        };
        let service = Service::start(config).await.expect("the service starts");
        let stack = Self { service, folder, clients: Arc::default() };
        test(&stack).await;
        stack.finish(options).await;
    }

    async fn finish(self, options: StackOptions) {
        let platform = self.platform().clone();
        if !options.pool {
            let store = platform.core.aws.generations();
            eventually("every generation has ended", async || {
                let unfinished = store.unfinished(100).await.expect("jobs can be read");
                unfinished.is_empty().then_some(())
            })
            .await;
        }
        platform.meter.holder().drain().await;
        let clients = self.clients.lock().expect("no test panicked with it").clone();
        for client in clients {
            eventually("what the Region leased goes back", async || {
                platform.core.lending.give_back(client).await.ok()
            })
            .await;
            let balance = self.balance(client).await;
            assert_eq!(invariants::violations(&balance, None), [], "{client}");
            assert_eq!(balance.accounts.leased, 0, "{client} has leases after all were given back");
            assert_eq!(balance.accounts.held, 0, "{client} has holds after all jobs have ended");
            eventually("the usage of every client is counted", async || {
                let used = self.used(client).await;
                assert!(used.credits() <= balance.accounts.spent, "{client} paid less: {used:?}");
                (used.credits() == balance.accounts.spent).then_some(())
            })
            .await;
            eventually("the journal of every client comes to its balance", async || {
                let journal = self.journal(client).await;
                // The reaper may have changed it since.
                let balance = platform.core.ledger.balance(client).await;
                let balance = balance.expect("a balance can be read");
                (journal.totals().map(|totals| totals.seq) == Some(balance.seq)).then(|| {
                    assert_eq!(journal.prove(&balance), Ok(()), "{client}");
                })
            })
            .await;
        }
        self.service.shutdown().await;
    }

    /// What the functions share.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        self.service.platform()
    }

    /// The folder with `demo.json`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the service is.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.service.demo().base_url
    }

    /// Calls without a token.
    #[must_use]
    pub fn anonymous(&self) -> Api {
        Api::anonymous(self.base_url())
    }

    /// A new client on `plan` with so many credits, logged in.
    ///
    /// # Panics
    /// If it is not made.
    pub async fn client(&self, plan: Plan, ai: bool, credits: u64) -> Api {
        let (client, secret) = self.register(plan, ai, credits).await;
        self.anonymous().log_in(&client.to_string(), &secret).await
    }

    /// A new client on `plan` with so many credits: its id and its secret.
    ///
    /// # Panics
    /// If it is not made.
    pub async fn register(&self, plan: Plan, ai: bool, credits: u64) -> (ClientId, String) {
        let platform = self.platform();
        // The cheapest hash there is: what a hash costs is tested elsewhere.
        let cost = HashCost { memory_kib: 8, passes: 1, lanes: 1 };
        let onboarding = Onboarding::new(
            platform.core.aws.clients(),
            Arc::clone(&platform.core.ledger),
            SecretHasher::new(cost).expect("a hasher can be made"),
            Arc::clone(&platform.core.mint),
        );
        let account = NewAccount {
            client_id: None,
            secret: None,
            name: "a client of a test".to_owned(),
            plan,
            ai,
            credits: Some(credits),
            home: platform.core.aws.config().region.clone(),
        };
        let made = onboarding.create(account, platform.core.clock.now()).await;
        let Onboarded::Created(created) = made.expect("the client is made") else {
            panic!("a new client was there already");
        };
        self.clients.lock().expect("no test panicked with it").push(created.client_id);
        (created.client_id, created.secret.reveal().to_owned())
    }

    /// Leaves a client out when the books are checked, because the test itself unbalances them.
    ///
    /// # Panics
    /// If another test panicked with the list of clients.
    pub fn forget(&self, client: ClientId) {
        self.clients.lock().expect("no test panicked with it").retain(|it| *it != client);
    }

    /// What is counted of a client's usage.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn used(&self, client: ClientId) -> Spending {
        let core = &self.platform().core;
        let (from, to) = (Timestamp::UNIX_EPOCH, core.clock.now() + Duration::from_secs(3_600));
        let hours = core.aws.usage().hours(client, from, to, 1_000).await;
        let hours = hours.expect("usage can be read");
        hours.iter().fold(Spending::default(), |sum, hour| sum.plus(&hour.spending))
    }

    /// A client's balance as it is now.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn balance(&self, client: ClientId) -> Balance {
        self.platform().core.ledger.balance(client).await.expect("a balance can be read")
    }

    /// A client's journal, read to its end.
    ///
    /// # Panics
    /// If it cannot be read, or does not add up.
    pub async fn journal(&self, client: ClientId) -> Journal {
        let store = self.platform().core.aws.journal();
        let postings = store.following(client, 0, usize::MAX).await.expect("it can be read");
        let mut journal = Journal::whole(client);
        for posting in &postings {
            journal.read(posting).expect("the journal adds up");
        }
        journal
    }

    /// A client's balance, once every holder has reported what it used.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn settled(&self, client: ClientId) -> Balance {
        self.platform().meter.holder().drain().await;
        self.balance(client).await
    }
}

/// Asks `question` until it answers, for what happens in its own time.
///
/// # Panics
/// After a minute, which is longer than anything here takes.
#[expect(clippy::panic, reason = "a harness fails its test by panicking")]
pub async fn eventually<T>(what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
    match within(Duration::from_secs(60), question).await {
        Some(answer) => answer,
        None => panic!("never happened: {what}"),
    }
}

/// Asks `question` until it answers or `patience` is over.
pub async fn within<T>(
    patience: Duration,
    mut question: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let pause = Duration::from_millis(50);
    for _ in 0..patience.as_millis() / pause.as_millis() {
        if let Some(answer) = question().await {
            return Some(answer);
        }
        tokio::time::sleep(pause).await;
    }
    None
}
