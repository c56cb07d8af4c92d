//! Signs, boards and paper: what captions are written on.

use serde::Deserialize;

use super::part::{
    Frame, GOLD, IRON, PAPER, STEEL, WOOD, block, card, drop_shadow, lit, post, props, strewn,
    tube, under, veil,
};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// What a label is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paper {
    /// A card with rounded corners and a dark rim.
    #[default]
    Card,
    /// A sticky note with a lifted corner.
    Note,
    /// A card that a pin holds.
    Pinned,
}

/// What a picture in a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// Hills under a sun.
    #[default]
    Landscape,
    /// Coloured shapes.
    Modern,
    /// An empty canvas, for a figure or a caption.
    Blank,
}

props! {
    /// A card for a caption: white with a dark rim, a sticky note, or pinned.
    LabelCard 300.0 x 130.0 hangs 0.0 real 0xfdfbf6 {
        /// What it is made of.
        paper: Paper = Paper::Card;
    } label_card;
    /// A board on a wooden stick, to be held up or stuck into the ground. The colour is the board's.
    StickSign 360.0 x 460.0 stands 0.3 real 0xfdfbf6 {
        /// The height of the board, as a share of the whole.
        board: f64 = 0.5 => 0.2, 0.9;
    } stick_sign;
    /// A large sheet of cardboard with a coloured rim, held with both hands.
    Placard 420.0 x 260.0 hangs 0.0 real 0xe8574a {} placard;
    /// A billboard on two legs with lamps above. The colour is the sheet's.
    Billboard 640.0 x 520.0 stands 0.9 real 0xfdfbf6 {} billboard;
    /// A price tag with a hole and a string at the left.
    PriceTag 230.0 x 120.0 hangs 0.0 real 0xffd23f {} price_tag;
    /// A menu board with a head and two columns of rows.
    PriceBoard 560.0 x 420.0 hangs 0.0 real 0x33424f {
        /// Rows of each column.
        rows: u8 = 4 => 1.0, 8.0;
        /// The column whose rows are lit: 0 is none, 1 the left, 2 the right.
        lit: u8 = 0 => 0.0, 2.0;
    } price_board;
    /// A ribbon for a caption, with swallow tails.
    Banner 700.0 x 130.0 hangs 0.0 real 0xe8455a {} banner;
    /// An exam paper: lines, boxes to tick, and a mark in red.
    ExamPaper 320.0 x 420.0 hangs 0.0 real 0xfdfbf6 {
        /// Questions with lines for answers.
        questions: u8 = 1 => 0.0, 5.0;
        /// A red circle in the corner.
        marked: bool = true;
    } exam_paper;
    /// A poster held by tape, torn at its lower edge if one likes.
    Poster 320.0 x 420.0 hangs 0.0 real 0xfff3d4 {
        /// Strips to tear off below.
        strips: bool = false;
        /// A dark field in the upper half for a portrait.
        portrait: bool = true;
    } poster;
    /// The front page of a newspaper: a band for the name, a picture, columns.
    Newspaper 380.0 x 480.0 hangs 0.0 real 0xf4efe2 {
        /// A grey field for a picture.
        picture: bool = true;
    } newspaper;
    /// A picture in a moulded frame of the given colour.
    PictureFrame 320.0 x 260.0 hangs 0.0 real 0xe0a93c {
        /// What it shows.
        picture: Picture = Picture::Landscape;
    } picture_frame;
}

const WRITING: Colour = Colour::hex(0x3a_3750);

