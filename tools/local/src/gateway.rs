//! What API Gateway is to the functions: HTTP becomes their requests, and their replies HTTP.
//!
//! Routes are those of `edge::routes`, the table that the deployment is held to as well. A function
//! that panics answers 500 and leaves the others alone, as a crashed Lambda does. What is no route
//! of the API is the studio's: its page, and the credentials of the demo clients.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use edge::routes::{Found, Route, find};
use edge::{Body, Problem, RequestExt, instance, preflight, respond};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use lambda_http::aws_lambda_events::query_map::QueryMap;

use crate::functions::Functions;
use crate::studio::Studio;

/// The largest body that is read, in bytes: what Lambda takes.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;

/// How much of a longer one is read and thrown away before the answer, in bytes.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest path with its query, in bytes: what API Gateway takes.
const TARGET_BYTES_MAX: usize = 10_240;

/// Answers HTTP requests. A clone is the same gateway.
#[derive(Debug, Clone)]
pub(crate) struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    functions: Functions,
    studio: Studio,
}

impl Gateway {
    pub(crate) fn new(functions: Functions, studio: Studio) -> Self {
        Self(Arc::new(Inner { functions, studio }))
    }
}

impl hyper::service::Service<Request<Incoming>> for Gateway {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(page) = self.studio.answer(request.method(), request.uri().path()) {
            return page;
        }
        let (head, body) = request.into_parts();
        if head.method == Method::OPTIONS {
            return plain(preflight());
        }
        let mut request = Request::from_parts(head, Body::Empty);
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let path = request.uri().path().to_owned();
        let place = instance(&request);
        let result = if target > TARGET_BYTES_MAX {
            Err(Problem::uri_too_long(TARGET_BYTES_MAX))
        } else {
            match find(request.method(), &path) {
                Found::NotFound => Err(Problem::not_found()),
                Found::MethodNotAllowed { allow } => Err(Problem::method_not_allowed(&allow)),
                Found::Matched { route, path_parameters } => match read(body).await {
                    Err(problem) => Err(problem),
                    Ok(body) => {
                        *request.body_mut() = body;
                        let request = for_lambda(request, &path, path_parameters);
                        self.call(route, request).await
                    }
                },
            }
        };
        plain(respond(self.functions.request_id(), &place, result))
    }

    async fn call(
        &self,
        route: &'static Route,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        // Contexts are shared behind atomics and locks that survive a panic.
        let answer = AssertUnwindSafe(self.functions.call(route, request)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            Err(Problem::internal(format!("the function {} panicked", route.function)))
        })
    }
}

/// All of a body, unless it is too long.
async fn read(mut body: Incoming) -> Result<Body, Problem> {
    let Ok(collected) = Limited::new(&mut body, BODY_BYTES_MAX).collect().await else {
        // Who finds the connection closed while it still sends never reads the answer.
        let mut left = DISCARDED_BYTES_MAX;
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(1, |data| data.len().max(1)));
        }
        return Err(Problem::payload_too_large(edge::BODY_BYTES_MAX));
    };
    let bytes = collected.to_bytes();
    Ok(if bytes.is_empty() { Body::Empty } else { Body::Binary(bytes.to_vec()) })
}

/// The request as `lambda_http` makes it from an event of an HTTP API.
fn for_lambda(
    mut request: Request<Body>,
    path: &str,
    path_parameters: Vec<(&'static str, String)>,
) -> Request<Body> {
    let query: QueryMap = request.uri().query().unwrap_or_default().parse().unwrap_or_default();
    // HTTP/1.1 names the host in a header, the event in the address.
    if request.uri().host().is_none()
        && let Some(uri) = absolute(&request)
    {
        *request.uri_mut() = uri;
    }
    let parameters: std::collections::HashMap<String, Vec<String>> =
        path_parameters.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect();
    request
        .with_path_parameters(parameters)
        .with_query_string_parameters(query)
        .with_raw_http_path(path)
}

fn absolute(request: &Request<Body>) -> Option<Uri> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let target = request.uri().path_and_query()?.clone();
    Uri::builder().scheme("http").authority(host).path_and_query(target).build().ok()
}

/// A function's reply as bytes.
fn plain(response: Response<Body>) -> Response<Full<Bytes>> {
    response.map(|body| match body {
        Body::Text(text) => Full::new(Bytes::from(text)),
        Body::Binary(bytes) => Full::new(Bytes::from(bytes)),
        _ => Full::new(Bytes::new()),
    })
}

/// A reply of a file.
pub(crate) fn file(content_type: &'static str, bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
