//! From text to glyphs: which font, which direction, which forms, and where a line may break.
//!
//! All lengths are in units of the caption's size, so that one shaping serves every size.

use std::ops::Range;

use harfrust::{Buffer, Direction, GlyphId, Script, ShapeOptions, ShaperFont, Tag};
use unicode_bidi::{Level, ParagraphBidiInfo};
use unicode_linebreak::linebreaks;
use unicode_script::UnicodeScript;
use unicode_segmentation::UnicodeSegmentation;

use crate::fonts::{FaceId, face, face_for};

/// A glyph and its place against the start of its cluster, x to the right, y up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glyph {
    pub(crate) face: FaceId,
    pub(crate) id: GlyphId,
    pub(crate) x: f32,
    pub(crate) y: f32,
}

/// What cannot be taken apart: the glyphs of one or more characters.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// In the order in which they are drawn, left to right.
    pub(crate) glyphs: Range<usize>,
    pub(crate) advance: f32,
    pub(crate) level: Level,
    pub(crate) blank: bool,
    /// Whether a line may end after it.
    pub(crate) break_after: bool,
}

/// A text, shaped.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    pub(crate) glyphs: Vec<Glyph>,
    /// In logical order.
    pub(crate) clusters: Vec<Cluster>,
    /// The clusters of each line that the text itself makes. May be empty.
    pub(crate) paragraphs: Vec<Range<usize>>,
    /// The highest ink above the baseline, and the lowest below it.
    pub(crate) ascent: f32,
    pub(crate) descent: f32,
    /// How far ink reaches beyond the advance of a cluster, at the most.
    pub(crate) overhang: f32,
}

/// Shapes `text`. `tracking` is what is added after each letter, where letters stand apart.
pub(crate) fn shape(text: &str, tracking: f32) -> Shaped {
    let text = cleaned(text);
    let mut shaped = Shaped { ascent: f32::MIN, descent: f32::MIN, ..Shaped::default() };
    let mut buffer = Some(Buffer::new());
    for paragraph in text.trim_matches('\n').split('\n') {
        let start = shaped.clusters.len();
        shape_paragraph(paragraph, tracking, &mut shaped, &mut buffer);
        shaped.paragraphs.push(start..shaped.clusters.len());
    }
    if shaped.ascent < -shaped.descent {
        // Nothing has ink.
        (shaped.ascent, shaped.descent) = (0.0, 0.0);
    }
    shaped
}

