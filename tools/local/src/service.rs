//! The whole service in this process, from its stores to its gateway.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auth::KeyError;
use aws_sdk_sqs::types::QueueAttributeName;
use clock::SystemClock;
use gate::{Platform, SHARED_EVERY};
use generation_worker::{Composer, SignerError};
use ledger::Region;
use maas_aws::keys::{Half, generate};
use maas_aws::{Aws, Config, Core, CoreError, StoreError, schema};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use webhooks::{PATIENCE, Targets};

use crate::demo::{self, Demo, DemoError};
use crate::event_source::{Schedule, SqsPoller, SqsPollerConfig, every};
use crate::functions::Functions;
use crate::gateway::Gateway;
use crate::kafka::{self, KafkaError};
use crate::manifest_key::{self, ManifestKeyError};
use crate::resources::{self, Queues};
use crate::server::{self, Phase};
use crate::stores::{Endpoints as StoreEndpoints, Ports, Stores, StoresConfig, StoresError};
use crate::stream_source::{StreamPoller, StreamPollerConfig};
use crate::studio::Studio;

/// What is logged where nothing else is asked for. A condition that does not hold is an answer of
/// DynamoDB's, often a wanted one, and no reason for a warning.
pub const LOG: &str = "warn,dynoxide=error";

/// The stage's name, part of the names of tables.
const STAGE: &str = "local";

/// How often credits are reaped, as often as in production.
const REAP_EVERY: Duration = Duration::from_secs(10);

/// How often generations and webhooks' deliveries are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// How often the pool is filled.
const FILL_EVERY: Duration = Duration::from_secs(1);

/// How often leases are looked after, as often as in production.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// How many messages with usage events are counted together at most, as in production.
pub const USAGE_BATCH: u16 = 1_000;

/// How long usage events wait for others to be counted with, as in production. Shorter by far than
/// holders keep their counts for when the queue in this process dies with it.
pub const USAGE_WINDOW: Duration = Duration::from_secs(5);

/// How many entries are appended to the journal together at most, as in production.
pub const JOURNAL_BATCH: usize = 100;

/// How often balances are proven, as often as in production.
const PROVE_EVERY: Duration = Duration::from_secs(3_600);

/// How full the pool of a laptop should be. A few at a time, so that a client's own generation
/// waits for a few pictures at most.
const POOL: pool_fill::Target = pool_fill::Target { per_topic: 2, in_flight: 4 };

/// How long requests and jobs may take to finish when the service stops.
const DRAIN: Duration = Duration::from_secs(10);

