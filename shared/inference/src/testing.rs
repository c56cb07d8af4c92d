//! A service that speaks OpenAI's API and errs as it is told, for tests.
//!
//! Each request for pictures or words takes the next [`Reply`] of the script; when that is at its
//! end, the service is good, unless it is told otherwise. All functions panic where something goes wrong: a test needs the server.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use render::{Format, Picture, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What the service does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What it should.
    Good,
    /// What it should, after a while.
    Slow(Duration),
    /// An error.
    Status {
        /// The HTTP status.
        status: u16,
        /// The code in its body.
        code: Option<&'static str>,
        /// After how many seconds it wants to be asked again.
        retry_after_s: Option<u64>,
    },
    /// The first half of what it should, and then the connection ends.
    CutOff,
    /// Pictures of this width and height, whatever was asked for.
    Sized(u32, u32),
    /// Files with these bytes in place of pictures.
    Files(Vec<u8>),
    /// Pictures that are not in Base64.
    BrokenBase64,
    /// The address of each picture in place of the picture.
    At(String),
    /// A model's answer of these words.
    Says(String),
    /// A body of these bytes, whatever they are.
    Body(Vec<u8>),
    /// A body of so many bytes.
    Huge(usize),
}

impl Reply {
    /// An error with nothing but its status.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Status { status, code: None, retry_after_s: None }
    }
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its path, without the query.
    pub path: String,
    /// The key that it showed, as it was sent.
    pub authorization: Option<String>,
    /// Its body; null where there is none.
    pub body: Value,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Reply>,
    afterwards: Option<Reply>,
    asked: Vec<Asked>,
    unready: usize,
    without_health: bool,
}

/// The service; gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Starts the service on a port of its own.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the port is known");
        let state = Arc::default();
        let serving = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and so are the connections.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| serve(Arc::clone(&state), request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(socket), service);
                connections.spawn(async move {
                    // A caller that gives up is no fault of the server.
                    let _ = connection.await;
                });
            }
        });
        Self { address, state, accepting }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds to the script.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state().script.extend(replies);
    }

    /// Replies like this from now on, once the script is at its end.
    pub fn always(&self, reply: Reply) {
        self.state().afterwards = Some(reply);
    }

    /// Says so many times that it is not ready.
    pub fn unready(&self, times: usize) {
        self.state().unready = times;
    }

    /// Has no `/health` from now on, as some services.
    pub fn without_health(&self) {
        self.state().without_health = true;
    }

    /// What was asked so far, questions about its health apart.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with it")
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn serve(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if matches!(path.as_str(), "/health" | "/v1/models") {
        return Ok(health(&mut state.lock().expect("no test panicked with it"), &path));
    }
    let authorization = parts.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let reply = {
        let mut state = state.lock().expect("no test panicked with it");
        state.asked.push(Asked { path: path.clone(), authorization, body: body.clone() });
        let scripted = || state.script.pop_front().or_else(|| state.afterwards.clone());
        (parts.method == Method::POST).then(scripted).flatten()
    };
    let reply = reply.unwrap_or(Reply::Good);
    if let Reply::Slow(pause) = reply {
        tokio::time::sleep(pause).await;
    }
    Ok(match path.as_str() {
        "/v1/images/generations" => answer(&reply, || images(&reply, &body)),
        "/v1/chat/completions" => answer(&reply, || chat(&reply)),
        "/picture" => whole(StatusCode::OK, "image/png", png(1_024, 768, 7)),
        "/away" => away(parts.uri.query().unwrap_or_default()),
        _ => whole(StatusCode::NOT_FOUND, "application/json", b"{}".to_vec()),
    })
}

fn health(state: &mut State, path: &str) -> Response<Body> {
    let status = if state.without_health && path == "/health" {
        StatusCode::NOT_FOUND
    } else if state.unready > 0 {
        state.unready -= 1;
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    whole(status, "application/json", b"{}".to_vec())
}

/// What a reply is, whatever was asked for; `good` is the body of a success.
fn answer(reply: &Reply, good: impl FnOnce() -> Value) -> Response<Body> {
    match reply {
        Reply::Status { status, code, retry_after_s } => {
            let status = StatusCode::from_u16(*status).expect("a status");
            let error = json!({"error": {"code": code, "message": "as the test says"}});
            let mut response = whole(status, "application/json", error.to_string().into());
            if let Some(seconds) = retry_after_s {
                response.headers_mut().insert(RETRY_AFTER, (*seconds).into());
            }
            response
        }
        Reply::CutOff => {
            let text = Bytes::from(good().to_string());
            let half = text.slice(..text.len() / 2);
            parts([Ok(half), Err(io::Error::other("the connection ends"))])
        }
        Reply::Body(bytes) => whole(StatusCode::OK, "application/json", bytes.clone()),
        Reply::Huge(bytes) => {
            let part = Bytes::from(vec![b' '; 64 * 1024]);
            let count = bytes.div_ceil(part.len());
            parts(std::iter::repeat_n(part, count).map(Ok).collect::<Vec<_>>())
        }
        _ => whole(StatusCode::OK, "application/json", good().to_string().into()),
    }
}

fn images(reply: &Reply, asked: &Value) -> Value {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let sides = asked["size"].as_str().and_then(|size| size.split_once('x'));
    let (width, height) = match *reply {
        Reply::Sized(width, height) => (width, height),
        _ => sides
            .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
            .unwrap_or((1_024, 1_024)),
    };
    let picture = |index: u64| match reply {
        Reply::Files(bytes) => json!({"b64_json": STANDARD.encode(bytes)}),
        Reply::BrokenBase64 => json!({"b64_json": "this is *not* Base64"}),
        Reply::At(address) => json!({"url": address}),
        _ => {
            let png = png(width, height, number(&asked["seed"]) + index);
            json!({"b64_json": STANDARD.encode(png)})
        }
    };
    json!({"created": 0, "data": (0..number(&asked["n"])).map(picture).collect::<Vec<_>>()})
}

fn chat(reply: &Reply) -> Value {
    let words = match reply {
        Reply::Says(words) => words.clone(),
        _ => json!({
            "captions": ["The model wrote this", "Nobody checked"],
            "alt": "A cat sits at a desk.",
        })
        .to_string(),
    };
    let message = json!({"role": "assistant", "content": words});
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
}

/// A picture of one colour, which follows from `seed`.
fn png(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let [red, green, blue, ..] = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let picture = Picture::filled(width, height, [red, green, blue, 255]).expect("a picture");
    encode(&picture, Format::Png, 0).expect("a file")
}

/// Sends whoever follows to the address in the query.
fn away(query: &str) -> Response<Body> {
    let mut response = whole(StatusCode::FOUND, "text/plain", Vec::new());
    let to = query.trim_start_matches("to=").parse().expect("an address");
    response.headers_mut().insert(LOCATION, to);
    response
}

fn whole(status: StatusCode, mime: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(mime));
    response
}

fn parts(
    parts: impl IntoIterator<Item = io::Result<Bytes>, IntoIter: Send + Sync + 'static>,
) -> Response<Body> {
    let frames = parts.into_iter().map(|part| part.map(Frame::data));
    Response::new(StreamBody::new(stream::iter(frames)).boxed())
}
