//! Ways, and what moves on them; ground and water.

use super::part::{Frame, GOLD, IRON, STEEL, ball, block, props, strewn, under};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A road that comes from below and splits in two. It lies flat: its foot is the near end.
    ForkInRoad 760.0 x 420.0 stands 0.0 scaled 0x6a6f80 {} fork_in_road;
    /// A railway track that comes from below at the left and runs to the right.
    Rails 900.0 x 320.0 stands 0.0 scaled 0x8a6244 {
        /// A second track branches off upwards.
        branch: bool = true;
    } rails;
    /// A trolley car from the side, with empty windows for the cast behind it.
    Trolley 460.0 x 300.0 stands 1.02 scaled 0xe0553f {} trolley;
    /// A planet whose curved ground fills the width; its highest point is the middle of the top.
    Planet 1200.0 x 360.0 stands 0.0 real 0xc86a4a {
        /// With craters.
        craters: bool = true;
    } planet;
    /// An iceberg in the sea: a small tip above the water, which lies at a quarter of the
    /// height, and a large body below. Captions go on both.
    Iceberg 1000.0 x 900.0 stands 0.0 scaled 0x2f86c8 {
        /// The sea around it; without it only the ice is drawn.
        sea: bool = true;
    } iceberg;
}

fn fork_in_road(_: &ForkInRoad, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    let edge = Colour::hex(0xf4_efe2);
    let left = "M-116 420C-96 300 -120 230 -214 160C-270 118 -322 70 -346 0H-296C-268 62 -214 100 -156 146C-104 186 -60 224 0 236C60 224 104 186 156 146C214 100 268 62 296 0H346C322 70 270 118 214 160C120 230 96 300 116 420Z";
    s.stroke(left, edge.dark(0.08), 12.0);
    let tar = s.down(c.light(0.16), c.dark(0.18));
    s.path(left, tar);
    let dash = Colour::hex(0xff_e08a);
    s.stroke("M0 408V372", dash, 11.0);
    s.stroke("M0 340V312", dash, 9.0);
    for side in [-1.0, 1.0] {
        for (a, b, k) in [
            ((60.0, 268.0), (92.0, 244.0), 7.5),
            ((130.0, 214.0), (160.0, 192.0), 6.5),
            ((192.0, 164.0), (216.0, 144.0), 5.5),
            ((244.0, 118.0), (262.0, 98.0), 4.5),
            ((284.0, 70.0), (297.0, 50.0), 3.6),
        ] {
            s.stroke(&d!("M{} {}L{} {}", side * a.0, a.1, side * b.0, b.1), dash, k);
        }
    }
    // Grass between the roads, so that the parting is a place.
    let grass = ball(s, Colour::hex(0x6f_b555));
    for (x, y, r) in [(-26.0, 214.0, 24.0), (22.0, 212.0, 27.0), (0.0, 198.0, 28.0)] {
        s.ellipse(x, y, r, r * 0.75, &grass);
    }
}

fn sleepers(s: &mut Sheet, c: Colour, at: &[(f64, f64, f64, f64)]) {
    for &(x, y, turn, long) in at {
        s.open(&d!("translate({} {})rotate({})", x, y, turn));
        block(s, -10.0, -long / 2.0, 20.0, long, 4.0, c);
        s.close();
    }
}

fn track(s: &mut Sheet, upper: &str, lower: &str) {
    for rail in [upper, lower] {
        s.stroke(rail, IRON.dark(0.4), 13.0);
        s.open("translate(0 -3)");
        s.stroke(rail, STEEL, 8.0);
        s.stroke(rail, Colour::WHITE, 2.0);
        s.close();
    }
}

