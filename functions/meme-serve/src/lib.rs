//! `GET /v1/memes`: an AI meme to who has the subscription, a normal one to everybody else.
//!
//! With a warm process a call is answered from memory: the token, the entitlement, a lease of
//! credits and the pool are all there.

mod pool;

use catalogue::{Catalogue, Choice, Selection, TemplateId, TopicId};
use edge::models::{FallbackReason, MemeFormat, MemeQuery, MemeView, TierRequest};
use edge::{Body, FieldError, Problem, RateLimits, Request, Response, query_params, reply};
use entitlements::{Scope, TierDecision, decide_tier};
use gate::{Caller, Meter, Operation, Platform};
use generations::{NORMAL_MEME_CREDITS, POOLED_AI_MEME_CREDITS};
use http::StatusCode;
use views::Memes;

pub use pool::Pool;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    catalogue: &'static Catalogue,
    memes: Memes,
    pool: Pool,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let memes =
            Memes::new(platform.core.aws.pictures(), platform.core.aws.config().base_url.clone());
        Self {
            pool: Pool::new(platform.core.aws.memes(), memes.clone(), platform.core.clock.clone()),
            catalogue: Catalogue::embedded(),
            memes,
            platform: platform.clone(),
        }
    }
}

/// What a call asks for, as far as the catalogue knows it.
struct Wanted {
    topic: Option<TopicId>,
    template: Option<TemplateId>,
}

/// Serves one meme.
///
/// # Errors
/// The problem that the client is told; a denied call costs nothing.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    handle_for(context, &*context.platform.meter, request).await
}

/// Charges calls: the meter, or what a benchmark has in its place.
pub trait Charge: Sync {
    /// Charges a call that cannot fail any more, for what it asked.
    ///
    /// # Errors
    /// The problem that the caller is told; nothing was charged then.
    fn charge(
        &self,
        caller: &Caller,
        operation: Operation,
        credits: u64,
    ) -> impl Future<Output = Result<RateLimits, Problem>> + Send;
}

impl Charge for Meter {
    fn charge(
        &self,
        caller: &Caller,
        operation: Operation,
        credits: u64,
    ) -> impl Future<Output = Result<RateLimits, Problem>> + Send {
        Self::charge(self, caller, operation, credits)
    }
}

/// Serves one meme, for a charge that `meter` makes.
///
/// # Errors
/// As [`handle`].
pub async fn handle_for<M: Charge>(
    context: &Context,
    meter: &M,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::MemesRead).await?;
    let query: MemeQuery = query_params(&request)?;
    let wanted = wanted(context.catalogue, &query)?;
    let (view, limits) = serve(context, meter, &caller, &query, &wanted).await?;
    let mut response = match query.format {
        MemeFormat::Json => reply::json(StatusCode::OK, &view)?,
        MemeFormat::Image => reply::found(&view.url)?,
    };
    limits.write(response.headers_mut());
    Ok(response)
}

async fn serve<M: Charge>(
    context: &Context,
    meter: &M,
    caller: &Caller,
    query: &MemeQuery,
    wanted: &Wanted,
) -> Result<(MemeView, RateLimits), Problem> {
    let fallback = match decide_tier(requested(query), &caller.entitlement, caller.now) {
        Ok(TierDecision::Ai) => match pooled(context, meter, caller, wanted).await? {
            Pooled::Served(view, limits) => return Ok((*view, limits)),
            Pooled::Not(reason) => Some(reason),
        },
        Ok(TierDecision::Normal { fallback }) => fallback.map(|_| FallbackReason::NotEntitled),
        Err(_) => {
            return Err(Problem::not_entitled(
                "Subscribe to Memes AI, or ask for `tier=auto`, which always gives a meme.",
            ));
        }
    };
    let choice = choose(context, wanted)?;
    let limits = meter.charge(caller, Operation::NormalMeme, NORMAL_MEME_CREDITS).await?;
    let id = choice.id(caller.now.as_millisecond());
    Ok((context.memes.chosen(&choice, id, NORMAL_MEME_CREDITS, fallback), limits))
}

enum Pooled {
    Served(Box<MemeView>, RateLimits),
    Not(FallbackReason),
}

/// An AI meme of the pool, or why there is none.
async fn pooled<M: Charge>(
    context: &Context,
    meter: &M,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Pooled, Problem> {
    let random = context.platform.core.mint.random_u64();
    let topic = wanted.topic.as_ref().map(TopicId::as_str);
    let Some(mut view) = context.pool.pick(topic, caller.client(), random).await else {
        return Ok(Pooled::Not(FallbackReason::Backlog));
    };
    match meter.charge(caller, Operation::AiMeme, POOLED_AI_MEME_CREDITS).await {
        Ok(limits) => {
            view.credits = POOLED_AI_MEME_CREDITS;
            Ok(Pooled::Served(Box::new(view), limits))
        }
        // The last credit still buys a normal meme.
        Err(problem) if problem.status() == StatusCode::PAYMENT_REQUIRED => {
            Ok(Pooled::Not(FallbackReason::NoCredits))
        }
        Err(problem) => Err(problem),
    }
}

/// AI memes have no template: whoever names one and leaves the tier open wants that template.
fn requested(query: &MemeQuery) -> entitlements::TierRequest {
    match query.tier {
        TierRequest::Auto if query.template.is_some() => entitlements::TierRequest::Normal,
        TierRequest::Auto => entitlements::TierRequest::Auto,
        TierRequest::Ai => entitlements::TierRequest::Ai,
        TierRequest::Normal => entitlements::TierRequest::Normal,
    }
}

fn wanted(catalogue: &Catalogue, query: &MemeQuery) -> Result<Wanted, Problem> {
    if query.tier == TierRequest::Ai && query.template.is_some() {
        return Err(Problem::invalid(FieldError::parameter(
            "template",
            "is not for AI memes, which have none; leave it out or ask for `tier=normal`",
        )));
    }
    let topic = query.topic.as_ref().map(|slug| {
        let id = slug.as_str().parse::<TopicId>().ok();
        id.filter(|id| catalogue.topic(id.as_str()).is_some()).ok_or_else(|| {
            unknown("topic", slug.as_str(), &catalogue.suggest_topics(slug.as_str()))
        })
    });
    let template = query.template.as_ref().map(|slug| {
        let id = slug.as_str().parse::<TemplateId>().ok();
        id.filter(|id| catalogue.template(id.as_str()).is_some()).ok_or_else(|| {
            unknown("template", slug.as_str(), &catalogue.suggest_templates(slug.as_str()))
        })
    });
    Ok(Wanted { topic: topic.transpose()?, template: template.transpose()? })
}

fn unknown(what: &str, name: &str, near: &[impl std::fmt::Display]) -> Problem {
    let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    let hint = if near.is_empty() {
        "See /v1/templates for what there is.".to_owned()
    } else {
        format!("Near it: {}.", near.join(", "))
    };
    Problem::not_found_because(format!("There is no {what} `{name}`. {hint}"))
}

fn choose(context: &Context, wanted: &Wanted) -> Result<Choice<'static>, Problem> {
    let selection = Selection { topic: wanted.topic.as_ref(), template: wanted.template.as_ref() };
    context.catalogue.select(selection, context.platform.core.mint.random_u64()).ok_or_else(|| {
        Problem::not_found_because(
            "No meme of this template is about this topic. Leave one of the two out.",
        )
    })
}