fn label_card(p: &LabelCard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let r = f.short() * 0.1;
    match p.paper {
        Paper::Card => {
            drop_shadow(s, f, l, 0.0, w, h, r);
            let rim = (f.short() * 0.035).clamp(3.0, 8.0);
            s.rect(l, 0.0, w, h, r, WRITING.dark(0.3));
            let face = lit(s, f.c.mix(Colour::WHITE, 0.2));
            let face = if f.c == PAPER { s.down(Colour::WHITE, f.c.dark(0.05)) } else { face };
            s.rect(l + rim, rim, w - rim * 2.0, h - rim * 2.0, r - rim * 0.7, face);
        }
        Paper::Note => {
            let c = if f.c == PAPER { Colour::hex(0xff_e07a) } else { f.c };
            let fold = f.short() * 0.2;
            drop_shadow(s, f, l, 0.0, w, h, 2.0);
            let face = s.down(c.dark(0.06), c.light(0.2));
            s.path(
                &d!(
                    "M{} 0H{}V{}Q{} {} {} {}H{}Z",
                    l,
                    l + w,
                    h - fold,
                    l + w - fold * 0.4,
                    h - fold * 0.3,
                    l + w - fold,
                    h,
                    l
                ),
                face,
            );
            let curl = s.stops(
                0.8,
                0.8,
                &[(0.0, c.light(0.6).to_string(), 1.0), (1.0, c.dark(0.2).to_string(), 1.0)],
            );
            s.path(
                &d!(
                    "M{} {}Q{} {} {} {}Q{} {} {} {}Z",
                    l + w,
                    h - fold,
                    l + w - fold * 0.75,
                    h - fold * 0.95,
                    l + w - fold * 0.9,
                    h - fold * 0.85,
                    l + w - fold * 0.8,
                    h - fold * 0.45,
                    l + w - fold,
                    h
                ),
                curl,
            );
            let glue = veil(s, Colour::INK, 0.12, 0.0);
            s.rect(l, 0.0, w, h * 0.22, 0.0, glue);
        }
        Paper::Pinned => {
            card(s, f, (l, 0.0, w, h), r * 0.5, f.c);
            pin(s, 0.0, h * 0.06, f.short() * 0.08);
        }
    }
}

/// A pin's head and the shade beside it.
fn pin(s: &mut Sheet, x: f64, y: f64, r: f64) {
    let shade = s.fade(Colour::INK, 0.5);
    s.ellipse(x + r * 0.6, y + r * 0.9, r * 1.4, r * 1.1, shade);
    let head = super::part::ball(s, Colour::hex(0xe2_3f4f));
    s.circle(x, y, r, head);
}

fn stick_sign(p: &StickSign, s: &mut Sheet, f: &Frame) {
    let high = f.h * p.board;
    post(s, 0.0, high * 0.3, f.h, (f.w * 0.06).clamp(8.0, 30.0), WOOD.light(0.2));
    under(s, -f.w * 0.03, high, f.w * 0.06, f.h * 0.04);
    card(s, f, (f.l(), 0.0, f.w, high), high.min(f.w) * 0.06, f.c);
}

fn placard(_: &Placard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let r = f.short() * 0.07;
    drop_shadow(s, f, l, 0.0, w, h, r);
    block(s, l, 0.0, w, h, r, f.c);
    let rim = f.short() * 0.06;
    let face = s.down(Colour::WHITE, PAPER.dark(0.05));
    s.rect(l + rim, rim, w - rim * 2.0, h - rim * 2.0, r * 0.5, face);
}

fn billboard(_: &Billboard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let board = h * 0.68;
    let leg = w * 0.04;
    for x in [-w * 0.27, w * 0.27] {
        post(s, x, board * 0.5, h, leg, IRON.light(0.18));
        under(s, x - leg / 2.0, board + h * 0.05, leg, h * 0.08);
    }
    s.stroke(
        &d!(
            "M{} {}L{} {}M{} {}L{} {}",
            -w * 0.26,
            h * 0.8,
            w * 0.26,
            h * 0.93,
            w * 0.26,
            h * 0.8,
            -w * 0.26,
            h * 0.93
        ),
        IRON.light(0.1),
        leg * 0.3,
    );
    let top = h * 0.06;
    block(s, l, top, w, board, w * 0.02, IRON.light(0.12));
    let rim = w * 0.022;
    let face = s.down(f.c.light(0.6), f.c.dark(0.05));
    s.rect(l + rim, top + rim, w - rim * 2.0, board - rim * 2.3, w * 0.008, face);
    block(s, l - w * 0.01, top + board, w * 1.02, h * 0.03, 3.0, IRON);
    for x in [-w * 0.32, 0.0, w * 0.32] {
        s.stroke(
            &d!("M{} {}q0 {} {} {}", x, top + rim, -h * 0.07, w * 0.03, -h * 0.05),
            IRON,
            w * 0.011,
        );
        s.soft_polygon(
            &[
                (x + w * 0.012, top * 0.3),
                (x + w * 0.06, top * 0.3),
                (x + w * 0.075, top * 0.9),
                (x - w * 0.003, top * 0.9),
            ],
            STEEL,
            2.0,
        );
        let beam = s.fade(Colour::hex(0xff_f2b0), 0.8);
        s.ellipse(x + w * 0.036, top + board * 0.1, w * 0.13, board * 0.14, beam);
    }
}

