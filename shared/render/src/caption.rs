//! Caption boxes, and text drawn into them.

use serde::{Deserialize, Serialize};

use crate::fonts::{CAP_HEIGHT, face};
use crate::layout::{Laid, Room, fit};
use crate::paint::{Canvas, Frame};
use crate::shape::{Cluster, Shaped, shape};
use crate::{Picture, paint};

/// A rectangle in fractions of a picture: 0 is its left or top, 1 its right or bottom.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rect {
    /// The left side.
    pub x: f32,
    /// The top side.
    pub y: f32,
    /// From left to right.
    pub w: f32,
    /// From top to bottom.
    pub h: f32,
}

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// White with a black outline: readable on anything.
    #[default]
    Outline,
    /// Dark, without an outline: for signs, buttons and other light things.
    Ink,
}

/// Where lines stand between the left and right of their box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// At the left.
    Left,
    /// In the middle.
    #[default]
    Center,
    /// At the right.
    Right,
}

/// Where lines stand between the top and bottom of their box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VAlign {
    /// At the top.
    Top,
    /// In the middle.
    #[default]
    Middle,
    /// At the bottom.
    Bottom,
}

/// What becomes of small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// They become capitals.
    #[default]
    Upper,
    /// They stay.
    AsIs,
}

/// A place for text on a picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionBox {
    /// Where it is, before it is turned.
    pub rect: Rect,
    /// Degrees clockwise, about the middle of `rect`.
    #[serde(default)]
    pub rotate_deg: f32,
    /// How letters look.
    #[serde(default)]
    pub style: Style,
    /// Where lines stand from left to right.
    #[serde(default)]
    pub align: Align,
    /// Where lines stand from top to bottom.
    #[serde(default)]
    pub valign: VAlign,
    /// What becomes of small letters.
    #[serde(default)]
    pub case: Case,
    /// The largest size of the font, as a fraction of the picture's shorter side. Capitals are 0.86
    /// of the size.
    #[serde(default = "default_max_size")]
    pub max_size: f32,
}

/// A ninth, as users of meme generators know it.
const MAX_SIZE: f32 = 1.0 / 9.0;

fn default_max_size() -> f32 {
    MAX_SIZE
}

/// Down to this part of the picture's shorter side, words are kept whole at the cost of size.
const READABLE_SIZE: f32 = 0.03;

impl CaptionBox {
    /// A box at `rect` for outlined capitals, centred, upright.
    #[must_use]
    pub const fn new(rect: Rect) -> Self {
        Self {
            rect,
            rotate_deg: 0.0,
            style: Style::Outline,
            align: Align::Center,
            valign: VAlign::Middle,
            case: Case::Upper,
            max_size: MAX_SIZE,
        }
    }

    /// The usual box along the top of a picture.
    #[must_use]
    pub const fn top() -> Self {
        let mut it = Self::new(Rect { x: 0.04, y: 0.03, w: 0.92, h: 0.22 });
        it.valign = VAlign::Top;
        it
    }

    /// The usual box along the bottom of a picture.
    #[must_use]
    pub const fn bottom() -> Self {
        let mut it = Self::new(Rect { x: 0.04, y: 0.75, w: 0.92, h: 0.22 });
        it.valign = VAlign::Bottom;
        it
    }
}

/// How a text comes out in its box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    /// The size of the font, in pixels.
    pub size_px: f32,
    /// How many lines the text takes.
    pub lines: usize,
}

/// Draws `lines[i]` into `boxes[i]`, as large as fits. Boxes without a text, texts without a box and
/// texts without ink are passed over.
#[must_use]
pub fn draw_captions(base: &Picture, boxes: &[CaptionBox], lines: &[impl AsRef<str>]) -> Picture {
    let (width, height) = (base.width(), base.height());
    let mut pixels = base.rgba().to_vec();
    let mut canvas = Canvas { pixels: &mut pixels, width, height };
    for (it, text) in boxes.iter().zip(lines) {
        if let Some(placed) = Placed::new(it, width, height, text.as_ref()) {
            placed.draw(&mut canvas);
        }
    }
    base.with_pixels(pixels)
}

