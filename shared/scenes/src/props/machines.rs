//! Machines: what is pressed, pulled, turned, and leaks.

use super::part::{
    Frame, GOLD, IRON, STEEL, ball, block, lit, lying_tube, post, props, spot, tube, under, veil,
};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A big push button on its base.
    Button 220.0 x 150.0 stands 1.2 scaled 0xd7263d {
        /// Pushed down.
        pressed: bool = false;
    } button;
    /// A desk panel on which buttons stand; its face leans towards the viewer in the
    /// upper half. Buttons go at y minus 60% of its height.
    Console 760.0 x 240.0 stands 1.04 real 0x8894ad {
        /// With lamps and slots along the front.
        lamps: bool = true;
    } console;
    /// A dial with a scale and a needle. Green, yellow and red by default.
    Dial 260.0 x 260.0 hangs 0.0 scaled 0xf4f1fa {
        /// Where the needle is: 0 at the left, 1 at the right.
        value: f64 = 0.75 => 0.0, 1.0;
    } dial;
    /// A lever in a slotted box. The colour is that of its knob.
    Lever 160.0 x 260.0 stands 1.1 scaled 0xd7263d {
        /// From 0, all to the left, to 1, all to the right.
        value: f64 = 0.2 => 0.0, 1.0;
    } lever;
    /// A run of pipe from the left to the right with flanges.
    Pipe 600.0 x 120.0 hangs 0.0 real 0x8fa3b8 {
        /// Where it leaks, as a share of the width.
        leaks: Vec<f64> = vec![0.5] => 0.0, 1.0;
    } pipe;
    /// A tank with a gauge glass and a valve.
    Tank 260.0 x 360.0 stands 1.1 scaled 0x6f93b8 {
        /// How full it is.
        level: f64 = 0.6 => 0.0, 1.0;
        /// What is in it.
        liquid: Colour = Colour::hex(0x3f_b6e8);
    } tank;
    /// A balance with two pans. The pans hang at a quarter and three quarters of the width.
    Scale 520.0 x 460.0 stands 0.55 scaled 0xf4b63a {
        /// From -1, the left pan down, to 1, the right one down.
        tilt: f64 = 0.0 => -1.0, 1.0;
    } scale;
}

fn button(p: &Button, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    let metal = Colour::hex(0x57_5670);
    let side = s.across(metal.light(0.3), metal.dark(0.4));
    s.path("M-110 92V108C-110 134 -60 150 0 150S110 134 110 108V92Z", side);
    let top = lit(s, metal.light(0.22));
    s.ellipse(0.0, 92.0, 110.0, 44.0, top);
    s.ellipse(0.0, 91.0, 92.0, 35.0, metal.dark(0.55));
    let up = if p.pressed { 30.0 } else { 0.0 };
    let wall = s.stops(
        1.0,
        0.0,
        &[
            (0.0, c.dark(0.18).to_string(), 1.0),
            (0.28, c.light(0.12).to_string(), 1.0),
            (1.0, c.dark(0.5).to_string(), 1.0),
        ],
    );
    s.path(&d!("M-86 {}V90C-86 108 -48 122 0 122S86 108 86 90V{}Z", 46.0 + up, 46.0 + up), wall);
    let dome = s.round(
        0.36,
        0.2,
        &[
            (0.0, c.light(0.42).to_string(), 1.0),
            (0.35, c.light(0.1).to_string(), 1.0),
            (1.0, c.dark(0.24).to_string(), 1.0),
        ],
    );
    s.path(
        &d!(
            "M-86 {}C-86 {} -50 {} 0 {}S86 {} 86 {}C86 {} 48 {} 0 {}S-86 {} -86 {}Z",
            48.0 + up,
            18.0 + up,
            2.0 + up,
            2.0 + up,
            18.0 + up,
            48.0 + up,
            68.0 + up,
            82.0 + up,
            82.0 + up,
            68.0 + up,
            48.0 + up
        ),
        dome,
    );
    spot(s, -26.0, 24.0 + up, 36.0, 11.0, -6.0);
}

