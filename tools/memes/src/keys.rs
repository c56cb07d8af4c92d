//! `memes keys`: makes, lists and retires the keys that tokens are signed with.
//!
//! Rotation has no pause. A new key is published at once and signs from an age of [`SIGNS_AFTER`]
//! on; the one before it goes on verifying, and is retired once the last of its tokens has ended.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use auth::TOKEN_LIFETIME;
use clock::Timestamp;
use maas_aws::keys::{self, Half, SIGNS_AFTER, StoredKey};
use serde::Serialize;

use crate::stack::Stack;
use crate::text::{moment, table};

/// So much later a process that issues tokens may still sign with the key before: it reads the keys
/// again after a minute, and its clock may be a minute behind.
const LINGERS: Duration = Duration::from_secs(120);

/// Verifiers read the keys again after this long: until then they may take a retired key's tokens.
const VERIFIERS_LAG: Duration = Duration::from_secs(300);

/// A key as its two halves tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Its id.
    pub kid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is there for.
    #[serde(flatten)]
    pub role: Role,
}

/// What a key is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// Takes over from the one that signs.
    Next {
        /// When.
        signs_from: Timestamp,
    },
    /// Signs.
    Signs,
    /// Has signed, and verifies the tokens that have not ended.
    Verifies {
        /// When the last of them has ended.
        until: Timestamp,
    },
    /// Has signed, and all of its tokens have ended.
    Ended,
    /// Has no private half: it was not made to the end, or not retired to the end.
    PublicHalfOnly,
    /// Has no public half, so that its tokens are refused.
    PrivateHalfOnly,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next { signs_from } => write!(f, "signs from {}", moment(*signs_from)),
            Self::Signs => f.write_str("signs"),
            Self::Verifies { until } => write!(f, "verifies until {}", moment(*until)),
            Self::Ended => f.write_str("not needed any more; retire it"),
            Self::PublicHalfOnly => f.write_str("has no private half; retire it"),
            Self::PrivateHalfOnly => f.write_str("has no public half; retire it"),
        }
    }
}

/// The keys, the newest first.
#[derive(Debug, Clone, Serialize)]
pub struct Keys {
    keys: Vec<Key>,
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return writeln!(f, "There is no signing key; make one with `memes keys rotate`.");
        }
        let rows: Vec<_> = self
            .keys
            .iter()
            .map(|key| [key.kid.clone(), moment(key.created_at), key.role.to_string()])
            .collect();
        table(f, &rows)
    }
}

/// A key that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Rotated {
    kid: String,
    created_at: Timestamp,
    /// The first key signs at once.
    signs_from: Timestamp,
    /// The key that signs until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.replaces {
            None => writeln!(f, "{} is the first key, and signs at once", self.kid),
            Some(before) => writeln!(
                f,
                "{} signs from {}, in place of {before}\nSee `memes keys list` for when the old \
                 key can be retired.",
                self.kid,
                moment(self.signs_from)
            ),
        }
    }
}

/// Makes a key: its public half first, so that no token is ever signed with a key that nobody knows.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn rotate(stack: &Stack) -> Result<Rotated> {
    let before = list(stack).await?;
    let replaces = before.keys.iter().find(|key| key.role == Role::Signs);
    let created_at = stack.core.clock.now();
    let [(_, public), (_, private)] = keys::generate(created_at).await?;
    let kid = public.kid.clone();

    let store = stack.core.aws.keys();
    store.put(Half::Public, &public).await.map_err(|error| stack.explain(error))?;
    store.put(Half::Private, &private).await.map_err(|error| stack.explain(error)).with_context(
        || format!("only the public half of {kid} is sure to be kept; see `memes keys list`"),
    )?;
    let signs_from = match replaces {
        Some(_) => created_at.checked_add(SIGNS_AFTER)?,
        None => created_at,
    };
    Ok(Rotated { kid, created_at, signs_from, replaces: replaces.map(|key| key.kid.clone()) })
}

/// Lists the keys, the newest first.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn list(stack: &Stack) -> Result<Keys> {
    let store = stack.core.aws.keys();
    let private = store.list(Half::Private).await.map_err(|error| stack.explain(error))?;
    let public = store.list(Half::Public).await.map_err(|error| stack.explain(error))?;
    Ok(Keys { keys: roles(&private, &public, stack.core.clock.now()) })
}

/// A key that was taken away.
#[derive(Debug, Clone, Serialize)]
pub struct Retired {
    kid: String,
    /// From when on its tokens are refused everywhere.
    refused_from: Timestamp,
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = moment(self.refused_from);
        writeln!(f, "{} is retired; its tokens are refused everywhere from {from}", self.kid)
    }
}

/// Takes a key away. One that signs, or whose tokens have not ended, only by `force`: for a key
/// that is known to others. The last key that can sign stays in any case.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn retire(stack: &Stack, kid: &str, force: bool) -> Result<Retired> {
    let keys = list(stack).await?.keys;
    may_retire(&keys, kid, force)?;
    stack.core.aws.keys().remove(kid).await.map_err(|error| stack.explain(error))?;
    let refused_from = stack.core.clock.now().checked_add(VERIFIERS_LAG)?;
    Ok(Retired { kid: kid.to_owned(), refused_from })
}

