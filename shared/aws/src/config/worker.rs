//! What the worker alone is told: what paints, and where it is.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use super::ConfigError;

/// The environment variables that [`WorkerConfig`] is read from. The worker runs in a container beside
/// a GPU, not on Lambda: `template.yaml` does not set them.
pub const WORKER_VARIABLES: &[&str] = &[
    GENERATOR,
    IMAGES.url,
    IMAGES.model,
    IMAGES.key,
    IMAGES.key_file,
    CHAT.url,
    CHAT.model,
    CHAT.key,
    CHAT.key_file,
    MODEL_FOLDER,
    MODEL_DEVICE,
    MODEL_PRECISION,
    PICTURE_FILTER,
];

const GENERATOR: &str = "MEMES_GENERATOR";

/// The folder of the model that paints in the worker's own process.
pub const MODEL_FOLDER: &str = "MEMES_MODEL_FOLDER";

/// What that model runs on: `cpu`, `cuda` or `cuda:N`.
pub const MODEL_DEVICE: &str = "MEMES_MODEL_DEVICE";

/// The numbers that it is calculated in.
pub const MODEL_PRECISION: &str = "MEMES_MODEL_PRECISION";

/// Where the weights of the picture filter are.
pub const PICTURE_FILTER: &str = "MEMES_PICTURE_FILTER";

const IMAGES: NeighbourVariables = NeighbourVariables {
    url: "MEMES_IMAGES_URL",
    model: "MEMES_IMAGES_MODEL",
    key: "MEMES_IMAGES_KEY",
    key_file: "MEMES_IMAGES_KEY_FILE",
};

const CHAT: NeighbourVariables = NeighbourVariables {
    url: "MEMES_CHAT_URL",
    model: "MEMES_CHAT_MODEL",
    key: "MEMES_CHAT_KEY",
    key_file: "MEMES_CHAT_KEY_FILE",
};

/// The names of the variables that say where a service beside the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourVariables {
    /// Its URL.
    pub url: &'static str,
    /// The model that it is asked for.
    pub model: &'static str,
    /// The key that it wants to see.
    pub key: &'static str,
    /// The file that has the key.
    pub key_file: &'static str,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The text, for whoever it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// A service beside the worker, as the operator says. Nothing of it is judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourConfig {
    /// Where it is.
    pub url: String,
    /// The model that it is asked for; without one it is asked for none.
    pub model: Option<String>,
    /// The key that it wants to see, if it does.
    pub key: Option<Hidden>,
    /// Where all of this was read.
    pub variables: NeighbourVariables,
}

/// What paints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GeneratorKind {
    /// No model: scenes that are drawn.
    #[default]
    Composer,
    /// A service beside the worker.
    Http {
        /// The service.
        images: NeighbourConfig,
        /// Its model, as replies name it.
        model: String,
        /// The weights of what looks at its pictures.
        filter: PathBuf,
    },
    /// A model in the worker's own process.
    Candle(ModelConfig),
}

/// A model in the worker's own process, as the operator says. Nothing of it is judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// Its folder.
    pub folder: PathBuf,
    /// What it runs on.
    pub device: String,
    /// The numbers that it is calculated in.
    pub precision: String,
    /// The weights of what looks at its pictures.
    pub filter: PathBuf,
}

/// What the worker is told beside what all functions are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerConfig {
    /// What paints.
    pub generator: GeneratorKind,
    /// What writes captions; none leaves it to the grammar.
    pub chat: Option<NeighbourConfig>,
}

impl WorkerConfig {
    /// Reads the worker's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(&std::env::vars().collect())
    }

    /// Reads the configuration from variables, and keys from the files that they name.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable.
    pub fn from_variables(variables: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let generator = match value(variables, GENERATOR) {
            None | Some("composer") => GeneratorKind::Composer,
            Some("http") => http(variables)?,
            Some("candle") => candle(variables)?,
            Some(_) => {
                let expected = "`composer`, `http` or `candle`";
                return Err(ConfigError::Invalid { name: GENERATOR, expected });
            }
        };
        Ok(Self { generator, chat: neighbour(variables, CHAT)? })
    }
}

fn http(variables: &HashMap<String, String>) -> Result<GeneratorKind, ConfigError> {
    let images = neighbour(variables, IMAGES)?.ok_or(ConfigError::Invalid {
        name: IMAGES.url,
        expected: "the URL of the service that paints, where MEMES_GENERATOR is `http`",
    })?;
    let model = images.model.clone().ok_or(ConfigError::Invalid {
        name: IMAGES.model,
        expected: "the model that the service serves, where MEMES_GENERATOR is `http`: replies name it",
    })?;
    Ok(GeneratorKind::Http { images, model, filter: filter(variables)? })
}

fn candle(variables: &HashMap<String, String>) -> Result<GeneratorKind, ConfigError> {
    let folder = value(variables, MODEL_FOLDER).ok_or(ConfigError::Invalid {
        name: MODEL_FOLDER,
        expected: "the folder of the model, where MEMES_GENERATOR is `candle`",
    })?;
    let or = |name, usual: &str| value(variables, name).unwrap_or(usual).to_owned();
    Ok(GeneratorKind::Candle(ModelConfig {
        folder: PathBuf::from(folder),
        device: or(MODEL_DEVICE, "cpu"),
        precision: or(MODEL_PRECISION, "f32"),
        filter: filter(variables)?,
    }))
}

