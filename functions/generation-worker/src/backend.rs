//! What paints, as it is configured.

use std::time::Duration;

use inference::{CallError, Chat, Images, Key, RetryPolicy, Service, ServiceFault};
use maas_aws::config::{GeneratorKind, ModelConfig, NeighbourConfig, PICTURE_FILTER, WorkerConfig};
#[cfg(feature = "candle")]
use maas_aws::config::{MODEL_DEVICE, MODEL_FOLDER, MODEL_PRECISION};
use moderation::picture::LoadError;
use provenance::SourceType;

use crate::captions::{self, Grammar, Words};
use crate::composer::Composer;
use crate::filter::Filter;
use crate::generator::{GenerateError, Generator, Order, Painting};
use crate::http::Http;

/// How long a service of words is waited for in one attempt.
const WORDS_WITHIN: Duration = Duration::from_secs(5);

/// A backend that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A setting is wrong.
    #[error("the environment variable {variable} {fault}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it, and the cure.
        fault: ServiceFault,
    },
    /// There is nothing that looks at what a model paints.
    #[error(
        "the environment variable {PICTURE_FILTER} must name the weights of the picture filter, which \
         `cargo xtask weights` fetches"
    )]
    Filter(#[from] LoadError),
    /// This program was built without the model.
    #[cfg(not(feature = "candle"))]
    #[error(
        "MEMES_GENERATOR is `candle`, and this worker was built without: build it with `--features candle`"
    )]
    NotBuiltIn,
    /// There is no such device, or no such numbers.
    #[cfg(feature = "candle")]
    #[error("the environment variable {variable} is wrong")]
    Choice {
        /// The variable.
        variable: &'static str,
        /// What there is.
        #[source]
        cause: diffusion::ChoiceError,
    },
    /// The model cannot be loaded.
    #[cfg(feature = "candle")]
    #[error("the model of {MODEL_FOLDER} cannot be loaded")]
    Model(#[source] diffusion::LoadError),
    /// Loading was broken off.
    #[cfg(feature = "candle")]
    #[error("loading the model was broken off")]
    Interrupted(#[source] tokio::task::JoinError),
    /// The machine cannot make calls.
    #[error("calls to services cannot be made")]
    Calls(#[source] CallError),
    /// The service that paints is not ready.
    #[error(
        "the service at {url} was not ready within {within:?}; start it, or correct {variable}"
    )]
    NotReady {
        /// Where it should be.
        url: String,
        /// The variable that says so.
        variable: &'static str,
        /// How long it was waited for.
        within: Duration,
        /// What it answered last.
        #[source]
        cause: CallError,
    },
}

/// The backend that is configured.
#[derive(Debug)]
pub enum Backend {
    /// No model.
    Composer(Composer),
    /// A service beside the worker.
    Http(Box<Http>),
    /// A model in this process.
    #[cfg(feature = "candle")]
    Candle(Box<crate::candle::Candle>),
}

impl Backend {
    /// Makes the backend ready: waits until the service that paints is, `within` a time. A service
    /// that writes captions is not waited for; without it captions are our own.
    ///
    /// # Errors
    /// [`BackendError`] names the variable at fault.
    pub async fn start(config: &WorkerConfig, within: Duration) -> Result<Self, BackendError> {
        let backend = match &config.generator {
            GeneratorKind::Composer => Self::Composer(Composer::new()),
            GeneratorKind::Http { images, model, filter } => {
                let filter = Filter::load(filter)?;
                let service = service(images)?;
                let url = service.base().to_string();
                let client = Images::new(service, RetryPolicy::default());
                let client = client.map_err(BackendError::Calls)?;
                client.ready(within).await.map_err(|cause| {
                    let variable = images.variables.url;
                    BackendError::NotReady { url, variable, within, cause }
                })?;
                Self::Http(Box::new(Http::new(client, words(config)?, filter, model.clone())))
            }
            GeneratorKind::Candle(model) => {
                candle(model, Filter::load(&model.filter)?, words(config)?).await?
            }
        };
        tracing::info!(model = backend.model(), "pictures are painted");
        Ok(backend)
    }
}

/// The model of a folder, in this process.
#[cfg(feature = "candle")]
async fn candle(
    model: &ModelConfig,
    filter: Filter,
    words: Words,
) -> Result<Backend, BackendError> {
    let wrong = |variable| move |cause| BackendError::Choice { variable, cause };
    let options = diffusion::Options {
        device: model.device.parse().map_err(wrong(MODEL_DEVICE))?,
        precision: model.precision.parse().map_err(wrong(MODEL_PRECISION))?,
        ..diffusion::Options::default()
    };
    let folder = model.folder.clone();
    let load = move || crate::candle::Candle::load(&folder, &options, words, filter);
    let loaded = tokio::task::spawn_blocking(load).await.map_err(BackendError::Interrupted)?;
    Ok(Backend::Candle(Box::new(loaded.map_err(BackendError::Model)?)))
}

#[cfg(not(feature = "candle"))]
#[expect(clippy::unused_async, reason = "with the feature it waits for the model")]
async fn candle(_: &ModelConfig, _: Filter, _: Words) -> Result<Backend, BackendError> {
    Err(BackendError::NotBuiltIn)
}

/// The captioner that is configured, for backends that do not find words themselves.
fn words(config: &WorkerConfig) -> Result<Words, BackendError> {
    let Some(chat) = &config.chat else { return Ok(Words::Grammar(Grammar)) };
    let policy =
        RetryPolicy { attempt_within: WORDS_WITHIN, attempts_max: 2, ..RetryPolicy::default() };
    let client = Chat::new(service(chat)?, policy).map_err(BackendError::Calls)?;
    Ok(Words::Chat(Box::new(captions::Chat::new(client))))
}

fn service(config: &NeighbourConfig) -> Result<Service, BackendError> {
    let at = |variable| move |fault| BackendError::Setting { variable, fault };
    let variables = config.variables;
    let key = config.key.as_ref().map(|key| Key::new(key.reveal()));
    let key = key.transpose().map_err(at(variables.key))?;
    Service::new(&config.url, config.model.clone(), key).map_err(at(variables.url))
}

impl Generator for Backend {
    fn model(&self) -> &str {
        match self {
            Self::Composer(composer) => composer.model(),
            Self::Http(http) => http.model(),
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.model(),
        }
    }

    fn source(&self) -> SourceType {
        match self {
            Self::Composer(composer) => composer.source(),
            Self::Http(http) => http.source(),
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.source(),
        }
    }

    async fn generate(&self, order: Order) -> Result<Painting, GenerateError> {
        match self {
            Self::Composer(composer) => composer.generate(order).await,
            Self::Http(http) => http.generate(order).await,
            #[cfg(feature = "candle")]
            Self::Candle(candle) => candle.generate(order).await,
        }
    }
}
