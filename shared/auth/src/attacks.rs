//! Tokens that must not be believed, and the few odd ones that must.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entitlements::Plan;
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::*;
use crate::*;

fn verify(token: &str) -> Result<VerifiedToken, TokenError> {
    verifier(&[&KEY_A]).verify(token, at(NOW_S))
}

fn with_header(member: &str, to: Value) -> Result<VerifiedToken, TokenError> {
    verify(&token(&with(header(), member, to), &claims()))
}

fn with_claim(member: &str, to: Value) -> Result<VerifiedToken, TokenError> {
    verify(&token(&header(), &with(claims(), member, to)))
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("a token has three parts")
}

#[track_caller]
fn invalid(result: Result<VerifiedToken, TokenError>, why: &str) {
    match result {
        Err(TokenError::Invalid(reason)) => assert_eq!(reason, why),
        other => panic!("expected {why:?}, got {other:?}"),
    }
}

#[test]
fn what_is_issued_is_verified() {
    let issuer = TokenIssuer::new(parties(), SigningKeys::new(KEY_A.clone(), None));
    let issued = issuer.issue(&new_token(3)).unwrap();
    assert_eq!(issued.expires_at, at(NOW_S + 900));
    assert!(issued.token.len() < TOKEN_BYTES_MAX / 2);
    let verified = verify(&issued.token).unwrap();
    assert_eq!(verified.client, client());
    assert_eq!(verified.scopes.to_string(), "memes:read account:read");
    assert_eq!((verified.plan, verified.epoch), (Plan::Pro, 7));
    assert_eq!((verified.home.as_str(), verified.jti), ("eu-west-1", token_id(3)));
    assert_eq!(verified.expires_at, issued.expires_at);
    assert!(!format!("{issued:?} {issuer:?}").contains(&issued.token));

    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts(&issued.token)[0]).unwrap()).unwrap();
    assert_eq!(header, self::header());
}

#[test]
fn the_good_token_of_these_tests_is_good() {
    assert!(verify(&token(&header(), &claims())).is_ok());
}

#[test]
fn no_other_algorithm_is_accepted() {
    let why = "its algorithm is not RS256";
    for none in ["none", "None", "NONE", "nOnE", "", "rs256", " RS256"] {
        let header = with(header(), "alg", json!(none)).to_string();
        let encoded = URL_SAFE_NO_PAD.encode(&header);
        let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
        let unsigned = format!("{encoded}.{payload}.");
        assert_eq!(verify(&unsigned), Err(TokenError::Malformed));
        invalid(verify(&format!("{unsigned}AAAA")), why);
        invalid(verify(&signed(&header, &claims().to_string(), &KEY_A.key, Algorithm::RS256)), why);
    }
    for (name, algorithm) in [
        ("RS384", Algorithm::RS384),
        ("RS512", Algorithm::RS512),
        ("PS256", Algorithm::PS256),
        ("PS512", Algorithm::PS512),
    ] {
        let header = with(header(), "alg", json!(name)).to_string();
        invalid(verify(&signed(&header, &claims().to_string(), &KEY_A.key, algorithm)), why);
        // The same signature under a header that claims RS256.
        let lying =
            signed(&self::header().to_string(), &claims().to_string(), &KEY_A.key, algorithm);
        invalid(verify(&lying), "its signature does not match");
    }
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EncodingKey::from_ec_der(pkcs8.as_ref());
    let header = with(header(), "alg", json!("ES256")).to_string();
    invalid(verify(&signed(&header, &claims().to_string(), &key, Algorithm::ES256)), why);
    assert_eq!(with_header("alg", Value::Null), Err(TokenError::Malformed));
    assert_eq!(with_header("alg", json!(["RS256"])), Err(TokenError::Malformed));
}

