//! What deliveries are signed with.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ids::EventId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use standardwebhooks::Webhook;

const PREFIX: &str = "whsec_";

/// The random bytes of a secret; Standard Webhooks takes 24 to 64.
pub const SECRET_BYTES: usize = 32;

/// A text that cannot be a signing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` followed by 32 bytes in base64")]
pub struct MalformedSecret;

/// An endpoint's secret: `whsec_` and 32 random bytes in base64. Never printed by `Debug`, and without
/// `==`: nothing here compares secrets.
#[derive(Clone)]
pub struct SigningSecret([u8; SECRET_BYTES]);

impl SigningSecret {
    /// The secret around `random`, which must come from a cryptographic random source.
    #[must_use]
    pub const fn from_random(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    /// The secret in full, to be shown once to the client that it belongs to.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// The signature of `body` for an attempt at `timestamp_s` (seconds since the Unix epoch) to tell
    /// `event`: `v1,` and an HMAC-SHA256 in base64.
    #[must_use]
    pub fn sign(&self, event: EventId, timestamp_s: i64, body: &str) -> String {
        // Neither call fails: a key may have any length, and the body is UTF-8.
        Webhook::from_bytes(self.0.to_vec())
            .and_then(|key| key.sign(&event.to_string(), timestamp_s, body.as_bytes()))
            .unwrap_or_default()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(whsec_…)")
    }
}

impl FromStr for SigningSecret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        let body = text.strip_prefix(PREFIX).ok_or(MalformedSecret)?;
        let bytes = STANDARD.decode(body).map_err(|_| MalformedSecret)?;
        bytes.try_into().map(Self).map_err(|_| MalformedSecret)
    }
}

/// For the store alone: what replies show is made with [`SigningSecret::reveal`], on purpose.
impl Serialize for SigningSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for SigningSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SigningSecret {
        SigningSecret::from_random(std::array::from_fn(|at| at as u8))
    }

    #[test]
    fn a_secret_survives_text_and_json_and_is_not_printed() {
        let text = secret().reveal();
        assert_eq!(text, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(text.parse::<SigningSecret>().unwrap().reveal(), text);
        let json = serde_json::to_string(&secret()).unwrap();
        assert_eq!(serde_json::from_str::<SigningSecret>(&json).unwrap().reveal(), text);
        assert_eq!(format!("{:?}", secret()), "SigningSecret(whsec_…)");
    }

    #[test]
    fn other_texts_are_no_secrets() {
        for text in ["", "whsec_", "AAEC", "whsec_AAEC", "whsec_!", "WHSEC_AAEC"] {
            assert!(text.parse::<SigningSecret>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_signature_is_as_another_implementation_makes_it() {
        // From Python: base64(hmac.digest(bytes(range(32)), f"{id}.{time}.{body}", "sha256")).
        let event = "evt_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap();
        assert_eq!(
            secret().sign(event, 1_767_225_600, r#"{"type":"webhook.test","é":1}"#),
            "v1,gfvYHQIoxWCz+jcOGdiofxiEmWiEMhzFlHzf/gVmYGA="
        );
    }
}
