//! Issuing tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clock::Timestamp;
use entitlements::{Plan, ScopeSet};
use ids::{ClientId, TokenId};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

use crate::TokenParties;
use crate::jwks::Jwks;
use crate::keys::SigningKeys;
use crate::verify::TYP;

/// How long a token is valid. Verifiers refuse tokens that claim more.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken<'a> {
    /// The token's own id, never used twice.
    pub id: TokenId,
    /// Whom it is issued to.
    pub client: ClientId,
    /// What it may be used for.
    pub scopes: ScopeSet,
    /// The client's plan.
    pub plan: Plan,
    /// The epoch of the entitlement that this was read from.
    pub epoch: u64,
    /// The client's home Region.
    pub home: &'a str,
    /// Now. The token ends [`TOKEN_LIFETIME`] after it.
    pub issued_at: Timestamp,
}

/// A token, and when it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The JWT.
    pub token: String,
    /// The first second at which it is refused.
    pub expires_at: Timestamp,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The library could not sign.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
    /// The time is at the end of what can be written.
    #[error("the token's end is out of range")]
    Time,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: ClientId,
    /// RFC 9068 wants it; the client is its own subject under client credentials.
    client_id: ClientId,
    scope: ScopeSet,
    plan: Plan,
    ent: u64,
    home: &'a str,
    jti: TokenId,
    iat: i64,
    exp: i64,
}

/// Signs tokens. One signature takes about a millisecond.
pub struct TokenIssuer {
    parties: TokenParties,
    keys: ArcSwap<SigningKeys>,
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("parties", &self.parties)
            .field("keys", &self.keys.load())
            .finish()
    }
}

impl TokenIssuer {
    /// An issuer that signs with `keys`.
    #[must_use]
    pub fn new(parties: TokenParties, keys: SigningKeys) -> Self {
        crate::use_aws_lc();
        Self { parties, keys: ArcSwap::from_pointee(keys) }
    }

    /// Signs with `keys` from now on.
    pub fn replace_keys(&self, keys: SigningKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// The public keys to publish.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.keys.load().jwks()
    }

    /// The signed token that says `new`.
    ///
    /// # Errors
    /// [`IssueError`] when the library fails, or at the end of time.
    pub fn issue(&self, new: &NewToken<'_>) -> Result<IssuedToken, IssueError> {
        let keys = self.keys.load_full();
        let issued_s = new.issued_at.as_second();
        let expires_at = Timestamp::from_second(issued_s)
            .and_then(|issued| issued.checked_add(TOKEN_LIFETIME))
            .map_err(|_| IssueError::Time)?;
        let header = Header {
            typ: Some(TYP.to_owned()),
            kid: Some(keys.active().kid().to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        let claims = Claims {
            iss: &self.parties.issuer,
            aud: &self.parties.audience,
            sub: new.client,
            client_id: new.client,
            scope: new.scopes,
            plan: new.plan,
            ent: new.epoch,
            home: new.home,
            jti: new.id,
            iat: issued_s,
            exp: expires_at.as_second(),
        };
        let token = jsonwebtoken::encode(&header, &claims, &keys.active().key)
            .map_err(IssueError::Signing)?;
        Ok(IssuedToken { token, expires_at })
    }
}
