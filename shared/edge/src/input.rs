//! Requests into typed values. Below this nothing sees a raw body, query or path.

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use ids::Id;
use lambda_http::{Request, RequestExt};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::decode::{from_json, from_pairs};
use crate::problem::Problem;

/// The largest JSON body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of a path a problem tells back, in bytes.
const INSTANCE_BYTES_MAX: usize = 512;

/// What may not stand in a path as it is (RFC 3986, 3.3).
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The JSON in the body of `request`.
///
/// # Errors
/// 415 when it is not sent as JSON, 413 above [`BODY_BYTES_MAX`], 400 with the place of what is
/// wrong.
pub fn json_body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let is_json = media_type_is(request.headers(), |essence| {
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    });
    let is_plain = request
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_json || !is_plain {
        return Err(Problem::unsupported_media_type(&["application/json"]));
    }
    let body: &[u8] = request.body();
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::payload_too_large(BODY_BYTES_MAX));
    }
    from_json(body).map_err(Problem::invalid)
}

/// The parameters of the query of `request`.
///
/// # Errors
/// 400 with the name of a parameter that is unknown, missing, repeated or malformed. The type says
/// `deny_unknown_fields`.
pub fn query_params<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let parameters = request.query_string_parameters_ref();
    let pairs: Vec<(&str, &str)> = parameters.into_iter().flat_map(|map| map.iter()).collect();
    from_pairs(&pairs).map_err(Problem::invalid)
}

/// Refuses a query where none is taken.
///
/// # Errors
/// 400 with the name of the first parameter.
pub fn no_query(request: &Request) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    query_params::<Nothing>(request).map(|Nothing {}| ())
}

/// A parameter of the path of `request`, decoded.
///
/// # Errors
/// 404 when it is not there.
pub fn path_param<'a>(request: &'a Request, name: &str) -> Result<&'a str, Problem> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .ok_or_else(Problem::not_found)
}

/// An identifier in the path of `request`.
///
/// # Errors
/// 404 when it is none: what cannot exist does not exist.
pub fn path_id<T: Id>(request: &Request, name: &str) -> Result<T, Problem> {
    path_param(request, name)?.parse().map_err(|_| Problem::not_found())
}

/// The access token of `request`.
///
/// # Errors
/// 401 when there is none, or something that cannot be one.
pub fn bearer_token(request: &Request) -> Result<&str, Problem> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return Err(Problem::token_missing());
    };
    let token = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim_matches(' '));
    // RFC 6750, 2.1: the characters of base64, of both kinds, and a few more.
    let may_be_one = |token: &&str| {
        let body = token.trim_end_matches('=');
        !body.is_empty()
            && body.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
            })
    };
    match (token, headers.next()) {
        (None, _) => Err(Problem::token_missing()),
        (Some(_), Some(_)) => Err(Problem::token_invalid("there are two of them")),
        (Some(token), None) => {
            Some(token).filter(may_be_one).ok_or_else(|| Problem::token_invalid("it is malformed"))
        }
    }
}

/// The path of `request`, for the `instance` of problems. Queries are left out: they may hold what
/// is nobody else's business.
#[must_use]
pub fn instance(request: &Request) -> String {
    let path = match request.raw_http_path() {
        "" => request.uri().path(),
        raw => raw,
    };
    let mut encoded: String = utf8_percent_encode(path, PATH).to_string();
    if encoded.len() > INSTANCE_BYTES_MAX {
        // Only ASCII is left, so any place is between two characters; half an escape is not.
        let end = encoded[..INSTANCE_BYTES_MAX]
            .rfind('%')
            .filter(|at| at + 3 > INSTANCE_BYTES_MAX)
            .unwrap_or(INSTANCE_BYTES_MAX);
        encoded.truncate(end);
    }
    encoded
}

