//! The functions of the API, each with its own context, called by name.

use std::fmt;

use edge::routes::Route;
use edge::{Body, Problem, Request, Response};
use gate::Platform;
use ids::RequestId;

/// Every function that answers HTTP.
pub(crate) struct Functions {
    platform: Platform,
    account_read: account_read::Context,
    generation_cancel: generation_cancel::Context,
    generation_create: generation_create::Context,
    generation_read: generation_read::Context,
    image_render: image_render::Context,
    meme_create: meme_create::Context,
    meme_read: meme_read::Context,
    meme_serve: meme_serve::Context,
    service_describe: service_describe::Context,
    template_read: template_read::Context,
    token_issue: token_issue::Context,
    webhook_read: webhook_read::Context,
    webhook_write: webhook_write::Context,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").finish_non_exhaustive()
    }
}

impl Functions {
    /// The functions on what they share.
    pub(crate) async fn new(platform: &Platform) -> Result<Self, token_issue::StartError> {
        Ok(Self {
            account_read: account_read::Context::new(platform),
            generation_cancel: generation_cancel::Context::new(platform),
            generation_create: generation_create::Context::new(platform),
            generation_read: generation_read::Context::new(platform),
            image_render: image_render::Context::default(),
            meme_create: meme_create::Context::new(platform),
            meme_read: meme_read::Context::new(platform),
            meme_serve: meme_serve::Context::new(platform),
            service_describe: service_describe::Context::new(platform),
            template_read: template_read::Context::new(platform.core.aws.config().base_url.clone()),
            token_issue: token_issue::Context::new(platform).await?,
            webhook_read: webhook_read::Context::new(platform),
            webhook_write: webhook_write::Context::new(platform),
            platform: platform.clone(),
        })
    }

    /// A name for a request.
    pub(crate) fn request_id(&self) -> RequestId {
        self.platform.core.mint.mint(self.platform.core.clock.now_ms())
    }

    /// Has the function of `route` answer.
    pub(crate) async fn call(
        &self,
        route: &Route,
        request: Request,
    ) -> Result<Response<Body>, Problem> {
        match route.function {
            "account-read" => account_read::handle(&self.account_read, request).await,
            "generation-cancel" => {
                generation_cancel::handle(&self.generation_cancel, request).await
            }
            "generation-create" => {
                generation_create::handle(&self.generation_create, request).await
            }
            "generation-read" => generation_read::handle(&self.generation_read, request).await,
            "image-render" => image_render::handle(&self.image_render, request).await,
            "meme-create" => meme_create::handle(&self.meme_create, request).await,
            "meme-read" => meme_read::handle(&self.meme_read, request).await,
            "meme-serve" => meme_serve::handle(&self.meme_serve, request).await,
            "service-describe" => service_describe::handle(&self.service_describe, request).await,
            "template-read" => template_read::handle(&self.template_read, request).await,
            "token-issue" => token_issue::handle(&self.token_issue, request).await,
            "webhook-read" => webhook_read::handle(&self.webhook_read, request).await,
            "webhook-write" => webhook_write::handle(&self.webhook_write, request).await,
            other => Err(Problem::internal(format!("no function is called {other}"))),
        }
    }
}
