//! Doors, windows, and what is built.

use super::part::{
    Frame, GOLD, IRON, STEEL, WOOD, ball, block, drop_shadow, lit, post, props, tube, under, veil,
};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A door in its frame, hinged at the left.
    Door 260.0 x 460.0 stands 1.1 scaled 0xb5653c {
        /// From 0, shut, to 1, wide open.
        ajar: f64 = 0.0 => 0.0, 1.0;
        /// What is seen behind it.
        behind: Colour = Colour::hex(0x2a_2440);
        /// Light that comes out of it.
        glow: bool = false;
    } door;
    /// A lift: frame, two sliding doors, a lamp for the floor. People go in front of it.
    Elevator 420.0 x 520.0 stands 1.05 scaled 0xb9c0d2 {
        /// From 0, shut, to 1, open.
        open: f64 = 1.0 => 0.0, 1.0;
        /// The arrow that is lit: up or down.
        up: bool = true;
    } elevator;
    /// A window with a sill. The colour is the sky's.
    Window 280.0 x 300.0 hangs 0.0 real 0x86c9f3 {
        /// With curtains of this colour.
        curtains: Option<Colour> = None;
    } window;
    /// A launch pad with its tower at the left; a rocket stands at the middle of its foot, a
    /// tenth of its height above it.
    RocketPad 520.0 x 640.0 stands 1.05 scaled 0xd2574a {} rocket_pad;
    /// A ladder, upright.
    Ladder 130.0 x 460.0 stands 1.2 real 0xd79a58 {} ladder;
    /// A picket fence.
    Fence 620.0 x 190.0 stands 1.0 real 0xfbf7f0 {} fence;
}

fn door(p: &Door, s: &mut Sheet, f: &Frame) {
    let frame = Colour::hex(0xf3_ece2);
    block(s, -130.0, 0.0, 260.0, 460.0, 8.0, frame);
    let dark = s.down(p.behind.light(0.1), p.behind.dark(0.2));
    s.rect(-104.0, 26.0, 208.0, 434.0, 4.0, dark);
    if p.glow && p.ajar > 0.02 {
        let light = s.down(Colour::hex(0xff_fbe0), Colour::hex(0xff_d76a));
        s.rect(-104.0, 26.0, 208.0, 434.0, 4.0, light);
    }
    // An open leaf is narrower, and its outer edge is nearer to the viewer.
    let wide = 208.0 * (1.0 - 0.72 * p.ajar);
    let near = 30.0 * p.ajar;
    let (x, right) = (-104.0, -104.0 + wide);
    if p.glow && p.ajar > 0.02 {
        let beam =
            s.stops(0.0, 1.0, &[(0.0, "#fff3b0".into(), 0.75), (1.0, "#fff3b0".into(), 0.0)]);
        s.polygon(&[(right, 460.0), (104.0, 460.0), (190.0, 560.0), (right - 20.0, 560.0)], beam);
    }
    let skew = |px: f64, py: f64| {
        let part = (px - x) / wide;
        (px, py + near * part * (py - 243.0) / 217.0)
    };
    let quad = |a: f64, b: f64, c: f64, e: f64| [skew(a, b), skew(c, b), skew(c, e), skew(a, e)];
    let shade = s.across(f.c.dark(0.3), f.c.dark(0.5));
    s.polygon(&quad(x, 26.0, right, 460.0), shade);
    let leaf = lit(s, f.c.dark(0.16 * p.ajar));
    s.polygon(&quad(x + 1.0, 28.0, right - 6.0 * (1.0 - p.ajar) - 4.0, 460.0), leaf);
    let column = |from: f64, to: f64| (x + wide * from, x + wide * to);
    for (from, to) in [(0.12, 0.45), (0.55, 0.86)] {
        for (top, low) in [(60.0, 206.0), (262.0, 424.0)] {
            let (a, b) = column(from, to);
            s.soft_polygon(&quad(a, top, b, low), f.c.dark(0.38), 4.0);
            let inner = lit(s, f.c.light(0.08).dark(0.12 * p.ajar));
            s.soft_polygon(&quad(a + 3.0, top + 4.0, b - 2.0, low - 2.0), inner, 2.0);
        }
    }
    let (kx, ky) = skew(x + wide * 0.91, 244.0);
    let knob = ball(s, GOLD);
    s.ellipse(kx + 2.0, ky + 4.0, 13.0, 14.0, f.c.dark(0.5));
    s.circle(kx, ky, 12.0, knob);
    if p.ajar < 0.98 {
        under(s, -104.0, 26.0, 208.0, 16.0);
    }
}

