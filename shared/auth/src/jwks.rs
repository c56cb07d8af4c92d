//! Public keys: the document that the issuer publishes, and the set that verifiers use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

/// The bounds of an RSA modulus, in bytes: 2048 and 8192 bits.
pub(crate) const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Longer than any key id of this service.
const KID_BYTES_MAX: usize = 128;

/// A set of public keys (RFC 7517), as served at `/.well-known/jwks.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// One public key. Members that this service has no use for are left out when read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The kind of key; `RSA`.
    pub kty: String,
    /// What the key is for; `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// The algorithm; `RS256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The id by which tokens name the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The modulus, big-endian in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent, big-endian in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

/// A document without a single key that could verify a token, or with two by one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwks {
    /// No key is an RSA key of 2048 to 8192 bits for RS256 signatures, with an id.
    #[error("the key set has no key that verifies RS256")]
    NoUsableKey,
    /// Two different keys have one id.
    #[error("the key set has two keys with the id `{kid}`")]
    DuplicateKid {
        /// The id.
        kid: String,
    },
}

/// Whether `kid` is worth looking for. What is not never leads to a fetch of the key set.
pub(crate) fn is_kid(kid: &str) -> bool {
    (1..=KID_BYTES_MAX).contains(&kid.len())
        && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

struct PublicKey {
    kid: String,
    n: Vec<u8>,
    e: Vec<u8>,
    key: DecodingKey,
}

impl PublicKey {
    /// The key of `jwk`, or `None` when it is not one that signs tokens: RFC 7517 (5) has a reader
    /// pass over keys that it cannot use.
    fn usable(jwk: &Jwk) -> Option<Self> {
        let is_or_absent =
            |member: &Option<String>, value: &str| member.as_deref().is_none_or(|it| it == value);
        if jwk.kty != "RSA" || !is_or_absent(&jwk.usage, "sig") || !is_or_absent(&jwk.alg, "RS256")
        {
            return None;
        }
        let kid = jwk.kid.as_deref().filter(|kid| is_kid(kid))?;
        let n = URL_SAFE_NO_PAD.decode(jwk.n.as_deref()?).ok()?;
        let e = URL_SAFE_NO_PAD.decode(jwk.e.as_deref()?).ok()?;
        // The top bit makes the length of the modulus its size; an even exponent is no exponent.
        let plausible = MODULUS_BYTES.contains(&n.len())
            && n.first().is_some_and(|byte| byte & 0x80 != 0)
            && (1..=4).contains(&e.len())
            && e.last().is_some_and(|byte| byte & 1 == 1)
            && e != [1];
        plausible.then(|| Self {
            kid: kid.to_owned(),
            key: DecodingKey::from_rsa_raw_components(&n, &e),
            n,
            e,
        })
    }

    fn same_key(&self, other: &Self) -> bool {
        self.kid == other.kid && self.n == other.n && self.e == other.e
    }
}

/// The public keys that tokens are verified with. They can be replaced while others verify.
pub struct PublicKeys {
    keys: ArcSwap<Vec<PublicKey>>,
    withdrawals: AtomicU64,
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.load().iter().map(|key| &key.kid)).finish()
    }
}

impl PublicKeys {
    /// The usable keys of `jwks`.
    ///
    /// # Errors
    /// [`InvalidJwks`] when there are none, or two share an id.
    pub fn new(jwks: &Jwks) -> Result<Self, InvalidJwks> {
        Ok(Self { keys: ArcSwap::from_pointee(usable(jwks)?), withdrawals: AtomicU64::new(0) })
    }

    /// Replaces the keys by those of `jwks`. A token that was verified with a key that is no longer
    /// there is verified again when it next comes, and then refused.
    ///
    /// # Errors
    /// [`InvalidJwks`] as for [`new`](Self::new); the keys stay as they were.
    pub fn replace(&self, jwks: &Jwks) -> Result<(), InvalidJwks> {
        let keys = Arc::new(usable(jwks)?);
        let before = self.keys.swap(Arc::clone(&keys));
        let all_stay = before.iter().all(|old| keys.iter().any(|new| new.same_key(old)));
        if !all_stay {
            // Counted after the swap: whoever reads the new count sees the new keys too.
            self.withdrawals.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// How often a key was taken away. What was verified at another count is verified again.
    pub(crate) fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::Acquire)
    }

