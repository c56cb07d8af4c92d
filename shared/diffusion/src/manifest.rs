//! The files of a model, and that they are what was published.
//!
//! `SHA256SUMS` in the model's folder has a line of `sha256sum` for each file. It is also the list of
//! what there is: a shard that is missing is known by its name, and a file that is not listed is
//! never read. Files are opened once, so that what is hashed is what is loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::LoadError;

/// The name of the list.
pub(crate) const NAME: &str = "SHA256SUMS";

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// A file of the model, open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) bytes: u64,
    sum: [u8; 32],
}

impl Opened {
    fn open(path: PathBuf, sum: [u8; 32]) -> Result<Self, LoadError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => LoadError::Missing { path: path.clone() },
            _ => LoadError::Read { path: path.clone(), source },
        };
        let file = File::open(&path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Self { path, file, bytes, sum })
    }

    /// Fills `into` with what lies at `at`.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), LoadError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(into))
            .map_err(|source| LoadError::Read { path: self.path.clone(), source })
    }

    /// All that is in it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, LoadError> {
        let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        let mut content = vec![0; bytes];
        self.read_at(0, &mut content)?;
        Ok(content)
    }

    fn check(&self) -> Result<(), LoadError> {
        let mut digest = Sha256::new();
        let mut block = vec![0; BLOCK_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let next = usize::try_from(self.bytes - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            self.read_at(at, &mut block[..next])?;
            digest.update(&block[..next]);
            at += next as u64;
        }
        if <[u8; 32]>::from(digest.finalize()) == self.sum {
            Ok(())
        } else {
            Err(LoadError::Checksum { path: self.path.clone() })
        }
    }
}

/// The files of a model by their paths below its folder, with `/` between names.
#[derive(Debug)]
pub(crate) struct Files(BTreeMap<String, Opened>);

impl Files {
    /// Opens what the list in `folder` names.
    pub(crate) fn open(folder: &Path) -> Result<Self, LoadError> {
        let list = Opened::open(folder.join(NAME), [0; 32])?.read()?;
        let list = str::from_utf8(&list)
            .map_err(|_| LoadError::Manifest { line: 1, reason: "it is not UTF-8" })?;
        let mut files = BTreeMap::new();
        for (number, line) in list.lines().enumerate() {
            let (path, sum) =
                entry(line).map_err(|reason| LoadError::Manifest { line: number + 1, reason })?;
            files.insert(path.to_owned(), Opened::open(folder.join(path), sum)?);
        }
        Ok(Self(files))
    }

    /// Holds every file to its checksum, several at once.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        self.0.par_iter().try_for_each(|(_, file)| file.check())
    }

    /// What is in a file that the model needs.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let unlisted = || LoadError::Unlisted { path: path.to_owned() };
        self.0.get(path).ok_or_else(unlisted)?.read()
    }

    /// Takes the files of weights of one part of the model, in the order of their names.
    pub(crate) fn take_weights(&mut self, part: &'static str) -> Result<Vec<Opened>, LoadError> {
        let prefix = format!("{part}/");
        let weights: Vec<_> = self
            .0
            .extract_if(.., |path, _| path.starts_with(&prefix) && path.ends_with(".safetensors"))
            .map(|(_, file)| file)
            .collect();
        if weights.is_empty() {
            return Err(LoadError::Unlisted { path: format!("{part}/*.safetensors") });
        }
        Ok(weights)
    }
}

/// A line of the list: the path and the checksum.
fn entry(line: &str) -> Result<(&str, [u8; 32]), &'static str> {
    let (digits, path) = line.split_once(' ').ok_or("it has no path")?;
    // A blank or a star: how `sha256sum` read the file, which is all the same here.
    let path = path.strip_prefix([' ', '*']).ok_or("its path does not follow two characters")?;
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.is_empty() || !Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) {
        return Err("its path leaves the folder");
    }
    Ok((path, checksum(digits).ok_or("its checksum is not 64 hexadecimal digits")?))
}

fn checksum(digits: &str) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    if digits.len() != 2 * sum.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, at) in sum.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sha256sum_are_read() {
        let sum = "00ff".repeat(16);
        for line in [
            format!("{sum}  vae/config.json"),
            format!("{sum} *vae/config.json"),
            format!("{sum}  ./vae/config.json"),
        ] {
            let (path, bytes) = entry(&line).unwrap();
            assert_eq!(path, "vae/config.json");
            assert_eq!(bytes[..3], [0x00, 0xff, 0x00]);
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let sum = "0f".repeat(32);
        for line in [
            String::new(),
            sum.clone(),
            format!("{sum} vae"),
            format!("{sum}  "),
            format!("{sum}  /etc/passwd"),
            format!("{sum}  ../other/model"),
            format!("{}  vae", &sum[2..]),
            format!("{}  vae", "zz".repeat(32)),
            format!("{}  vae", "é".repeat(32)),
        ] {
            assert!(entry(&line).is_err(), "{line}");
        }
    }
}