fn console(p: &Console, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let top = h * 0.54;
    let side = lit(s, f.c.dark(0.12));
    s.rect(l + w * 0.02, top, w * 0.96, h - top, 8.0, f.c.dark(0.45));
    s.rect(l + w * 0.02, top, w * 0.96, h - top - 6.0, 8.0, side);
    if p.lamps {
        let wide = w * 0.2;
        for slot in 0..3_u8 {
            s.rect(
                l + w * 0.08,
                h * (0.73 + 0.07 * f64::from(slot)),
                wide,
                h * 0.035,
                h * 0.017,
                f.c.dark(0.5),
            );
        }
        for (index, c) in (0_u8..).zip([0x6fe08a, 0xffc93c, 0xff6b5e, 0x5fc8ff]) {
            let lamp = ball(s, Colour::hex(c));
            let x = w * (0.2 + 0.07 * f64::from(index));
            s.circle(x, h * 0.8, h * 0.05, f.c.dark(0.5));
            s.circle(x, h * 0.8, h * 0.038, lamp);
        }
    }
    let face = s.stops(
        0.5,
        1.0,
        &[(0.0, f.c.light(0.55).to_string(), 1.0), (1.0, f.c.light(0.14).to_string(), 1.0)],
    );
    s.soft_polygon(
        &[(l + w * 0.07, 4.0), (-l - w * 0.07, 4.0), (-l - 6.0, top), (l + 6.0, top)],
        face,
        5.0,
    );
    block(s, l, top, w, h * 0.1, h * 0.045, f.c);
    s.open_faded(0.5);
    s.stroke(
        &d!(
            "M{} {}L{} {}H{}L{} {}Z",
            l + w * 0.1,
            h * 0.06,
            l + w * 0.05,
            top - h * 0.05,
            -l - w * 0.05,
            -l - w * 0.1,
            h * 0.06
        ),
        f.c.dark(0.3),
        3.0,
    );
    s.close();
    under(s, l + w * 0.02, top + h * 0.1, w * 0.96, h * 0.09);
}

fn dial(p: &Dial, s: &mut Sheet, f: &Frame) {
    let ring = s.stops(
        0.7,
        1.0,
        &[
            (0.0, GOLD.light(0.5).to_string(), 1.0),
            (0.5, GOLD.to_string(), 1.0),
            (1.0, GOLD.dark(0.5).to_string(), 1.0),
        ],
    );
    if f.shadow {
        let pool = s.fade(Colour::INK, 0.5);
        s.ellipse(6.0, 142.0, 136.0, 132.0, pool);
    }
    s.circle(0.0, 130.0, 130.0, ring);
    s.circle(0.0, 130.0, 112.0, GOLD.dark(0.5));
    let face = lit(s, f.c);
    s.circle(0.0, 131.0, 109.0, face);
    for (from, to, c) in
        [(-120.0_f64, -42.0_f64, 0x58c27a), (-38.0, 38.0, 0xffc93c), (42.0, 120.0, 0xe8455a)]
    {
        let ((sa, ca), (sb, cb)) = (from.to_radians().sin_cos(), to.to_radians().sin_cos());
        s.stroke(
            &d!(
                "M{} {}A86 86 0 0 1 {} {}",
                sa * 86.0,
                130.0 - ca * 86.0,
                sb * 86.0,
                130.0 - cb * 86.0
            ),
            Colour::hex(c),
            17.0,
        );
    }
    for tick in -5..=5_i8 {
        let (sin, cos) = (f64::from(tick) * 24.0).to_radians().sin_cos();
        s.stroke(
            &d!("M{} {}L{} {}", sin * 64.0, 130.0 - cos * 64.0, sin * 72.0, 130.0 - cos * 72.0),
            IRON,
            4.0,
        );
    }
    s.open(&d!("translate(0 130)rotate({})", -120.0 + 240.0 * p.value));
    s.soft_polygon(
        &[(-7.0, 18.0), (7.0, 18.0), (1.5, -84.0), (-1.5, -84.0)],
        Colour::hex(0xc8_1f3a),
        3.0,
    );
    s.close();
    let hub = ball(s, IRON);
    s.circle(0.0, 130.0, 19.0, hub);
    s.open_faded(0.5);
    spot(s, -38.0, 62.0, 42.0, 17.0, -28.0);
    s.close();
}

