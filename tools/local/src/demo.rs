//! `demo.json`: where the service is, and who may call it.
//!
//! Scripts, the operator's CLI and the studio read it. The demo clients keep their credentials for
//! as long as the file is there; without it new ones are made.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use auth::{ClientSecret, HashCost, SecretHasher};
use entitlements::Plan;
use gate::Platform;
use ids::ClientId;
use ledger::Region;
use maas_aws::Config;
use maas_aws::onboarding::{NewAccount, Onboarded, Onboarding, OnboardingError};
use serde::{Deserialize, Serialize};

use crate::stores::Endpoints;

/// The file's name in the data folder.
const FILE: &str = "demo.json";

/// The demo clients: name, plan, whether they have Memes AI, and their credits where those are not
/// their plan's.
const CLIENTS: &[(&str, Plan, bool, Option<u64>)] = &[
    ("free", Plan::Free, false, None),
    ("pro", Plan::Pro, false, None),
    ("premium", Plan::Pro, true, None),
    ("empty", Plan::Free, false, Some(0)),
];

/// Why the demo clients are not there.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A client was not made.
    #[error("the demo client `{name}` was not made")]
    Client {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: OnboardingError,
    },
    /// Secrets cannot be hashed.
    #[error("secrets cannot be hashed")]
    Hash(#[from] auth::HashError),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A client's credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// What the file says.
#[derive(Debug, Clone, Serialize)]
pub struct Demo {
    /// Where the API is.
    pub base_url: String,
    /// The stage, part of the names of tables.
    pub stage: String,
    /// The bucket of generated pictures.
    pub pictures_bucket: String,
    /// The queue of generations.
    pub generations_queue_url: String,
    /// AWS's endpoints.
    pub aws: Endpoints,
    /// The stage's other Regions, each with its DynamoDB's URL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other_regions: BTreeMap<Region, Option<String>>,
    /// The demo clients by name.
    pub clients: BTreeMap<String, Credentials>,
}

/// Makes sure of the demo clients; those of an earlier run, which `folder` tells of, are kept.
pub(crate) async fn clients(
    platform: &Platform,
    folder: &Path,
) -> Result<BTreeMap<String, Credentials>, DemoError> {
    let known = remembered(folder);
    let onboarding = Onboarding::new(
        platform.core.aws.clients(),
        std::sync::Arc::clone(&platform.core.ledger),
        SecretHasher::new(HashCost::OWASP)?,
        std::sync::Arc::clone(&platform.core.mint),
    );
    // Hashing a secret takes tens of milliseconds of a core by design: all of them at once.
    let mut making = tokio::task::JoinSet::new();
    for (name, plan, ai, credits) in CLIENTS {
        let given = known.get(*name).and_then(|known| {
            Some((known.client_id.parse().ok()?, known.client_secret.parse().ok()?))
        });
        let (client_id, secret): (Option<ClientId>, Option<ClientSecret>) = given.unzip();
        let account = NewAccount {
            client_id,
            secret: secret.clone(),
            name: format!("demo {name}"),
            plan: *plan,
            ai: *ai,
            credits: *credits,
            home: platform.core.aws.config().region.clone(),
        };
        let (onboarding, now) = (onboarding.clone(), platform.core.clock.now());
        making.spawn(async move {
            let made = onboarding.create(account, now).await;
            let made = made.map_err(|source| DemoError::Client { name, source })?;
            let credentials = match (made, secret) {
                (Onboarded::Created(created), _) => Credentials {
                    client_id: created.client_id.to_string(),
                    client_secret: created.secret.reveal().to_owned(),
                },
                (Onboarded::AlreadyThere(client), secret) => Credentials {
                    client_id: client.to_string(),
                    // Only a client that was asked for by its id can be there already, and an id
                    // comes with its secret.
                    client_secret: secret
                        .map(|secret| secret.reveal().to_owned())
                        .unwrap_or_default(),
                },
            };
            Ok::<_, DemoError>(((*name).to_owned(), credentials))
        });
    }
    let mut clients = BTreeMap::new();
    while let Some(made) = making.join_next().await {
        // A panic of the onboarding is a defect, not something to report as a missing client.
        let (name, credentials) =
            made.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        clients.insert(name, credentials);
    }
    Ok(clients)
}

/// The clients of an earlier run.
fn remembered(folder: &Path) -> BTreeMap<String, Credentials> {
    #[derive(Default, Deserialize)]
    struct File {
        clients: BTreeMap<String, Credentials>,
    }
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    serde_json::from_str::<File>(&text).unwrap_or_default().clients
}

impl Demo {
    /// What is told of a service with this configuration.
    pub(crate) fn new(
        config: &Config,
        aws: Endpoints,
        clients: BTreeMap<String, Credentials>,
    ) -> Self {
        Self {
            base_url: config.base_url.clone(),
            stage: config.stage.clone(),
            pictures_bucket: config.pictures_bucket.clone(),
            generations_queue_url: config.generations_queue_url.clone(),
            aws,
            other_regions: config.other_regions.clone(),
            clients,
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        // Strings and maps with string keys always make JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Writes the file whole: whoever reads it sees the old one or the new one.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), DemoError> {
        let path = folder.join(FILE);
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.text().as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| DemoError::Write { path: path.clone(), source })
    }
}
