//! `GET /v1/memes/{id}`: a meme once more.

use catalogue::{Catalogue, is_catalogue};
use edge::{Body, Problem, Request, Response, no_query, path_id, reply};
use entitlements::Scope;
use gate::{Caller, Platform, store_problem};
use generations::NORMAL_MEME_CREDITS;
use ids::MemeId;
use maas_aws::memes::{MemeRecord, MemeStore};
use views::Memes;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    catalogue: &'static Catalogue,
    store: MemeStore,
    memes: Memes,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self {
            catalogue: Catalogue::embedded(),
            store: platform.core.aws.memes(),
            memes: Memes::new(
                platform.core.aws.pictures(),
                platform.core.aws.config().base_url.clone(),
            ),
            platform: platform.clone(),
        }
    }
}

/// Reads one meme.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::MemesRead).await?;
    no_query(&request)?;
    let id: MemeId = path_id(&request, "id")?;
    if is_catalogue(id) {
        let choice = context.catalogue.from_id(id).ok_or_else(Problem::not_found)?;
        return reply::ok(&context.memes.chosen(&choice, id, NORMAL_MEME_CREDITS, None));
    }
    let found = context.store.find(id).await;
    let meme = found
        .map_err(store_problem)?
        .filter(|meme| visible(meme, &caller))
        .ok_or_else(Problem::not_found)?;
    reply::ok(&context.memes.stored(&meme).await.map_err(store_problem)?)
}

/// A client sees its own memes and, with Memes AI, those of the service's pool.
fn visible(meme: &MemeRecord, caller: &Caller) -> bool {
    match meme.client_id {
        Some(owner) => owner == caller.client(),
        None => caller.entitlement.has_ai(caller.now),
    }
}