/// How the service is started.
#[derive(Debug, Clone, Default)]
pub struct ServiceConfig {
    /// The folder of the data and of `demo.json`.
    pub data_dir: PathBuf,
    /// Whether the data is kept in memory instead.
    pub memory: bool,
    /// The gateway's port on loopback; 0 means a free one.
    pub port: u16,
    /// Whether memes are made for the pool from the start.
    pub fill_pool: bool,
    /// The URL of a Valkey server through which processes share leases and limits.
    pub valkey_url: Option<String>,
    /// The Region's name; without one, the stores' own.
    pub region: Option<String>,
    /// The stage's other Regions, each with its DynamoDB's URL.
    pub other_regions: BTreeMap<String, String>,
    /// How long usage events wait for others to be counted with: [`USAGE_WINDOW`], or nothing where a
    /// test waits for what is counted.
    pub usage_window: Duration,
    /// Whether webhooks lead to public addresses alone, as in production.
    pub public_webhooks: bool,
    /// Kafka brokers, as `host:port` with commas between, that usage events go by way of.
    pub kafka_servers: Option<String>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The gateway's port is taken.
    #[error("cannot listen on 127.0.0.1:{port}; choose another port with `--port`")]
    Bind {
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The stores did not start.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// A table, bucket or queue was not made.
    #[error("a table, bucket or queue was not made")]
    Resources(#[from] StoreError),
    /// There is no signing key.
    #[error("no signing key could be made")]
    Key(#[from] KeyError),
    /// There is no key of manifests.
    #[error(transparent)]
    ManifestKey(#[from] ManifestKeyError),
    /// Pictures cannot be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The functions' common ground is not there.
    #[error(transparent)]
    Platform(#[from] gate::StartError),
    /// There is no randomness.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The issuer of tokens does not start.
    #[error(transparent)]
    Issuer(#[from] token_issue::StartError),
    /// Usage does not go by way of Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The demo clients are not there.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

/// The running service.
#[derive(Debug)]
pub struct Service {
    demo: Demo,
    platform: Platform,
    phase: watch::Sender<Phase>,
    gateway: JoinHandle<io::Result<()>>,
    pollers: Vec<SqsPoller>,
    kafka: Option<kafka::Source>,
    journal: StreamPoller,
    schedules: Vec<Schedule>,
    stores: Stores,
}

impl Service {
    /// Starts everything. When it returns, the gateway answers.
    ///
    /// # Errors
    /// [`ServiceError`] says which part failed; nothing keeps running then.
    pub async fn start(config: ServiceConfig) -> Result<Self, ServiceError> {
        let (listener, port) = listen(config.port)
            .map_err(|source| ServiceError::Bind { port: config.port, source })?;
        let stores = start_stores(&config, port).await?;
        let aws = connect(stores.endpoints(), port).await;
        let queues = resources::create(&aws).await?;
        let aws = Aws::connect(Config {
            generations_queue_url: queues.generations.clone(),
            usage_queue_url: queues.usage.clone(),
            webhooks_queue_url: queues.webhooks.clone(),
            webhook_targets: webhook_targets(&config),
            tallies: (!config.memory).then(|| config.data_dir.join("tallies")),
            valkey_url: config.valkey_url.clone(),
            other_regions: other_regions(&config),
            ..aws.config().clone()
        })
        .await;
        make_signing_key(&aws).await?;
        manifest_key::make(&aws, &config.data_dir).await?;

        let core = Core::new(aws, SystemClock::shared())?;
        let platform = match &config.kafka_servers {
            None => Platform::new(core).await,
            Some(servers) => Platform::with_usage_sink(core, kafka::sink(servers).await?).await,
        };
        let platform = platform.map_err(gate::StartError::from)?;
        let (clients, functions) =
            tokio::join!(demo::clients(&platform, &config.data_dir), Functions::new(&platform));
        let demo = Demo::new(platform.core.aws.config(), stores.endpoints().clone(), clients?);
        let gateway = Gateway::new(functions?, Studio::new(demo.text()));
        let (phase, watched) = watch::channel(Phase::Serving);
        let gateway = tokio::spawn(server::serve(listener, gateway, watched));

        let pollers = poll(&platform, &queues, config.usage_window).await?;
        let kafka = config.kafka_servers.as_deref();
        let kafka = kafka.map(|servers| kafka::Source::start(servers, &platform)).transpose()?;
        let journal = journal(&platform, &stores, &queues, &config);
        let schedules = schedule(&platform, config.fill_pool);
        // The last thing: who finds the file finds a service that answers.
        demo.write(&config.data_dir)?;
        Ok(Self { demo, platform, phase, gateway, pollers, kafka, journal, schedules, stores })
    }

    /// Where the service is, and who may call it.
    #[must_use]
    pub const fn demo(&self) -> &Demo {
        &self.demo
    }

    /// What the functions share.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Finishes the requests and jobs at work, gives every leased credit back and stops.
    pub async fn shutdown(self) {
        // Nobody listens where the gateway has ended already.
        let _ = self.phase.send(Phase::Draining);
        if tokio::time::timeout(DRAIN, self.gateway).await.is_err() {
            tracing::warn!("some requests were not finished");
        }
        for schedule in self.schedules {
            if let Err(unfinished) = schedule.shutdown(DRAIN).await {
                tracing::warn!(%unfinished, "a scheduled function was stopped");
            }
        }
        self.platform.meter.holder().drain().await;
        for poller in &self.pollers {
            poller.hurry();
        }
        if tokio::time::timeout(DRAIN, usage_counted(&self.platform)).await.is_err() {
            tracing::warn!("some usage was not counted");
        }
        if let Some(kafka) = self.kafka {
            kafka.shutdown(DRAIN).await;
        }
        for poller in self.pollers {
            if let Err(unfinished) = poller.shutdown(DRAIN).await {
                tracing::warn!(%unfinished, "a job was stopped; it goes on at the next start");
            }
        }
        if let Err(unfinished) = self.journal.shutdown(DRAIN).await {
            tracing::warn!(%unfinished, "some entries are appended at the next start");
        }
        self.stores.shutdown().await;
    }
}

fn listen(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The stores on the ports behind the gateway's, so that addresses survive a restart; on free ones
/// where those are taken.
async fn start_stores(config: &ServiceConfig, port: u16) -> Result<Stores, StoresError> {
    let defaults = StoresConfig::default();
    let free = StoresConfig {
        data_dir: (!config.memory).then(|| config.data_dir.clone()),
        region: config.region.clone().unwrap_or(defaults.region),
        ..defaults
    };
    let behind = |step| port.checked_add(step).filter(|_| config.port != 0);
    let (Some(dynamodb), Some(sqs), Some(s3)) = (behind(1), behind(2), behind(3)) else {
        return Stores::start(free).await;
    };
    let fixed = StoresConfig { ports: Some(Ports { dynamodb, sqs, s3 }), ..free.clone() };
    match Stores::start(fixed).await {
        Err(StoresError::Bind { .. }) => Stores::start(free).await,
        started => started,
    }
}

async fn connect(endpoints: &StoreEndpoints, port: u16) -> Aws {
    // The SDK's URLs end with a slash, and paths are put behind them.
    let url = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    Aws::connect(Config {
        stage: STAGE.to_owned(),
        colour: None,
        region: endpoints.region.clone(),
        base_url: format!("http://127.0.0.1:{port}"),
        pictures_bucket: format!("memes-{STAGE}-pictures"),
        generations_queue_url: String::new(),
        usage_queue_url: String::new(),
        webhooks_queue_url: String::new(),
        webhook_targets: Targets::Public,
        tallies: None,
        valkey_url: None,
        other_regions: BTreeMap::new(),
        endpoints: Some(maas_aws::Endpoints {
            dynamodb: url(&endpoints.dynamodb),
            sqs: url(&endpoints.sqs),
            s3: url(&endpoints.s3),
            access_key_id: endpoints.access_key_id.clone(),
            secret_access_key: endpoints.secret_access_key.clone(),
        }),
    })
    .await
}

/// Whoever has the service on a machine of their own has the receivers there too.
const fn webhook_targets(config: &ServiceConfig) -> Targets {
    if config.public_webhooks { Targets::Public } else { Targets::Anywhere }
}

fn other_regions(config: &ServiceConfig) -> BTreeMap<Region, Option<String>> {
    let others = config.other_regions.iter();
    others.map(|(name, url)| (Region::new(name), Some(url.clone()))).collect()
}

/// The first key that tokens are signed with. `memes keys rotate` makes others.
async fn make_signing_key(aws: &Aws) -> Result<(), ServiceError> {
    let keys = aws.keys();
    if !keys.list(Half::Private).await?.is_empty() {
        return Ok(());
    }
    for (half, key) in generate(SystemClock::shared().now()).await? {
        keys.put(half, &key).await?;
    }
    Ok(())
}

/// Waits until every usage event is counted: the queue forgets them with this process.
async fn usage_counted(platform: &Platform) {
    let sqs = platform.core.aws.sqs();
    let counts = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    loop {
        let waiting = sqs
            .get_queue_attributes()
            .queue_url(&platform.core.aws.config().usage_queue_url)
            .set_attribute_names(Some(counts.to_vec()))
            .send()
            .await;
        // A queue that does not answer has nothing more to hand out either.
        let Ok(waiting) = waiting else { return };
        let none = |name| {
            let all = waiting.attributes.as_ref();
            all.and_then(|all| all.get(name)).is_none_or(|count| count == "0")
        };
        if counts.iter().all(none) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Feeds the functions of the queues.
async fn poll(
    platform: &Platform,
    queues: &Queues,
    usage_window: Duration,
) -> Result<Vec<SqsPoller>, SignerError> {
    let worker = Arc::new(generation_worker::Context::new(&platform.core, Composer::new()));
    worker.ready().await?;
    let refund = Arc::new(generation_refund::Context::new(&platform.core));
    let settle = Arc::new(usage_settle::Context::new(&platform.core));
    let tell = Arc::new(webhook_send::Context::new(&platform.core));
    let one =
        |queue_url: &str| SqsPollerConfig { batch_size: 1, ..SqsPollerConfig::new(queue_url) };
    Ok(vec![
        SqsPoller::start(
            platform.core.aws.sqs_long_polling(),
            one(&queues.generations),
            move |event| {
                let worker = Arc::clone(&worker);
                async move { Ok::<_, String>(generation_worker::handle(&worker, event).await) }
            },
        ),
        SqsPoller::start(platform.core.aws.sqs_long_polling(), one(&queues.dead), move |event| {
            let refund = Arc::clone(&refund);
            async move { Ok::<_, String>(generation_refund::handle(&refund, event).await) }
        }),
        SqsPoller::start(
            platform.core.aws.sqs_long_polling(),
            SqsPollerConfig {
                batch_size: USAGE_BATCH,
                window: usage_window,
                ..SqsPollerConfig::new(&queues.usage)
            },
            move |event| {
                let settle = Arc::clone(&settle);
                async move { Ok::<_, String>(usage_settle::handle(&settle, event).await) }
            },
        ),
        SqsPoller::start(
            platform.core.aws.sqs_long_polling(),
            SqsPollerConfig::new(&queues.webhooks),
            move |event| {
                let tell = Arc::clone(&tell);
                async move { Ok::<_, String>(webhook_send::handle(&tell, event).await) }
            },
        ),
    ])
}

/// Feeds the journal from the stream of the ledger.
fn journal(
    platform: &Platform,
    stores: &Stores,
    queues: &Queues,
    config: &ServiceConfig,
) -> StreamPoller {
    let aws = &platform.core.aws;
    let append = Arc::new(journal_append::Context::new(&platform.core));
    let config = StreamPollerConfig {
        batch_size: JOURNAL_BATCH,
        checkpoint: (!config.memory).then(|| config.data_dir.join("journal.checkpoint")),
        dead_letters: Some((aws.sqs(), queues.journal_dead.clone())),
        ..StreamPollerConfig::new(aws.config().table(schema::LEDGER))
    };
    StreamPoller::start(stores.streams().clone(), config, move |event| {
        let append = Arc::clone(&append);
        async move { Ok::<_, String>(journal_append::handle(&append, event).await) }
    })
}

/// Calls the functions of schedules.
fn schedule(platform: &Platform, fill_pool: bool) -> Vec<Schedule> {
    let reap = Arc::new(credit_reap::Context::new(&platform.core));
    let sweep = Arc::new(generation_sweep::Context::new(&platform.core));
    let holder = Arc::clone(platform.meter.holder());
    let meter = Arc::clone(&platform.meter);
    let prove = Arc::new(journal_prove::Context::new(&platform.core));
    let mut schedules = vec![
        every(PROVE_EVERY, move || {
            let prove = Arc::clone(&prove);
            async move { journal_prove::handle(&prove).await.map(drop) }
        }),
        every(REAP_EVERY, move || {
            let reap = Arc::clone(&reap);
            async move { credit_reap::handle(&reap).await.map(drop) }
        }),
        every(SWEEP_EVERY, {
            // The queues of this process are empty when it starts: whatever is unfinished then is
            // in none of them.
            let fresh = Arc::new(std::sync::atomic::AtomicBool::new(true));
            move || {
                let sweep = Arc::clone(&sweep);
                let first = fresh.swap(false, std::sync::atomic::Ordering::Relaxed);
                let patience = if first { Duration::ZERO } else { LOST_AFTER };
                async move { generation_sweep::handle(&sweep, patience).await.map(drop) }
            }
        }),
        every(SWEEP_EVERY, {
            let sweep = Arc::new(webhook_sweep::Context::new(&platform.core));
            let fresh = Arc::new(std::sync::atomic::AtomicBool::new(true));
            move || {
                let sweep = Arc::clone(&sweep);
                // What waits for a message when this process starts waits in vain.
                let first = fresh.swap(false, std::sync::atomic::Ordering::Relaxed);
                let ahead = if first { PATIENCE } else { Duration::ZERO };
                async move { webhook_sweep::handle(&sweep, ahead).await.map(drop) }
            }
        }),
        every(SETTLE_EVERY, move || {
            let holder = Arc::clone(&holder);
            async move {
                holder.sweep().await;
                Ok::<_, String>(())
            }
        }),
        every(SHARED_EVERY, move || {
            let meter = Arc::clone(&meter);
            async move {
                meter.share().await;
                Ok::<_, String>(())
            }
        }),
    ];
    if fill_pool {
        let fill = Arc::new(pool_fill::Context::new(&platform.core));
        schedules.push(every(FILL_EVERY, move || {
            let fill = Arc::clone(&fill);
            async move { pool_fill::handle(&fill, POOL).await.map(drop) }
        }));
    }
    schedules
}

/// When a job that waits is taken for lost. The queue is in this process, so messages are not lost
/// on their way; what is lost was in the hands of a process that died.
const LOST_AFTER: Duration = Duration::from_secs(60);
