//! Furniture: what the cast sits at, stands on and lies in.

use super::part::{Frame, GOLD, IRON, WOOD, ball, block, lit, post, props, tube, under, veil};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// A table with two legs seen from the front and a lit top. Put things at y minus its height.
    Table 520.0 x 240.0 stands 1.0 real 0xb97a4a {
        /// A white cloth over it.
        cloth: bool = false;
    } table;
    /// A desk: a top, a modesty panel, drawers at the right.
    Desk 560.0 x 250.0 stands 1.05 real 0xa8714a {} desk;
    /// A counter or bar with a stone top and a panelled front.
    Counter 700.0 x 280.0 stands 1.02 real 0xc98a58 {} counter;
    /// A winners' podium of three steps: second, first, third. The step of the first is as high
    /// as the prop, the others 70% and 50%.
    Podium 560.0 x 260.0 stands 1.05 real 0x4f7fe0 {
        /// The heights of left, middle and right, as shares.
        heights: [f64; 3] = [0.7, 1.0, 0.5] => 0.05, 1.0;
    } podium;
    /// A speaker's lectern with a microphone.
    Lectern 220.0 x 330.0 stands 1.1 scaled 0x9c6239 {} lectern;
    /// A judge's bench: a broad front of panels with a seal, and a gavel on top.
    JudgesBench 640.0 x 330.0 stands 1.05 scaled 0x7c4a2d {} judges_bench;
    /// A chair seen from the front, a little from the left.
    Chair 200.0 x 300.0 stands 1.05 scaled 0xc9623f {} chair;
    /// A park bench.
    Bench 460.0 x 220.0 stands 1.05 scaled 0xb97a4a {} bench;
    /// A sofa with two cushions.
    Sofa 560.0 x 270.0 stands 1.05 scaled 0x4f8f9c {} sofa;
    /// A bed from the side: the head at the left.
    Bed 620.0 x 280.0 stands 1.04 scaled 0x5b7fd6 {} bed;
    /// A shelf on a wall, empty or with books and boxes. Hangs by its middle.
    Shelf 360.0 x 200.0 hangs 0.0 real 0xb97a4a {
        /// Boards.
        boards: u8 = 2 => 1.0, 5.0;
        /// With books.
        books: bool = true;
    } shelf;
    /// A museum's plinth; a thing stands on it at y minus its height.
    Plinth 260.0 x 300.0 stands 1.2 real 0xf2ede4 {
        /// A red rope on two brass posts in front.
        rope: bool = true;
        /// A glass case of the plinth's width, rising as high again.
        glass: bool = false;
    } plinth;
    /// A small stand with a plate on which a trophy may stand.
    TrophyStand 200.0 x 150.0 stands 1.15 scaled 0x6b4226 {} trophy_stand;
}

fn table(p: &Table, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let top = (h * 0.16).clamp(14.0, 46.0);
    let leg = (w * 0.055).clamp(12.0, 34.0);
    for (x, far) in [(-w * 0.34, true), (w * 0.34, true), (-w * 0.43, false), (w * 0.43, false)] {
        let (c, foot) = if far { (f.c.dark(0.34), h * 0.94) } else { (f.c.dark(0.06), h) };
        post(s, x, top * 0.6, foot, leg, c);
    }
    s.rect(l + w * 0.07, top, w * 0.86, h * 0.12, 4.0, f.c.dark(0.3));
    under(s, l + w * 0.04, top * 1.1, w * 0.92, h * 0.14);
    plate(s, f, top, if p.cloth { Colour::hex(0xf6_f2ea) } else { f.c });
    if p.cloth {
        let c = Colour::hex(0xf6_f2ea);
        let fall = h * 0.34;
        let step = w / 8.0;
        let mut path = d!("M{} {}", l, top * 0.7);
        path.push_str(&d!("H{}V{}", -l, top + fall * 0.7));
        for index in 0..8_u8 {
            let up = if index % 2 == 0 { -fall * 0.22 } else { fall * 0.1 };
            path.push_str(&d!("q{} {} {} 0", -step / 2.0, fall * 0.3 + up, -step));
        }
        path.push('Z');
        let fill = s.down(c, c.dark(0.16));
        s.path(&path, fill);
    }
}

