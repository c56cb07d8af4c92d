//! SQS: rustack's queues behind a handler of our own.
//!
//! The queues are rustack's; what a client of AWS can see is put right here, in [`dialect`]. The
//! JSON protocol is spoken, as every SDK and CLI of the last years does; the older query protocol
//! is refused by name.

mod dialect;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::Service;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::body::SqsResponseBody;
use rustack_sqs_http::dispatch::SqsHandler;
use rustack_sqs_model::error::{SqsError, SqsErrorCode};
use rustack_sqs_model::input::GetQueueUrlInput;
use rustack_sqs_model::operations::SqsOperation;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::ACCOUNT_ID;
use crate::server::{Phase, stopping};

/// The longest body of a request, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// How late a message may become visible to a client that waits for it.
const REASK: Duration = Duration::from_millis(250);

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// The queues of one process.
pub(super) struct Queues {
    provider: Arc<RustackSqs>,
}

impl Queues {
    /// No queues yet; their URLs will begin with `address`, their ARNs name `region`.
    pub(super) fn new(address: SocketAddr, region: &str) -> Self {
        let config = SqsConfig {
            skip_signature_validation: true,
            default_region: region.to_owned(),
            account_id: ACCOUNT_ID.to_owned(),
            host: address.ip().to_string(),
            port: address.port(),
        };
        Self { provider: Arc::new(RustackSqs::new(config)) }
    }

    /// The HTTP service over the queues. Long polls end when `phase` leaves [`Phase::Serving`].
    pub(super) fn service(self, phase: watch::Receiver<Phase>) -> QueueService {
        QueueService(Arc::new(Handler {
            queues: RustackSqsHandler::new(Arc::clone(&self.provider)),
            provider: self.provider,
            phase,
        }))
    }
}

/// Answers requests; a clone is the same service.
#[derive(Clone)]
pub(super) struct QueueService(Arc<Handler>);

impl Service<Request<Incoming>> for QueueService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move { Ok(handler.answer(request).await) })
    }
}

struct Handler {
    queues: RustackSqsHandler,
    provider: Arc<RustackSqs>,
    phase: watch::Receiver<Phase>,
}

/// An error in AWS's words.
struct Refusal {
    status: StatusCode,
    /// The code that clients of the query protocol knew, and that SDKs still match on.
    code: String,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

impl From<SqsError> for Refusal {
    fn from(error: SqsError) -> Self {
        let code = match error.code {
            // rustack leaves out the prefix that SDKs look for.
            SqsErrorCode::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            code => code.error_type(),
        };
        Self::new(error.code.status_code(), code, error.message)
    }
}

impl Handler {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let request_id = Uuid::new_v4().to_string();
        let mut response = match self.attempt(request).await {
            Ok(body) => {
                let mut response = Response::new(Full::new(body));
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                response
            }
            Err(refusal) => refused(&refusal),
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-amzn-requestid", value);
        }
        response
    }

    async fn attempt(&self, request: Request<Incoming>) -> Result<Bytes, Refusal> {
        let operation = operation(request.method(), request.headers())?;
        let body = Limited::new(request.into_body(), BODY_MAX)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Refusal::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "RequestEntityTooLarge",
                        format!("The request must be shorter than {BODY_MAX} bytes."),
                    )
                } else {
                    invalid("The request ended early.")
                }
            })?
            .to_bytes();
        let mut input = if body.is_empty() {
            Map::new()
        } else {
            serde_json::from_slice(&body)
                .map_err(|error| invalid(format!("The request is not a JSON object: {error}")))?
        };

        let notes = dialect::to_rustack(operation, &mut input)?;
        if let Some(arn) = &notes.dead_letter_arn {
            self.must_exist(arn).await?;
        }
        let input = Bytes::from(Value::Object(input).to_string());
        let answer = if operation == SqsOperation::ReceiveMessage {
            match self.receive(input, notes.wait).await? {
                Some(answer) => answer,
                None => return Ok(Bytes::from_static(b"{}")),
            }
        } else {
            self.queues.handle_operation(operation, input).await?
        };
        let body = answer.into_body().collect().await.map_err(|error| internal(&error))?.to_bytes();
        let mut output: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|error| internal(&error))?;
        dialect::from_rustack(operation, notes, &mut output);
        Ok(Bytes::from(Value::Object(output).to_string()))
    }

    /// Receives, for up to `wait` when the request names one. `None` when the wait is over or the
    /// stores are stopping.
    async fn receive(
        &self,
        input: Bytes,
        wait: Option<Duration>,
    ) -> Result<Option<Response<SqsResponseBody>>, Refusal> {
        let mut phase = self.phase.clone();
        let end = wait.map(|wait| Instant::now() + wait);
        loop {
            let answer = self.queues.handle_operation(SqsOperation::ReceiveMessage, input.clone());
            let again = Instant::now() + REASK;
            tokio::select! {
                // The answer first: a message that has been given out must not be dropped. Queues
                // run on this same thread, so none can be given out behind this look at it.
                biased;
                answer = answer => return Ok(Some(answer?)),
                () = stopping(&mut phase) => return Ok(None),
                // rustack looks for messages that have become visible once a second, and at each
                // request; asking again makes them appear in time.
                () = sleep_until(end.map_or(again, |end| end.min(again))), if end.is_some() => {
                    if end.is_some_and(|end| Instant::now() >= end) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// AWS refuses a dead-letter queue that is not there; rustack would keep the messages circling.
    async fn must_exist(&self, arn: &str) -> Result<(), Refusal> {
        if let Ok(_local) = self.provider.queue_url_for_arn(arn)
            && let Some(name) = arn.rsplit(':').next()
        {
            let input =
                GetQueueUrlInput { queue_name: name.to_owned(), queue_owner_aws_account_id: None };
            if self.provider.get_queue_url(input).await.is_ok() {
                return Ok(());
            }
        }
        Err(invalid(
            "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
        ))
    }
}

fn operation(method: &Method, headers: &HeaderMap) -> Result<SqsOperation, Refusal> {
    if method != Method::POST {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "InvalidAction",
            "Requests to SQS are made with POST.",
        ));
    }
    let Some(target) = headers.get("x-amz-target") else {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "MissingAction",
            "The request has no X-Amz-Target header. This endpoint speaks the JSON protocol of \
             SQS, not the older query protocol.",
        ));
    };
    target
        .to_str()
        .ok()
        .and_then(|target| target.strip_prefix("AmazonSQS."))
        .and_then(SqsOperation::from_name)
        .ok_or_else(|| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "InvalidAction",
                "The action in X-Amz-Target is not one of SQS's.",
            )
        })
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let body = json!({
        "__type": format!("com.amazonaws.sqs#{}", shape(&refusal.code)),
        "message": refusal.message,
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    let fault = if refusal.status.is_server_error() { "Receiver" } else { "Sender" };
    if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", refusal.code)) {
        headers.insert("x-amzn-query-error", value);
    }
    response
}

/// The name that the JSON protocol gives the error of the query protocol.
fn shape(code: &str) -> &str {
    match code {
        "AWS.SimpleQueueService.NonExistentQueue" => "QueueDoesNotExist",
        "QueueAlreadyExists" => "QueueNameExists",
        _ => code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code),
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidParameterValue", message)
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a queue answered what is not an answer");
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        "The request could not be answered.",
    )
}
