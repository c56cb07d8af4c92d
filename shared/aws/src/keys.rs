//! The keys that tokens are signed with, and those of pictures' manifests.
//!
//! A token's key is two items: its private half, which only the issuer may read, and its public half,
//! which everybody may. A manifest's key is one, for the workers: its public half is in the certificate
//! that each picture carries. IAM tells all of them apart by their partition. The table is encrypted
//! with a key of the stage's own.

use std::time::Duration;

use auth::{KeyError, SigningKey, generate_key_pem};
use aws_sdk_dynamodb::Client;
use clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dynamo::{StoreError, read, s, write};

/// A key signs from this age on: by then every verifier has read its public half, or reads it when it
/// meets the first token.
pub const SIGNS_AFTER: Duration = Duration::from_secs(120);

/// Both halves of a new key, to be kept with [`KeyStore::put`]: the public one first.
///
/// # Errors
/// [`KeyError::Generation`] if the library fails.
pub async fn generate(created_at: Timestamp) -> Result<[(Half, StoredKey); 2], KeyError> {
    // Takes a good part of a second where primes are hard to find.
    let pem =
        tokio::task::spawn_blocking(generate_key_pem).await.map_err(|_| KeyError::Generation)??;
    let key = SigningKey::from_pem(&pem)?;
    let public = serde_json::to_string(key.jwk()).map_err(|_| KeyError::Generation)?;
    let half = |document| StoredKey { kid: key.kid().to_owned(), created_at, document };
    Ok([(Half::Public, half(public)), (Half::Private, half(pem))])
}

/// Which half of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Signs.
    Private,
    /// Verifies.
    Public,
    /// No half of a token's key: a key of manifests, with its certificate.
    Manifests,
}

/// One half of a key as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// The key's id; a certificate's serial number.
    pub kid: String,
    /// When it was made or brought in. The newest key of its kind signs; older private ones stay
    /// until no token of theirs is valid any more.
    pub created_at: Timestamp,
    /// The private half as PKCS#8 in PEM; the public half as a JSON Web Key; a key of manifests as
    /// PEM, with the chain of its certificate below it.
    pub document: String,
}

// A private key must not end up in a log by accident.
impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// The table of signing keys.
#[derive(Debug, Clone)]
pub struct KeyStore {
    client: Client,
    table: String,
}

impl KeyStore {
    /// The keys in `table`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One half of all keys, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn list(&self, half: Half) -> Result<Vec<StoredKey>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("half = :half")
            .expression_attribute_values(":half", s(half.name()))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        let mut keys = output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(read)
            .collect::<Result<Vec<StoredKey>, _>>()?;
        keys.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.kid.cmp(&a.kid)));
        Ok(keys)
    }

    /// Keeps one half of a key. The public half is kept first and for a while alone, so that every
    /// verifier knows a key before a token is signed with it.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn put(&self, half: Half, key: &StoredKey) -> Result<(), StoreError> {
        let mut item = write(key)?;
        item.insert("half".to_owned(), s(half.name()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(StoreError::from_sdk)?;
        Ok(())
    }

    /// Takes a token's key away: its private half, then its public one.
    ///
    /// # Errors
    /// [`StoreError`] without an answer.
    pub async fn remove(&self, kid: &str) -> Result<(), StoreError> {
        for half in [Half::Private, Half::Public] {
            self.client
                .delete_item()
                .table_name(&self.table)
                .key("half", s(half.name()))
                .key("kid", s(kid))
                .send()
                .await
                .map_err(StoreError::from_sdk)?;
        }
        Ok(())
    }
}

impl Half {
    const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Manifests => "manifests",
        }
    }
}