fn price_tag(_: &PriceTag, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let nose = h * 0.38;
    let shape = |x: f64, y: f64| {
        [
            (l + x, h / 2.0 + y - h * 0.16),
            (l + x, h / 2.0 + y + h * 0.16),
            (l + nose + x, h * 0.96 + y),
            (l + w - h * 0.06 + x, h * 0.96 + y),
            (l + w - h * 0.06 + x, h * 0.04 + y),
            (l + nose + x, h * 0.04 + y),
        ]
    };
    if f.shadow {
        s.open_faded(0.2);
        s.soft_polygon(&shape(h * 0.04, h * 0.07), Colour::INK, h * 0.07);
        s.close();
    }
    s.soft_polygon(&shape(0.0, h * 0.02), f.c.dark(0.34), h * 0.05);
    let face = s.down(f.c.light(0.25), f.c);
    s.soft_polygon(&shape(0.0, -h * 0.01), &face, h * 0.04);
    let hole = l + nose * 0.62;
    s.circle(hole, h / 2.0, h * 0.1, GOLD.dark(0.3));
    s.circle(hole, h / 2.0, h * 0.065, WRITING.dark(0.2));
    s.stroke(
        &d!(
            "M{} {}c{} {} {} {} {} {}",
            hole,
            h / 2.0,
            -h * 0.3,
            -h * 0.1,
            -h * 0.2,
            -h * 0.5,
            -h * 0.5,
            -h * 0.55
        ),
        PAPER.dark(0.12),
        h * 0.035,
    );
}

fn price_board(p: &PriceBoard, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    drop_shadow(s, f, l, 0.0, w, h, 14.0);
    block(s, l, 0.0, w, h, f.short() * 0.04, WOOD);
    let rim = f.short() * 0.04;
    let face = s.down(f.c.light(0.06), f.c.dark(0.12));
    s.rect(l + rim, rim, w - rim * 2.0, h - rim * 2.3, rim * 0.5, face);
    let head = h * 0.2;
    let line = f.c.light(0.45);
    s.stroke(
        &d!(
            "M{} {}H{}M0 {}V{}",
            l + rim * 2.4,
            rim + head,
            -l - rim * 2.4,
            rim + head + rim,
            h - rim * 2.4
        ),
        line,
        rim * 0.2,
    );
    let rows = f64::from(p.rows.max(1));
    let step = (h - head - rim * 3.0) / rows;
    for (column, x) in [(1, l + rim * 2.0), (2, rim)] {
        for row in 0..p.rows {
            let y = rim + head + step * (f64::from(row) + 0.5);
            let wide = w / 2.0 - rim * 3.0;
            let (text, price) = if p.lit == column {
                (Colour::hex(0xff_f0b8), Colour::hex(0xff_d23f))
            } else {
                (f.c.light(0.3), f.c.light(0.42))
            };
            s.open_faded(0.85);
            let long = wide * (0.5 - 0.1 * f64::from((row + column) % 3));
            s.rect(x, y - step * 0.11, long, step * 0.22, step * 0.11, text);
            s.rect(x + wide * 0.76, y - step * 0.14, wide * 0.24, step * 0.28, step * 0.1, price);
            s.close();
        }
    }
}

fn banner(_: &Banner, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let tail = h * 0.72;
    let body = h * 0.8;
    for side in [-1.0, 1.0] {
        let out = side * w / 2.0;
        let shade = s.across(f.c.dark(0.18), f.c.dark(0.3));
        s.soft_polygon(
            &[
                (out, h * 0.22),
                (out - side * tail * 0.36, h * 0.6),
                (out, h * 0.98),
                (out - side * tail, h * 0.98),
                (out - side * tail, h * 0.22),
            ],
            shade,
            2.0,
        );
        s.polygon(
            &[
                (out - side * tail * 0.55, body),
                (out - side * tail, body),
                (out - side * tail, h * 0.98),
            ],
            f.c.dark(0.55),
        );
    }
    let x = l + tail * 0.55;
    drop_shadow(s, f, x, 0.0, w - tail * 1.1, body, 6.0);
    block(s, x, 0.0, w - tail * 1.1, body, h * 0.05, f.c);
    let seam = f.c.light(0.5);
    s.open_faded(0.6);
    for y in [body * 0.11, body * 0.86] {
        s.rect(x + h * 0.12, y, w - tail * 1.1 - h * 0.24, 2.5, 1.2, seam);
    }
    s.close();
}

