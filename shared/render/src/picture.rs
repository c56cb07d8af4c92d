//! Pictures in memory.

use std::io::Cursor;
use std::sync::Arc;

use fast_image_resize as fir;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageError, ImageFormat, ImageReader};

/// The most pixels that [`Picture::decode`] takes, and that any picture may have.
pub const MAX_PIXELS: u64 = 40_000_000;

/// Bytes that are not a picture that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Neither PNG, nor JPEG, nor WebP.
    #[error("not a PNG, JPEG or WebP picture")]
    UnknownFormat,
    /// More pixels than the limit. Told from the header, before anything is decoded.
    #[error("{width} x {height} pixels are more than {limit}")]
    TooManyPixels {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
        /// The limit that was set.
        limit: u64,
    },
    /// Damaged, cut short, or of a kind that no decoder here knows.
    #[error("the picture cannot be decoded")]
    Broken(#[source] ImageError),
}

/// A size or a buffer that makes no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A width or height of zero.
    #[error("a picture needs at least one pixel")]
    Empty,
    /// More pixels than [`MAX_PIXELS`].
    #[error("{0} pixels are more than {MAX_PIXELS}")]
    TooManyPixels(u64),
    /// A buffer of another length than four bytes a pixel.
    #[error("{expected} bytes of pixels were expected, {actual} were given")]
    Length {
        /// Four times the width times the height, in bytes.
        expected: u64,
        /// What was given, in bytes.
        actual: usize,
    },
}

/// A picture: rows of pixels from top to bottom, each of red, green, blue and alpha (not
/// premultiplied), a byte each, in sRGB. A clone shares the pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pixels: Arc<Vec<u8>>,
    width: u32,
    height: u32,
    opaque: bool,
}

impl Picture {
    /// A picture of `pixels`, four bytes each.
    ///
    /// # Errors
    ///
    /// [`PictureError`] when the size is zero or above [`MAX_PIXELS`], or the length does not match.
    pub fn from_rgba(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, PictureError> {
        let expected = checked_pixels(width, height)? * 4;
        if pixels.len() as u64 != expected {
            return Err(PictureError::Length { expected, actual: pixels.len() });
        }
        let opaque = pixels.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX);
        Ok(Self { pixels: Arc::new(pixels), width, height, opaque })
    }

    /// A picture of one colour (red, green, blue, alpha).
    ///
    /// # Errors
    ///
    /// [`PictureError`] when the size is zero or above [`MAX_PIXELS`].
    pub fn filled(width: u32, height: u32, colour: [u8; 4]) -> Result<Self, PictureError> {
        let count = checked_pixels(width, height)?;
        // At most `MAX_PIXELS`, which fits any usize that this runs on.
        let pixels = colour.repeat(count as usize);
        Self::from_rgba(width, height, pixels)
    }

