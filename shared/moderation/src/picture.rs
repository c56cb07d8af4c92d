//! Whether a picture may be shown: Yahoo's `open_nsfw`, a residual network that was trained to tell
//! pornographic photographs from others, run by tract.
//!
//! The filter is mandatory wherever a model paints. Whoever only draws scenes of its own needs none.

use std::path::{Path, PathBuf};

use fast_image_resize as fir;
use render::{Format, Picture};
use sha2::{Digest as _, Sha256};
use tract_onnx::prelude::*;

use crate::text::{Category, Refusal};

/// The score from which on a picture is refused.
pub const THRESHOLD: f32 = 0.8;

/// The SHA-256 of the weights that the scores and the threshold are of, in hexadecimal.
pub const WEIGHTS_SHA256: &str = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa";

/// A picture is made this wide and high, in pixels,
const RESIZED_PX: u32 = 256;
/// and this much of its middle is looked at.
const SEEN_PX: u32 = 224;
/// The network learned from JPEG files of this quality, and scores what was never one differently.
const JPEG_QUALITY: u8 = 75;
/// What is taken from blue, green and red: their means in what the network learned from.
const MEANS_BGR: [f32; 3] = [104.0, 117.0, 123.0];

/// Weights that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the weights {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not the weights that this filter knows: another version, or a damaged file.
    #[error("the weights have the SHA-256 {actual}, not {WEIGHTS_SHA256}: fetch them again")]
    WrongChecksum {
        /// Of what was given, in hexadecimal.
        actual: String,
    },
    /// The network cannot be built from them.
    #[error("the weights cannot be loaded")]
    Network(#[source] TractError),
}

/// A picture that may not be shown, or of which it is not known.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The filter refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be scored. It must not be shown either.
    #[error(transparent)]
    Unscored(#[from] ScoreError),
}

/// A picture that could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The picture could not be brought to the size and format that the network takes.
    #[error("the picture could not be prepared: {0}")]
    Preparation(String),
    /// The network failed.
    #[error("the network failed")]
    Network(#[source] TractError),
    /// The network gave something that is no score.
    #[error("the network gave no score")]
    NoScore,
}

/// The picture filter, loaded. A clone shares the network; threads may use it at the same time.
#[derive(Debug, Clone)]
pub struct PictureFilter {
    network: Arc<TypedRunnableModel>,
}

impl PictureFilter {
    /// Loads the weights of a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path)
            .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes)
    }

    /// Takes weights as they are in their file, in ONNX.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when they are not those of [`WEIGHTS_SHA256`].
    pub fn from_bytes(weights: &[u8]) -> Result<Self, LoadError> {
        let actual = format!("{:x}", Sha256::digest(weights));
        if actual != WEIGHTS_SHA256 {
            return Err(LoadError::WrongChecksum { actual });
        }
        let network = network(weights).map_err(LoadError::Network)?;
        Ok(Self { network })
    }

    /// How likely the picture is pornographic, from 0 to 1. What is transparent counts as white.
    ///
    /// # Errors
    ///
    /// [`ScoreError`]; a picture without a score must not be shown.
    pub fn score(&self, picture: &Picture) -> Result<f32, ScoreError> {
        let input = input(&prepared(picture)?);
        let side = SEEN_PX as usize;
        let tensor =
            Tensor::from_shape(&[1, side, side, 3], &input).map_err(ScoreError::Network)?;
        let output = self.network.run(tvec!(tensor.into())).map_err(ScoreError::Network)?;
        let tensor = output.first().ok_or(ScoreError::NoScore)?;
        let scores = tensor.to_plain_array_view::<f32>().map_err(ScoreError::Network)?;
        // Of safe and of unsafe.
        match scores.iter().copied().collect::<Vec<_>>()[..] {
            [_, score] if (0.0..=1.0).contains(&score) => Ok(score),
            _ => Err(ScoreError::NoScore),
        }
    }

    /// Whether the picture may be shown: it scores less than [`THRESHOLD`].
    ///
    /// # Errors
    ///
    /// [`CheckError`] when it does not, or has no score.
    pub fn check(&self, picture: &Picture) -> Result<(), CheckError> {
        if self.score(picture)? >= THRESHOLD {
            return Err(Refusal::from(Category::Sexual).into());
        }
        Ok(())
    }
}

