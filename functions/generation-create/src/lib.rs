//! `POST /v1/generations`: AI memes to be made.
//!
//! One transaction, which is one Region's, holds the credits, keeps the job and records the answer to
//! the request; then
//! the job goes to the queue. If it does not get there the sweep sends it.

use catalogue::{CAPTION_CHARS_MAX, Catalogue};
use edge::models::{CreateGeneration, FallbackRequest};
use edge::{
    Body, FieldError, IdempotencyKey, Problem, Request, Response, instance, json_body, no_query,
    payload_fingerprint, reply,
};
use entitlements::Scope;
use gate::{Caller, Platform, at_home, ledger_problem, store_problem};
use generations::{
    Fallback, InvalidRequest, Job, NewJob, ServiceTime, check_deadline_s, eta_s, picture_credits,
};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ledger::LedgerError;
use maas_aws::GenerationQueue;
use maas_aws::generations::{Created, GenerationStore};
use maas_aws::idempotency::{Answer, Claim, IdempotencyStore, KeyedRequest};
use maas_aws::webhooks::WebhookStore;
use moderation::text::{Refusal, Role, check, check_captions};

/// What one picture takes a worker, in milliseconds, before anything was measured.
const PICTURE_MS: u64 = 1_000;

/// How far back jobs in flight can be, in milliseconds: the longest deadline, twice.
const IN_FLIGHT_SINCE_MS: i64 = 7_200_000;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    catalogue: &'static Catalogue,
    store: GenerationStore,
    idempotency: IdempotencyStore,
    queue: GenerationQueue,
    webhooks: WebhookStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self {
            catalogue: Catalogue::embedded(),
            store: platform.core.aws.generations(),
            idempotency: platform.core.aws.idempotency(),
            queue: platform.core.aws.generation_queue(),
            webhooks: platform.core.aws.webhooks(),
            platform: platform.clone(),
        }
    }
}

/// Accepts one generation.
///
/// # Errors
/// The problem that the client is told; nothing is held then.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::GenerationsCreate).await?;
    no_query(&request)?;
    let key = IdempotencyKey::of(&request)?;
    let wanted: CreateGeneration = json_body(&request)?;
    at_home(&context.platform.core, caller.client(), "Generations are made").await?;
    let job = job(context, &caller, wanted)?;
    endpoint_exists(context, &job).await?;
    let counted = context.platform.meter.count(&caller).await?;

    let fingerprint = payload_fingerprint(request.method(), &instance(&request), request.body());
    let keyed = key.as_ref().map(|key| KeyedRequest {
        client: caller.client(),
        key: key.as_str(),
        fingerprint: &fingerprint,
    });
    let answer = match known(context, &caller, keyed).await? {
        Some(answer) => answer,
        None => accept(context, &caller, &job, keyed).await?,
    };
    let limits = context.platform.meter.limits_now(&caller, counted).await?;
    let mut response = Response::new(Body::Text(answer.body));
    *response.status_mut() = StatusCode::ACCEPTED;
    reply::set(&mut response, CONTENT_TYPE, "application/json")?;
    reply::set(&mut response, LOCATION, &answer.location)?;
    reply::set(&mut response, RETRY_AFTER, "1")?;
    limits.write(response.headers_mut());
    Ok(response)
}

/// The endpoint that a request names is one of the client's.
async fn endpoint_exists(context: &Context, job: &Job) -> Result<(), Problem> {
    let Some(named) = job.webhook else { return Ok(()) };
    let found = context.webhooks.endpoint(job.client, named).await.map_err(store_problem)?;
    if found.is_some_and(|endpoint| endpoint.disabled.is_none()) {
        return Ok(());
    }
    let cure = "is no endpoint of yours that is enabled; `GET /v1/webhooks` lists those there are";
    Err(Problem::unprocessable(vec![FieldError::body("/webhook", cure)]))
}

/// The answer that was given to this key before, if it was.
async fn known(
    context: &Context,
    caller: &Caller,
    keyed: Option<KeyedRequest<'_>>,
) -> Result<Option<Answer>, Problem> {
    let Some(keyed) = keyed else { return Ok(None) };
    let found = context.idempotency.find(keyed, caller.now.as_millisecond()).await;
    match found.map_err(store_problem)? {
        None => Ok(None),
        Some(claim) => used(claim).map(Some),
    }
}

fn used(claim: Claim) -> Result<Answer, Problem> {
    match claim {
        Claim::Answered(answer) => Ok(answer),
        Claim::OtherPayload => Err(Problem::idempotency_key_reused()),
        Claim::InFlight | Claim::Yours(_) => Err(Problem::idempotency_key_in_use(1)),
    }
}