fn elevator(p: &Elevator, s: &mut Sheet, f: &Frame) {
    block(s, -210.0, 0.0, 420.0, 520.0, 8.0, Colour::hex(0x8b_8699));
    let lamp = s.down(Colour::hex(0x2a_2638), Colour::hex(0x1c_1930));
    s.rect(-66.0, 16.0, 132.0, 44.0, 10.0, lamp);
    let on = Colour::hex(0xff_b43c);
    let off = Colour::hex(0x5a_5468);
    s.soft_polygon(
        &[(-40.0, 48.0), (-14.0, 48.0), (-27.0, 28.0)],
        if p.up { on } else { off },
        2.0,
    );
    s.soft_polygon(&[(14.0, 28.0), (40.0, 28.0), (27.0, 48.0)], if p.up { off } else { on }, 2.0);
    let cabin = s.down(Colour::hex(0xf7_e7c4), Colour::hex(0xc9_a878));
    s.rect(-172.0, 76.0, 344.0, 444.0, 4.0, cabin);
    let floor = s.down(Colour::hex(0x9a_7350), Colour::hex(0x7a_5638));
    s.polygon(&[(-140.0, 462.0), (140.0, 462.0), (172.0, 520.0), (-172.0, 520.0)], floor);
    s.open_faded(0.4);
    s.stroke("M-140 84V462M140 84V462M-140 462H140", Colour::hex(0x8a_6a48), 4.0);
    s.close();
    let glow = s.fade(Colour::hex(0xff_fbe6), 0.9);
    s.ellipse(0.0, 96.0, 150.0, 60.0, glow);
    let rail = super::part::lying_tube(s, GOLD);
    s.rect(-136.0, 330.0, 272.0, 12.0, 6.0, rail);
    s.open_clipped(-172.0, 76.0, 344.0, 444.0, 4.0);
    for side in [-1.0, 1.0] {
        let shift = side * 150.0 * p.open;
        let (from, to) = if side < 0.0 { (-172.0 + shift, shift) } else { (shift, 172.0 + shift) };
        let steel = s.stops(
            1.0,
            0.12,
            &[
                (0.0, f.c.light(0.3).to_string(), 1.0),
                (0.3, f.c.to_string(), 1.0),
                (0.42, f.c.light(0.55).to_string(), 1.0),
                (0.55, f.c.to_string(), 1.0),
                (1.0, f.c.dark(0.2).to_string(), 1.0),
            ],
        );
        s.rect(from, 76.0, to - from, 444.0, 0.0, steel);
        let edge = if side < 0.0 { to - 5.0 } else { from };
        s.rect(edge, 76.0, 5.0, 444.0, 0.0, f.c.dark(0.4));
    }
    under(s, -172.0, 76.0, 344.0, 26.0);
    s.close();
    s.rect(183.0, 270.0, 20.0, 54.0, 8.0, f.c.light(0.3));
    for (y, lit) in [(284.0, p.up), (308.0, !p.up)] {
        s.circle(193.0, y, 6.5, if lit { on } else { off });
    }
}

