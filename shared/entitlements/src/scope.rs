//! Scopes: what a token may be used for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One thing that a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Take memes from the catalogue, and read memes again.
    MemesRead,
    /// Put captions on a template.
    MemesCreate,
    /// Ask for AI memes, and cancel what was asked for.
    GenerationsCreate,
    /// See what became of generations.
    GenerationsRead,
    /// See the plan, the balance, the ledger and the usage.
    AccountRead,
    /// Register, list and remove webhook endpoints.
    WebhooksWrite,
}

impl Scope {
    /// Every scope, in the order in which a set is written.
    pub const ALL: [Self; 6] = [
        Self::MemesRead,
        Self::MemesCreate,
        Self::GenerationsCreate,
        Self::GenerationsRead,
        Self::AccountRead,
        Self::WebhooksWrite,
    ];

    /// The scope as tokens and documents write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemesRead => "memes:read",
            Self::MemesCreate => "memes:create",
            Self::GenerationsCreate => "generations:create",
            Self::GenerationsRead => "generations:read",
            Self::AccountRead => "account:read",
            Self::WebhooksWrite => "webhooks:write",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scope that this service does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope `{name}`")]
pub struct UnknownScope {
    /// The scope as it was written, cut after 64 characters.
    pub name: String,
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope { name: text.chars().take(64).collect() })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A set of scopes in one byte. Written as RFC 6749 writes it: names between single spaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// The set without scopes.
    pub const EMPTY: Self = Self(0);

    /// The set of `scopes`.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < scopes.len() {
            bits |= scopes[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set has no scope.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes of the set, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromStr for ScopeSet {
    type Err = UnknownScope;

    /// Reads names between spaces, in any order; repeats and extra spaces mean nothing.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split(' ').filter(|name| !name.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_set_is_read_in_any_order_and_written_in_one() {
        let set: ScopeSet = "account:read  memes:read memes:read".parse().unwrap();
        assert_eq!(set.to_string(), "memes:read account:read");
        assert!(set.contains(Scope::AccountRead));
        assert!(!set.contains(Scope::MemesCreate));
        assert_eq!("".parse::<ScopeSet>(), Ok(ScopeSet::EMPTY));
    }

    #[test]
    fn an_unknown_scope_is_named() {
        let error = "memes:read memes:delete".parse::<ScopeSet>().unwrap_err();
        assert_eq!(error.to_string(), "unknown scope `memes:delete`");
        // Look-alikes of a name are other names, and a tab does not separate.
        assert!("Memes:Read".parse::<ScopeSet>().is_err());
        assert!("memes:read\tmemes:create".parse::<ScopeSet>().is_err());
        assert_eq!("é".repeat(500).parse::<Scope>().unwrap_err().name.chars().count(), 64);
    }

    proptest! {
        #[test]
        fn every_set_survives_text_and_json(bits in 0_u8..64) {
            let set = ScopeSet(bits);
            prop_assert_eq!(set.to_string().parse(), Ok(set));
            let json = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<ScopeSet>(&json).unwrap(), set);
            prop_assert!(set.contains_all(set.intersection(ScopeSet::of(&[Scope::MemesRead]))));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<ScopeSet>();
        }
    }
}
