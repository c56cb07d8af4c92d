//! Verifying tokens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Timestamp;
use entitlements::{Plan, ScopeSet};
use ids::{ClientId, TokenId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::TokenParties;
use crate::issue::TOKEN_LIFETIME;
use crate::jwks::{PublicKeys, is_kid};

/// A longer token is refused before anything is done with it. Ours have about 800 bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// The `typ` of an access token (RFC 9068). It keeps other JWTs of an issuer, such as identity
/// tokens, from being taken for one.
pub(crate) const TYP: &str = "at+jwt";

/// How far another machine's clock may be ahead of ours. The end of a token has no such leeway:
/// nothing is gained by serving an ended token, and a client knows when it ends.
const SKEW_S: i64 = 60;

const HOME_BYTES_MAX: usize = 32;

/// Why a token is not accepted.
///
/// `Display` is for logs. What a client may read is [`public_detail`](Self::public_detail).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no bearer token.
    #[error("no bearer token")]
    Missing,
    /// What there is does not have the form of one token of ours.
    #[error("not a well-formed token")]
    Malformed,
    /// The token was good, and has ended.
    #[error("the token has expired")]
    Expired,
    /// The token names a key that is not in the set. The caller may fetch the key set anew, at most
    /// once in a while: anybody can invent a key id.
    #[error("the token's key `{kid}` is not known")]
    UnknownKey {
        /// The key's id, of harmless characters.
        kid: String,
    },
    /// The token breaks a rule.
    #[error("the token is invalid: {0}")]
    Invalid(&'static str),
}

impl TokenError {
    /// What the client may be told: what to do, and nothing about what exactly was checked.
    #[must_use]
    pub const fn public_detail(&self) -> &'static str {
        match self {
            Self::Missing => "Send an access token: `Authorization: Bearer <token>`.",
            Self::Malformed => {
                "The Authorization header must be `Bearer` followed by one access token."
            }
            Self::Expired => "The access token has expired; get a new one from /oauth/token.",
            Self::UnknownKey { .. } | Self::Invalid(_) => {
                "The access token is not valid here; get a new one from /oauth/token."
            }
        }
    }
}

/// What a token that was verified says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whom the token was issued to.
    pub client: ClientId,
    /// What it may be used for. Scopes that this version does not know are left out: while two
    /// versions run at once, the newer may issue them.
    pub scopes: ScopeSet,
    /// The client's plan when the token was issued.
    pub plan: Plan,
    /// The epoch of the client's entitlement when the token was issued.
    pub epoch: u64,
    /// The client's home Region.
    pub home: String,
    /// The token's own id.
    pub jti: TokenId,
    /// The first moment at which the token is refused.
    pub expires_at: Timestamp,
}

/// Whether a member is there, whatever its value, `null` included.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// The header. A member that occurs twice is an error of the parser.
#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    b64: Present,
    #[serde(default)]
    zip: Present,
    #[serde(default)]
    enc: Present,
    #[serde(default)]
    jwk: Present,
    #[serde(default)]
    jku: Present,
    #[serde(default)]
    x5u: Present,
    #[serde(default)]
    x5c: Present,
}

/// The claims. A claim that occurs twice is an error of the parser.
#[derive(Deserialize)]
struct RawClaims {
    // Checked by the library, which would also take a list.
    #[serde(rename = "iss")]
    _iss: Option<String>,
    sub: Option<String>,
    scope: Option<String>,
    plan: Option<String>,
    ent: Option<u64>,
    home: Option<String>,
    jti: Option<String>,
    iat: Option<i64>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

/// Verifies tokens: RS256 alone, by a key of the set alone, of our issuer, for our audience, of our
/// type, within their time. The clock is an argument; RFC 8725 is followed in full.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<PublicKeys>,
    validation: Validation,
}

