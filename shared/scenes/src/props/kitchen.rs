//! Kitchen: pots, ovens, a cloche for the great reveal.

use super::part::{Frame, GOLD, IRON, STEEL, ball, block, lit, props, spot, tube, under};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A cooking pot with two handles.
    CookingPot 260.0 x 220.0 stands 1.1 scaled 0xd2574a {
        /// How far its lid is lifted: 0 is shut.
        lifted: f64 = 0.0 => 0.0, 1.0;
        /// With steam.
        steam: bool = false;
    } cooking_pot;
    /// A silver dome over a plate. What is served stands on the plate, at y minus a tenth of its
    /// height, and may be put in front.
    Cloche 320.0 x 240.0 stands 1.1 scaled 0xc9cede {
        /// How far the dome is lifted: 0 is shut, 1 clears the plate by the dome's height.
        lifted: f64 = 0.0 => 0.0, 1.0;
    } cloche;
    /// An oven with a window and knobs.
    Oven 340.0 x 380.0 stands 1.06 scaled 0xeceaf2 {
        /// Switched on: it glows.
        on: bool = true;
    } oven;
    /// A witch's cauldron; what bubbles in it has the prop's colour.
    Cauldron 280.0 x 260.0 stands 1.05 scaled 0x7fd45a {} cauldron;
}

fn steam(s: &mut Sheet, top: f64) {
    s.open_faded(0.55);
    for x in [-50.0, 0.0, 50.0] {
        s.stroke(&d!("M{} {}c-18 -16 18 -30 0 -50s14 -26 2 -44", x, top), Colour::WHITE, 13.0);
    }
    s.close();
}

fn cooking_pot(p: &CookingPot, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    for side in [-1.0, 1.0] {
        s.stroke(
            &d!("M{} 96c{} -10 {} 44 0 38", side * 98.0, side * 42.0, side * 42.0),
            IRON.dark(0.2),
            15.0,
        );
    }
    let body = tube(s, c);
    s.path("M-102 72V170C-102 206 -76 220 -46 220H46C76 220 102 206 102 170V72Z", body);
    s.ellipse(0.0, 72.0, 102.0, 24.0, c.light(0.3));
    s.ellipse(0.0, 73.0, 92.0, 19.0, c.dark(0.7));
    if p.lifted > 0.0 {
        let soup = s.across(Colour::hex(0xff_d08a), Colour::hex(0xe0_8a3c));
        s.ellipse(0.0, 77.0, 86.0, 14.0, soup);
    }
    if p.steam {
        steam(s, 56.0 - 20.0 * p.lifted);
    }
    s.open(&d!("translate({} {})rotate({})", 40.0 * p.lifted, -110.0 * p.lifted, 16.0 * p.lifted));
    let lid = s.stops(
        0.8,
        1.0,
        &[
            (0.0, c.light(0.45).to_string(), 1.0),
            (0.5, c.to_string(), 1.0),
            (1.0, c.dark(0.35).to_string(), 1.0),
        ],
    );
    s.path("M-106 70C-106 22 106 22 106 70C106 92 -106 92 -106 70Z", lid);
    let rim = super::part::lying_tube(s, STEEL);
    s.path("M-108 68C-108 94 108 94 108 68V76C108 102 -108 102 -108 76Z", rim);
    let knob = ball(s, IRON);
    s.ellipse(0.0, 26.0, 24.0, 17.0, knob);
    spot(s, -42.0, 50.0, 28.0, 8.0, -14.0);
    s.close();
}

fn cloche(p: &Cloche, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    let dish = super::part::lying_tube(s, c);
    s.ellipse(0.0, 222.0, 160.0, 18.0, c.dark(0.45));
    s.ellipse(0.0, 216.0, 160.0, 20.0, dish);
    let well = lit(s, c.light(0.4));
    s.ellipse(0.0, 213.0, 132.0, 13.0, well);
    if p.lifted > 0.1 {
        let glow = s.fade(Colour::hex(0xff_f3b8), 0.9 * p.lifted);
        s.ellipse(0.0, 150.0, 190.0, 110.0, glow);
    }
    s.open(&d!("translate(0 {})", -190.0 * p.lifted));
    if p.lifted > 0.0 {
        s.ellipse(0.0, 208.0, 124.0, 15.0, c.dark(0.62));
    }
    let dome = s.round(
        0.32,
        0.22,
        &[
            (0.0, "#ffffff".into(), 1.0),
            (0.28, c.light(0.35).to_string(), 1.0),
            (0.62, c.to_string(), 1.0),
            (0.86, c.dark(0.4).to_string(), 1.0),
            (1.0, c.dark(0.1).to_string(), 1.0),
        ],
    );
    s.path("M-128 206C-128 80 -70 34 0 34S128 80 128 206C90 220 -90 220 -128 206Z", dome);
    s.stroke("M-129 207C-90 221 90 221 129 207", c.light(0.35), 9.0);
    let knob = ball(s, GOLD);
    s.rect(-8.0, 22.0, 16.0, 18.0, 4.0, GOLD.dark(0.25));
    s.circle(0.0, 15.0, 16.0, knob);
    spot(s, -56.0, 104.0, 17.0, 46.0, 24.0);
    s.close();
}

