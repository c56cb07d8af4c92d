//! What falls from above.

use super::part::{Frame, ball, props, strewn};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// Slanting rain over an area.
    Rain 1000.0 x 700.0 hangs 0.0 real 0xcfe4ff {
        /// How many drops.
        count: u8 = 70 => 1.0, 250.0;
    } rain;
    /// Flakes of snow over an area.
    Snow 1000.0 x 700.0 hangs 0.0 real 0xffffff {
        /// How many flakes.
        count: u8 = 70 => 1.0, 250.0;
    } snow;
    /// Confetti in many colours over an area. The colour of the prop is not used.
    Confetti 1000.0 x 600.0 hangs 0.0 real 0xffffff {
        /// How many pieces.
        count: u8 = 80 => 1.0, 250.0;
        /// Another number, other places.
        seed: u8 = 1;
    } confetti;
    /// A cloud.
    Cloud 320.0 x 180.0 hangs 0.0 scaled 0xffffff {
        /// With a few drops below.
        rain: bool = false;
    } cloud;
}

fn rain(p: &Rain, s: &mut Sheet, f: &Frame) {
    let mut next = strewn(21);
    for _ in 0..p.count {
        let (x, y, near) = (f.l() + f.w * next(), f.h * next(), 0.5 + next());
        s.open_faded(0.3 + 0.35 * near.min(1.0));
        s.stroke(&d!("M{} {}l{} {}", x, y, -12.0 * near, 44.0 * near), f.c, 2.4 + 1.6 * near);
        s.close();
    }
}

fn snow(p: &Snow, s: &mut Sheet, f: &Frame) {
    let mut next = strewn(33);
    for _ in 0..p.count {
        let (x, y, r) = (f.l() + f.w * next(), f.h * next(), 2.5 + 8.0 * next() * next());
        s.open_faded(0.65 + 0.35 * next());
        s.circle(x, y, r, f.c);
        s.close();
    }
}

fn confetti(p: &Confetti, s: &mut Sheet, f: &Frame) {
    let tones = [0xff5a6e, 0xffc93c, 0x46c7f0, 0x6fd66a, 0xa97bf0, 0xff9a4a];
    let mut next = strewn(u32::from(p.seed) + 40);
    for index in 0..p.count {
        let c = Colour::hex(tones[usize::from(index) % tones.len()]);
        let (x, y, k) = (f.l() + f.w * next(), f.h * next(), 0.7 + 0.8 * next());
        s.open(&d!(
            "translate({} {})rotate({})scale({} {})",
            x,
            y,
            next() * 360.0,
            k,
            k * (0.5 + 0.5 * next())
        ));
        let fill = s.down(c.light(0.35), c.dark(0.1));
        match index % 4 {
            0 => s.circle(0.0, 0.0, 8.0, fill),
            1 => s.stroke("M-14 0c5 -14 10 -14 14 0s9 14 14 0", c, 5.5),
            _ => s.rect(-10.0, -6.0, 20.0, 12.0, 2.5, fill),
        }
        s.close();
    }
}

fn cloud(p: &Cloud, s: &mut Sheet, f: &Frame) {
    let low = f.c.mix(Colour::hex(0x9f_b0d6), 0.45);
    if p.rain {
        let drop = ball(s, Colour::hex(0x4f_b4f0));
        for (x, y) in [(-90.0, 186.0), (-34.0, 206.0), (24.0, 186.0), (84.0, 206.0)] {
            s.path(&d!("M{} {}c{} 18 -22 34 0 36s14 -18 0 -36z", x, y, -14.0), &drop);
        }
    }
    let base = s.down(f.c, low);
    s.rect(-158.0, 92.0, 316.0, 84.0, 42.0, base);
    for (x, y, r) in
        [(96.0, 104.0, 58.0), (-96.0, 108.0, 58.0), (44.0, 74.0, 66.0), (-36.0, 72.0, 72.0)]
    {
        let fill = s.round(
            0.36,
            0.26,
            &[
                (0.0, f.c.light(0.7).to_string(), 1.0),
                (0.6, f.c.to_string(), 1.0),
                (1.0, low.to_string(), 1.0),
            ],
        );
        s.circle(x, y, r, fill);
    }
    let soft = s.down(f.c, low);
    s.rect(-120.0, 112.0, 240.0, 62.0, 31.0, soft);
}
