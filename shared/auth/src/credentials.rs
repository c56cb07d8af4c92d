//! A client's credentials as a request carries them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ids::ClientId;
use percent_encoding::percent_decode_str;

use crate::secret::ClientSecret;

/// Longer than any credentials are, even with every character escaped.
const BASIC_BYTES_MAX: usize = 1024;

/// Who a client says that it is, and its proof. Well formed, not yet checked.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The client.
    pub client_id: ClientId,
    /// The secret that it presents.
    pub client_secret: ClientSecret,
}

/// Credentials that cannot be anybody's. None of these says whether a client exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The header has another scheme than Basic.
    #[error("the Authorization header must use the Basic scheme")]
    NotBasic,
    /// What follows the scheme is not base64, is not UTF-8 or is too long.
    #[error("the Basic credentials must be base64 of `client_id:client_secret`")]
    NotBase64,
    /// There is no colon between id and secret.
    #[error("the Basic credentials must have a colon between client id and client secret")]
    NoColon,
    /// The client id has the wrong form.
    #[error("the client id must be `cl_` followed by 26 characters")]
    ClientId,
    /// The client secret has the wrong form.
    #[error("the client secret must be `msk_` followed by 43 characters")]
    ClientSecret,
}

impl ClientCredentials {
    /// The credentials of two plain values, such as the fields of a form.
    ///
    /// # Errors
    /// [`CredentialsError::ClientId`] or [`CredentialsError::ClientSecret`].
    pub fn new(client_id: &str, client_secret: &str) -> Result<Self, CredentialsError> {
        Ok(Self {
            client_id: client_id.parse().map_err(|_| CredentialsError::ClientId)?,
            client_secret: client_secret.parse().map_err(|_| CredentialsError::ClientSecret)?,
        })
    }

    /// The credentials of an `Authorization: Basic` header. As RFC 6749 (2.3.1) has it, id and
    /// secret are form-encoded inside; those of this service need no escapes, but some libraries
    /// escape the underscore.
    ///
    /// # Errors
    /// [`CredentialsError`] says what is wrong with the header.
    pub fn from_basic(authorization: &str) -> Result<Self, CredentialsError> {
        let (scheme, encoded) = authorization.split_once(' ').ok_or(CredentialsError::NotBasic)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(CredentialsError::NotBasic);
        }
        let encoded = encoded.trim_matches(' ');
        if encoded.len() > BASIC_BYTES_MAX {
            return Err(CredentialsError::NotBase64);
        }
        let decoded = STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(CredentialsError::NotBase64)?;
        let (id, secret) = decoded.split_once(':').ok_or(CredentialsError::NoColon)?;
        // A plus would stand for a space, which neither may contain: both are refused below.
        let id = percent_decode_str(id).decode_utf8().map_err(|_| CredentialsError::ClientId)?;
        let secret =
            percent_decode_str(secret).decode_utf8().map_err(|_| CredentialsError::ClientSecret)?;
        Self::new(&id, &secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Mint;
    use proptest::prelude::*;

    type Read = Result<(ClientId, String), CredentialsError>;

    fn header(authorization: &str) -> Read {
        let read = ClientCredentials::from_basic(authorization)?;
        Ok((read.client_id, read.client_secret.reveal().to_owned()))
    }

    fn basic(credentials: &str) -> Read {
        header(&format!("Basic {}", STANDARD.encode(credentials)))
    }

    #[test]
    fn plain_and_escaped_credentials_are_read() {
        let id: ClientId = Mint::seeded([1; 32]).mint(1);
        let secret = ClientSecret::from_random([2; 32]).reveal().to_owned();
        let plain = format!("{id}:{secret}");
        let expected = Ok((id, secret));
        assert_eq!(basic(&plain), expected);
        assert_eq!(basic(&plain.replace('_', "%5F")), expected);
        let odd = format!("bASIC   {}  ", STANDARD.encode(&plain));
        assert_eq!(header(&odd), expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let id = Mint::seeded([1; 32]).mint::<ClientId>(1).to_string();
        let secret = ClientSecret::from_random([2; 32]);
        assert_eq!(header(""), Err(CredentialsError::NotBasic));
        assert_eq!(header("Bearer abc"), Err(CredentialsError::NotBasic));
        assert_eq!(header("Basic"), Err(CredentialsError::NotBasic));
        assert_eq!(header("Basic é"), Err(CredentialsError::NotBase64));
        assert_eq!(header("Basic /////w=="), Err(CredentialsError::NotBase64));
        let long = format!("Basic {}", "A".repeat(1 << 20));
        assert_eq!(header(&long), Err(CredentialsError::NotBase64));
        assert_eq!(header("Basic "), Err(CredentialsError::NoColon));
        assert_eq!(basic(&id), Err(CredentialsError::NoColon));
        assert_eq!(basic(":"), Err(CredentialsError::ClientId));
        assert_eq!(basic("%FF:x"), Err(CredentialsError::ClientId));
        assert_eq!(basic(&format!("{id}:")), Err(CredentialsError::ClientSecret));
        let spaced = format!("{id}:{}", secret.reveal().replace('_', "+"));
        assert_eq!(basic(&spaced), Err(CredentialsError::ClientSecret));
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "((?i)basic )?.{0,80}", inner in ".{0,40}:.{0,40}") {
            let _ = ClientCredentials::from_basic(&header);
            let _ = basic(&inner);
        }
    }
}
