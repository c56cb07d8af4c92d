//! The HTTP contract: requests in, replies and problems out.
//!
//! A function is `handle(&Context, Request) -> Result<Response<Body>, Problem>`. This crate gives it
//! typed input ([`json_body`], [`query_params`], [`path_id`], [`bearer_token`]), words for what is
//! wrong ([`Problem`]), the shapes of what it answers ([`models`]) and the last touch on the way
//! out ([`respond`]). Only here is anything known about JSON, headers and status codes; domain
//! crates never see them, and this crate knows no domain crate but the ids.
//!
//! The table in [`routes`] names every operation once, and [`openapi`] describes them from it.

mod decode;
mod idempotency;
mod input;
mod limits;
pub mod models;
mod oauth;
pub mod openapi;
mod page;
mod problem;
pub mod reply;
pub mod routes;
mod serve;

pub use idempotency::{IDEMPOTENCY_KEY, IdempotencyKey, KEY_CHARS_MAX, payload_fingerprint};
pub use input::{
    BODY_BYTES_MAX, bearer_token, instance, json_body, no_query, path_id, path_param, query_params,
};
pub use lambda_http::{Body, Request, RequestExt, Response};
pub use limits::{Burst, Credits, MONTH_S, RATELIMIT, RATELIMIT_POLICY, RateLimits};
pub use oauth::{
    ClientCredentials, FORM_BYTES_MAX, Form, OAuthError, OAuthErrorBody, OAuthErrorCode,
    client_credentials, form_body,
};
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, bad_cursor, decode_cursor, encode_cursor};
pub use problem::{FieldError, PROBLEM_JSON, Problem, ProblemBody, ProblemType};
pub use reply::{X_REQUEST_ID, preflight, respond};
pub use serve::serve;