#[test]
fn the_public_key_is_not_a_shared_secret() {
    let pkcs8 = pem::parse(PEM_A.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(pkcs8.contents()).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let jwk = KEY_A.jwk();
    let secrets: Vec<Vec<u8>> = vec![
        pem::encode(&pem::Pem::new("PUBLIC KEY", spki.as_ref())).into_bytes(),
        pem::encode(&pem::Pem::new("RSA PUBLIC KEY", pair.public_key().as_ref())).into_bytes(),
        spki.as_ref().to_vec(),
        pair.public_key().as_ref().to_vec(),
        jwk.n.clone().unwrap().into_bytes(),
        URL_SAFE_NO_PAD.decode(jwk.n.as_deref().unwrap()).unwrap(),
        serde_json::to_vec(&jwks(&[jwk])).unwrap(),
        KEY_A.kid().as_bytes().to_vec(),
        Vec::new(),
    ];
    for secret in secrets {
        let key = EncodingKey::from_secret(&secret);
        for alg in ["HS256", "RS256"] {
            let header = with(header(), "alg", json!(alg)).to_string();
            let forged = signed(&header, &claims().to_string(), &key, Algorithm::HS256);
            assert!(matches!(verify(&forged), Err(TokenError::Invalid(_))));
        }
    }
}

#[test]
fn only_our_issuer_and_our_audience() {
    let issuer = "it is of another issuer";
    invalid(with_claim("iss", json!("https://evil.example.com")), issuer);
    invalid(with_claim("iss", json!("https://auth.example.com/")), issuer);
    invalid(with_claim("iss", json!("HTTPS://AUTH.EXAMPLE.COM")), issuer);
    invalid(with_claim("iss", json!("")), issuer);
    invalid(with_claim("iss", Value::Null), "it lacks exp, iss, aud or sub");
    let list = json!(["https://auth.example.com", "https://evil.example.com"]);
    invalid(with_claim("iss", list), "its claims cannot be read");

    let audience = "it is for another audience";
    invalid(with_claim("aud", json!("https://other.example.com")), audience);
    invalid(with_claim("aud", json!(["https://other.example.com"])), audience);
    invalid(with_claim("aud", json!([])), audience);
    invalid(with_claim("aud", Value::Null), "it lacks exp, iss, aud or sub");
    let both = json!(["https://other.example.com", "https://api.example.com"]);
    assert!(with_claim("aud", both).is_ok());
}

#[test]
fn only_within_its_time() {
    let good = token(&header(), &claims());
    let verifier = verifier(&[&KEY_A]);
    let at_second = |second| verifier.verify(&good, at(second));
    assert!(at_second(NOW_S + 899).is_ok());
    assert_eq!(at_second(NOW_S + 900), Err(TokenError::Expired));
    assert!(at_second(NOW_S - 60).is_ok());
    invalid(at_second(NOW_S - 61), "it was issued in the future");
    invalid(with_claim("nbf", json!(NOW_S + 61)), "it is not valid yet");
    assert!(with_claim("nbf", json!(NOW_S + 60)).is_ok());
    invalid(with_claim("iat", Value::Null), "it has no iat");
    let too_long = "it lives too long";
    invalid(with_claim("exp", json!(NOW_S + 901)), too_long);
    invalid(with_claim("exp", json!(i64::MAX)), too_long);
    invalid(with_claim("iat", json!(i64::MIN)), too_long);
    invalid(with_claim("exp", json!(NOW_S - 1)), too_long);
    for odd in [
        json!("1800000900"),
        json!(1_800_000_900.5),
        json!(1e300),
        json!(u64::MAX),
        json!([NOW_S + 900]),
        json!(true),
        json!({}),
    ] {
        invalid(with_claim("exp", odd.clone()), "its claims cannot be read");
        invalid(with_claim("nbf", odd), "its claims cannot be read");
    }
    invalid(with_claim("exp", Value::Null), "it lacks exp, iss, aud or sub");
    // An end before the epoch, with a beginning to match.
    let ancient = with(with(claims(), "iat", json!(-20)), "exp", json!(-10));
    assert!(verify(&token(&header(), &ancient)).is_err());
}

#[test]
fn every_claim_must_be_there_and_of_its_kind() {
    invalid(with_claim("sub", Value::Null), "it lacks exp, iss, aud or sub");
    let sub = "its sub is not a client";
    invalid(with_claim("sub", json!("")), sub);
    invalid(with_claim("sub", json!("admin")), sub);
    invalid(with_claim("sub", json!(token_id(1))), sub);
    invalid(with_claim("sub", json!(format!("{} ", client()))), sub);
    invalid(with_claim("sub", json!(42)), "its claims cannot be read");
    invalid(with_claim("jti", Value::Null), "its jti is not a token id");
    invalid(with_claim("jti", json!("1")), "its jti is not a token id");
    invalid(with_claim("plan", json!("root")), "it names no plan");
    invalid(with_claim("ent", Value::Null), "it has no ent");
    invalid(with_claim("ent", json!(-1)), "its claims cannot be read");
    invalid(with_claim("home", json!("")), "it names no home");
    invalid(with_claim("home", json!("x".repeat(33))), "it names no home");
    invalid(with_claim("scope", Value::Null), "it has no scope");
    invalid(with_claim("scope", json!(["memes:read"])), "its claims cannot be read");
    // What a newer version may issue is dropped, not granted.
    let newer = with_claim("scope", json!("memes:read memes:delete")).unwrap();
    assert_eq!(newer.scopes.to_string(), "memes:read");
}

#[test]
fn nothing_may_be_changed() {
    let good = token(&header(), &claims());
    let [head, body, signature] = parts(&good);
    let mismatch = "its signature does not match";

    let more = with(claims(), "plan", json!("scale")).to_string();
    let payload = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(more));
    invalid(verify(&payload), mismatch);
    // The same header, written otherwise.
    let spaced = header().to_string().replace(',', ", ");
    invalid(verify(&format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(spaced))), mismatch);
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    for wrong in [
        URL_SAFE_NO_PAD.encode(&flipped),
        URL_SAFE_NO_PAD.encode(&flipped[..255]),
        URL_SAFE_NO_PAD.encode([0; 256]),
        URL_SAFE_NO_PAD.encode([0xff; 256]),
        "AA".to_owned(),
    ] {
        invalid(verify(&format!("{head}.{body}.{wrong}")), mismatch);
    }
    // Another token's signature, and another key's.
    let other = token(&header(), &with(claims(), "ent", json!(2)));
    invalid(verify(&format!("{head}.{body}.{}", parts(&other)[2])), mismatch);
    let foreign =
        signed(&header().to_string(), &claims().to_string(), &KEY_B.key, Algorithm::RS256);
    invalid(verify(&foreign), mismatch);
    // A token of the one key that names the other, both being valid.
    let header_b = with(header(), "kid", json!(KEY_B.kid()));
    let both = verifier(&[&KEY_A, &KEY_B]);
    invalid(both.verify(&token(&header_b, &claims()), at(NOW_S)), mismatch);
}