    /// Decodes PNG, JPEG or WebP, turned upright when the file says how it was held. An animation
    /// gives its first frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; the limit is [`MAX_PIXELS`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_limited(bytes, MAX_PIXELS)
    }

    /// Like [`decode`](Self::decode), with a limit of its own on width times height. A limit above
    /// [`MAX_PIXELS`] is taken as that.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode_limited(bytes: &[u8], pixels_max: u64) -> Result<Self, DecodeError> {
        let limit = pixels_max.min(MAX_PIXELS);
        let format = image::guess_format(bytes).map_err(|_| DecodeError::UnknownFormat)?;
        if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
            return Err(DecodeError::UnknownFormat);
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = image::Limits::no_limits();
        // Eight bytes a pixel is the widest that these formats decode to, and decoders want room
        // of their own beside it.
        limits.max_alloc = Some(limit.saturating_mul(16).saturating_add(1 << 20));
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(DecodeError::Broken)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > limit {
            return Err(DecodeError::TooManyPixels { width, height, limit });
        }
        let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut decoded =
            image::DynamicImage::from_decoder(decoder).map_err(DecodeError::Broken)?;
        decoded.apply_orientation(turned);
        let decoded = decoded.into_rgba8();
        let (width, height) = decoded.dimensions();
        Self::from_rgba(width, height, decoded.into_raw()).map_err(|_| DecodeError::UnknownFormat)
    }

    /// Pixels from left to right, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Four bytes a pixel, row by row.
    #[must_use]
    pub fn rgba(&self) -> &[u8] {
        &self.pixels
    }

    /// Whether no pixel is transparent.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// The same picture, `width` by `height` pixels, stretched when the proportions differ.
    ///
    /// # Errors
    ///
    /// [`PictureError`] when the size is zero or above [`MAX_PIXELS`].
    pub fn resize(&self, width: u32, height: u32) -> Result<Self, PictureError> {
        checked_pixels(width, height)?;
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let source =
            fir::images::ImageRef::new(self.width, self.height, &self.pixels, fir::PixelType::U8x4)
                .map_err(|_| PictureError::Empty)?;
        let mut target = fir::images::Image::new(width, height, fir::PixelType::U8x4);
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3))
            .use_alpha(!self.opaque);
        // It fails only for pixel types or crop boxes that do not match; both are set here.
        fir::Resizer::new()
            .resize(&source, &mut target, &options)
            .map_err(|_| PictureError::Empty)?;
        Self::from_rgba(width, height, target.into_vec())
    }

    /// The same picture with its proportions kept, as large as `width` by `height` pixels allow,
    /// but no larger than it is. The shorter side is never less than one pixel.
    ///
    /// # Errors
    ///
    /// [`PictureError::Empty`] when a bound is zero.
    pub fn shrink_to(&self, width: u32, height: u32) -> Result<Self, PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Empty);
        }
        let scale = (f64::from(width) / f64::from(self.width))
            .min(f64::from(height) / f64::from(self.height));
        if scale >= 1.0 {
            return Ok(self.clone());
        }
        let scaled =
            |side: u32, bound: u32| ((f64::from(side) * scale).round() as u32).clamp(1, bound);
        self.resize(scaled(self.width, width), scaled(self.height, height))
    }

    /// The part of `width` by `height` pixels whose top left corner is at (`left`, `top`), as far
    /// as it lies within the picture.
    ///
    /// # Errors
    ///
    /// [`PictureError::Empty`] when nothing of it does.
    pub fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Result<Self, PictureError> {
        let width = width.min(self.width.saturating_sub(left));
        let height = height.min(self.height.saturating_sub(top));
        checked_pixels(width, height)?;
        let pixels = (top..top + height)
            .flat_map(|y| {
                let start = (y as usize * self.width as usize + left as usize) * 4;
                &self.pixels[start..start + width as usize * 4]
            })
            .copied()
            .collect();
        Self::from_rgba(width, height, pixels)
    }

    /// The picture in the middle of `width` by `height` pixels of `colour` (red, green, blue,
    /// alpha). A side that is shorter than the picture's is taken as the picture's.
    ///
    /// # Errors
    ///
    /// [`PictureError::TooManyPixels`].
    pub fn pad(&self, width: u32, height: u32, colour: [u8; 4]) -> Result<Self, PictureError> {
        let (width, height) = (width.max(self.width), height.max(self.height));
        let count = checked_pixels(width, height)?;
        let mut pixels = colour.repeat(count as usize);
        let left = ((width - self.width) / 2) as usize;
        let top = ((height - self.height) / 2) as usize;
        let row_bytes = self.width as usize * 4;
        for (y, row) in self.pixels.chunks_exact(row_bytes).enumerate() {
            let start = ((top + y) * width as usize + left) * 4;
            pixels[start..start + row_bytes].copy_from_slice(row);
        }
        Self::from_rgba(width, height, pixels)
    }

    /// Takes the place of `from_rgba` where the pixels are known to be as many and as opaque as
    /// those of `self`.
    pub(crate) fn with_pixels(&self, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), self.pixels.len());
        Self { pixels: Arc::new(pixels), ..*self }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("opaque", &self.opaque)
            .finish_non_exhaustive()
    }
}

