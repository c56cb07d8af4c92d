//! A client's endpoint, on loopback, that does as the test says.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

/// What an endpoint does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers with this status.
    Answer(u16),
    /// Leads elsewhere.
    Redirect(String),
    /// Answers 200 with so many bytes.
    Huge(usize),
    /// Ends the connection.
    HangUp,
    /// Takes so long to answer 200.
    Sleep(Duration),
}

/// What an endpoint was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the reference implementation takes it for signed with `secret`, now.
    pub(crate) fn verifies(&self, secret: &str) -> bool {
        Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }
}

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    /// Does what is in `script`, request by request, and the last thing for ever.
    pub(crate) async fn start(script: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (script, all) = (script.to_vec(), Arc::clone(&told));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, all) = (script.clone(), Arc::clone(&all));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, all) = (script.clone(), Arc::clone(&all));
                    async move {
                        let headers = request.headers().clone();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let turn = {
                            let mut all = all.lock().unwrap();
                            all.push(Told { headers, body });
                            all.len() - 1
                        };
                        answer(&script[turn.min(script.len() - 1)]).await
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, told }
    }

    /// What was told so far.
    pub(crate) fn all(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The first things that were told, once there are so many.
    pub(crate) async fn told(&self, count: usize) -> Vec<Told> {
        support::eventually("an endpoint is told", async || {
            let all = self.all();
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

async fn answer(does: &Does) -> Result<Response<Full<Bytes>>, io::Error> {
    let mut response = Response::new(Full::default());
    match does {
        Does::Answer(status) => *response.status_mut() = (*status).try_into().unwrap(),
        Does::Redirect(location) => {
            *response.status_mut() = 307.try_into().unwrap();
            response.headers_mut().insert("location", location.parse().unwrap());
        }
        Does::Huge(bytes) => *response.body_mut() = Full::new(Bytes::from(vec![b'x'; *bytes])),
        Does::HangUp => return Err(io::Error::other("as the test says")),
        Does::Sleep(time) => tokio::time::sleep(*time).await,
    }
    Ok(response)
}