fn lever(p: &Lever, s: &mut Sheet, f: &Frame) {
    block(s, -80.0, 176.0, 160.0, 84.0, 14.0, IRON.light(0.2));
    let top = s.across(IRON.light(0.5), IRON.light(0.2));
    s.soft_polygon(&[(-62.0, 160.0), (62.0, 160.0), (76.0, 184.0), (-76.0, 184.0)], top, 5.0);
    s.rect(-48.0, 166.0, 96.0, 12.0, 6.0, IRON.dark(0.55));
    for index in 0..6_u8 {
        let x = -66.0 + 24.0 * f64::from(index);
        s.polygon(
            &[(x, 216.0), (x + 12.0, 216.0), (x + 2.0, 240.0), (x - 10.0, 240.0)],
            Colour::hex(0xff_c93c),
        );
    }
    s.open(&d!("translate(0 176)rotate({})", -38.0 + 76.0 * p.value));
    let rod = tube(s, STEEL);
    s.rect(-9.0, -132.0, 18.0, 132.0, 8.0, rod);
    s.rect(-13.0, -118.0, 26.0, 12.0, 5.0, IRON);
    let knob = ball(s, f.c);
    s.circle(0.0, -138.0, 33.0, knob);
    spot(s, -10.0, -150.0, 11.0, 7.0, -30.0);
    s.close();
}

fn pipe(p: &Pipe, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let body = lying_tube(s, f.c);
    if f.shadow {
        s.open_faded(0.14);
        s.rect(l, h * 0.3, w, h * 0.8, h * 0.2, Colour::INK);
        s.close();
    }
    s.rect(l, h * 0.12, w, h * 0.76, 2.0, body);
    let flange = lying_tube(s, f.c.light(0.08));
    for x in [0.0, 0.5, 1.0] {
        let middle = (l + w * x).clamp(l + h * 0.2, -l - h * 0.2);
        let middle = if (x - 0.5).abs() < 0.1 { middle - w * 0.17 } else { middle };
        s.rect(middle - h * 0.17, 0.0, h * 0.16, h, h * 0.05, &flange);
        s.rect(middle + h * 0.01, 0.0, h * 0.16, h, h * 0.05, &flange);
        for y in [0.2, 0.74] {
            s.circle(middle - h * 0.09, h * y, h * 0.045, f.c.dark(0.45));
            s.circle(middle + h * 0.09, h * y, h * 0.045, f.c.dark(0.45));
        }
    }
    for leak in &p.leaks {
        spray(s, l + w * leak, h * 0.34, h);
    }
}

/// Water that bursts upwards and to both sides from (x, y).
fn spray(s: &mut Sheet, x: f64, y: f64, k: f64) {
    let water = Colour::hex(0x5f_c8f5);
    for (dx, up, fall, thick) in [
        (-0.95, 0.9, 0.1, 0.13),
        (-0.5, 1.3, 0.6, 0.15),
        (0.1, 1.5, 1.2, 0.16),
        (0.62, 1.2, 0.5, 0.15),
        (1.05, 0.8, 0.05, 0.12),
    ] {
        let path =
            d!("M{} {}Q{} {} {} {}", x, y, x + dx * k * 0.5, y - up * k, x + dx * k, y - fall * k);
        s.stroke(&path, water.dark(0.16), k * thick * 1.25);
        s.stroke(&path, water.light(0.3), k * thick * 0.8);
        let drop = ball(s, water);
        s.circle(x + dx * k * 1.12, y - fall * k + k * 0.16, k * thick * 0.62, &drop);
        s.circle(x + dx * k * 1.2, y - fall * k + k * 0.42, k * thick * 0.4, &drop);
    }
    s.soft_polygon(
        &[
            (x - k * 0.12, y),
            (x - k * 0.03, y - k * 0.1),
            (x + k * 0.05, y - k * 0.03),
            (x + k * 0.13, y - k * 0.07),
            (x + k * 0.1, y + k * 0.07),
            (x - k * 0.02, y + k * 0.03),
            (x - k * 0.08, y + k * 0.09),
        ],
        Colour::INK,
        1.0,
    );
}

