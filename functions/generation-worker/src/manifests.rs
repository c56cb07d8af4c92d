//! What signs the manifests of pictures, as the table of keys has it.

use std::time::Duration;

use clock::SharedClock;
use maas_aws::keys::{Half, KeyStore};
use maas_aws::{Core, StoreError};
use provenance::{CredentialError, Signer};
use tokio::sync::Mutex;

/// The key is read again this long after it was read, so that a new certificate needs no new worker.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Why pictures cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The table did not answer.
    #[error("the key of manifests could not be read")]
    Store(#[from] StoreError),
    /// There is no key.
    #[error("there is no key to sign manifests with; bring one in with `memes keys certify`")]
    None,
    /// The key cannot be used.
    #[error("the key of manifests `{kid}` cannot be used: {error}")]
    Key {
        /// Its id.
        kid: String,
        /// Why not.
        #[source]
        error: CredentialError,
    },
}

/// The newest key, remembered for a while.
#[derive(Debug)]
pub(crate) struct Manifests {
    keys: KeyStore,
    clock: SharedClock,
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    signer: Signer,
    at: Duration,
}

impl Manifests {
    pub(crate) fn new(core: &Core) -> Self {
        let (keys, clock) = (core.aws.keys(), SharedClock::clone(&core.clock));
        Self { keys, clock, read: Mutex::new(None) }
    }

    /// What signs now.
    ///
    /// # Errors
    /// [`SignerError`] if no key was ever read, and none can be.
    pub(crate) async fn signer(&self) -> Result<Signer, SignerError> {
        let mut read = self.read.lock().await;
        let at = self.clock.monotonic();
        if let Some(known) = read.as_ref()
            && at.saturating_sub(known.at) < READ_AGAIN_AFTER
        {
            return Ok(known.signer.clone());
        }
        let signer = match (self.newest().await, read.take()) {
            (Ok(signer), _) => signer,
            // The key that is known goes on being used.
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "the key of manifests was not read again");
                known.signer
            }
            (Err(error), None) => return Err(error),
        };
        *read = Some(Read { signer: signer.clone(), at });
        Ok(signer)
    }

    async fn newest(&self) -> Result<Signer, SignerError> {
        let keys = self.keys.list(Half::Manifests).await?;
        let newest = keys.into_iter().next().ok_or(SignerError::None)?;
        Signer::from_pem(&newest.document, self.clock.now())
            .map_err(|error| SignerError::Key { kid: newest.kid, error })
    }
}
