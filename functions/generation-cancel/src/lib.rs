//! `DELETE /v1/generations/{id}`: calls one off, and gives its credits back.

use edge::{Body, Problem, Request, Response, no_query, path_id, reply};
use entitlements::Scope;
use gate::{Platform, ledger_problem, store_problem};
use ids::JobId;
use maas_aws::generations::{ChangeError, GenerationStore};

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    store: GenerationStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        Self { store: platform.core.aws.generations(), platform: platform.clone() }
    }
}

/// Cancels one generation.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let platform = &context.platform;
    let caller = platform.gate.admit(&request, Scope::GenerationsCreate).await?;
    no_query(&request)?;
    let id: JobId = path_id(&request, "id")?;
    let canceled = context
        .store
        .transition(
            &platform.core.ledger,
            id,
            || platform.core.stamp(),
            |job| {
                let own = job.client == caller.client();
                own.then(|| job.cancel(platform.core.clock.now()).ok()).flatten()
            },
        )
        .await
        .map_err(unchanged)?;
    if let Some(job) = canceled {
        return reply::ok(&views::generation(&job, Vec::new(), None, None));
    }
    let found = context.store.find(id).await.map_err(store_problem)?;
    match found.filter(|job| job.client == caller.client()) {
        None => Err(Problem::not_found()),
        Some(job) => Err(Problem::conflict(format!(
            "The generation is already {}; only one that waits or is worked on can be canceled.",
            job.state.as_str()
        ))),
    }
}

fn unchanged(error: ChangeError) -> Problem {
    match error {
        ChangeError::Outdated => Problem::overloaded(1).caused_by(error),
        ChangeError::Ledger(error) => ledger_problem(error),
    }
}
