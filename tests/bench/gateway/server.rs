//! The servers, each a process of its own: this program again, which says on its output where it
//! listens, and answers questions on its input until that ends.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use entitlements::Plan;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use ids::ClientId;
use local::server::{Phase, serve};
use local::service::{LOG, USAGE_WINDOW};
use maas_aws::telemetry::{LogFormat, start};
use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use support::{Stack, StackOptions};
use tokio::sync::watch;

/// Credits of each client: more than are spent.
const CREDITS: u64 = 10_000_000;

/// Calls per second that are agreed with the one client: no plan has as many as the ladder.
const AGREED_PER_SECOND: u32 = 100_000;

/// How many clients are made at once.
const AT_ONCE: usize = 16;

/// The processor time that this process took so far.
pub(crate) fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("time does not go below zero")
}

/// What a server says first.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    address: SocketAddr,
    /// The tokens of its clients, the one with an agreed rate first.
    tokens: Vec<String>,
}

/// A server, as the process that calls it sees it. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Vec<String>,
}

impl Server {
    /// Starts one, and waits until it is ready.
    pub(crate) fn start(role: &str, size: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a process knows its program"))
            .args([role, &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let questions = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let Ready { address, tokens } = read(&mut answers);
        Self { child, questions, answers, address, tokens }
    }

    /// The processor time that it took so far.
    pub(crate) fn cpu(&mut self) -> Duration {
        let questions = self.questions.as_mut().expect("it has not been ended");
        writeln!(questions, "cpu").expect("the server reads");
        read(&mut self.answers)
    }

    /// Ends it, and gives what its clients have spent, in the order of their tokens. The server
    /// holds its books to their invariants first.
    pub(crate) fn finish(mut self) -> Vec<u64> {
        self.questions = None;
        let spent = read(&mut self.answers);
        let status = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "the books do not balance: {status}");
        spent
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> T {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the server answers");
    serde_json::from_str(&line).expect("an answer is a line of JSON")
}

/// Serves the whole service to one client with an agreed rate and to `clients` others.
pub(crate) fn memes(clients: usize) {
    start(LogFormat::Text, LOG);
    let options =
        StackOptions { in_files: true, usage_window: USAGE_WINDOW, ..StackOptions::default() };
    runtime().block_on(Stack::run_with(options, async |stack| {
        let accounts = accounts(stack, 1 + clients).await;
        let address = stack.base_url().trim_start_matches("http://").parse();
        let tokens = accounts.iter().map(|(_, token)| token.clone()).collect();
        say(&Ready { address: address.expect("an address"), tokens });
        until_the_end().await;
        stack.platform().meter.holder().drain().await;
        let mut spent = Vec::new();
        for (client, _) in accounts {
            spent.push(stack.balance(client).await.accounts.spent);
        }
        say(&spent);
    }));
}

/// New clients and their tokens.
async fn accounts(stack: &Stack, clients: usize) -> Vec<(ClientId, String)> {
    let api = stack.anonymous();
    let mut accounts = Vec::with_capacity(clients);
    while accounts.len() < clients {
        let batch = (accounts.len()..clients).take(AT_ONCE).map(async |number| {
            let (client, secret) = stack.register(Plan::Scale, false, CREDITS).await;
            if number == 0 {
                agree(stack, client).await;
            }
            let api = api.log_in(&client.to_string(), &secret).await;
            (client, api.token.expect("a client that is logged in has a token"))
        });
        accounts.extend(futures_util::future::join_all(batch).await);
    }
    accounts
}

/// Lets a client call more often than its plan does, as an operator would.
async fn agree(stack: &Stack, client: ClientId) {
    let core = &stack.platform().core;
    let clients = core.aws.clients();
    let agreed = clients.change(client, core.clock.now(), |profile, _| {
        profile.burst_per_second = Some(AGREED_PER_SECOND);
    });
    agreed.await.expect("the client is changed");
}

/// Serves a constant body of so many bytes on the gateway's server.
pub(crate) fn bare(body_bytes: usize) {
    let body = Bytes::from(vec![b'x'; body_bytes]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket takes options");
    let address = listener.local_addr().expect("a bound port has an address");
    let service = service_fn(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        async move { Ok::<_, Infallible>(response) }
    });
    let (_phase, watched) = watch::channel(Phase::Serving);
    runtime().block_on(async {
        tokio::spawn(serve(listener, service, watched));
        say(&Ready { address, tokens: Vec::new() });
        until_the_end().await;
    });
}

/// As the local stack's program has it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

/// Answers questions until there are no more.
async fn until_the_end() {
    let answering = tokio::task::spawn_blocking(|| {
        for _ in std::io::stdin().lines() {
            say(&cpu());
        }
    });
    answering.await.expect("no panic");
}

#[expect(clippy::print_stdout, reason = "a server's answers")]
fn say(answer: &impl Serialize) {
    println!("{}", serde_json::to_string(answer).expect("it can be written as JSON"));
}
