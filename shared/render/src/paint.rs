//! Outlines of glyphs to coverage, and coverage to pixels.

use std::ops::Range;

use harfrust::GlyphId;
use harfrust::font::glyph::outline::{DrawMemory, DrawOptions, PathSink};
use zeno::{Command, Fill, Join, Mask, Placement, Scratch, Stroke, Vector};

use crate::Style;
use crate::fonts::Face;

const WHITE: [u8; 3] = [255, 255, 255];
const BLACK: [u8; 3] = [0, 0, 0];
/// Near black, as print is.
const INK: [u8; 3] = [27, 25, 31];

/// The pixels that are drawn on, four bytes each.
pub(crate) struct Canvas<'a> {
    pub(crate) pixels: &'a mut [u8],
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A box on the picture, turned about its middle. Pixels.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) width: f32,
    pub(crate) height: f32,
    middle: (f32, f32),
    /// Sine and cosine of the angle, clockwise.
    sin: f32,
    cos: f32,
}

impl Frame {
    pub(crate) fn new(left: f32, top: f32, right: f32, bottom: f32, angle_deg: f32) -> Self {
        let (sin, cos) =
            if angle_deg == 0.0 { (0.0, 1.0) } else { angle_deg.to_radians().sin_cos() };
        Self {
            width: right - left,
            height: bottom - top,
            middle: ((left + right) / 2.0, (top + bottom) / 2.0),
            sin,
            cos,
        }
    }

    pub(crate) fn is_upright(&self) -> bool {
        self.sin == 0.0 && self.cos == 1.0
    }

    /// The top side of an upright frame.
    pub(crate) fn top(&self) -> f32 {
        self.middle.1 - self.height / 2.0
    }

    /// From the box, whose top left corner is the origin, to the picture.
    fn to_picture(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.width / 2.0, y - self.height / 2.0);
        (self.middle.0 + x * self.cos - y * self.sin, self.middle.1 + x * self.sin + y * self.cos)
    }

    /// Whether a point of the picture is in the box.
    fn contains(&self, x: f32, y: f32) -> bool {
        let (x, y) = (x - self.middle.0, y - self.middle.1);
        (x * self.cos + y * self.sin).abs() <= self.width / 2.0
            && (y * self.cos - x * self.sin).abs() <= self.height / 2.0
    }

    /// The pixels of a picture of `width` by `height` that may be touched.
    fn pixels(&self, width: u32, height: u32) -> (Range<i32>, Range<i32>) {
        let corners =
            [(0.0, 0.0), (self.width, 0.0), (0.0, self.height), (self.width, self.height)]
                .map(|(x, y)| self.to_picture(x, y));
        let span = |of: fn(&(f32, f32)) -> f32, side: u32| {
            let low = corners.iter().map(of).fold(f32::INFINITY, f32::min);
            let high = corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
            // Upright, a pixel that is only partly in the box is outside.
            let (low, high) = if self.is_upright() {
                (low.ceil(), high.floor())
            } else {
                (low.floor(), high.ceil())
            };
            let side = side as f32;
            (low.clamp(0.0, side) as i32)..(high.clamp(0.0, side) as i32)
        };
        (span(|c| c.0, width), span(|c| c.1, height))
    }
}

/// Coverage, a byte a pixel, of a part of the picture.
struct Layer {
    columns: Range<i32>,
    rows: Range<i32>,
    coverage: Vec<u8>,
}

impl Layer {
    fn new(columns: Range<i32>, rows: Range<i32>) -> Self {
        let area = columns.len() * rows.len();
        Self { columns, rows, coverage: vec![0; area] }
    }

    /// Combines a glyph's mask with what is there, as far as they meet.
    fn combine(&mut self, mask: &[u8], place: &Placement, with: impl Fn(u8, u8) -> u8) {
        let (width, height) = (place.width as i32, place.height as i32);
        let left = place.left.max(self.columns.start);
        let right = place.left.saturating_add(width).min(self.columns.end);
        let top = place.top.max(self.rows.start);
        let bottom = place.top.saturating_add(height).min(self.rows.end);
        if left >= right {
            return;
        }
        for y in top..bottom {
            let from = ((y - place.top) * width + (left - place.left)) as usize;
            let to = (y - self.rows.start) as usize * self.columns.len()
                + (left - self.columns.start) as usize;
            let count = (right - left) as usize;
            let target = &mut self.coverage[to..to + count];
            for (there, &new) in target.iter_mut().zip(&mask[from..from + count]) {
                *there = with(*there, new);
            }
        }
    }
}

/// Either covers, or both.
fn either(a: u8, b: u8) -> u8 {
    u8::MAX - times(u8::MAX - a, u8::MAX - b)
}

