//! Running other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Prints a line of the task's own.
#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // tools/xtask is two folders below it.
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or(here.clone(), PathBuf::from)
}

/// Where the tasks keep what they install and make. Never committed.
pub(crate) fn work(folder: &str) -> PathBuf {
    root().join("target").join(folder)
}

/// A program to be run in the root of the workspace.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, the one that runs this.
pub(crate) fn cargo() -> Command {
    // Set by cargo for what it runs.
    #[expect(clippy::disallowed_methods, reason = "cargo's own variable, not configuration")]
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    command(cargo)
}

/// Builds every program and test of the workspace. All steps build with this one command, so that
/// nothing is built twice with other features.
pub(crate) fn build() -> Result<()> {
    run(cargo().args(["build", "--workspace", "--bins", "--tests", "--quiet"]))
}

/// Where [`build`] leaves the workspace's own programs: beside this one.
pub(crate) fn programs() -> PathBuf {
    let beside = std::env::current_exe().ok();
    let folder = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
    folder.unwrap_or_else(|| root().join("target").join("debug"))
}

/// One of the workspace's own programs.
pub(crate) fn program(name: &str) -> Command {
    command(programs().join(name))
}

/// Runs a program, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("`{program}` failed: {status}");
    }
    Ok(())
}

/// Runs a program, and brings what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !output.status.success() {
        bail!("`{program}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{program}` printed no UTF-8"))
}
