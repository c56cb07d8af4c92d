//! Calls per second, where several processes serve a client.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use entitlements::{Plan, Scope};
use gate::{Caller, Meter, SHARED_EVERY};
use ids::ClientId;
use maas_aws::{Bursts, Calls};
use maas_valkey::testing::Server;
use support::{Api, Stack, StackOptions, eventually};

/// Calls per second of the plan that is used here.
const LIMIT: u32 = 50;

/// Far more calls than a bucket holds: nobody gets through for two minutes.
pub(crate) const FAR_TOO_MANY: u32 = 120 * LIMIT;

/// One of the processes that serve a client.
struct Process {
    meter: Meter,
    caller: Caller,
}

impl Process {
    /// Another one beside `stack`, which shares limits through `server` when it is told to.
    async fn start(stack: &Stack, server: &Server, api: &Api, clock: &SharedClock) -> Self {
        let platform = stack.platform();
        let request = http::Request::get("http://127.0.0.1/v1/memes")
            .header("authorization", format!("Bearer {}", api.token.as_deref().unwrap()))
            .body(edge::Body::Empty)
            .unwrap();
        let caller = platform.gate.admit(&request, Scope::MemesRead).await.unwrap();
        assert_eq!(caller.terms().burst_per_second, LIMIT);
        let (holder, ledger) = (platform.meter.holder(), &platform.core.ledger);
        let meter = Meter::new(Arc::clone(holder), Arc::clone(ledger), Arc::clone(clock));
        Self { meter: meter.sharing(Arc::new(bursts(server))), caller }
    }

    /// How many of so many calls get through.
    async fn served(&self, calls: u32) -> u32 {
        let mut served = 0;
        for _ in 0..calls {
            served += u32::from(self.meter.count(&self.caller).await.is_ok());
        }
        served
    }
}

/// With more patience than the service has, so that a slow machine fails no test.
fn bursts(server: &Server) -> Bursts {
    Bursts::new(&server.url(), Duration::from_secs(5)).unwrap()
}

/// Tells of calls that are served elsewhere.
pub(crate) async fn elsewhere(server: &Server, client: ClientId, count: u32) {
    let limit = NonZeroU32::new(LIMIT).unwrap();
    bursts(server).count(&[Calls { client, limit, count }], Duration::ZERO).await.unwrap();
}

/// A clock that stands still, so that no bucket fills by itself.
fn stopped() -> Arc<ManualClock> {
    let clock = ManualClock::at(SystemClock::new().now());
    clock.advance(SHARED_EVERY);
    clock
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_let_no_more_through_than_is_documented() {
    let server = Server::start();
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        let clock = SystemClock::shared();
        let processes = [
            Process::start(stack, &server, &api, &clock).await,
            Process::start(stack, &server, &api, &clock).await,
        ];
        let started = clock.monotonic();
        let (mut served, mut longest, mut now) = ([0, 0], Duration::ZERO, started);
        while now < started + Duration::from_secs(4) {
            for (process, served) in processes.iter().zip(&mut served) {
                *served += process.served(20).await;
                process.meter.share().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            let then = std::mem::replace(&mut now, clock.monotonic());
            longest = longest.max(now - then);
        }
        // What is documented, with the times as they were.
        let limit = f64::from(LIMIT);
        let calls = limit * (now - started).as_secs_f64();
        let unknown = 2.0 * (SHARED_EVERY + longest).as_secs_f64();
        let most = calls + 2.0 * limit * (1.0 + unknown);
        let sum = f64::from(served[0] + served[1]);
        assert!(sum <= most, "{served:?} were served, and at most {most} may be");
        assert!(served.iter().all(|served| *served > 0), "{served:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_over_the_limit_in_sum_is_refused_by_every_process() {
    let server = Server::start();
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        let clock = stopped();
        let shared: SharedClock = clock.clone();
        let mut processes = Vec::new();
        for _ in 0..10 {
            let process = Process::start(stack, &server, &api, &shared).await;
            // None of them would refuse these, nor one more.
            assert_eq!(process.served(LIMIT - 1).await, LIMIT - 1);
            process.meter.share().await;
            processes.push(process);
        }
        clock.advance(SHARED_EVERY);
        assert_eq!(processes[0].served(1).await, 1, "it knows of its own calls only");
        processes[0].meter.share().await;
        // Who told early knows of few others. These know of several seconds' calls, of which the
        // server's clock may have taken some.
        processes.drain(1..5);
        clock.advance(Duration::from_secs(1));
        for process in &processes {
            assert_eq!(process.served(LIMIT).await, 0, "by itself it would serve all of them");
        }
        // What was too much is refused, and then it is over.
        clock.advance(Duration::from_secs(10));
        for process in &processes {
            assert_eq!(process.served(1).await, 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_valkey_each_process_has_the_limit_to_itself_until_it_is_back() {
    let mut server = Server::start();
    Stack::run(async |stack| {
        let api = stack.client(Plan::Free, false, 0).await;
        let clock = stopped();
        let shared: SharedClock = clock.clone();
        let processes = [
            Process::start(stack, &server, &api, &shared).await,
            Process::start(stack, &server, &api, &shared).await,
        ];
        server.kill();
        for _ in 0..3 {
            for process in &processes {
                assert_eq!(process.served(LIMIT + 10).await, LIMIT);
                process.meter.share().await;
                assert_eq!(process.served(1).await, 0);
            }
            clock.advance(Duration::from_secs(1));
        }

        server.restart();
        for process in &processes {
            assert_eq!(process.served(1).await, 1);
        }
        elsewhere(&server, api.client.unwrap(), FAR_TOO_MANY).await;
        clock.advance(Duration::from_secs(2));
        for process in &processes {
            assert_eq!(process.served(1).await, 1);
            process.meter.share().await;
            assert_eq!(process.served(1).await, 0, "it does not hear of the others again");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_hears_of_calls_that_are_served_elsewhere() {
    let server = Server::start();
    let options = StackOptions { valkey_url: Some(server.url()), ..StackOptions::default() };
    Stack::run_with(options, async |stack| {
        let api = stack.client(Plan::Free, false, 1_000).await;
        elsewhere(&server, api.client.unwrap(), FAR_TOO_MANY).await;
        let refused = eventually("the service hears of other processes", async || {
            let reply = api.get("/v1/memes").await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        let problem = refused.problem(429, "rate-limited");
        let wait_s: u32 = refused.header("retry-after").parse().unwrap();
        assert!((60..=120).contains(&wait_s), "{problem}");
    })
    .await;
}
