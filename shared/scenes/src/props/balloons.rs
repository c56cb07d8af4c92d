//! Balloons for what is said and thought.

use serde::Deserialize;

use super::part::{Frame, props};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// Where a balloon's tail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Below at the left, to a speaker at the left.
    #[default]
    Left,
    /// Below at the right.
    Right,
    /// Below in the middle.
    Down,
    /// Above in the middle.
    Up,
    /// None.
    None,
}

props! {
    /// A speech balloon. Its tail reaches a quarter of the height beyond it.
    SpeechBalloon 380.0 x 200.0 hangs 0.0 real 0xffffff {
        /// Where the tail is.
        tail: Tail = Tail::Left;
        /// With points all round, as for a shout.
        shout: bool = false;
    } speech;
    /// A thought balloon: a cloud, and two small ones towards the thinker.
    ThoughtBalloon 380.0 x 220.0 hangs 0.0 real 0xffffff {
        /// Where the thinker is.
        tail: Tail = Tail::Left;
    } thought;
}

/// Paints a shape three times: shade, rim, face with light from above.
fn inflate(s: &mut Sheet, f: &Frame, paint: impl Fn(&mut Sheet, &str, f64)) {
    let rim = (f.short() * 0.03).clamp(3.0, 8.0);
    if f.shadow {
        s.open_faded(0.16);
        s.open(&d!("translate({} {})", rim, rim * 2.4));
        paint(s, &Colour::INK.to_string(), rim * 2.0);
        s.close();
        s.close();
    }
    paint(s, &Colour::INK.light(0.1).to_string(), rim * 2.0);
    let face = s.down(f.c.light(0.5), f.c.mix(Colour::hex(0xc9_cbe8), 0.32));
    paint(s, &face, 0.0);
}

/// Fills `path`, with a line of `grow` round it.
fn fill(s: &mut Sheet, path: &str, paint: &str, grow: f64) {
    if grow > 0.0 {
        s.stroke(path, paint, grow);
    }
    s.path(path, paint);
}

/// Three points of a tail from the balloon's body to its tip.
fn tail_points(tail: Tail, f: &Frame) -> Option<[(f64, f64); 3]> {
    let (w, h) = (f.w, f.h);
    let k = w.min(h * 1.6);
    Some(match tail {
        Tail::Left => {
            [(-w * 0.28, h * 0.8), (-w * 0.28 - k * 0.1, h * 1.24), (-w * 0.28 + k * 0.17, h * 0.9)]
        }
        Tail::Right => {
            [(w * 0.28, h * 0.8), (w * 0.28 + k * 0.1, h * 1.24), (w * 0.28 - k * 0.17, h * 0.9)]
        }
        Tail::Down => [(-k * 0.08, h * 0.9), (0.0, h * 1.25), (k * 0.08, h * 0.9)],
        Tail::Up => [(-k * 0.08, h * 0.1), (0.0, -h * 0.25), (k * 0.08, h * 0.1)],
        Tail::None => return None,
    })
}

fn speech(p: &SpeechBalloon, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w, f.h);
    let mut path = if p.shout { burst(f) } else { rounded(w, h) };
    // One outline for balloon and tail: two, joined by the fill, would show a seam.
    if let Some([a, tip, b]) = tail_points(p.tail, f) {
        let middle = (a.0 + b.0) / 2.0;
        let bend = (tip.0 - middle) * 0.25;
        let side = |p: (f64, f64)| ((p.0 + tip.0) / 2.0 - bend, (p.1 + tip.1) / 2.0);
        // Turned like the body: opposite turns would cut a hole where both overlap.
        let clockwise = (tip.0 - a.0) * (b.1 - a.1) - (tip.1 - a.1) * (b.0 - a.0) > 0.0;
        let (a, b) = if clockwise { (a, b) } else { (b, a) };
        let (out, back) = (side(a), side(b));
        path.push_str(&d!(
            "M{} {}Q{} {} {} {}Q{} {} {} {}Z",
            a.0,
            a.1,
            out.0,
            out.1,
            tip.0,
            tip.1,
            back.0,
            back.1,
            b.0,
            b.1
        ));
    }
    inflate(s, f, |s, paint, grow| fill(s, &path, paint, grow));
}

/// A rounded body, a little fuller than a rectangle.
fn rounded(w: f64, h: f64) -> String {
    let r = (h * 0.46).min(w * 0.46);
    let (l, k) = (-w / 2.0, r * 0.36);
    d!(
        "M{} 0H{}C{} 0 {} {} {} {}V{}C{} {} {} {} {} {}H{}C{} {} {} {} {} {}V{}C{} {} {} 0 {} 0Z",
        l + r,
        -l - r,
        -l - k,
        -l,
        k,
        -l,
        r,
        h - r,
        -l,
        h - k,
        -l - k,
        h,
        -l - r,
        h,
        l + r,
        l + k,
        h,
        l,
        h - k,
        l,
        h - r,
        r,
        l,
        k,
        l + k,
        l + r
    )
}

/// An outline of spikes.
fn burst(f: &Frame) -> String {
    let mut path = String::new();
    for index in 0..32_u8 {
        let (sin, cos) = (f64::from(index) * 11.25_f64).to_radians().sin_cos();
        let far = match index % 4 {
            0 => 1.08,
            2 => 0.98,
            _ => 0.8,
        };
        // More square than an ellipse, so that a caption has room.
        let square = 1.0 + 0.16 * (2.0 * sin * cos).abs();
        path.push_str(&d!(
            "{} {} ",
            cos * far * square * f.w / 2.0,
            f.h / 2.0 + sin * far * square * f.h / 2.0
        ));
    }
    format!("M{}Z", path.trim_end())
}

fn thought(p: &ThoughtBalloon, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w, f.h);
    let mut path = String::new();
    let mut puff = |x: f64, y: f64, rx: f64, ry: f64| {
        path.push_str(&d!(
            "M{} {}a{} {} 0 1 0 {} 0a{} {} 0 1 0 {} 0Z",
            x - rx,
            y,
            rx,
            ry,
            rx * 2.0,
            rx,
            ry,
            -rx * 2.0
        ));
    };
    for (x, y, rx, ry) in [
        (0.0, 0.5, 0.36, 0.42),
        (-0.29, 0.34, 0.18, 0.27),
        (-0.1, 0.25, 0.2, 0.27),
        (0.13, 0.24, 0.2, 0.25),
        (0.31, 0.36, 0.17, 0.27),
        (0.34, 0.62, 0.16, 0.26),
        (0.12, 0.74, 0.2, 0.26),
        (-0.12, 0.74, 0.2, 0.26),
        (-0.33, 0.63, 0.17, 0.26),
    ] {
        puff(x * w, y * h, rx * w, ry * h);
    }
    let side = match p.tail {
        Tail::Left => Some((-0.3, 1.0, -0.06)),
        Tail::Right => Some((0.3, 1.0, 0.06)),
        Tail::Down => Some((0.0, 1.0, 0.0)),
        Tail::Up => Some((0.0, -1.0, 0.0)),
        Tail::None => None,
    };
    if let Some((x, down, lean)) = side {
        let r = f.short();
        let from = if down > 0.0 { h } else { 0.0 };
        puff(w * x, from + down * h * 0.09, r * 0.1, r * 0.08);
        puff(w * (x + lean), from + down * h * 0.24, r * 0.06, r * 0.05);
    }
    inflate(s, f, |s, paint, grow| fill(s, &path, paint, grow));
}
