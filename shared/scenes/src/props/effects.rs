//! Fire, smoke and light.

use super::part::{Frame, props, strewn};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A single flame with its glow.
    Flame 200.0 x 260.0 stands 0.0 real 0xffc23c {
        /// With light around it.
        glow: bool = true;
    } flame;
    /// A cloud of smoke that rises and grows.
    Smoke 220.0 x 320.0 stands 0.0 scaled 0xb9b5c6 {} smoke;
    /// A spotlight's cone from above with its pool on the floor.
    Spotlight 460.0 x 800.0 stands 0.0 real 0xfff2b8 {
        /// The width of the cone above, as a share of that below.
        narrow: f64 = 0.16 => 0.0, 1.0;
        /// How strong it is.
        strength: f64 = 0.6 => 0.0, 1.0;
    } spotlight;
    /// A burst of rays round the middle, to lie behind somebody.
    Rays 1000.0 x 1000.0 hangs 0.0 real 0xffe27a {
        /// Rays.
        count: u8 = 16 => 3.0, 48.0;
        /// Fading towards the rim; otherwise even.
        fade: bool = true;
    } rays;
    /// A soft glow.
    Glow 400.0 x 400.0 hangs 0.0 real 0xfff0a8 {
        /// How strong it is in the middle.
        strength: f64 = 0.9 => 0.0, 1.0;
    } glow;
    /// Sparkles with four points, strewn over an area.
    Sparkles 320.0 x 260.0 hangs 0.0 real 0xffd84a {
        /// How many.
        count: u8 = 7 => 1.0, 40.0;
        /// Another number, other places.
        seed: u8 = 1;
    } sparkles;
    /// A shadow on the ground, for what hovers.
    ShadowBlob 320.0 x 80.0 hangs 0.0 real 0x0b0720 {
        /// How strong it is.
        strength: f64 = 0.6 => 0.0, 1.0;
    } shadow_blob;
    /// Darkness towards the corners of a panel. Place it in the panel's middle, as large as that.
    Vignette 1000.0 x 1000.0 hangs 0.0 real 0x0b0720 {
        /// How dark the corners are.
        strength: f64 = 0.6 => 0.0, 1.0;
    } vignette;
    /// A puff of dust along the ground, as from a sudden stop.
    Dust 300.0 x 110.0 stands 0.0 scaled 0xd9c9b0 {} dust;
}

fn flame(p: &Flame, s: &mut Sheet, f: &Frame) {
    if p.glow {
        let halo = s.fade(f.c, 0.6);
        s.ellipse(0.0, f.h * 0.6, f.w * 0.95, f.h * 0.68, halo);
    }
    crate::sets::flame(s, 0.0, f.h, f.w * 1.1, f.h);
}

/// A soft ball of smoke.
fn puff(s: &mut Sheet, x: f64, y: f64, r: f64, c: Colour) {
    let fill = s.round(
        0.36,
        0.28,
        &[
            (0.0, c.light(0.55).to_string(), 1.0),
            (0.55, c.to_string(), 1.0),
            (1.0, c.dark(0.24).to_string(), 1.0),
        ],
    );
    s.circle(x, y, r, fill);
}

fn smoke(_: &Smoke, s: &mut Sheet, f: &Frame) {
    for (x, y, r, opacity) in [
        (26.0, 44.0, 42.0, 0.35),
        (-34.0, 60.0, 50.0, 0.5),
        (34.0, 104.0, 56.0, 0.65),
        (-26.0, 138.0, 52.0, 0.75),
        (22.0, 188.0, 46.0, 0.85),
        (-16.0, 226.0, 38.0, 0.9),
        (12.0, 262.0, 30.0, 0.95),
        (-2.0, 292.0, 22.0, 1.0),
    ] {
        s.open_faded(opacity);
        puff(s, x, y, r, f.c);
        s.close();
    }
}

fn spotlight(p: &Spotlight, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w / 2.0, f.h);
    let pool = w * 0.2;
    let foot = h - pool;
    for (part, strength) in [(1.0, 0.5), (0.8, 0.5)] {
        let beam = s.stops(
            0.0,
            1.0,
            &[
                (0.0, f.c.light(0.4).to_string(), p.strength * strength),
                (1.0, f.c.to_string(), p.strength * strength * 0.22),
            ],
        );
        let top = w * p.narrow * part;
        s.path(
            &d!(
                "M{} 0H{}L{} {}A{} {} 0 0 1 {} {}Z",
                -top,
                top,
                w * part,
                foot,
                w * part,
                pool * part,
                -w * part,
                foot
            ),
            beam,
        );
    }
    let light = s.fade(f.c.light(0.3), p.strength);
    s.ellipse(0.0, foot, w, pool, light);
}

