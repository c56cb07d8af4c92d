//! Tokens: issued, verified and remembered.
//!
//! A client proves who it is with a secret ([`ClientCredentials`], [`SecretHasher`]) and gets a
//! token for 15 minutes: a JWT of the profile of RFC 9068, signed with RS256 ([`TokenIssuer`]).
//! Every call carries it. An [`Authenticator`] turns the `Authorization` header into a
//! [`VerifiedToken`]: the first time by checking the signature and every claim ([`Verifier`], RFC
//! 8725), from then on by looking up the token's SHA-256 in memory ([`TokenCache`]).
//!
//! Keys: whoever issues has [`SigningKeys`], of which it publishes the public halves as [`Jwks`];
//! whoever verifies has [`PublicKeys`], made from that document. Two keys are valid while one takes
//! over from the other:
//!
//! 1. a key is generated ([`generate_key_pem`]) and given to the issuer as the next one; it is
//!    published from then on;
//! 2. once every verifier has fetched the document, [`SigningKeys::promote`] makes it sign; the old
//!    key stays published;
//! 3. once the last token of the old key has ended, [`SigningKeys::retire`] takes it away.
//!
//! Nothing here knows what HTTP is, or what time it is.

mod authenticator;
mod credentials;
mod issue;
mod jwks;
mod keys;
mod secret;
mod verify;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod testing;

pub use authenticator::{Authenticator, TokenCache};
pub use credentials::{ClientCredentials, CredentialsError};
pub use issue::{IssueError, IssuedToken, NewToken, TOKEN_LIFETIME, TokenIssuer};
pub use jwks::{InvalidJwks, Jwk, Jwks, PublicKeys};
pub use keys::{KeyError, SigningKey, SigningKeys, generate_key_pem};
pub use secret::{ClientSecret, HashCost, HashError, MalformedSecret, SecretHasher};
pub use verify::{TOKEN_BYTES_MAX, TokenError, VerifiedToken, Verifier};

/// Who issues the tokens of this deployment, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenParties {
    /// The `iss` of every token: the address of the issuer.
    pub issuer: String,
    /// The `aud` of every token: the address of the API.
    pub audience: String,
}

/// Settles which cryptography signs and verifies. `jsonwebtoken` chooses by cargo features and
/// panics where they leave a choice, which another crate of a build could bring about.
fn use_aws_lc() {
    // An error says that this process has settled it already.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
