//! Every identifier of the service, each a type of its own.
//!
//! An identifier is a prefix that says what it names and a ULID in Crockford's base32:
//! `cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y`. The registry at the end of this file is the only list of
//! prefixes; an identifier of one kind cannot be passed where another is wanted.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
pub use ulid::Ulid;

/// A text that is not the identifier that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text does not begin with the prefix of its kind.
    #[error("must begin with `{expected}`")]
    Prefix {
        /// The prefix that was wanted.
        expected: &'static str,
    },
    /// What follows the prefix is not a ULID.
    #[error("must be `{prefix}` followed by 26 characters of Crockford's base32")]
    Body {
        /// The prefix of the kind.
        prefix: &'static str,
    },
}

/// What all identifiers have in common.
pub trait Id: Copy + Eq + Ord + std::hash::Hash + fmt::Display + FromStr<Err = InvalidId> {
    /// What every identifier of this kind begins with, the underscore included.
    const PREFIX: &'static str;

    /// The identifier around `ulid`.
    fn from_ulid(ulid: Ulid) -> Self;

    /// The part behind the prefix.
    fn ulid(self) -> Ulid;
}

/// Makes new identifiers from a time and a seeded random source, and has no time of its own.
pub struct Mint {
    random: Mutex<StdRng>,
}

impl Mint {
    /// A mint whose identifiers follow from `seed`. Production seeds it from the operating system.
    #[must_use]
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self { random: Mutex::new(StdRng::from_seed(seed)) }
    }

    /// A new identifier whose time part is `now_ms`, in milliseconds since the Unix epoch.
    pub fn mint<T: Id>(&self, now_ms: i64) -> T {
        T::from_ulid(Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), self.random_u128()))
    }

    /// 64 random bits, for choices that need no identifier.
    pub fn random_u64(&self) -> u64 {
        self.lock().next_u64()
    }

    fn random_u128(&self) -> u128 {
        let mut random = self.lock();
        (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StdRng> {
        // The generator is whole after any panic: drawing a number cannot leave it half-changed.
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Ulid);

            impl Id for $name {
                const PREFIX: &'static str = $prefix;

                fn from_ulid(ulid: Ulid) -> Self {
                    Self(ulid)
                }

                fn ulid(self) -> Ulid {
                    self.0
                }
            }

            impl FromStr for $name {
                type Err = InvalidId;

                fn from_str(text: &str) -> Result<Self, InvalidId> {
                    let body = text
                        .strip_prefix($prefix)
                        .ok_or(InvalidId::Prefix { expected: $prefix })?;
                    let ulid = Ulid::from_string(body)
                        .map_err(|_| InvalidId::Body { prefix: $prefix })?;
                    // Crockford's decoder also takes lower case and look-alikes; one thing has
                    // one name here.
                    if ulid.to_string() == body {
                        Ok(Self(ulid))
                    } else {
                        Err(InvalidId::Body { prefix: $prefix })
                    }
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str($prefix)?;
                    fmt::Display::fmt(&self.0, f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(self, f)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                }
            }
        )*

        /// Every prefix in use.
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
}

registry! {
    /// A client: a customer's application that calls the API.
    ClientId = "cl_";
    /// A meme, made by a client, by the catalogue or by Memes AI.
    MemeId = "meme_";
    /// A generation: one request for AI pictures, and the hold on the credits that pay for it.
    JobId = "gen_";
    /// A lease of credits. Made by its holder, so that a request whose answer was lost is asked again.
    LeaseId = "lse_";
    /// One immutable entry of the ledger.
    EntryId = "ent_";
    /// A grant of credits with its own expiry.
    GrantId = "grn_";
    /// One secret of a client; a client may have several.
    SecretId = "sec_";
    /// A webhook endpoint.
    WebhookId = "wh_";
    /// An event that a webhook delivers.
    EventId = "evt_";
    /// One request, for logs and problem bodies.
    RequestId = "req_";
    /// One issued token (its `jti`).
    TokenId = "tok_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_text_and_json() {
        let mint = Mint::seeded([7; 32]);
        let id: ClientId = mint.mint(1_700_000_000_000);
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ClientId>(&json).unwrap(), id);
    }

    #[test]
    fn another_kind_lower_case_and_look_alikes_are_refused() {
        let text = Mint::seeded([7; 32]).mint::<ClientId>(1).to_string();
        assert!(text.parse::<MemeId>().is_err());
        assert!(text.to_lowercase().replace("CL_", "cl_").parse::<ClientId>().is_err());
        assert!("cl_O1J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse::<ClientId>().is_err());
        assert!("cl_".parse::<ClientId>().is_err());
        assert!("".parse::<ClientId>().is_err());
        assert!("cl_é1J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse::<ClientId>().is_err());
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (a, b) = (Mint::seeded([1; 32]), Mint::seeded([1; 32]));
        assert_eq!(a.mint::<JobId>(5), b.mint::<JobId>(5));
        assert_ne!(a.mint::<JobId>(5), a.mint::<JobId>(5));
    }

    #[test]
    fn prefixes_are_unique() {
        let mut sorted = PREFIXES.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PREFIXES.len());
    }
}