/// A table's top seen a little from above: a trapezium of light over a front edge.
fn plate(s: &mut Sheet, f: &Frame, thick: f64, c: Colour) {
    let (l, w) = (f.l(), f.w);
    let depth = thick * 0.62;
    let lean = depth * 1.5;
    let face = s.stops(
        1.0,
        0.4,
        &[
            (0.0, c.light(0.48).to_string(), 1.0),
            (0.6, c.light(0.2).to_string(), 1.0),
            (1.0, c.to_string(), 1.0),
        ],
    );
    s.soft_polygon(
        &[(l + lean, 1.0), (-l - lean, 1.0), (-l - 3.0, depth), (l + 3.0, depth)],
        face,
        2.0,
    );
    block(s, l, depth, w, thick - depth + thick * 0.18, thick * 0.18, c);
}

fn desk(_: &Desk, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let top = (h * 0.17).clamp(14.0, 44.0);
    let body = h - top;
    block(s, l + w * 0.03, top * 0.9, w * 0.94, body + top * 0.1, 8.0, f.c.dark(0.14));
    let panel = lit(s, f.c.dark(0.02));
    s.rect(l + w * 0.07, top + body * 0.18, w * 0.5, body * 0.66, 8.0, f.c.dark(0.34));
    s.rect(l + w * 0.075, top + body * 0.2, w * 0.49, body * 0.63, 7.0, panel);
    for index in 0..3_u8 {
        let y = top + body * (0.18 + 0.23 * f64::from(index));
        s.rect(l + w * 0.62, y - 2.0, w * 0.31, body * 0.2 + 4.0, 7.0, f.c.dark(0.36));
        block(s, l + w * 0.625, y, w * 0.3, body * 0.19, 6.0, f.c.light(0.06));
        let knob = ball(s, GOLD);
        s.ellipse(l + w * 0.775, y + body * 0.095, w * 0.022, w * 0.013, knob);
    }
    under(s, l + w * 0.03, top, w * 0.94, body * 0.16);
    plate(s, f, top, f.c.light(0.08));
}

fn counter(_: &Counter, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let top = (h * 0.15).clamp(14.0, 44.0);
    block(s, l + w * 0.02, top * 0.8, w * 0.96, h - top * 0.8, 6.0, f.c.dark(0.06));
    let count = (w / 170.0).round().clamp(2.0, 8.0);
    let step = w * 0.94 / count;
    let mut x = l + w * 0.03;
    while x < -l - step * 0.5 {
        s.rect(x + step * 0.08, top + h * 0.12, step * 0.84, h * 0.58, 8.0, f.c.dark(0.32));
        let face = lit(s, f.c.light(0.06));
        s.rect(x + step * 0.1, top + h * 0.135, step * 0.8, h * 0.56, 7.0, face);
        x += step;
    }
    s.rect(l + w * 0.02, h * 0.94, w * 0.96, h * 0.06, 4.0, f.c.dark(0.5));
    under(s, l + w * 0.02, top, w * 0.96, h * 0.14);
    plate(s, f, top, Colour::hex(0xe9_e4ee));
}