fn window(p: &Window, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w - 52.0, f.h - 40.0);
    drop_shadow(s, f, f.l() + 12.0, 0.0, f.w - 24.0, f.h - 14.0, 10.0);
    crate::sets::window(s, -w / 2.0, 12.0, w, h, f.c, f.c.light(0.72));
    let Some(cloth) = p.curtains else { return };
    for side in [-1.0, 1.0] {
        let fill = s.stops(
            1.0,
            0.0,
            &[
                (0.0, cloth.light(0.25).to_string(), 1.0),
                (0.35, cloth.dark(0.14).to_string(), 1.0),
                (0.6, cloth.light(0.14).to_string(), 1.0),
                (1.0, cloth.dark(0.24).to_string(), 1.0),
            ],
        );
        let out = side * f.w * 0.52;
        s.path(
            &d!(
                "M{} -14H{}C{} {} {} {} {} {}H{}Z",
                out,
                side * w * 0.1,
                side * w * 0.16,
                h * 0.5,
                side * w * 0.44,
                h * 0.5,
                side * w * 0.38,
                h + 24.0,
                out
            ),
            fill,
        );
    }
    let rod = super::part::lying_tube(s, WOOD);
    s.rect(-f.w * 0.58, -24.0, f.w * 1.16, 14.0, 7.0, rod);
}

fn rocket_pad(_: &RocketPad, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    block(s, -260.0, 600.0, 520.0, 40.0, 10.0, Colour::hex(0x8d_8a9c));
    let slab = s.down(Colour::hex(0xd3_d0dd), Colour::hex(0xa9_a6b6));
    s.soft_polygon(&[(-200.0, 576.0), (200.0, 576.0), (250.0, 604.0), (-250.0, 604.0)], slab, 4.0);
    s.ellipse(0.0, 590.0, 112.0, 12.0, Colour::hex(0x5a_5768));
    for x in [-226.0, -142.0] {
        post(s, x, 40.0, 598.0, 16.0, c);
    }
    for floor in 0..6_u8 {
        let y = 64.0 + 88.0 * f64::from(floor);
        s.stroke(
            &d!("M-224 {}L-144 {}M-144 {}L-224 {}", y, y + 84.0, y, y + 84.0),
            c.dark(0.2),
            7.0,
        );
        block(s, -234.0, y - 6.0, 100.0, 12.0, 4.0, c.light(0.12));
    }
    for y in [150.0, 326.0] {
        block(s, -140.0, y, 84.0, 16.0, 6.0, c.dark(0.06));
        block(s, -64.0, y - 10.0, 18.0, 36.0, 7.0, STEEL);
    }
    s.stroke("M-184 40V0", IRON, 6.0);
    let lamp = ball(s, Colour::hex(0xff_5a4c));
    s.circle(-184.0, 4.0, 10.0, lamp);
    for index in 0..10_u8 {
        let x = -244.0 + 50.0 * f64::from(index);
        s.polygon(
            &[(x, 606.0), (x + 22.0, 606.0), (x + 10.0, 624.0), (x - 12.0, 624.0)],
            Colour::hex(0xff_c93c),
        );
    }
}

fn ladder(_: &Ladder, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let rail = w * 0.13;
    let count = (h / (w * 0.48)).round().clamp(3.0, 16.0);
    let step = h / (count + 0.4);
    let mut y = step * 0.7;
    while y < h - step * 0.3 {
        let rung = super::part::lying_tube(s, f.c.dark(0.1));
        s.rect(l + rail * 0.5, y - rail * 0.4, w - rail, rail * 0.8, rail * 0.3, rung);
        y += step;
    }
    for x in [l + rail / 2.0, -l - rail / 2.0] {
        post(s, x, 0.0, h, rail, f.c);
    }
}

fn fence(_: &Fence, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let count = (w / (h * 0.3)).round().clamp(2.0, 60.0);
    let step = w / count;
    for y in [0.34, 0.72] {
        block(s, l, h * y, w, h * 0.1, 4.0, f.c.dark(0.16));
    }
    let mut x = l + step * 0.14;
    while x < -l - step * 0.5 {
        let wide = step * 0.72;
        let fill = tube(s, f.c.mix(Colour::WHITE, 0.2));
        let top = wide * 0.55;
        s.soft_polygon(
            &[
                (x + 2.0, top),
                (x + wide / 2.0, 3.0),
                (x + wide - 2.0, top),
                (x + wide - 2.0, h - 2.0),
                (x + 2.0, h - 2.0),
            ],
            fill,
            2.0,
        );
        x += step;
    }
    let grass = veil(s, Colour::INK, 0.0, 0.2);
    s.rect(l, h * 0.82, w, h * 0.18, 2.0, grass);
}