    /// Calls `with` with the key called `kid`, if there is one.
    pub(crate) fn with_key<T>(&self, kid: &str, with: impl FnOnce(&DecodingKey) -> T) -> Option<T> {
        let keys = self.keys.load_full();
        keys.iter().find(|key| key.kid == kid).map(|key| with(&key.key))
    }
}

fn usable(jwks: &Jwks) -> Result<Vec<PublicKey>, InvalidJwks> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for key in jwks.keys.iter().filter_map(PublicKey::usable) {
        match keys.iter().find(|known| known.kid == key.kid) {
            None => keys.push(key),
            Some(known) if known.same_key(&key) => {}
            Some(_) => return Err(InvalidJwks::DuplicateKid { kid: key.kid }),
        }
    }
    if keys.is_empty() {
        return Err(InvalidJwks::NoUsableKey);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KEY_A, KEY_B};

    fn set(keys: &[&Jwk]) -> Jwks {
        Jwks { keys: keys.iter().map(|key| (*key).clone()).collect() }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let good = KEY_A.jwk();
        let text = format!(
            r#"{{"keys": [
                {{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "kid": "ec"}},
                {{"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}},
                {{"kty": "RSA", "use": "enc", "n": "{n}", "e": "AQAB", "kid": "enc"}},
                {{"kty": "RSA", "alg": "PS256", "n": "{n}", "e": "AQAB", "kid": "pss"}},
                {{"kty": "RSA", "n": "{n}", "e": "AQAB"}},
                {{"kty": "RSA", "n": "{n}", "e": "AQ", "kid": "one"}},
                {{"kty": "RSA", "n": "{n}", "e": "Ag", "kid": "even"}},
                {{"kty": "RSA", "n": "wQ", "e": "AQAB", "kid": "short"}},
                {{"kty": "RSA", "n": "{n}", "e": "AQAB", "kid": "../../dev/null"}},
                {{"kty": "RSA", "n": "{n}", "e": "AQAB", "kid": "{kid}", "x5c": ["ignored"]}}
            ]}}"#,
            n = good.n.as_deref().unwrap(),
            kid = KEY_A.kid(),
        );
        let keys = PublicKeys::new(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(format!("{keys:?}"), format!("[{:?}]", KEY_A.kid()));
    }

    #[test]
    fn a_set_without_a_usable_key_changes_nothing() {
        let keys = PublicKeys::new(&set(&[KEY_A.jwk()])).unwrap();
        assert_eq!(keys.replace(&Jwks::default()), Err(InvalidJwks::NoUsableKey));
        assert!(keys.with_key(KEY_A.kid(), |_| ()).is_some());
        assert_eq!(keys.withdrawals(), 0);
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        let mut imposter = KEY_B.jwk().clone();
        imposter.kid = Some(KEY_A.kid().to_owned());
        let twice = set(&[KEY_A.jwk(), &imposter]);
        assert!(matches!(PublicKeys::new(&twice), Err(InvalidJwks::DuplicateKid { .. })));
        assert!(PublicKeys::new(&set(&[KEY_A.jwk(), KEY_A.jwk()])).is_ok());
    }

    #[test]
    fn only_a_key_that_goes_or_changes_is_a_withdrawal() {
        let keys = PublicKeys::new(&set(&[KEY_A.jwk()])).unwrap();
        keys.replace(&set(&[KEY_B.jwk(), KEY_A.jwk()])).unwrap();
        assert_eq!(keys.withdrawals(), 0);
        keys.replace(&set(&[KEY_B.jwk()])).unwrap();
        assert_eq!(keys.withdrawals(), 1);
        let mut changed = KEY_A.jwk().clone();
        changed.kid = Some(KEY_B.kid().to_owned());
        keys.replace(&set(&[&changed])).unwrap();
        assert_eq!(keys.withdrawals(), 2);
    }

    #[test]
    fn the_document_has_the_members_that_readers_expect() {
        let json = serde_json::to_value(set(&[KEY_A.jwk()])).unwrap();
        let key = json["keys"][0].as_object().unwrap();
        let mut members: Vec<&str> = key.keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!((key["kty"].as_str(), key["use"].as_str()), (Some("RSA"), Some("sig")));
        assert_eq!((key["alg"].as_str(), key["e"].as_str()), (Some("RS256"), Some("AQAB")));
        assert_eq!(serde_json::from_value::<Jwks>(json).unwrap(), set(&[KEY_A.jwk()]));
    }
}
