//! Things that fit nowhere else.

use serde::Deserialize;

use super::part::{Bounded, Frame, WOOD, ball, block, lit, lying_tube, props, spot, strewn};
use crate::cast::Fault;
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// One block of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Its width, as a share of the tower's.
    pub width: f64,
    /// Its height, against that of the other blocks.
    #[serde(default = "one")]
    pub height: f64,
    /// How far it is to the right of the middle, as a share of the tower's width.
    #[serde(default)]
    pub shift: f64,
    /// Its colour.
    pub colour: Colour,
}

const fn one() -> f64 {
    1.0
}

impl Bounded for Block {
    fn check(&self, name: &str, _: f64, _: f64) -> Result<(), Fault> {
        self.width.check(&format!("{name}.width"), 0.02, 2.0)?;
        self.height.check(&format!("{name}.height"), 0.05, 20.0)?;
        self.shift.check(&format!("{name}.shift"), -1.0, 1.0)
    }
}

fn tower_blocks() -> Vec<Block> {
    let block =
        |width, height, shift, colour| Block { width, height, shift, colour: Colour::hex(colour) };
    vec![
        block(0.52, 1.0, 0.02, 0xe8574a),
        block(0.78, 1.2, -0.06, 0xf2b544),
        block(1.0, 1.3, 0.0, 0x58b37e),
        block(0.7, 1.0, 0.1, 0x4a90d9),
        block(0.84, 1.1, -0.04, 0x8a6fd0),
        block(0.12, 1.0, 0.06, 0xf08a5d),
    ]
}

props! {
    /// A tower of blocks, written from the top down; the last may be the one small thing on
    /// which all stands. The colour of the prop is not used.
    Tower 420.0 x 560.0 stands 0.9 real 0xffffff {
        /// The blocks, from the top.
        blocks: Vec<Block> = tower_blocks() => 0.0, 0.0;
    } tower;
    /// A chessboard in perspective, pieces standing on its middle. The colour is that of its
    /// dark squares. It lies: its foot is the near edge.
    Chessboard 520.0 x 220.0 stands 1.05 scaled 0x7a4a2e {} chessboard;
    /// A boulder.
    Boulder 340.0 x 280.0 stands 1.1 scaled 0x8f8a9c {} boulder;
    /// A tombstone in its grass, blank for a caption.
    Tombstone 260.0 x 320.0 stands 1.25 scaled 0xaeb3c2 {} tombstone;
    /// A rope that hangs between two points at the upper corners of the prop.
    Rope 500.0 x 90.0 hangs 0.0 real 0xd2a566 {
        /// With a knot in the middle.
        knot: bool = false;
    } rope;
    /// A campfire on logs.
    Campfire 260.0 x 280.0 stands 1.1 scaled 0x8a5436 {} campfire;
}

fn tower(p: &Tower, s: &mut Sheet, f: &Frame) {
    let total: f64 = p.blocks.iter().map(|block| block.height).sum();
    let mut y = f.h;
    for part in p.blocks.iter().rev() {
        let high = f.h * part.height / total.max(0.01);
        let wide = f.w * part.width;
        let x = f.w * part.shift - wide / 2.0;
        y -= high;
        let c = part.colour;
        let lip = (high * 0.16).min(16.0);
        block(s, x, y + lip * 0.5, wide, high - lip * 0.5, (wide.min(high) * 0.12).min(14.0), c);
        let top = s.across(c.light(0.55), c.light(0.2));
        s.soft_polygon(
            &[
                (x + lip, y + 1.0),
                (x + wide - lip, y + 1.0),
                (x + wide - 2.0, y + lip),
                (x + 2.0, y + lip),
            ],
            top,
            1.5,
        );
    }
}

fn chessboard(_: &Chessboard, s: &mut Sheet, f: &Frame) {
    let (dark, light) = (f.c, Colour::hex(0xf6_e3c3));
    let at = |column: f64, row: f64| {
        // Rows get nearer, and so higher, as perspective wants.
        let part = row / (row + (8.0 - row) * 1.55);
        let half = 148.0 + 86.0 * part;
        ((column / 4.0 - 1.0) * half, 16.0 + 162.0 * part)
    };
    s.soft_polygon(
        &[(-166.0, 8.0), (166.0, 8.0), (256.0, 190.0), (-256.0, 190.0)],
        dark.light(0.16),
        4.0,
    );
    block(s, -260.0, 186.0, 520.0, 34.0, 8.0, dark);
    for row in 0..8_u8 {
        for column in 0..8_u8 {
            let (c, r) = (f64::from(column), f64::from(row));
            let tone = if (row + column) % 2 == 0 { light } else { dark };
            s.polygon(
                &[at(c, r), at(c + 1.0, r), at(c + 1.0, r + 1.0), at(c, r + 1.0)],
                tone.dark(0.12 - 0.015 * r),
            );
        }
    }
    let shine = s.stops(1.0, 1.0, &[(0.0, "#ffffff".into(), 0.4), (0.6, "#ffffff".into(), 0.0)]);
    s.polygon(&[at(0.0, 0.0), at(8.0, 0.0), at(8.0, 8.0), at(0.0, 8.0)], shine);
}