/// Whether the content type is one that `wanted` takes, in UTF-8. It gets the type in lower case,
/// without parameters.
pub(crate) fn media_type_is(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(text) = first.to_str() else {
        return false;
    };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let in_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    });
    wanted(&essence) && in_utf8
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::Body;

    use super::*;
    use crate::models::{CreateMeme, GenerationQuery, MemeQuery};
    use crate::problem::ProblemType;

    fn post(content_type: Option<&str>, body: &str) -> Request {
        let mut builder = http::Request::post("/v1/memes");
        if let Some(value) = content_type {
            builder = builder.header("content-type", value);
        }
        builder.body(Body::from(body)).unwrap()
    }

    fn get(query: &str) -> Request {
        let pairs: HashMap<String, Vec<String>> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .fold(HashMap::new(), |mut map, pair| {
                let (name, value) = pair.split_once('=').unwrap();
                map.entry(name.to_owned()).or_insert_with(Vec::new).push(value.to_owned());
                map
            });
        Request::new(Body::Empty).with_query_string_parameters(pairs)
    }

    fn parameter(query: &str) -> (String, String) {
        let problem = query_params::<GenerationQuery>(&get(query)).unwrap_err();
        assert_eq!(problem.kind(), ProblemType::InvalidRequest);
        let error = problem.errors()[0].clone();
        (error.parameter.unwrap(), error.detail)
    }

    #[test]
    fn a_body_must_be_sent_as_json_in_utf8() {
        let body = r#"{"template":"two-doors","captions":["a"]}"#;
        for good in [
            "application/json",
            "Application/JSON; charset=\"UTF-8\"",
            "application/vnd.memes+json;v=1",
        ] {
            json_body::<CreateMeme>(&post(Some(good), body)).unwrap();
        }
        for bad in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/jsonx"),
            Some("application/json; charset=latin1"),
            Some("text/x+json"),
        ] {
            let problem = json_body::<CreateMeme>(&post(bad, body)).unwrap_err();
            assert_eq!(problem.kind(), ProblemType::UnsupportedMediaType, "{bad:?}");
        }
        let mut packed = post(Some("application/json"), body);
        packed.headers_mut().insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
        assert!(json_body::<CreateMeme>(&packed).is_err());
    }

    #[test]
    fn a_body_has_a_limit() {
        let body = r#"{"template":"x","captions":["a"]}"#;
        let exact = format!("{body}{}", " ".repeat(BODY_BYTES_MAX - body.len()));
        json_body::<CreateMeme>(&post(Some("application/json"), &exact)).unwrap();
        let over = format!("{exact} ");
        let problem = json_body::<CreateMeme>(&post(Some("application/json"), &over)).unwrap_err();
        assert_eq!(problem.kind(), ProblemType::PayloadTooLarge);
    }

    #[test]
    fn parameters_that_are_wrong_are_named() {
        for (query, name, cure) in [
            ("limit=0", "limit", "must be a whole number from 1 to 100"),
            ("limit=-1", "limit", "must be a whole number from 1 to 100"),
            ("limit=101", "limit", "must be a whole number from 1 to 100"),
            ("limit=4294967297", "limit", "must be a whole number from 1 to 100"),
            ("limit=99999999999999999999", "limit", "must be a whole number from 1 to 100"),
            ("limit=ten", "limit", "must be a whole number from 1 to 100"),
            ("limit=+5", "limit", "must be a whole number from 1 to 100"),
            ("limit=", "limit", "must be a whole number from 1 to 100"),
            ("limit=5&limit=5", "limit", "is given more than once; give it once"),
            ("page=2", "page", "is not known here; remove it, or use `cursor`, `limit` or `state`"),
            (
                "state=done",
                "state",
                "must be `queued`, `running`, `succeeded`, `partial`, `failed` or `canceled`",
            ),
            ("cursor=\u{fffd}", "cursor", "must be percent-encoded UTF-8"),
        ] {
            assert_eq!(parameter(query), (name.to_owned(), cure.to_owned()), "{query}");
        }
    }

    #[test]
    fn parameters_that_are_right_are_read() {
        let query: GenerationQuery = query_params(&get("limit=100&state=queued")).unwrap();
        assert_eq!(query.limit, 100);
        let query: GenerationQuery = query_params(&get("")).unwrap();
        assert_eq!((query.limit, query.cursor), (20, None));
        let query: MemeQuery = query_params(&get("topic=deploys&tier=ai&format=image")).unwrap();
        assert_eq!(query.topic.unwrap().as_str(), "deploys");
        assert!(query_params::<MemeQuery>(&get("topic=De ploys")).is_err());
        no_query(&get("")).unwrap();
        assert_eq!(
            no_query(&get("x=1")).unwrap_err().detail(),
            "The parameter `x` is not known here; remove it, nothing is taken."
        );
    }

    #[test]
    fn an_id_that_cannot_exist_does_not_exist() {
        let with = |value: &str| {
            Request::new(Body::Empty)
                .with_path_parameters(HashMap::from([("id".to_owned(), vec![value.to_owned()])]))
        };
        let id = "meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";
        let read: ids::MemeId = path_id(&with(id), "id").unwrap();
        assert_eq!(read.to_string(), id);
        for bad in ["", "meme_", "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y", "../x", "\u{0}"] {
            let problem = path_id::<ids::MemeId>(&with(bad), "id").unwrap_err();
            assert_eq!(problem.kind(), ProblemType::NotFound);
        }
        assert!(path_id::<ids::MemeId>(&Request::new(Body::Empty), "id").is_err());
    }

    #[test]
    fn one_bearer_token() {
        let with = |values: &[&str]| {
            let mut request = Request::new(Body::Empty);
            for value in values {
                request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
            }
            request
        };
        assert_eq!(bearer_token(&with(&["bearer a.b-c_d="])).unwrap(), "a.b-c_d=");
        for (values, kind) in [
            (&[][..], "Bearer realm=\"memes\""),
            (&["Basic abc"], "Bearer realm=\"memes\""),
            (&["Bearer"], "Bearer realm=\"memes\""),
            (&["Bearer "], "Bearer realm=\"memes\", error=\"invalid_token\""),
            (&["Bearer a,Bearer b"], "Bearer realm=\"memes\", error=\"invalid_token\""),
            (&["Bearer a", "Bearer a"], "Bearer realm=\"memes\", error=\"invalid_token\""),
        ] {
            let problem = bearer_token(&with(values)).unwrap_err();
            assert_eq!(problem.status(), 401);
            let challenge = problem.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with(kind), "{values:?}: {challenge}");
        }
    }

    #[test]
    fn an_instance_is_a_short_path_without_its_query() {
        let of = |uri: &str| instance(&http::Request::get(uri).body(Body::Empty).unwrap());
        assert_eq!(of("https://example.com/v1/memes?secret=1"), "/v1/memes");
        let raw = Request::new(Body::Empty).with_raw_http_path("/images/x/a b\u{e9}\"\n");
        assert_eq!(instance(&raw), "/images/x/a%20b%C3%A9%22%0A");
        for shift in 0..6 {
            let path = format!("/{}{}", "x".repeat(shift), "é".repeat(400));
            let cut = instance(&Request::new(Body::Empty).with_raw_http_path(path));
            assert!(cut.len() <= INSTANCE_BYTES_MAX && cut.len() > INSTANCE_BYTES_MAX - 3);
            assert_eq!(cut.matches('%').count() * 3 + 1 + shift, cut.len());
        }
    }
}