/// Line ends of all kinds become one, tabs become spaces, and what has neither a shape nor an effect
/// goes.
fn cleaned(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                cleaned.push('\n');
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => cleaned.push('\n'),
            '\t' => cleaned.push(' '),
            c if c.is_control() => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// A stretch of one font, one script and one direction.
struct Run {
    bytes: Range<usize>,
    face: FaceId,
    script: unicode_script::Script,
    level: Level,
}

fn runs(text: &str, levels: Option<&[Level]>) -> Vec<Run> {
    use unicode_script::Script::{Common, Inherited, Unknown};
    let mut runs: Vec<Run> = Vec::new();
    for (at, grapheme) in text.grapheme_indices(true) {
        let level = levels.map_or_else(Level::ltr, |levels| levels[at]);
        let face = face_for(grapheme);
        let script = grapheme
            .chars()
            .map(|c| c.script())
            .find(|script| !matches!(script, Common | Inherited | Unknown))
            .unwrap_or(Common);
        let end = at + grapheme.len();
        if let Some(last) = runs.last_mut()
            && (last.face, last.level) == (face, level)
            && (script == Common || last.script == Common || last.script == script)
        {
            last.bytes.end = end;
            if last.script == Common {
                last.script = script;
            }
        } else {
            runs.push(Run { bytes: at..end, face, script, level });
        }
    }
    runs
}

fn shape_paragraph(text: &str, tracking: f32, shaped: &mut Shaped, buffer: &mut Option<Buffer>) {
    // Text without right-to-left characters, which is most of it, has one level.
    let levels = (!text.is_ascii()).then(|| ParagraphBidiInfo::new(text, None).levels);
    let first = shaped.clusters.len();
    let mut ends = Vec::new();
    for run in runs(text, levels.as_deref()) {
        shape_run(text, &run, tracking, shaped, buffer, &mut ends);
    }
    // A break is given by the byte before which it is; a cluster may be broken after when it ends
    // there.
    let mut breaks = linebreaks(text).map(|(at, _)| at).peekable();
    for (cluster, end) in shaped.clusters[first..].iter_mut().zip(&ends) {
        while breaks.next_if(|at| at < end).is_some() {}
        cluster.break_after = breaks.peek() == Some(end);
    }
}

fn shape_run(
    text: &str,
    run: &Run,
    tracking: f32,
    shaped: &mut Shaped,
    buffer_slot: &mut Option<Buffer>,
    ends: &mut Vec<usize>,
) {
    let Some(face) = face(run.face) else { return };
    let mut buffer = buffer_slot.take().unwrap_or_default();
    buffer.reset();
    for (at, c) in text[run.bytes.clone()].char_indices() {
        // Captions are far shorter than four gigabytes; beyond, clusters would merge.
        let cluster = u32::try_from(run.bytes.start + at).unwrap_or(u32::MAX);
        buffer.push(u32::from(c), cluster);
    }
    let rtl = run.level.is_rtl();
    buffer.set_direction(if rtl { Direction::RightToLeft } else { Direction::LeftToRight });
    let short = run.script.short_name().as_bytes();
    buffer.set_script(
        <&[u8; 4]>::try_from(short).ok().and_then(|tag| Script::from_iso15924_tag(Tag::new(tag))),
    );
    let shaper = ShaperFont::new(&face.font);
    if harfrust::shape(&shaper, &mut buffer, ShapeOptions::new()).is_err() {
        *buffer_slot = Some(buffer);
        return;
    }

    let (infos, positions) = (buffer.glyph_infos(), buffer.glyph_positions());
    let metrics = face.font.glyph_metrics();
    let first = shaped.clusters.len();
    let mut starts = Vec::new();
    let mut at = 0;
    while at < infos.len() {
        let byte = infos[at].cluster;
        let glyphs_from = shaped.glyphs.len();
        let mut pen = 0.0;
        let (mut left, mut right) = (0.0_f32, 0.0_f32);
        while at < infos.len() && infos[at].cluster == byte {
            let (info, position) = (&infos[at], &positions[at]);
            let id = GlyphId::new(info.glyph_id);
            let x = pen + position.x_offset as f32 * face.scale;
            let y = position.y_offset as f32 * face.scale + face.rise;
            pen += position.x_advance as f32 * face.scale;
            at += 1;
            let Some(ink) = metrics.extents(id).filter(|ink| ink.width > 0.0) else {
                continue;
            };
            let top = y + ink.y_bearing * face.scale;
            shaped.ascent = shaped.ascent.max(top);
            shaped.descent = shaped.descent.max(ink.height * face.scale - top);
            left = left.min(x + ink.x_bearing * face.scale);
            right = right.max(x + (ink.x_bearing + ink.width) * face.scale);
            shaped.glyphs.push(Glyph { face: run.face, id, x, y });
        }
        shaped.overhang = shaped.overhang.max(-left).max(right - pen);
        let tracked = face.tracked && pen > 0.0;
        shaped.clusters.push(Cluster {
            glyphs: glyphs_from..shaped.glyphs.len(),
            advance: pen.max(0.0) + if tracked { tracking } else { 0.0 },
            level: run.level,
            blank: false,
            break_after: false,
        });
        starts.push(byte as usize);
    }
    if rtl {
        shaped.clusters[first..].reverse();
        starts.reverse();
    }
    let run_end = run.bytes.end;
    for (index, cluster) in shaped.clusters[first..].iter_mut().enumerate() {
        let start = starts[index];
        let end = starts.get(index + 1).copied().unwrap_or(run_end);
        cluster.blank =
            text.get(start..end).is_some_and(|text| text.chars().all(char::is_whitespace));
        ends.push(end);
    }
    *buffer_slot = Some(buffer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(shaped: &Shaped) -> Vec<u32> {
        shaped.glyphs.iter().map(|glyph| glyph.id.to_u32()).collect()
    }

    #[test]
    fn lines_break_after_spaces_and_between_ideographs() {
        let breaks = |text: &str| -> Vec<usize> {
            let shaped = shape(text, 0.0);
            let found = shaped.clusters.iter().enumerate();
            found.filter(|(_, c)| c.break_after).map(|(i, _)| i).collect()
        };
        assert_eq!(breaks("AB CD"), [2, 4]);
        assert_eq!(breaks("猫と犬"), [0, 1, 2]);
        assert_eq!(breaks("a\u{a0}b"), [2]);
    }

    #[test]
    fn arabic_letters_join() {
        let apart = ids(&shape("ب ب ب", 0.0));
        let joined = ids(&shape("ببب", 0.0));
        assert_eq!(joined.len(), 3);
        assert_eq!(apart.len(), 3, "spaces have no ink");
        assert_ne!(joined, apart, "initial, medial and final forms");
        assert!(shape("ببب", 0.0).clusters.iter().all(|c| c.level.is_rtl()));
    }

    #[test]
    fn joined_emoji_are_one_glyph_and_marks_stay_with_their_letter() {
        assert_eq!(shape("👨‍👩‍👧", 0.0).clusters.len(), 1);
        assert_eq!(ids(&shape("👨‍👩‍👧", 0.0)).len(), 1);
        assert_eq!(shape("e\u{301}x", 0.0).clusters.len(), 2);
        assert_eq!(shape("कि", 0.0).clusters.len(), 1);
    }

    #[test]
    fn what_has_no_shape_takes_no_room() {
        let plain = shape("AB", 0.0);
        let noisy = shape("A\u{0}\u{7}\u{1b}\u{9f}\u{200b}B\u{feff}", 0.0);
        assert_eq!(ids(&plain), ids(&noisy));
        let width = |s: &Shaped| s.clusters.iter().map(|c| c.advance).sum::<f32>();
        assert!((width(&plain) - width(&noisy)).abs() < 0.05);
    }

    #[test]
    fn every_kind_of_line_end_is_one() {
        for text in ["A\nB", "A\r\nB", "A\rB", "A\u{2028}B", "\n\nA\nB\n\n"] {
            assert_eq!(shape(text, 0.0).paragraphs.len(), 2, "{text:?}");
        }
        assert_eq!(shape("A\n\nB", 0.0).paragraphs.len(), 3);
        assert!(shape("", 0.0).clusters.is_empty());
    }
}
