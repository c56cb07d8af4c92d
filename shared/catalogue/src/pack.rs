//! The packed form of the data: what the build script writes and the crate embeds.

use serde::{Deserialize, Serialize};

/// Whether `text` is 1 to 40 lower-case letters and digits, in words joined by single hyphens.
pub(crate) fn is_slug(text: &str) -> bool {
    text.len() <= 40
        && text.split('-').all(|word| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// How the letters of a box are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxStyle {
    /// Light letters with a dark outline, readable on anything.
    #[default]
    Outline,
    /// Dark letters without an outline, for signs, paper and screens.
    Ink,
}

/// Where the lines of a box stand between its left and right edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// At the left edge.
    Left,
    /// In the middle.
    #[default]
    Center,
    /// At the right edge.
    Right,
}

/// Where the lines of a box stand between its top and bottom edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Valign {
    /// At the top edge.
    Top,
    /// In the middle.
    #[default]
    Middle,
    /// At the bottom edge.
    Bottom,
}

/// What happens to the letters of a caption before they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Drawn in capitals.
    Upper,
    /// Drawn as written.
    AsIs,
}

/// One place for a caption on a template's picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptionBox<'a> {
    /// A slug, unique in its template.
    pub name: &'a str,
    /// What belongs here, in a few words.
    pub hint: &'a str,
    /// Left, top, width and height, each as a fraction of the picture's width or height.
    pub rect: [f32; 4],
    /// Degrees clockwise about the middle of the box.
    pub rotate: f32,
    /// Outline or ink.
    pub style: BoxStyle,
    /// Horizontal alignment.
    pub align: Align,
    /// Vertical alignment.
    pub valign: Valign,
    /// Capitals or as written.
    pub case: Case,
    /// How many characters read well here. Advice: longer captions are drawn smaller.
    pub max: u16,
    /// A caption that fits, for previews.
    pub example: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedTemplate<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) topics: Vec<&'a str>,
    pub(crate) seen: &'a str,
    pub(crate) size: [u32; 2],
    #[serde(borrow)]
    pub(crate) boxes: Vec<CaptionBox<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedTopic<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    #[serde(borrow)]
    pub(crate) keywords: Vec<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedMeme<'a> {
    pub(crate) hash: u32,
    /// Position in `Packed::templates`.
    pub(crate) template: u16,
    /// Positions in `Packed::topics`, the most fitting first.
    pub(crate) topics: Vec<u16>,
    #[serde(borrow)]
    pub(crate) lines: Vec<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedWord<'a> {
    pub(crate) hash: u16,
    pub(crate) text: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Slot {
        /// Position in `PackedPattern::slots`.
        slot: u8,
        /// Put "a" or "an" before the word.
        article: bool,
        /// Begin with a capital.
        capital: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackedPattern<'a> {
    pub(crate) hash: u32,
    pub(crate) template: u16,
    pub(crate) topic: u16,
    /// Positions in `Packed::lists`: one or two. Two slots of one list get different words.
    pub(crate) slots: Vec<u16>,
    #[serde(borrow)]
    pub(crate) lines: Vec<Vec<Piece<'a>>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed<'a> {
    /// Sorted by id.
    #[serde(borrow)]
    pub(crate) templates: Vec<PackedTemplate<'a>>,
    /// Sorted by id.
    pub(crate) topics: Vec<PackedTopic<'a>>,
    /// Sorted by hash.
    pub(crate) memes: Vec<PackedMeme<'a>>,
    /// Each list sorted by hash.
    pub(crate) lists: Vec<Vec<PackedWord<'a>>>,
    /// Sorted by hash.
    pub(crate) patterns: Vec<PackedPattern<'a>>,
}