fn rails(p: &Rails, s: &mut Sheet, f: &Frame) {
    let mut main: Vec<(f64, f64, f64, f64)> = Vec::new();
    let mut x = -430.0;
    while x < 450.0 {
        main.push((x, 252.0, 8.0, 104.0));
        x += 46.0;
    }
    // Clipped, so that tracks run out of the picture instead of ending in a knob.
    s.open_clipped(f.l(), -40.0, f.w, f.h + 80.0, 0.0);
    let bed = s.down(Colour::hex(0xb9_ab9c), Colour::hex(0x8f_8174));
    s.open_faded(0.7);
    s.rect(-460.0, 196.0, 920.0, 116.0, 40.0, &bed);
    if p.branch {
        s.stroke("M-120 252C40 252 120 210 220 140S380 70 450 66", &bed, 104.0);
    }
    s.close();
    if p.branch {
        let turned = [
            (-40.0, 246.0, -4.0),
            (10.0, 236.0, -12.0),
            (58.0, 219.0, -20.0),
            (102.0, 198.0, -26.0),
            (142.0, 174.0, -30.0),
            (184.0, 148.0, -28.0),
            (228.0, 122.0, -24.0),
            (276.0, 100.0, -18.0),
            (328.0, 84.0, -12.0),
            (382.0, 73.0, -6.0),
            (434.0, 67.0, -3.0),
        ];
        sleepers(s, f.c.dark(0.1), &turned.map(|(x, y, turn)| (x, y, turn + 8.0, 92.0)));
    }
    sleepers(s, f.c, &main);
    if p.branch {
        track(
            s,
            "M-160 218C20 218 96 176 200 106S370 40 456 36",
            "M-90 278C60 278 140 236 232 172S390 98 456 94",
        );
    }
    track(s, "M-456 222H456", "M-456 282H456");
    s.close();
}

fn trolley(_: &Trolley, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    s.stroke("M-60 26L30 -40M30 -40H90", IRON, 7.0);
    for x in [-140.0, 140.0] {
        block(s, x - 74.0, 238.0, 148.0, 34.0, 12.0, IRON);
        for wheel in [-40.0, 40.0] {
            let tyre = ball(s, IRON.dark(0.1));
            s.circle(x + wheel, 268.0, 32.0, tyre);
            let hub = ball(s, STEEL);
            s.circle(x + wheel, 268.0, 15.0, hub);
        }
    }
    block(s, -214.0, 14.0, 428.0, 52.0, 26.0, Colour::hex(0xf6_e6c4));
    block(s, -226.0, 44.0, 452.0, 206.0, 26.0, c);
    s.rect(-226.0, 152.0, 452.0, 18.0, 0.0, Colour::hex(0xf6_e6c4));
    let glass = s.stops(
        0.7,
        1.0,
        &[(0.0, "#e8f8ff".into(), 1.0), (0.5, "#a9d8f0".into(), 1.0), (1.0, "#6fa9cf".into(), 1.0)],
    );
    for x in [-206.0, -108.0, -10.0, 88.0] {
        s.rect(x - 4.0, 64.0, 92.0, 80.0, 14.0, c.dark(0.4));
        s.rect(x, 68.0, 84.0, 72.0, 11.0, &glass);
    }
    s.rect(182.0, 64.0, 38.0, 80.0, 12.0, c.dark(0.4));
    s.rect(186.0, 68.0, 32.0, 72.0, 10.0, &glass);
    let lamp = ball(s, Colour::hex(0xff_e38a));
    s.circle(212.0, 200.0, 17.0, GOLD.dark(0.4));
    s.circle(212.0, 199.0, 14.0, lamp);
    under(s, -226.0, 170.0, 452.0, 16.0);
    block(s, -236.0, 236.0, 472.0, 18.0, 8.0, c.dark(0.4));
}

fn planet(p: &Planet, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let rise = (h * 0.55).min(w * 0.24);
    let air = s.fade(f.c.light(0.5), 0.6);
    s.ellipse(0.0, h * 0.5, w * 0.62, h * 0.9, air);
    s.open_clipped(l, -10.0, w, h + 10.0, 0.0);
    let ground = s.stops(
        0.3,
        1.0,
        &[
            (0.0, f.c.light(0.42).to_string(), 1.0),
            (0.35, f.c.to_string(), 1.0),
            (1.0, f.c.dark(0.4).to_string(), 1.0),
        ],
    );
    s.path(&d!("M{} {}Q0 {} {} {}V{}H{}Z", l, rise, -rise, -l, rise, h, l), ground);
    if p.craters {
        for (x, y, r) in [
            (-0.33, 0.5, 0.06),
            (-0.12, 0.3, 0.035),
            (0.1, 0.62, 0.085),
            (0.3, 0.36, 0.045),
            (-0.2, 0.82, 0.07),
            (0.38, 0.78, 0.06),
        ] {
            s.ellipse(w * x, h * y + rise * 0.1, w * r, w * r * 0.36, f.c.light(0.26));
            let pit = s.down(f.c.dark(0.42), f.c.dark(0.12));
            s.ellipse(w * x, h * y + rise * 0.1 - w * r * 0.05, w * r * 0.92, w * r * 0.3, pit);
        }
    }
    s.close();
}

