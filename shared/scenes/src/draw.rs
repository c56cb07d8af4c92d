//! The sheet that everything is drawn on: SVG elements, and definitions with ids of their own.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

use crate::colour::Colour;

/// SVG in the making. Lengths are in units of the panel; angles are in degrees, clockwise.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    body: String,
    defs: String,
    known: HashMap<String, usize>,
    next: usize,
}

/// A number as short as a hundredth of a unit allows.
pub(crate) fn num(value: f64) -> String {
    // What is not a number would make the whole picture unreadable; nothing is drawn far outside.
    let value = if value.is_finite() { value.clamp(-1e5, 1e5) } else { 0.0 };
    let mut text = format!("{value:.2}");
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    if text == "-0" { "0".to_owned() } else { text }
}

macro_rules! put {
    ($sheet:expr, $($arg:tt)*) => {{
        // Writing to a `String` cannot fail.
        let _ = write!($sheet.body, $($arg)*);
    }};
}

impl Sheet {
    pub(crate) fn raw(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// A number that nothing else on this sheet has.
    pub(crate) fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// Defines what `svg` says, `{id}` in it being its id, once for equal definitions.
    fn define(&mut self, svg: String) -> usize {
        if let Some(id) = self.known.get(&svg) {
            return *id;
        }
        let id = self.fresh();
        self.defs.push_str(&svg.replace("{id}", &format!("g{id}")));
        self.known.insert(svg, id);
        id
    }

    /// A gradient from `a` at the top to `b` at the bottom.
    pub(crate) fn down(&mut self, a: impl Display, b: impl Display) -> String {
        self.stops(0.0, 1.0, &[(0.0, a.to_string(), 1.0), (1.0, b.to_string(), 1.0)])
    }

    /// A gradient from `a` at the left to `b` at the right.
    pub(crate) fn across(&mut self, a: impl Display, b: impl Display) -> String {
        self.stops(1.0, 0.0, &[(0.0, a.to_string(), 1.0), (1.0, b.to_string(), 1.0)])
    }

    /// A linear gradient towards (x, y) of the bounding box with stops (offset, colour, opacity).
    pub(crate) fn stops(&mut self, x: f64, y: f64, stops: &[(f64, String, f64)]) -> String {
        let mut svg = format!(
            "<linearGradient id=\"{{id}}\" x1=\"0\" y1=\"0\" x2=\"{}\" y2=\"{}\">",
            num(x),
            num(y)
        );
        Self::put_stops(&mut svg, stops);
        svg.push_str("</linearGradient>");
        format!("url(#g{})", self.define(svg))
    }

    /// A round gradient about (x, y) of the bounding box.
    pub(crate) fn round(&mut self, x: f64, y: f64, stops: &[(f64, String, f64)]) -> String {
        let mut svg = format!(
            "<radialGradient id=\"{{id}}\" cx=\"{}\" cy=\"{}\" r=\"{}\">",
            num(x),
            num(y),
            if (x - 0.5).abs() + (y - 0.5).abs() < 0.01 { "0.5" } else { "0.8" }
        );
        Self::put_stops(&mut svg, stops);
        svg.push_str("</radialGradient>");
        format!("url(#g{})", self.define(svg))
    }

    /// `colour` in the middle that fades to nothing at the rim.
    pub(crate) fn fade(&mut self, colour: Colour, opacity: f64) -> String {
        let colour = colour.to_string();
        self.round(
            0.5,
            0.5,
            &[
                (0.0, colour.clone(), opacity),
                (0.45, colour.clone(), opacity * 0.62),
                (0.8, colour.clone(), opacity * 0.14),
                (1.0, colour, 0.0),
            ],
        )
    }

    fn put_stops(svg: &mut String, stops: &[(f64, String, f64)]) {
        for (offset, colour, opacity) in stops {
            let _ = write!(svg, "<stop offset=\"{}\" stop-color=\"{colour}\"", num(*offset));
            if *opacity < 1.0 {
                let _ = write!(svg, " stop-opacity=\"{}\"", num(*opacity));
            }
            svg.push_str("/>");
        }
    }

    pub(crate) fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, r: f64, fill: impl Display) {
        put!(
            self,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{fill}\"/>",
            num(x),
            num(y),
            num(w.max(0.01)),
            num(h.max(0.01)),
            num(r.max(0.0))
        );
    }

