//! The service as a process of its own, that can be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use maas_kafka::testing::Broker;
use serde_json::Value;

/// `cargo run` in a data folder. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    folder: PathBuf,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]
impl Process {
    /// Starts the service on `folder`, and waits until it answers.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// [`start`](Self::start), with more arguments.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(folder: &Path, more: &[&str]) -> Self {
        let demo = folder.join("demo.json");
        let before = std::fs::read(&demo).ok();
        let child = Command::new(program("local"))
            .arg("--data")
            .arg(folder)
            .args(["--port", "0", "--no-pool"])
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .expect("the service can be started");
        let mut process = Self { child, folder: folder.to_owned() };
        for _ in 0..1_200 {
            if let Some(status) = process.child.try_wait().expect("the process can be asked") {
                panic!("the service ended by itself: {status}");
            }
            // The file is the last thing that a start writes, with this start's ports in it.
            if std::fs::read(&demo).is_ok_and(|now| Some(&now) != before.as_ref()) {
                return process;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the service did not start");
    }

    /// What `demo.json` says.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn demo(&self) -> Value {
        let text = std::fs::read(self.folder.join("demo.json")).expect("demo.json is there");
        serde_json::from_slice(&text).expect("demo.json is JSON")
    }

    /// Where the service is.
    ///
    /// # Panics
    /// If `demo.json` does not say.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.demo()["base_url"].as_str().expect("demo.json says where").to_owned()
    }

    /// Ends it at once, as a power cut does.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it can be waited for");
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// If it does not end well within half a minute.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("`kill` runs");
        assert!(asked.success());
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the service did not stop");
    }

    /// Runs the operator's CLI on this service, and gives what it printed as JSON.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn memes(&self, arguments: &[&str]) -> Value {
        let output = Command::new(program("memes"))
            .args(arguments)
            .arg("--data")
            .arg(&self.folder)
            .arg("--json")
            .output()
            .expect("the CLI can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "memes {arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).expect("`--json` prints JSON")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Kafka broker with these topics, in a process of its own.
#[must_use]
pub fn kafka(topics: &[&str]) -> Broker {
    Broker::start_program(program("kafka-broker"), topics)
}

/// The same with a broker that has on disk what it has acknowledged.
#[must_use]
pub fn durable_kafka(topics: &[&str]) -> Broker {
    Broker::durable_program(program("kafka-broker"), topics)
}

/// The workspace's program of this name, as it is now.
#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
pub(crate) fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        // Cargo builds programs only for tests of their own package; `--workspace` is what everything
        // else is built with, so that nothing is built twice with other features.
        let built = Command::new(env!("CARGO"))
            .args(["build", "--workspace", "--bins", "--tests", "--quiet"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo can be started");
        assert!(built.success(), "the programs are built");
        // This test is in `deps`, the programs are in the folder above.
        let test = std::env::current_exe().expect("a process knows its program");
        test.ancestors().nth(2).expect("a test lies in a folder of cargo's").to_owned()
    });
    folder.join(name)
}
