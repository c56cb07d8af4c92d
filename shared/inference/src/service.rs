//! Where a service is, and how it is asked.

use std::fmt;

use http::HeaderValue;
use url::Url;

/// A service that is configured wrongly, with the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFault {
    /// The address is none.
    #[error("must be a URL such as http://127.0.0.1:30000: {0}")]
    NoUrl(#[from] url::ParseError),
    /// The address is not of a web server, or says more than where it is.
    #[error(
        "must be http:// or https:// with a host, and without user, password, query or fragment"
    )]
    NotPlain,
    /// The key cannot be sent.
    #[error("must be one line of printable ASCII characters")]
    UnusableKey,
}

/// What a service wants to see before it answers. Never printed.
#[derive(Clone)]
pub struct Key(HeaderValue);

impl Key {
    /// A key as services give it. White space around it is not part of it.
    ///
    /// # Errors
    /// [`ServiceFault::UnusableKey`] if it cannot be sent in a header.
    pub fn new(text: &str) -> Result<Self, ServiceFault> {
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(ServiceFault::UnusableKey);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| ServiceFault::UnusableKey)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A service that speaks OpenAI's API.
#[derive(Debug, Clone)]
pub struct Service {
    base: Url,
    model: Option<String>,
    key: Option<Key>,
}

impl Service {
    /// The service at `base`, whose paths begin with `/v1` after it. A `base` that ends with `/v1`
    /// already, as OpenAI's libraries want it, means the same. Without a `model` the service uses
    /// the one that it serves.
    ///
    /// # Errors
    /// [`ServiceFault`] if `base` is not the address of a web server.
    pub fn new(base: &str, model: Option<String>, key: Option<Key>) -> Result<Self, ServiceFault> {
        let base = base.trim().trim_end_matches('/');
        // With a slash at the end, paths are joined after it rather than in place of its last part.
        let base = Url::parse(&format!("{}/", base.strip_suffix("/v1").unwrap_or(base)))?;
        let plain = matches!(base.scheme(), "http" | "https")
            && base.host().is_some()
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !plain {
            return Err(ServiceFault::NotPlain);
        }
        Ok(Self { base, model, key })
    }

    /// Where it is.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The model that is asked for, if one is.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(crate) const fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// The address of one of its paths, which begins without a slash.
    pub(crate) fn at(&self, path: &str) -> Result<Url, url::ParseError> {
        self.base.join(path)
    }

    /// The address that the service gives for something of its own, if it is the service's own.
    ///
    /// # Errors
    /// The origin of the address where it is another, or "nowhere" where it is no address.
    pub(crate) fn own(&self, address: &str) -> Result<Url, String> {
        let url = self.base.join(address).map_err(|_| "nowhere".to_owned())?;
        let plain = url.username().is_empty() && url.password().is_none();
        if url.origin() == self.base.origin() && plain {
            Ok(url)
        } else {
            Err(url.origin().ascii_serialization())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(base: &str) -> Service {
        Service::new(base, None, None).unwrap()
    }

    #[test]
    fn paths_begin_after_the_base_however_it_ends() {
        for base in ["http://gpu:30000", "http://gpu:30000/", " http://gpu:30000/v1 "] {
            let url = service(base).at("v1/models").unwrap();
            assert_eq!(url.as_str(), "http://gpu:30000/v1/models");
        }
        let url = service("https://host/team/v1/").at("v1/models").unwrap();
        assert_eq!(url.as_str(), "https://host/team/v1/models");
    }

    #[test]
    fn what_is_no_address_of_a_service_is_not_taken() {
        for base in
            ["", "gpu:30000/x", "ftp://gpu", "file:///etc", "http://a:b@gpu", "http://gpu/?x=1"]
        {
            assert!(Service::new(base, None, None).is_err(), "{base}");
        }
    }

    #[test]
    fn only_addresses_of_the_service_itself_are_its_own() {
        let service = service("http://gpu:30000");
        for own in ["/v1/images/7/content", "http://gpu:30000/x?variant=1", "x"] {
            assert!(service.own(own).is_ok(), "{own}");
        }
        for foreign in [
            "http://gpu/x",
            "https://gpu:30000/x",
            "http://169.254.169.254/latest/meta-data",
            "//elsewhere/x",
            "http://gpu:30000@elsewhere/x",
            "http://me:pass@gpu:30000/x",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "\\\\elsewhere\\x",
        ] {
            assert!(service.own(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_key_is_one_line_and_is_never_printed() {
        let key = Key::new(" sk-123\n").unwrap();
        assert_eq!(key.header().to_str().unwrap(), "Bearer sk-123");
        assert!(!format!("{key:?}{:?}", key.header()).contains("123"));
        for unusable in ["", "two\nlines", "two words", "ключ"] {
            assert_eq!(Key::new(unusable).unwrap_err(), ServiceFault::UnusableKey);
        }
    }
}