    pub(crate) fn ellipse(&mut self, x: f64, y: f64, rx: f64, ry: f64, fill: impl Display) {
        put!(
            self,
            "<ellipse cx=\"{}\" cy=\"{}\" rx=\"{}\" ry=\"{}\" fill=\"{fill}\"/>",
            num(x),
            num(y),
            num(rx.max(0.01)),
            num(ry.max(0.01))
        );
    }

    pub(crate) fn circle(&mut self, x: f64, y: f64, r: f64, fill: impl Display) {
        self.ellipse(x, y, r, r, fill);
    }

    pub(crate) fn path(&mut self, d: &str, fill: impl Display) {
        put!(self, "<path d=\"{d}\" fill=\"{fill}\"/>");
    }

    /// A line with round ends and joins.
    pub(crate) fn stroke(&mut self, d: &str, colour: impl Display, width: f64) {
        put!(
            self,
            "<path d=\"{d}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\"/>",
            num(width)
        );
    }

    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: impl Display) {
        self.path(&outline(points), fill);
    }

    /// A polygon whose corners are rounded by a line of its own colour.
    pub(crate) fn soft_polygon(&mut self, points: &[(f64, f64)], fill: impl Display, r: f64) {
        put!(
            self,
            "<path d=\"{}\" fill=\"{fill}\" stroke=\"{fill}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\"/>",
            outline(points),
            num(r * 2.0)
        );
    }

    pub(crate) fn open(&mut self, transform: &str) {
        put!(self, "<g transform=\"{transform}\">");
    }

    pub(crate) fn open_faded(&mut self, opacity: f64) {
        put!(self, "<g opacity=\"{}\">", num(opacity.clamp(0.0, 1.0)));
    }

    /// A group of which only what lies in the rectangle is seen.
    pub(crate) fn open_clipped(&mut self, x: f64, y: f64, w: f64, h: f64, r: f64) {
        let id = self.fresh();
        let _ = write!(
            self.defs,
            "<clipPath id=\"c{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" \
             rx=\"{}\"/></clipPath>",
            num(x),
            num(y),
            num(w.max(0.01)),
            num(h.max(0.01)),
            num(r)
        );
        put!(self, "<g clip-path=\"url(#c{id})\">");
    }

    pub(crate) fn close(&mut self) {
        self.raw("</g>");
    }

    /// A soft dark pool about (x, y), as under a thing that stands.
    pub(crate) fn shadow(&mut self, x: f64, y: f64, w: f64, strength: f64) {
        let fill = self.fade(Colour::hex(0x0b0720), 0.62 * strength);
        self.ellipse(x, y, w / 2.0, (w * 0.12).max(6.0), fill);
    }

    /// A board in three tones: lit above, its own colour, a dark lower edge `depth` thick.
    #[expect(clippy::too_many_arguments, reason = "a rectangle, and how it is drawn")]
    pub(crate) fn slab(&mut self, x: f64, y: f64, w: f64, h: f64, r: f64, depth: f64, c: Colour) {
        self.rect(x, y + depth, w, h, r, c.dark(0.42));
        let face = self.down(c.light(0.22), c.dark(0.06));
        self.rect(x, y, w, h, r, face);
        let gloss =
            self.stops(0.0, 1.0, &[(0.0, "#ffffff".into(), 0.55), (1.0, "#ffffff".into(), 0.0)]);
        let rim = (h * 0.12).clamp(3.0, 16.0);
        self.rect(x + r * 0.5, y + 2.0, w - r, rim, rim / 2.0, gloss);
    }

    /// The whole document, `w` by `h` pixels, with the units of `view` across.
    pub(crate) fn document(&self, w: u32, h: u32, view: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" \
             xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {} {}\"><defs>{}</defs>{}</svg>",
            num(view),
            num(view * f64::from(h) / f64::from(w)),
            self.defs,
            self.body
        )
    }
}

fn outline(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{} {}", if index == 0 { 'M' } else { 'L' }, num(*x), num(*y));
    }
    d.push('Z');
    d
}

/// Path data in which each `{}` is a number: `path!("M{} {}h{}", x, y, w)`.
macro_rules! d {
    ($format:literal $(, $value:expr)* $(,)?) => {
        format!($format $(, $crate::draw::num($value))*)
    };
}
pub(crate) use d;