fn exam_paper(p: &ExamPaper, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    card(s, f, (l, 0.0, w, h), w * 0.02, f.c);
    let ink = Colour::hex(0x9a_a4c0);
    s.rect(l + w * 0.1, h * 0.07, w * 0.34, h * 0.03, h * 0.015, ink.dark(0.3));
    s.rect(l + w * 0.1, h * 0.125, w * 0.22, h * 0.018, h * 0.009, ink);
    s.stroke(&d!("M{} {}H{}", l + w * 0.1, h * 0.19, -l - w * 0.1), ink.light(0.3), 2.5);
    let step = h * 0.74 / f64::from(p.questions.max(1));
    for question in 0..p.questions {
        let y = h * 0.22 + step * f64::from(question);
        s.circle(l + w * 0.13, y + h * 0.035, w * 0.032, ink.dark(0.35));
        s.rect(l + w * 0.2, y + h * 0.022, w * 0.6, h * 0.026, h * 0.013, ink.dark(0.1));
        let mut at = y + h * 0.1;
        while at < y + step - h * 0.03 {
            s.stroke(&d!("M{} {}H{}", l + w * 0.1, at, -l - w * 0.1), ink.light(0.45), 2.0);
            at += h * 0.062;
        }
    }
    if p.marked {
        let red = Colour::hex(0xe2_3244);
        s.stroke(
            &d!(
                "M{} {}c{} {} {} {} {} {}c{} {} {} {} {} {}c{} {} {} {} {} {}",
                w * 0.36,
                h * 0.045,
                -w * 0.2,
                -h * 0.03,
                -w * 0.27,
                h * 0.13,
                -w * 0.1,
                h * 0.135,
                w * 0.2,
                h * 0.01,
                w * 0.27,
                -h * 0.1,
                w * 0.14,
                -h * 0.135,
                -w * 0.04,
                -h * 0.015,
                -w * 0.09,
                -h * 0.01,
                -w * 0.12,
                0.0
            ),
            red,
            w * 0.018,
        );
    }
}

/// A strip of tape about (x, y).
fn tape(s: &mut Sheet, x: f64, y: f64, w: f64, turn: f64) {
    s.open(&d!("translate({} {})rotate({})", x, y, turn));
    s.open_faded(0.82);
    let fill = s.down(Colour::hex(0xff_f6cf), Colour::hex(0xe9_d690));
    s.rect(-w / 2.0, -w * 0.17, w, w * 0.34, 1.0, fill);
    s.close();
    s.close();
}

fn poster(p: &Poster, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let body = if p.strips { h * 0.84 } else { h };
    card(s, f, (l, 0.0, w, body), 3.0, f.c);
    if p.portrait {
        let fill = s.down(f.c.dark(0.18), f.c.dark(0.3));
        s.rect(l + w * 0.12, h * 0.2, w * 0.76, h * 0.4, w * 0.015, fill);
    }
    if p.strips {
        let step = w / 7.0;
        for index in 0..7_u8 {
            if index == 2 || index == 5 {
                continue;
            }
            let x = l + step * f64::from(index);
            let turn = f64::from(index % 3) * 2.5 - 2.5;
            s.open(&d!("rotate({} {} {})", turn, x + step / 2.0, body));
            let fill = s.down(f.c.dark(0.1), f.c.light(0.3));
            s.rect(x + 1.5, body - 2.0, step - 3.0, h * 0.16, 1.5, fill);
            s.rect(x + step * 0.4, body + h * 0.02, step * 0.2, h * 0.11, 2.0, f.c.dark(0.35));
            s.close();
        }
    }
    tape(s, l + w * 0.04, h * 0.02, w * 0.24, -42.0);
    tape(s, -l - w * 0.04, h * 0.02, w * 0.24, 40.0);
}

