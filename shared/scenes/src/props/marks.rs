//! The marks of comics: how somebody feels, and where to look.

use super::part::{Frame, ball, lit, props, spot};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

props! {
    /// Lines behind something that moves to the right.
    MotionLines 200.0 x 160.0 hangs 0.0 real 0xffffff {
        /// How many.
        count: u8 = 4 => 1.0, 12.0;
    } motion_lines;
    /// Drops of sweat that fly off, to the upper right.
    SweatDrops 140.0 x 130.0 hangs 0.0 scaled 0x6fcbf7 {} sweat_drops;
    /// The vein of anger.
    AngerMarks 110.0 x 110.0 hangs 0.0 scaled 0xe8383f {} anger_marks;
    /// A question mark.
    Question 110.0 x 180.0 hangs 0.0 scaled 0xf4b63a {} question;
    /// Exclamation marks.
    Exclamation 110.0 x 180.0 hangs 0.0 scaled 0xe8383f {
        /// How many.
        count: u8 = 1 => 1.0, 3.0;
    } exclamation;
    /// Three letters of sleep that rise to the right.
    Zzz 200.0 x 190.0 hangs 0.0 scaled 0x7f9cf0 {} zzz;
    /// A round badge with a tick, or with a cross. By default green or red.
    Badge 150.0 x 150.0 hangs 0.0 scaled 0x2fb56a {
        /// A cross instead of a tick.
        cross: bool = false;
    } badge;
    /// Two brush strokes across something that is refused.
    CrossOut 300.0 x 300.0 hangs 0.0 real 0xe2323f {
        /// A single stroke.
        single: bool = false;
    } cross_out;
    /// An arrow to the right.
    Arrow 260.0 x 110.0 hangs 0.0 real 0xf2503c {
        /// How far it bends upwards: 0 is straight, negative bends down.
        bend: f64 = 0.0 => -1.0, 1.0;
    } arrow;
}

/// A stroke that looks like a soft bar: dark rim, colour, light.
fn bar(s: &mut Sheet, path: &str, c: Colour, thick: f64) {
    s.open("translate(1 4)");
    s.stroke(path, c.dark(0.5), thick * 1.04);
    s.close();
    s.stroke(path, c, thick);
    s.open(&d!("translate({} {})", -thick * 0.12, -thick * 0.16));
    s.stroke(path, c.light(0.4), thick * 0.26);
    s.close();
}

fn motion_lines(p: &MotionLines, s: &mut Sheet, f: &Frame) {
    let step = f.h / f64::from(p.count);
    for index in 0..p.count {
        let y = step * (f64::from(index) + 0.5);
        let long = [1.0, 0.66, 0.88, 0.54][usize::from(index) % 4] * f.w;
        let thick = (step * 0.26).clamp(3.0, 14.0);
        let c = f.c.to_string();
        let fill = s.stops(1.0, 0.0, &[(0.0, c.clone(), 0.0), (1.0, c, 0.95)]);
        s.rect(-f.l() - long, y - thick / 2.0, long, thick, thick / 2.0, fill);
    }
}

fn sweat_drops(_: &SweatDrops, s: &mut Sheet, f: &Frame) {
    for (x, y, k, turn) in
        [(-38.0, 42.0, 0.95, 8.0), (16.0, 58.0, 1.15, 36.0), (36.0, 104.0, 0.85, 66.0)]
    {
        s.open(&d!("translate({} {})rotate({})scale({})", x, y, turn, k));
        let drop = ball(s, f.c);
        s.path("M0 -34C10 -12 23 -2 23 14A23 21 0 0 1 -23 14C-23 -2 -10 -12 0 -34Z", drop);
        spot(s, -8.0, 9.0, 5.0, 9.0, 14.0);
        s.close();
    }
}

fn anger_marks(_: &AngerMarks, s: &mut Sheet, f: &Frame) {
    for turn in [0.0, 90.0, 180.0, 270.0] {
        s.open(&d!("translate(0 55)rotate({})", turn + 8.0));
        let path = "M11 -46Q13 -13 46 -11";
        s.stroke(path, f.c.dark(0.4), 17.0);
        s.stroke(path, f.c, 12.0);
        s.close();
    }
}

fn question(_: &Question, s: &mut Sheet, f: &Frame) {
    bar(s, "M-32 46C-32 2 38 0 38 46C38 80 0 78 0 112", f.c, 27.0);
    let dot = ball(s, f.c);
    s.circle(1.0, 160.0, 17.0, f.c.dark(0.5));
    s.circle(0.0, 157.0, 17.0, dot);
}

fn exclamation(p: &Exclamation, s: &mut Sheet, f: &Frame) {
    let middle = f64::from(p.count - p.count.min(1)) / 2.0;
    for index in 0..p.count {
        let at = f64::from(index) - middle;
        s.open(&d!("translate({} 90)rotate({})translate(0 -90)", at * 40.0, at * 12.0));
        let body = s.stops(
            1.0,
            0.3,
            &[
                (0.0, f.c.light(0.4).to_string(), 1.0),
                (0.5, f.c.to_string(), 1.0),
                (1.0, f.c.dark(0.3).to_string(), 1.0),
            ],
        );
        s.open("translate(1 5)");
        s.soft_polygon(
            &[(-12.0, 18.0), (12.0, 18.0), (5.0, 112.0), (-5.0, 112.0)],
            f.c.dark(0.5),
            9.0,
        );
        s.circle(0.0, 156.0, 17.0, f.c.dark(0.5));
        s.close();
        s.soft_polygon(&[(-12.0, 18.0), (12.0, 18.0), (5.0, 112.0), (-5.0, 112.0)], f.c, 9.0);
        s.soft_polygon(&[(-11.0, 18.0), (11.0, 18.0), (4.0, 110.0), (-4.0, 110.0)], body, 6.0);
        let dot = ball(s, f.c);
        s.circle(0.0, 155.0, 17.0, dot);
        s.close();
    }
}

