//! What authentication costs, in nanoseconds: `cargo run --release -p auth --example verify_cost`.
#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(clippy::unwrap_used, reason = "a tool for developers may stop")]

use std::hint::black_box;
use std::sync::Arc;

use auth::{
    Authenticator, ClientSecret, HashCost, NewToken, PublicKeys, SecretHasher, SigningKey,
    SigningKeys, TokenCache, TokenIssuer, TokenParties, Verifier, generate_key_pem,
};
use aws_lc_rs::{digest, signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::{Clock, SystemClock};
use entitlements::{Entitlement, EntitlementCache, Plan, Profile, Scope, ScopeSet};
use ids::Mint;
use sha2::Digest;

/// The median of 15 rounds of `calls` calls, in nanoseconds a call.
fn measure(name: &str, calls: u32, mut call: impl FnMut()) {
    let clock = SystemClock::new();
    let mut rounds: Vec<u128> = (0..15)
        .map(|_| {
            let began = clock.monotonic();
            for _ in 0..calls {
                call();
            }
            (clock.monotonic() - began).as_nanos() / u128::from(calls)
        })
        .collect();
    rounds.sort_unstable();
    println!("{name:<44} {:>10} ns", rounds[rounds.len() / 2]);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let clock = SystemClock::shared();
    let mint = Mint::seeded([1; 32]);
    let parties = TokenParties {
        issuer: "https://auth.memes.example.com".to_owned(),
        audience: "https://api.memes.example.com".to_owned(),
    };
    let key = SigningKey::from_pem(&generate_key_pem().unwrap()).unwrap();
    let issuer = TokenIssuer::new(parties.clone(), SigningKeys::new(key.clone(), None));
    let new = NewToken {
        id: mint.mint(clock.now_ms()),
        client: mint.mint(clock.now_ms()),
        scopes: ScopeSet::of(&Scope::ALL),
        plan: Plan::Scale,
        epoch: 12,
        home: "eu-west-1",
        issued_at: clock.now(),
    };
    let token = issuer.issue(&new).unwrap().token;
    println!("token of {} bytes", token.len());

    measure("issue (RS256 sign)", 100, || {
        black_box(issuer.issue(&new).unwrap());
    });

    let keys = Arc::new(PublicKeys::new(&issuer.jwks()).unwrap());
    let verifier = Verifier::new(&parties, Arc::clone(&keys));
    let now = clock.now();
    measure("verify, everything", 2_000, || {
        black_box(verifier.verify(black_box(&token), now).unwrap());
    });

    let (message, signature_text) = token.rsplit_once('.').unwrap();
    let signature_bytes = URL_SAFE_NO_PAD.decode(signature_text).unwrap();
    let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref().unwrap()).unwrap();
    let parts = signature::RsaPublicKeyComponents { n: part(&key.jwk().n), e: part(&key.jwk().e) };
    measure("RS256 signature alone, key from n and e", 2_000, || {
        parts
            .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature_bytes)
            .unwrap();
    });

    measure("SHA-256 of the token, aws-lc-rs", 100_000, || {
        black_box(digest::digest(&digest::SHA256, black_box(token.as_bytes())));
    });
    measure("SHA-256 of the token, sha2", 100_000, || {
        black_box(sha2::Sha256::digest(black_box(token.as_bytes())));
    });

    let authenticator = Authenticator::new(verifier, TokenCache::new(10_000), clock.clone());
    let header = format!("Bearer {token}");
    measure("authenticate, remembered", 100_000, || {
        black_box(authenticator.authenticate(black_box(Some(&header))).unwrap());
    });

    let entitlement = Entitlement::materialise(
        Profile {
            client: new.client,
            name: "Demo".to_owned(),
            home: "eu-west-1".to_owned(),
            revoked: false,
            burst_per_second: None,
        },
        &[],
        11,
        clock.now(),
    );
    let load = move |_client| {
        let found = entitlement.clone();
        async move { Ok::<_, std::io::Error>(Some(found)) }
    };
    let entitlements = EntitlementCache::new(load, clock.clone(), 10_000);
    let end = clock::Timestamp::MAX;
    entitlements.get(new.client, 12, end).await.unwrap();
    measure("entitlement, remembered", 1_000_000, || {
        black_box(entitlements.cached(black_box(new.client), 12, end)).unwrap().unwrap();
    });
    measure("the monotonic clock", 1_000_000, || {
        black_box(clock.monotonic());
    });
    measure("the wall clock", 1_000_000, || {
        black_box(clock.now());
    });

    let hasher = SecretHasher::new(HashCost::OWASP).unwrap();
    let secret = ClientSecret::from_random([7; 32]);
    let stored = [hasher.hash(&secret, [1; 16]).unwrap()];
    measure("secret, right", 2, || {
        assert!(hasher.verify(&secret, &stored));
    });
    let wrong = ClientSecret::from_random([8; 32]);
    measure("secret, wrong", 2, || {
        assert!(!hasher.verify(&wrong, &stored));
    });
    measure("secret, no such client", 2, || {
        assert!(!hasher.verify::<&str>(&wrong, &[]));
    });
}
