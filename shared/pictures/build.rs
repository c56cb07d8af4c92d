//! Lists the base pictures, so that a new one needs no line of code.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

#[expect(clippy::disallowed_methods, reason = "Cargo talks to build scripts through variables")]
fn folder(variable: &str) -> io::Result<PathBuf> {
    env::var(variable).map(PathBuf::from).map_err(io::Error::other)
}

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=base");
    let base = folder("CARGO_MANIFEST_DIR")?.join("base");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(base)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "jpg"));
    // By id, as `get` looks them up: as file names, `a-b.jpg` would come before `a.jpg`.
    paths.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    let mut code = String::from("static BASES: &[(&str, &[u8])] = &[\n");
    for path in paths {
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        // Writing to a `String` cannot fail.
        let _ = writeln!(code, "    ({id:?}, include_bytes!({path:?})),");
    }
    code.push_str("];\n");
    fs::write(folder("OUT_DIR")?.join("bases.rs"), code)
}
