//! What the local gateway carries: `GET /v1/memes` over HTTP/1.1 on loopback, at a constant rate of
//! arrivals, beside a bare handler on the same server that answers a body of the same size.
//!
//! Each server is a process of its own, a release build of what `cargo run` starts, with its data in
//! files; this process makes the calls and shares the machine's cores with them. A ladder of rates
//! is climbed for one client and for many, each with its own token, credits and connection, until a
//! rate is not held. At the end the books must balance: each client spent exactly what it was served,
//! or the benchmark ends with 1.

#![allow(clippy::expect_used, reason = "a benchmark ends where it cannot measure")]

mod load;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mimalloc::MiMalloc;

use crate::load::{Outcome, request};
use crate::server::{Server, cpu};

/// As the local stack's program has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Calls per second, the rungs of the ladder.
const RATES: [u32; 6] = [5_000, 10_000, 15_000, 20_000, 25_000, 30_000];

/// A rate is held if so many of a hundred calls are answered within [`P99_MAX`].
const P99_MAX: Duration = Duration::from_millis(5);

/// A machine has its moments: a rate is missed if it is not held in as many attempts.
const ATTEMPTS: usize = 2;

/// Clients, where there are many. Each has one connection.
const CLIENTS: usize = 1_000;

/// Connections of the one client, where there is one.
const CONNECTIONS: usize = 64;

/// Calls per second before anything is measured, until every token is known and every lease has its
/// size.
const WARM_UP_RATE: u32 = 4_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve-memes", clients] => server::memes(clients.parse().expect("a number")),
        ["serve-bare", bytes] => server::bare(bytes.parse().expect("a number")),
        // Cargo says `--bench`.
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built");
            return runtime.block_on(measure());
        }
    }
    ExitCode::SUCCESS
}

async fn measure() -> ExitCode {
    let mut memes = Server::start("serve-memes", CLIENTS);
    let requests: Vec<Bytes> = memes.tokens.iter().map(|token| request(token)).collect();
    let (one, many) = requests.split_first().expect("there are clients");
    let one = vec![one.clone(); CONNECTIONS];

    // Served to the one client, and to each of the many.
    let mut served = vec![0; 1 + CLIENTS];
    let mut held = Vec::new();
    say("handler  clients   wanted/s answered/s       p50       p99       max  refused   \
         server CPU        client CPU");
    let mut bare = None;
    for (clients, requests) in [(1, &one[..]), (CLIENTS, many)] {
        let count = |served: &mut Vec<u64>, outcome: &Outcome| {
            for (connection, calls) in outcome.served.iter().enumerate() {
                served[if clients == 1 { 0 } else { 1 + connection }] += calls;
            }
        };
        let warm = load::run(memes.address, requests, WARM_UP_RATE).await;
        count(&mut served, &warm);
        let bare = bare.get_or_insert_with(|| Server::start("serve-bare", warm.body_bytes_mean()));
        let best = ladder("bare", clients, bare, requests, |_| ()).await;
        held.push(("bare", clients, best));
        let best =
            ladder("memes", clients, &mut memes, requests, |it| count(&mut served, it)).await;
        held.push(("memes", clients, best));
    }
    drop(bare);

    say("\nhighest rate with p99 <= 5 ms");
    for (handler, clients, best) in held {
        let best = best.map_or("none".to_owned(), |rate| format!("{rate}/s"));
        say(&format!("{handler:<8} {clients:>7} {best:>10}"));
    }
    balance(&served, &memes.finish())
}

/// Climbs the rates until one is missed, and gives the highest that was held.
async fn ladder(
    handler: &str,
    clients: usize,
    server: &mut Server,
    requests: &[Bytes],
    mut count: impl FnMut(&Outcome),
) -> Option<u32> {
    let mut best = None;
    for rate in RATES {
        let mut held = false;
        for _ in 0..ATTEMPTS {
            let before = (server.cpu(), cpu());
            let outcome = load::run(server.address, requests, rate).await;
            let used = (server.cpu() - before.0, cpu() - before.1);
            count(&outcome);
            report(handler, clients, rate, &outcome, used);
            held = outcome.refused == 0 && outcome.at(0.99) <= P99_MAX;
            if held {
                break;
            }
        }
        if !held {
            break;
        }
        best = Some(rate);
    }
    best
}

fn report(
    handler: &str,
    clients: usize,
    rate: u32,
    outcome: &Outcome,
    (server, client): (Duration, Duration),
) {
    let ms = |quantile| outcome.at(quantile).as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let calls = outcome.calls() as f64;
    let seconds = outcome.wall.as_secs_f64();
    let share = |used: Duration| {
        let (cores, each) = (used.as_secs_f64() / seconds, used.as_secs_f64() * 1e6 / calls);
        format!("{:>5.0} % {each:>6.1} us", cores * 1e2)
    };
    say(&format!(
        "{handler:<8} {clients:>7} {rate:>10} {:>10.0} {:>6.2} ms {:>6.2} ms {:>6.1} ms {:>8} {} {}",
        calls / seconds,
        ms(0.5),
        ms(0.99),
        ms(1.0),
        outcome.refused,
        share(server),
        share(client),
    ));
}

/// Holds what each client was served to what it spent.
fn balance(served: &[u64], spent: &[u64]) -> ExitCode {
    let wrong = served.iter().zip(spent).filter(|(served, spent)| served != spent).count();
    say(&format!(
        "\n{} calls served, {} credits spent; of {} clients, {wrong} do not agree",
        served.iter().sum::<u64>(),
        spent.iter().sum::<u64>(),
        served.len(),
    ));
    if wrong == 0 && served.len() == spent.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn say(line: &str) {
    println!("{line}");
}