fn podium(p: &Podium, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let each = w / 3.0;
    for (index, x, tone) in [(0, l, 0.1), (2, l + each * 2.0, 0.16), (1, l + each, 0.0)] {
        let high = h * p.heights[index];
        let y = h - high;
        let c = f.c.dark(tone);
        let lip = (h * 0.09).min(26.0);
        block(s, x, y + lip * 0.6, each, high - lip * 0.6, 8.0, c);
        let top = s.across(c.light(0.55), c.light(0.25));
        s.soft_polygon(
            &[(x + lip, y), (x + each - lip, y), (x + each - 2.0, y + lip), (x + 2.0, y + lip)],
            top,
            2.0,
        );
        let medal = [Colour::hex(0xd5_dae6), GOLD, Colour::hex(0xd0_8650)][index];
        let r = (high * 0.28).min(each * 0.2);
        let fill = ball(s, medal);
        s.circle(x + each / 2.0, y + lip + (high - lip) * 0.5, r * 1.12, c.dark(0.3));
        s.circle(x + each / 2.0, y + lip + (high - lip) * 0.5, r, fill);
        // Bars for the place: one, two, three.
        let bars = [2.0, 1.0, 3.0][index];
        let mut at = -(bars - 1.0) / 2.0;
        while at <= (bars - 1.0) / 2.0 {
            s.rect(
                x + each / 2.0 + at * r * 0.42 - r * 0.11,
                y + lip + (high - lip) * 0.5 - r * 0.48,
                r * 0.22,
                r * 0.96,
                r * 0.1,
                medal.dark(0.5),
            );
            at += 1.0;
        }
    }
}

fn lectern(_: &Lectern, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    s.stroke("M20 44C24 10 6 2 -14 14", IRON, 6.0);
    let head = ball(s, IRON);
    s.ellipse(-18.0, 15.0, 15.0, 10.0, head);
    block(s, -80.0, 300.0, 160.0, 30.0, 8.0, c.dark(0.2));
    let side = s.across(c.light(0.12), c.dark(0.26));
    s.soft_polygon(&[(-72.0, 92.0), (72.0, 92.0), (58.0, 300.0), (-58.0, 300.0)], side, 4.0);
    let panel = lit(s, c.light(0.1));
    s.soft_polygon(
        &[(-50.0, 122.0), (50.0, 122.0), (41.0, 280.0), (-41.0, 280.0)],
        c.dark(0.3),
        5.0,
    );
    s.soft_polygon(&[(-48.0, 126.0), (48.0, 126.0), (40.0, 278.0), (-40.0, 278.0)], panel, 3.0);
    let seal = ball(s, GOLD);
    s.circle(0.0, 190.0, 24.0, GOLD.dark(0.4));
    s.circle(0.0, 188.0, 22.0, seal);
    under(s, -76.0, 92.0, 152.0, 26.0);
    let top = s.down(c.light(0.42), c.light(0.1));
    s.soft_polygon(&[(-84.0, 44.0), (84.0, 44.0), (104.0, 80.0), (-104.0, 80.0)], top, 4.0);
    s.soft_polygon(&[(-44.0, 48.0), (30.0, 48.0), (38.0, 72.0), (-50.0, 72.0)], "#fdfbf6", 1.0);
    block(s, -108.0, 76.0, 216.0, 20.0, 7.0, c);
}

fn judges_bench(_: &JudgesBench, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    block(s, -300.0, 60.0, 600.0, 270.0, 8.0, c.dark(0.1));
    for x in [-276.0, -88.0, 100.0] {
        let wide = 176.0;
        s.rect(x, 96.0, wide, 190.0, 10.0, c.dark(0.4));
        let face = lit(s, c.light(0.08));
        s.rect(x + 4.0, 101.0, wide - 8.0, 184.0, 8.0, face);
        s.rect(x + 20.0, 118.0, wide - 40.0, 150.0, 6.0, c.dark(0.22));
        let inner = lit(s, c.light(0.14));
        s.rect(x + 23.0, 121.0, wide - 46.0, 146.0, 5.0, inner);
    }
    let seal = ball(s, GOLD);
    s.circle(0.0, 194.0, 52.0, GOLD.dark(0.45));
    s.circle(0.0, 191.0, 48.0, seal);
    s.circle(0.0, 191.0, 37.0, GOLD.dark(0.2));
    let inner = lit(s, GOLD);
    s.circle(0.0, 191.0, 34.0, inner);
    s.stroke(
        "M0 168V210M-20 176H20M-20 176L-27 196H-13ZM20 176L13 196H27ZM-12 212H12",
        GOLD.dark(0.55),
        4.5,
    );
    block(s, -308.0, 306.0, 616.0, 24.0, 5.0, c.dark(0.26));
    under(s, -300.0, 76.0, 600.0, 26.0);
    let top = s.across(c.light(0.5), c.light(0.18));
    s.soft_polygon(&[(-296.0, 30.0), (296.0, 30.0), (316.0, 52.0), (-316.0, 52.0)], top, 3.0);
    block(s, -320.0, 50.0, 640.0, 30.0, 9.0, c.light(0.06));
    gavel(s);
}

