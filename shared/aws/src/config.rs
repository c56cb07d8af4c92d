//! Where a function finds what it works on. Read from the environment in one place.

mod worker;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use ledger::Region;
use webhooks::Targets;

use crate::schema::Table;

pub use worker::{
    GeneratorKind, Hidden, MODEL_DEVICE, MODEL_FOLDER, MODEL_PRECISION, ModelConfig,
    NeighbourConfig, NeighbourVariables, PICTURE_FILTER, WORKER_VARIABLES, WorkerConfig,
};

/// A setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// It is set to something impossible.
    #[error("the environment variable {name} must be {expected}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// AWS's endpoints where they are not AWS's own: the local stack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// DynamoDB's URL.
    pub dynamodb: String,
    /// SQS's URL.
    pub sqs: String,
    /// S3's URL.
    pub s3: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
}

/// What all functions of a stage are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `dev`, `qa`, `uat`, `prod` or `local`; part of every name.
    pub stage: String,
    /// Which of the stage's copies side by side this is, where there are several.
    pub colour: Option<String>,
    /// This function's AWS Region, and the home of clients created here.
    pub region: String,
    /// Where clients reach the API, without a slash at the end: `https://api.example.com`. Tokens
    /// are issued by it, and pictures of normal memes are under it.
    pub base_url: String,
    /// The bucket that generated pictures are in.
    pub pictures_bucket: String,
    /// The URL of the queue of generations.
    pub generations_queue_url: String,
    /// The URL of the queue of usage events.
    pub usage_queue_url: String,
    /// The URL of the queue of webhooks' deliveries.
    pub webhooks_queue_url: String,
    /// Where webhooks may lead.
    pub webhook_targets: Targets,
    /// The folder in which tallies of leases outlive their process; none keeps them in memory.
    pub tallies: Option<PathBuf>,
    /// Valkey's URL, if the processes of the Region share leases and limits there.
    pub valkey_url: Option<String>,
    /// The stage's other Regions, which can be homes of clients too, each with DynamoDB's URL where
    /// that is not AWS's own.
    pub other_regions: BTreeMap<Region, Option<String>>,
    /// Endpoints other than AWS's own.
    pub endpoints: Option<Endpoints>,
}

/// The variable of [`Config::valkey_url`].
pub(crate) const VALKEY_URL: &str = "MEMES_VALKEY_URL";

/// The variable that lets webhooks lead to this machine and its network.
const WEBHOOKS_LOCAL: &str = "MEMES_WEBHOOKS_LOCAL";

/// The environment variables that [`Config`] is read from; `template.yaml` sets them.
pub const VARIABLES: &[&str] = &[
    "MEMES_STAGE",
    "MEMES_COLOUR",
    "MEMES_BASE_URL",
    "MEMES_PICTURES_BUCKET",
    "MEMES_GENERATIONS_QUEUE_URL",
    "MEMES_USAGE_QUEUE_URL",
    "MEMES_WEBHOOKS_QUEUE_URL",
    "MEMES_WEBHOOKS_LOCAL",
    "MEMES_TALLIES",
    "MEMES_VALKEY_URL",
    "MEMES_REGIONS",
];

impl Config {
    /// Reads the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(&std::env::vars().collect())
    }

    /// Reads the configuration from variables.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn from_variables(variables: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let get = |name: &'static str| {
            variables
                .get(name)
                .filter(|value| !value.trim().is_empty())
                .cloned()
                .ok_or(ConfigError::Missing(name))
        };
        let base_url = get("MEMES_BASE_URL")?;
        if !base_url.starts_with("https://") && !base_url.starts_with("http://") {
            return Err(ConfigError::Invalid {
                name: "MEMES_BASE_URL",
                expected: "a URL that begins with https://",
            });
        }
        // Lambda sets it.
        let region = get("AWS_REGION")?;
        let regions = get("MEMES_REGIONS").unwrap_or_default();
        Ok(Self {
            other_regions: other_regions(&regions, &region)?,
            stage: get("MEMES_STAGE")?,
            colour: get("MEMES_COLOUR").ok(),
            region,
            base_url: base_url.trim_end_matches('/').to_owned(),
            // Not every function is told of every resource: what it does not use it does not get.
            pictures_bucket: get("MEMES_PICTURES_BUCKET").unwrap_or_default(),
            generations_queue_url: get("MEMES_GENERATIONS_QUEUE_URL").unwrap_or_default(),
            usage_queue_url: get("MEMES_USAGE_QUEUE_URL").unwrap_or_default(),
            webhooks_queue_url: get("MEMES_WEBHOOKS_QUEUE_URL").unwrap_or_default(),
            webhook_targets: webhook_targets(get(WEBHOOKS_LOCAL).ok().as_deref())?,
            tallies: get("MEMES_TALLIES").ok().map(PathBuf::from),
            valkey_url: get(VALKEY_URL).ok(),
            endpoints: None,
        })
    }

    /// The name of `table` in this stage.
    #[must_use]
    pub fn table(&self, table: Table) -> String {
        table.in_stage(&self.stage)
    }

    /// What tokens are for: the API of this stage.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.base_url
    }
}

