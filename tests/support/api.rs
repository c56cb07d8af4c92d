//! A client of the API, as a customer's program is one.

use bytes::Bytes;
use http::{HeaderMap, Method};
use ids::ClientId;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Calls the API, with a client's token or with none.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base_url: String,
    /// The client whose token is sent; a nameless one without.
    pub client: Option<ClientId>,
    /// The token that is sent.
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]
impl Api {
    /// Calls of nobody in particular to the service at `base_url`.
    ///
    /// # Panics
    /// If no HTTP client can be made.
    #[must_use]
    pub fn anonymous(base_url: impl Into<String>) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("an HTTP client can be made");
        Self { http, base_url: base_url.into(), client: None, token: None }
    }

    /// The same with the token of a client, asked for with its credentials.
    ///
    /// # Panics
    /// If it is not given one.
    pub async fn log_in(&self, client_id: &str, client_secret: &str) -> Self {
        let reply = self.token_reply(client_id, client_secret, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let token = reply.json::<Value>()["access_token"].as_str().map(str::to_owned);
        Self { client: client_id.parse().ok(), token, ..self.clone() }
    }

    /// The answer of `POST /oauth/token`; `scope` is left out where it is empty.
    pub async fn token_reply(&self, client_id: &str, client_secret: &str, scope: &str) -> Reply {
        let mut form = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        let nobody = Self { token: None, ..self.clone() };
        let request = nobody.request(Method::POST, "/oauth/token");
        Self::send(request.basic_auth(client_id, Some(client_secret)).form(&form)).await
    }

    /// The same calls with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// A request to be added to and sent with [`send`](Self::send).
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base_url)
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn send(request: reqwest::RequestBuilder) -> Reply {
        Self::try_send(request).await.expect("the service answers")
    }

    /// Sends a request that may get no answer.
    ///
    /// # Errors
    /// Whatever the connection came to.
    pub async fn try_send(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await? })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Reply {
        Self::send(self.request(Method::DELETE, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Self::send(self.request(Method::POST, path).json(&body)).await
    }

    /// `POST` of JSON with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Reply {
        Self::send(self.request(Method::POST, path).header("idempotency-key", key).json(&body))
            .await
    }

    /// `POST` of anything.
    pub async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        Self::send(request.body(body.into())).await
    }

    /// The account's balance.
    pub async fn balance(&self) -> Value {
        let reply = self.get("/v1/account").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json::<Value>()["balance"].clone()
    }

    /// Asks for generations and waits for each to end.
    ///
    /// # Panics
    /// If it does not end within a minute.
    pub async fn finished(&self, location: &str) -> Value {
        for _ in 0..600 {
            let reply = self.get(location).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let job: Value = reply.json();
            if !matches!(job["state"].as_str(), Some("queued" | "running")) {
                return job;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{location} did not end");
    }
}

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).expect("the body is JSON of this shape")
    }

    /// A header as text, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What is left by the `RateLimit` header: of the burst, and of the credits.
    ///
    /// # Panics
    /// If there is no such header.
    #[must_use]
    pub fn left(&self) -> (u64, u64) {
        let left = |name: &str| {
            let (_, behind) = self.header("ratelimit").split_once(&format!("\"{name}\";r="))?;
            behind.split(';').next()?.parse().ok()
        };
        left("burst").zip(left("credits")).expect("a metered reply tells what is left")
    }

    /// Asserts that this is a whole problem of a type, and gives it.
    ///
    /// # Panics
    /// If it is none, or another one.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Value = self.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["title", "detail", "instance", "request_id"] {
            assert!(problem[member].is_string(), "{member} is missing in {problem}");
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }
}