fn tank(p: &Tank, s: &mut Sheet, f: &Frame) {
    for x in [-86.0, 86.0] {
        post(s, x, 290.0, 360.0, 28.0, IRON);
    }
    let body = tube(s, f.c);
    s.path("M-120 60C-120 -18 120 -18 120 60V288C120 326 -120 326 -120 288Z", body);
    for y in [72.0, 262.0] {
        let band = tube(s, f.c.dark(0.2));
        s.path(
            &d!(
                "M-122 {}C-122 {} 122 {} 122 {}V{}C122 {} -122 {} -122 {}Z",
                y,
                y + 22.0,
                y + 22.0,
                y,
                y + 18.0,
                y + 40.0,
                y + 40.0,
                y + 18.0
            ),
            band,
        );
    }
    s.rect(-66.0, 108.0, 54.0, 140.0, 27.0, IRON.dark(0.2));
    s.rect(-60.0, 114.0, 42.0, 128.0, 21.0, Colour::hex(0xe6_f0f6));
    s.open_clipped(-60.0, 114.0, 42.0, 128.0, 21.0);
    let liquid = s.across(p.liquid.light(0.35), p.liquid.dark(0.2));
    s.rect(-60.0, 242.0 - 128.0 * p.level, 42.0, 128.0, 0.0, liquid);
    s.rect(-60.0, 242.0 - 128.0 * p.level, 42.0, 6.0, 3.0, p.liquid.light(0.5));
    s.close();
    let red = Colour::hex(0xd7_3a45);
    s.circle(52.0, 176.0, 18.0, f.c.dark(0.45));
    s.stroke("M52 142a34 34 0 1 0 .1 0", red.dark(0.35), 15.0);
    s.stroke("M52 140a34 34 0 1 0 .1 0M52 142V208M18 174H86", red, 11.0);
    let hub = ball(s, GOLD);
    s.circle(52.0, 175.0, 11.0, hub);
    let shine = veil(s, Colour::WHITE, 0.55, 0.0);
    s.rect(-96.0, 46.0, 16.0, 180.0, 8.0, shine);
}

fn scale(p: &Scale, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    block(s, -110.0, 420.0, 220.0, 40.0, 16.0, c.dark(0.14));
    block(s, -74.0, 394.0, 148.0, 34.0, 14.0, c);
    post(s, 0.0, 40.0, 400.0, 24.0, c);
    let sag = 62.0 * p.tilt;
    for (x, y) in [(-200.0, 62.0 - sag), (200.0, 62.0 + sag)] {
        s.stroke(
            &d!("M{} {}L{} {}M{} {}L{} {}", x, y, x - 74.0, y + 196.0, x, y, x + 74.0, y + 196.0),
            IRON.light(0.2),
            4.0,
        );
        let inside = s.across(c.dark(0.35), c.dark(0.05));
        let bowl = s.stops(
            0.8,
            1.0,
            &[
                (0.0, c.light(0.45).to_string(), 1.0),
                (0.5, c.to_string(), 1.0),
                (1.0, c.dark(0.4).to_string(), 1.0),
            ],
        );
        s.path(
            &d!(
                "M{} {}C{} {} {} {} {} {}Z",
                x - 92.0,
                y + 196.0,
                x - 70.0,
                y + 256.0,
                x + 70.0,
                y + 256.0,
                x + 92.0,
                y + 196.0
            ),
            bowl,
        );
        s.ellipse(x, y + 196.0, 92.0, 15.0, c.light(0.3));
        s.ellipse(x, y + 197.0, 84.0, 11.0, inside);
    }
    let beam = d!("M-200 {}Q0 {} 200 {}", 62.0 - sag, 34.0, 62.0 + sag);
    s.stroke(&beam, c.dark(0.4), 22.0);
    s.stroke(&beam, c, 17.0);
    s.open("translate(-1 -4)");
    s.stroke(&beam, c.light(0.5), 5.0);
    s.close();
    for (x, y) in [(-200.0, 62.0 - sag), (200.0, 62.0 + sag), (0.0, 48.0)] {
        let knob = ball(s, c);
        s.circle(x, y, if x == 0.0 { 24.0 } else { 14.0 }, knob);
    }
    let tip = ball(s, c.light(0.1));
    s.circle(0.0, 14.0, 14.0, tip);
}
