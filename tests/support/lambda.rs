//! Lambda, as far as a function's program sees it: the API that it takes its calls from, and the
//! process that stands still in between.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maas_aws::Config;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};

use crate::process::program;

/// How long a call may take, in milliseconds.
const TIMEOUT_MS: i64 = 10_000;

/// How Lambda behaves.
#[derive(Debug, Clone, Copy)]
pub struct LambdaOptions {
    /// Whether a function may be an extension of itself.
    pub extensions: bool,
}

/// What the API and the test know in common.
#[derive(Debug)]
struct State {
    options: LambdaOptions,
    /// Calls that the function has yet to take.
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Value)>>,
    /// Calls that the extension has yet to be told of.
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    answers: Mutex<HashMap<String, Value>>,
    answered: Notify,
    /// Who waits for the next call: the function, its extension.
    idle: watch::Sender<(bool, bool)>,
}

/// One function's sandbox. The process is killed when this is dropped.
#[derive(Debug)]
pub struct Lambda {
    state: Arc<State>,
    calls: mpsc::UnboundedSender<(String, Value)>,
    events: mpsc::UnboundedSender<String>,
    child: Child,
    called: u32,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]
impl Lambda {
    /// Starts the function's program on the stores of `config`, with its tallies in `folder`, and
    /// waits until it asks for its first call. Then it stands still.
    ///
    /// # Panics
    /// If it does not get there.
    pub async fn start(
        function: &str,
        config: &Config,
        folder: &Path,
        options: LambdaOptions,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address").to_string();
        let (calls, waiting_calls) = mpsc::unbounded_channel();
        let (events, waiting_events) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            options,
            calls: tokio::sync::Mutex::new(waiting_calls),
            events: tokio::sync::Mutex::new(waiting_events),
            answers: Mutex::default(),
            answered: Notify::new(),
            idle: watch::channel((false, !options.extensions)).0,
        });
        tokio::spawn(listen(listener, Arc::clone(&state)));
        let endpoints = config.endpoints.as_ref().expect("the local stack has endpoints");
        let child = Command::new(program(function))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", function)
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "1")
            .env("AWS_REGION", &config.region)
            .env("AWS_ACCESS_KEY_ID", &endpoints.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &endpoints.secret_access_key)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &endpoints.dynamodb)
            .env("AWS_ENDPOINT_URL_SQS", &endpoints.sqs)
            .env("AWS_ENDPOINT_URL_S3", &endpoints.s3)
            .env("MEMES_STAGE", &config.stage)
            .env("MEMES_BASE_URL", &config.base_url)
            .env("MEMES_PICTURES_BUCKET", &config.pictures_bucket)
            .env("MEMES_USAGE_QUEUE_URL", &config.usage_queue_url)
            .env("MEMES_TALLIES", folder)
            .envs(config.valkey_url.as_ref().map(|url| ("MEMES_VALKEY_URL", url)))
            .stdout(Stdio::null())
            .spawn()
            .expect("the function's program can be started");
        let it = Self { state, calls, events, child, called: 0 };
        it.stands_still().await;
        it
    }

    /// Makes one call, as API Gateway does, and gives its answer. The process goes on for it, and
    /// stands still again as soon as it may.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn call(&mut self, event: Value) -> Value {
        self.called += 1;
        let id = format!("call-{}", self.called);
        self.state.idle.send_replace((false, !self.state.options.extensions));
        self.signal("CONT");
        self.calls.send((id.clone(), event)).expect("the API listens");
        self.events.send(id.clone()).expect("the API listens");
        let answer = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let answered = self.state.answered.notified();
                if let Some(answer) = self.state.answers.lock().expect("no panic").remove(&id) {
                    return answer;
                }
                answered.await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{id} has no answer"));
        self.stands_still().await;
        answer
    }

    /// Tells the process that it is about to end, and waits until it has.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(mut self) {
        self.signal("CONT");
        self.signal("TERM");
        for _ in 0..100 {
            if self.child.try_wait().expect("the process can be asked").is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the function did not end");
    }

    async fn stands_still(&self) {
        let mut idle = self.state.idle.subscribe();
        let idle = idle.wait_for(|(function, extension)| *function && *extension);
        tokio::time::timeout(Duration::from_secs(20), idle)
            .await
            .expect("the function comes to rest")
            .expect("the API lives");
        self.signal("STOP");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("`kill` runs").success());
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(answer(&state, request).await) }
            });
            // A connection ends with the process.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The API's answer; see "Using the Lambda runtime API" and "Using the Lambda Extensions API" in
/// AWS's guide to Lambda.
#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
async fn answer(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a request has a body").to_bytes();
    let path: Vec<_> = head.uri.path().trim_matches('/').split('/').collect();
    let deadline_ms = || clock::Clock::now_ms(&clock::SystemClock::new()) + TIMEOUT_MS;
    let reply = Response::builder();
    let (reply, body) = match (&head.method, path.as_slice()) {
        (&Method::GET, [_, "runtime", "invocation", "next"]) => {
            state.idle.send_modify(|idle| idle.0 = true);
            let Some((id, event)) = state.calls.lock().await.recv().await else {
                return Response::new(Full::default());
            };
            let reply = reply
                .header("lambda-runtime-aws-request-id", id)
                .header("lambda-runtime-deadline-ms", deadline_ms())
                .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:1:function:f")
                .header("lambda-runtime-trace-id", "Root=1-1-1");
            (reply, event)
        }
        (&Method::POST, [_, "runtime", "invocation", id, "response"]) => {
            let answer = serde_json::from_slice(&body).expect("an answer is JSON");
            state.answers.lock().expect("no panic").insert((*id).to_owned(), answer);
            state.answered.notify_waiters();
            (reply.status(202), json!({"status": "OK"}))
        }
        (&Method::POST, [_, "extension", "register"]) if state.options.extensions => (
            reply.header("lambda-extension-identifier", "one"),
            json!({"functionName": "f", "functionVersion": "1", "handler": "bootstrap"}),
        ),
        (&Method::GET, [_, "extension", "event", "next"]) => {
            state.idle.send_modify(|idle| idle.1 = true);
            let Some(id) = state.events.lock().await.recv().await else {
                return Response::new(Full::default());
            };
            let event = json!({
                "eventType": "INVOKE",
                "deadlineMs": deadline_ms(),
                "requestId": id,
                "invokedFunctionArn": "arn:aws:lambda:local:1:function:f",
                "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-1-1"},
            });
            (reply, event)
        }
        _ => (reply.status(404), json!({"errorMessage": "there is no such thing"})),
    };
    reply.body(Full::from(body.to_string())).expect("the headers are valid")
}
