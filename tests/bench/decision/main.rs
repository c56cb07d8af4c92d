//! What deciding on a call costs: is the token good, may the client, is it paid.
//!
//! The decision is the functions' own code with everything in memory, as it is for all but the
//! first calls of a client: the verified token, the entitlement, a lease of credits. Beside it, in
//! the same run and on the same machine, what it is made of: verifying the token's signature anew,
//! looking the token up, and a bare atomic decrement.
//!
//! Each operation is timed by itself; the clock's own cost is measured and told.
//!
//! After it, the share that metering has in the whole function, see `metering`.

#![allow(clippy::expect_used, reason = "a benchmark ends where it cannot measure")]

mod metering;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth::{Jwk, Jwks, PublicKeys, Verifier};
use clock::SystemClock;
use entitlements::{Plan, Scope};
use gate::{Meter, Platform, parties};
use ledger::{Holder, LeasePolicy, Operation};
use maas_aws::keys::Half;
use support::{Api, Stack};
use tallies::MappedSlots;

/// Clients that call in turn, so that none exceeds the calls per second of its plan.
const CLIENTS: usize = 400;

/// Credits of each client: more than are spent.
const CREDITS: u64 = 100_000;

/// Operations that are timed, for each subject and thread.
const TIMED: usize = 200_000;

/// A fifth as many where one takes tens of microseconds.
const TIMED_SLOW: usize = TIMED / 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(Stack::run(measure));
}

async fn measure(stack: &Stack) {
    let platform = stack.platform();
    let clock = SystemClock::shared();
    // Leases that last for the whole run: what renewing them costs is another question.
    let policy = LeasePolicy {
        initial: CREDITS,
        share: 1,
        ttl: Duration::from_secs(600),
        ..LeasePolicy::default()
    };
    // Counted in a mapped file, and published, as in production.
    let slots = MappedSlots::open(&stack.folder().join("tallies")).expect("slots can be mapped");
    let holder = Holder::new(
        Arc::clone(&platform.core.lending),
        Arc::clone(&platform.core.clock),
        Arc::clone(&platform.core.mint),
        policy,
    );
    let holder = holder.with_slots(Arc::new(slots));
    let holder = Arc::new(holder.with_sink(Arc::new(platform.core.aws.usage_queue())));
    let meter = Arc::new(Meter::new(
        Arc::clone(&holder),
        Arc::clone(&platform.core.ledger),
        Arc::clone(&platform.core.clock),
    ));

    let mut requests = Vec::new();
    let mut token = String::new();
    for _ in 0..CLIENTS {
        let Api { token: issued, .. } = stack.client(Plan::Scale, false, CREDITS).await;
        token = issued.expect("a client that is logged in has a token");
        let request = http::Request::get("http://127.0.0.1/v1/memes")
            .header("authorization", format!("Bearer {token}"))
            .body(edge::Body::Empty)
            .expect("a request can be made");
        let caller = platform.gate.admit(&request, Scope::MemesRead).await.expect("admitted");
        meter.charge(&caller, Operation::NormalMeme, 1).await.expect("charged");
        requests.push(request);
    }
    let requests = Arc::new(requests);

    say("per operation           p50        p99      operations/s");
    let empty = timed(TIMED, &clock, |_| ());
    report("reading the clock", 1, &empty);

    let counter = AtomicU64::new(u64::MAX);
    report(
        "atomic decrement",
        1,
        &timed(TIMED, &clock, |_| counter.fetch_sub(1, Ordering::AcqRel)),
    );

    let keys = platform.core.aws.keys().list(Half::Public).await.expect("keys can be read");
    let keys: Vec<Jwk> = keys
        .iter()
        .map(|key| serde_json::from_str(&key.document).expect("a public key is a JWK"))
        .collect();
    let public = PublicKeys::new(&Jwks { keys }).expect("there is a key");
    let verifier = Verifier::new(&parties(platform.core.aws.config()), Arc::new(public));
    let now = platform.core.clock.now();
    let verified = timed(TIMED_SLOW, &clock, |_| verifier.verify(&token, now).expect("it is good"));
    report("RS256 verification", 1, &verified);

    for threads in [1, 2] {
        let mut workers = Vec::new();
        for worker in 0..threads {
            let (requests, meter) = (Arc::clone(&requests), Arc::clone(&meter));
            let (platform, clock) = (platform.clone(), Arc::clone(&clock));
            workers.push(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .expect("a runtime can be built");
                let of_this_worker = CLIENTS / threads;
                runtime.block_on(async {
                    let mut times = Vec::with_capacity(TIMED);
                    for call in 0..TIMED {
                        let request = &requests[worker * of_this_worker + call % of_this_worker];
                        let from = clock.monotonic();
                        let caller = platform.gate.admit(request, Scope::MemesRead).await;
                        let limits = meter
                            .charge(&caller.expect("admitted"), Operation::NormalMeme, 1)
                            .await;
                        black_box(limits.expect("charged"));
                        times.push(clock.monotonic() - from);
                    }
                    times
                })
            }));
        }
        let times: Vec<Duration> =
            workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect();
        report(&format!("decision, {threads} thread(s)"), threads, &times);
    }

    let platform = Platform { meter, ..platform.clone() };
    for line in metering::measure(&platform, &requests) {
        say(&line);
    }
    holder.drain().await;
}

fn timed<T>(
    times: usize,
    clock: &clock::SharedClock,
    mut operation: impl FnMut(usize) -> T,
) -> Vec<Duration> {
    (0..times)
        .map(|number| {
            let from = clock.monotonic();
            black_box(operation(number));
            clock.monotonic() - from
        })
        .collect()
}

fn report(what: &str, threads: usize, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| micros(sorted[(sorted.len() - 1) * percent / 100]);
    let total: Duration = times.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let rate = times.len() as f64 * threads as f64 / total.as_secs_f64();
    say(&format!("{what:<20} {:>7.2} us {:>7.2} us {rate:>14.0}", at(50), at(99)));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn say(line: &str) {
    println!("{line}");
}
