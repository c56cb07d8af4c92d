//! What the tests of this crate share: two keys, and tokens of any header and any claims.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Timestamp;
use entitlements::{Plan, Scope, ScopeSet};
use ids::{ClientId, Mint, TokenId};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::{
    Jwk, Jwks, NewToken, PublicKeys, SigningKey, TokenParties, Verifier, generate_key_pem,
};

pub(crate) static PEM_A: LazyLock<String> = LazyLock::new(|| generate_key_pem().unwrap());
pub(crate) static KEY_A: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_pem(&PEM_A).unwrap());
pub(crate) static KEY_B: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_pem(&generate_key_pem().unwrap()).unwrap());

/// When the tokens of the tests are issued, in seconds.
pub(crate) const NOW_S: i64 = 1_800_000_000;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn parties() -> TokenParties {
    TokenParties {
        issuer: "https://auth.example.com".to_owned(),
        audience: "https://api.example.com".to_owned(),
    }
}

pub(crate) fn client() -> ClientId {
    Mint::seeded([5; 32]).mint(1)
}

pub(crate) fn token_id(n: u8) -> TokenId {
    Mint::seeded([n; 32]).mint(1)
}

pub(crate) fn new_token(n: u8) -> NewToken<'static> {
    NewToken {
        id: token_id(n),
        client: client(),
        scopes: ScopeSet::of(&[Scope::MemesRead, Scope::AccountRead]),
        plan: Plan::Pro,
        epoch: 7,
        home: "eu-west-1",
        issued_at: at(NOW_S),
    }
}

pub(crate) fn jwks(keys: &[&Jwk]) -> Jwks {
    Jwks { keys: keys.iter().map(|key| (*key).clone()).collect() }
}

pub(crate) fn verifier(keys: &[&SigningKey]) -> Verifier {
    let published: Vec<&Jwk> = keys.iter().map(|key| key.jwk()).collect();
    let keys = PublicKeys::new(&jwks(&published)).unwrap();
    Verifier::new(&parties(), Arc::new(keys))
}

/// The header of a good token of [`KEY_A`].
pub(crate) fn header() -> Value {
    json!({"alg": "RS256", "typ": "at+jwt", "kid": KEY_A.kid()})
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://auth.example.com", "aud": "https://api.example.com",
        "sub": client(), "scope": "memes:read", "plan": "free", "ent": 1, "home": "eu-west-1",
        "jti": token_id(1), "iat": NOW_S, "exp": NOW_S + 900,
    })
}

/// `value` with `member` set, or taken away when it is null.
pub(crate) fn with(mut value: Value, member: &str, to: Value) -> Value {
    let object = value.as_object_mut().unwrap();
    if to.is_null() {
        object.remove(member);
    } else {
        object.insert(member.to_owned(), to);
    }
    value
}

/// A token of these texts, signed by `key` with `algorithm`, whatever the header says.
pub(crate) fn signed(
    header: &str,
    claims: &str,
    key: &EncodingKey,
    algorithm: Algorithm,
) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A token of [`KEY_A`], properly signed.
pub(crate) fn token(header: &Value, claims: &Value) -> String {
    let (header, claims) = (header.to_string(), claims.to_string());
    signed(&header, &claims, &KEY_A.key, Algorithm::RS256)
}
