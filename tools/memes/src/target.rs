//! Where a command works.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use clap::ValueEnum;
use ledger::Region;
use maas_aws::{Aws, Config, Endpoints};
use serde::Deserialize;
use webhooks::Targets;

/// The local stack's data folder where none is named.
pub(crate) const DEFAULT_DATA: &str = ".memes";

/// The file in the data folder in which the local stack says where it listens.
const DEMO: &str = "demo.json";

/// A stage on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// For development.
    Dev,
    /// For tests.
    Qa,
    /// For acceptance.
    Uat,
    /// For customers.
    Prod,
}

impl Stage {
    /// The stage as the names of its resources have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Qa => "qa",
            Self::Uat => "uat",
            Self::Prod => "prod",
        }
    }
}

/// Where a command works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The local stack that keeps its data in this folder.
    Local(PathBuf),
    /// A stage on AWS.
    Aws {
        /// Which.
        stage: Stage,
        /// The profile of the shared AWS configuration files; without one, AWS's usual order.
        profile: Option<String>,
        /// The Region; without one, the environment's or the profile's.
        region: Option<String>,
        /// All Regions that the stage is in, where there are several.
        regions: Vec<Region>,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(data) => write!(f, "the local stack in {}", data.display()),
            Self::Aws { stage, .. } => write!(f, "the stage {}", stage.as_str()),
        }
    }
}

/// What the local stack says of itself in `demo.json`, as far as it is needed here.
#[derive(Deserialize)]
struct Demo {
    #[serde(default)]
    base_url: String,
    #[serde(default = "local")]
    stage: String,
    #[serde(default)]
    pictures_bucket: String,
    #[serde(default)]
    generations_queue_url: String,
    #[serde(default)]
    other_regions: BTreeMap<Region, Option<String>>,
    aws: DemoAws,
}

#[derive(Deserialize)]
struct DemoAws {
    dynamodb: String,
    sqs: String,
    s3: String,
    region: String,
    access_key_id: String,
    secret_access_key: String,
}

fn local() -> String {
    "local".to_owned()
}

impl Target {
    /// AWS as it is there. Asks no service yet.
    ///
    /// # Errors
    /// A message for the operator, if the local stack left no word of itself or no Region is known.
    pub async fn connect(&self) -> Result<Aws> {
        match self {
            Self::Local(data) => Ok(Aws::connect_as_operator(self.local_config(data)?, None).await),
            Self::Aws { stage, profile, region, regions } => {
                let region = match region {
                    Some(region) => region.clone(),
                    None => configured_region(profile.as_deref()).await.with_context(|| {
                        format!(
                            "{self} is in no known Region; name it with `--region`, or set it in \
                             the profile"
                        )
                    })?,
                };
                let others = regions.iter().filter(|it| it.as_str() != region);
                let others = others.map(|it| (it.clone(), None)).collect();
                let config = Config {
                    stage: stage.as_str().to_owned(),
                    colour: None,
                    region,
                    // Nothing here issues tokens, stores pictures or queues generations.
                    base_url: String::new(),
                    pictures_bucket: String::new(),
                    generations_queue_url: String::new(),
                    usage_queue_url: String::new(),
                    webhooks_queue_url: String::new(),
                    webhook_targets: Targets::Public,
                    tallies: None,
                    valkey_url: None,
                    other_regions: others,
                    endpoints: None,
                };
                Ok(Aws::connect_as_operator(config, profile.as_deref()).await)
            }
        }
    }

    fn local_config(&self, data: &Path) -> Result<Config> {
        let path = data.join(DEMO);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "{self} is not running: there is no {}; start it with `{}`",
                path.display(),
                start(data)
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let demo: Demo = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is not what the local stack writes; start it again with `{}`",
                path.display(),
                start(data)
            )
        })?;
        Ok(Config {
            stage: demo.stage,
            colour: None,
            region: demo.aws.region,
            base_url: demo.base_url,
            pictures_bucket: demo.pictures_bucket,
            generations_queue_url: demo.generations_queue_url,
            usage_queue_url: String::new(),
            webhooks_queue_url: String::new(),
            webhook_targets: Targets::Public,
            tallies: None,
            valkey_url: None,
            other_regions: demo.other_regions,
            endpoints: Some(Endpoints {
                dynamodb: demo.aws.dynamodb,
                sqs: demo.aws.sqs,
                s3: demo.aws.s3,
                access_key_id: demo.aws.access_key_id,
                secret_access_key: demo.aws.secret_access_key,
            }),
        })
    }

    /// What the operator can do about a store that gave no answer and said `why`; none if that is
    /// not known.
    ///
    /// The stores hand on the SDK's words alone, so the words are looked at.
    pub(crate) fn cure(&self, why: &str) -> Option<String> {
        let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
        let no_tables = says(&["ResourceNotFoundException"]);
        let unreachable = says(&["ConnectorError", "Connection refused", "dns error"]);
        match self {
            Self::Local(data) if unreachable => {
                Some(format!("{self} does not answer; start it with `{}`", start(data)))
            }
            Self::Local(data) if no_tables => Some(format!(
                "{self} has no tables; stop it and start it again with `{}`",
                start(data)
            )),
            Self::Local(_) => None,
            Self::Aws { profile, .. } => {
                if no_tables {
                    Some(format!(
                        "{self} has no tables in this account and Region; check `--stage`, \
                         `--profile` and `--region`"
                    ))
                } else if says(&["AccessDenied"]) {
                    Some(format!(
                        "the credentials may not do this in {self}; name an operator's profile \
                         with `--profile`"
                    ))
                } else if says(REFUSED_CREDENTIALS) {
                    let login = match profile {
                        Some(profile) => format!("`aws sso login --profile {profile}`"),
                        None => "`aws sso login`, or name a profile with `--profile`".to_owned(),
                    };
                    Some(format!(
                        "there are no valid AWS credentials for {self}; sign in with {login}"
                    ))
                } else if unreachable {
                    Some(format!("AWS cannot be reached from here, so {self} was not asked"))
                } else {
                    None
                }
            }
        }
    }
}

