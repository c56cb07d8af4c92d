//! Python tools, each set in an environment of its own under `target/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// An environment with what `requirements` lists; made once, and again when the list changes.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    install(name, requirements, &[])
}

/// An environment with what `requirements` lists and nothing that it needs: for its files.
pub(crate) fn files(name: &str, requirements: &Path) -> Result<PathBuf> {
    install(name, requirements, &["--no-deps"])
}

fn install(name: &str, requirements: &Path, options: &[&str]) -> Result<PathBuf> {
    let folder = shell::work("python").join(name);
    let python = folder.join("bin").join("python");
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    let stamp = folder.join("requirements.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !python.exists() {
        shell::run(shell::command("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    shell::run(
        shell::command(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(options)
            .arg("-r")
            .arg(requirements),
    )?;
    std::fs::write(&stamp, wanted)
        .with_context(|| format!("{} cannot be written", stamp.display()))?;
    Ok(python)
}
