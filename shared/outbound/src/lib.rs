//! Requests to addresses that clients name.
//!
//! Such an address is not to be trusted: its name may lead into the network that the service runs
//! in, and may lead elsewhere a moment after it was looked at. So a name is resolved once for each
//! request, each of its addresses is judged ([`Targets`]), and the connection is opened to those that
//! were judged and to no other. Redirects are not followed, proxies are not asked, and of a reply
//! nothing is read but its head.

mod pinned;
mod resolver;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use webhooks::{Answer, EndpointUrl, Targets};

use crate::pinned::Pinned;
pub use crate::resolver::{Lookup, Resolver};

/// How long a request may take, from the resolver to the head of the reply.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Why no request is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// One of the host's addresses is not public, or the operator does not let requests go there.
    #[error("leads to an address that is not public; name a host that everybody can reach")]
    NotPublic,
    /// The host's name has no address.
    #[error("names a host that cannot be found; check its name")]
    Unknown,
}

/// Sends requests to addresses that clients name. A clone shares nothing that matters.
#[derive(Debug, Clone)]
pub struct Sender {
    targets: Targets,
    resolver: Resolver,
    timeout: Duration,
}

impl Sender {
    /// Requests that go to `targets` alone, by the names that `resolver` knows.
    #[must_use]
    pub const fn new(targets: Targets, resolver: Resolver) -> Self {
        Self { targets, resolver, timeout: TIMEOUT }
    }

    /// The same with less patience.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Where requests go.
    #[must_use]
    pub const fn targets(&self) -> Targets {
        self.targets
    }

    /// Resolves the host of `url` and judges its addresses.
    ///
    /// # Errors
    /// [`Unfit`] if it has none, or one that requests do not go to.
    pub async fn addresses(&self, url: &EndpointUrl) -> Result<Vec<SocketAddr>, Unfit> {
        url.check(self.targets).map_err(|_| Unfit::NotPublic)?;
        // An address that is a number was judged by the check.
        let Some(name) = url.domain() else { return Ok(Vec::new()) };
        let found = tokio::time::timeout(self.timeout, self.resolver.lookup(name)).await;
        let found = found.map_err(|_| Unfit::Unknown)?.map_err(|_| Unfit::Unknown)?;
        if found.is_empty() {
            return Err(Unfit::Unknown);
        }
        // A host with both kinds of addresses would be reached at either by chance.
        if !found.iter().all(|ip| self.targets.admit(*ip)) {
            return Err(Unfit::NotPublic);
        }
        // The connector puts the port in.
        Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
    }

    /// Posts `body` to `url` and says what came of it.
    pub async fn post(&self, url: &EndpointUrl, headers: HeaderMap, body: String) -> Answer {
        let asked = tokio::time::timeout(self.timeout, self.ask(url, headers, body));
        asked.await.unwrap_or(Answer::TimedOut)
    }

    async fn ask(&self, url: &EndpointUrl, headers: HeaderMap, body: String) -> Answer {
        let addresses = match self.addresses(url).await {
            Ok(addresses) => addresses,
            Err(Unfit::NotPublic) => return Answer::AddressRefused,
            Err(Unfit::Unknown) => return Answer::Unreachable,
        };
        let Ok(uri) = url.as_str().parse::<Uri>() else { return Answer::Unreachable };
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let mut tcp = HttpConnector::new_with_resolver(Pinned::to(addresses));
        // The scheme was judged; this connector carries TLS too.
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        // A client of its own, so that no connection is used for another request: the addresses
        // behind it were judged for this one.
        let client = Client::builder(TokioExecutor::new()).build(connector);
        match client.request(request).await {
            // The body is dropped unread, which ends the connection.
            Ok(reply) => Answer::Status(reply.status().as_u16()),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "a client's endpoint was not reached");
                Answer::Unreachable
            }
        }
    }
}

/// What TLS connections have in common: the machine's own list of authorities.
fn tls() -> ClientConfig {
    static TLS: OnceLock<ClientConfig> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            // Every handshake fails then, and deliveries wait.
            tracing::error!("the machine has no list of certificate authorities");
        }
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    };
    TLS.get_or_init(make).clone()
}

#[cfg(test)]
mod tests;