fn zzz(_: &Zzz, s: &mut Sheet, f: &Frame) {
    for (x, y, k) in [(-70.0, 158.0, 0.55), (-14.0, 108.0, 0.8), (56.0, 46.0, 1.12)] {
        s.open(&d!("translate({} {})rotate(-8)scale({})", x, y, k));
        bar(s, "M-26 -28H26L-26 28H26", f.c, 15.0);
        s.close();
    }
}

/// The usual colour of a badge, which a cross does not take.
const TICK: Colour = Colour::hex(0x2f_b56a);

fn badge(p: &Badge, s: &mut Sheet, f: &Frame) {
    let c = if p.cross && f.c == TICK { Colour::hex(0xe2_3f4f) } else { f.c };
    if f.shadow {
        let pool = s.fade(Colour::INK, 0.45);
        s.ellipse(3.0, 86.0, 80.0, 74.0, pool);
    }
    s.circle(0.0, 78.0, 71.0, c.dark(0.42));
    s.circle(0.0, 74.0, 71.0, Colour::WHITE);
    let face = lit(s, c);
    s.circle(0.0, 74.0, 62.0, face);
    spot(s, -22.0, 38.0, 26.0, 11.0, -26.0);
    let path = if p.cross { "M-26 48L26 100M26 48L-26 100" } else { "M-31 76L-9 98L33 52" };
    s.open("translate(0 4)");
    s.stroke(path, c.dark(0.4), 18.0);
    s.close();
    s.stroke(path, Colour::WHITE, 17.0);
}

fn cross_out(p: &CrossOut, s: &mut Sheet, f: &Frame) {
    let thick = f.short() * 0.09;
    let (x, top, low) = (f.w / 2.0 - thick / 2.0, thick / 2.0, f.h - thick / 2.0);
    // A brush is thick where it starts and thin where it leaves the paper.
    let brush = |from: (f64, f64), to: (f64, f64)| {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let far = dx.hypot(dy).max(1.0);
        let (nx, ny) = (-dy / far * thick / 2.0, dx / far * thick / 2.0);
        let (mx, my) = (from.0 + dx * 0.5 + nx * 1.2, from.1 + dy * 0.5 + ny * 1.2);
        d!(
            "M{} {}Q{} {} {} {}L{} {}Q{} {} {} {}Q{} {} {} {}Z",
            from.0 + nx,
            from.1 + ny,
            mx + nx,
            my + ny,
            to.0 + nx * 0.4,
            to.1 + ny * 0.4,
            to.0 - nx * 0.4,
            to.1 - ny * 0.4,
            mx - nx * 1.2,
            my - ny * 1.2,
            from.0 - nx,
            from.1 - ny,
            from.0 - dx * 0.03,
            from.1 - dy * 0.03,
            from.0 + nx,
            from.1 + ny
        )
    };
    let mut strokes = vec![brush((-x, low), (x, top))];
    if !p.single {
        strokes.insert(0, brush((-x, top), (x, low)));
    }
    for path in strokes {
        s.open("translate(2 6)");
        s.path(&path, f.c.dark(0.45));
        s.close();
        let fill = s.stops(
            0.8,
            1.0,
            &[(0.0, f.c.light(0.2).to_string(), 1.0), (1.0, f.c.dark(0.1).to_string(), 1.0)],
        );
        s.path(&path, fill);
    }
}

fn arrow(p: &Arrow, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let thick = h * 0.3;
    let head = (h * 0.86).min(w * 0.5);
    let lift = -p.bend * w * 0.45;
    let tip = (-l, h / 2.0);
    let turn = (-lift * 1.5).atan2(w / 2.0).to_degrees();
    let (sin, cos) = turn.to_radians().sin_cos();
    let end = (tip.0 - cos * head * 0.8, tip.1 - sin * head * 0.8);
    let shaft = d!(
        "M{} {}Q{} {} {} {}",
        l + thick / 2.0,
        h / 2.0,
        l + w * 0.45,
        h / 2.0 + lift,
        end.0,
        end.1
    );
    for (down, c) in [(h * 0.06, f.c.dark(0.45)), (0.0, f.c)] {
        s.open(&d!("translate(0 {})", down));
        s.stroke(&shaft, c, thick);
        s.open(&d!("translate({} {})rotate({})", tip.0, tip.1, turn));
        s.soft_polygon(
            &[(-thick * 0.2, 0.0), (-head * 0.92, -head * 0.46), (-head * 0.92, head * 0.46)],
            c,
            thick * 0.2,
        );
        s.close();
        s.close();
    }
    s.open(&d!("translate(0 {})", -thick * 0.2));
    s.stroke(&shaft, f.c.light(0.3), thick * 0.24);
    s.close();
}
