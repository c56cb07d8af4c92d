//! The token endpoint's own language: forms in, and errors as RFC 6749 has them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};
use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decode::short;
use crate::input::media_type_is;

/// The largest form, in bytes.
pub const FORM_BYTES_MAX: usize = 8 * 1024;

/// The codes of RFC 6749, 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OAuthErrorCode {
    /// A parameter is missing, repeated or malformed.
    InvalidRequest,
    /// The client is not known, or its secret is wrong.
    InvalidClient,
    /// The client may not use this grant type.
    UnauthorizedClient,
    /// The grant type is not `client_credentials`.
    UnsupportedGrantType,
    /// A scope is not known, or the client does not have it.
    InvalidScope,
}

/// The body of an error of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuthErrorBody {
    /// What kind of error.
    pub error: OAuthErrorCode,
    /// What to do about it.
    pub error_description: String,
}

/// An error of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    code: OAuthErrorCode,
    description: String,
}

impl OAuthError {
    /// An error with its code, explained to the caller.
    pub fn new(code: OAuthErrorCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }

    /// The one answer to a client that is unknown and to a secret that is wrong, so that nobody
    /// can find out which clients there are.
    #[must_use]
    pub fn invalid_client() -> Self {
        Self::new(OAuthErrorCode::InvalidClient, "The client id or the client secret is wrong.")
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(OAuthErrorCode::InvalidRequest, description)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> OAuthErrorCode {
        self.code
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.code {
            OAuthErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

impl std::error::Error for OAuthError {}

impl From<OAuthError> for Response<Body> {
    fn from(error: OAuthError) -> Self {
        let status = error.status();
        let body = OAuthErrorBody {
            error: error.code,
            // RFC 6749, 5.2: printable ASCII without quotation marks and backslashes.
            error_description: error
                .description
                .chars()
                .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
                .collect(),
        };
        // Two texts are always JSON.
        let mut response = Self::new(Body::Text(serde_json::to_string(&body).unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"memes\", charset=\"UTF-8\""),
            );
        }
        response
    }
}

/// The parameters of a form. None is there twice, and empty ones are not there at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A parameter, if it was sent with a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Form {
    /// Names alone: secrets are among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The form in the body of `request`.
///
/// # Errors
/// `invalid_request` for another content type, more than [`FORM_BYTES_MAX`], text that is not
/// UTF-8, and parameters that are given twice.
pub fn form_body(request: &Request) -> Result<Form, OAuthError> {
    if !media_type_is(request.headers(), |essence| essence == "application/x-www-form-urlencoded") {
        return Err(OAuthError::invalid_request(
            "Send a form with the content type application/x-www-form-urlencoded.",
        ));
    }
    let body: &[u8] = request.body();
    if body.len() > FORM_BYTES_MAX {
        return Err(OAuthError::invalid_request(format!(
            "Send a form of at most {FORM_BYTES_MAX} bytes."
        )));
    }
    let mut form = Form(Vec::new());
    for pair in body.split(|byte| *byte == b'&').filter(|p| !p.is_empty()) {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        let (Some(name), Some(value)) = (form_text(name), form_text(value)) else {
            return Err(OAuthError::invalid_request("Send parameters as percent-encoded UTF-8."));
        };
        if form.0.iter().any(|(known, _)| *known == name) {
            return Err(OAuthError::invalid_request(format!(
                "Send the parameter {} once.",
                short(&name)
            )));
        }
        form.0.push((name, value));
    }
    form.0.retain(|(_, value)| !value.is_empty());
    Ok(form)
}

fn form_text(encoded: &[u8]) -> Option<String> {
    let spaced: Vec<u8> =
        encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The id, not yet looked at.
    pub client_id: String,
    /// The secret. Never log it.
    pub client_secret: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The credentials of the client, from the `Authorization` header (Basic) or from the form.
///
/// # Errors
/// `invalid_client` without credentials or with ones that cannot be read, `invalid_request` when
/// they come both ways (RFC 6749, 2.3).
pub fn client_credentials(request: &Request, form: &Form) -> Result<ClientCredentials, OAuthError> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let from_form = form.get("client_secret");
    match (headers.next(), from_form) {
        (Some(_), Some(_)) => Err(OAuthError::invalid_request(
            "Send the client secret in the Authorization header or in the form, not in both.",
        )),
        (Some(header), None) => {
            if headers.next().is_some() {
                return Err(OAuthError::invalid_request("Send one Authorization header."));
            }
            let credentials = basic(header).ok_or_else(|| {
                OAuthError::new(
                    OAuthErrorCode::InvalidClient,
                    "Send the client id and secret with the Basic scheme, or in the form.",
                )
            })?;
            match form.get("client_id") {
                Some(other) if other != credentials.client_id => Err(OAuthError::invalid_request(
                    "The client id of the form is not the one of the Authorization header.",
                )),
                _ => Ok(credentials),
            }
        }
        (None, Some(secret)) => match form.get("client_id") {
            Some(id) => {
                Ok(ClientCredentials { client_id: id.to_owned(), client_secret: secret.to_owned() })
            }
            None => Err(OAuthError::invalid_request("Send the client_id.")),
        },
        (None, None) => Err(OAuthError::new(
            OAuthErrorCode::InvalidClient,
            "Send the client id and secret with the Basic scheme, or in the form.",
        )),
    }
}

fn basic(header: &HeaderValue) -> Option<ClientCredentials> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(encoded.trim()).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    // RFC 6749, 2.3.1: both are form-encoded before they are joined.
    let credentials = ClientCredentials {
        client_id: form_text(&pair[..at])?,
        client_secret: form_text(&pair[at + 1..])?,
    };
    (!credentials.client_id.is_empty() && !credentials.client_secret.is_empty())
        .then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str, authorization: &[&str]) -> Request {
        let mut builder = http::Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        for value in authorization {
            builder = builder.header("authorization", *value);
        }
        builder.body(Body::from(body)).unwrap()
    }

    fn basic_header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn credentials(body: &str, authorization: &[&str]) -> Result<(String, String), OAuthErrorCode> {
        let request = request(body, authorization);
        let form = form_body(&request).map_err(|error| error.code())?;
        client_credentials(&request, &form)
            .map(|it| (it.client_id, it.client_secret))
            .map_err(|error| error.code())
    }

    #[test]
    fn a_form_is_decoded() {
        let form = form_body(&request("grant_type=client_credentials&scope=a%3Ab+c&e=&", &[]));
        let form = form.unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), Some("a:b c"));
        assert_eq!(form.get("e"), None);
        assert_eq!(format!("{form:?}"), r#"{"grant_type", "scope"}"#);
    }