/// What the SDK says where it has no credentials, and AWS where it does not take them.
const REFUSED_CREDENTIALS: &[&str] = &[
    "CredentialsNotLoaded",
    "CredentialsError",
    "InvalidConfiguration",
    "ProviderError",
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidSignature",
];

/// How the local stack with this data folder is started.
fn start(data: &Path) -> String {
    if data == Path::new(DEFAULT_DATA) {
        "cargo run".to_owned()
    } else {
        format!("cargo run -- --data {}", data.display())
    }
}

/// The Region that the environment or the profile names. Unlike the SDK's own chain this does not
/// go on to ask for an instance's metadata, which an operator's machine waits for in vain.
async fn configured_region(profile: Option<&str>) -> Option<String> {
    let mut file = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        file = file.profile_name(profile);
    }
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(file.build())
        .region()
        .await
        .map(|region| region.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_in(folder: &Path) -> Target {
        Target::Local(folder.to_owned())
    }

    async fn refusal(folder: &Path) -> String {
        format!("{:#}", local_in(folder).connect().await.unwrap_err())
    }

    #[tokio::test]
    async fn a_stack_that_never_ran_is_to_be_started() {
        assert_eq!(
            refusal(Path::new(DEFAULT_DATA)).await,
            "the local stack in .memes is not running: there is no .memes/demo.json; start it with \
             `cargo run`"
        );
        assert_eq!(
            refusal(Path::new("else/where")).await,
            "the local stack in else/where is not running: there is no else/where/demo.json; start \
             it with `cargo run -- --data else/where`"
        );
    }

    #[tokio::test]
    async fn what_the_stack_did_not_write_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEMO);
        std::fs::write(&path, r#"{"base_url": "http://127.0.0.1:8080"}"#).unwrap();
        let (path, data) = (path.display(), folder.path().display());
        assert_eq!(
            refusal(folder.path()).await,
            format!(
                "{path} is not what the local stack writes; start it again with `cargo run -- \
                 --data {data}`: missing field `aws` at line 1 column 37"
            )
        );
    }

    #[tokio::test]
    async fn what_the_stack_leaves_out_has_a_default() {
        let folder = tempfile::tempdir().unwrap();
        let demo = r#"{"aws": {"dynamodb": "http://127.0.0.1:1", "sqs": "http://127.0.0.1:2",
            "s3": "http://127.0.0.1:3", "region": "us-east-1", "access_key_id": "a",
            "secret_access_key": "s"}, "clients": {}}"#;
        std::fs::write(folder.path().join(DEMO), demo).unwrap();
        let aws = local_in(folder.path()).connect().await.unwrap();
        assert_eq!(aws.config().stage, "local");
        assert_eq!(aws.config().generations_queue_url, "");
    }

    #[test]
    fn silence_is_answered_with_what_to_do() {
        let local = Target::Local(PathBuf::from(DEFAULT_DATA));
        let aws = |profile: Option<&str>| Target::Aws {
            stage: Stage::Qa,
            profile: profile.map(str::to_owned),
            region: None,
            regions: Vec::new(),
        };
        for (target, why, cure) in [
            (
                &local,
                "tcp connect error: Connection refused (os error 111)",
                "the local stack in .memes does not answer; start it with `cargo run`",
            ),
            (
                &local,
                "ResourceNotFoundException: Cannot do operations on a non-existent table",
                "the local stack in .memes has no tables; stop it and start it again with `cargo \
                 run`",
            ),
            (
                &aws(None),
                "ResourceNotFoundException",
                "the stage qa has no tables in this account and Region; check `--stage`, \
                 `--profile` and `--region`",
            ),
            (
                &aws(Some("ops")),
                "ExpiredTokenException",
                "there are no valid AWS credentials for the stage qa; sign in with `aws sso login \
                 --profile ops`",
            ),
            (
                &aws(None),
                "CredentialsNotLoaded",
                "there are no valid AWS credentials for the stage qa; sign in with `aws sso \
                 login`, or name a profile with `--profile`",
            ),
            (
                &aws(None),
                "AccessDeniedException",
                "the credentials may not do this in the stage qa; name an operator's profile with \
                 `--profile`",
            ),
            (
                &aws(None),
                "dns error",
                "AWS cannot be reached from here, so the stage qa was not asked",
            ),
        ] {
            assert_eq!(target.cure(why).as_deref(), Some(cure));
        }
        assert_eq!(local.cure("InternalServerError"), None);
        assert_eq!(aws(None).cure("InternalServerError"), None);
    }
}
