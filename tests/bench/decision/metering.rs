//! The share of metering in the whole of `GET /v1/memes`, in this process: the function as it is,
//! beside the same work without the meter.
//!
//! The function has no switch for that. What is without the meter is put together here from the
//! same public parts, and before anything is measured its reply must have the shape of the
//! function's own: a change of the function that is not followed here ends the benchmark.
//!
//! Three subjects take turns, a few milliseconds each, so that what else the machine does meets all
//! of them; each round gives one ratio, and the median of them counts. Time is the processor's time of
//! each thread: nothing here waits, and what other processes take of the machine does not count.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use catalogue::{Catalogue, Selection};
use edge::models::{FallbackReason, MemeQuery};
use edge::{Body, Burst, Credits, MONTH_S, Problem, RateLimits, Request, Response};
use entitlements::{Scope, TierDecision, TierRequest, decide_tier};
use gate::{Caller, Platform};
use generations::NORMAL_MEME_CREDITS;
use http::StatusCode;
use rustix::time::{ClockId, clock_gettime};
use views::Memes;

/// Calls of one subject at a time, by each thread.
const CALLS: usize = 1_000;

/// How often each subject has its turn.
const ROUNDS: usize = 200;

/// Rounds before those that count.
const WARM_UP: usize = 20;

/// What is measured, in the order of the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The function as it is.
    Metered,
    /// Without taking a credit; the pace of calls is counted.
    Uncharged,
    /// Without taking a credit and without counting the pace.
    Unmetered,
}

const SUBJECTS: [Subject; 3] = [Subject::Metered, Subject::Uncharged, Subject::Unmetered];

/// Measures at one and two threads, and tells in lines. `requests` are of clients whose tokens,
/// entitlements and leases are in memory.
pub(crate) fn measure(platform: &Platform, requests: &Arc<Vec<Request>>) -> Vec<String> {
    let functions = Arc::new(Functions::new(platform));
    let mut lines = vec![format!(
        "\n{:<13} {:>14} {:>14} {:>14}   {:<31} {}",
        "GET /v1/memes",
        "metered/s",
        "uncharged/s",
        "unmetered/s",
        "metered of uncharged",
        "metered of unmetered"
    )];
    for threads in [1, 2] {
        let rounds = rounds(&functions, requests, threads);
        let median_of = |subject| quartiles(rounds.iter().map(|rates| rates[subject]))[1];
        let ratio = |to: usize| {
            let [low, median, high] = quartiles(rounds.iter().map(|rates| rates[0] / rates[to]));
            format!("{:.1} % ({:.1} to {:.1} %)", median * 1e2, low * 1e2, high * 1e2)
        };
        lines.push(format!(
            "{:<13} {:>14.0} {:>14.0} {:>14.0}   {:<31} {}",
            format!("{threads} thread(s)"),
            median_of(0),
            median_of(1),
            median_of(2),
            ratio(1),
            ratio(2)
        ));
    }
    lines.push(format!(
        "Medians of {ROUNDS} rounds of {CALLS} calls; in brackets the middle half of the rounds."
    ));
    lines
}

/// Calls per second of each subject, all threads together, in each round.
fn rounds(
    functions: &Arc<Functions>,
    requests: &Arc<Vec<Request>>,
    threads: usize,
) -> Vec<[f64; SUBJECTS.len()]> {
    let together = Arc::new(Barrier::new(threads));
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let (functions, requests) = (Arc::clone(functions), Arc::clone(requests));
            let together = Arc::clone(&together);
            std::thread::spawn(move || {
                let of_this_worker = requests.len() / threads;
                let mine = &requests[worker * of_this_worker..][..of_this_worker];
                turns(&functions, mine, &together)
            })
        })
        .collect();
    let mut sums = vec![[0.0; SUBJECTS.len()]; ROUNDS];
    for worker in workers {
        for (sum, times) in sums.iter_mut().zip(worker.join().expect("a worker ends")) {
            for (sum, time) in sum.iter_mut().zip(times) {
                #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
                let rate = CALLS as f64 / time.as_secs_f64();
                *sum += rate;
            }
        }
    }
    sums
}