    #[test]
    fn a_bad_form_is_an_invalid_request() {
        for body in ["a=1&a=2", "a=1&%61=2", "a=&a=2", "a=%ff", &"a".repeat(9_000)] {
            let error = form_body(&request(body, &[])).unwrap_err();
            assert_eq!(error.code(), OAuthErrorCode::InvalidRequest, "{body}");
        }
        let mut json = request("{}", &[]);
        json.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(form_body(&json).is_err());
        json.headers_mut().remove(CONTENT_TYPE);
        assert!(form_body(&json).is_err());
    }

    #[test]
    fn credentials_come_one_way() {
        let ok = Ok(("cl_1".to_owned(), "s:e c".to_owned()));
        assert_eq!(credentials("client_id=cl_1&client_secret=s:e+c", &[]), ok);
        assert_eq!(credentials("x=1", &[&basic_header("cl_1:s:e%20c")]), ok);
        let lower = basic_header("cl_1:s:e+c").replace("Basic", "bAsIc");
        assert_eq!(credentials("client_id=cl_1", &[&lower]), ok);

        use OAuthErrorCode::{InvalidClient, InvalidRequest};
        let both = basic_header("cl_1:s");
        assert_eq!(credentials("client_secret=s", &[&both]), Err(InvalidRequest));
        assert_eq!(credentials("client_id=cl_2", &[&both]), Err(InvalidRequest));
        assert_eq!(credentials("", &[&both, &both]), Err(InvalidRequest));
        assert_eq!(credentials("client_secret=s", &[]), Err(InvalidRequest));
        for bad in ["Bearer x", "Basic", "Basic !!", &basic_header("cl_1"), &basic_header(":s")] {
            assert_eq!(credentials("", &[bad]), Err(InvalidClient), "{bad}");
        }
        assert_eq!(credentials("", &[]), Err(InvalidClient));
        assert_eq!(credentials("client_id=cl_1", &[]), Err(InvalidClient));
    }

    #[test]
    fn errors_are_as_rfc_6749_has_them() {
        let response: Response<Body> = OAuthError::invalid_client().into();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
        assert_eq!(
            std::str::from_utf8(response.body()).unwrap(),
            r#"{"error":"invalid_client","error_description":"The client id or the client secret is wrong."}"#
        );
        let response: Response<Body> =
            OAuthError::new(OAuthErrorCode::InvalidScope, "no \"é\\\n scope").into();
        assert_eq!(response.status(), 400);
        assert!(response.headers().get(WWW_AUTHENTICATE).is_none());
        let body: OAuthErrorBody = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body.error_description, "no  scope");
    }
}
