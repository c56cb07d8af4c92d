//! A broker in a process of its own, to be killed and started again by tests.
//!
//! The program is `kafka-broker` of this crate: librdkafka's mock cluster, with one broker. It speaks
//! the real protocol and keeps groups, but cannot be asked to create a topic.
//!
//! It keeps everything in memory unless it is [durable](Broker::durable_program). One that takes the
//! place of a killed one then knows nothing of what that had acknowledged, and a consumer that lives on
//! would believe itself far ahead: start a new one. A durable one has every message that was
//! acknowledged, where it was, and has forgotten how far the groups were: they begin again.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// How many ports are tried.
const PORTS_MAX: u32 = 50;

/// The first port that is tried, and how many there are. They lie below those that systems give to
/// whoever asks for any, so that nobody is given one while its broker is down.
const PORTS: (u32, u32) = (12_000, 18_000);

/// How many brokers this process has tried to start.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A broker; gone when this is dropped, and also when this process is killed.
///
/// All of its functions panic where something goes wrong: a test needs the broker.
#[derive(Debug)]
pub struct Broker {
    program: PathBuf,
    port: u32,
    arguments: Vec<String>,
    process: Child,
    output: BufReader<ChildStdout>,
    /// Where a durable one has its messages.
    _folder: Option<TempDir>,
}

impl Broker {
    /// Starts `program` with these topics, four partitions each. It forgets everything when it ends.
    #[must_use]
    pub fn start_program(program: impl AsRef<Path>, topics: &[&str]) -> Self {
        Self::with(program.as_ref(), topics, None)
    }

    /// The same with a broker that has on disk what it has acknowledged.
    #[must_use]
    pub fn durable_program(program: impl AsRef<Path>, topics: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the broker");
        Self::with(program.as_ref(), topics, Some(folder))
    }

    fn with(program: &Path, topics: &[&str], folder: Option<TempDir>) -> Self {
        let log = folder.as_ref().map(|folder| folder.path().join("log").display().to_string());
        let log = log.map(|file| ["--log".to_owned(), file]).into_iter().flatten();
        let arguments: Vec<_> = log.chain(topics.iter().map(|&topic| topic.to_owned())).collect();
        let started = (0..PORTS_MAX).find_map(|_| {
            // Other processes begin elsewhere.
            let number = STARTED.fetch_add(1, Ordering::Relaxed) + std::process::id() * 97;
            let port = PORTS.0 + number % PORTS.1;
            Some((port, process(program, port, &arguments)?))
        });
        let (port, (process, output)) = started.expect("the broker starts");
        Self { program: program.to_owned(), port, arguments, process, output, _folder: folder }
    }

    /// The address to begin with.
    #[must_use]
    pub fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the broker, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().expect("the broker can be killed");
        self.process.wait().expect("the broker ends");
    }

    /// Starts another one at the same address, with the same topics; in those of a durable one there
    /// is what was acknowledged before.
    pub fn restart(&mut self) {
        (self.process, self.output) = process(&self.program, self.port, &self.arguments)
            .expect("another broker starts at the same port");
    }

    /// Ends all connections and refuses new ones, as a broker does that is restarted and keeps what
    /// it has on disk.
    pub fn cut(&mut self) {
        self.tell("cut");
    }

    /// Accepts connections again.
    pub fn mend(&mut self) {
        self.tell("mend");
    }

    fn tell(&mut self, what: &str) {
        let input = self.process.stdin.as_mut().expect("it is piped");
        writeln!(input, "{what}").expect("the broker listens");
        assert!(is_ready(&mut self.output), "the broker has ended");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A broker that is ready, or nothing if the port is taken.
fn process(
    program: &Path,
    port: u32,
    arguments: &[String],
) -> Option<(Child, BufReader<ChildStdout>)> {
    let mut process = Command::new(program)
        .arg(port.to_string())
        .args(arguments)
        // It ends when this pipe does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{}` cannot be started: {error}", program.display()));
    let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
    if !is_ready(&mut output) {
        process.wait().expect("the broker has ended");
        return None;
    }
    Some((process, output))
}

/// Waits until the broker says so. False when it has ended.
fn is_ready(output: &mut BufReader<ChildStdout>) -> bool {
    let mut said = String::new();
    output.read_line(&mut said).expect("the broker's output is text");
    said == "ready\n"
}
