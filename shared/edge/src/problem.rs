//! What a caller is told when something is wrong: RFC 9457, `application/problem+json`.

use std::borrow::Cow;
use std::fmt;

use http::header::{ACCEPT, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ids::RequestId;
use lambda_http::{Body, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::limits::RateLimits;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The realm that a challenge names.
const REALM: &str = "memes";

type Source = Box<dyn std::error::Error + Send + Sync>;

macro_rules! problem_types {
    ($($name:ident = $slug:literal, $status:ident, $title:literal, $explanation:literal;)*) => {
        /// A kind of problem. Each has a document under `/problems/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $(#[doc = $explanation] $name,)*
        }

        impl ProblemType {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The last part of the type's URI.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The status of a reply with this problem. `invalid-request` has two: 422 in place of
            /// 400 when the shape is right and the meaning is not.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What the problem is called.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what to do, for the document.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }

            /// The type's URI reference, relative to the root of the API.
            #[must_use]
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$name => concat!("/problems/", $slug),)* }
            }
        }
    };
}

problem_types! {
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request is invalid",
        "Something in the request is not as the API describes it. `errors` names each field, parameter or header at fault and says how to mend it. The status is 422 when the shape is right and the meaning is not, as with captions that do not fit their template. The same request fails again.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "No valid access token",
        "The request has no access token, or one that this service did not issue. Get one from `POST /oauth/token` and send it as `Authorization: Bearer TOKEN`.";
    TokenExpired = "token-expired", UNAUTHORIZED, "The access token has expired",
        "Access tokens live for a few minutes. Get another one from `POST /oauth/token` and send the request again.";
    InsufficientScope = "insufficient-scope", FORBIDDEN, "The access token does not allow this",
        "The token was not issued for the scope that the operation needs; `scope` names it. Ask for it at `POST /oauth/token`. A client gets only the scopes that its plan has.";
    NotEntitled = "not-entitled", FORBIDDEN, "The subscription does not include this",
        "The client has no subscription for what it asked for. Subscribe to it, or leave it out of the request: `tier=auto` always gives a meme.";
    NotFound = "not-found", NOT_FOUND, "There is no such thing",
        "Nothing that this client may see has this address. Check the path and the id.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here",
        "The address exists, and does not take this method. `allowed` and the `Allow` header name those that it takes.";
    Conflict = "conflict", CONFLICT, "The state does not allow this",
        "What the request is about has moved on, as when a finished generation is canceled. Read it again before another try.";
    IdempotencyKeyInUse = "idempotency-key-in-use", CONFLICT, "The first request with this key is still at work",
        "Another request with the same `Idempotency-Key` has not been answered yet. Send this one again after `retry_after_s` seconds to get the same answer.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The key was used for another request",
        "This `Idempotency-Key` came with another payload before. Use a new key for each new request.";
    CreditsExhausted = "credits-exhausted", PAYMENT_REQUIRED, "The credits are used up",
        "The client has fewer credits than the call costs. `credits_return_at` says when the plan grants more; a top-up gives some at once. The denied call cost nothing.";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests",
        "The client calls faster than its plan allows. Wait for `retry_after_s` seconds. The denied call cost nothing.";
    Moderated = "moderated", UNPROCESSABLE_ENTITY, "The content was refused",
        "The prompt, a caption, or the picture that came of it is nothing that this service makes. `category` names the rule: `sexual_minors`, `real_person_nudity`, `self_harm`, `hate`, `violence`, `sexual` or `profanity`. Change what `errors` points at. Nothing was charged, and credits that were held have gone back.";
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The body is larger than the operation takes; `limit_bytes` is the most. Send less.";
    UriTooLong = "uri-too-long", URI_TOO_LONG, "The address is too long",
        "The path with its captions is longer than the service takes. Shorten the captions, or make the meme with `POST /v1/memes`.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not understood",
        "The body, or the picture asked for, is in a format that the operation does not have; `supported` names those it has.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The service is overloaded",
        "The service cannot answer right now. Nothing was done and nothing was charged. Send the request again after `retry_after_s` seconds, with the same `Idempotency-Key` if it had one.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here",
        "The fault is with the service, and it has been recorded under `request_id`. Sending the request again is safe with an `Idempotency-Key`.";
}

impl ProblemType {
    /// The kind whose URI ends with `slug`.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}

/// One thing that is wrong with a request: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where in the body, as a JSON Pointer (RFC 6901); the whole body is the empty text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/captions/0", nullable = false)]
    pub pointer: Option<String>,
    /// Which parameter of the query, or of the form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// Which header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub header: Option<String>,
    /// What is wrong and how to mend it.
    pub detail: String,
}