fn oven(p: &Oven, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    block(s, -166.0, 12.0, 332.0, 360.0, 18.0, c);
    for x in [-130.0, 130.0] {
        s.rect(x - 18.0, 366.0, 36.0, 14.0, 4.0, IRON);
    }
    block(s, -170.0, 0.0, 340.0, 26.0, 10.0, IRON);
    s.rect(-150.0, 40.0, 300.0, 54.0, 12.0, c.dark(0.16));
    for x in [-116.0, -64.0, 64.0, 116.0] {
        let knob = ball(s, IRON.light(0.1));
        s.circle(x, 68.0, 18.0, c.dark(0.4));
        s.circle(x, 66.0, 17.0, knob);
        s.stroke(&d!("M{} 66v-11", x), Colour::WHITE, 4.0);
    }
    s.rect(-34.0, 52.0, 68.0, 30.0, 6.0, Colour::hex(0x24_2136));
    s.rect(-22.0, 62.0, 44.0, 10.0, 4.0, Colour::hex(if p.on { 0xff_8a3c } else { 0x4a_4760 }));
    block(s, -148.0, 112.0, 296.0, 240.0, 16.0, c.light(0.2));
    s.rect(-118.0, 156.0, 236.0, 166.0, 16.0, IRON.dark(0.2));
    let inside = if p.on {
        s.round(
            0.5,
            0.5,
            &[
                (0.0, "#ffe08a".into(), 1.0),
                (0.6, "#ff9a3c".into(), 1.0),
                (1.0, "#b5482a".into(), 1.0),
            ],
        )
    } else {
        s.down(Colour::hex(0x3a_3650), Colour::hex(0x26_2338))
    };
    s.rect(-108.0, 166.0, 216.0, 146.0, 11.0, inside);
    s.open_faded(0.55);
    s.stroke("M-104 250H104M-104 284H104", IRON.dark(0.3), 5.0);
    s.close();
    s.open_clipped(-108.0, 166.0, 216.0, 146.0, 11.0);
    super::part::glare(s, (-108.0, 166.0, 216.0, 146.0));
    s.close();
    let bar = super::part::lying_tube(s, STEEL);
    under(s, -120.0, 142.0, 240.0, 9.0);
    s.rect(-124.0, 128.0, 248.0, 16.0, 8.0, bar);
}

fn cauldron(_: &Cauldron, s: &mut Sheet, f: &Frame) {
    let iron = Colour::hex(0x45_4258);
    for x in [-74.0, 74.0] {
        s.rect(x - 15.0, 214.0, 30.0, 46.0, 12.0, iron.dark(0.35));
    }
    let belly = ball(s, iron);
    s.path("M-116 76C-150 130 -140 240 0 240S150 130 116 76Z", belly);
    for side in [-1.0, 1.0] {
        s.stroke(
            &d!("M{} 106c{} 0 {} 42 {} 44", side * 124.0, side * 28.0, side * 24.0, side * 2.0),
            iron.dark(0.25),
            11.0,
        );
    }
    let rim = super::part::lying_tube(s, iron.light(0.1));
    s.ellipse(0.0, 76.0, 130.0, 32.0, rim);
    let brew = s.across(f.c.light(0.3), f.c.dark(0.2));
    s.ellipse(0.0, 72.0, 112.0, 23.0, iron.dark(0.5));
    s.ellipse(0.0, 76.0, 106.0, 18.0, brew);
    let bubble = ball(s, f.c.light(0.12));
    for (x, y, r) in [
        (-58.0, 66.0, 17.0),
        (-18.0, 58.0, 26.0),
        (34.0, 64.0, 20.0),
        (70.0, 70.0, 12.0),
        (12.0, 14.0, 11.0),
        (-44.0, 24.0, 8.0),
        (48.0, 30.0, 7.0),
    ] {
        s.circle(x, y, r, &bubble);
        spot(s, x - r * 0.3, y - r * 0.35, r * 0.28, r * 0.18, -30.0);
    }
    let glow = s.fade(f.c, 0.5);
    s.ellipse(0.0, 50.0, 150.0, 70.0, glow);
    spot(s, -78.0, 142.0, 14.0, 34.0, 18.0);
}
