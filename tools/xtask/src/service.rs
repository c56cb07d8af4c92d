//! The local stack as a child process, for the steps that talk to it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell;

/// The running service. Stopped when dropped.
pub(crate) struct Service {
    child: Child,
    /// The folder with its data and its `demo.json`.
    pub(crate) data: PathBuf,
}

impl Service {
    /// Builds the local stack and starts it on free ports with a data folder of its own.
    pub(crate) fn start(name: &str) -> Result<Self> {
        shell::build()?;
        let data = shell::work("service").join(name);
        if data.exists() {
            std::fs::remove_dir_all(&data)
                .with_context(|| format!("{} cannot be removed", data.display()))?;
        }
        let child = shell::program("local")
            .arg("--data")
            .arg(&data)
            .args(["--port", "0"])
            .stdout(Stdio::null())
            .spawn()
            .context("the local stack could not be started")?;
        let mut service = Self { child, data };
        service.wait_until_ready()?;
        Ok(service)
    }

    /// The file that tells clients where the service is.
    pub(crate) fn demo(&self) -> PathBuf {
        self.data.join("demo.json")
    }

    /// The address of the service.
    pub(crate) fn base_url(&self) -> Result<String> {
        read_base_url(&self.demo())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait()? {
                bail!("the local stack ended by itself: {status}");
            }
            if self.demo().exists() && read_base_url(&self.demo()).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the local stack was not ready within 30 seconds")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_base_url(demo: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(demo)?.read_to_string(&mut text)?;
    let demo: serde_json::Value = serde_json::from_str(&text)?;
    demo["base_url"].as_str().map(str::to_owned).context("demo.json has no base_url")
}