fn network(weights: &[u8]) -> Result<Arc<TypedRunnableModel>, TractError> {
    let side = SEEN_PX as usize;
    let shape = f32::fact([1, side, side, 3]);
    let mut weights = weights;
    tract_onnx::onnx()
        .model_for_read(&mut weights)?
        .with_input_fact(0, shape.into())?
        .into_optimized()?
        .into_runnable()
}

/// What the network sees of the picture: its middle, in the size and with the losses that it knows.
fn prepared(picture: &Picture) -> Result<Picture, ScoreError> {
    let failed = |error: &dyn std::fmt::Display| ScoreError::Preparation(error.to_string());
    let margin = (RESIZED_PX - SEEN_PX) / 2;
    let middle =
        resized(picture)?.crop(margin, margin, SEEN_PX, SEEN_PX).map_err(|error| failed(&error))?;
    let jpeg = render::encode(&middle, Format::Jpeg, JPEG_QUALITY).map_err(|e| failed(&e))?;
    Picture::decode(&jpeg).map_err(|error| failed(&error))
}

/// The picture in [`RESIZED_PX`], with the filter that the network knows; [`Picture::resize`] keeps
/// more detail.
fn resized(picture: &Picture) -> Result<Picture, ScoreError> {
    let failed = |error: &dyn std::fmt::Display| ScoreError::Preparation(error.to_string());
    let (width, height) = (picture.width(), picture.height());
    let source = fir::images::ImageRef::new(width, height, picture.rgba(), fir::PixelType::U8x4)
        .map_err(|error| failed(&error))?;
    let mut target = fir::images::Image::new(RESIZED_PX, RESIZED_PX, fir::PixelType::U8x4);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
        .use_alpha(!picture.is_opaque());
    fir::Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
    Picture::from_rgba(RESIZED_PX, RESIZED_PX, target.into_vec()).map_err(|error| failed(&error))
}

/// The pixels as the network takes them: blue, green, red, each without its mean.
fn input(seen: &Picture) -> Vec<f32> {
    let [blue, green, red] = MEANS_BGR;
    seen.rgba()
        .chunks_exact(4)
        .flat_map(|pixel| {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            [b - blue, g - green, r - red]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_turned_round_and_lose_their_means() {
        let picture = Picture::from_rgba(2, 1, vec![1, 2, 3, 255, 123, 117, 104, 255]).unwrap();
        assert_eq!(input(&picture), [-101.0, -115.0, -122.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_middle_is_seen_in_one_size_whatever_the_picture() {
        // Red, with a green frame that is one 32nd of it: half of the 16 in 256 that are cut off.
        let (side, frame) = (512, 16);
        let inside = |at: u32| (frame..side - frame).contains(&at);
        let pixels = (0..side * side)
            .flat_map(|at| match inside(at % side) && inside(at / side) {
                true => [255, 0, 0, 255],
                false => [0, 255, 0, 255],
            })
            .collect();
        let seen = prepared(&Picture::from_rgba(side, side, pixels).unwrap()).unwrap();
        assert_eq!((seen.width(), seen.height()), (SEEN_PX, SEEN_PX));
        assert!(seen.rgba().chunks_exact(4).all(|pixel| pixel[0] > 240 && pixel[1] < 16));
        for (width, height) in [(1, 1), (1, 3000), (256, 256), (700, 33)] {
            let seen = prepared(&Picture::filled(width, height, [9, 9, 9, 255]).unwrap()).unwrap();
            assert_eq!((seen.width(), seen.height()), (SEEN_PX, SEEN_PX));
        }
    }

    #[test]
    fn what_is_transparent_is_white() {
        let seen = prepared(&Picture::filled(8, 8, [200, 0, 0, 0]).unwrap()).unwrap();
        assert!(seen.rgba().iter().all(|channel| *channel > 250));
    }

    #[test]
    fn other_weights_are_refused() {
        let error = PictureFilter::from_bytes(b"no weights").unwrap_err();
        assert!(matches!(error, LoadError::WrongChecksum { .. }), "{error}");
        let error = PictureFilter::load(Path::new("/no/such/weights.onnx")).unwrap_err();
        assert!(error.to_string().contains("/no/such/weights.onnx"));
    }
}