/// How long one thread takes for each subject's calls in each round. Threads begin a turn
/// `together`.
fn turns(
    functions: &Functions,
    requests: &[Request],
    together: &Barrier,
) -> Vec<[Duration; SUBJECTS.len()]> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let mut rounds = Vec::with_capacity(ROUNDS);
    runtime.block_on(async {
        functions.check(&requests[0]).await;
        for round in 0..WARM_UP + ROUNDS {
            let mut times = [Duration::ZERO; SUBJECTS.len()];
            for (subject, time) in SUBJECTS.into_iter().zip(&mut times) {
                // A server makes the request anew for each call; that is not the function's work.
                let calls = (0..CALLS).map(|call| requests[call % requests.len()].clone());
                let calls: Vec<_> = calls.collect();
                // What the process does on the side, it does between the turns.
                tokio::task::yield_now().await;
                together.wait();
                let from = thread_time();
                for request in calls {
                    let reply = functions.call(subject, request).await;
                    drop(black_box(reply.expect("the call is served")));
                }
                *time = thread_time() - from;
            }
            if round >= WARM_UP {
                rounds.push(times);
            }
        }
    });
    rounds
}

/// The processor time that this thread took so far.
fn thread_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("time does not go below zero")
}

/// The function, and the parts that it is made of.
struct Functions {
    whole: meme_serve::Context,
    platform: Platform,
    catalogue: &'static Catalogue,
    memes: Memes,
}

impl Functions {
    fn new(platform: &Platform) -> Self {
        let aws = &platform.core.aws;
        Self {
            whole: meme_serve::Context::new(platform),
            platform: platform.clone(),
            catalogue: Catalogue::embedded(),
            memes: Memes::new(aws.pictures(), aws.config().base_url.clone()),
        }
    }

    async fn call(&self, subject: Subject, request: Request) -> Result<Response<Body>, Problem> {
        match subject {
            Subject::Metered => meme_serve::handle(&self.whole, request).await,
            Subject::Uncharged | Subject::Unmetered => {
                self.without_charge(request, subject == Subject::Uncharged).await
            }
        }
    }

    /// What the function does for a client without Memes AI, but for the charge.
    async fn without_charge(
        &self,
        request: Request,
        count: bool,
    ) -> Result<Response<Body>, Problem> {
        let caller = self.platform.gate.admit(&request, Scope::MemesRead).await?;
        let _query: MemeQuery = edge::query_params(&request)?;
        let tier = decide_tier(TierRequest::Auto, &caller.entitlement, caller.now);
        let Ok(TierDecision::Normal { fallback }) = tier else {
            panic!("a client without Memes AI gets normal memes: {tier:?}");
        };
        let fallback = fallback.map(|_| FallbackReason::NotEntitled);
        let random = self.platform.core.mint.random_u64();
        let choice = self.catalogue.select(Selection::default(), random).expect("there are memes");
        if count {
            black_box(self.platform.meter.count(&caller).await?);
        }
        let id = choice.id(caller.now.as_millisecond());
        let view = self.memes.chosen(&choice, id, NORMAL_MEME_CREDITS, fallback);
        let mut response = edge::reply::json(StatusCode::OK, &view)?;
        some_limits(&caller).write(response.headers_mut());
        Ok(response)
    }

    /// Ends the benchmark if the subjects' replies do not have the same headers and members.
    async fn check(&self, request: &Request) {
        let mut shapes = Vec::new();
        for subject in SUBJECTS {
            let reply = self.call(subject, request.clone()).await.expect("the call is served");
            let headers: BTreeSet<_> = reply.headers().keys().map(ToString::to_string).collect();
            let body: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(reply.body()).expect("the body is an object");
            let members: BTreeSet<_> = body.keys().cloned().collect();
            shapes.push((reply.status(), headers, members));
        }
        assert!(shapes.iter().all(|shape| *shape == shapes[0]), "replies differ: {shapes:?}");
    }
}

/// What the meter would have said, made up.
fn some_limits(caller: &Caller) -> RateLimits {
    let terms = caller.terms();
    RateLimits {
        burst: Burst {
            limit: terms.burst_per_second,
            remaining: terms.burst_per_second - 1,
            window_s: 1,
        },
        credits: Credits {
            quota: terms.monthly_credits,
            window_s: MONTH_S,
            remaining: 99_999,
            reset_s: 2_591_999,
        },
    }
}

/// The first, second and third quartile.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}