fn times(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    // Exactly a * b / 255, rounded, which is a byte.
    ((product + (product >> 8)) >> 8) as u8
}

/// Collects the glyphs of one box, then puts them onto the picture: first all outlines, then all
/// letters, so that no outline covers its neighbour.
pub(crate) struct Brush<'a> {
    frame: &'a Frame,
    style: Style,
    outline: f32,
    behind: Layer,
    letters: Layer,
    scratch: Scratch,
    path: Vec<Command>,
}

impl<'a> Brush<'a> {
    pub(crate) fn new(frame: &'a Frame, canvas: &Canvas<'_>, style: Style, outline: f32) -> Self {
        let (columns, rows) = frame.pixels(canvas.width, canvas.height);
        let behind = match style {
            Style::Outline => Layer::new(columns.clone(), rows.clone()),
            Style::Ink => Layer::new(0..0, 0..0),
        };
        Self {
            frame,
            style,
            outline,
            behind,
            letters: Layer::new(columns, rows),
            scratch: Scratch::new(),
            path: Vec::new(),
        }
    }

    /// Adds a glyph whose origin is at (`x`, `y`) in the box. `scale` is pixels a font unit.
    pub(crate) fn glyph(&mut self, face: &Face, id: GlyphId, x: f32, y: f32, scale: f32) {
        self.path.clear();
        let Some(outline) = face.font.outline_glyphs().get(id) else {
            return;
        };
        let mut pen = Pen { frame: self.frame, x, y, scale, path: &mut self.path };
        if outline.draw(&DrawOptions::new(), DrawMemory::Scratch, &mut pen).is_err() {
            return;
        }
        if !self.is_near() {
            return;
        }
        match (self.style, face.emoji) {
            (Style::Ink, _) => self.fill(),
            (Style::Outline, false) => {
                self.stroke(self.outline);
                self.fill();
            }
            (Style::Outline, true) => self.sticker(),
        }
    }

    /// Whether the path can touch the part of the picture that is drawn on. What is far outside
    /// is neither work nor a number that overflows.
    fn is_near(&self) -> bool {
        let reach = self.outline + 1.0;
        let misses = |span: &Range<i32>, of: fn(&Vector) -> f32| {
            let points = || self.path.iter().filter_map(end_point);
            let low = points().map(|p| of(&p)).fold(f32::INFINITY, f32::min);
            let high = points().map(|p| of(&p)).fold(f32::NEG_INFINITY, f32::max);
            // Control points may reach farther than ends, but a curve lies between them; what its
            // ends span is doubled for it.
            let more = reach + (high - low);
            !(low - more < span.end as f32 && high + more > span.start as f32)
        };
        !misses(&self.letters.columns, |p| p.x) && !misses(&self.letters.rows, |p| p.y)
    }

    /// Draws line art as a white body with black lines, as letters are white with a black edge.
    ///
    /// Fonts draw the lines of one face as several shapes, so what is inside is found in pixels:
    /// all that cannot be reached from outside without crossing a line.
    fn sticker(&mut self) {
        let (art, place) = self.mask(Fill::NonZero);
        let outside = reached_from_outside(&art, place.width as usize);
        let mut body = vec![0; art.len()];
        let mut lines = art.clone();
        let (mut white, mut black) = (0_u64, 0_u64);
        for (index, _) in outside.iter().enumerate().filter(|(_, outside)| !**outside) {
            body[index] = u8::MAX - art[index];
            lines[index] = u8::MAX;
            white += u64::from(body[index]);
            black += u64::from(art[index]);
        }
        if white * 5 < black {
            // A solid shape, or one that is open: like a letter.
            self.stroke(self.outline);
            self.letters.combine(&art, &place, either);
        } else {
            // The lines are a part of the edge already.
            self.stroke(self.outline * 0.4);
            self.behind.combine(&lines, &place, either);
            self.letters.combine(&body, &place, either);
        }
    }

