//! Orders AI memes for the pool that subscribers are served from.
//!
//! The orders are generations of the service's own: they cost nothing, pass the same workers as
//! everybody's, and what comes of them goes into the pool. Running twice at once orders a little
//! more than is wanted, and nothing worse.

use std::collections::BTreeMap;

use catalogue::{Catalogue, Topic};
use generations::{DEADLINE_MAX_S, Fallback, Job, NewJob, Request, Size};
use ids::{ClientId, Id, Ulid};
use ledger::LedgerError;
use maas_aws::Core;
use maas_aws::generations::GenerationStore;
use maas_aws::memes::{MemeStore, POOL_SHARDS};
use maas_aws::{GenerationQueue, StoreError};

/// How many memes are counted in each partition of the pool, and jobs in each of the unfinished.
const COUNTED: i32 = 1_000;

/// How full the pool should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Memes for each topic.
    pub per_topic: usize,
    /// The most orders that wait or are worked on, so that clients' own are not held up.
    pub in_flight: usize,
}

impl Default for Target {
    fn default() -> Self {
        Self { per_topic: 20, in_flight: 50 }
    }
}

/// Why the pool was not filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// What there is could not be counted.
    #[error("the pool could not be counted")]
    Count(#[from] StoreError),
    /// An order was not taken.
    #[error("an order was not taken")]
    Order(#[from] LedgerError),
}

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    core: Core,
    memes: MemeStore,
    store: GenerationStore,
    queue: GenerationQueue,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self {
            memes: core.aws.memes(),
            store: core.aws.generations(),
            queue: core.aws.generation_queue(),
            core: core.clone(),
        }
    }
}

/// In whose name the service's own generations are made. No such client exists.
#[must_use]
pub fn house() -> ClientId {
    ClientId::from_ulid(Ulid::from_parts(0, 0))
}

/// Orders what is missing, the scarcest topics first, and says how many memes were ordered.
///
/// # Errors
/// [`FillError`] says what failed; what was ordered until then stays ordered.
pub async fn handle(context: &Context, target: Target) -> Result<usize, FillError> {
    let (known, in_flight) = stock(context).await?;
    let mut missing: Vec<(usize, u64, &Topic)> = Catalogue::embedded()
        .topics()
        .iter()
        .map(|topic| (known.get(topic.id.as_str()).copied().unwrap_or(0), topic))
        .filter(|(there, _)| *there < target.per_topic)
        // Equally scarce topics come in any order, so that no letter of the alphabet is favoured.
        .map(|(there, topic)| (there, context.core.mint.random_u64(), topic))
        .collect();
    missing.sort_unstable_by_key(|(there, random, _)| (*there, *random));
    let mut ordered = 0;
    for (_, random, topic) in missing.into_iter().take(target.in_flight.saturating_sub(in_flight)) {
        order(context, topic, random).await?;
        ordered += 1;
    }
    if ordered > 0 {
        tracing::info!(ordered, "ordered memes for the pool");
    }
    Ok(ordered)
}

/// How many memes of each topic are in the pool or on their way, and how many are on their way.
async fn stock(context: &Context) -> Result<(BTreeMap<String, usize>, usize), StoreError> {
    let mut known = BTreeMap::new();
    let mut in_flight = 0;
    let mut count = |topic: Option<String>| {
        if let Some(topic) = topic {
            *known.entry(topic).or_insert(0) += 1;
        }
    };
    for shard in 0..POOL_SHARDS {
        for meme in context.memes.pool(shard, COUNTED).await? {
            count(meme.topic);
        }
    }
    for job in context.store.unfinished(COUNTED).await? {
        if job.house {
            in_flight += 1;
            count(job.request.topic);
        }
    }
    Ok((known, in_flight))
}

async fn order(context: &Context, topic: &Topic, random: u64) -> Result<(), FillError> {
    let core = &context.core;
    let now = core.clock.now();
    let job = Job::new(NewJob {
        id: core.mint.mint(now.as_millisecond()),
        client: house(),
        request: Request {
            prompt: prompt(topic, random),
            topic: Some(topic.id.as_str().to_owned()),
            captions: Vec::new(),
            count: 1,
            size: Size::default(),
            fallback: Fallback::None,
        },
        price: 0,
        created_at: now,
        deadline_s: DEADLINE_MAX_S,
        public: true,
        house: true,
        webhook: None,
    });
    context.store.create(&core.ledger, &job, None, core.stamp()).await?;
    if let Err(error) = context.queue.send(job.id, job.client).await {
        tracing::warn!(job.id = %job.id, %error, "an order did not reach the queue");
    }
    Ok(())
}

/// What to paint for a topic: its name and one of its keywords.
fn prompt(topic: &Topic, random: u64) -> String {
    let count = u64::try_from(topic.keywords.len()).unwrap_or(1).max(1);
    let keyword = usize::try_from(random % count).ok().and_then(|at| topic.keywords.get(at));
    match keyword {
        Some(keyword) => format!("{}: {keyword}", topic.name),
        None => topic.name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_vary_and_are_about_their_topic() {
        let catalogue = Catalogue::embedded();
        for topic in catalogue.topics() {
            let prompts: std::collections::BTreeSet<_> =
                (0..64).map(|random| prompt(topic, random)).collect();
            assert_eq!(prompts.len(), topic.keywords.len());
            for prompt in prompts {
                let about = catalogue.match_prompt(&prompt);
                assert!(about.iter().any(|(found, _)| **found == topic.id), "{prompt}");
            }
        }
    }

    #[test]
    fn nobody_is_the_house() {
        assert_eq!(house().to_string(), "cl_00000000000000000000000000");
    }
}