/// A gavel and the block it strikes, at the right of a bench's top.
fn gavel(s: &mut Sheet) {
    let wood = WOOD.dark(0.05);
    block(s, 178.0, 34.0, 92.0, 14.0, 6.0, wood.dark(0.2));
    s.open("translate(214 22)rotate(-16)");
    let handle = super::part::lying_tube(s, wood.light(0.1));
    s.rect(10.0, -5.0, 96.0, 10.0, 5.0, handle);
    let head = tube(s, wood);
    s.rect(-18.0, -25.0, 36.0, 50.0, 8.0, head);
    for y in [-20.0, 13.0] {
        s.rect(-19.0, y, 38.0, 6.0, 2.0, GOLD);
    }
    s.close();
}

fn chair(_: &Chair, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    for x in [-62.0, 62.0] {
        post(s, x, 10.0, 284.0, 20.0, c.dark(0.28));
    }
    for (y, tone) in [(18.0, 0.1), (74.0, 0.0)] {
        block(s, -70.0, y, 140.0, 40.0, 14.0, c.light(tone));
    }
    under(s, -72.0, 150.0, 144.0, 36.0);
    let seat = s.down(c.light(0.42), c.light(0.08));
    s.soft_polygon(&[(-66.0, 140.0), (66.0, 140.0), (84.0, 172.0), (-84.0, 172.0)], seat, 8.0);
    block(s, -92.0, 168.0, 184.0, 26.0, 10.0, c);
    for x in [-76.0, 76.0] {
        post(s, x, 192.0, 300.0, 22.0, c.dark(0.08));
        under(s, x - 11.0, 192.0, 22.0, 22.0);
    }
}

fn bench(_: &Bench, s: &mut Sheet, f: &Frame) {
    for x in [-170.0, 170.0] {
        post(s, x, 10.0, 206.0, 16.0, IRON.dark(0.1));
    }
    for y in [4.0, 40.0, 76.0] {
        block(s, -222.0, y, 444.0, 28.0, 10.0, f.c);
    }
    under(s, -220.0, 106.0, 440.0, 22.0);
    let seat = s.down(f.c.light(0.4), f.c.light(0.12));
    s.soft_polygon(&[(-212.0, 124.0), (212.0, 124.0), (224.0, 146.0), (-224.0, 146.0)], seat, 5.0);
    block(s, -230.0, 144.0, 460.0, 20.0, 9.0, f.c);
    for x in [-188.0, 188.0] {
        post(s, x, 162.0, 220.0, 20.0, IRON);
        s.stroke(&d!("M{} {}V{}", x, 96.0, 128.0), IRON, 12.0);
        s.stroke(&d!("M{} {}H{}", x - 22.0, 92.0, x + 22.0), IRON.light(0.16), 13.0);
    }
}

fn sofa(_: &Sofa, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    for x in [-220.0, 220.0] {
        post(s, x, 230.0, 270.0, 26.0, WOOD.dark(0.3));
    }
    block(s, -236.0, 0.0, 472.0, 190.0, 46.0, c.dark(0.06));
    for x in [-206.0, 4.0] {
        block(s, x, 26.0, 202.0, 130.0, 34.0, c.light(0.06));
    }
    block(s, -244.0, 150.0, 488.0, 100.0, 22.0, c.dark(0.2));
    under(s, -206.0, 132.0, 412.0, 24.0);
    for x in [-214.0, 2.0] {
        block(s, x, 142.0, 212.0, 66.0, 24.0, c.light(0.13));
    }
    for x in [-280.0, 204.0] {
        block(s, x, 84.0, 76.0, 164.0, 36.0, c);
        let roll = ball(s, c.light(0.08));
        s.circle(x + 38.0, 122.0, 34.0, roll);
    }
}

