//! Requests out, bytes in: with limits, without redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::error::CallError;
use crate::retry::{Retrier, RetryPolicy};
use crate::service::Service;

/// The most time that a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How much of an error's text is read, in bytes.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// The longest code of an error that is passed on, in characters.
const CODE_CHARS_MAX: usize = 64;

/// The codes with which services refuse a prompt for its content: DALL-E's, GPT Image's and Azure's.
const REFUSALS: [&str; 3] = ["content_policy_violation", "moderation_blocked", "content_filter"];

/// How often a service that is not ready is asked again.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// The most time for one question whether a service is ready.
const POLL_WITHIN: Duration = Duration::from_secs(5);

/// A service and the connections to it.
#[derive(Debug)]
pub(crate) struct Http {
    service: Service,
    retrier: Retrier,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// A client of `service`. It connects when it is first used.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] if the machine has no certificates of authorities, and the service
    /// is to be reached by HTTPS.
    pub(crate) fn new(service: Service, policy: RetryPolicy) -> Result<Self, CallError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_WITHIN));
        tcp.set_nodelay(true);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let secured = if service.base().scheme() == "https" {
            builder
                .with_provider_and_native_roots(provider)
                .map_err(|error| CallError::Unreachable(error.into()))?
        } else {
            let config = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(|error| CallError::Unreachable(error.into()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(config)
        };
        let client = Client::builder(TokioExecutor::new())
            .build(secured.https_or_http().enable_http1().wrap_connector(tcp));
        Ok(Self { service, retrier: Retrier::new(policy), client })
    }

    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }

    /// The answer to a question in JSON, tried again where that may help.
    pub(crate) async fn post(
        &self,
        path: &str,
        question: &impl Serialize,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        let url = self.at(path)?;
        let question = serde_json::to_vec(question)
            .map_err(|_| CallError::Malformed("the question cannot be written as JSON"))?;
        let question = Bytes::from(question);
        let attempt = || self.once(Method::POST, &url, question.clone(), bytes_max);
        self.retrier.call(within, attempt).await
    }

    /// What is at an address of the service, tried again where that may help.
    pub(crate) async fn get(
        &self,
        url: &Url,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        let attempt = || self.once(Method::GET, url, Bytes::new(), bytes_max);
        self.retrier.call(within, attempt).await
    }

    /// Waits until the service says that it is ready: at `/health`, or at `/v1/models` where there is
    /// no such thing.
    ///
    /// # Errors
    /// Why it is not, once the time is up.
    pub(crate) async fn ready(&self, within: Duration) -> Result<(), CallError> {
        let ends = Instant::now() + within;
        loop {
            let asked = timeout(POLL_WITHIN, self.ask_whether_ready()).await;
            let answer = asked.unwrap_or(Err(CallError::Late { within: POLL_WITHIN }));
            if answer.is_ok() || Instant::now() + POLL_EVERY >= ends {
                return answer;
            }
            sleep(POLL_EVERY).await;
        }
    }

    async fn ask_whether_ready(&self) -> Result<(), CallError> {
        let ask = async |path: &str| {
            let url = self.at(path)?;
            // What it says is of no interest, only that it does.
            match self.once(Method::GET, &url, Bytes::new(), ERROR_BYTES_MAX).await {
                Ok(_) | Err(CallError::TooLarge { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        };
        match ask("health").await {
            Err(CallError::Status { status: 404 | 405, .. }) => ask("v1/models").await,
            answer => answer,
        }
    }

    fn at(&self, path: &str) -> Result<Url, CallError> {
        self.service.at(path).map_err(|_| CallError::Malformed("there is no such address"))
    }

    async fn once(
        &self,
        method: Method,
        url: &Url,
        question: Bytes,
        bytes_max: usize,
    ) -> Result<Bytes, CallError> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(key) = self.service.key() {
            request = request.header(AUTHORIZATION, key.header());
        }
        if !question.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
            request = request.header(ACCEPT, "application/json");
        }
        let request = request
            .body(Full::new(question))
            .map_err(|_| CallError::Malformed("the request cannot be written"))?;
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                CallError::Unreachable(error.into())
            } else {
                CallError::Cut(error.into())
            }
        })?;
        if !response.status().is_success() {
            return Err(fault(response).await);
        }
        read(response.into_body(), bytes_max).await
    }
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, CallError> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(CallError::TooLarge { bytes_max }),
        Err(error) => Err(CallError::Cut(error)),
    }
}

/// What an answer that is no success means.
async fn fault(response: Response<Incoming>) -> CallError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let text = read(response.into_body(), ERROR_BYTES_MAX).await.unwrap_or_default();
    let code = code(&text);
    match code {
        Some(code) if status == StatusCode::BAD_REQUEST && REFUSALS.contains(&code.as_str()) => {
            CallError::Refused { code }
        }
        code => CallError::Status { status: status.as_u16(), code, retry_after },
    }
}

/// The pause that the service asks for. A date in its place is not read: the pauses of our own are
/// then as good.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The code in an error's body, if it is a plain word. The message beside it may quote the prompt.
fn code(text: &[u8]) -> Option<String> {
    let error: serde_json::Value = serde_json::from_slice(text).ok()?;
    let code = ["/error/code", "/code"].iter().find_map(|path| error.pointer(path)?.as_str())?;
    let plain = code.len() <= CODE_CHARS_MAX
        && code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_codes_are_passed_on() {
        assert_eq!(code(br#"{"error":{"code":"a_b-1.2"}}"#).as_deref(), Some("a_b-1.2"));
        assert_eq!(code(br#"{"object":"error","code":"x"}"#).as_deref(), Some("x"));
        let long = format!("{{\"error\":{{\"code\":\"{}\"}}}}", "x".repeat(CODE_CHARS_MAX + 1));
        for odd in ["", "oops", "[]", r#"{"error":{"code":400}}"#, r#"{"detail":"a cat"}"#, &long] {
            assert_eq!(code(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(code(br#"{"error":{"code":"the prompt: a cat"}}"#), None);
    }
}