fn checked_pixels(width: u32, height: u32) -> Result<u64, PictureError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(PictureError::Empty),
        count if count > MAX_PIXELS => Err(PictureError::TooManyPixels(count)),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, encode};

    fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height)
            .flat_map(|y| {
                (0..width)
                    .flat_map(move |x| [(x * 255 / width) as u8, (y * 255 / height) as u8, 90, 255])
            })
            .collect();
        Picture::from_rgba(width, height, pixels).unwrap()
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(matches!(Picture::decode(b""), Err(DecodeError::UnknownFormat)));
        assert!(matches!(
            Picture::decode(b"GIF89a\x01\x00\x01\x00"),
            Err(DecodeError::UnknownFormat)
        ));
        assert_eq!(
            Picture::from_rgba(2, 2, vec![0; 15]).unwrap_err(),
            PictureError::Length { expected: 16, actual: 15 }
        );
        assert_eq!(Picture::from_rgba(0, 7, vec![]).unwrap_err(), PictureError::Empty);
    }

    #[test]
    fn damaged_and_cut_pictures_are_errors_or_pictures_but_never_a_panic() {
        for format in [Format::Png, Format::Jpeg, Format::Webp] {
            let whole = encode(&gradient(60, 40), format, 80).unwrap();
            // A decoder may still show what arrived of a cut JPEG; a header alone shows nothing.
            assert!(Picture::decode(&whole[..20]).is_err(), "{format:?}");
            for cut in (0..whole.len()).step_by(7) {
                drop(Picture::decode(&whole[..cut]));
            }
            for at in 0..whole.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] ^= flip;
                    drop(Picture::decode_limited(&damaged, 100_000));
                }
            }
        }
    }

    #[test]
    fn a_huge_picture_is_refused_by_its_header() {
        for format in [Format::Png, Format::Jpeg, Format::Webp] {
            let bytes = encode(&gradient(60, 40), format, 80).unwrap();
            assert!(
                matches!(
                    Picture::decode_limited(&bytes, 2_399),
                    Err(DecodeError::TooManyPixels { width: 60, height: 40, limit: 2_399 })
                ),
                "{format:?}"
            );
            assert!(Picture::decode_limited(&bytes, 2_400).is_ok());
        }
    }

    #[test]
    fn sizes_and_places_are_kept() {
        let base = gradient(60, 40);
        let smaller = base.resize(30, 20).unwrap();
        assert_eq!((smaller.width(), smaller.height()), (30, 20));
        assert!(smaller.is_opaque());
        let (a, b) = (&base.rgba()[..3], &smaller.rgba()[..3]);
        assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) < 12));

        let shrunk = base.shrink_to(30, 30).unwrap();
        assert_eq!((shrunk.width(), shrunk.height()), (30, 20));
        assert_eq!(base.shrink_to(600, 600).unwrap(), base);
        let thin = gradient(1_000, 1).shrink_to(10, 10).unwrap();
        assert_eq!((thin.width(), thin.height()), (10, 1));

        let padded = base.pad(64, 40, [1, 2, 3, 255]).unwrap();
        assert_eq!(&padded.rgba()[..4], &[1, 2, 3, 255]);
        assert_eq!(padded.crop(2, 0, 60, 40).unwrap(), base);
        assert_eq!(base.crop(60, 0, 5, 5).unwrap_err(), PictureError::Empty);
        let corner = base.crop(50, 30, 500, 500).unwrap();
        assert_eq!((corner.width(), corner.height()), (10, 10));
    }

    #[test]
    fn a_clone_shares_its_pixels() {
        let base = gradient(60, 40);
        assert_eq!(base.clone().rgba().as_ptr(), base.rgba().as_ptr());
    }
}