impl FieldError {
    /// About the part of the body that `pointer` points to.
    pub fn body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, header: None, detail: detail.into() }
    }

    /// About a parameter of the query.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.into()), header: None, detail: detail.into() }
    }

    /// About a header.
    pub fn header(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, header: Some(name.into()), detail: detail.into() }
    }

    fn sentence(&self) -> String {
        let place = match self {
            Self { parameter: Some(name), .. } => format!("The parameter `{name}`"),
            Self { header: Some(name), .. } => format!("The header `{name}`"),
            Self { pointer: Some(pointer), .. } if !pointer.is_empty() => format!("`{pointer}`"),
            _ => "The body".to_owned(),
        };
        format!("{place} {}.", self.detail)
    }
}

/// The body of a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// What kind of problem, as a URI reference to its document.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/problems/not-found")]
    pub kind: String,
    /// What the kind is called.
    pub title: String,
    /// The status of the reply.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The path that was asked for.
    #[schema(format = "uri-reference")]
    pub instance: String,
    /// What to name when asking for help.
    #[schema(value_type = String, pattern = "^req_[0-9A-HJKMNP-TV-Z]{26}$")]
    pub request_id: RequestId,
    /// What is wrong with the request, part by part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Members of the kind's own, such as `retry_after_s`.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
}

/// Something that a caller is told in place of a reply.
///
/// The cause of an internal error is kept for the log and never reaches the body.
pub struct Problem(Box<Inner>);

struct Inner {
    kind: ProblemType,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    extensions: Map<String, Value>,
    headers: HeaderMap,
    source: Option<Source>,
}