fn newspaper(p: &Newspaper, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    s.rect(l + 5.0, 5.0, w, h, 2.0, f.c.dark(0.3));
    card(s, f, (l, 0.0, w, h), 2.0, f.c);
    let ink = Colour::hex(0x4c_4a58);
    s.rect(l + w * 0.07, h * 0.045, w * 0.86, h * 0.075, 3.0, ink);
    s.stroke(
        &d!(
            "M{} {}H{}M{} {}H{}",
            l + w * 0.07,
            h * 0.14,
            -l - w * 0.07,
            l + w * 0.07,
            h * 0.34,
            -l - w * 0.07
        ),
        ink,
        2.0,
    );
    let columns = if p.picture {
        let fill = lit(s, ink.light(0.4));
        s.rect(l + w * 0.07, h * 0.37, w * 0.54, h * 0.32, 2.0, fill);
        [(0.07, 0.73), (0.37, 0.73), (0.67, 0.37)]
    } else {
        [(0.07, 0.37), (0.37, 0.37), (0.67, 0.37)]
    };
    let mut next = strewn(5);
    for (x, from) in columns {
        let mut y = h * from;
        while y < h * 0.94 {
            let long = if next() > 0.8 { 0.16 } else { 0.26 };
            s.rect(l + w * x, y, w * long, h * 0.012, 1.0, ink.light(0.45));
            y += h * 0.027;
        }
    }
    let fold = s.stops(
        0.0,
        1.0,
        &[
            (0.0, "#1c1630".into(), 0.0),
            (0.5, "#1c1630".into(), 0.14),
            (1.0, "#1c1630".into(), 0.0),
        ],
    );
    s.rect(l, h * 0.47, w, h * 0.06, 0.0, fold);
}

fn picture_frame(p: &PictureFrame, s: &mut Sheet, f: &Frame) {
    let (l, w, h) = (f.l(), f.w, f.h);
    let rim = f.short() * 0.12;
    drop_shadow(s, f, l, 0.0, w, h, 6.0);
    block(s, l, 0.0, w, h, rim * 0.3, f.c);
    let moulding = tube(s, f.c);
    s.rect(l + rim * 0.3, rim * 0.3, w - rim * 0.6, h - rim * 0.6, rim * 0.2, moulding);
    let inner = s.down(f.c.dark(0.34), f.c.light(0.2));
    s.rect(l + rim * 0.75, rim * 0.75, w - rim * 1.5, h - rim * 1.5, 3.0, inner);
    let (x, y, iw, ih) = (l + rim, rim, w - rim * 2.0, h - rim * 2.0);
    s.open_clipped(x, y, iw, ih, 2.0);
    match p.picture {
        Picture::Landscape => {
            let sky = s.down(Colour::hex(0x7f_c3ea), Colour::hex(0xfd_e6b8));
            s.rect(x, y, iw, ih, 0.0, sky);
            s.circle(x + iw * 0.7, y + ih * 0.34, ih * 0.12, Colour::hex(0xff_f0a8));
            s.path(
                &d!(
                    "M{} {}q{} {} {} 0T{} {}V{}H{}Z",
                    x,
                    y + ih * 0.72,
                    iw * 0.25,
                    -ih * 0.5,
                    iw * 0.5,
                    x + iw,
                    y + ih * 0.66,
                    y + ih,
                    x
                ),
                Colour::hex(0x5f_a877),
            );
            s.path(
                &d!(
                    "M{} {}q{} {} {} {}V{}H{}Z",
                    x,
                    y + ih * 0.85,
                    iw * 0.5,
                    -ih * 0.3,
                    iw,
                    ih * 0.05,
                    y + ih,
                    x
                ),
                Colour::hex(0x43_8a63),
            );
        }
        Picture::Modern => {
            s.rect(x, y, iw, ih, 0.0, PAPER);
            s.circle(x + iw * 0.36, y + ih * 0.42, ih * 0.26, Colour::hex(0xe8_574a));
            s.rect(x + iw * 0.5, y + ih * 0.4, iw * 0.32, ih * 0.44, 0.0, Colour::hex(0x3f_6fd6));
            s.polygon(
                &[
                    (x + iw * 0.16, y + ih * 0.86),
                    (x + iw * 0.34, y + ih * 0.5),
                    (x + iw * 0.52, y + ih * 0.86),
                ],
                Colour::hex(0xf4_b63a),
            );
            s.rect(x, y + ih * 0.86, iw, ih * 0.03, 0.0, WRITING);
        }
        Picture::Blank => {
            let fill = s.down(PAPER, PAPER.dark(0.06));
            s.rect(x, y, iw, ih, 0.0, fill);
        }
    }
    under(s, x, y, iw, ih * 0.12);
    s.close();
}
