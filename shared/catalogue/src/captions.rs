//! Captions that clients send, and the text that stands for the picture.

use crate::Template;

/// The longest caption that a client may send, in characters.
pub const CAPTION_CHARS_MAX: usize = 200;

/// The most lines in one caption.
pub const CAPTION_LINES_MAX: usize = 20;

/// Why captions cannot be drawn, with the position of the one at fault and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptionFault {
    /// More captions than the template has boxes.
    #[error(
        "there are {given} captions and the template has {boxes} boxes; leave out the last ones"
    )]
    TooMany {
        /// How many were given.
        given: usize,
        /// How many the template takes.
        boxes: usize,
    },
    /// A caption has too many characters.
    #[error("caption {index} has {chars} characters; shorten it to {CAPTION_CHARS_MAX} or fewer")]
    TooLong {
        /// Which caption, from 0.
        index: usize,
        /// How many characters it has.
        chars: usize,
    },
    /// A caption has too many lines.
    #[error("caption {index} has {lines} lines; break it into {CAPTION_LINES_MAX} or fewer")]
    TooManyLines {
        /// Which caption, from 0.
        index: usize,
        /// How many lines it has.
        lines: usize,
    },
    /// A caption has a control character that is no newline.
    #[error(
        "caption {index} has the control character U+{:04X}; remove it, or use U+000A for a new line",
        u32::from(*character)
    )]
    Control {
        /// Which caption, from 0.
        index: usize,
        /// The character.
        character: char,
    },
    /// There is nothing to draw.
    #[error("all captions are blank; give at least one some text")]
    Blank,
}

impl CaptionFault {
    /// Which caption is at fault, from 0; `None` when it is the whole list.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            // The first one that has no box.
            Self::TooMany { boxes, .. } => Some(*boxes),
            Self::TooLong { index, .. }
            | Self::TooManyLines { index, .. }
            | Self::Control { index, .. } => Some(*index),
            Self::Blank => None,
        }
    }
}

/// Judges the captions that a client sends for `template`. Fewer captions than boxes are fine,
/// and so are blank ones among others.
///
/// # Errors
/// The first fault found.
pub fn check_captions(
    template: &Template,
    captions: &[impl AsRef<str>],
) -> Result<(), CaptionFault> {
    let boxes = template.boxes.len();
    if captions.len() > boxes {
        let given = captions.len();
        return Err(CaptionFault::TooMany { given, boxes });
    }
    for (index, caption) in captions.iter().map(AsRef::as_ref).enumerate() {
        let chars = caption.chars().count();
        if chars > CAPTION_CHARS_MAX {
            return Err(CaptionFault::TooLong { index, chars });
        }
        let lines = caption.split('\n').count();
        if lines > CAPTION_LINES_MAX {
            return Err(CaptionFault::TooManyLines { index, lines });
        }
        let mut controls = caption.chars().filter(|c| c.is_control() && *c != '\n');
        if let Some(character) = controls.next() {
            return Err(CaptionFault::Control { index, character });
        }
    }
    let blank = |caption: &&str| caption.trim().is_empty();
    if captions.iter().map(AsRef::as_ref).all(|c| blank(&c)) {
        return Err(CaptionFault::Blank);
    }
    Ok(())
}

/// “What is seen. The caption reads: “…” / “…”.” Blank captions are left out, and line breaks
/// are read as blanks.
pub(crate) fn alt(seen: &str, captions: &[impl AsRef<str>]) -> String {
    let mut text = seen.to_owned();
    let written = captions.iter().map(|caption| caption.as_ref().trim());
    let mut join = " The caption reads: ";
    for caption in written.filter(|caption| !caption.is_empty()) {
        text.push_str(join);
        text.push('“');
        for (index, word) in caption.split_whitespace().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text.push('”');
        join = " / ";
    }
    if join == " / " {
        text.push('.');
    }
    text
}