impl Verifier {
    /// A verifier of the tokens of `parties`, by `keys`, which may be replaced meanwhile.
    #[must_use]
    pub fn new(parties: &TokenParties, keys: Arc<PublicKeys>) -> Self {
        crate::use_aws_lc();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&parties.issuer]);
        validation.set_audience(&[&parties.audience]);
        // The library would ask the machine for the time. Times are checked below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys, validation }
    }

    /// The keys that it verifies with.
    #[must_use]
    pub fn keys(&self) -> &Arc<PublicKeys> {
        &self.keys
    }

    /// What `token` says, if it is to be believed at `now`.
    ///
    /// # Errors
    /// [`TokenError`], never [`TokenError::Missing`]. [`TokenError::Expired`] is only said of a
    /// token that is right in every other way.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        let header = read_header(token)?;
        let kid = check_header(header)?;
        let claims = self
            .keys
            .with_key(&kid, |key| jsonwebtoken::decode::<RawClaims>(token, key, &self.validation))
            .ok_or(TokenError::UnknownKey { kid })?
            .map_err(|error| TokenError::Invalid(reason(error.kind())))?
            .claims;
        check_claims(claims, now)
    }
}

fn read_header(token: &str) -> Result<RawHeader, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    // Three parts and no more: five would be an encrypted token, an empty third an unsigned one.
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed);
    };
    if claims.is_empty() || signature.is_empty() {
        return Err(TokenError::Malformed);
    }
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)
}

/// The id of the key, once nothing else in the header speaks against the token.
fn check_header(header: RawHeader) -> Result<String, TokenError> {
    if header.alg != "RS256" {
        return Err(TokenError::Invalid("its algorithm is not RS256"));
    }
    if header.crit.0 || header.b64.0 {
        return Err(TokenError::Invalid("it has critical headers"));
    }
    if header.zip.0 || header.enc.0 {
        return Err(TokenError::Invalid("it is compressed or encrypted"));
    }
    // Such a key would never be used; a token that brings one is not of our making.
    if header.jwk.0 || header.jku.0 || header.x5u.0 || header.x5c.0 {
        return Err(TokenError::Invalid("it brings a key of its own"));
    }
    let typ = header.typ.unwrap_or_default();
    let subtype = match typ.split_once('/') {
        Some((kind, subtype)) if kind.eq_ignore_ascii_case("application") => subtype,
        _ => &typ,
    };
    if !subtype.eq_ignore_ascii_case(TYP) {
        return Err(TokenError::Invalid("it is not an access token"));
    }
    match header.kid {
        Some(kid) if is_kid(&kid) => Ok(kid),
        _ => Err(TokenError::Invalid("it does not name its key")),
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature does not match",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => {
            "its algorithm is not RS256"
        }
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss, aud or sub",
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => "its claims cannot be read",
        ErrorKind::Base64(_) => "its parts are not base64url",
        _ => "it cannot be verified",
    }
}

fn check_claims(claims: RawClaims, now: Timestamp) -> Result<VerifiedToken, TokenError> {
    let invalid = TokenError::Invalid;
    let client =
        claims.sub.and_then(|sub| sub.parse().ok()).ok_or(invalid("its sub is not a client"))?;
    let jti =
        claims.jti.and_then(|jti| jti.parse().ok()).ok_or(invalid("its jti is not a token id"))?;
    let plan = claims.plan.and_then(|plan| plan.parse().ok()).ok_or(invalid("it names no plan"))?;
    let epoch = claims.ent.ok_or(invalid("it has no ent"))?;
    let home = claims
        .home
        .filter(|home| (1..=HOME_BYTES_MAX).contains(&home.len()))
        .ok_or(invalid("it names no home"))?;
    let scopes = claims
        .scope
        .ok_or(invalid("it has no scope"))?
        .split(' ')
        .filter_map(|scope| scope.parse().ok())
        .collect();

    let now_s = now.as_second();
    let iat = claims.iat.ok_or(invalid("it has no iat"))?;
    let exp = claims.exp.ok_or(invalid("it has no exp"))?;
    if iat > now_s.saturating_add(SKEW_S) {
        return Err(invalid("it was issued in the future"));
    }
    if claims.nbf.is_some_and(|nbf| nbf > now_s.saturating_add(SKEW_S)) {
        return Err(invalid("it is not valid yet"));
    }
    // What is kept on errors is kept until a token ends, so its end is bounded here too.
    let lifetime_s = exp.checked_sub(iat).and_then(|span| u64::try_from(span).ok());
    if lifetime_s.is_none_or(|span| span > TOKEN_LIFETIME.as_secs()) {
        return Err(invalid("it lives too long"));
    }
    let expires_at = Timestamp::from_second(exp).map_err(|_| invalid("its exp is out of range"))?;
    if expires_at <= now {
        return Err(TokenError::Expired);
    }
    Ok(VerifiedToken { client, scopes, plan, epoch, home, jti, expires_at })
}