fn iceberg(p: &Iceberg, s: &mut Sheet, f: &Frame) {
    let level = 225.0;
    if p.sea {
        let deep = s.stops(
            0.0,
            1.0,
            &[
                (0.0, f.c.light(0.34).to_string(), 1.0),
                (0.3, f.c.to_string(), 1.0),
                (1.0, f.c.dark(0.62).to_string(), 1.0),
            ],
        );
        s.rect(-500.0, level, 1_000.0, 675.0, 0.0, deep);
        let beam =
            s.stops(0.0, 1.0, &[(0.0, "#ffffff".into(), 0.22), (1.0, "#ffffff".into(), 0.0)]);
        for x in [-420.0, -250.0, 260.0, 410.0] {
            s.polygon(
                &[
                    (x - 24.0, level),
                    (x + 34.0, level),
                    (x + 96.0 - x * 0.1, 820.0),
                    (x - 70.0 - x * 0.1, 820.0),
                ],
                &beam,
            );
        }
        let mut next = strewn(9);
        for _ in 0..26 {
            let (x, y, r) = (next() * 960.0 - 480.0, 320.0 + next() * 540.0, 3.0 + next() * 6.0);
            s.open_faded(0.25);
            s.circle(x, y, r, Colour::WHITE);
            s.close();
        }
    }
    let ice = Colour::hex(0xbf_e6f7);
    let under_water = s.stops(
        0.4,
        1.0,
        &[
            (0.0, ice.light(0.2).to_string(), 1.0),
            (0.4, ice.mix(f.c, 0.36).to_string(), 1.0),
            (1.0, ice.mix(f.c, 0.82).dark(0.2).to_string(), 1.0),
        ],
    );
    s.soft_polygon(
        &[
            (-212.0, level),
            (-330.0, 330.0),
            (-300.0, 490.0),
            (-206.0, 640.0),
            (-96.0, 800.0),
            (10.0, 862.0),
            (110.0, 770.0),
            (240.0, 650.0),
            (318.0, 470.0),
            (296.0, 320.0),
            (196.0, level),
        ],
        under_water,
        16.0,
    );
    s.open_faded(0.3);
    for (points, tone) in [
        ([(-212.0, level), (-330.0, 330.0), (-300.0, 490.0), (-120.0, 380.0)], ice.light(0.7)),
        ([(-300.0, 490.0), (-206.0, 640.0), (-40.0, 560.0), (-120.0, 380.0)], ice.light(0.3)),
        ([(196.0, level), (296.0, 320.0), (318.0, 470.0), (150.0, 400.0)], f.c.dark(0.2)),
        ([(318.0, 470.0), (240.0, 650.0), (110.0, 770.0), (150.0, 400.0)], f.c.dark(0.45)),
        ([(-206.0, 640.0), (-96.0, 800.0), (10.0, 862.0), (-40.0, 560.0)], f.c),
    ] {
        s.polygon(&points, tone);
    }
    s.close();
    let tip = s.stops(
        0.7,
        1.0,
        &[(0.0, "#ffffff".into(), 1.0), (0.5, "#e6f5fc".into(), 1.0), (1.0, "#a4d3ec".into(), 1.0)],
    );
    s.soft_polygon(
        &[
            (-196.0, level),
            (-150.0, 138.0),
            (-84.0, 108.0),
            (-30.0, 14.0),
            (34.0, 58.0),
            (84.0, 44.0),
            (140.0, 140.0),
            (184.0, level),
        ],
        tip,
        8.0,
    );
    s.polygon(
        &[
            (-30.0, 14.0),
            (34.0, 58.0),
            (8.0, 150.0),
            (60.0, level),
            (184.0, level),
            (140.0, 140.0),
            (84.0, 44.0),
            (50.0, 62.0),
        ],
        Colour::hex(0x9f_cde8),
    );
    s.polygon(
        &[(84.0, 44.0), (140.0, 140.0), (90.0, 168.0), (62.0, 120.0)],
        Colour::hex(0xc9_e6f4),
    );
    if p.sea {
        for (x, w) in [(-210.0, 150.0), (150.0, 190.0), (-440.0, 110.0), (400.0, 130.0)] {
            s.open_faded(0.75);
            s.stroke(
                &d!("M{} {}q{} 9 {} 0t{} 0", x - w / 2.0, level + 3.0, w / 4.0, w / 2.0, w / 2.0),
                Colour::WHITE,
                6.0,
            );
            s.close();
        }
    }
}