/// What [`draw_captions`] makes of `text` in `it` on a picture of `width` by `height` pixels.
/// Nothing when there is nothing to draw, or no room at all.
#[must_use]
pub fn fit_caption(it: &CaptionBox, width: u32, height: u32, text: &str) -> Option<Fitted> {
    Placed::new(it, width, height, text)
        .map(|placed| Fitted { size_px: placed.laid.size, lines: placed.laid.lines.len() })
}

/// A text that has found its size.
struct Placed {
    style: Style,
    align: Align,
    valign: VAlign,
    frame: Frame,
    margin: f32,
    shaped: Shaped,
    laid: Laid,
}

/// How far the outline of letters of `size` reaches beyond them. All in pixels.
fn outline(size: f32) -> f32 {
    // In proportion, but a pixel at least while letters are large enough to bear it.
    (size * 0.062).max((size * 0.12).min(1.1))
}

impl Placed {
    fn new(it: &CaptionBox, width: u32, height: u32, text: &str) -> Option<Self> {
        let frame = frame(it, width as f32, height as f32)?;
        let (tracking, outline, gap): (f32, fn(f32) -> f32, f32) = match it.style {
            Style::Outline => (0.02, outline, 0.11),
            Style::Ink => (0.012, |_| 0.0, 0.06),
        };
        let (shaped, between) = match it.case {
            Case::Upper => (shape(&capitals(text), tracking), 0.2),
            Case::AsIs => (shape(text, tracking), 0.28),
        };
        // A pixel for the soft edge of letters; on things, some air besides.
        let shorter = frame.width.min(frame.height);
        let air = match it.style {
            Style::Outline => 0.0,
            Style::Ink => 0.04 * shorter,
        };
        let margin = 1.0_f32.min(0.1 * shorter) + air;
        let side = width.min(height) as f32;
        let room = Room {
            width: frame.width - 2.0 * margin,
            height: frame.height - 2.0 * margin,
            size_max: it.max_size.clamp(0.0, 1.0) * side,
            size_readable: READABLE_SIZE * side,
            pitch: CAP_HEIGHT + between,
            gap,
            outline,
        };
        let laid = fit(&shaped, &room)?;
        Some(Self {
            style: it.style,
            align: it.align,
            valign: it.valign,
            frame,
            margin,
            shaped,
            laid,
        })
    }

    fn outline(&self) -> f32 {
        match self.style {
            Style::Outline => outline(self.laid.size),
            Style::Ink => 0.0,
        }
    }

    /// The baseline of the first line, in pixels below the top of the box.
    fn first_baseline(&self) -> f32 {
        let size = self.laid.size;
        let around = self.margin + self.outline();
        let below = (self.laid.lines.len() - 1) as f32 * self.laid.pitch * size;
        let highest = around + self.shaped.ascent * size;
        let lowest = self.frame.height - around - self.shaped.descent * size - below;
        let baseline = match self.valign {
            VAlign::Top => highest,
            VAlign::Bottom => lowest,
            // What the eye takes for the block is capitals, without what hangs below or above.
            VAlign::Middle => (self.frame.height - below + CAP_HEIGHT * size) / 2.0,
        };
        // Letters stand on whole pixels, so that their feet are sharp.
        let baseline = if self.frame.is_upright() {
            let top = self.frame.top();
            (baseline + top).round() - top
        } else {
            baseline
        };
        // It has been measured that `highest` is above `lowest`; at less than a pixel, rounding may
        // say otherwise.
        baseline.min(lowest).max(highest)
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let size = self.laid.size;
        let around = self.margin + self.outline() + self.shaped.overhang * size;
        let mut brush = paint::Brush::new(&self.frame, canvas, self.style, self.outline());
        let first = self.first_baseline();
        for (index, line) in self.laid.lines.iter().enumerate() {
            let baseline = first + index as f32 * self.laid.pitch * size;
            let width = line.width * size;
            let mut pen = match self.align {
                Align::Left => around,
                Align::Center => (self.frame.width - width) / 2.0,
                Align::Right => self.frame.width - around - width,
            };
            for cluster in visual_order(&self.shaped.clusters[line.clusters.clone()]) {
                for glyph in &self.shaped.glyphs[cluster.glyphs.clone()] {
                    if let Some(face) = face(glyph.face) {
                        let x = pen + glyph.x * size;
                        let y = baseline - glyph.y * size;
                        brush.glyph(face, glyph.id, x, y, face.scale * size);
                    }
                }
                pen += cluster.advance * size;
            }
        }
        brush.finish(canvas);
    }
}

