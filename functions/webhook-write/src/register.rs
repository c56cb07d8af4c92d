//! A new endpoint.

use edge::models::CreateWebhook;
use edge::{Body, FieldError, Problem, Request, Response, json_body, reply};
use gate::{Caller, store_problem};
use maas_aws::webhooks::Registered;
use webhooks::{Endpoint, EndpointUrl};

use crate::{Context, new_secret};

pub(crate) async fn register(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let wanted: CreateWebhook = json_body(request)?;
    let url = url(context, &wanted.url).await?;
    let events = wanted.events.unwrap_or_default().into_iter().map(views::event_kind).collect();
    let secret = new_secret()?;
    let endpoint = Endpoint::new(
        context.platform.core.mint.mint(caller.now.as_millisecond()),
        caller.client(),
        url,
        events,
        secret.clone(),
        caller.now,
    );
    let most = caller.terms().webhooks_max;
    match context.store.register(&endpoint, most).await.map_err(store_problem)? {
        Registered::Yes => {
            let location = format!("/v1/webhooks/{}", endpoint.id);
            reply::created(&location, &views::endpoint_with_secret(&endpoint, &secret))
        }
        Registered::Full => {
            let detail =
                format!("The plan has {most} endpoints; remove one before you register another");
            Err(Problem::conflict(detail).with("webhooks_max", most))
        }
    }
}

/// The address of an endpoint, if events may be posted there. It is looked at again each time.
async fn url(context: &Context, text: &str) -> Result<EndpointUrl, Problem> {
    let refused = |cure: String| Problem::unprocessable(vec![FieldError::body("/url", cure)]);
    let url = EndpointUrl::parse(text, context.sender.targets());
    let url = url.map_err(|error| refused(error.to_string()))?;
    context.sender.addresses(&url).await.map_err(|error| refused(error.to_string()))?;
    Ok(url)
}
