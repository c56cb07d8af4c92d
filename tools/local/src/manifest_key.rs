//! The key that manifests of pictures are signed with on this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clock::{SystemClock, Timestamp};
use maas_aws::keys::{Half, StoredKey};
use maas_aws::{Aws, StoreError};
use provenance::{CredentialError, Development, DevelopmentError, Signer};

/// The file in the data folder with the certificate of who issued the key's: who trusts it trusts
/// the pictures.
const ANCHOR: &str = "c2pa-anchor.pem";

/// A certificate is replaced when it lasts no longer than this.
const LASTS: Duration = Duration::from_secs(30 * 86_400);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum ManifestKeyError {
    /// The table did not answer.
    #[error("the key of manifests was not kept")]
    Store(#[from] StoreError),
    /// It was not made.
    #[error(transparent)]
    Made(#[from] DevelopmentError),
    /// What was made cannot be used.
    #[error("the key of manifests cannot be used")]
    Credential(#[from] CredentialError),
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

/// Makes sure of a key. One of an earlier run, or that the operator brought in, is kept for as long as
/// it is good and the file in `folder` is there.
pub(crate) async fn make(aws: &Aws, folder: &Path) -> Result<(), ManifestKeyError> {
    let (keys, now) = (aws.keys(), SystemClock::shared().now());
    let anchor = folder.join(ANCHOR);
    let newest = keys.list(Half::Manifests).await?.into_iter().next();
    if anchor.exists() && newest.is_some_and(|key| lasts(&key, now)) {
        return Ok(());
    }
    let made = Development::new(now)?;
    let kid = Signer::from_pem(&made.pem, now)?.serial().to_owned();
    keys.put(Half::Manifests, &StoredKey { kid, created_at: now, document: made.pem }).await?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&anchor, &made.anchor_pem))
        .map_err(|source| ManifestKeyError::Write { path: anchor, source })
}

fn lasts(key: &StoredKey, now: Timestamp) -> bool {
    let later = now.checked_add(LASTS).unwrap_or(Timestamp::MAX);
    Signer::from_pem(&key.document, now).is_ok_and(|signer| signer.until() > later)
}