fn bed(_: &Bed, s: &mut Sheet, f: &Frame) {
    let wood = WOOD.dark(0.08);
    block(s, -310.0, 0.0, 46.0, 270.0, 20.0, wood);
    block(s, 270.0, 96.0, 40.0, 174.0, 18.0, wood);
    block(s, -290.0, 196.0, 580.0, 48.0, 8.0, wood.dark(0.1));
    for x in [-288.0, 290.0] {
        post(s, x, 236.0, 280.0, 26.0, wood.dark(0.3));
    }
    block(s, -266.0, 128.0, 538.0, 78.0, 22.0, Colour::hex(0xf6_f3f7));
    block(s, -256.0, 78.0, 150.0, 74.0, 34.0, Colour::hex(0xff_fdf9));
    let fill = s.down(f.c.light(0.28), f.c.dark(0.16));
    s.path("M-110 134C-60 96 60 104 150 100C230 98 276 110 276 140V204C276 222 268 228 250 226L-84 222C-112 222 -122 206 -118 184Z", fill);
    s.open_faded(0.35);
    s.stroke("M-60 140C-40 170 -52 200 -40 214M60 122C84 160 70 196 84 218M180 118C196 150 190 196 200 216", f.c.dark(0.3), 5.0);
    s.close();
    let fold = s.down(Colour::WHITE, f.c.light(0.72));
    s.path("M-124 132C-112 116 -90 112 -76 118C-86 150 -88 190 -74 224C-96 226 -118 222 -124 204C-130 180 -128 150 -124 132Z", fold);
}

fn shelf(p: &Shelf, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let count = f64::from(p.boards.max(1));
    let step = h / count;
    let thick = (step * 0.12).clamp(6.0, 20.0);
    for board in 0..p.boards {
        let y = step * f64::from(board + 1) - thick;
        if p.books {
            books(s, l + w * 0.06, y, w * 0.88, step - thick * 2.0, usize::from(board) * 3 + 1);
        }
        if f.shadow {
            let shade = veil(s, Colour::INK, 0.24, 0.0);
            s.rect(l + thick, y + thick, w - thick, thick * 1.3, 4.0, shade);
        }
        block(s, l, y, w, thick, thick * 0.3, f.c);
    }
}

/// A row of books from x to x + w that stands on y.
fn books(s: &mut Sheet, x: f64, y: f64, w: f64, h: f64, seed: usize) {
    let tones = [0xe2574c, 0x4a90d9, 0xf2b544, 0x58b37e, 0x8a6fd0, 0xf08a5d, 0xf1ede4];
    let mut next = super::part::strewn(u32::try_from(seed).unwrap_or(1));
    let (mut at, mut index) = (0.0, seed);
    while at < w * 0.84 {
        let wide = h * (0.16 + 0.14 * next());
        let high = h * (0.66 + 0.3 * next());
        if index % 7 != 6 {
            let c = Colour::hex(tones[index * 3 % tones.len()]);
            let fill = tube(s, c);
            s.rect(x + at, y - high, wide, high, wide * 0.14, fill);
            s.rect(x + at, y - high * 0.84, wide, high * 0.07, 0.0, c.light(0.5));
            s.rect(x + at, y - high * 0.2, wide, high * 0.04, 0.0, c.light(0.4));
        }
        at += wide + 1.0;
        index += 1;
    }
}

