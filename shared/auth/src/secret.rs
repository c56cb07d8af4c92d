//! Client secrets: made, hashed and checked.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "msk_";
const RANDOM_BYTES: usize = 32;
const TEXT_CHARS: usize = PREFIX.len() + 43;

/// How many hashes every wrong secret is checked against at least: as many as a client has while it
/// changes its secret. A client with two is then not told from one with none.
const CHECKS_MIN: usize = 2;

/// No stored hash may ask for more memory than this, in KiB.
const STORED_MEMORY_KIB_MAX: u32 = 64 * 1024;

/// A client's secret: `msk_` and 32 random bytes in base64url. Never printed by `Debug`, and without
/// `==`: secrets are compared by their hashes alone.
#[derive(Clone)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The secret around `random`, which must come from a cryptographic random source.
    #[must_use]
    pub fn from_random(random: [u8; RANDOM_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// The secret in full, to be shown once to the client that it belongs to.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(msk_…)")
    }
}

/// A text that cannot be a client secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client secret is `msk_` followed by 43 characters of base64url")]
pub struct MalformedSecret;

impl FromStr for ClientSecret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        if text.len() != TEXT_CHARS {
            return Err(MalformedSecret);
        }
        let body = text.strip_prefix(PREFIX).ok_or(MalformedSecret)?;
        let mut random = [0; RANDOM_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(body, &mut random) {
            Ok(RANDOM_BYTES) => Ok(Self(text.to_owned())),
            _ => Err(MalformedSecret),
        }
    }
}

/// What a hash costs whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl HashCost {
    /// What OWASP recommends for Argon2id.
    pub const OWASP: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
}

/// A secret could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Argon2 does not work at this cost.
    #[error("Argon2 does not allow this cost")]
    Cost,
    /// Argon2 failed.
    #[error("the secret could not be hashed")]
    Failed,
}

/// Hashes secrets with Argon2id and checks them.
///
/// One hash takes about 15 ms of CPU and 19 MiB at [`HashCost::OWASP`]. Callers on an async runtime
/// run [`hash`](Self::hash) and [`verify`](Self::verify) in `spawn_blocking`, and limit how many
/// run at once.
pub struct SecretHasher {
    argon2: Argon2<'static>,
    /// What is checked where a client, or a usable hash, is missing.
    dummy: String,
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHasher").finish_non_exhaustive()
    }
}

impl SecretHasher {
    /// A hasher at `cost`. Hashes once.
    ///
    /// # Errors
    /// [`HashError::Cost`] when Argon2 does not allow `cost`.
    pub fn new(cost: HashCost) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(|_| HashError::Cost)?;
        if cost.memory_kib > STORED_MEMORY_KIB_MAX {
            return Err(HashError::Cost);
        }
        let mut hasher = Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            dummy: String::new(),
        };
        // No secret has this text, so nothing ever matches the dummy.
        hasher.dummy = hasher.hash_bytes(b"no secret", [0; 16])?;
        Ok(hasher)
    }

    /// The hash of `secret` to be stored, as a PHC string. `salt` must be random.
    ///
    /// # Errors
    /// [`HashError::Failed`] when Argon2 fails.
    pub fn hash(&self, secret: &ClientSecret, salt: [u8; 16]) -> Result<String, HashError> {
        self.hash_bytes(secret.0.as_bytes(), salt)
    }

    fn hash_bytes(&self, secret: &[u8], salt: [u8; 16]) -> Result<String, HashError> {
        let hash: PasswordHash =
            self.argon2.hash_password_with_salt(secret, &salt).map_err(|_| HashError::Failed)?;
        Ok(hash.to_string())
    }

    /// Whether `secret` belongs to one of the `stored` hashes.
    ///
    /// A client that does not exist is an empty list, and takes as long as one that does: at least
    /// two hashes are made for every secret that matches none.
    #[must_use]
    pub fn verify<S: AsRef<str>>(&self, secret: &ClientSecret, stored: &[S]) -> bool {
        let dummies = CHECKS_MIN.saturating_sub(stored.len());
        stored.iter().any(|phc| self.matches(secret, phc.as_ref()))
            // `matches` has effects on the clock alone; the compiler cannot drop a call of Argon2.
            || (0..dummies).any(|_| self.matches(secret, &self.dummy))
    }

    fn matches(&self, secret: &ClientSecret, phc: &str) -> bool {
        match usable(phc) {
            Some(hash) => self.argon2.verify_password(secret.0.as_bytes(), &hash).is_ok(),
            None => {
                // A hash that cannot be read must not be quicker than one that can.
                if let Some(dummy) = usable(&self.dummy) {
                    let _ = self.argon2.verify_password(secret.0.as_bytes(), &dummy);
                }
                false
            }
        }
    }
}

