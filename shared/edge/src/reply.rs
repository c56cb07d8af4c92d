//! Replies, and what all of them have in common.

use std::error::Error;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, LOCATION,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use ids::RequestId;
use lambda_http::{Body, Response};
use serde::Serialize;

use crate::problem::{Problem, ProblemType};

/// The header with the id of the request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers that a page in a browser may read.
const EXPOSED: &str =
    "location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id";

/// 200 with `value` as JSON.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub fn ok<T: Serialize>(value: &T) -> Result<Response<Body>, Problem> {
    json(StatusCode::OK, value)
}

/// 201 with `value` as JSON, to be found again at `location`.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub fn created<T: Serialize>(location: &str, value: &T) -> Result<Response<Body>, Problem> {
    let mut response = json(StatusCode::CREATED, value)?;
    set(&mut response, LOCATION, location)?;
    Ok(response)
}

/// 202 with `value` as JSON, to be asked about at `location` after `retry_after_s` seconds.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub fn accepted<T: Serialize>(
    location: &str,
    retry_after_s: u32,
    value: &T,
) -> Result<Response<Body>, Problem> {
    let mut response = json(StatusCode::ACCEPTED, value)?;
    set(&mut response, LOCATION, location)?;
    set(&mut response, RETRY_AFTER, &retry_after_s.to_string())?;
    Ok(response)
}

/// 302 to `location`.
///
/// # Errors
/// 500 when no header can hold it.
pub fn found(location: &str) -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    set(&mut response, LOCATION, location)?;
    Ok(response)
}

/// `value` as JSON.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response<Body>, Problem> {
    let body = serde_json::to_string(value).map_err(Problem::internal)?;
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A picture, which may be one that tells an error.
#[must_use]
pub fn picture(status: StatusCode, mime: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::Binary(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

/// Sets a header of `response`.
///
/// # Errors
/// 500 when no header can hold `value`.
pub fn set(response: &mut Response<Body>, name: HeaderName, value: &str) -> Result<(), Problem> {
    let value = HeaderValue::from_str(value).map_err(Problem::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// The last word on a request: the reply as it goes out.
///
/// `instance` is the path that was asked for ([`crate::instance`]). Faults of the service are
/// logged here and nowhere else.
#[must_use]
pub fn respond(
    request_id: RequestId,
    instance: &str,
    result: Result<Response<Body>, Problem>,
) -> Response<Body> {
    let mut response = match result {
        Ok(response) => response,
        Err(problem) => {
            log(request_id, &problem);
            problem.into_response(request_id, instance)
        }
    };
    let headers = response.headers_mut();
    // An id has letters, digits and an underscore.
    if let Ok(value) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    response
}

/// The answer to a browser that asks whether it may call. The API has no cookies, so any page may.
#[must_use]
pub fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, idempotency-key"),
        (ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn log(request_id: RequestId, problem: &Problem) {
    let cause = chain(problem);
    match problem.kind() {
        ProblemType::Internal => {
            tracing::error!(request.id = %request_id, error = cause, "internal error");
        }
        ProblemType::Overloaded => {
            tracing::warn!(request.id = %request_id, error = cause, "overloaded");
        }
        kind => {
            tracing::debug!(request.id = %request_id, problem.kind = kind.slug(), "refused");
        }
    }
}

/// The causes of a problem in one line.
fn chain(problem: &Problem) -> String {
    let mut text = String::new();
    let mut cause = problem.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span;

    use super::*;

    const PATH: &str = "/v1/memes";

    fn id() -> RequestId {
        "req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap()
    }

    /// Keeps the fields of every event.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Visit for Kept {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let mut kept = self.0.lock().unwrap();
            kept.push(format!("{field}={value:?}"));
        }
    }

    impl tracing::Subscriber for Kept {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::WARN
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn every_reply_has_the_common_headers() {
        let good = respond(id(), PATH, ok(&serde_json::json!({"a": 1})));
        let bad = respond(id(), PATH, Err(Problem::not_found()));
        for response in [&good, &bad] {
            let headers = response.headers();
            assert_eq!(headers[X_REQUEST_ID], "req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y");
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        }
        assert_eq!(good.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(bad.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(bad.status(), 404);
    }

    #[test]
    fn a_reply_keeps_its_own_caching() {
        let mut cached = picture(StatusCode::OK, "image/png", vec![1]);
        set(&mut cached, CACHE_CONTROL, "public, immutable").unwrap();
        let response = respond(id(), PATH, Ok(cached));
        assert_eq!(response.headers()[CACHE_CONTROL], "public, immutable");
    }

    #[test]
    fn a_fault_of_the_service_is_logged_once_and_told_to_nobody() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the table is gone")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let kept = Kept::default();
        let response = tracing::subscriber::with_default(kept.clone(), || {
            let cause = Outer("x".parse::<u8>().unwrap_err());
            let _ = respond(id(), PATH, Err(Problem::not_found()));
            respond(id(), PATH, Err(Problem::internal(cause)))
        });
        assert_eq!(response.status(), 500);
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(!body.contains("table") && !body.contains("digit"), "{body}");
        let kept = kept.0.lock().unwrap();
        let errors: Vec<_> = kept.iter().filter(|f| f.starts_with("error=")).collect();
        assert_eq!(errors, [r#"error="the table is gone: invalid digit found in string""#]);
    }

    #[test]
    fn places_are_told() {
        let made = created("/v1/memes/meme_1", &1).unwrap();
        assert_eq!(
            (made.status(), &made.headers()[LOCATION]),
            (StatusCode::CREATED, &HeaderValue::from_static("/v1/memes/meme_1"),)
        );
        let accepted = accepted("/v1/generations/gen_1", 3, &1).unwrap();
        assert_eq!(accepted.status(), 202);
        assert_eq!(accepted.headers()[RETRY_AFTER], "3");
        assert_eq!(found("/images/x/y.png").unwrap().status(), 302);
        assert!(found("/a\nb").is_err());
        assert_eq!(preflight().status(), 204);
    }
}