/// The box in pixels. Nothing when it has no area or is not made of numbers.
fn frame(it: &CaptionBox, width: f32, height: f32) -> Option<Frame> {
    let Rect { x, y, w, h } = it.rect;
    let (mut left, mut right) = (x * width, (x + w) * width);
    let (mut top, mut bottom) = (y * height, (y + h) * height);
    if ![left, right, top, bottom, it.rotate_deg, it.max_size]
        .iter()
        .all(|number| number.is_finite())
    {
        return None;
    }
    let angle = it.rotate_deg.rem_euclid(360.0);
    if angle == 0.0 {
        // Text goes where it can be seen, of a box that is partly outside.
        left = left.max(0.0);
        top = top.max(0.0);
        right = right.min(width);
        bottom = bottom.min(height);
    }
    (right > left && bottom > top).then(|| Frame::new(left, top, right, bottom, angle))
}

/// The text in capitals. Greek ones lose their accents, as Greek is written.
fn capitals(text: &str) -> String {
    text.to_uppercase()
        .chars()
        .map(|c| match c {
            'Ά' => 'Α',
            'Έ' => 'Ε',
            'Ή' => 'Η',
            'Ί' => 'Ι',
            'Ό' => 'Ο',
            'Ύ' => 'Υ',
            'Ώ' => 'Ω',
            c => c,
        })
        .collect()
}

