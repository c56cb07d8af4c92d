//! The tasks of development. `cargo xtask test` is everything that must pass.

mod python;
mod service;
mod shell;
mod steps;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// The tasks of development.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs everything that must pass, or the steps that are named.
    Test {
        /// The steps to run; all of them if none is named.
        #[arg(value_enum)]
        only: Vec<steps::Step>,
    },
    /// Runs a benchmark in release mode.
    Bench {
        /// Which one.
        #[arg(value_enum)]
        name: Bench,
    },
    /// Simulates the ledger in release mode: `cargo xtask sim --help`.
    #[command(disable_help_flag = true)]
    Sim {
        /// What the simulation is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fetches the weights of the picture filter into `target/weights`.
    Weights,
    /// Builds the functions' packages for Lambda on arm64 with cargo-lambda, installed by itself.
    Package {
        /// The functions to build; the three hot ones if none is named.
        functions: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// What deciding on a call costs: token, entitlement and credit.
    Decision,
    /// What the local gateway carries: calls over HTTP at a constant rate.
    Gateway,
    /// What counting a call costs: from a lease, as here, and with a write per call.
    Ledger,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { only } => steps::run(&only),
        Task::Bench { name } => steps::bench(&steps::name(&name)),
        Task::Sim { arguments } => steps::sim(&arguments),
        Task::Weights => steps::weights().map(|path| shell::say(&path.display().to_string())),
        Task::Package { functions } => steps::package(&functions),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