/// Where webhooks may lead: to public addresses, unless the operator says `yes` to all others.
///
/// # Errors
/// [`ConfigError`] if the operator says neither `yes` nor `no`.
fn webhook_targets(local: Option<&str>) -> Result<Targets, ConfigError> {
    match local {
        None | Some("no") => Ok(Targets::Public),
        Some("yes") => Ok(Targets::Anywhere),
        Some(_) => Err(ConfigError::Invalid { name: WEBHOOKS_LOCAL, expected: "`yes` or `no`" }),
    }
}

/// The Regions of a stage, named with commas between, without the one that this is.
///
/// # Errors
/// [`ConfigError`] if one of them is no name of a Region.
fn other_regions(names: &str, here: &str) -> Result<BTreeMap<Region, Option<String>>, ConfigError> {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut others = BTreeMap::new();
    for name in names.filter(|name| *name != here) {
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            let expected = "names of Regions with commas between: eu-central-1,us-east-1";
            return Err(ConfigError::Invalid { name: "MEMES_REGIONS", expected });
        }
        others.insert(Region::new(name), None);
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> HashMap<String, String> {
        [
            ("MEMES_STAGE", "qa"),
            ("MEMES_BASE_URL", "https://qa.example.com/"),
            ("AWS_REGION", "eu-central-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn the_environment_becomes_a_configuration() {
        let config = Config::from_variables(&variables()).unwrap();
        assert_eq!(config.base_url, "https://qa.example.com");
        assert_eq!(config.colour, None);
        assert_eq!(config.table(crate::schema::LEDGER), "memes-qa-ledger");
        assert!(config.other_regions.is_empty());
    }

    #[test]
    fn the_stage_is_in_other_regions_than_this_one() {
        let mut several = variables();
        several.insert("MEMES_REGIONS".to_owned(), "us-east-1, eu-central-1,eu-west-1".to_owned());
        let others = Config::from_variables(&several).unwrap().other_regions;
        let names: Vec<_> = others.keys().map(Region::as_str).collect();
        assert_eq!(names, ["eu-west-1", "us-east-1"]);
        several.insert("MEMES_REGIONS".to_owned(), "us-east-1;eu-west-1".to_owned());
        let error = Config::from_variables(&several).unwrap_err();
        assert!(error.to_string().contains("MEMES_REGIONS"));
    }

    #[test]
    fn webhooks_lead_to_public_addresses_unless_the_operator_says_yes() {
        let targets = |value: &str| {
            let mut with = variables();
            with.insert("MEMES_WEBHOOKS_LOCAL".to_owned(), value.to_owned());
            Config::from_variables(&with).map(|config| config.webhook_targets)
        };
        assert_eq!(targets(""), Ok(Targets::Public));
        assert_eq!(targets("no"), Ok(Targets::Public));
        assert_eq!(targets("yes"), Ok(Targets::Anywhere));
        assert!(targets("true").unwrap_err().to_string().contains("MEMES_WEBHOOKS_LOCAL"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let mut without = variables();
        without.remove("MEMES_STAGE");
        assert_eq!(Config::from_variables(&without), Err(ConfigError::Missing("MEMES_STAGE")));
        let mut wrong = variables();
        wrong.insert("MEMES_BASE_URL".to_owned(), "qa.example.com".to_owned());
        let error = Config::from_variables(&wrong).unwrap_err();
        assert!(error.to_string().contains("MEMES_BASE_URL"));
    }
}
