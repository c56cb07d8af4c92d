//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07).

use std::fmt;

use http::Method;
use lambda_http::Request;
use sha2::{Digest, Sha256};

use crate::problem::{FieldError, Problem};

/// The header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest key, in characters.
pub const KEY_CHARS_MAX: usize = 255;

/// A key that a client made for one request and sends again with every repeat of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of `request`, if it has one. Quoted, as the draft has it, and bare, as many clients
    /// send it, are the same key.
    ///
    /// # Errors
    /// 400 for the header when it is there more than once, empty, longer than [`KEY_CHARS_MAX`],
    /// or has other characters than visible ASCII.
    pub fn of(request: &Request) -> Result<Option<Self>, Problem> {
        let mut headers = request.headers().get_all(IDEMPOTENCY_KEY).iter();
        let Some(header) = headers.next() else {
            return Ok(None);
        };
        if headers.next().is_some() {
            return Err(refused("is given more than once; give it once"));
        }
        let text = header.to_str().map_err(|_| refused(CHARACTERS))?.trim();
        let key = match text.strip_prefix('"') {
            None => text.to_owned(),
            Some(quoted) => unquote(quoted)?,
        };
        if key.is_empty() || key.len() > KEY_CHARS_MAX {
            return Err(refused("must have 1 to 255 characters; a UUID does well"));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(CHARACTERS));
        }
        Ok(Some(Self(key)))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const CHARACTERS: &str = "must be made of visible ASCII characters; a UUID does well";

fn refused(cure: &str) -> Problem {
    Problem::invalid(FieldError::header("Idempotency-Key", cure))
}

/// The inside of a string of RFC 9651, 3.3.3, behind its first quote.
fn unquote(quoted: &str) -> Result<String, Problem> {
    let unfinished = || refused("begins with a quote, and must end with one");
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next().ok_or_else(unfinished)? {
            '"' if characters.as_str().is_empty() => return Ok(key),
            '"' => return Err(refused("must be one text and nothing behind it")),
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => {
                    return Err(refused("may escape quotes and backslashes and nothing else"));
                }
            },
            other => key.push(other),
        }
    }
}

/// What tells one payload from another: 64 hexadecimal digits over method, path and body.
#[must_use]
pub fn payload_fingerprint(method: &Method, path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        // With their lengths, no two lists of parts have the same bytes.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        hex
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use lambda_http::Body;

    use super::*;

    fn key(values: &[&[u8]]) -> Result<Option<String>, String> {
        let mut request = Request::new(Body::Empty);
        for value in values {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(IDEMPOTENCY_KEY, value);
        }
        IdempotencyKey::of(&request).map(|key| key.map(|key| key.to_string())).map_err(|problem| {
            assert_eq!(problem.status(), 400);
            assert_eq!(problem.errors()[0].header.as_deref(), Some("Idempotency-Key"));
            problem.errors()[0].detail.clone()
        })
    }

    #[test]
    fn quoted_and_bare_are_one_key() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[b"8e03978e-40d5"]), Ok(Some("8e03978e-40d5".to_owned())));
        assert_eq!(key(&[b"\"8e03978e-40d5\""]), key(&[b"8e03978e-40d5"]));
        assert_eq!(key(&[br#""a\"\\b""#]), Ok(Some(r#"a"\b"#.to_owned())));
        let longest = "k".repeat(255);
        assert_eq!(key(&[longest.as_bytes()]), Ok(Some(longest.clone())));
        assert_eq!(key(&[format!("\"{longest}\"").as_bytes()]), Ok(Some(longest)));
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_cure() {
        let long = "k".repeat(256);
        for value in [&b""[..], b"\"\"", long.as_bytes()] {
            assert!(key(&[value]).unwrap_err().starts_with("must have 1 to 255"));
        }
        for value in [&b"a b"[..], b"\"a b\"", "é".as_bytes(), b"a\tb"] {
            assert_eq!(key(&[value]).unwrap_err(), CHARACTERS);
        }
        for value in [&b"\""[..], b"\"a", b"\"a\"b", b"\"a\\", b"\"\\n\""] {
            key(&[value]).unwrap_err();
        }
        assert!(key(&[b"a", b"a"]).unwrap_err().contains("more than once"));
    }

    #[test]
    fn another_payload_has_another_fingerprint() {
        let of = payload_fingerprint;
        let base = of(&Method::POST, "/v1/memes", b"{}");
        assert_eq!(base, of(&Method::POST, "/v1/memes", b"{}"));
        assert_eq!(base.len(), 64);
        assert_ne!(base, of(&Method::POST, "/v1/memes", b"{} "));
        assert_ne!(base, of(&Method::POST, "/v1/meme", b"s{}"));
        assert_ne!(base, of(&Method::PUT, "/v1/memes", b"{}"));
    }
}