    fn mask<'s>(&mut self, style: impl Into<zeno::Style<'s>>) -> (Vec<u8>, Placement) {
        Mask::with_scratch(&self.path[..], &mut self.scratch).style(style).render()
    }

    fn fill(&mut self) {
        let (mask, place) = self.mask(Fill::NonZero);
        self.letters.combine(&mask, &place, either);
    }

    fn stroke(&mut self, reach: f32) {
        let mut stroke = Stroke::new(reach * 2.0);
        stroke.join(Join::Round);
        let (mask, place) = self.mask(stroke);
        self.behind.combine(&mask, &place, either);
    }

    /// Blends what was collected onto the picture.
    pub(crate) fn finish(self, canvas: &mut Canvas<'_>) {
        match self.style {
            Style::Outline => {
                self.blend(&self.behind, BLACK, canvas);
                self.blend(&self.letters, WHITE, canvas);
            }
            Style::Ink => self.blend(&self.letters, INK, canvas),
        }
    }

    fn blend(&self, layer: &Layer, colour: [u8; 3], canvas: &mut Canvas<'_>) {
        let columns = layer.columns.len();
        if columns == 0 {
            return;
        }
        let [red, green, blue] = colour;
        let solid = [red, green, blue, u8::MAX];
        let upright = self.frame.is_upright();
        for (y, coverage) in layer.rows.clone().zip(layer.coverage.chunks_exact(columns)) {
            // The layer lies within the picture.
            let start = (y as usize * canvas.width as usize + layer.columns.start as usize) * 4;
            let row = &mut canvas.pixels[start..start + columns * 4];
            let (pixels, _) = row.as_chunks_mut::<4>();
            if upright {
                blend_row(pixels, coverage, solid);
                continue;
            }
            for ((x, &covered), pixel) in layer.columns.clone().zip(coverage).zip(pixels) {
                if covered > 0 && self.frame.contains(x as f32 + 0.5, y as f32 + 0.5) {
                    *pixel = mixed(*pixel, solid, covered);
                }
            }
        }
    }
}

/// Blends one colour over a row. In pieces, since most of a box is empty and most of a letter is
/// full, and without a branch in between, so that the compiler makes vector code of it.
fn blend_row(pixels: &mut [[u8; 4]], coverage: &[u8], solid: [u8; 4]) {
    let (coverage_pieces, coverage_rest) = coverage.as_chunks::<16>();
    let (pieces, rest) = pixels.as_chunks_mut::<16>();
    for (piece, covered) in pieces.iter_mut().zip(coverage_pieces) {
        match u128::from_ne_bytes(*covered) {
            0 => {}
            u128::MAX => *piece = [solid; 16],
            _ => {
                for (pixel, &covered) in piece.iter_mut().zip(covered) {
                    *pixel = mixed(*pixel, solid, covered);
                }
            }
        }
    }
    for (pixel, &covered) in rest.iter_mut().zip(coverage_rest) {
        *pixel = mixed(*pixel, solid, covered);
    }
}

fn mixed(under: [u8; 4], over: [u8; 4], covered: u8) -> [u8; 4] {
    let mut pixel = under;
    for (channel, over) in pixel.iter_mut().zip(over) {
        // Both weights together are 255, so that the sum is at most 255 * 255 and, after the
        // rounded division, a byte.
        let sum = u16::from(*channel) * u16::from(u8::MAX - covered)
            + u16::from(over) * u16::from(covered)
            + 128;
        *channel = ((sum + (sum >> 8)) >> 8) as u8;
    }
    pixel
}

/// Which pixels of a mask can be reached from its border over pixels that are less than half
/// covered.
fn reached_from_outside(mask: &[u8], width: usize) -> Vec<bool> {
    let mut reached = vec![false; mask.len()];
    if width == 0 {
        return reached;
    }
    let height = mask.len() / width;
    let mut open: Vec<(usize, usize)> = (0..width)
        .flat_map(|x| [(x, 0), (x, height.saturating_sub(1))])
        .chain((0..height).flat_map(|y| [(0, y), (width - 1, y)]))
        .collect();
    while let Some((x, y)) = open.pop() {
        // Left of the first column or above the first row is a number beyond all others.
        if x >= width || y >= height {
            continue;
        }
        let index = y * width + x;
        if reached[index] || mask[index] >= 128 {
            continue;
        }
        reached[index] = true;
        open.extend([(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)]);
    }
    reached
}

fn end_point(command: &Command) -> Option<Vector> {
    match *command {
        Command::MoveTo(p)
        | Command::LineTo(p)
        | Command::QuadTo(_, p)
        | Command::CurveTo(_, _, p) => Some(p),
        Command::Close => None,
    }
}

/// Takes an outline in font units and puts it where it belongs on the picture.
struct Pen<'a> {
    frame: &'a Frame,
    x: f32,
    y: f32,
    scale: f32,
    path: &'a mut Vec<Command>,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> Vector {
        let (x, y) = self.frame.to_picture(self.x + x * self.scale, self.y - y * self.scale);
        Vector::new(x, y)
    }
}

impl PathSink for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.push(Command::MoveTo(to));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.push(Command::LineTo(to));
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let (control, to) = (self.at(cx0, cy0), self.at(x, y));
        self.path.push(Command::QuadTo(control, to));
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (first, second, to) = (self.at(cx0, cy0), self.at(cx1, cy1), self.at(x, y));
        self.path.push(Command::CurveTo(first, second, to));
    }

    fn close(&mut self) {
        self.path.push(Command::Close);
    }
}