#[test]
fn the_form_is_exact() {
    let good = token(&header(), &claims());
    let [head, body, signature] = parts(&good);
    for malformed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        head.to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{head}.{body}.{signature}.{body}.{signature}"),
        format!(" {good}"),
        format!("{head}=.{body}.{signature}"),
        format!("\u{feff}{good}"),
        format!("é{good}"),
        format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode("[]")),
        format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode("null")),
        format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode("[".repeat(2_000))),
        "A".repeat(TOKEN_BYTES_MAX + 1),
        ".".repeat(TOKEN_BYTES_MAX),
        format!("{good}{}", "A".repeat(1 << 20)),
    ] {
        assert_eq!(verify(&malformed), Err(TokenError::Malformed), "{malformed:.80}");
    }
    for damaged in [
        format!("{good} "),
        format!("{good}\n"),
        format!("{good}="),
        format!("{good}é"),
        format!("{head}.{body}=.{signature}"),
        format!("{head}.{body}.+/{signature}"),
    ] {
        assert!(matches!(verify(&damaged), Err(TokenError::Invalid(_))), "{damaged:.80}");
    }
    // Signed, and yet no object of claims.
    for claims in ["", "null", "[]", "{", "\"sub\"", "\u{feff}{}"] {
        let odd = signed(&header().to_string(), claims, &KEY_A.key, Algorithm::RS256);
        assert!(verify(&odd).is_err());
    }
}

#[test]
fn nothing_may_be_said_twice() {
    let (header, claims) = (header().to_string(), claims().to_string());
    let sign = |header: &str, claims: &str| signed(header, claims, &KEY_A.key, Algorithm::RS256);
    for member in ["iss", "sub", "scope", "plan", "ent", "home", "jti", "iat", "exp", "aud"] {
        let value: Value = serde_json::from_str::<Value>(&claims).unwrap()[member].clone();
        let twice = claims.replacen('{', &format!("{{\"{member}\":{value},"), 1);
        let result = verify(&sign(&header, &twice));
        assert!(matches!(result, Err(TokenError::Invalid(_))), "{member}: {result:?}");
    }
    for member in ["alg", "typ", "kid"] {
        let value: Value = serde_json::from_str::<Value>(&header).unwrap()[member].clone();
        let twice = header.replacen('{', &format!("{{\"{member}\":{value},"), 1);
        assert_eq!(verify(&sign(&twice, &claims)), Err(TokenError::Malformed));
    }
}

