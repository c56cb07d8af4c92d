//! The fonts, and which of them draws what.

use std::sync::OnceLock;

use harfrust::Font;
use harfrust::font::charmap::Charmap;

/// A font, by its place in [`SOURCES`].
pub(crate) type FaceId = u8;

/// The height of Anton's capitals, in units of the font's size. All other fonts are scaled to it.
pub(crate) const CAP_HEIGHT: f32 = 0.859;

pub(crate) struct Face {
    pub(crate) font: Font,
    /// From the font's units to units of the caption's size.
    pub(crate) scale: f32,
    /// How far glyphs are moved up, in units of the caption's size.
    pub(crate) rise: f32,
    /// Emoji: drawn as line art on a filled body.
    pub(crate) emoji: bool,
    /// Whether letters may be set apart. Not where they join, or hang together.
    pub(crate) tracked: bool,
}

struct Source {
    bytes: &'static [u8],
    /// Size against Anton's.
    size: f32,
    rise: f32,
    emoji: bool,
    tracked: bool,
}

macro_rules! source {
    ($file:literal, $size:literal, $rise:literal, emoji: $emoji:literal, tracked: $tracked:literal) => {
        Source {
            bytes: include_bytes!(concat!("../fonts/", $file)),
            size: $size,
            rise: $rise,
            emoji: $emoji,
            tracked: $tracked,
        }
    };
}

/// In the order in which they are asked for a character.
static SOURCES: [Source; 10] = [
    source!("anton.ttf", 1.0, 0.0, emoji: false, tracked: true),
    source!("sofia-sans.ttf", 1.311, 0.0, emoji: false, tracked: true),
    source!("cairo.ttf", 1.15, 0.0, emoji: false, tracked: false),
    source!("noto-sans-hebrew.ttf", 1.2, 0.0, emoji: false, tracked: true),
    source!("teko.ttf", 1.3, 0.0, emoji: false, tracked: false),
    source!("kanit.ttf", 1.2, 0.0, emoji: false, tracked: false),
    source!("noto-emoji.ttf", 0.9, 0.0, emoji: true, tracked: false),
    source!("noto-sans-sc.ttf", 1.0, 0.0, emoji: false, tracked: true),
    source!("black-han-sans.ttf", 1.0, 0.0, emoji: false, tracked: true),
    source!("dejavu-sans.ttf", 1.15, 0.0, emoji: false, tracked: false),
];

pub(crate) const ANTON: FaceId = 0;
const EMOJI: FaceId = 6;

static FACES: [OnceLock<Option<Face>>; SOURCES.len()] = [const { OnceLock::new() }; SOURCES.len()];

/// The font, read on first use: a caption in Latin letters touches one of them.
pub(crate) fn face(id: FaceId) -> Option<&'static Face> {
    let source = SOURCES.get(usize::from(id))?;
    FACES[usize::from(id)]
        .get_or_init(|| {
            let font = Font::new(source.bytes, 0)?;
            let scale = source.size / f32::from(font.units_per_em().max(1));
            Some(Face {
                font,
                scale,
                rise: source.rise,
                emoji: source.emoji,
                tracked: source.tracked,
            })
        })
        .as_ref()
}

/// The font for one user-perceived character: the first that has all of it, else the first that has
/// its first code point, else Anton, whose empty frame then stands for it.
pub(crate) fn face_for(grapheme: &str) -> FaceId {
    // Most captions are plain Latin.
    if grapheme.len() == 1 {
        return ANTON;
    }
    let pictured =
        grapheme.chars().any(|c| matches!(c, '\u{fe0f}' | '\u{20e3}')) && covers(EMOJI, grapheme);
    if pictured {
        return EMOJI;
    }
    let all = 0..SOURCES.len() as FaceId;
    all.clone()
        .find(|&id| covers(id, grapheme))
        .or_else(|| {
            let first = grapheme.chars().next()?;
            all.clone().find(|&id| has(id, first))
        })
        .unwrap_or(ANTON)
}

fn charmap(id: FaceId) -> Option<Charmap<'static>> {
    face(id).map(|face| face.font.charmap())
}

fn has(id: FaceId, c: char) -> bool {
    charmap(id).is_some_and(|map| map.map_unicode(c).is_some())
}

fn covers(id: FaceId, grapheme: &str) -> bool {
    let Some(map) = charmap(id) else { return false };
    grapheme.chars().filter(|&c| !is_invisible(c)).all(|c| map.map_unicode(c).is_some())
}

/// Code points that shaping hides, so that no font needs them: joiners, marks of direction,
/// variation selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_font_can_be_read() {
        for id in 0..SOURCES.len() as FaceId {
            assert!(face(id).is_some_and(|face| face.font.num_glyphs() > 50), "font {id}");
        }
    }

    #[test]
    fn each_script_has_its_font() {
        let of = |text: &str| face_for(text);
        for text in ["A", "é", "Đ", "Ộ", "€", "…", "e\u{301}"] {
            assert_eq!(of(text), ANTON, "{text}");
        }
        assert_eq!(of("Ж"), 1);
        assert_eq!(of("ע"), 3);
        assert_eq!(of("ش"), 2);
        assert_eq!(of("कि"), 4);
        assert_eq!(of("ที่"), 5);
        for text in ["🔥", "❤\u{fe0f}", "👨‍👩‍👧", "👍🏽", "1\u{fe0f}\u{20e3}"] {
            assert_eq!(of(text), EMOJI, "{text}");
        }
        assert_eq!(of("猫"), 7);
        assert_eq!(of("か"), 7);
        assert_eq!(of("한"), 8);
        assert_eq!(of("✓"), 9);
        assert_eq!(of("\u{12000}"), ANTON);
    }
}
