//! `GET /v1/webhooks` and `GET /v1/webhooks/{id}`: a client's endpoints.
//! `GET /v1/webhooks/{id}/deliveries`: what one of them was told.

use edge::models::{DeliveryQuery, Page, WebhookView};
use edge::{
    Body, Problem, Request, RequestExt, Response, decode_cursor, encode_cursor, no_query, path_id,
    query_params, reply,
};
use entitlements::Scope;
use gate::{Caller, Platform, at_home, store_problem};
use ids::{EventId, WebhookId};
use maas_aws::webhooks::WebhookStore;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    store: WebhookStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self { store: platform.core.aws.webhooks(), platform: platform.clone() }
    }
}

/// Lists a client's endpoints, reads one, or lists what it was told.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::WebhooksWrite).await?;
    at_home(&context.platform.core, caller.client(), "Webhooks are kept").await?;
    let one = request.path_parameters_ref().is_some_and(|given| given.first("id").is_some());
    if !one {
        return list(context, &caller, &request).await;
    }
    let id: WebhookId = path_id(&request, "id")?;
    let endpoint = context.store.endpoint(caller.client(), id).await.map_err(store_problem)?;
    let endpoint = views::endpoint(&endpoint.ok_or_else(Problem::not_found)?);
    if request.uri().path().ends_with("/deliveries") {
        return deliveries(context, &caller, &request, id).await;
    }
    no_query(&request)?;
    reply::ok(&endpoint)
}

async fn list(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    no_query(request)?;
    let endpoints = context.store.endpoints(caller.client()).await.map_err(store_problem)?;
    let data: Vec<WebhookView> = endpoints.iter().map(views::endpoint).collect();
    // A plan has a few at most, which fit on one page.
    reply::ok(&Page { data, next_cursor: None })
}

async fn deliveries(
    context: &Context,
    caller: &Caller,
    request: &Request,
    id: WebhookId,
) -> Result<Response<Body>, Problem> {
    let query: DeliveryQuery = query_params(request)?;
    let name = format!("deliveries/{id}");
    let after: Option<EventId> =
        query.cursor.as_deref().map(|cursor| decode_cursor(&name, cursor)).transpose()?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let page = context.store.deliveries(caller.client(), id, after, limit).await;
    let page = page.map_err(store_problem)?;
    let data = page.deliveries.iter().map(views::delivery).collect();
    let next_cursor = page.next.map(|next| encode_cursor(&name, &next)).transpose()?;
    reply::ok(&Page { data, next_cursor })
}
