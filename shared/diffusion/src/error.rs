//! What goes wrong.

use std::io;
use std::path::PathBuf;

/// Why a model was not loaded. The text is for the operator and says what to change.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that the model needs is not there.
    #[error("`{}` is missing: download the model's folder again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("`{}` could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of checksums is not one.
    #[error("line {line} of SHA256SUMS is not one of sha256sum's: {reason}")]
    Manifest {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that the model needs has no checksum.
    #[error("SHA256SUMS does not list `{path}`: make it anew with `sha256sum` in the folder")]
    Unlisted {
        /// Where it should be, below the folder.
        path: String,
    },
    /// A file is not what was published.
    #[error("`{}` does not have the checksum of SHA256SUMS: download it again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// A file of weights is shorter or longer than its header says.
    #[error(
        "`{}` has {found_bytes} bytes instead of {expected_bytes}: download it again",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// What its header says.
        expected_bytes: u64,
        /// What is there.
        found_bytes: u64,
    },
    /// A file of weights has a header that cannot be read.
    #[error("`{}` has no header of safetensors: {reason}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration cannot be read, or describes a model that this crate cannot build.
    #[error("`{path}`: {reason}")]
    Config {
        /// The file, below the folder.
        path: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer cannot be read.
    #[error("`tokenizer/tokenizer.json`: {0}")]
    Tokenizer(String),
    /// The weights lack a tensor.
    #[error("the weights of `{part}` have no tensor `{tensor}`: they are of another model")]
    TensorMissing {
        /// The part of the model: the name of its folder.
        part: &'static str,
        /// The tensor.
        tensor: String,
    },
    /// The weights have a tensor of another shape than the configuration says.
    #[error(
        "tensor `{tensor}` of `{part}` is {found:?}, and `{part}/config.json` makes it {expected:?}"
    )]
    TensorShape {
        /// The part of the model: the name of its folder.
        part: &'static str,
        /// The tensor.
        tensor: String,
        /// Its shape by the configuration.
        expected: Vec<usize>,
        /// Its shape in the weights.
        found: Vec<usize>,
    },
    /// Two files of weights have a tensor of the same name.
    #[error("tensor `{tensor}` of `{part}` is in two files: keep the files of one download")]
    TensorTwice {
        /// The part of the model: the name of its folder.
        part: &'static str,
        /// The tensor.
        tensor: String,
    },
    /// The weights do not fit into memory.
    #[error(
        "the weights take {needed_bytes} bytes and {available_bytes} are available: \
         take a larger machine or a shorter number format"
    )]
    Memory {
        /// What loading them takes.
        needed_bytes: u64,
        /// What there is, or what was allowed.
        available_bytes: u64,
    },
    /// The device is not there, or this build cannot use it.
    #[error("{device} cannot be used: {reason}")]
    Device {
        /// The device, as configuration names it.
        device: String,
        /// Why.
        reason: String,
    },
    /// The model could not be built; on a GPU most often as its memory is full.
    #[error("`{part}` could not be built: {reason}")]
    Build {
        /// The part of the model: the name of its folder.
        part: &'static str,
        /// What the library said.
        reason: String,
    },
}

/// Why a picture was not painted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    /// A side is zero, or there are too many pixels.
    #[error("{width} by {height} pixels are none or too many: {PIXELS_MAX} at most")]
    Size {
        /// The width that was asked for.
        width: u32,
        /// The height that was asked for.
        height: u32,
    },
    /// No steps, or too many.
    #[error("{0} steps are none or too many: 1 to {STEPS_MAX}")]
    Steps(usize),
    /// Whoever watched it wanted no more of it.
    #[error("cancelled after {done} steps")]
    Cancelled {
        /// The steps that were done by then.
        done: usize,
    },
    /// The numbers ran over, which a number format of too small a range does.
    #[error("the picture is no number any more: take bf16 or f32")]
    NotFinite,
    /// The library failed; on a GPU most often as its memory is full.
    #[error("{0}")]
    Failed(String),
}

/// The most pixels of a picture. The model was trained for a quarter of it.
pub const PIXELS_MAX: u64 = 2_048 * 2_048;

/// The most steps of a picture. The model was trained for 8.
pub const STEPS_MAX: usize = 100;

impl From<candle_core::Error> for PaintError {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(plain(&error))
    }
}

/// What the library says, without the stack that it may add.
pub(crate) fn plain(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_stack_is_left_out() {
        let error = candle_core::Error::Msg("no such op\n   0: a frame\n   1: another".to_owned());
        assert_eq!(PaintError::from(error), PaintError::Failed("no such op".to_owned()));
    }
}
