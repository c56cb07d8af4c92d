//! A broker in a process of its own, to be killed and started again by tests.
//!
//! The program is `kafka-broker` of this crate: librdkafka's mock cluster, with one broker. It speaks
//! the real protocol, keeps groups and checks the sequence numbers of idempotent producers, but cannot
//! be asked to create a topic.
//!
//! It keeps everything in memory. One that takes the place of a killed one knows nothing of what that
//! had acknowledged, and a consumer that lives on would believe itself far ahead: start a new one. For
//! a broker that comes back with all it had, there are [`Broker::cut`] and [`Broker::mend`].

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

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
    topics: Vec<String>,
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Broker {
    /// Starts `program` with these topics, four partitions each.
    #[must_use]
    pub fn start_program(program: impl AsRef<Path>, topics: &[&str]) -> Self {
        let program = program.as_ref().to_owned();
        let topics: Vec<_> = topics.iter().map(|&topic| topic.to_owned()).collect();
        let started = (0..PORTS_MAX).find_map(|_| {
            // Other processes begin elsewhere.
            let number = STARTED.fetch_add(1, Ordering::Relaxed) + std::process::id() * 97;
            let port = PORTS.0 + number % PORTS.1;
            Some((port, process(&program, port, &topics)?))
        });
        let (port, (process, output)) = started.expect("the broker starts");
        Self { program, port, topics, process, output }
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

    /// Starts another one at the same address, with the same topics and nothing in them.
    pub fn restart(&mut self) {
        (self.process, self.output) = process(&self.program, self.port, &self.topics)
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
    topics: &[String],
) -> Option<(Child, BufReader<ChildStdout>)> {
    let mut process = Command::new(program)
        .arg(port.to_string())
        .args(topics)
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
