//! Pictures of prompts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use render::Picture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::CallError;
use crate::http::Http;
use crate::retry::RetryPolicy;
use crate::service::Service;

/// The most pictures of one call.
pub const COUNT_MAX: u8 = 4;

/// The most bytes of one picture as the service sends it.
pub const PICTURE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most pixels of one picture as the service sends it.
pub const PIXELS_MAX: u64 = 8_388_608;

/// What an answer has beside its pictures, at most, in bytes.
const REST_BYTES_MAX: usize = 64 * 1024;

/// Pictures that are to be painted: variants of one prompt.
#[derive(Debug, Clone, Copy)]
pub struct ImageRequest<'a> {
    /// What they should show.
    pub prompt: &'a str,
    /// The width, in pixels.
    pub width: u32,
    /// The height, in pixels.
    pub height: u32,
    /// How many: at least 1, and [`COUNT_MAX`] at most.
    pub count: u8,
    /// The same request with the same seed gives the same pictures. Services take 31 bits of it.
    pub seed: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    n: u8,
    size: String,
    response_format: &'static str,
    seed: u64,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Painted>,
}

#[derive(Deserialize)]
struct Painted {
    b64_json: Option<String>,
    url: Option<String>,
}

/// A service that paints.
#[derive(Debug)]
pub struct Images {
    http: Http,
}

impl Images {
    /// A client of `service`. It connects when it is first used.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] if the machine lacks what HTTPS needs.
    pub fn new(service: Service, policy: RetryPolicy) -> Result<Self, CallError> {
        Ok(Self { http: Http::new(service, policy)? })
    }

    /// Waits until the service is ready, which may take minutes while it loads its model.
    ///
    /// # Errors
    /// Why it is not ready, once the time is up.
    pub async fn ready(&self, within: Duration) -> Result<(), CallError> {
        self.http.ready(within).await
    }

    /// The service that is asked.
    #[must_use]
    pub const fn service(&self) -> &Service {
        self.http.service()
    }

    /// Paints as many pictures as `request` says, all in one call, each of the size that it says.
    ///
    /// # Errors
    /// [`CallError`]; either all pictures are good or there is none.
    pub async fn generate(
        &self,
        request: &ImageRequest<'_>,
        within: Duration,
    ) -> Result<Vec<Picture>, CallError> {
        let ends = Instant::now() + within;
        let count = request.count.clamp(1, COUNT_MAX);
        let body = Body {
            prompt: request.prompt,
            model: self.http.service().model(),
            n: count,
            size: format!("{}x{}", request.width, request.height),
            response_format: "b64_json",
            seed: request.seed & 0x7fff_ffff,
        };
        // Four characters of Base64 are three bytes.
        let bytes_max = (PICTURE_BYTES_MAX / 3 * 4 + REST_BYTES_MAX) * usize::from(count);
        let answer = self.http.post("v1/images/generations", &body, bytes_max, within).await?;
        let Answer { data } = serde_json::from_slice(&answer)
            .map_err(|_| CallError::Malformed("it is not JSON with a list of pictures"))?;
        drop(answer);
        if data.len() < usize::from(count) {
            return Err(CallError::Malformed("it has fewer pictures than were asked for"));
        }
        let mut pictures = Vec::with_capacity(usize::from(count));
        for painted in data.into_iter().take(usize::from(count)) {
            let left = ends.saturating_duration_since(Instant::now());
            let bytes = self.bytes(painted, left).await?;
            pictures.push(decoded(bytes, request.width, request.height).await?);
        }
        Ok(pictures)
    }

    async fn bytes(&self, painted: Painted, within: Duration) -> Result<Vec<u8>, CallError> {
        match painted {
            Painted { b64_json: Some(text), .. } => STANDARD
                .decode(text.as_bytes())
                .map_err(|_| CallError::Malformed("a picture is not in Base64")),
            Painted { url: Some(address), .. } => {
                let url = self
                    .http
                    .service()
                    .own(&address)
                    .map_err(|origin| CallError::Elsewhere { origin })?;
                Ok(self.http.get(&url, PICTURE_BYTES_MAX, within).await?.into())
            }
            Painted { .. } => Err(CallError::Malformed("a picture is neither there nor anywhere")),
        }
    }
}

/// Decodes a picture and makes it `width` by `height` pixels. It takes a core for some milliseconds,
/// and so is done where nobody waits for that.
async fn decoded(bytes: Vec<u8>, width: u32, height: u32) -> Result<Picture, CallError> {
    let decoding = tokio::task::spawn_blocking(move || {
        if bytes.len() > PICTURE_BYTES_MAX {
            return Err(CallError::TooLarge { bytes_max: PICTURE_BYTES_MAX });
        }
        let picture = Picture::decode_limited(&bytes, PIXELS_MAX)
            .map_err(|error| CallError::NoPicture(error.into()))?;
        fitted(&picture, width, height)
    });
    decoding.await.map_err(|error| CallError::NoPicture(error.into()))?
}

/// The picture in `width` by `height` pixels: scaled down until one side fits, the other cropped.
fn fitted(picture: &Picture, width: u32, height: u32) -> Result<Picture, CallError> {
    let painted = (picture.width(), picture.height());
    if painted == (width, height) {
        return Ok(picture.clone());
    }
    if painted.0 < width || painted.1 < height {
        return Err(CallError::Small { asked: (width, height), painted });
    }
    let scale =
        (f64::from(width) / f64::from(painted.0)).max(f64::from(height) / f64::from(painted.1));
    // Both are between the side that was asked for and the one that was painted.
    let scaled = |side: u32, least: u32| ((f64::from(side) * scale).round() as u32).max(least);
    let (wide, high) = (scaled(painted.0, width), scaled(painted.1, height));
    picture
        .resize(wide, high)
        .and_then(|scaled| scaled.crop((wide - width) / 2, (high - height) / 2, width, height))
        .map_err(|error| CallError::NoPicture(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red on its left third, green in the middle, blue on the right.
    fn striped(width: u32, height: u32) -> Picture {
        let pixels = (0..height).flat_map(|_| 0..width).flat_map(|x| match 3 * x / width {
            0 => [255, 0, 0, 255],
            1 => [0, 255, 0, 255],
            _ => [0, 0, 255, 255],
        });
        Picture::from_rgba(width, height, pixels.collect()).unwrap()
    }

    #[test]
    fn a_larger_picture_is_scaled_and_cropped_around_its_middle() {
        let fitted = fitted(&striped(600, 200), 100, 100).unwrap();
        assert_eq!((fitted.width(), fitted.height()), (100, 100));
        let pixel = |x: usize| &fitted.rgba()[(50 * 100 + x) * 4..][..3];
        assert_eq!(
            (pixel(5), pixel(50), pixel(94)),
            (&[0, 255, 0][..], &[0, 255, 0][..], &[0, 255, 0][..])
        );
    }

    #[test]
    fn a_picture_that_is_as_asked_is_not_touched_and_a_smaller_one_is_not_taken() {
        assert_eq!(fitted(&striped(30, 20), 30, 20).unwrap(), striped(30, 20));
        for (width, height) in [(31, 20), (30, 21), (60, 10)] {
            let error = fitted(&striped(30, 20), width, height).unwrap_err();
            assert!(matches!(error, CallError::Small { painted: (30, 20), .. }), "{error}");
        }
    }
}
