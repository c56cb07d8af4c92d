//! What stands beside a road.

use serde::Deserialize;

use super::part::{Frame, GOLD, IRON, STEEL, ball, block, lit, post, props, tube, under};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// Where a road sign points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// To the left.
    Left,
    /// To the right.
    #[default]
    Right,
    /// Straight on: a plain rectangle with an arrow above.
    Up,
    /// Nowhere: a rectangle for a caption.
    None,
}

/// What a traffic light shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lamp {
    /// Stop.
    #[default]
    Red,
    /// Wait.
    Yellow,
    /// Go.
    Green,
    /// Out of order.
    Off,
    /// All three at once.
    All,
}

props! {
    /// A road sign on posts; its board takes the upper part and has room for a caption.
    RoadSign 380.0 x 420.0 stands 0.5 real 0x1f8a5b {
        /// Where it points.
        way: Way = Way::Right;
        /// The height of the board, as a share of the whole.
        board: f64 = 0.4 => 0.15, 0.9;
        /// Posts: one or two.
        posts: u8 = 1 => 1.0, 2.0;
    } road_sign;
    /// A traffic light on a post.
    TrafficLight 130.0 x 460.0 stands 1.2 scaled 0x3b3950 {
        /// Which lamp is lit.
        lamp: Lamp = Lamp::Red;
    } traffic_light;
    /// A street lamp with an arm to the right.
    LampPost 190.0 x 560.0 stands 0.5 scaled 0x4a4f66 {
        /// Switched on.
        on: bool = true;
    } lamp_post;
    /// A street barrier with stripes. The colour is that of the stripes.
    Barrier 380.0 x 180.0 stands 1.05 scaled 0xe2503c {} barrier;
}

fn road_sign(p: &RoadSign, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let high = h * p.board;
    let thick = (f.short() * 0.055).clamp(8.0, 28.0);
    let spread = if p.posts > 1 { w * 0.28 } else { 0.0 };
    for x in if p.posts > 1 { vec![-spread, spread] } else { vec![0.0] } {
        post(s, x, high * 0.2, h, thick, STEEL.dark(0.1));
        under(s, x - thick / 2.0, high, thick, h * 0.05);
    }
    let nose = (high * 0.42).min(w * 0.3);
    let outline = |inset: f64| -> Vec<(f64, f64)> {
        let (a, b, t, u) = (l + inset, -l - inset, inset, high - inset);
        match p.way {
            Way::Right => {
                vec![(a, t), (b - nose, t), (b + inset * 0.2, high / 2.0), (b - nose, u), (a, u)]
            }
            Way::Left => {
                vec![(b, t), (a + nose, t), (a - inset * 0.2, high / 2.0), (a + nose, u), (b, u)]
            }
            Way::Up | Way::None => vec![(a, t), (b, t), (b, u), (a, u)],
        }
    };
    let r = (high * 0.07).min(14.0);
    s.open("translate(0 4)");
    s.soft_polygon(&outline(r), f.c.dark(0.5), r);
    s.close();
    s.soft_polygon(&outline(r), Colour::WHITE.dark(0.03), r);
    let face = s.stops(
        0.7,
        1.0,
        &[
            (0.0, f.c.light(0.24).to_string(), 1.0),
            (0.5, f.c.to_string(), 1.0),
            (1.0, f.c.dark(0.2).to_string(), 1.0),
        ],
    );
    s.soft_polygon(&outline(r + high * 0.045), face, r * 0.7);
    if p.way == Way::Up {
        let (y, k) = (high * 0.27, high * 0.13);
        s.stroke(
            &d!("M0 {}V{}M{} {}L0 {}L{} {}", y + k, y - k, -k, y, y - k, k, y),
            Colour::WHITE,
            k * 0.42,
        );
    }
    for x in if p.posts > 1 { vec![-spread, spread] } else { vec![0.0] } {
        for y in [high * 0.1, high * 0.9] {
            s.circle(x, y, (high * 0.022).max(2.0), f.c.light(0.55));
        }
    }
}