#[test]
fn only_keys_of_the_set_are_used() {
    let unnamed = "it does not name its key";
    for kid in [
        "",
        "../../../../dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "x' UNION SELECT 'secret",
        "file:///dev/null",
        "http://evil.example.com/jwks.json",
        "a|b;c",
        "kid\0",
        "kid\r\nX-Header: 1",
        "ключ",
        &"a".repeat(129),
    ] {
        invalid(with_header("kid", json!(kid)), unnamed);
    }
    invalid(with_header("kid", Value::Null), unnamed);
    for kid in [json!([KEY_A.kid()]), json!(1), json!({}), json!(true)] {
        assert_eq!(with_header("kid", kid), Err(TokenError::Malformed));
    }
    let kid = "another-key_1".to_owned();
    let unknown = with_header("kid", json!(kid));
    assert_eq!(unknown, Err(TokenError::UnknownKey { kid }));
}

#[test]
fn a_token_brings_no_key_of_its_own() {
    // Signed by the attacker's key, which the header carries or points to.
    let sign = |header: &Value| {
        let (header, claims) = (header.to_string(), claims().to_string());
        signed(&header, &claims, &KEY_B.key, Algorithm::RS256)
    };
    let why = "it brings a key of its own";
    for (member, value) in [
        ("jwk", serde_json::to_value(KEY_B.jwk()).unwrap()),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!(["AAAA"])),
    ] {
        let known_kid = with(header(), member, value.clone());
        invalid(verify(&sign(&known_kid)), why);
        invalid(verify(&sign(&with(known_kid, "kid", json!(KEY_B.kid())))), why);
        // Nor with our own signature.
        invalid(with_header(member, value), why);
    }
    let null = header().to_string().replacen('{', "{\"jwk\":null,", 1);
    let null = signed(&null, &claims().to_string(), &KEY_A.key, Algorithm::RS256);
    invalid(verify(&null), why);
}

#[test]
fn no_extension_is_understood() {
    let critical = "it has critical headers";
    invalid(with_header("crit", json!(["exp"])), critical);
    invalid(with_header("crit", json!([])), critical);
    invalid(with_header("crit", json!("b64")), critical);
    invalid(with_header("b64", json!(false)), critical);
    let other = "it is compressed or encrypted";
    invalid(with_header("zip", json!("DEF")), other);
    invalid(with_header("enc", json!("A128GCM")), other);
    // What is merely unknown means nothing (RFC 7515, 4).
    assert!(with_header("colour", json!("blue")).is_ok());
}

#[test]
fn only_access_tokens() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(with_header("typ", json!(typ)).is_ok());
    }
    let why = "it is not an access token";
    for typ in ["JWT", "jwt", "", "id+jwt", "at+jwt ", "application/", "text/at+jwt", "logout+jwt"]
    {
        invalid(with_header("typ", json!(typ)), why);
    }
    invalid(with_header("typ", Value::Null), why);
    assert_eq!(with_header("typ", json!(["at+jwt"])), Err(TokenError::Malformed));
}

#[test]
fn what_a_client_is_told_names_no_check() {
    let kid = "k".to_owned();
    for error in [
        TokenError::Missing,
        TokenError::Malformed,
        TokenError::Expired,
        TokenError::UnknownKey { kid },
        TokenError::Invalid("its signature does not match"),
    ] {
        let told = error.public_detail();
        assert!(!told.contains("signature") && !told.contains("key"), "{told}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_or_passes(token in "([A-Za-z0-9_-]{0,40}\\.){0,4}.{0,20}") {
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn no_single_changed_character_passes(at in 0_usize..2_000, to in "[A-Za-z0-9_.-]") {
        let mut changed = token(&header(), &claims()).into_bytes();
        let at = at % changed.len();
        let to = to.as_bytes()[0];
        prop_assume!(changed[at] != to);
        changed[at] = to;
        prop_assert!(verify(std::str::from_utf8(&changed).unwrap()).is_err());
    }
}
