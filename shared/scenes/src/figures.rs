//! The vendored figures, looked up by name.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::DeflateDecoder;

static PACKED: &[u8] = include_bytes!("../figures/figures.bin");

/// No figure's drawing is longer than this, in bytes.
const DRAWING_BYTES_MAX: u64 = 1 << 20;

/// Where a figure's visible part lies in its drawing of 32 by 32 units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

#[derive(Debug)]
struct Entry {
    bounds: Bounds,
    packed: &'static [u8],
}

fn entries() -> &'static BTreeMap<&'static str, Entry> {
    static ENTRIES: OnceLock<BTreeMap<&'static str, Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| index().unwrap_or_default())
}

/// Reads the file that `art figures` wrote: the length of the index in four bytes, the index with
/// a line for each figure (name, bounds, length), then the deflated drawings in that order.
fn index() -> Option<BTreeMap<&'static str, Entry>> {
    let (length, rest) = PACKED.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (index, mut blobs) = rest.split_at_checked(length)?;
    let mut entries = BTreeMap::new();
    for line in std::str::from_utf8(index).ok()?.lines() {
        let mut fields = line.split('\t');
        let name = fields.next()?;
        let mut next = || fields.next()?.parse::<f64>().ok();
        let bounds = Bounds { x: next()?, y: next()?, w: next()?, h: next()? };
        let (packed, others) = blobs.split_at_checked(fields.next()?.parse().ok()?)?;
        blobs = others;
        entries.insert(name, Entry { bounds, packed });
    }
    Some(entries)
}

/// The names of all figures, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    entries().keys().copied()
}

/// Whether there is a figure of this name.
#[must_use]
pub fn exists(name: &str) -> bool {
    entries().contains_key(name)
}

/// Where the visible part of a figure lies.
#[must_use]
pub fn bounds(name: &str) -> Option<Bounds> {
    entries().get(name).map(|entry| entry.bounds)
}

/// The drawing of a figure in SVG; each id in it begins with `~`, which whoever inserts it
/// replaces by something that no other figure has.
pub(crate) fn drawing(name: &str) -> Option<String> {
    let entry = entries().get(name)?;
    let mut drawing = String::new();
    DeflateDecoder::new(entry.packed).take(DRAWING_BYTES_MAX).read_to_string(&mut drawing).ok()?;
    Some(drawing)
}

/// The names that are most like `name`, for the message of an error.
pub(crate) fn similar(name: &str) -> Vec<&'static str> {
    let mut scored: Vec<(usize, &str)> = names()
        .map(|known| {
            let shared = name
                .split('-')
                .filter(|word| word.len() > 2 && known.split('-').any(|other| other == *word))
                .count();
            (shared, known)
        })
        .filter(|(shared, _)| *shared > 0)
        .collect();
    scored.sort_by_key(|(shared, known)| (std::cmp::Reverse(*shared), known.len()));
    scored.into_iter().take(5).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_can_be_unpacked_and_has_bounds() {
        assert!(names().count() > 400);
        for name in names() {
            let drawing = drawing(name).expect(name);
            assert!(drawing.starts_with('<'), "{name}");
            for id in drawing.split("id=\"").skip(1) {
                assert!(id.starts_with('~'), "{name}: an id without its mark");
            }
            let Bounds { x, y, w, h } = bounds(name).expect(name);
            assert!(w > 2.0 && h > 2.0, "{name}");
            assert!(x >= 0.0 && y >= 0.0 && x + w <= 32.5 && y + h <= 32.5, "{name}");
        }
    }
}
