//! Private keys: the ones that sign.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::jwks::{Jwk, Jwks, MODULUS_BYTES};

/// A private key that cannot be used, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not the PEM of an RSA private key.
    #[error("not the PEM of an RSA private key")]
    NotRsaPem,
    /// The key is shorter than 2048 bits or longer than 8192.
    #[error("an RSA key must have 2048 to 8192 bits")]
    Size,
    /// The key could not be generated.
    #[error("the key could not be generated")]
    Generation,
}

/// A new RSA key of 2048 bits in PKCS#8 PEM, for set-up and rotation. Takes a good part of a
/// second. The randomness is the operating system's, by way of the library.
///
/// # Errors
/// [`KeyError::Generation`] when the library fails.
pub fn generate_key_pem() -> Result<String, KeyError> {
    let key =
        aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| KeyError::Generation)?;
    let block = pem::Pem::new("PRIVATE KEY", der.as_ref());
    let unix = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Ok(pem::encode_config(&block, unix))
}

/// A private key and its public half.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) key: EncodingKey,
    kid: String,
    jwk: Jwk,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key of `pem`, PKCS#8 or PKCS#1. Its id follows from it (the thumbprint of RFC 7638), so
    /// that a key has one name wherever it is loaded, and no configuration can confuse two.
    ///
    /// # Errors
    /// [`KeyError::NotRsaPem`] or [`KeyError::Size`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        crate::use_aws_lc();
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::NotRsaPem)?;
        let public = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256)
            .map_err(|_| KeyError::NotRsaPem)?;
        let AlgorithmParameters::RSA(rsa) = public.algorithm else {
            return Err(KeyError::NotRsaPem);
        };
        let modulus_bytes = URL_SAFE_NO_PAD.decode(&rsa.n).map_or(0, |n| n.len());
        if !MODULUS_BYTES.contains(&modulus_bytes) {
            return Err(KeyError::Size);
        }
        let kid = thumbprint(&rsa.n, &rsa.e);
        let jwk = Jwk {
            kty: "RSA".to_owned(),
            usage: Some("sig".to_owned()),
            alg: Some("RS256".to_owned()),
            kid: Some(kid.clone()),
            n: Some(rsa.n),
            e: Some(rsa.e),
        };
        Ok(Self { key, kid, jwk })
    }

    /// The id by which tokens name the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}

/// The thumbprint of RFC 7638: SHA-256 of the required members in order, without spaces.
fn thumbprint(n: &str, e: &str) -> String {
    // Both are base64url, so neither needs an escape.
    let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

/// The keys of an issuer: one that signs, and perhaps another that is only published.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    active: SigningKey,
    next: Option<SigningKey>,
}

impl SigningKeys {
    /// `active` signs; `next` is published beside it, because it is about to sign or because it
    /// did until lately.
    #[must_use]
    pub fn new(active: SigningKey, next: Option<SigningKey>) -> Self {
        Self { active, next }
    }

    /// The key that signs.
    #[must_use]
    pub fn active(&self) -> &SigningKey {
        &self.active
    }

    /// The other key changes places with the one that signs, which stays published. Without another
    /// key nothing changes.
    #[must_use]
    pub fn promote(self) -> Self {
        match self.next {
            Some(next) => Self { active: next, next: Some(self.active) },
            None => self,
        }
    }

    /// The key that signs alone: tokens of the other are refused from then on.
    #[must_use]
    pub fn retire(self) -> Self {
        Self { next: None, ..self }
    }

    /// The public halves, to be published.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let mut keys = vec![self.active.jwk.clone()];
        keys.extend(
            self.next
                .iter()
                .filter(|next| next.kid != self.active.kid)
                .map(|next| next.jwk.clone()),
        );
        Jwks { keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KEY_A, KEY_B};

    #[test]
    fn a_generated_key_can_be_loaded_and_prints_nothing_private() {
        let pem = generate_key_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(key.kid().len(), 43);
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, .. }}", key.kid()));
        assert_eq!(SigningKey::from_pem(&pem).unwrap().kid(), key.kid());
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(thumbprint(n, "AQAB"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_is_not_an_rsa_key_is_refused() {
        let pem = generate_key_pem().unwrap();
        for wrong in [
            "",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            &pem[..pem.len() / 2],
            &pem.replacen("MIIE", "AAAA", 1),
        ] {
            assert!(SigningKey::from_pem(wrong).is_err());
        }
    }

    #[test]
    fn keys_change_places_and_one_retires() {
        let both = SigningKeys::new(KEY_A.clone(), Some(KEY_B.clone()));
        assert_eq!(both.jwks().keys.len(), 2);
        let promoted = both.promote();
        assert_eq!(promoted.active().kid(), KEY_B.kid());
        assert_eq!(promoted.jwks().keys.len(), 2);
        let alone = promoted.retire();
        assert_eq!(alone.jwks().keys, [KEY_B.jwk().clone()]);
        assert_eq!(alone.promote().active().kid(), KEY_B.kid());
        let same = SigningKeys::new(KEY_A.clone(), Some(KEY_A.clone()));
        assert_eq!(same.jwks().keys.len(), 1);
    }
}
