//! The cast: vendored figures, which may be given a body of ours.

use serde::Deserialize;

use crate::colour::Colour;
use crate::draw::{Sheet, d, num};
use crate::figures;

/// What a hand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hand {
    /// Closed, or holding something.
    #[default]
    Fist,
    /// Flat, with fingers spread: stop, push, wave.
    Open,
    /// One finger stretched out, along the arm.
    Point,
}

/// How a body ends below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Legs {
    /// Both feet on the ground.
    #[default]
    Stand,
    /// A step to the right, or to the left for a flipped figure.
    Walk,
    /// None: the body ends behind a desk, or below the picture.
    None,
}

/// Shoulders, arms and legs for a figure that is only a head.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Body {
    /// Of the shirt and sleeves.
    pub shirt: Colour,
    /// Of the trousers.
    pub trousers: Colour,
    /// Of the hands; by default that of the head's kind.
    pub skin: Option<Colour>,
    /// A tie of this colour.
    pub tie: Option<Colour>,
    /// An open coat of this colour over the shirt, sleeves included.
    pub coat: Option<Colour>,
    /// Where the hand at the left of the picture is, in units of the panel. By default it hangs.
    pub left: Option<[f64; 2]>,
    /// Where the hand at the right of the picture is.
    pub right: Option<[f64; 2]>,
    /// What the left hand does.
    pub left_hand: Hand,
    /// What the right hand does.
    pub right_hand: Hand,
    /// How the body ends below.
    pub legs: Legs,
    /// How far the head is before the hips, in units; positive is to the right.
    pub lean: f64,
    /// Its width: 1 is usual.
    pub wide: f64,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            shirt: Colour::hex(0x3f_7fd6),
            trousers: Colour::hex(0x2f_3a5c),
            skin: None,
            tie: None,
            coat: None,
            left: None,
            right: None,
            left_hand: Hand::Fist,
            right_hand: Hand::Fist,
            legs: Legs::Stand,
            lean: 0.0,
            wide: 1.0,
        }
    }
}

/// One of the cast.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The figure's name in Fluent Emoji.
    pub figure: String,
    /// Where it stands: the middle of its feet.
    pub x: f64,
    /// Where it stands, from the top.
    pub y: f64,
    /// From the feet to the top of what is seen, the body included.
    pub height: f64,
    /// Degrees, clockwise, about its middle; with a body only the head turns.
    #[serde(default)]
    pub turn: f64,
    /// Mirrored; with a body only the head and the step are.
    #[serde(default)]
    pub flip: bool,
    /// Whether it throws a shadow on the ground.
    #[serde(default = "yes")]
    pub shadow: bool,
    /// How far it is above the ground, its shadow staying there.
    #[serde(default)]
    pub lift: f64,
    /// From 0 to 1.
    #[serde(default = "one")]
    pub opacity: f64,
    /// What is drawn later lies in front. Props are at 0 unless they say otherwise.
    #[serde(default = "front")]
    pub z: i32,
    /// Shoulders, arms and legs.
    #[serde(default)]
    pub body: Option<Body>,
}

const fn yes() -> bool {
    true
}

const fn one() -> f64 {
    1.0
}

const fn front() -> i32 {
    10
}

/// A field and what is wrong with it.
pub(crate) type Fault = (String, String);

/// Checks that a length or place can be drawn.
pub(crate) fn check_number(name: &str, value: f64, low: f64, high: f64) -> Result<(), Fault> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err((name.to_owned(), format!("{value} is not between {low} and {high}")))
    }
}

impl Figure {
    /// A figure in the middle of a square scene, a third of it high.
    #[must_use]
    pub fn new(figure: impl Into<String>) -> Self {
        Self {
            figure: figure.into(),
            x: 500.0,
            y: 800.0,
            height: 330.0,
            turn: 0.0,
            flip: false,
            shadow: true,
            lift: 0.0,
            opacity: 1.0,
            z: front(),
            body: None,
        }
    }

    /// The figure with its feet at (x, y).
    #[must_use]
    pub const fn at(mut self, x: f64, y: f64) -> Self {
        self.x = x;
        self.y = y;
        self
    }

