//! Runs simulations, and says what came of them.

use std::process::ExitCode;

use clap::Parser;
use sim::run;
use sim::world::{Bug, Scenario, System};

/// Simulates the credit ledger and designs to compare it with.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Arguments {
    /// The seed.
    #[arg(long)]
    seed: Option<u64>,
    /// A system.
    #[arg(long, value_enum)]
    system: Option<System>,
    /// Bug.
    #[arg(long, value_enum)]
    plant: Option<Bug>,
    #[arg(long)]
    small: bool,
    #[arg(long)]
    long: bool,
}

fn main() -> ExitCode {
    let a = Arguments::parse();
    let seed = a.seed.unwrap_or(1);
    let system = a.system.unwrap_or(System::Ledger);
    let mut s = if a.small {
        Scenario::small(seed, system)
    } else if a.long {
        Scenario::large(seed, system)
    } else {
        Scenario::usual(seed, system)
    };
    s.bug = a.plant;
    let mut o = run(&s).unwrap();
    o.verdict.stranded.clear();
    for q in [0.5, 0.9, 0.99, 0.999, 0.9999] {
        eprintln!("{q} {}", o.metrics.waits.quantile_ms(q));
    }
    o.metrics.waits = Default::default();
    eprintln!("{o:#?}");
    ExitCode::SUCCESS
}