/// Clusters as they are drawn, left to right (rule L2 of the bidirectional algorithm).
fn visual_order(clusters: &[Cluster]) -> Vec<&Cluster> {
    let mut order: Vec<&Cluster> = clusters.iter().collect();
    let levels = || clusters.iter().map(|cluster| cluster.level.number());
    let highest = levels().max().unwrap_or(0);
    let lowest_odd = levels().filter(|level| level % 2 == 1).min();
    let Some(lowest_odd) = lowest_odd else {
        return order;
    };
    for level in (lowest_odd..=highest).rev() {
        for stretch in
            order.chunk_by_mut(|a, b| (a.level.number() >= level) == (b.level.number() >= level))
        {
            if stretch[0].level.number() >= level {
                stretch.reverse();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTH: u32 = 320;
    const HEIGHT: u32 = 240;

    /// Colours that are none of those that captions are drawn in.
    fn base() -> Picture {
        let pixels = (0..HEIGHT)
            .flat_map(|y| {
                (0..WIDTH).flat_map(move |x| [90 + (x % 100) as u8, 120, 90 + (y % 100) as u8, 255])
            })
            .collect();
        Picture::from_rgba(WIDTH, HEIGHT, pixels).unwrap()
    }

    fn texts() -> Vec<String> {
        let zalgo: String = "ZALGO COMES"
            .chars()
            .flat_map(|c| [c, '\u{335}', '\u{353}', '\u{30a}', '\u{316}', '\u{313}', '\u{35b}'])
            .collect();
        let mut texts: Vec<String> = [
            "A",
            ".",
            "g",
            "ship it on friday",
            "когда тесты прошли",
            "عندما ينجح الاختبار (أبدا) 404",
            "כשהבדיקות עוברות abc 123!",
            "जब टेस्ट पास हो जाए",
            "เมื่อเทสต์ผ่านที่นี่",
            "テストが全部通ったのに",
            "왜 그런지 아무도 모른다",
            "👨‍👩‍👧 🔥😂 ❤\u{fe0f} 👍🏽 🇫🇮",
            "\u{0}\u{7}\u{1b}[31m\u{85}X\u{9f}\u{fffd}\u{202e}ABC",
            "one\ntwo\r\n\r\nfour",
            "\u{fdfd}\u{12031} 𠮷",
            "ß ŉ ǰ ΐ ﬃ İ",
        ]
        .map(str::to_owned)
        .into();
        texts.push(zalgo);
        texts.push("M".repeat(200));
        texts.push("a caption of two hundred characters ".repeat(6)[..200].to_owned());
        texts.push("word ".repeat(100));
        texts.push("N".repeat(90));
        texts
    }

    fn boxes() -> Vec<CaptionBox> {
        let rects = [
            (0.1, 0.1, 0.8, 0.3),
            (0.3, 0.2, 0.1, 0.7),
            (0.001, 0.4, 0.998, 0.02),
            (-0.4, -0.3, 0.9, 0.8),
            (0.7, 0.8, 2.0, 3.0),
            (0.5, 0.5, 0.02, 0.02),
        ];
        let mut boxes = Vec::new();
        for (index, (x, y, w, h)) in rects.into_iter().enumerate() {
            for angle in [0.0, 17.0, -90.0, 180.0] {
                let mut it = CaptionBox::new(Rect { x, y, w, h });
                it.rotate_deg = angle;
                it.max_size = 0.4;
                it.style = [Style::Outline, Style::Ink][index % 2];
                it.case = [Case::Upper, Case::AsIs][index / 2 % 2];
                it.align = [Align::Left, Align::Center, Align::Right][index % 3];
                it.valign = [VAlign::Top, VAlign::Middle, VAlign::Bottom][index / 2 % 3];
                boxes.push(it);
            }
        }
        boxes
    }

    /// The places that differ, as the middles of pixels.
    fn touched(a: &Picture, b: &Picture) -> Vec<(f32, f32)> {
        let pairs = a.rgba().chunks_exact(4).zip(b.rgba().chunks_exact(4));
        pairs
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(index, _)| index as u32)
            .map(|index| ((index % WIDTH) as f32 + 0.5, (index / WIDTH) as f32 + 0.5))
            .collect()
    }

    /// Whether a pixel is in the box, reckoned apart from the code that draws.
    fn inside(it: &CaptionBox, (x, y): (f32, f32)) -> bool {
        let Rect { x: left, y: top, w, h } = it.rect;
        let (w, h) = (w * WIDTH as f32, h * HEIGHT as f32);
        let (x, y) = (x - left * WIDTH as f32 - w / 2.0, y - top * HEIGHT as f32 - h / 2.0);
        let back = -it.rotate_deg.to_radians();
        let (x, y) = (x * back.cos() - y * back.sin(), x * back.sin() + y * back.cos());
        x.abs() <= w / 2.0 + 0.01 && y.abs() <= h / 2.0 + 0.01
    }

    #[test]
    fn text_stays_in_its_box_and_is_there() {
        let base = base();
        for it in boxes() {
            for text in texts() {
                let drawn = draw_captions(&base, &[it], &[&text]);
                let touched = touched(&base, &drawn);
                assert!(touched.iter().all(|&pixel| inside(&it, pixel)), "{text:?} leaves {it:?}");
                // A turned box may have its text outside of the picture.
                let Rect { x, y, w, h } = it.rect;
                let large = w > 0.05
                    && h > 0.05
                    && (it.rotate_deg == 0.0 || (x >= 0.0 && y >= 0.0 && x + w <= 1.0));
                assert!(!large || !touched.is_empty(), "{text:?} is not in {it:?}");
            }
        }
    }

    /// A text that fits leaves the rows and columns at the sides of its box free: nothing was cut
    /// off there.
    #[test]
    fn nothing_is_cut() {
        let base = base();
        for style in [Style::Outline, Style::Ink] {
            for text in texts() {
                let mut it = CaptionBox::new(Rect { x: 0.25, y: 0.25, w: 0.5, h: 0.5 });
                it.style = style;
                it.max_size = 1.0;
                let drawn = draw_captions(&base, &[it], &[&text]);
                for (x, y) in touched(&base, &drawn) {
                    let (x, y) = (x / WIDTH as f32, y / HEIGHT as f32);
                    assert!(
                        x > 0.2505 && x < 0.7495 && y > 0.2505 && y < 0.7495,
                        "{text:?} touches the side of its box at {x}, {y}"
                    );
                }
            }
        }
    }

    #[test]
    fn turning_a_box_keeps_its_text() {
        // The same letters cover the same area at any angle, but for their soft edges.
        let base = Picture::filled(WIDTH, WIDTH, [90, 120, 90, 255]).unwrap();
        let mut it = CaptionBox::new(Rect { x: 0.2, y: 0.3, w: 0.6, h: 0.4 });
        it.style = Style::Ink;
        let mut dark = |angle: f32| -> f64 {
            it.rotate_deg = angle;
            let drawn = draw_captions(&base, &[it], &["turn me"]);
            let sum: u64 = drawn.rgba().chunks_exact(4).map(|p| u64::from(p[1])).sum();
            f64::from(WIDTH * WIDTH) * 120.0 - sum as f64
        };
        let upright = dark(0.0);
        for angle in [12.0, -33.0, 90.0, 180.0, 271.0, 720.0] {
            let turned = dark(angle);
            assert!((turned / upright - 1.0).abs() < 0.02, "{angle}: {turned} of {upright}");
        }
    }

    #[test]
    fn turning_is_clockwise() {
        let base = Picture::filled(200, 200, [90, 120, 90, 255]).unwrap();
        let mut it = CaptionBox::new(Rect { x: 0.1, y: 0.4, w: 0.8, h: 0.2 });
        it.align = Align::Left;
        it.rotate_deg = 90.0;
        let drawn = draw_captions(&base, &[it], &["I"]);
        let rows: Vec<usize> = (0..200)
            .filter(|y| drawn.rgba()[y * 800..][..800] != base.rgba()[y * 800..][..800])
            .collect();
        assert!(!rows.is_empty() && rows.iter().all(|&y| y < 100), "left is now at the top");
    }

    #[test]
    fn a_larger_box_never_has_smaller_text() {
        for text in texts() {
            for style in [Style::Outline, Style::Ink] {
                let mut last = 0.0;
                for step in 1..60 {
                    let side = 0.015 * step as f32;
                    let mut it = CaptionBox::new(Rect { x: 0.0, y: 0.0, w: side, h: side * 0.6 });
                    it.style = style;
                    it.max_size = 0.5;
                    let size = fit_caption(&it, 1_000, 1_000, &text).map_or(0.0, |f| f.size_px);
                    assert!(size >= last, "{text:?} shrinks from {last} to {size}");
                    last = size;
                }
                assert!(last > 10.0, "{text:?} is {last}");
            }
        }
    }

    #[test]
    fn usual_captions_have_the_usual_size() {
        let fitted = fit_caption(&CaptionBox::top(), 1_200, 1_200, "prod is down").unwrap();
        assert_eq!(fitted.lines, 1);
        assert!((fitted.size_px - 1_200.0 / 9.0).abs() < 0.01);
        let text = "a caption of two hundred characters ".repeat(6);
        let long = fit_caption(&CaptionBox::bottom(), 1_200, 1_200, &text[..200]).unwrap();
        assert!(long.size_px > 45.0, "{long:?}");
        assert_eq!(fit_caption(&CaptionBox::top(), 1_200, 1_200, " \n\u{200b}"), None);
    }

    #[test]
    fn texts_and_boxes_need_not_be_as_many() {
        let base = base();
        let (top, bottom) = (CaptionBox::top(), CaptionBox::bottom());
        let none: [&str; 0] = [];
        assert_eq!(draw_captions(&base, &[top], &none), base);
        assert_eq!(draw_captions(&base, &[], &["text"]), base);
        assert_eq!(draw_captions(&base, &[top, bottom], &["", " \n "]), base);
        assert_eq!(
            draw_captions(&base, &[top], &["a", "b"]),
            draw_captions(&base, &[top, bottom], &["a", ""])
        );
        assert_ne!(draw_captions(&base, &[top, bottom], &["", "b"]), base);
    }

    #[test]
    fn the_base_stays_as_it_is_and_clear_pictures_become_opaque_under_letters() {
        let base = Picture::filled(100, 100, [0, 0, 0, 0]).unwrap();
        let drawn = draw_captions(&base, &[CaptionBox::top()], &["ink"]);
        assert!(base.rgba().iter().all(|&byte| byte == 0));
        assert!(drawn.rgba().chunks_exact(4).any(|p| p == [255; 4]));
        assert!(!drawn.is_opaque());
    }

    #[test]
    fn letters_are_white_with_a_black_outline_or_dark_without() {
        let base = Picture::filled(400, 400, [90, 120, 200, 255]).unwrap();
        let mut it = CaptionBox::top();
        let count = |it: CaptionBox, colour: [u8; 3]| {
            let drawn = draw_captions(&base, &[it], &["HELLO"]);
            let same = drawn.rgba().chunks_exact(4).filter(|p| p[..3] == colour);
            same.count()
        };
        assert!(count(it, [255; 3]) > 500);
        assert!(count(it, [0; 3]) > 500);
        it.style = Style::Ink;
        assert_eq!(count(it, [255; 3]), 0);
        assert_eq!(count(it, [0; 3]), 0);
        assert!(count(it, [27, 25, 31]) > 500);
    }

    #[test]
    fn greek_capitals_have_no_accents() {
        assert_eq!(capitals("όταν Ϊ straße"), "ΟΤΑΝ Ϊ STRASSE");
    }

    #[test]
    fn right_to_left_is_reordered_around_numbers() {
        let shaped = shape("אב 12 גד", 0.0);
        let order: Vec<usize> = visual_order(&shaped.clusters)
            .into_iter()
            .map(|cluster| cluster.glyphs.start)
            .collect();
        // Read from the left: dalet gimel, 1 2, bet alef. Glyphs are numbered as they were shaped,
        // right-to-left runs from their end.
        let place = |cluster: usize| {
            let glyph = shaped.clusters[cluster].glyphs.start;
            order.iter().position(|&at| at == glyph).unwrap()
        };
        assert!(place(7) < place(6) && place(6) < place(3), "{order:?}");
        assert!(place(3) < place(4) && place(4) < place(1) && place(1) < place(0), "{order:?}");
    }

    #[test]
    fn a_box_in_json_needs_only_its_place() {
        let it: CaptionBox =
            serde_json::from_str(r#"{"rect": {"x": 0.1, "y": 0, "w": 0.5, "h": 0.5}}"#).unwrap();
        assert_eq!(it, CaptionBox::new(it.rect));
        let wrong = r#"{"rect": {"x": 0, "y": 0, "w": 1, "h": 1}, "colour": "red"}"#;
        assert!(serde_json::from_str::<CaptionBox>(wrong).is_err());
    }

    fn any_box() -> impl Strategy<Value = CaptionBox> {
        let side = prop_oneof![4 => -0.5_f32..1.5, 1 => any::<f32>()];
        let place = (side.clone(), side.clone(), side.clone(), side);
        let looks = (0..2_usize, 0..3_usize, 0..3_usize, 0..2_usize);
        let turn = prop_oneof![Just(0.0_f32), -400.0_f32..400.0, any::<f32>()];
        let size = prop_oneof![0.0_f32..0.5, any::<f32>()];
        (place, looks, turn, size).prop_map(|((x, y, w, h), looks, rotate_deg, max_size)| {
            CaptionBox {
                rect: Rect { x, y, w, h },
                rotate_deg,
                style: [Style::Outline, Style::Ink][looks.0],
                align: [Align::Left, Align::Center, Align::Right][looks.1],
                valign: [VAlign::Top, VAlign::Middle, VAlign::Bottom][looks.2],
                case: [Case::Upper, Case::AsIs][looks.3],
                max_size,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_can_be_drawn_anywhere(
            it in any_box(),
            text in prop_oneof![any::<String>(), "\\PC{0,300}", "[a-z אבגאبت कि猫🔥\u{300}\u{200d}\n]{0,80}"],
            width in 1_u32..120,
            height in 1_u32..120,
        ) {
            let base = Picture::filled(width, height, [90, 120, 90, 255]).unwrap();
            let drawn = draw_captions(&base, &[it], &[&text]);
            prop_assert_eq!(drawn.rgba().len(), base.rgba().len());
            if fit_caption(&it, width, height, &text).is_none() {
                prop_assert_eq!(drawn, base);
            }
        }
    }
}
