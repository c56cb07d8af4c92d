//! `POST /v1/webhooks`, `DELETE /v1/webhooks/{id}`: endpoints come and go. Under `/v1/webhooks/{id}`:
//! `POST rotate` for a new secret, `POST test` for a trial, `POST deliveries/{delivery_id}/replay` for
//! an event that is to be told again.

mod change;
mod register;

use edge::{Body, Problem, Request, Response, no_query, path_id};
use entitlements::Scope;
use gate::{Platform, at_home};
use http::Method;
use ids::WebhookId;
use maas_aws::webhooks::WebhookStore;
use outbound::{Resolver, Sender};
use rand::TryRng;
use rand::rngs::SysRng;
use webhooks::{SECRET_BYTES, SigningSecret};

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    store: WebhookStore,
    sender: Sender,
}

impl Context {
    /// A context on what the process shares, with the machine's own resolver.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let targets = platform.core.aws.config().webhook_targets;
        Self::with_sender(platform, Sender::new(targets, Resolver::system()))
    }

    /// The same with another way out.
    #[must_use]
    pub fn with_sender(platform: &Platform, sender: Sender) -> Self {
        Self { store: platform.core.aws.webhooks(), platform: platform.clone(), sender }
    }
}

/// Registers an endpoint, removes one, or does with one as the path says.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::WebhooksWrite).await?;
    no_query(&request)?;
    at_home(&context.platform.core, caller.client(), "Webhooks are kept").await?;
    if request.uri().path() == "/v1/webhooks" {
        return register::register(context, &caller, &request).await;
    }
    let id: WebhookId = path_id(&request, "id")?;
    match request.uri().path().rsplit('/').next() {
        _ if request.method() == Method::DELETE => change::remove(context, &caller, id).await,
        Some("rotate") => change::rotate(context, &caller, id).await,
        Some("test") => change::test(context, &caller, id).await,
        Some("replay") => {
            change::replay(context, &caller, id, path_id(&request, "delivery_id")?).await
        }
        _ => Err(Problem::not_found()),
    }
}

/// A secret that nobody had before.
fn new_secret() -> Result<SigningSecret, Problem> {
    let mut random = [0; SECRET_BYTES];
    SysRng.try_fill_bytes(&mut random).map_err(Problem::internal)?;
    Ok(SigningSecret::from_random(random))
}
