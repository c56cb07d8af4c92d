//! From SVG to pixels.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::{SIDE_PX_MAX, Scene, SceneError};

/// Pixels: rows from the top, four bytes each (red, green, blue, alpha; not premultiplied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `width * height * 4` bytes.
    pub rgba: Vec<u8>,
}

/// Draws `scene`, `width` pixels wide.
///
/// # Errors
///
/// What [`Scene::check`] finds, and [`SceneError::Raster`].
pub fn rasterise(scene: &Scene, width: u32) -> Result<Picture, SceneError> {
    let mut picture = rasterise_svg(&scene.to_svg()?, width)?;
    // A set covers its picture, but each layer that is blended in eight bits may take a little off
    // what is there.
    for pixel in picture.rgba.chunks_exact_mut(4) {
        pixel[3] = u8::MAX;
    }
    Ok(picture)
}

/// Draws an SVG document, `width` pixels wide. Nothing outside the document is read.
///
/// # Errors
///
/// [`SceneError::Raster`] when it is not an SVG document or too large.
pub fn rasterise_svg(svg: &str, width: u32) -> Result<Picture, SceneError> {
    let mut options = Options::default();
    // An SVG document may name pictures in files; a scene never does.
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let tree =
        Tree::from_str(svg, &options).map_err(|error| SceneError::Raster(error.to_string()))?;
    let size = tree.size();
    #[expect(clippy::cast_precision_loss, reason = "a side in pixels is exact in an `f32`")]
    let scale = width as f32 / size.width();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the size is checked below"
    )]
    let height = (size.height() * scale).round() as u32;
    if !(1..=SIDE_PX_MAX).contains(&width) || !(1..=SIDE_PX_MAX).contains(&height) {
        return Err(SceneError::Raster(format!("{width} by {height} pixels is too large")));
    }
    let mut pixmap = Pixmap::new(width, height)
        .ok_or_else(|| SceneError::Raster("the picture is empty".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    Ok(Picture { width, height, rgba: pixmap.take_demultiplied() })
}