impl Problem {
    fn new(kind: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            status: kind.status(),
            detail: detail.into(),
            errors: Vec::new(),
            extensions: Map::new(),
            headers: HeaderMap::new(),
            source: None,
        }))
    }

    /// 400: the shape of the request is wrong.
    #[must_use]
    pub fn invalid(error: FieldError) -> Self {
        Self::invalid_all(vec![error])
    }

    /// 400: the shape of the request is wrong in these places.
    #[must_use]
    pub fn invalid_all(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => "Compare the request with the API's description at /openapi.json.".to_owned(),
            [one] => one.sentence(),
            many => {
                format!("{} parts of the request are invalid; `errors` names each one.", many.len())
            }
        };
        let mut problem = Self::new(ProblemType::InvalidRequest, detail);
        problem.0.errors = errors;
        problem
    }

    /// 422: the shape of the request is right, and its meaning is not.
    #[must_use]
    pub fn unprocessable(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::invalid_all(errors);
        problem.0.status = StatusCode::UNPROCESSABLE_ENTITY;
        problem
    }

    /// 401: there is no access token.
    #[must_use]
    pub fn token_missing() -> Self {
        // RFC 6750, 3.1: a request without credentials is told the scheme and no error.
        Self::new(
            ProblemType::Unauthenticated,
            "Get an access token from `POST /oauth/token` and send it as `Authorization: Bearer \
             TOKEN`.",
        )
        .challenge(format!("Bearer realm=\"{REALM}\""))
    }

    /// 401: the access token cannot be accepted. `description` is shown to the caller.
    #[must_use]
    pub fn token_invalid(description: &str) -> Self {
        Self::new(
            ProblemType::Unauthenticated,
            format!(
                "The access token was not accepted: {description}. Get another one from `POST \
                 /oauth/token`."
            ),
        )
        .challenge(challenge("invalid_token", description))
    }

    /// 401: the access token was good once.
    #[must_use]
    pub fn token_expired() -> Self {
        Self::new(
            ProblemType::TokenExpired,
            "Get another access token from `POST /oauth/token` and send the request again.",
        )
        .challenge(challenge("invalid_token", "the access token has expired"))
    }

    /// 403: the access token was not issued for `scope`.
    #[must_use]
    pub fn insufficient_scope(scope: &'static str) -> Self {
        Self::new(
            ProblemType::InsufficientScope,
            format!("Ask for the scope `{scope}` at `POST /oauth/token`, if your plan has it."),
        )
        .with("scope", scope)
        .challenge(format!(
            "{}, scope=\"{scope}\"",
            challenge("insufficient_scope", "the token lacks a scope")
        ))
    }

    /// 403: no subscription of the client includes what it asked for.
    pub fn not_entitled(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::NotEntitled, detail)
    }

    /// 404: there is nothing, or nothing that this client may see.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            ProblemType::NotFound,
            "Nothing that you may see has this address. Check the path and the id.",
        )
    }

    /// 404, with a better hint, such as what was probably meant.
    pub fn not_found_because(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::NotFound, detail)
    }

    /// 405: the address takes other methods.
    #[must_use]
    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let list = names.join(", ");
        Self::new(
            ProblemType::MethodNotAllowed,
            format!("Use one of the methods that this address takes: {list}."),
        )
        .with("allowed", names)
        .header(ALLOW, &list)
    }

    /// 409: the state of things does not allow it.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemType::Conflict, detail)
    }

    /// 409: the first request with the same idempotency key is not answered yet.
    #[must_use]
    pub fn idempotency_key_in_use(retry_after_s: u32) -> Self {
        Self::new(
            ProblemType::IdempotencyKeyInUse,
            "The first request with this `Idempotency-Key` is still at work. Send this one again \
             in a moment to get its answer.",
        )
        .retry_after(retry_after_s)
    }

    /// 422: the idempotency key came with another payload before.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            ProblemType::IdempotencyKeyReused,
            "This `Idempotency-Key` came with another payload before. Use a new key for a new \
             request.",
        )
    }

    /// 402: the call costs more credits than there are. `returns_at` is when the plan grants more.
    #[must_use]
    pub fn credits_exhausted(needed: u64, returns_at: Option<clock::Timestamp>) -> Self {
        let problem = Self::new(
            ProblemType::CreditsExhausted,
            match returns_at {
                Some(at) => format!(
                    "The call costs more credits than are left ({needed}). The plan grants more \
                     at {at}; a top-up gives some at once."
                ),
                None => format!(
                    "The call costs more credits than are left ({needed}). Top up, or choose a \
                     plan that grants more."
                ),
            },
        )
        .with("credits_needed", needed);
        match returns_at {
            Some(at) => problem.with("credits_return_at", at.to_string()),
            None => problem,
        }
    }

    /// 429: too many calls in too short a time.
    #[must_use]
    pub fn rate_limited(retry_after_s: u32) -> Self {
        Self::new(
            ProblemType::RateLimited,
            format!(
                "Wait for {retry_after_s} s, and spread your calls: the RateLimit headers tell \
                 how many your plan allows."
            ),
        )
        .retry_after(retry_after_s)
    }

    /// 422: what the body says at `pointer` is nothing that this service makes. `category` names the
    /// rule, and `cure` says what to leave out.
    pub fn moderated(
        pointer: impl Into<String>,
        category: &'static str,
        cure: impl Into<String>,
    ) -> Self {
        let cure = cure.into();
        let mut problem = Self::new(ProblemType::Moderated, cure.clone());
        problem.0.errors = vec![FieldError::body(pointer, cure)];
        problem.with("category", category)
    }

    /// 413: the body is larger than `limit_bytes`.
    #[must_use]
    pub fn payload_too_large(limit_bytes: usize) -> Self {
        Self::new(
            ProblemType::PayloadTooLarge,
            format!("Send a body of at most {limit_bytes} bytes."),
        )
        .with("limit_bytes", limit_bytes)
    }

    /// 414: the address is longer than `limit_bytes`.
    #[must_use]
    pub fn uri_too_long(limit_bytes: usize) -> Self {
        Self::new(
            ProblemType::UriTooLong,
            format!("Use an address of at most {limit_bytes} bytes."),
        )
        .with("limit_bytes", limit_bytes)
    }

    /// 415: the body, or the picture asked for, is in none of the `supported` formats.
    #[must_use]
    pub fn unsupported_media_type(supported: &'static [&'static str]) -> Self {
        let list = supported.join(", ");
        Self::new(ProblemType::UnsupportedMediaType, format!("Use one of: {list}."))
            .with("supported", supported)
            .header(ACCEPT, &list)
    }

    /// 503: another try will do.
    #[must_use]
    pub fn overloaded(retry_after_s: u32) -> Self {
        Self::new(
            ProblemType::Overloaded,
            format!("Nothing was done or charged. Send the request again in {retry_after_s} s."),
        )
        .retry_after(retry_after_s)
    }

    /// 500: a fault of the service. The caller sees nothing of `source`.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(
            ProblemType::Internal,
            "The fault is ours and has been recorded. Send the request again later, or name the \
             `request_id` when you ask for help.",
        )
        .caused_by(source)
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds an extension member to the body. The members of RFC 9457 cannot be replaced.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        const TAKEN: [&str; 7] =
            ["type", "title", "status", "detail", "instance", "request_id", "errors"];
        if !TAKEN.contains(&member) {
            self.0.extensions.insert(member.to_owned(), value.into());
        }
        self
    }

    /// Adds a header to the reply. A value that no header can hold is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }

    /// Tells the caller's limits in the reply.
    #[must_use]
    pub fn with_limits(mut self, limits: &RateLimits) -> Self {
        limits.write(&mut self.0.headers);
        self
    }

    fn retry_after(self, retry_after_s: u32) -> Self {
        self.with("retry_after_s", retry_after_s).header(RETRY_AFTER, &retry_after_s.to_string())
    }

    fn challenge(self, challenge: String) -> Self {
        self.header(WWW_AUTHENTICATE, &challenge)
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the caller is told.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with the request, part by part.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The headers that the reply will have for this problem.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self, request_id: RequestId, instance: &str) -> ProblemBody {
        ProblemBody {
            kind: self.0.kind.uri().to_owned(),
            title: self.0.kind.title().to_owned(),
            status: self.0.status.as_u16(),
            detail: self.0.detail.clone().into_owned(),
            instance: instance.to_owned(),
            request_id,
            errors: self.0.errors.clone(),
            extensions: self.0.extensions.clone(),
        }
    }

    /// The reply as it is sent, without the headers that all replies have.
    #[must_use]
    pub fn into_response(self, request_id: RequestId, instance: &str) -> Response<Body> {
        // A body of texts and numbers is always JSON.
        let body = serde_json::to_string(&self.body(request_id, instance)).unwrap_or_default();
        let mut response = Response::new(Body::Text(body));
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers;
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

/// A challenge of RFC 6750 with an error. Its description is held to the characters that may
/// stand there.
fn challenge(error: &str, description: &str) -> String {
    let description: String = description
        .chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect();
    format!("Bearer realm=\"{REALM}\", error=\"{error}\", error_description=\"{description}\"")
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("type", &self.0.kind.slug())
            .field("status", &self.0.status.as_u16())
            .field("detail", &self.0.detail)
            .field("errors", &self.0.errors)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.slug(), self.0.detail)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::limits::{Burst, Credits};

    pub(crate) fn one_of_each() -> Vec<Problem> {
        vec![
            Problem::invalid(FieldError::body("/count", "must be 1 to 4")),
            Problem::invalid_all(vec![
                FieldError::parameter("limit", "must be 1 to 100"),
                FieldError::header("Idempotency-Key", "must not be empty"),
            ]),
            Problem::unprocessable(vec![FieldError::body("/captions/1", "is too long")]),
            Problem::token_missing(),
            Problem::token_invalid("its \"signature\"\r\ndoes not match"),
            Problem::token_expired(),
            Problem::insufficient_scope("memes:create"),
            Problem::not_entitled("Subscribe to Memes AI, or ask for `tier=auto`."),
            Problem::not_found(),
            Problem::method_not_allowed(&[Method::GET, Method::POST]),
            Problem::conflict("The generation is already finished; read it again."),
            Problem::idempotency_key_in_use(1),
            Problem::idempotency_key_reused(),
            Problem::credits_exhausted(10, Some(clock::Timestamp::UNIX_EPOCH)),
            Problem::rate_limited(1).with_limits(&RateLimits {
                burst: Burst { limit: 50, remaining: 0, window_s: 1 },
                credits: Credits {
                    quota: 10_000,
                    window_s: 2_592_000,
                    remaining: 9_991,
                    reset_s: 86_400,
                },
            }),
            Problem::moderated("/prompt", "hate", "Leave out slurs."),
            Problem::payload_too_large(65_536),
            Problem::uri_too_long(8_000),
            Problem::unsupported_media_type(&["application/json"]),
            Problem::overloaded(2),
            Problem::internal("the password of the database is hunter2"),
        ]
    }

    #[test]
    fn one_body_of_each_type() {
        let request_id = "req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap();
        let mut seen = Vec::new();
        let mut replies = Vec::new();
        for problem in one_of_each() {
            seen.push(problem.kind());
            let response = problem.into_response(request_id, "/v1/memes");
            let headers: Map<String, Value> = response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
                .collect();
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["status"], response.status().as_u16());
            replies.push(serde_json::json!({
                "status": response.status().as_u16(), "headers": headers, "body": body,
            }));
        }
        for kind in ProblemType::ALL {
            assert!(seen.contains(kind), "{} has no body here", kind.slug());
        }
        assert!(!Value::from(replies.clone()).to_string().contains("hunter2"));
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!("problems", replies);
        });
    }

    #[test]
    fn slugs_are_unique_and_found() {
        for kind in ProblemType::ALL {
            assert_eq!(ProblemType::from_slug(kind.slug()), Some(*kind));
            assert!(kind.uri().ends_with(kind.slug()));
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
        assert_eq!(ProblemType::from_slug("teapot"), None);
    }

    #[test]
    fn members_of_the_standard_stay() {
        let problem = Problem::not_found().with("status", 200).with("hint", "look up");
        let body = serde_json::to_value(
            problem.body("req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap(), "/"),
        )
        .unwrap();
        assert_eq!((&body["status"], &body["hint"]), (&404.into(), &"look up".into()));
    }
}
