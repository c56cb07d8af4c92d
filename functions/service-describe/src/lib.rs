//! The service about itself: `/healthz`, `/openapi.json`, `/.well-known/jwks.json` and
//! `/problems/{type}`.

use auth::{Jwk, Jwks};
use edge::models::HealthView;
use edge::{Body, Problem, ProblemType, Request, Response, no_query, openapi, path_param, reply};
use gate::{Platform, store_problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use maas_aws::keys::{Half, KeyStore};

/// How long caches may keep what changes with a deployment.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    keys: KeyStore,
    colour: Option<String>,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let aws = &platform.core.aws;
        Self { keys: aws.keys(), colour: aws.config().colour.clone() }
    }
}

/// Answers questions about the service.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    no_query(&request)?;
    let path = request.uri().path();
    let mut response = match path {
        "/healthz" => return health(context),
        "/openapi.json" => description()?,
        "/.well-known/jwks.json" => jwks(context).await?,
        _ => problem_type(&request)?,
    };
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    Ok(response)
}

fn health(context: &Context) -> Result<Response<Body>, Problem> {
    reply::ok(&HealthView {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        colour: context.colour.clone(),
    })
}

fn description() -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::Text(openapi::text().to_owned()));
    reply::set(&mut response, CONTENT_TYPE, "application/json")?;
    Ok(response)
}

async fn jwks(context: &Context) -> Result<Response<Body>, Problem> {
    let keys = context.keys.list(Half::Public).await;
    let keys = keys
        .map_err(store_problem)?
        .iter()
        .map(|key| serde_json::from_str::<Jwk>(&key.document).map_err(Problem::internal))
        .collect::<Result<_, _>>()?;
    reply::json(StatusCode::OK, &Jwks { keys })
}

fn problem_type(request: &Request) -> Result<Response<Body>, Problem> {
    let kind =
        ProblemType::from_slug(path_param(request, "type")?).ok_or_else(Problem::not_found)?;
    reply::ok(&serde_json::json!({
        "type": kind.uri(),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "explanation": kind.explanation(),
    }))
}