fn rays(p: &Rays, s: &mut Sheet, f: &Frame) {
    let middle = f.h / 2.0;
    let colour = f.c.to_string();
    let edge = if p.fade { 0.0 } else { 0.75 };
    let mut path = String::new();
    let step = 360.0 / f64::from(p.count);
    for index in 0..p.count {
        let from = (step * f64::from(index) - step * 0.25).to_radians();
        let to = from + (step * 0.5).to_radians();
        path.push_str(&d!(
            "M0 {}L{} {}L{} {}Z",
            middle,
            from.sin() * f.w / 2.0,
            middle - from.cos() * f.h / 2.0,
            to.sin() * f.w / 2.0,
            middle - to.cos() * f.h / 2.0
        ));
    }
    let fill = s.round(0.5, 0.5, &[(0.0, colour.clone(), 0.85), (1.0, colour, edge)]);
    s.path(&path, fill);
}

fn glow(p: &Glow, s: &mut Sheet, f: &Frame) {
    let fill = s.fade(f.c, p.strength);
    s.ellipse(0.0, f.h / 2.0, f.w / 2.0, f.h / 2.0, fill);
}

/// A star of four points.
fn sparkle(s: &mut Sheet, x: f64, y: f64, r: f64, c: Colour) {
    let star = |k: f64| {
        d!(
            "M{} {}Q{} {} {} {}Q{} {} {} {}Q{} {} {} {}Q{} {} {} {}Z",
            x,
            y - k,
            x + k * 0.14,
            y - k * 0.14,
            x + k,
            y,
            x + k * 0.14,
            y + k * 0.14,
            x,
            y + k,
            x - k * 0.14,
            y + k * 0.14,
            x - k,
            y,
            x - k * 0.14,
            y - k * 0.14,
            x,
            y - k
        )
    };
    let halo = s.fade(c, 0.6);
    s.circle(x, y, r * 0.9, halo);
    s.path(&star(r), c);
    s.path(&star(r * 0.6), c.light(0.75));
}

fn sparkles(p: &Sparkles, s: &mut Sheet, f: &Frame) {
    let mut next = strewn(u32::from(p.seed) + 11);
    let large = f.short() * if p.count < 3 { 0.4 } else { 0.19 };
    for index in 0..p.count {
        let r = large * (0.35 + 0.65 * next());
        // A golden angle about the middle spreads them better than chance does.
        let turn = f64::from(index) * 2.4 + next() * 0.8;
        let far = ((f64::from(index) + 0.6) / f64::from(p.count)).sqrt() * 0.5;
        sparkle_at(s, f, turn, far, r);
    }
}

fn sparkle_at(s: &mut Sheet, f: &Frame, turn: f64, far: f64, r: f64) {
    sparkle(s, turn.cos() * far * (f.w - r), f.h / 2.0 + turn.sin() * far * (f.h - r), r, f.c);
}

fn shadow_blob(p: &ShadowBlob, s: &mut Sheet, f: &Frame) {
    let fill = s.fade(f.c, p.strength);
    s.ellipse(0.0, f.h / 2.0, f.w / 2.0, f.h / 2.0, fill);
}

fn vignette(p: &Vignette, s: &mut Sheet, f: &Frame) {
    let c = f.c.to_string();
    let fill = s.round(
        0.5,
        0.5,
        &[(0.0, c.clone(), 0.0), (0.62, c.clone(), 0.05 * p.strength), (1.0, c, p.strength)],
    );
    // The gradient's circle is as wide as the shape; corners beyond it take its last colour.
    s.rect(f.l(), 0.0, f.w, f.h, 0.0, fill);
}

fn dust(_: &Dust, s: &mut Sheet, f: &Frame) {
    for (x, y, r, opacity) in [
        (-126.0, 92.0, 18.0, 0.5),
        (-92.0, 80.0, 28.0, 0.7),
        (-48.0, 66.0, 40.0, 0.85),
        (10.0, 60.0, 48.0, 0.9),
        (66.0, 72.0, 36.0, 0.85),
        (108.0, 84.0, 25.0, 0.7),
        (138.0, 97.0, 12.0, 0.5),
    ] {
        s.open_faded(opacity);
        puff(s, x, y, r, f.c);
        s.close();
    }
}
