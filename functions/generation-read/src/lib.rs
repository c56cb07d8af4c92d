//! `GET /v1/generations` and `GET /v1/generations/{id}`: what became of them.

use edge::models::{GenerationQuery, GenerationState, Page};
use edge::{
    Body, Problem, Request, RequestExt, Response, decode_cursor, encode_cursor, no_query, path_id,
    query_params, reply,
};
use entitlements::Scope;
use gate::{Caller, Platform, store_problem};
use generations::{Job, ServiceTime, State, eta_s, poll_after_s};
use http::header::RETRY_AFTER;
use ids::JobId;
use maas_aws::generations::GenerationStore;
use views::Generations;

/// What one picture takes a worker, in milliseconds, before anything was measured.
const PICTURE_MS: u64 = 1_000;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    store: GenerationStore,
    generations: Generations,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self {
            store: platform.core.aws.generations(),
            generations: Generations::new(&platform.core.aws),
            platform: platform.clone(),
        }
    }
}

/// Lists a client's generations, or reads one.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::GenerationsRead).await?;
    let one = request.path_parameters_ref().is_some_and(|given| given.first("id").is_some());
    if one {
        read(context, &caller, &request).await
    } else {
        list(context, &caller, &request).await
    }
}

async fn read(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    no_query(request)?;
    let id: JobId = path_id(request, "id")?;
    let found = context.store.find(id).await.map_err(store_problem)?;
    let job = found.filter(|job| job.client == caller.client()).ok_or_else(Problem::not_found)?;
    if job.is_finished() {
        return reply::ok(&context.generations.with_memes(&job).await.map_err(store_problem)?);
    }
    let ahead = match job.state {
        State::Queued => context.store.ahead_of(job.id).await.map_err(store_problem)?,
        _ => 0,
    };
    let each = ServiceTime::guess(PICTURE_MS);
    let eta = eta_s(ahead, u64::from(job.request.count), 1, each);
    let position =
        (job.state == State::Queued).then(|| u32::try_from(ahead + 1).unwrap_or(u32::MAX));
    let mut response = reply::ok(&views::generation(&job, Vec::new(), position, Some(eta)))?;
    reply::set(&mut response, RETRY_AFTER, &poll_after_s(eta).to_string())?;
    Ok(response)
}

async fn list(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let query: GenerationQuery = query_params(request)?;
    let after: Option<JobId> =
        query.cursor.as_deref().map(|cursor| decode_cursor("generations", cursor)).transpose()?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let wanted = query.state;
    let page = context
        .store
        .list(caller.client(), after, limit, move |job| {
            wanted.is_none_or(|state| state == state_of(job))
        })
        .await
        .map_err(store_problem)?;
    let mut data = Vec::with_capacity(page.jobs.len());
    for job in &page.jobs {
        data.push(context.generations.with_memes(job).await.map_err(store_problem)?);
    }
    let next_cursor = page.next.map(|next| encode_cursor("generations", &next)).transpose()?;
    reply::ok(&Page { data, next_cursor })
}

fn state_of(job: &Job) -> GenerationState {
    views::generation(job, Vec::new(), None, None).state
}