fn traffic_light(p: &TrafficLight, s: &mut Sheet, f: &Frame) {
    post(s, 0.0, 240.0, 456.0, 22.0, IRON.light(0.1));
    block(s, -34.0, 442.0, 68.0, 18.0, 8.0, IRON);
    under(s, -11.0, 262.0, 22.0, 26.0);
    s.rect(-62.0, 4.0, 124.0, 264.0, 30.0, f.c.dark(0.5));
    block(s, -60.0, 0.0, 120.0, 262.0, 30.0, f.c);
    for (y, own, c) in [
        (50.0, Lamp::Red, 0xff4a44),
        (130.0, Lamp::Yellow, 0xffc22e),
        (210.0, Lamp::Green, 0x3fd67a),
    ] {
        let c = Colour::hex(c);
        let on = p.lamp == own || p.lamp == Lamp::All;
        s.circle(0.0, y, 35.0, f.c.dark(0.6));
        if on {
            let halo = s.fade(c, 0.95);
            s.circle(0.0, y, 82.0, halo);
        }
        let glass = ball(s, if on { c.light(0.1) } else { c.dark(0.62) });
        s.circle(0.0, y, 30.0, glass);
        super::part::spot(s, -9.0, y - 12.0, 11.0, 6.0, -30.0);
        let visor = s.down(f.c.dark(0.1), f.c.dark(0.55));
        s.path(
            &d!(
                "M-38 {}C-38 {} 38 {} 38 {}C34 {} 22 {} 0 {}S-34 {} -38 {}Z",
                y - 4.0,
                y - 52.0,
                y - 52.0,
                y - 4.0,
                y - 22.0,
                y - 30.0,
                y - 30.0,
                y - 22.0,
                y - 4.0
            ),
            visor,
        );
    }
}

fn lamp_post(p: &LampPost, s: &mut Sheet, f: &Frame) {
    let arm = "M0 60C0 10 20 8 70 12";
    s.stroke(arm, f.c.dark(0.3), 16.0);
    s.stroke(arm, f.c.light(0.12), 9.0);
    post(s, 0.0, 54.0, 552.0, 18.0, f.c);
    let base = tube(s, f.c);
    s.soft_polygon(&[(-13.0, 470.0), (13.0, 470.0), (25.0, 552.0), (-25.0, 552.0)], base, 6.0);
    if p.on {
        let glow = s.fade(Colour::hex(0xff_e9a0), 0.95);
        s.circle(72.0, 44.0, 120.0, glow);
        let cone = s.stops(0.0, 1.0, &[(0.0, "#fff0b0".into(), 0.5), (1.0, "#fff0b0".into(), 0.0)]);
        s.polygon(&[(48.0, 46.0), (96.0, 46.0), (210.0, 540.0), (-66.0, 540.0)], cone);
    }
    let glass = if p.on { Colour::hex(0xff_f3c0) } else { Colour::hex(0x8a_90a4) };
    s.ellipse(72.0, 42.0, 34.0, 14.0, glass);
    let hood = lit(s, f.c);
    s.path("M34 42C34 4 110 4 110 42Z", hood);
    block(s, 30.0, 36.0, 84.0, 10.0, 5.0, f.c);
}

fn barrier(_: &Barrier, s: &mut Sheet, f: &Frame) {
    for x in [-140.0, 140.0] {
        s.stroke(&d!("M{} 30L{} 174M{} 30L{} 174", x, x - 30.0, x, x + 30.0), IRON, 15.0);
    }
    for (y, h) in [(16.0, 54.0), (96.0, 34.0)] {
        block(s, -190.0, y, 380.0, h, 9.0, Colour::hex(0xfb_f8f4));
        s.open_clipped(-190.0, y, 380.0, h - 4.0, 9.0);
        let stripe = s.down(f.c.light(0.16), f.c.dark(0.1));
        for index in 0..6_u8 {
            let x = -196.0 + 76.0 * f64::from(index);
            s.polygon(
                &[(x, y + h), (x + 36.0, y + h), (x + 36.0 + h * 0.7, y), (x + h * 0.7, y)],
                &stripe,
            );
        }
        s.close();
    }
    for x in [-150.0, 150.0] {
        let lamp = ball(s, GOLD);
        s.rect(x - 9.0, 6.0, 18.0, 14.0, 3.0, IRON);
        s.circle(x, 0.0, 15.0, lamp);
    }
}
