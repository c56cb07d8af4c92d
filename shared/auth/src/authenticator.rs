//! From the `Authorization` header to a verified token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use clock::{SharedClock, Timestamp};

use crate::verify::{TOKEN_BYTES_MAX, TokenError, VerifiedToken, Verifier};

/// The SHA-256 of a token. The cache holds no token, so none can leak from it.
type TokenDigest = [u8; 32];

#[derive(Clone)]
struct Remembered {
    token: Arc<VerifiedToken>,
    /// How many keys had been withdrawn before the token was verified.
    withdrawals: u64,
}

/// The tokens that this process has verified, until they end. Bounded; what is not kept is verified
/// again, so losing an entry costs a signature check and nothing else.
///
/// Refusals are not kept: anybody can make up tokens without end, and would push out the good ones.
pub struct TokenCache {
    tokens: quick_cache::sync::Cache<TokenDigest, Remembered>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("len", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl TokenCache {
    /// A cache of at most about `capacity` tokens, of some 300 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { tokens: quick_cache::sync::Cache::new(capacity.max(1)) }
    }

    fn get(&self, digest: &TokenDigest, withdrawals: u64) -> Option<Arc<VerifiedToken>> {
        self.tokens
            .get(digest)
            .filter(|remembered| remembered.withdrawals == withdrawals)
            .map(|remembered| remembered.token)
    }

    fn keep(&self, digest: TokenDigest, token: &Arc<VerifiedToken>, withdrawals: u64) {
        let token = Arc::clone(token);
        self.tokens.insert(digest, Remembered { token, withdrawals });
    }
}

/// Says who is calling.
#[derive(Debug)]
pub struct Authenticator {
    verifier: Verifier,
    cache: TokenCache,
    clock: SharedClock,
}

impl Authenticator {
    /// An authenticator that remembers in `cache` what `verifier` has verified.
    #[must_use]
    pub fn new(verifier: Verifier, cache: TokenCache, clock: SharedClock) -> Self {
        Self { verifier, cache, clock }
    }

    /// The verifier, whose keys may be replaced.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The token of an `Authorization` header, verified now or earlier. Never one that has ended,
    /// and never one whose key has been withdrawn.
    ///
    /// # Errors
    /// [`TokenError`] says why there is none.
    pub fn authenticate(
        &self,
        authorization: Option<&str>,
    ) -> Result<Arc<VerifiedToken>, TokenError> {
        let token = bearer_token(authorization)?;
        let now = self.clock.now();
        let digest = sha256(token);
        // Read before the keys are: a key withdrawn in between makes the entry one to verify again.
        let withdrawals = self.verifier.keys().withdrawals();
        if let Some(known) = self.cache.get(&digest, withdrawals) {
            return still_valid(known, now).inspect_err(|_| {
                self.cache.tokens.remove(&digest);
            });
        }
        // Only now: what is remembered was plain, and looking at each character takes as long as
        // the digest.
        if !is_plain(token) {
            return Err(TokenError::Malformed);
        }
        let token = Arc::new(self.verifier.verify(token, now)?);
        self.cache.keep(digest, &token, withdrawals);
        Ok(token)
    }
}

fn still_valid(
    token: Arc<VerifiedToken>,
    now: Timestamp,
) -> Result<Arc<VerifiedToken>, TokenError> {
    if token.expires_at <= now {
        return Err(TokenError::Expired);
    }
    Ok(token)
}

#[expect(clippy::expect_used, reason = "a SHA-256 has 32 bytes")]
fn sha256(token: &str) -> TokenDigest {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .try_into()
        .expect("a SHA-256 has 32 bytes")
}

/// The one token of a `Bearer` header (RFC 6750). Another scheme is no bearer token at all.
fn bearer_token(authorization: Option<&str>) -> Result<&str, TokenError> {
    let header = authorization.ok_or(TokenError::Missing)?.trim_matches(' ');
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Missing);
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    Ok(token)
}

