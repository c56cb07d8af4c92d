//! A Valkey server in a process of its own, to be killed, restarted and promoted by tests.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use redis::{Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

/// How many ports are tried: one is free only until somebody else takes it.
const PORTS_MAX: u32 = 5;

/// How often a server is asked whether it is as it should be.
const ASKED_MAX: u32 = 500;

/// How long it is left alone in between.
const BETWEEN_ASKING: Duration = Duration::from_millis(20);

/// A server with a folder of its own; both are gone when this is dropped.
///
/// All of its functions panic where something goes wrong: a test needs the server.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts a server that forgets everything when it ends.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// Starts a server that has on disk what it has answered.
    #[must_use]
    pub fn durable() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a whole cluster of one, which refuses a script whose keys could be apart.
    #[must_use]
    pub fn cluster() -> Self {
        let server = Self::with(&["--cluster-enabled", "yes"]);
        server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        let whole = || server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        assert!(waited(whole), "the cluster does not come up");
        server
    }

    fn with(options: &[&str]) -> Self {
        (0..PORTS_MAX).find_map(|_| Self::try_with(options)).expect("the server starts")
    }

    fn try_with(options: &[&str]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let folder = tempfile::tempdir().expect("a folder for the server");
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let process = process(&folder, port, &options);
        let mut server = Self { folder, port, options, process };
        server.comes_up().then_some(server)
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills the server, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server ends");
    }

    /// Starts it again where it was, with the files that it left.
    pub fn restart(&mut self) {
        self.process = process(&self.folder, self.port, &self.options);
        assert!(self.comes_up(), "the server does not start again");
    }

    /// Makes this server a replica of `primary`, and waits until it has its data.
    pub fn follow(&self, primary: &Self) {
        self.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
        let up = || self.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up");
        assert!(waited(up), "the replica does not find its primary");
    }

    /// Makes a primary of a replica.
    pub fn promote(&self) {
        self.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Runs a command.
    pub fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_ask(command).expect("the server answers")
    }

    fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        redis::cmd(command[0]).arg(&command[1..]).query(&mut connection)
    }

    /// Waits until this very process answers, and has its data; another may be at its port.
    fn comes_up(&mut self) -> bool {
        let this = format!("process_id:{}\r\n", self.process.id());
        let mut ended = false;
        let up = waited(|| {
            ended = self.process.try_wait().is_ok_and(|status| status.is_some());
            let there = |info: String| info.contains(&this);
            let loaded = || self.try_ask::<String>(&["PING"]).is_ok();
            ended || (self.try_ask(&["INFO", "server"]).is_ok_and(there) && loaded())
        });
        up && !ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "where the tests' server is, not configuration")]
fn process(folder: &TempDir, port: u16, options: &[String]) -> Child {
    let Ok(program) = std::env::var("VALKEY_SERVER") else {
        panic!(
            "VALKEY_SERVER must name the program `valkey-server`; `cargo xtask test` fetches one \
             and sets it"
        );
    };
    Command::new(&program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--repl-diskless-sync-delay", "0", "--dir"])
        .arg(folder.path())
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("`{program}` cannot be started: {error}"))
}

fn waited(mut until: impl FnMut() -> bool) -> bool {
    (0..ASKED_MAX).any(|_| {
        let met = until();
        if !met {
            sleep(BETWEEN_ASKING);
        }
        met
    })
}