fn may_retire(keys: &[Key], kid: &str, force: bool) -> Result<()> {
    let Some(key) = keys.iter().find(|key| key.kid == kid) else {
        bail!("there is no signing key {kid}; see `memes keys list`");
    };
    let can_sign = |key: &Key| !matches!(key.role, Role::PublicHalfOnly | Role::PrivateHalfOnly);
    if can_sign(key) && !keys.iter().any(|other| other.kid != kid && can_sign(other)) {
        bail!("{kid} is the only key that can sign; make another with `memes keys rotate` first");
    }
    if force {
        return Ok(());
    }
    match key.role {
        Role::Signs => bail!(
            "{kid} signs; retire it when the next key has taken over and its tokens have ended, \
             or at once with `--force` if others know it"
        ),
        Role::Verifies { until } => bail!(
            "tokens of {kid} are valid until {}; retire it then, or at once with `--force` if \
             others know it",
            moment(until)
        ),
        Role::Next { .. } | Role::Ended | Role::PublicHalfOnly | Role::PrivateHalfOnly => Ok(()),
    }
}

/// What each key is there for at `now`. Both lists have the newest first.
fn roles(private: &[StoredKey], public: &[StoredKey], now: Timestamp) -> Vec<Key> {
    let after = |at: Timestamp, span: Duration| at.checked_add(span).unwrap_or(Timestamp::MAX);
    // As `token-issue` chooses: the newest key that is old enough, or else the oldest.
    let signs = private
        .iter()
        .position(|key| after(key.created_at, SIGNS_AFTER) <= now)
        .or_else(|| private.len().checked_sub(1));
    let role = |at: usize, key: &StoredKey| {
        if !public.iter().any(|other| other.kid == key.kid) {
            return Role::PrivateHalfOnly;
        }
        if Some(at) == signs {
            return Role::Signs;
        }
        // Its successor is the next newer key; the newest key of all has none and does not need one.
        match at.checked_sub(1).filter(|_| signs.is_some_and(|signs| signs < at)) {
            None => Role::Next { signs_from: after(key.created_at, SIGNS_AFTER) },
            Some(successor) => {
                let replaced = after(private[successor].created_at, SIGNS_AFTER);
                let until = after(replaced, LINGERS.saturating_add(TOKEN_LIFETIME));
                if until <= now { Role::Ended } else { Role::Verifies { until } }
            }
        }
    };
    let mut keys: Vec<Key> = private
        .iter()
        .enumerate()
        .map(|(at, key)| Key {
            kid: key.kid.clone(),
            created_at: key.created_at,
            role: role(at, key),
        })
        .collect();
    for key in public {
        if !private.iter().any(|other| other.kid == key.kid) {
            let role = Role::PublicHalfOnly;
            keys.push(Key { kid: key.kid.clone(), created_at: key.created_at, role });
        }
    }
    keys.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.kid.cmp(&a.kid)));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn half(kid: &str, created_s: i64) -> StoredKey {
        StoredKey { kid: kid.to_owned(), created_at: at(created_s), document: String::new() }
    }

    fn roles_at(keys: &[StoredKey], now_s: i64) -> Vec<Role> {
        roles(keys, keys, at(now_s)).into_iter().map(|key| key.role).collect()
    }

    #[test]
    fn a_rotation_goes_through_its_stages() {
        assert_eq!(roles_at(&[], 0), []);
        // The first key signs at once.
        assert_eq!(roles_at(&[half("a", 0)], 0), [Role::Signs]);
        let both = [half("b", 1_000), half("a", 0)];
        let next = Role::Next { signs_from: at(1_120) };
        assert_eq!(roles_at(&both, 1_119), [next, Role::Signs]);
        let until = at(1_120 + 120 + 900);
        assert_eq!(roles_at(&both, 1_120), [Role::Signs, Role::Verifies { until }]);
        assert_eq!(roles_at(&both, 2_139), [Role::Signs, Role::Verifies { until }]);
        assert_eq!(roles_at(&both, 2_140), [Role::Signs, Role::Ended]);
    }

    #[test]
    fn half_a_key_is_seen() {
        let (a, b, c) = (half("a", 0), half("b", 1), half("c", 2));
        let keys = roles(&[b.clone(), a.clone()], &[c, a], at(500));
        assert_eq!(
            keys.iter().map(|key| (key.kid.as_str(), key.role)).collect::<Vec<_>>(),
            [
                ("c", Role::PublicHalfOnly),
                ("b", Role::PrivateHalfOnly),
                ("a", Role::Verifies { until: at(1 + 120 + 120 + 900) }),
            ]
        );
    }

    #[test]
    fn no_key_is_retired_that_is_needed() {
        let both = [half("b", 1_000), half("a", 0)];
        let retire = |now_s, kid, force| {
            may_retire(&roles(&both, &both, at(now_s)), kid, force)
                .map_err(|error| error.to_string())
        };
        let error = |text: &str| Err(text.to_owned());
        assert_eq!(retire(0, "c", true), error("there is no signing key c; see `memes keys list`"));
        assert_eq!(
            retire(1_120, "b", false),
            error(
                "b signs; retire it when the next key has taken over and its tokens have ended, \
                 or at once with `--force` if others know it"
            )
        );
        assert_eq!(
            retire(1_120, "a", false),
            error(
                "tokens of a are valid until 1970-01-01T00:35:40Z; retire it then, or at once \
                 with `--force` if others know it"
            )
        );
        assert_eq!(retire(1_120, "a", true), Ok(()));
        assert_eq!(retire(1_120, "b", true), Ok(()));
        assert_eq!(retire(2_140, "a", false), Ok(()));
        assert_eq!(retire(1_000, "b", false), Ok(()));

        let alone = [half("a", 0)];
        let alone = roles(&alone, &alone, at(0));
        assert_eq!(
            may_retire(&alone, "a", true).unwrap_err().to_string(),
            "a is the only key that can sign; make another with `memes keys rotate` first"
        );
    }
}