fn usable(phc: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(phc).ok()?;
    let params = Params::try_from(&hash).ok()?;
    (hash.algorithm.as_str() == "argon2id" && params.m_cost() <= STORED_MEMORY_KIB_MAX)
        .then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHEAP: HashCost = HashCost { memory_kib: 8, passes: 1, lanes: 1 };

    fn secret(byte: u8) -> ClientSecret {
        ClientSecret::from_random([byte; 32])
    }

    #[test]
    fn a_secret_has_its_form() {
        let secret = secret(7);
        assert_eq!(secret.reveal().len(), 47);
        let again: ClientSecret = secret.reveal().parse().unwrap();
        assert_eq!(again.reveal(), secret.reveal());
        assert_eq!(format!("{secret:?}"), "ClientSecret(msk_…)");

        let text = secret.reveal();
        for wrong in [
            "",
            "msk_",
            &text[..46],
            &format!("{text}A"),
            &text.replace("msk_", "MSK_"),
            &text.replace("msk_", "whs_"),
            &format!("msk_{}", "=".repeat(43)),
            &format!("msk_{}", "+".repeat(43)),
            // The last character carries two bits that must be zero.
            &format!("msk_{}", "_".repeat(43)),
            &"é".repeat(23),
            &"A".repeat(1 << 20),
        ] {
            assert!(wrong.parse::<ClientSecret>().is_err(), "{wrong:.60}");
        }
    }

    #[test]
    fn each_of_several_secrets_opens() {
        let hasher = SecretHasher::new(CHEAP).unwrap();
        let stored: Vec<String> =
            (1..=3).map(|n| hasher.hash(&secret(n), [n; 16]).unwrap()).collect();
        for n in 1..=3 {
            assert!(hasher.verify(&secret(n), &stored));
        }
        assert!(!hasher.verify(&secret(4), &stored));
        assert!(!hasher.verify(&secret(1), &stored[1..]));
        assert!(!hasher.verify::<&str>(&secret(1), &[]));
    }

    #[test]
    fn a_hash_is_salted_and_says_what_it_cost() {
        let hasher = SecretHasher::new(HashCost::OWASP).unwrap();
        let one = hasher.hash(&secret(1), [1; 16]).unwrap();
        let other = hasher.hash(&secret(1), [2; 16]).unwrap();
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        // A hash made at another cost is still checked at its own.
        assert!(SecretHasher::new(CHEAP).unwrap().verify(&secret(1), &[one]));
    }

    #[test]
    fn a_stored_hash_that_cannot_be_used_matches_nothing() {
        let hasher = SecretHasher::new(CHEAP).unwrap();
        let good = hasher.hash(&secret(1), [1; 16]).unwrap();
        for bad in [
            String::new(),
            "plain".to_owned(),
            good.replace("argon2id", "argon2i"),
            good.replace("m=8", "m=4000000000"),
            good.replace("t=1", "t=0"),
            good[..good.len() - 2].to_owned(),
        ] {
            assert!(!hasher.verify(&secret(1), &[bad]));
        }
    }

    #[test]
    fn an_impossible_cost_is_an_error() {
        for cost in [
            HashCost { memory_kib: 0, ..CHEAP },
            HashCost { passes: 0, ..CHEAP },
            HashCost { lanes: 0, ..CHEAP },
            HashCost { memory_kib: u32::MAX, ..CHEAP },
        ] {
            assert_eq!(SecretHasher::new(cost).err(), Some(HashError::Cost));
        }
    }

    proptest! {
        #[test]
        fn no_stored_text_panics(text in "(\\$argon2id)?.{0,60}") {
            prop_assert!(!SecretHasher::new(CHEAP).unwrap().verify(&secret(1), &[text]));
        }
    }
}