async fn accept(
    context: &Context,
    caller: &Caller,
    job: &Job,
    keyed: Option<KeyedRequest<'_>>,
) -> Result<Answer, Problem> {
    let since_ms = caller.now.as_millisecond() - IN_FLIGHT_SINCE_MS;
    let in_flight = context.store.in_flight(caller.client(), since_ms).await;
    let most = caller.terms().generations_in_flight;
    if in_flight.map_err(store_problem)? >= u64::from(most) {
        return Err(Problem::rate_limited(2).with("generations_in_flight", most));
    }
    let ahead = context.store.ahead_of(job.id).await.map_err(store_problem)?;
    let position = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
    let each = ServiceTime::guess(PICTURE_MS);
    let eta = eta_s(ahead, u64::from(job.request.count), 1, each);
    let view = views::generation(job, Vec::new(), Some(position), Some(eta));
    let answer = Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        location: format!("/v1/generations/{}", job.id),
        body: serde_json::to_string(&view).map_err(Problem::internal)?,
    };
    let keyed = keyed.map(|request| (request, answer.clone()));
    let created = context
        .store
        .create(&context.platform.core.ledger, job, keyed, context.platform.core.stamp())
        .await
        .map_err(|error| refused(job, error))?;
    if let Created::KeyUsed(claim) = created {
        return used(claim);
    }
    if let Err(error) = context.queue.send(job.id, job.client).await {
        // The job is kept and paid for; the sweep will send it.
        tracing::warn!(job.id = %job.id, %error, "a generation did not reach the queue");
    }
    Ok(answer)
}

fn refused(job: &Job, error: LedgerError) -> Problem {
    match error {
        LedgerError::Exhausted { .. } => Problem::credits_exhausted(job.held(), None),
        error => ledger_problem(error),
    }
}

/// The job that a request comes to.
fn job(context: &Context, caller: &Caller, wanted: CreateGeneration) -> Result<Job, Problem> {
    if let Some(topic) = &wanted.topic
        && context.catalogue.topic(topic.as_str()).is_none()
    {
        let near: Vec<String> = context
            .catalogue
            .suggest_topics(topic.as_str())
            .iter()
            .map(|near| format!("`{near}`"))
            .collect();
        let cure = if near.is_empty() {
            "is no topic; leave it out to have one found for the prompt".to_owned()
        } else {
            format!("is no topic; near it are {}", near.join(", "))
        };
        return Err(Problem::unprocessable(vec![FieldError::body("/topic", cure)]));
    }
    let captions = wanted.captions.unwrap_or_default();
    for (index, caption) in captions.iter().enumerate() {
        let fault = if caption.chars().count() > CAPTION_CHARS_MAX {
            Some(format!("has more than {CAPTION_CHARS_MAX} characters; shorten it"))
        } else if caption.contains(|c: char| c.is_control() && c != '\n') {
            Some("has a control character; remove it".to_owned())
        } else {
            None
        };
        if let Some(fault) = fault {
            let pointer = format!("/captions/{index}");
            return Err(Problem::unprocessable(vec![FieldError::body(pointer, fault)]));
        }
    }
    if captions.len() > CAPTIONS_ON_A_PICTURE {
        return Err(Problem::unprocessable(vec![FieldError::body(
            "/captions",
            "has more than 2 captions, and a generated picture has two places for them",
        )]));
    }
    let size = views::request_size(wanted.size);
    let request = generations::Request {
        prompt: wanted.prompt,
        topic: wanted.topic.map(|topic| topic.as_str().to_owned()),
        captions,
        count: wanted.count,
        size,
        fallback: match wanted.fallback {
            FallbackRequest::Normal => Fallback::Normal,
            FallbackRequest::None => Fallback::None,
        },
    };
    request.check().map_err(invalid)?;
    may_be_made(&request)?;
    Ok(Job::new(NewJob {
        id: context.platform.core.mint.mint(caller.now.as_millisecond()),
        client: caller.client(),
        request,
        price: picture_credits(size),
        created_at: caller.now,
        deadline_s: check_deadline_s(Some(wanted.deadline_s)).map_err(invalid)?,
        public: false,
        house: false,
        webhook: wanted.webhook,
    }))
}

/// Whether the request may be asked for and written. Looked at before anything is held.
fn may_be_made(request: &generations::Request) -> Result<(), Problem> {
    let refused = |pointer| {
        move |refusal: Refusal| {
            Problem::moderated(pointer, refusal.category.as_str(), refusal.detail)
        }
    };
    check(Role::Prompt, &request.prompt).map_err(refused("/prompt"))?;
    check_captions(&request.captions).map_err(refused("/captions"))
}

/// A generated picture has a caption above and one below.
const CAPTIONS_ON_A_PICTURE: usize = 2;

fn invalid(error: InvalidRequest) -> Problem {
    let pointer = match error {
        InvalidRequest::BlankPrompt
        | InvalidRequest::LongPrompt { .. }
        | InvalidRequest::Control { .. } => "/prompt",
        InvalidRequest::Count { .. } => "/count",
        InvalidRequest::Deadline { .. } => "/deadline_s",
    };
    Problem::invalid(FieldError::body(pointer, error.to_string()))
}