fn boulder(_: &Boulder, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    let body = ball(s, c);
    s.path("M-160 220C-182 150 -150 90 -104 48C-60 4 20 -6 76 18C130 42 160 104 168 168C174 222 160 268 110 276C30 288 -60 284 -112 276C-144 270 -152 250 -160 220Z", body);
    s.open_faded(0.4);
    s.path("M76 18C130 42 160 104 168 168C174 222 160 268 110 276C80 280 50 281 20 282C70 250 96 210 90 160C84 110 60 70 76 18Z", c.dark(0.4));
    s.path("M-104 48C-60 4 20 -6 76 18C40 40 -10 44 -40 70C-70 96 -110 100 -140 118C-132 90 -122 66 -104 48Z", c.light(0.6));
    s.close();
    s.stroke("M-60 130L-34 160L-44 190M-34 160L0 172M70 90L58 116", c.dark(0.42), 5.0);
    for (x, y, r) in [(-96.0, 200.0, 11.0), (-20.0, 232.0, 8.0), (14.0, 84.0, 9.0)] {
        s.ellipse(x, y, r * 1.3, r, c.dark(0.22));
    }
}

fn tombstone(_: &Tombstone, s: &mut Sheet, f: &Frame) {
    let c = f.c;
    let stone = "V110C{l} 40 -50 4 0 4S{r} 40 {r} 110V300H{l}Z";
    let shape = |l: i32| {
        format!(
            "M{} 300{}",
            l,
            stone.replace("{l}", &l.to_string()).replace("{r}", &(-l).to_string())
        )
    };
    s.open("translate(9 0)");
    s.path(&shape(-104), c.dark(0.42));
    s.close();
    let face = lit(s, c);
    s.path(&shape(-106), face);
    s.open_faded(0.5);
    s.stroke("M-84 286V112C-84 56 -42 26 0 26S84 56 84 112V286", c.dark(0.26), 5.0);
    s.close();
    s.stroke("M70 30L58 62L74 80L64 98", c.dark(0.4), 4.0);
    block(s, -126.0, 286.0, 252.0, 34.0, 10.0, c.dark(0.16));
    let mut next = strewn(3);
    for index in 0..20_u8 {
        let x = -134.0 + 14.0 * f64::from(index);
        let green = Colour::hex(0x5f_a64a).mix(Colour::hex(0x8f_d066), next());
        let lean = (next() - 0.5) * 22.0;
        let high = 22.0 + 24.0 * next();
        s.stroke(&d!("M{} 318q{} {} {} {}", x, lean * 0.2, -high * 0.6, lean, -high), green, 6.5);
    }
}

fn rope(p: &Rope, s: &mut Sheet, f: &Frame) {
    let thick = (f.w * 0.042).clamp(7.0, 26.0);
    let sag = (f.h - thick).max(0.0) * 2.0;
    let curve = d!("M{} {}Q0 {} {} {}", f.l(), thick / 2.0, thick / 2.0 + sag, -f.l(), thick / 2.0);
    s.stroke(&curve, f.c.dark(0.45), thick);
    s.stroke(&curve, f.c, thick * 0.78);
    let count = (f.w / (thick * 0.8)).round();
    let mut index = 0.5;
    while index < count {
        let t = index / count;
        let (x, y) = (f.l() + f.w * t, thick / 2.0 + sag * 2.0 * t * (1.0 - t));
        s.stroke(
            &d!("M{} {}l{} {}", x - thick * 0.18, y + thick * 0.28, thick * 0.36, -thick * 0.56),
            f.c.dark(0.3),
            thick * 0.14,
        );
        index += 1.0;
    }
    if p.knot {
        let y = thick / 2.0 + sag / 2.0;
        let knot = ball(s, f.c);
        s.stroke(
            &d!("M0 {}q{} {} {} {}", y, thick * 0.4, thick * 1.4, thick * 0.2, thick * 2.6),
            f.c.dark(0.1),
            thick * 0.7,
        );
        s.ellipse(0.0, y, thick * 1.15, thick, knot);
        s.stroke(
            &d!(
                "M{} {}q{} {} {} {}",
                -thick * 0.7,
                y + thick * 0.3,
                thick * 0.6,
                -thick,
                thick * 1.4,
                -thick * 0.7
            ),
            f.c.dark(0.35),
            thick * 0.16,
        );
    }
}

fn campfire(_: &Campfire, s: &mut Sheet, f: &Frame) {
    let glow = s.fade(Colour::hex(0xff_c23c), 0.8);
    s.circle(0.0, 150.0, 160.0, glow);
    crate::sets::flame(s, -2.0, 250.0, 190.0, 236.0);
    for (turn, x, y) in [(-17.0, -8.0, 246.0), (16.0, 6.0, 246.0), (0.0, 0.0, 262.0)] {
        s.open(&d!("translate({} {})rotate({})", x, y, turn));
        let bark = lying_tube(s, f.c);
        s.rect(-112.0, -15.0, 224.0, 30.0, 14.0, bark);
        for end in [-106.0, 106.0] {
            s.ellipse(end, 0.0, 9.0, 14.5, WOOD.light(0.42));
            s.ellipse(end, 0.0, 4.5, 8.0, WOOD.light(0.1));
        }
        s.close();
    }
    for (x, c) in [(-118.0, 0x8f8a9c), (-66.0, 0xa29db0), (70.0, 0x968fa4), (120.0, 0x7f7a8e)] {
        let stone = ball(s, Colour::hex(c));
        s.ellipse(x, 268.0, 24.0, 17.0, stone);
        spot(s, x - 7.0, 261.0, 6.0, 3.0, -20.0);
    }
}
