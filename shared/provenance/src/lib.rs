//! Where a picture comes from, said in the picture's own file.
//!
//! Every picture of Memes AI carries a manifest of C2PA, 2.x: what was done (`c2pa.created`), when, by
//! which software, and what IPTC calls media that come about so. The manifest is bound to the file's
//! bytes by a hash and is signed with the service's certificate, so that a copy that somebody changed
//! no longer fits it. The prompt is nowhere in it: this crate is never told it.
//!
//! ```
//! use clock::Clock;
//! use provenance::{Development, Origin, Signer, SourceType};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let picture = {
//! #     let mut bytes = std::io::Cursor::new(Vec::new());
//! #     image::RgbImage::new(8, 8).write_to(&mut bytes, image::ImageFormat::Jpeg)?;
//! #     bytes.into_inner()
//! # };
//! let now = clock::SystemClock::new().now();
//! let made = Development::new(now)?;
//! let signer = Signer::from_pem(&made.pem, now)?;
//! let signed = signer.sign(
//!     "image/jpeg",
//!     &picture,
//!     &Origin {
//!         title: "meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y",
//!         model: "composer",
//!         source: SourceType::AlgorithmicMedia,
//!         created_at: now,
//!     },
//! )?;
//! assert!(signed.len() > picture.len());
//! # Ok(())
//! # }
//! ```
//!
//! What is promised:
//!
//! - The pixels stay as they are: the manifest lies beside them, in a part of the file that decoders
//!   skip.
//! - Nothing is asked of the network: no time-stamping authority, no certificate's status.
//! - Private keys are in no log and no error.
//!
//! The library asks the machine for randomness and, once for each signature, for the time.

mod credential;
mod development;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use c2pa::{Builder, Context};
use clock::Timestamp;
use credential::{Loaded, Offline};
use serde_json::json;

pub use credential::CredentialError;
pub use development::{DEVELOPMENT_DAYS, Development, DevelopmentError};

/// What made a manifest, as it says of itself.
const GENERATOR: &str = "Memes as a Service";

/// What IPTC calls the way in which a picture came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceType {
    /// A model that was trained on pictures painted it.
    TrainedAlgorithmicMedia,
    /// It was drawn by rules, and nothing was learned.
    AlgorithmicMedia,
}

impl SourceType {
    /// The term's address in IPTC's vocabulary.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::TrainedAlgorithmicMedia => {
                "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
            }
            Self::AlgorithmicMedia => {
                "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
            }
        }
    }
}

/// What a manifest says of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// What the picture is called: its meme's id.
    pub title: &'a str,
    /// What painted it, as replies name it.
    pub model: &'a str,
    /// How it came about.
    pub source: SourceType,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A picture that was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// No manifest can be put into files of this kind.
    #[error("`{0}` carries no manifest; sign `image/jpeg`, `image/png` or `image/webp`")]
    Format(String),
    /// The library refused: the file is none of its kind, or the certificate has ended meanwhile.
    #[error("the manifest was not made: {0}")]
    Manifest(#[from] c2pa::Error),
}

/// Signs manifests. A clone shares the key.
#[derive(Clone)]
pub struct Signer {
    signer: Arc<Offline>,
    context: Arc<Context>,
    serial: String,
    until: Timestamp,
}

// A private key must not end up in a log by accident.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("serial", &self.serial)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs with the key in `pem` (PKCS#8: P-256, P-384 or Ed25519; the algorithm follows from it).
    /// The certificates beside it begin with the key's own; those that issued it follow, each after
    /// the one that it issued. The root that verifiers trust is not needed.
    ///
    /// # Errors
    /// [`CredentialError`] says what is wrong with the key or with which certificate, at `now`.
    pub fn from_pem(pem: &str, now: Timestamp) -> Result<Self, CredentialError> {
        let Loaded { signer, serial, until } = credential::load(pem, now)?;
        let context = Context::new().into_shared();
        Ok(Self { signer: Arc::new(signer), context, serial, until })
    }

    /// The serial number of the key's certificate, in hexadecimal digits.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// When the certificate ends. Nothing can be signed from then on.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The file with a signed manifest in it. `mime` says of what kind `picture` is. A manifest that
    /// was in the file before is replaced.
    ///
    /// # Errors
    /// [`SignError`] if the file is not of that kind, or the certificate has ended.
    pub fn sign(
        &self,
        mime: &str,
        picture: &[u8],
        origin: &Origin<'_>,
    ) -> Result<Vec<u8>, SignError> {
        if !matches!(mime, "image/jpeg" | "image/png" | "image/webp") {
            return Err(SignError::Format(mime.to_owned()));
        }
        let mut builder =
            Builder::from_shared_context(&self.context).with_definition(definition(origin))?;
        let mut signed = Cursor::new(Vec::with_capacity(picture.len() + RESERVE));
        builder.sign(self.signer.as_ref(), mime, &mut Cursor::new(picture), &mut signed)?;
        Ok(signed.into_inner())
    }
}

/// Room that is made for a manifest, in bytes. It is about what one takes.
const RESERVE: usize = 4 * 1_024;

fn definition(origin: &Origin<'_>) -> serde_json::Value {
    json!({
        "claim_generator_info": [{ "name": GENERATOR, "version": env!("CARGO_PKG_VERSION") }],
        "title": origin.title,
        "assertions": [{
            "label": "c2pa.actions",
            "created": true,
            "data": {
                "actions": [{
                    "action": "c2pa.created",
                    "when": origin.created_at.to_string(),
                    "softwareAgent": { "name": origin.model },
                    "digitalSourceType": origin.source.uri(),
                }],
            },
        }],
    })
}
