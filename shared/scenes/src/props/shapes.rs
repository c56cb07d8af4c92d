//! Plain shapes, for what has no kind of its own.

use super::part::{Frame, block, drop_shadow, lit, props};
use crate::draw::{Sheet, d};

props! {
    /// A bar between two parts of a picture.
    Divider 1000.0 x 12.0 hangs 0.0 real 0x171521 {} divider;
    /// A strip for a caption at the top or the bottom that fades out on one side.
    Strip 1000.0 x 200.0 hangs 0.0 real 0x171521 {
        /// Its opacity above.
        from: f64 = 0.85 => 0.0, 1.0;
        /// Its opacity below.
        to: f64 = 0.0 => 0.0, 1.0;
    } strip;
    /// A rounded rectangle, flat or with the light of a solid thing.
    Panel 300.0 x 200.0 hangs 0.0 real 0x4a90d9 {
        /// The radius of its corners.
        round: f64 = 18.0 => 0.0, 500.0;
        /// In one tone.
        flat: bool = false;
        /// A line of this thickness around it, darker than itself.
        outline: f64 = 0.0 => 0.0, 60.0;
    } panel;
    /// A circle or an ellipse.
    Ellipse 200.0 x 200.0 hangs 0.0 real 0x4a90d9 {
        /// In one tone.
        flat: bool = false;
        /// Only a ring of this thickness.
        ring: Option<f64> = None;
    } ellipse;
    /// A polygon. Its points are shares of its width and height, from its upper left corner.
    Polygon 200.0 x 200.0 hangs 0.0 real 0x4a90d9 {
        /// The points.
        points: Vec<[f64; 2]> = vec![[0.5, 0.0], [1.0, 1.0], [0.0, 1.0]] => -2.0, 3.0;
        /// The radius of its corners.
        round: f64 = 6.0 => 0.0, 100.0;
        /// In one tone.
        flat: bool = false;
    } polygon;
}

fn divider(_: &Divider, s: &mut Sheet, f: &Frame) {
    s.rect(f.l(), 0.0, f.w, f.h, 0.0, f.c);
}

fn strip(p: &Strip, s: &mut Sheet, f: &Frame) {
    let colour = f.c.to_string();
    let middle = (p.from + p.to) / 2.0;
    // Eased, since a straight ramp shows where it ends.
    let stops = [
        (0.0, colour.clone(), p.from),
        (0.5, colour.clone(), middle),
        (0.85, colour.clone(), p.to + (middle - p.to) * 0.16),
        (1.0, colour, p.to),
    ];
    let fill = s.stops(0.0, 1.0, &stops);
    s.rect(f.l(), 0.0, f.w, f.h, 0.0, fill);
}

fn panel(p: &Panel, s: &mut Sheet, f: &Frame) {
    let round = p.round.min(f.short() / 2.0);
    drop_shadow(s, f, f.l(), 0.0, f.w, f.h, round);
    let line = p.outline.min(f.short() / 3.0);
    if line > 0.0 {
        s.rect(f.l(), 0.0, f.w, f.h, round, f.c.dark(0.6));
    }
    let (x, y, w, h) = (f.l() + line, line, f.w - line * 2.0, f.h - line * 2.0);
    let inner = (round - line).max(0.0);
    if p.flat {
        s.rect(x, y, w, h, inner, f.c);
    } else {
        block(s, x, y, w, h, inner, f.c);
    }
}

fn ellipse(p: &Ellipse, s: &mut Sheet, f: &Frame) {
    let (rx, ry) = (f.w / 2.0, f.h / 2.0);
    if let Some(ring) = p.ring {
        let thick = ring.clamp(1.0, f.short() / 2.0);
        let (x, y) = (rx - thick / 2.0, ry - thick / 2.0);
        let fill = if p.flat { f.c.to_string() } else { lit(s, f.c) };
        s.stroke(
            &d!("M{} {}a{} {} 0 1 0 {} 0a{} {} 0 1 0 {} 0Z", -x, ry, x, y, x * 2.0, x, y, -x * 2.0),
            fill,
            thick,
        );
    } else {
        let fill = if p.flat { f.c.to_string() } else { super::part::ball(s, f.c) };
        s.ellipse(0.0, ry, rx, ry, fill);
    }
}

fn polygon(p: &Polygon, s: &mut Sheet, f: &Frame) {
    let points: Vec<(f64, f64)> =
        p.points.iter().map(|[x, y]| (f.l() + x * f.w, y * f.h)).collect();
    if points.len() < 3 {
        return;
    }
    if p.flat {
        s.soft_polygon(&points, f.c, p.round);
    } else {
        s.open("translate(0 5)");
        s.soft_polygon(&points, f.c.dark(0.42), p.round);
        s.close();
        let fill = lit(s, f.c);
        s.soft_polygon(&points, fill, p.round);
    }
}
