//! Pictures to look at: many on one sheet, or one with its captions and their boxes.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use catalogue::{Catalogue, Template};
use render::{CaptionBox, Case, Format, Picture, Rect, Style, draw_captions};

use crate::studio::{Studio, paint};

const COLUMNS: usize = 5;

/// Of one picture on a sheet; all lengths are in pixels.
const WIDTH: u32 = 360;

const GAP: u32 = 10;

/// Of the line with the template's id below each picture.
const LABEL: u32 = 30;

const PAPER: [u8; 4] = [245, 245, 248, 255];

/// The colours that boxes are outlined in, in turn.
const MARKS: [[u8; 3]; 3] = [[255, 0, 180], [0, 200, 255], [60, 220, 60]];

/// Of the lines around boxes.
const MARK_WIDTH: f32 = 4.0;

/// Writes one picture at its full size.
pub(crate) fn preview(
    studio: &Studio,
    id: &str,
    captions: &[String],
    boxes: bool,
    out: &Path,
) -> Result<()> {
    let template = Catalogue::embedded()
        .template(id)
        .with_context(|| format!("the catalogue has no template {id}, or left it out"))?;
    let scene = studio.scene(id)?;
    let base = paint(&scene, scene.size[0])?;
    let mut picture = if captions.is_empty() {
        with_examples(template, &base)
    } else {
        pictures::draw(template, &base, captions)
    };
    if boxes {
        picture = outlined(&picture, template)?;
    }
    write(&picture, out)
}

/// Writes the pictures of `ids` side by side, each with its id.
pub(crate) fn sheet(studio: &Studio, ids: &[String], captions: bool, out: &Path) -> Result<()> {
    let mut rows: Vec<Picture> = Vec::new();
    for ids in ids.chunks(COLUMNS) {
        let cells: Vec<Picture> =
            ids.iter().map(|id| cell(studio, id, captions)).collect::<Result<_>>()?;
        rows.push(beside(&cells)?);
    }
    let Some(width) = rows.iter().map(Picture::width).max() else {
        bail!("there are no scenes");
    };
    let mut pixels = Vec::new();
    for row in &rows {
        // A last row may be short.
        let lacking = PAPER.repeat((width - row.width()) as usize);
        for line in row.rgba().chunks_exact(row.width() as usize * 4) {
            pixels.extend_from_slice(line);
            pixels.extend_from_slice(&lacking);
        }
    }
    let height = rows.iter().map(Picture::height).sum();
    write(&Picture::from_rgba(width, height, pixels)?, out)
}

/// One picture with its label and the paper around both.
fn cell(studio: &Studio, id: &str, captions: bool) -> Result<Picture> {
    let mut picture = paint(&studio.scene(id)?, WIDTH)?;
    if captions && let Some(template) = Catalogue::embedded().template(id) {
        picture = with_examples(template, &picture);
    }
    let label = CaptionBox {
        style: Style::Ink,
        case: Case::AsIs,
        max_size: 0.7,
        ..CaptionBox::new(Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 })
    };
    let label = draw_captions(&Picture::filled(WIDTH, LABEL, PAPER)?, &[label], &[id]);
    let mut pixels = picture.rgba().to_vec();
    pixels.extend_from_slice(label.rgba());
    let (width, height) = (WIDTH, picture.height() + LABEL);
    let cell = Picture::from_rgba(width, height, pixels)?;
    Ok(cell.pad(width + 2 * GAP, height + GAP, PAPER)?)
}

/// Pictures in a row, their upper edges level.
fn beside(cells: &[Picture]) -> Result<Picture> {
    let width = cells.iter().map(Picture::width).sum();
    let height = cells.iter().map(Picture::height).max().unwrap_or_default();
    let mut pixels = Vec::new();
    for y in 0..height as usize {
        for cell in cells {
            let bytes = cell.width() as usize * 4;
            match cell.rgba().chunks_exact(bytes).nth(y) {
                Some(line) => pixels.extend_from_slice(line),
                None => pixels.extend(PAPER.repeat(cell.width() as usize)),
            }
        }
    }
    Ok(Picture::from_rgba(width, height, pixels)?)
}

fn with_examples(template: &Template, base: &Picture) -> Picture {
    let examples: Vec<&str> = template.examples().collect();
    pictures::draw(template, base, &examples)
}

/// The picture with a line around each of the template's boxes.
#[expect(clippy::cast_precision_loss, reason = "places of pixels are exact in an `f32`")]
fn outlined(picture: &Picture, template: &Template) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let mut pixels = picture.rgba().to_vec();
    for (place, mark) in template.boxes.iter().zip(MARKS.iter().cycle()) {
        let [x, y, w, h] = place.rect;
        let (half_w, half_h) = (w * width as f32 / 2.0, h * height as f32 / 2.0);
        let (middle_x, middle_y) = (x * width as f32 + half_w, y * height as f32 + half_h);
        let (sin, cos) = place.rotate.to_radians().sin_cos();
        for (index, pixel) in pixels.chunks_exact_mut(4).enumerate() {
            let (column, row) = (index % width as usize, index / width as usize);
            let (dx, dy) = (column as f32 - middle_x, row as f32 - middle_y);
            // How far inside the box, along its own axes.
            let inside =
                (half_w - (dx * cos + dy * sin).abs()).min(half_h - (dy * cos - dx * sin).abs());
            if (0.0..MARK_WIDTH).contains(&inside) {
                pixel[..3].copy_from_slice(mark);
            }
        }
    }
    Ok(Picture::from_rgba(width, height, pixels)?)
}

fn write(picture: &Picture, out: &Path) -> Result<()> {
    let bytes = render::encode(picture, Format::Png, 100)?;
    std::fs::write(out, bytes).with_context(|| format!("writing {}", out.display()))
}
