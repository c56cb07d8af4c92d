//! Packs the figures that scenes may use, in the format that `scenes::figures` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use serde::Deserialize;

/// Pixels for each of the 32 units of a drawing when its visible part is measured.
const PIXELS_PER_UNIT: u16 = 8;

/// What is fainter than this, of 255, is the tail of a blur and not seen.
const ALPHA_SEEN: u8 = 24;

/// The parts of an Iconify set that are used.
#[derive(Debug, Deserialize)]
struct IconSet {
    icons: BTreeMap<String, Icon>,
    width: u16,
    height: u16,
}

#[derive(Debug, Deserialize)]
struct Icon {
    body: String,
    width: Option<u16>,
    height: Option<u16>,
}

/// Writes `figures.bin` from the set in `icons` and the list of names beside it.
pub(crate) fn pack(icons: &Path, folder: &Path) -> Result<()> {
    let text = std::fs::read(icons).with_context(|| format!("reading {}", icons.display()))?;
    let set: IconSet = serde_json::from_slice(&text).context("not an Iconify set")?;
    let list = folder.join("names.txt");
    let list = std::fs::read_to_string(&list).with_context(|| format!("reading {list:?}"))?;
    let names: BTreeSet<&str> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect();
    let unknown: Vec<&str> =
        names.iter().copied().filter(|name| !set.icons.contains_key(*name)).collect();
    if !unknown.is_empty() {
        bail!("the set has no {}", unknown.join(", "));
    }
    let mut index = String::new();
    let mut drawings = Vec::new();
    for name in names {
        let icon = &set.icons[name];
        let size = (icon.width.unwrap_or(set.width), icon.height.unwrap_or(set.height));
        let [x, y, w, h] = bounds(&icon.body, size).with_context(|| name.to_owned())?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(marked(&icon.body).as_bytes())?;
        let packed = encoder.finish()?;
        writeln!(index, "{name}\t{x}\t{y}\t{w}\t{h}\t{}", packed.len())?;
        drawings.extend(packed);
    }
    let mut file = u32::try_from(index.len())?.to_le_bytes().to_vec();
    file.extend(index.as_bytes());
    file.extend(drawings);
    let path = folder.join("figures.bin");
    std::fs::write(&path, file).with_context(|| format!("writing {}", path.display()))
}

/// The drawing with a mark before each id and each reference to one.
fn marked(body: &str) -> String {
    body.replace(" id=\"", " id=\"~").replace("url(#", "url(#~").replace("href=\"#", "href=\"#~")
}

/// Left, top, width and height of what is seen, in units of the drawing.
fn bounds(body: &str, (width, height): (u16, u16)) -> Result<[f64; 4]> {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" \
         xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">{body}</svg>"
    );
    let tree = Tree::from_str(&svg, &Options::default())?;
    let pixels = |units: u16| u32::from(units) * u32::from(PIXELS_PER_UNIT);
    let mut pixmap =
        Pixmap::new(pixels(width), pixels(height)).context("a drawing without a size")?;
    let scale = f32::from(PIXELS_PER_UNIT);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());

    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    let places = (0..pixmap.height()).flat_map(|y| (0..pixmap.width()).map(move |x| (x, y)));
    for ((x, y), pixel) in places.zip(pixmap.pixels()) {
        if pixel.alpha() >= ALPHA_SEEN {
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    if right == 0 {
        bail!("nothing of it is seen");
    }
    let units = |pixels: u32| f64::from(pixels) / f64::from(PIXELS_PER_UNIT);
    Ok([units(left), units(top), units(right - left), units(bottom - top)])
}
