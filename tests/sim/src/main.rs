//! Runs simulations, and says what came of them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::ScopedJoinHandle;

use anyhow::{Result, anyhow};
use clap::Parser;
use sim::report::{self, Prices, grouped};
use sim::world::{Bug, Scenario, System};
use sim::{Outcome, run};

/// The seeds that are run when none is named.
const SEEDS: [u64; 3] = [1, 7, 42];

/// Simulates the credit ledger, and other designs to compare it with, under virtual time.
///
/// One seed gives one run, to the last event: what failed fails again. Ends with 1 if the ledger
/// broke a promise; what the other designs break is in the tables.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Arguments {
    /// The seeds; three fixed ones if none is named.
    #[arg(long)]
    seed: Vec<u64>,
    /// The systems; all of them if none is named, or with --long the ledger alone.
    #[arg(long, value_enum)]
    system: Vec<System>,
    /// More than 100,000,000 calls of 10,000 clients to 3,000 processes.
    #[arg(long, conflicts_with = "small")]
    long: bool,
    /// A small world, as in the tests.
    #[arg(long)]
    small: bool,
    /// What the shared holder is for: 10,000 clients, the same with some calls far from their homes,
    /// and one that is very busy. Unless named, the systems are the shared holder and the ledger.
    #[arg(long, conflicts_with_all = ["small", "long"])]
    target: bool,
    /// What part of the calls comes in far from the client's home.
    #[arg(long)]
    abroad: Option<f64>,
    /// Plants a bug, to see it found.
    #[arg(long, value_enum)]
    plant: Option<Bug>,
    /// Writes tables and plots into this folder.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// A part of what is run: its folder, and its scenario of a seed and a system.
type Part = (Option<&'static str>, fn(u64, System) -> Scenario);

#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
fn say(line: &str) {
    println!("{line}");
}

fn main() -> ExitCode {
    match simulate(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<bool> {
    let seeds = match &arguments.seed[..] {
        [] if arguments.target => &SEEDS[..1],
        [] => &SEEDS,
        named => named,
    };
    let systems = match (&arguments.system[..], arguments.long, arguments.target) {
        ([], true, _) => &[System::Ledger],
        ([], _, true) => &[System::SharedHolder, System::Ledger][..],
        ([], false, false) => System::ALL,
        (named, _, _) => named,
    };
    let scenario = match (arguments.small, arguments.long) {
        (true, _) => Scenario::small,
        (_, true) => Scenario::large,
        _ => Scenario::usual,
    };
    let parts: &[Part] = if arguments.target {
        &[
            (Some("many"), Scenario::many),
            (Some("abroad"), Scenario::abroad),
            (Some("one"), Scenario::hot),
        ]
    } else {
        &[(None, scenario)]
    };
    let mut holds = true;
    for (name, scenario) in parts {
        let mut scenarios = Vec::new();
        for seed in seeds {
            for system in systems {
                let mut it = Scenario { bug: arguments.plant, ..scenario(*seed, *system) };
                it.abroad = arguments.abroad.unwrap_or(it.abroad);
                scenarios.push(it);
            }
        }
        let outcomes = run_all(&scenarios)?;
        let rows = report::rows(&outcomes, &Prices::read()?);
        say(&format!("\n{}", report::markdown(&rows)));
        if let Some(folder) = &arguments.out {
            let folder = name.map_or_else(|| folder.clone(), |name| folder.join(name));
            report::write(&rows, &folder)?;
            say(&format!("tables and plots are in {}", folder.display()));
        }
        let broken = |it: &Outcome| !it.holds() && it.scenario.system.must_hold();
        holds &= !outcomes.iter().any(broken);
    }
    Ok(holds)
}

/// Runs every scenario, each on a thread of its own, as many at a time as there are processors.
fn run_all(scenarios: &[Scenario]) -> Result<Vec<Outcome>> {
    let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut outcomes = Vec::new();
    for some in scenarios.chunks(at_once) {
        for scenario in some {
            say(&format!("seed {}: {} begins", scenario.seed, scenario.system.name()));
        }
        let ended: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                some.iter().map(|scenario| scope.spawn(move || run(scenario))).collect();
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for outcome in ended {
            // A panic of the ledger is a finding, and its message names the place.
            let outcome = outcome.map_err(|_| anyhow!("a simulation panicked"))??;
            tell(&outcome);
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

/// Says how one run went.
fn tell(outcome: &Outcome) {
    let (scenario, verdict) = (&outcome.scenario, &outcome.verdict);
    let calls = grouped(outcome.metrics.calls);
    let verdict_in_words = if outcome.holds() {
        "holds".to_owned()
    } else {
        let broken: Vec<_> =
            verdict.broken.iter().map(|(what, times)| format!("{what:?} {times} times")).collect();
        format!("BROKEN: {}", broken.join(", "))
    };
    let name = scenario.system.name();
    let (seed, hash) = (scenario.seed, outcome.hash);
    say(&format!("seed {seed}: {name}: {calls} calls, trace {hash:016x}, {verdict_in_words}"));
    if scenario.system.must_hold() {
        for finding in &verdict.findings {
            say(&format!("  {finding}"));
        }
    }
}