/// What a model paints is not shown unseen.
fn filter(variables: &HashMap<String, String>) -> Result<PathBuf, ConfigError> {
    value(variables, PICTURE_FILTER).map(PathBuf::from).ok_or(ConfigError::Invalid {
        name: PICTURE_FILTER,
        expected: "the weights of the picture filter, where MEMES_GENERATOR is a model; `cargo xtask \
                   weights` fetches them",
    })
}

/// What is said of a service, if it is said where it is.
fn neighbour(
    variables: &HashMap<String, String>,
    names: NeighbourVariables,
) -> Result<Option<NeighbourConfig>, ConfigError> {
    let Some(url) = value(variables, names.url) else { return Ok(None) };
    let key = match (value(variables, names.key), value(variables, names.key_file)) {
        (None, None) => None,
        (Some(key), None) => Some(Hidden(key.to_owned())),
        (None, Some(file)) => {
            let expected = "the path of a file that can be read";
            let text = std::fs::read_to_string(file)
                .map_err(|_| ConfigError::Invalid { name: names.key_file, expected })?;
            Some(Hidden(text.trim().to_owned()))
        }
        (Some(_), Some(_)) => {
            let expected = "left out where the key itself is set";
            return Err(ConfigError::Invalid { name: names.key_file, expected });
        }
    };
    let model = value(variables, names.model).map(str::to_owned);
    Ok(Some(NeighbourConfig { url: url.to_owned(), model, key, variables: names }))
}

/// The value of a variable. One that is blank is not set.
fn value<'a>(variables: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<WorkerConfig, ConfigError> {
        let variables = variables.iter().map(|(name, value)| {
            assert!(WORKER_VARIABLES.contains(name), "{name} is not listed");
            ((*name).to_owned(), (*value).to_owned())
        });
        WorkerConfig::from_variables(&variables.collect())
    }

    const URL: (&str, &str) = ("MEMES_IMAGES_URL", "http://gpu:30000");
    const MODEL: (&str, &str) = ("MEMES_IMAGES_MODEL", "flux");
    const HTTP: (&str, &str) = ("MEMES_GENERATOR", "http");
    const FILTER: (&str, &str) = ("MEMES_PICTURE_FILTER", "/weights/filter.onnx");

    #[test]
    fn without_a_word_the_composer_paints_and_the_grammar_writes() {
        assert_eq!(read(&[]), Ok(WorkerConfig::default()));
        assert_eq!(read(&[("MEMES_GENERATOR", " "), URL]), Ok(WorkerConfig::default()));
    }

    #[test]
    fn a_service_is_where_its_variables_say() {
        let chat = [("MEMES_CHAT_URL", "http://words:8000"), ("MEMES_CHAT_KEY", "sk-1")];
        let config = read(&[&[HTTP, URL, MODEL, FILTER], &chat[..]].concat()).unwrap();
        let GeneratorKind::Http { images, model, .. } = &config.generator else {
            panic!("no http")
        };
        assert_eq!((images.url.as_str(), model.as_str(), &images.key), (URL.1, "flux", &None));
        let chat = config.chat.as_ref().unwrap();
        assert_eq!((chat.url.as_str(), &chat.model), ("http://words:8000", &None));
        assert_eq!(chat.key.as_ref().unwrap().reveal(), "sk-1");
        assert!(!format!("{config:?}").contains("sk-1"));
    }

    #[test]
    fn a_model_in_the_process_is_in_its_folder() {
        let candle = [("MEMES_GENERATOR", "candle"), ("MEMES_MODEL_FOLDER", "/model"), FILTER];
        let GeneratorKind::Candle(model) = read(&candle).unwrap().generator else { panic!() };
        assert_eq!((model.device.as_str(), model.precision.as_str()), ("cpu", "f32"));
        assert_eq!((model.folder, model.filter), ("/model".into(), FILTER.1.into()));
        let gpu = [("MEMES_MODEL_DEVICE", "cuda:1"), ("MEMES_MODEL_PRECISION", "bf16")];
        let GeneratorKind::Candle(model) = read(&[&candle[..], &gpu].concat()).unwrap().generator
        else {
            panic!()
        };
        assert_eq!((model.device.as_str(), model.precision.as_str()), ("cuda:1", "bf16"));
    }

    #[test]
    fn a_key_may_be_in_a_file() {
        // Any file will do.
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let path = ("MEMES_IMAGES_KEY_FILE", file);
        let config = read(&[HTTP, URL, MODEL, FILTER, path]).unwrap();
        let GeneratorKind::Http { images, .. } = config.generator else { panic!("no http") };
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(images.key.unwrap().reveal(), text.trim());
        let both = read(&[HTTP, URL, MODEL, path, ("MEMES_IMAGES_KEY", "sk-1")]);
        assert!(both.unwrap_err().to_string().contains("MEMES_IMAGES_KEY_FILE"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_with_its_cure() {
        let gone = ("MEMES_IMAGES_KEY_FILE", "/no/such/file");
        for (variables, named) in [
            (
                &[("MEMES_GENERATOR", "magic")][..],
                "MEMES_GENERATOR must be `composer`, `http` or `candle`",
            ),
            (&[HTTP, MODEL], "MEMES_IMAGES_URL must be the URL"),
            (&[HTTP, URL], "MEMES_IMAGES_MODEL must be the model"),
            (&[("MEMES_GENERATOR", "candle"), FILTER], "MEMES_MODEL_FOLDER must be the folder"),
            (&[HTTP, URL, MODEL], "MEMES_PICTURE_FILTER must be the weights"),
            (&[HTTP, URL, MODEL, gone], "MEMES_IMAGES_KEY_FILE must be the path"),
        ] {
            let error = read(variables).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