fn plinth(p: &Plinth, s: &mut Sheet, f: &Frame) {
    let (w, h) = (f.w, f.h);
    let lip = h * 0.09;
    let body = w * 0.8;
    block(s, -body / 2.0, lip, body, h - lip, 4.0, f.c.dark(0.04));
    let side = s.across(f.c.dark(0.14), f.c.dark(0.24));
    s.rect(body * 0.28, lip, body * 0.22, h - lip, 3.0, side);
    block(s, -w * 0.46, h - lip * 1.1, w * 0.92, lip * 1.1, 5.0, f.c);
    under(s, -body / 2.0, lip * 1.4, body, h * 0.07);
    let top = s.across(f.c.light(0.8), f.c.dark(0.05));
    s.soft_polygon(
        &[(-w * 0.4, 1.0), (w * 0.4, 1.0), (w * 0.49, lip * 0.6), (-w * 0.49, lip * 0.6)],
        top,
        2.0,
    );
    block(s, -w * 0.5, lip * 0.55, w, lip, 6.0, f.c);
    s.rect(-w * 0.16, h * 0.36, w * 0.32, h * 0.12, 4.0, GOLD.dark(0.35));
    let plate = lit(s, GOLD);
    s.rect(-w * 0.155, h * 0.36, w * 0.31, h * 0.11, 4.0, plate);
    if p.glass {
        let pane = s.stops(
            1.0,
            1.0,
            &[
                (0.0, "#ffffff".into(), 0.5),
                (0.4, "#dff2ff".into(), 0.12),
                (1.0, "#dff2ff".into(), 0.3),
            ],
        );
        s.rect(-w * 0.42, -h, w * 0.84, h + lip * 0.4, 6.0, pane);
        s.open_faded(0.75);
        s.stroke(
            &d!("M{} {}V{}H{}V{}", -w * 0.42, lip * 0.4, -h, w * 0.42, lip * 0.4),
            Colour::WHITE,
            4.0,
        );
        s.close();
    }
    if p.rope {
        rope_barrier(s, w, h);
    }
}

/// Two brass posts with a sagging rope of velvet, before a plinth `w` wide and `h` high.
fn rope_barrier(s: &mut Sheet, w: f64, h: f64) {
    let (out, top) = (w * 0.72, h * 0.42);
    for x in [-out, out] {
        let pool = s.fade(Colour::INK, 0.5);
        s.ellipse(x, h * 1.05, w * 0.16, h * 0.03, pool);
        let base = ball(s, GOLD);
        s.ellipse(x, h * 1.03, w * 0.1, h * 0.032, base);
        post(s, x, top, h * 1.03, w * 0.045, GOLD);
        let knob = ball(s, GOLD);
        s.circle(x, top, w * 0.05, knob);
    }
    let sag = d!("M{} {}Q0 {} {} {}", -out, top + h * 0.06, top + h * 0.52, out, top + h * 0.06);
    let red = Colour::hex(0xc2_2a45);
    s.stroke(&sag, red.dark(0.3), w * 0.06);
    s.stroke(&sag, red, w * 0.045);
    s.open("translate(-1 -2)");
    s.stroke(&sag, red.light(0.3), w * 0.012);
    s.close();
}

fn trophy_stand(_: &TrophyStand, s: &mut Sheet, f: &Frame) {
    block(s, -100.0, 104.0, 200.0, 46.0, 8.0, f.c.dark(0.1));
    let body = s.across(f.c.light(0.2), f.c.dark(0.3));
    s.soft_polygon(&[(-68.0, 34.0), (68.0, 34.0), (84.0, 106.0), (-84.0, 106.0)], body, 4.0);
    let plate = lit(s, GOLD);
    s.rect(-44.0, 56.0, 88.0, 34.0, 5.0, GOLD.dark(0.4));
    s.rect(-43.0, 55.0, 86.0, 32.0, 5.0, plate);
    let top = s.across(f.c.light(0.5), f.c.light(0.16));
    s.soft_polygon(&[(-66.0, 2.0), (66.0, 2.0), (78.0, 18.0), (-78.0, 18.0)], top, 2.0);
    block(s, -82.0, 16.0, 164.0, 24.0, 7.0, f.c);
}
