//! Checks the data files and packs them into the one file that the crate embeds.
//!
//! What is wrong in a data file is found here and named, so that a running process never meets it.
//! A template that is not right, and captions that fit no template, are left out with a warning, so
//! that work on one template stops nobody; the crate's tests refuse each of those warnings.

// The packer serves this script and the crate's tests; each uses a part of it.
#[path = "src/hash.rs"]
#[allow(dead_code, reason = "shared with the crate")]
mod hash;
#[path = "src/pack.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the crate")]
mod pack;
#[path = "src/source.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the crate")]
mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use source::{Place, Problem, Source};

/// One missing template makes many problems; a build need not print them all.
const WARNINGS_MAX: usize = 5;

#[expect(clippy::disallowed_methods, reason = "Cargo talks to build scripts through variables")]
fn folder(variable: &str) -> Result<PathBuf, String> {
    std::env::var(variable).map(PathBuf::from).map_err(|error| format!("{variable}: {error}"))
}

/// Writes the packed file and returns what had to be left out of it.
fn build() -> Result<Vec<Problem>, String> {
    let (root, out) = (folder("CARGO_MANIFEST_DIR")?, folder("OUT_DIR")?);
    let (source, mut left_out) = Source::read(&root);
    if let Some(problem) = left_out.iter().find(|p| p.place == Place::Foundation) {
        return Err(problem.to_string());
    }
    let (bytes, more) = source::pack_what_fits(source).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        lines.join("; ")
    })?;
    left_out.extend(more);
    std::fs::write(out.join("catalogue.bin"), bytes).map_err(|error| error.to_string())?;
    Ok(left_out)
}

fn main() -> ExitCode {
    for input in [
        "src/hash.rs",
        "src/pack.rs",
        "src/source.rs",
        "topics.toml",
        "templates",
        "captions",
        "grammar",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    match build() {
        Ok(left_out) => {
            for problem in left_out.iter().take(WARNINGS_MAX) {
                println!("cargo::warning=left out: {problem}");
            }
            if left_out.len() > WARNINGS_MAX {
                let more = left_out.len() - WARNINGS_MAX;
                println!("cargo::warning=left out: {more} more; the tests list them");
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("cargo::error={problem}");
            ExitCode::FAILURE
        }
    }
}