/// Whether `token` has no character but those of base64url and dots: neither a second token, nor a
/// comma, nor a space, nor padding.
fn is_plain(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{SigningKeys, TokenIssuer};
    use clock::ManualClock;
    use std::time::Duration;

    struct World {
        clock: Arc<ManualClock>,
        issuer: TokenIssuer,
        authenticator: Authenticator,
    }

    impl World {
        fn new() -> Self {
            let clock = ManualClock::at(at(NOW_S));
            let issuer = TokenIssuer::new(parties(), SigningKeys::new(KEY_A.clone(), None));
            let shared: SharedClock = clock.clone();
            let authenticator =
                Authenticator::new(verifier(&[&KEY_A]), TokenCache::new(10), shared);
            Self { clock, issuer, authenticator }
        }

        fn header(&self, n: u8) -> String {
            format!("Bearer {}", self.issuer.issue(&new_token(n)).unwrap().token)
        }

        fn authenticate(&self, header: &str) -> Result<Arc<VerifiedToken>, TokenError> {
            self.authenticator.authenticate(Some(header))
        }

        fn publish(&self) {
            let keys = self.authenticator.verifier().keys();
            keys.replace(&self.issuer.jwks()).unwrap();
        }
    }

    #[test]
    fn a_token_is_verified_once_and_then_remembered() {
        let world = World::new();
        let header = world.header(1);
        let first = world.authenticate(&header).unwrap();
        let again = world.authenticate(&header).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = world.authenticate(&world.header(2)).unwrap();
        assert_eq!((first.jti, other.jti), (token_id(1), token_id(2)));
    }

    #[test]
    fn a_remembered_token_ends_when_it_ends() {
        let world = World::new();
        let header = world.header(1);
        world.clock.advance(Duration::from_millis(899_999));
        assert!(world.authenticate(&header).is_ok());
        world.clock.advance(Duration::from_millis(1));
        for _ in 0..2 {
            assert_eq!(world.authenticate(&header), Err(TokenError::Expired));
        }
        assert!(world.authenticator.cache.tokens.is_empty());
    }

    #[test]
    fn refusals_are_not_remembered() {
        let world = World::new();
        for n in 0..100 {
            let forged = format!("{}{n}", world.header(1));
            assert!(world.authenticate(&forged).is_err());
        }
        assert!(world.authenticator.cache.tokens.is_empty());
    }

    #[test]
    fn the_memory_is_bounded() {
        let world = World::new();
        for n in 0..100 {
            world.authenticate(&world.header(n)).unwrap();
        }
        assert!(world.authenticator.cache.tokens.len() <= 10);
    }

    #[test]
    fn keys_change_without_a_pause() {
        let world = World::new();
        let old = world.header(1);
        world.authenticate(&old).unwrap();

        // The next key is published before it signs.
        let keys = SigningKeys::new(KEY_A.clone(), Some(KEY_B.clone()));
        world.issuer.replace_keys(keys.clone());
        let new_before_published = {
            let promoted = TokenIssuer::new(parties(), keys.clone().promote());
            format!("Bearer {}", promoted.issue(&new_token(2)).unwrap().token)
        };
        let kid = KEY_B.kid().to_owned();
        assert_eq!(world.authenticate(&new_before_published), Err(TokenError::UnknownKey { kid }));
        world.publish();
        assert!(world.authenticate(&new_before_published).is_ok());

        // It signs; the old one's tokens are still good, remembered or not.
        let old_unseen = world.header(3);
        world.issuer.replace_keys(keys.clone().promote());
        world.publish();
        let new = world.header(4);
        for header in [&old, &old_unseen, &new] {
            assert!(world.authenticate(header).is_ok());
        }

        // The old one is withdrawn, and takes its tokens with it, remembered or not.
        world.issuer.replace_keys(keys.promote().retire());
        world.publish();
        let kid = KEY_A.kid().to_owned();
        for header in [&old, &old_unseen] {
            let refused = world.authenticate(header);
            assert_eq!(refused, Err(TokenError::UnknownKey { kid: kid.clone() }));
        }
        assert!(world.authenticate(&new).is_ok());
    }

    #[test]
    fn exactly_one_bearer_token() {
        let world = World::new();
        let token = world.issuer.issue(&new_token(1)).unwrap().token;
        for good in
            [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}  ")]
        {
            assert!(world.authenticate(&good).is_ok(), "{good:.20}");
        }
        for missing in ["", " ", "Bearer", "Bearer ", "Basic abc", "BearerX y", &token] {
            assert_eq!(world.authenticate(missing), Err(TokenError::Missing), "{missing:.20}");
        }
        assert_eq!(world.authenticator.authenticate(None), Err(TokenError::Missing));
        for malformed in [
            format!("Bearer {token} {token}"),
            format!("Bearer {token},{token}"),
            format!("Bearer {token}, Bearer {token}"),
            format!("Bearer \t{token}"),
            format!("Bearer\u{a0}x {token}"),
            format!("Bearer {token}\u{a0}"),
            format!("Bearer \"{token}\""),
            format!("Bearer {token}="),
            format!("Bearer {}", "A".repeat(1 << 20)),
        ] {
            let refused = world.authenticate(&malformed).unwrap_err();
            assert!(matches!(refused, TokenError::Malformed | TokenError::Missing));
        }
    }
}
