//! The share of metering in the whole of `GET /v1/memes`, in this process: the function as it is,
//! beside the same function with something in the meter's place that charges nothing.
//!
//! Three subjects take turns, a few milliseconds each, so that what else the machine does meets all
//! of them; each round gives one ratio, and the median of them counts. Time is the processor's time of
//! each thread: nothing here waits, and what other processes take of the machine does not count.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use edge::{Body, Burst, Credits, MONTH_S, Problem, RateLimits, Request, Response};
use gate::{Caller, Meter, Operation, Platform};
use meme_serve::{Charge, handle, handle_for};
use rustix::time::{ClockId, clock_gettime};

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

/// The function, and what it is charged by.
struct Functions {
    context: meme_serve::Context,
    meter: Arc<Meter>,
}

impl Functions {
    fn new(platform: &Platform) -> Self {
        let meter = Arc::clone(&platform.meter);
        Self { context: meme_serve::Context::new(platform), meter }
    }

    async fn call(&self, subject: Subject, request: Request) -> Result<Response<Body>, Problem> {
        match subject {
            Subject::Metered => handle(&self.context, request).await,
            Subject::Uncharged => handle_for(&self.context, &Counting(&self.meter), request).await,
            Subject::Unmetered => handle_for(&self.context, &Free, request).await,
        }
    }
}

/// Counts the pace of calls, and takes no credit.
struct Counting<'a>(&'a Meter);

impl Charge for Counting<'_> {
    async fn charge(
        &self,
        caller: &Caller,
        _operation: Operation,
        _credits: u64,
    ) -> Result<RateLimits, Problem> {
        black_box(self.0.count(caller).await?);
        Ok(some_limits(caller))
    }
}

/// Charges nothing and counts nothing.
struct Free;

impl Charge for Free {
    async fn charge(
        &self,
        caller: &Caller,
        _operation: Operation,
        _credits: u64,
    ) -> Result<RateLimits, Problem> {
        Ok(some_limits(caller))
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