    /// The figure `height` units tall.
    #[must_use]
    pub const fn tall(mut self, height: f64) -> Self {
        self.height = height;
        self
    }

    /// The figure turned by `degrees`, clockwise.
    #[must_use]
    pub const fn turned(mut self, degrees: f64) -> Self {
        self.turn = degrees;
        self
    }

    /// The figure mirrored.
    #[must_use]
    pub const fn flipped(mut self) -> Self {
        self.flip = !self.flip;
        self
    }

    /// The figure with a body.
    #[must_use]
    pub fn with_body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        if !figures::exists(&self.figure) {
            let similar = figures::similar(&self.figure).join(", ");
            let hint =
                if similar.is_empty() { String::new() } else { format!(" (near it: {similar})") };
            return Err(("figure".into(), format!("there is no figure `{}`{hint}", self.figure)));
        }
        check_number("x", self.x, -1_000.0, 2_000.0)?;
        check_number("y", self.y, -1_000.0, 4_000.0)?;
        check_number("height", self.height, 4.0, 3_000.0)?;
        check_number("turn", self.turn, -360.0, 360.0)?;
        check_number("lift", self.lift, -1_000.0, 1_000.0)?;
        check_number("opacity", self.opacity, 0.0, 1.0)?;
        if let Some(body) = &self.body {
            check_number("body.lean", body.lean, -500.0, 500.0)?;
            check_number("body.wide", body.wide, 0.3, 3.0)?;
            for (name, hand) in [("left", body.left), ("right", body.right)] {
                for value in hand.into_iter().flatten() {
                    check_number(&format!("body.{name}"), value, -1_000.0, 4_000.0)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn draw(&self, sheet: &mut Sheet) {
        let Some(bounds) = figures::bounds(&self.figure) else { return };
        if self.opacity < 1.0 {
            sheet.open_faded(self.opacity);
        }
        match &self.body {
            None => {
                let width = self.height * bounds.w / bounds.h;
                if self.shadow {
                    let far = (1.0 - self.lift / 900.0).clamp(0.3, 1.0);
                    sheet.shadow(self.x, self.y - self.height * 0.012, width * 1.18 * far, far);
                }
                self.head(sheet, self.x, self.y - self.lift, self.height);
            }
            Some(body) => self.person(sheet, body),
        }
        if self.opacity < 1.0 {
            sheet.close();
        }
    }

    /// The vendored figure itself, `height` units of it seen above (x, y).
    fn head(&self, sheet: &mut Sheet, x: f64, y: f64, height: f64) {
        let (Some(bounds), Some(drawing)) =
            (figures::bounds(&self.figure), figures::drawing(&self.figure))
        else {
            return;
        };
        let scale = height / bounds.h;
        let mirror = if self.flip { -1.0 } else { 1.0 };
        sheet.open(&format!(
            "translate({} {})rotate({})scale({:.5} {scale:.5})translate({} {})",
            num(x),
            num(y - height / 2.0),
            num(self.turn),
            scale * mirror,
            num(-(bounds.x + bounds.w / 2.0)),
            num(-(bounds.y + bounds.h / 2.0)),
        ));
        let mark = format!("f{}-", sheet.fresh());
        sheet.raw(&drawing.replace('~', &mark));
        sheet.close();
    }

    fn person(&self, sheet: &mut Sheet, body: &Body) {
        // All lengths are shares of the head's height, so that a person scales as a whole.
        let share = match body.legs {
            Legs::None => 1.62,
            Legs::Stand | Legs::Walk => 2.12,
        };
        let u = self.height / share;
        let feet = self.y - self.lift;
        let top = feet - self.height;
        let (hips_x, head_x) = (self.x, self.x + body.lean);
        let step = if self.flip { -1.0 } else { 1.0 };
        let hips_y = match body.legs {
            Legs::None => feet,
            Legs::Stand | Legs::Walk => feet - u * 0.42,
        };
        let neck_y = top + u * 0.9;
        if self.shadow && body.legs != Legs::None {
            sheet.shadow(self.x + body.lean * 0.3, self.y - u * 0.02, u * 1.25 * body.wide, 1.0);
        }
        self.legs(sheet, body, u, hips_x, hips_y, feet, step);
        let sleeves = body.coat.unwrap_or(body.shirt);
        torso(sheet, body, u, (hips_x, hips_y), (head_x, neck_y));
        self.head(sheet, head_x, top + u, u);
        let reach = u * 0.36 * body.wide;
        let skin = body.skin.unwrap_or_else(|| skin(&self.figure));
        for (side, target, hand) in
            [(-1.0, body.left, body.left_hand), (1.0, body.right, body.right_hand)]
        {
            let shoulder = (head_x + side * reach, neck_y + u * 0.19);
            let [x, y] = target.unwrap_or([
                hips_x + body.lean * 0.4 + side * u * 0.52 * body.wide,
                neck_y + u * 0.68,
            ]);
            arm(sheet, u, side, shoulder, (x, y), sleeves, skin, hand);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "places that only belong together here")]
    fn legs(
        &self,
        sheet: &mut Sheet,
        body: &Body,
        u: f64,
        x: f64,
        hips_y: f64,
        feet: f64,
        step: f64,
    ) {
        if body.legs == Legs::None {
            return;
        }
        let ankle = feet - u * 0.07;
        let (spread, swing) = match body.legs {
            Legs::Walk => (0.1, 0.26),
            Legs::Stand | Legs::None => (0.17, 0.0),
        };
        for side in [-step, step] {
            let far = side == -step;
            let hip = x + side * u * spread * body.wide;
            let foot = hip + side * step * step * u * swing;
            let lift = if far && swing > 0.0 { u * 0.05 } else { 0.0 };
            let tone = if far { body.trousers.dark(0.25) } else { body.trousers };
            let bend = hip + (foot - hip) * 0.4 + step * swing * u * 0.25;
            let path = d!(
                "M{} {}Q{} {} {} {}",
                hip,
                hips_y - u * 0.1,
                bend,
                (hips_y + ankle) / 2.0,
                foot,
                // The stroke's round end stays within the shoe.
                ankle - lift - u * 0.05
            );
            sheet.stroke(&path, tone.dark(0.3), u * 0.25);
            sheet.stroke(&path, tone, u * 0.21);
            let toe = if swing > 0.0 { step * u * 0.06 } else { side * u * 0.03 };
            let shoe = Colour::hex(0x3a_3346);
            let fill = sheet.down(shoe.light(0.25), shoe.dark(0.5));
            sheet.ellipse(foot + toe, ankle - lift + u * 0.01, u * 0.17, u * 0.085, fill);
        }
    }
}

/// The trunk, from the hips to the neck, in three tones.
fn torso(sheet: &mut Sheet, body: &Body, u: f64, hips: (f64, f64), neck: (f64, f64)) {
    let half = u * 0.40 * body.wide;
    let waist = u * 0.35 * body.wide;
    let (hx, hy) = hips;
    let (nx, ny) = neck;
    let round = u * 0.2;
    let bottom = if body.legs == Legs::None { 0.0 } else { u * 0.13 };
    let shape = d!(
        "M{} {}C{} {} {} {} {} {}L{} {}Q{} {} {} {}L{} {}Q{} {} {} {}L{} {}C{} {} {} {} {} {}Z",
        nx - half * 0.35,
        ny,
        nx - half * 0.8,
        ny,
        nx - half,
        ny + u * 0.05,
        nx - half,
        ny + round,
        hx - waist,
        hy - bottom,
        hx - waist,
        hy,
        hx - waist + bottom,
        hy,
        hx + waist - bottom,
        hy,
        hx + waist,
        hy,
        hx + waist,
        hy - bottom,
        nx + half,
        ny + round,
        nx + half,
        ny + u * 0.05,
        nx + half * 0.8,
        ny,
        nx + half * 0.35,
        ny,
    );
    let c = body.shirt;
    let fill = sheet.stops(
        1.0,
        0.55,
        &[
            (0.0, c.light(0.24).to_string(), 1.0),
            (0.5, c.to_string(), 1.0),
            (1.0, c.dark(0.3).to_string(), 1.0),
        ],
    );
    sheet.path(&shape, fill);
    let end = hy - bottom * 0.4;
    if let Some(tie) = body.tie {
        let w = u * 0.075;
        let long = (hy - ny) * 0.72;
        let fill = sheet.across(tie.light(0.15), tie.dark(0.2));
        let lean = (hx - nx) * 0.7;
        sheet.soft_polygon(
            &[
                (nx - w * 0.6, ny + u * 0.16),
                (nx + w * 0.6, ny + u * 0.16),
                (nx + lean + w * 1.3, ny + long - w),
                (nx + lean, ny + long),
                (nx + lean - w * 1.3, ny + long - w),
            ],
            fill,
            1.5,
        );
        sheet.circle(nx, ny + u * 0.14, w, tie.dark(0.12));
    }
    if let Some(coat) = body.coat {
        for side in [-1.0, 1.0] {
            let tone = if side < 0.0 { coat.light(0.12) } else { coat.dark(0.12) };
            let fill = sheet.down(tone, tone.dark(0.16));
            let path = d!(
                "M{} {}Q{} {} {} {}L{} {}L{} {}Q{} {} {} {}Z",
                nx + side * half * 0.34,
                ny + u * 0.04,
                nx + side * half * 1.02,
                ny,
                nx + side * half * 1.04,
                ny + round,
                hx + side * waist * 1.1,
                end,
                hx + side * waist * 0.3,
                end + bottom * 0.3,
                nx + side * half * 0.36,
                ny + (hy - ny) * 0.5,
                nx + side * half * 0.34,
                ny + u * 0.04,
            );
            sheet.path(&path, fill);
        }
    }
    // The head's shade on the collar ties both together.
    let shade = sheet.fade(Colour::INK, 0.5);
    sheet.ellipse(nx, ny + u * 0.09, half * 0.72, u * 0.08, shade);
}

#[expect(clippy::too_many_arguments, reason = "places that only belong together here")]
fn arm(
    sheet: &mut Sheet,
    u: f64,
    side: f64,
    (sx, sy): (f64, f64),
    (hx, hy): (f64, f64),
    sleeve: Colour,
    skin: Colour,
    hand: Hand,
) {
    let (dx, dy) = (hx - sx, hy - sy);
    let far = dx.hypot(dy).max(1.0);
    // The shorter the way to the hand, the more the elbow bends, outwards and down.
    let slack = (u * 0.95 - far).max(u * 0.08) * 0.5;
    let (mut px, mut py) = (-dy / far, dx / far);
    if px * side * 0.8 + py * 0.6 < 0.0 {
        (px, py) = (-px, -py);
    }
    let (cx, cy) = (sx + dx * 0.5 + px * slack, sy + dy * 0.5 + py * slack);
    // Of the curve only what the sleeve covers is drawn; the hand goes on from there.
    let thick = u * 0.2;
    let path = d!("M{} {}Q{} {} {} {}", sx, sy, cx, cy, hx, hy);
    sheet.stroke(&path, sleeve.dark(0.34), thick * 1.12);
    sheet.stroke(&path, sleeve.dark(0.06), thick);
    let glow = d!(
        "M{} {}Q{} {} {} {}",
        sx - u * 0.025,
        sy - u * 0.03,
        cx - u * 0.025,
        cy - u * 0.03,
        hx - u * 0.02,
        hy - u * 0.03
    );
    sheet.stroke(&glow, sleeve.light(0.16), thick * 0.42);
    let (ax, ay) = (hx - cx, hy - cy);
    let angle = ay.atan2(ax).to_degrees();
    sheet.open(&d!("translate({} {})rotate({})", hx, hy, angle));
    palm(sheet, u * 0.125, skin, hand, side, angle);
    sheet.close();
}

/// A hand of radius `r` that stretches along the x axis.
fn palm(sheet: &mut Sheet, r: f64, skin: Colour, hand: Hand, side: f64, angle: f64) {
    let dark = skin.mix(Colour::hex(0xb0_4a20), 0.45);
    let fill = sheet.round(
        0.35,
        0.3,
        &[
            (0.0, skin.light(0.35).to_string(), 1.0),
            (0.6, skin.to_string(), 1.0),
            (1.0, dark.to_string(), 1.0),
        ],
    );
    // The thumb is above, whichever way the arm goes.
    let up = if (-90.0..=90.0).contains(&angle) { -1.0 } else { 1.0 };
    let cuff = Colour::WHITE.dark(0.06);
    sheet.stroke(&d!("M{} {}V{}", -r * 0.95, -r * 0.62, r * 0.62), cuff, r * 0.42);
    match hand {
        Hand::Fist => {
            sheet.circle(r * 0.25, 0.0, r, &fill);
            let thumb = d!(
                "M{} {}q{} {} {} {}",
                -r * 0.1,
                up * r * 0.45,
                r * 0.5,
                up * r * 0.5,
                r * 0.75,
                up * r * 0.1
            );
            sheet.stroke(&thumb, dark.mix(skin, 0.25), r * 0.5);
            sheet.stroke(&thumb, skin.light(0.12), r * 0.38);
        }
        Hand::Open => {
            for (index, spread) in [-33.0_f64, -11.0, 11.0, 33.0].into_iter().enumerate() {
                let (sin, cos) = spread.to_radians().sin_cos();
                let long = if index == 1 || index == 2 { 2.15 } else { 1.9 };
                let finger = d!(
                    "M{} {}L{} {}",
                    r * 0.6 * cos,
                    r * 0.9 * sin,
                    r * long * cos,
                    r * long * sin
                );
                sheet.stroke(&finger, dark, r * 0.56);
                sheet.stroke(&finger, skin, r * 0.46);
            }
            let thumb = d!("M{} {}L{} {}", 0.0, up * side.abs() * r * 0.4, r * 0.55, up * r * 1.5);
            sheet.stroke(&thumb, dark, r * 0.58);
            sheet.stroke(&thumb, skin, r * 0.48);
            sheet.circle(r * 0.3, 0.0, r, &fill);
        }
        Hand::Point => {
            let finger = d!("M{} {}H{}", r * 0.5, up * r * 0.42, r * 2.5);
            sheet.stroke(&finger, dark, r * 0.66);
            sheet.stroke(&finger, skin.light(0.08), r * 0.54);
            sheet.circle(r * 0.25, 0.0, r, &fill);
            let thumb = d!(
                "M{} {}q{} {} {} {}",
                -r * 0.1,
                up * r * 0.1,
                r * 0.5,
                up * r * 0.5,
                r * 0.95,
                up * -r * 0.1
            );
            sheet.stroke(&thumb, dark.mix(skin, 0.3), r * 0.42);
        }
    }
}

/// The colour of the hands that go with a head.
fn skin(figure: &str) -> Colour {
    let has = |words: &[&str]| words.iter().any(|word| figure.contains(word));
    Colour::hex(match figure {
        "black-cat" => 0x3c_3a48,
        "pouting-face" => 0xf0_5a3c,
        "cold-face" => 0x6f_b4f2,
        "hot-face" => 0xf5_7a45,
        "smiling-face-with-horns" | "angry-face-with-horns" | "alien-monster" => 0x9a_63d8,
        "nauseated-face" => 0xb6_c84a,
        "alien" => 0xb6_c3cc,
        "robot" => 0xc9_c3da,
        "clown-face" => 0xff_f3ea,
        "ghost" | "skull" | "snowman" => 0xf1_ecf6,
        "panda" | "penguin" => 0x3b_3948,
        _ if has(&["frog", "crocodile", "turtle", "t-rex", "sauropod", "dragon"]) => 0x7b_c04c,
        _ if has(&["koala", "raccoon", "wolf", "mouse", "rat", "elephant", "hippo", "shark"]) => {
            0xa9_a5b8
        }
        _ if has(&["pig", "octopus"]) => 0xf3_a3b5,
        _ if has(&[
            "bear",
            "monkey",
            "gorilla",
            "orangutan",
            "sloth",
            "otter",
            "beaver",
            "owl",
        ]) =>
        {
            0xa8_6a42
        }
        _ if has(&["polar", "rabbit", "goat", "llama", "goose", "unicorn"]) => 0xee_e8ee,
        _ if has(&["dog", "horse", "hamster", "lion", "cow"]) => 0xe0_a878,
        _ if has(&["fox", "tiger"]) => 0xf2_8b3c,
        _ if has(&["judge", "man", "woman", "worker", "student", "teacher", "person"]) => 0xff_c83d,
        _ => 0xff_c83d,
    })
}
