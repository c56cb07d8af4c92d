//! Sets: where a scene happens. Each is a backdrop, a ground and simple furniture in one palette.

use serde::{Deserialize, Deserializer};

use crate::colour::Colour;
use crate::draw::{Sheet, d};

macro_rules! set_names {
    ($($(#[$doc:meta])* $name:ident: $wall:literal $wall_low:literal $ground:literal $ground_low:literal $floor:literal $paint:path,)*) => {
        /// The name of a set, in kebab case in data.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum SetName {
            $($(#[$doc])* $name,)*
        }

        impl SetName {
            /// All sets.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            fn look(self) -> Look {
                match self {
                    $(Self::$name => Look {
                        wall: Colour::hex($wall),
                        wall_low: Colour::hex($wall_low),
                        ground: Colour::hex($ground),
                        ground_low: Colour::hex($ground_low),
                        floor: $floor,
                        paint: $paint,
                    },)*
                }
            }
        }
    };
}

/// The palette of a set, the height of its floor line as a share of the panel's, its furniture.
struct Look {
    wall: Colour,
    wall_low: Colour,
    ground: Colour,
    ground_low: Colour,
    floor: f64,
    paint: fn(&mut Sheet, &Stage),
}

set_names! {
    /// A plain backdrop of pale blue.
    Studio: 0xdfe8f7 0xc3d2ec 0xa9bbdc 0x93a6cd 0.74 nothing,
    /// A plain backdrop of warm paper.
    Warm: 0xfff0d6 0xffdcab 0xf2bf80 0xe3a765 0.74 nothing,
    /// A plain backdrop of mint.
    Mint: 0xd8f3e6 0xb4e3cf 0x8fcdb4 0x78b89f 0.74 nothing,
    /// A plain backdrop of violet dusk.
    Violet: 0x6d5ae0 0x9a86f2 0x3d2f96 0x2e2378 0.74 nothing,
    /// A room with a window, a shelf and a plant's corner.
    Office: 0xcfe0f0 0xaec6df 0x7f93b5 0x66799d 0.70 office,
    /// Houses along a pavement by day.
    Street: 0x9fd8f6 0xdcf2fb 0xa6adba 0x8a91a1 0.72 street,
    /// A town and stars.
    Night: 0x151a4a 0x3f3b8c 0x242555 0x181840 0.74 night,
    /// A room that burns.
    Fire: 0xffc04a 0xff7038 0x7a3322 0x57211b 0.76 fire,
    /// Stars and a planet over grey ground.
    Space: 0x0d0c2b 0x33236b 0x77729a 0x545079 0.80 space,
    /// A classroom with a blackboard.
    School: 0xf6e7c8 0xe9d2a4 0xc08b58 0xa6733f 0.72 school,
    /// Wooden panels and columns.
    Court: 0xa9714a 0x8a5636 0x5e3826 0x492a1d 0.74 court,
    /// Tiles, cupboards and a hood.
    Kitchen: 0xfdf0dc 0xf3dcb8 0xc99b73 0xb38258 0.73 kitchen,
    /// Red curtains, boards and a spotlight.
    Stage: 0x3a1030 0x5e1838 0xa4683c 0x7f4a2a 0.76 stage,
    /// Waves under a bright sky.
    Sea: 0x7fd0f5 0xd8f3fb 0x2f8fd0 0x1a5fa3 0.56 sea,
    /// Firs in three depths.
    Forest: 0xbfe6d3 0xe6f5d4 0x6fae52 0x4f8f44 0.74 forest,
    /// Hills of snow.
    Snow: 0x9cc7ee 0xe3f1fb 0xf4f9fe 0xcfe0f2 0.72 snow,
    /// Dunes, a big sun.
    Desert: 0xffb765 0xffe3a8 0xedb566 0xd4924a 0.70 desert,
    /// A ward with a curtain and a chart.
    Hospital: 0xd9f1f1 0xbfe2e4 0x9cc3c9 0x83adb5 0.72 hospital,
    /// Racks with lamps.
    DataCentre: 0x1c2b4a 0x2c4a74 0x35496b 0x22324f 0.76 data_centre,
    /// White walls, lit frames, a rope.
    Museum: 0xf2ece4 0xddd2c6 0xb09a86 0x94806d 0.73 museum,
    /// A road that runs to the horizon.
    Road: 0x8fd3f7 0xe4f6fb 0x7fc26a 0x62a655 0.50 road,
    /// A sofa's room: lamp, picture, rug.
    LivingRoom: 0xf7dcc6 0xeec3a6 0xb57e5d 0x9a6547 0.72 living_room,
    /// Green hills by day.
    Meadow: 0x8ed6f8 0xe2f6fb 0x8bd066 0x62ad4e 0.68 meadow,
    /// A storm over dark hills.
    Storm: 0x3a4159 0x77809c 0x4d5a55 0x39443f 0.70 storm,
    /// A hall with lift doors' worth of stone.
    Lobby: 0xe9dfd0 0xd5c6b0 0x9c8a76 0x817060 0.76 lobby,
    /// A gym or a track under lights.
    Arena: 0x2b2f6b 0x5a4fb0 0xd9794b 0xb85d35 0.72 arena,
}

impl SetName {
    /// The set of this name in kebab case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
            serde::de::IntoDeserializer::into_deserializer(name);
        Self::deserialize(name).ok()
    }
}

/// Where a scene happens: `set = "office"`, or a table with more said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Set {
    /// Which set.
    pub name: SetName,
    /// Where the floor line lies, as a share of the panel's height, if not where the set has it.
    pub floor: Option<f64>,
    /// Without furniture.
    pub plain: bool,
    /// Left and right exchanged.
    pub flip: bool,
    /// A colour that a quarter of the set is mixed with, to tell two panels apart.
    pub tint: Option<Colour>,
}

impl Default for Set {
    fn default() -> Self {
        SetName::Studio.into()
    }
}

impl From<SetName> for Set {
    fn from(name: SetName) -> Self {
        Self { name, floor: None, plain: false, flip: false, tint: None }
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            name: SetName,
            floor: Option<f64>,
            #[serde(default)]
            plain: bool,
            #[serde(default)]
            flip: bool,
            tint: Option<Colour>,
        }

        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Set;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a set, or a table with `name`")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Set, E> {
                let name = serde::de::IntoDeserializer::into_deserializer(name);
                SetName::deserialize::<serde::de::value::StrDeserializer<'_, E>>(name)
                    .map(Set::from)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Set, A::Error> {
                let long = Long::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                let floor = long.floor;
                if floor.is_some_and(|floor| !(0.05..=1.0).contains(&floor)) {
                    return Err(serde::de::Error::custom("`floor` is a share between 0.05 and 1"));
                }
                Ok(Set {
                    name: long.name,
                    floor,
                    plain: long.plain,
                    flip: long.flip,
                    tint: long.tint,
                })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// What furniture is drawn with: the panel's height, the floor line, the palette.
struct Stage {
    h: f64,
    f: f64,
    wall: Colour,
    wall_low: Colour,
    ground: Colour,
    ground_low: Colour,
}

impl Set {
    /// Where the floor line lies in a panel `height` units high.
    #[must_use]
    pub fn floor_line(&self, height: f64) -> f64 {
        self.floor.unwrap_or(self.name.look().floor) * height
    }

    pub(crate) fn draw(&self, sheet: &mut Sheet, height: f64) {
        let look = self.name.look();
        let tint = |c: Colour| self.tint.map_or(c, |tint| c.mix(tint, 0.28));
        let stage = Stage {
            h: height,
            f: self.floor_line(height),
            wall: tint(look.wall),
            wall_low: tint(look.wall_low),
            ground: tint(look.ground),
            ground_low: tint(look.ground_low),
        };
        if self.flip {
            sheet.open("translate(1000 0)scale(-1 1)");
        }
        let wall = sheet.down(stage.wall, stage.wall_low);
        // Beyond the picture's edges and under the ground: pixels that two edges share would be only
        // half covered.
        sheet.rect(-8.0, -8.0, 1_016.0, stage.f + 28.0, 0.0, wall);
        // One soft light from the upper left holds every set together.
        let light = sheet.fade(Colour::WHITE, 0.34);
        sheet.ellipse(330.0, stage.f * 0.42, 620.0, stage.f * 0.72, light);
        let ground = sheet.down(stage.ground, stage.ground_low);
        let paint_ground = |sheet: &mut Sheet| {
            sheet.rect(-8.0, stage.f, 1_016.0, height - stage.f + 8.0, 0.0, &ground);
        };
        paint_ground(sheet);
        if !self.plain {
            (look.paint)(sheet, &stage);
        }
        if self.plain || std::ptr::fn_addr_eq(look.paint, nothing as fn(&mut Sheet, &Stage)) {
            let edge = sheet.stops(
                0.0,
                1.0,
                &[(0.0, Colour::INK.to_string(), 0.16), (1.0, Colour::INK.to_string(), 0.0)],
            );
            sheet.rect(0.0, stage.f, 1_000.0, 26.0, 0.0, edge);
        }
        if self.flip {
            sheet.close();
        }
    }
}

fn nothing(_: &mut Sheet, _: &Stage) {}

/// A skirting board and a band of shade on the floor under the wall.
fn skirting(sheet: &mut Sheet, s: &Stage, colour: Colour) {
    sheet.rect(0.0, s.f - 22.0, 1_000.0, 22.0, 0.0, colour.light(0.15));
    sheet.rect(0.0, s.f - 5.0, 1_000.0, 5.0, 0.0, colour.dark(0.25));
    let shade = sheet.stops(
        0.0,
        1.0,
        &[(0.0, Colour::INK.to_string(), 0.22), (1.0, Colour::INK.to_string(), 0.0)],
    );
    sheet.rect(0.0, s.f, 1_000.0, 34.0, 0.0, shade);
}

/// Boards that run towards the viewer.
fn boards(sheet: &mut Sheet, s: &Stage, colour: Colour) {
    sheet.open_faded(0.5);
    for index in -6..=6 {
        let x = f64::from(index);
        let path = d!("M{} {}L{} {}", 500.0 + x * 96.0, s.f, 500.0 + x * 190.0, s.h);
        sheet.stroke(&path, colour, 3.0);
    }
    sheet.close();
}

/// A window in a wall: frame, sky, a cross of wood, light on the sill.
pub(crate) fn window(sheet: &mut Sheet, x: f64, y: f64, w: f64, h: f64, high: Colour, low: Colour) {
    let frame = Colour::hex(0xfbfcff);
    sheet.rect(x - 12.0, y - 12.0, w + 24.0, h + 30.0, 10.0, frame.dark(0.28));
    let fill = sheet.down(frame, frame.dark(0.08));
    sheet.rect(x - 12.0, y - 12.0, w + 24.0, h + 24.0, 10.0, fill);
    let sky = sheet.down(high, low);
    sheet.rect(x, y, w, h, 4.0, sky);
    let glare =
        sheet.stops(1.0, 0.6, &[(0.0, "#ffffff".into(), 0.5), (0.55, "#ffffff".into(), 0.0)]);
    sheet.rect(x, y, w, h, 4.0, glare);
    sheet.rect(x + w / 2.0 - 5.0, y, 10.0, h, 0.0, frame.dark(0.04));
    sheet.rect(x, y + h * 0.46 - 5.0, w, 10.0, 0.0, frame.dark(0.04));
    sheet.rect(x - 24.0, y + h + 10.0, w + 48.0, 16.0, 6.0, frame.dark(0.14));
    sheet.rect(x - 24.0, y + h + 8.0, w + 48.0, 10.0, 5.0, frame);
}

fn cloud(sheet: &mut Sheet, x: f64, y: f64, w: f64, colour: Colour, opacity: f64) {
    let fill = sheet.down(colour, colour.dark(0.05));
    sheet.open_faded(opacity);
    for (dx, dy, r) in
        [(-0.28, 0.04, 0.17), (-0.08, -0.06, 0.24), (0.16, -0.01, 0.2), (0.34, 0.06, 0.14)]
    {
        sheet.ellipse(x + dx * w, y + dy * w, r * w, r * w * 0.72, &fill);
    }
    sheet.rect(x - w * 0.46, y + w * 0.03, w * 0.94, w * 0.14, w * 0.07, &fill);
    sheet.close();
}

fn hill(sheet: &mut Sheet, s: &Stage, from: f64, to: f64, up: f64, colour: Colour) {
    let fill = sheet.down(colour.light(0.16), colour.dark(0.12));
    let path = d!(
        "M{} {}C{} {} {} {} {} {}Z",
        from,
        s.f + 4.0,
        from + (to - from) * 0.3,
        s.f - up * 1.3,
        from + (to - from) * 0.7,
        s.f - up * 1.3,
        to,
        s.f + 4.0
    );
    sheet.path(&path, fill);
}

fn shelf(sheet: &mut Sheet, x: f64, y: f64, w: f64, seed: usize) {
    let tones = [0xe2574c, 0x4a90d9, 0xf2b544, 0x58b37e, 0x8a6fd0, 0xf08a5d];
    let mut at = x + 10.0;
    let mut index = seed;
    while at < x + w - 34.0 {
        let wide = 15.0 + f64::from(u8::try_from(index * 7 % 13).unwrap_or(0));
        let high = 62.0 + f64::from(u8::try_from(index * 11 % 23).unwrap_or(0));
        if index % 6 != 5 {
            let c = Colour::hex(tones[index % tones.len()]).mix(Colour::hex(0xc9d3e6), 0.35);
            let fill = sheet.across(c.light(0.15), c.dark(0.15));
            sheet.rect(at, y - high, wide, high, 3.0, fill);
            sheet.rect(at, y - high * 0.8, wide, 6.0, 0.0, c.light(0.45));
        }
        at += wide + 2.0;
        index += 1;
    }
    sheet.slab(x, y, w, 12.0, 4.0, 7.0, Colour::hex(0xb98a62));
}

fn office(sheet: &mut Sheet, s: &Stage) {
    let scale = s.f / 700.0;
    window(
        sheet,
        90.0,
        120.0 * scale,
        250.0,
        260.0 * scale,
        Colour::hex(0x86c9f3),
        Colour::hex(0xe0f4fb),
    );
    shelf(sheet, 640.0, 210.0 * scale, 290.0, 1);
    shelf(sheet, 640.0, 350.0 * scale, 290.0, 4);
    skirting(sheet, s, s.wall_low.dark(0.1));
    boards(sheet, s, s.ground_low.dark(0.1));
}

fn house(sheet: &mut Sheet, s: &Stage, x: f64, w: f64, h: f64, c: Colour, roof: bool) {
    let fill = sheet.down(c.light(0.16), c.dark(0.06));
    sheet.rect(x, s.f - h, w, h, 4.0, fill);
    if roof {
        let r = Colour::hex(0xc9624d);
        sheet.soft_polygon(
            &[(x - 14.0, s.f - h), (x + w + 14.0, s.f - h), (x + w * 0.5, s.f - h - w * 0.38)],
            r,
            5.0,
        );
    } else {
        sheet.rect(x - 8.0, s.f - h - 14.0, w + 16.0, 20.0, 5.0, c.dark(0.22));
    }
    let mut y = s.f - h + 34.0;
    while y < s.f - 120.0 {
        let mut at = x + w * 0.14;
        while at < x + w * 0.8 {
            sheet.rect(at, y, w * 0.18, 50.0, 5.0, c.light(0.55));
            sheet.rect(
                at + 4.0,
                y + 4.0,
                w * 0.18 - 8.0,
                42.0,
                3.0,
                Colour::hex(0x7fb4d8).mix(c, 0.25),
            );
            at += w * 0.29;
        }
        y += 78.0;
    }
    sheet.rect(x + w * 0.38, s.f - 96.0, w * 0.25, 96.0, 6.0, c.dark(0.38));
}

fn street(sheet: &mut Sheet, s: &Stage) {
    cloud(sheet, 200.0, s.f * 0.2, 210.0, Colour::WHITE, 0.9);
    cloud(sheet, 800.0, s.f * 0.14, 160.0, Colour::WHITE, 0.75);
    let k = s.f / 720.0;
    house(sheet, s, 470.0, 170.0, 330.0 * k, Colour::hex(0xb7c9d9), false);
    house(sheet, s, -40.0, 230.0, 420.0 * k, Colour::hex(0xe8c29c), false);
    house(sheet, s, 205.0, 210.0, 300.0 * k, Colour::hex(0xf0d7a7), true);
    house(sheet, s, 650.0, 200.0, 290.0 * k, Colour::hex(0xd9b3a4), true);
    house(sheet, s, 860.0, 220.0, 450.0 * k, Colour::hex(0xa9c2b2), false);
    sheet.rect(0.0, s.f, 1_000.0, 16.0, 0.0, s.ground.light(0.42));
    sheet.rect(0.0, s.f + 16.0, 1_000.0, 5.0, 0.0, s.ground.dark(0.2));
    let kerb = s.f + (s.h - s.f) * 0.62;
    sheet.rect(0.0, kerb, 1_000.0, 12.0, 0.0, s.ground.light(0.35));
    let asphalt = sheet.down(Colour::hex(0x5d6373), Colour::hex(0x4a4f5e));
    sheet.rect(0.0, kerb + 12.0, 1_000.0, s.h - kerb, 0.0, asphalt);
}

fn stars(sheet: &mut Sheet, s: &Stage, count: u32) {
    // Places that look strewn and are the same each time.
    let mut state: u32 = 7;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    };
    for _ in 0..count {
        let (x, y, size) = (next() * 1_000.0, next() * s.f * 0.92, 1.2 + next() * 3.0);
        sheet.open_faded(0.35 + next() * 0.6);
        sheet.circle(x, y, size, Colour::hex(0xfff6d8));
        sheet.close();
    }
}

fn night(sheet: &mut Sheet, s: &Stage) {
    stars(sheet, s, 70);
    let glow = sheet.fade(Colour::hex(0xfff0b8), 0.5);
    sheet.circle(820.0, s.f * 0.24, 190.0, glow);
    let moon =
        sheet.round(0.35, 0.3, &[(0.0, "#fffbe6".into(), 1.0), (1.0, "#f1d98c".into(), 1.0)]);
    sheet.circle(820.0, s.f * 0.24, 72.0, moon);
    sheet.circle(842.0, s.f * 0.21, 13.0, Colour::hex(0xeed68d));
    sheet.circle(800.0, s.f * 0.27, 18.0, Colour::hex(0xeed68d));
    let tone = s.wall.mix(s.wall_low, 0.35);
    for (index, (x, w, h)) in [
        (-20.0, 130.0, 210.0),
        (100.0, 90.0, 300.0),
        (200.0, 140.0, 180.0),
        (350.0, 100.0, 260.0),
        (460.0, 150.0, 150.0),
        (620.0, 110.0, 240.0),
        (740.0, 120.0, 170.0),
        (870.0, 150.0, 280.0),
    ]
    .into_iter()
    .enumerate()
    {
        let h = h * s.f / 740.0;
        sheet.rect(x, s.f - h, w, h, 3.0, tone.dark(if index % 2 == 0 { 0.1 } else { 0.28 }));
        for row in 0..4_u32 {
            for column in 0..3_u32 {
                if (row * 3 + column * 5 + u32::try_from(index).unwrap_or(0) * 7) % 4 == 0 {
                    let (wx, wy) = (
                        x + 16.0 + f64::from(column) * w * 0.3,
                        s.f - h + 20.0 + f64::from(row) * 40.0,
                    );
                    if wy < s.f - 30.0 {
                        sheet.rect(wx, wy, 16.0, 20.0, 3.0, Colour::hex(0xffd98a));
                    }
                }
            }
        }
    }
    let shade = sheet.down(s.ground.light(0.1), s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, shade);
}

/// A tongue of fire of our own, `w` wide, standing on (x, y).
pub(crate) fn flame(sheet: &mut Sheet, x: f64, y: f64, w: f64, h: f64) {
    for (part, high, low) in
        [(1.0, 0xff5a2c, 0xff8a30), (0.68, 0xff9a2e, 0xffc23c), (0.38, 0xffd34a, 0xfff3a6)]
    {
        let (w, h) = (w * part, h * (0.25 + 0.75 * part));
        let fill = sheet.down(Colour::hex(high), Colour::hex(low));
        let path = d!(
            "M{} {}C{} {} {} {} {} {}C{} {} {} {} {} {}C{} {} {} {} {} {}C{} {} {} {} {} {}Z",
            x,
            y,
            x - w * 0.62,
            y,
            x - w * 0.6,
            y - h * 0.42,
            x - w * 0.3,
            y - h * 0.6,
            x - w * 0.28,
            y - h * 0.45,
            x - w * 0.2,
            y - h * 0.42,
            x - w * 0.13,
            y - h * 0.45,
            x - w * 0.2,
            y - h * 0.75,
            x,
            y - h * 0.85,
            x + w * 0.08,
            y - h,
            x + w * 0.2,
            y - h * 0.62,
            x + w * 0.86,
            y,
            x,
            y
        );
        sheet.path(&path, fill);
    }
}

fn fire(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 760.0;
    // A room that one still knows to be a room: window, picture, smoke under the ceiling.
    window(sheet, 620.0, 190.0 * k, 210.0, 230.0 * k, Colour::hex(0xff9a45), Colour::hex(0xffd27a));
    let frame = Colour::hex(0x8a3f24);
    sheet.open("rotate(-7 240 290)");
    sheet.slab(150.0, 220.0 * k, 190.0, 150.0 * k, 6.0, 8.0, frame);
    sheet.rect(166.0, 236.0 * k, 158.0, 118.0 * k, 3.0, Colour::hex(0xffdf9e));
    sheet.circle(245.0, 300.0 * k, 34.0 * k, Colour::hex(0xff9a45));
    sheet.close();
    for (x, y, r) in [
        (80.0, 20.0, 150.0),
        (300.0, -10.0, 170.0),
        (560.0, 10.0, 180.0),
        (820.0, -5.0, 190.0),
        (990.0, 60.0, 150.0),
    ] {
        let fill = sheet.fade(Colour::hex(0x47303a), 0.62);
        sheet.ellipse(x, y, r * 1.25, r, fill);
    }
    let boards = s.ground.dark(0.2);
    skirting(sheet, s, Colour::hex(0x9a4a2a));
    let glow = sheet.fade(Colour::hex(0xffe27a), 0.7);
    sheet.ellipse(500.0, s.f, 640.0, 260.0, glow);
    for (x, w, h) in [
        (40.0, 190.0, 430.0),
        (190.0, 130.0, 260.0),
        (330.0, 110.0, 170.0),
        (655.0, 110.0, 180.0),
        (800.0, 150.0, 290.0),
        (950.0, 210.0, 470.0),
    ] {
        flame(sheet, x, s.f + 14.0, w, h * k);
    }
    let ground = sheet.down(s.ground.mix(Colour::hex(0xff8a3c), 0.3), s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    self::boards(sheet, s, boards);
}

fn space(sheet: &mut Sheet, s: &Stage) {
    stars(sheet, s, 110);
    let haze = sheet.fade(Colour::hex(0xc05bd0), 0.4);
    sheet.ellipse(260.0, s.f * 0.4, 420.0, 240.0, haze);
    let (x, y, r) = (820.0, s.f * 0.25, 105.0);
    let ring = Colour::hex(0xf4c98c);
    sheet.open(&d!("rotate(-18 {} {})", x, y));
    sheet.ellipse(x, y, r * 1.7, r * 0.42, ring.dark(0.2));
    sheet.ellipse(x, y - 2.0, r * 1.35, r * 0.28, s.wall.mix(s.wall_low, 0.25));
    let planet = sheet.round(
        0.3,
        0.3,
        &[(0.0, "#ffb08a".into(), 1.0), (0.6, "#e8667a".into(), 1.0), (1.0, "#7c2f74".into(), 1.0)],
    );
    sheet.circle(x, y, r, planet);
    let front = d!(
        "M{} {}A{} {} 0 0 0 {} {}",
        x - r * 1.52,
        y + r * 0.06,
        r * 1.52,
        r * 0.36,
        x + r * 1.52,
        y + r * 0.06
    );
    sheet.stroke(&front, ring, r * 0.13);
    sheet.close();
    let ground = sheet.down(s.ground.light(0.1), s.ground_low.dark(0.2));
    let path = d!("M0 {}Q500 {} 1000 {}V{}H0Z", s.f + 26.0, s.f - 40.0, s.f + 26.0, s.h + 2.0);
    sheet.path(&path, ground);
    for (x, y, w) in
        [(150.0, 0.3, 90.0), (760.0, 0.2, 120.0), (480.0, 0.62, 70.0), (900.0, 0.7, 100.0)]
    {
        let y = s.f + (s.h - s.f) * y + 14.0;
        sheet.ellipse(x, y, w, w * 0.24, s.ground_low.dark(0.12));
        sheet.ellipse(x, y + 5.0, w * 0.9, w * 0.19, s.ground.light(0.05));
    }
}

fn school(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 720.0;
    let (x, y, w, h) = (190.0, 110.0 * k, 620.0, 330.0 * k);
    sheet.slab(x - 18.0, y - 18.0, w + 36.0, h + 36.0, 10.0, 10.0, Colour::hex(0xb07a48));
    let board = sheet.down(Colour::hex(0x3f7a60), Colour::hex(0x2f6350));
    sheet.rect(x, y, w, h, 4.0, board);
    sheet.open_faded(0.28);
    sheet.stroke(&d!("M{} {}q60 -34 120 0t120 0", x + 50.0, y + 70.0), "#ffffff", 6.0);
    sheet.stroke(
        &d!("M{} {}h190M{} {}h130", x + 50.0, y + 130.0 * k, x + 50.0, y + 180.0 * k),
        "#ffffff",
        6.0,
    );
    sheet.stroke(&d!("M{} {}l70 -120 l70 120z", x + 420.0, y + 230.0 * k), "#ffffff", 6.0);
    sheet.close();
    sheet.slab(x + 30.0, y + h + 12.0, w - 60.0, 12.0, 5.0, 7.0, Colour::hex(0xc99762));
    skirting(sheet, s, Colour::hex(0xc79a66));
    boards(sheet, s, s.ground_low.dark(0.15));
}

fn court(sheet: &mut Sheet, s: &Stage) {
    let panel = s.wall_low;
    for index in 0..5_u8 {
        let x = 30.0 + f64::from(index) * 196.0;
        sheet.rect(x, s.f * 0.12, 156.0, s.f * 0.8, 8.0, panel.dark(0.22));
        let fill = sheet.down(panel.light(0.14), panel.dark(0.05));
        sheet.rect(x + 8.0, s.f * 0.12 + 10.0, 146.0, s.f * 0.8 - 14.0, 6.0, fill);
    }
    sheet.slab(-10.0, s.f * 0.03, 1_020.0, 26.0, 0.0, 9.0, Colour::hex(0xc48a58));
    for x in [-20.0, 930.0] {
        let column = sheet.across(Colour::hex(0xf1e4cf), Colour::hex(0xc4ab8b));
        sheet.rect(x, 0.0, 90.0, s.f, 0.0, column);
        for line in 0..4_u8 {
            sheet.rect(
                x + 14.0 + f64::from(line) * 19.0,
                40.0,
                5.0,
                s.f - 90.0,
                2.0,
                Colour::hex(0xb79d7c),
            );
        }
        sheet.slab(x - 14.0, s.f - 34.0, 118.0, 30.0, 4.0, 6.0, Colour::hex(0xe6d6bd));
    }
    skirting(sheet, s, Colour::hex(0x6d412b));
}

fn kitchen(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 730.0;
    let tile = s.wall_low.light(0.35);
    for row in 0..4_u8 {
        for column in 0..11_u8 {
            let fill = if (row + column) % 2 == 0 { tile } else { tile.mix(s.wall_low, 0.35) };
            sheet.rect(
                f64::from(column) * 94.0 - 10.0,
                (330.0 + f64::from(row) * 62.0) * k,
                90.0,
                58.0 * k,
                5.0,
                fill,
            );
        }
    }
    let wood = Colour::hex(0x6fb5a8);
    for x in [-30.0, 180.0, 640.0, 850.0] {
        sheet.slab(x, 40.0 * k, 200.0, 230.0 * k, 8.0, 10.0, wood);
        sheet.rect(x + 22.0, 62.0 * k, 156.0, 186.0 * k, 8.0, wood.dark(0.12));
        sheet.rect(x + 26.0, 67.0 * k, 148.0, 178.0 * k, 7.0, wood.light(0.08));
        sheet.circle(x + 160.0, 222.0 * k, 8.0, Colour::hex(0xf4d9a0));
    }
    let steel = sheet.across(Colour::hex(0xe9eef5), Colour::hex(0xaab6c6));
    sheet.polygon(
        &[(420.0, 190.0 * k), (600.0, 190.0 * k), (632.0, 270.0 * k), (388.0, 270.0 * k)],
        &steel,
    );
    sheet.rect(470.0, -5.0, 80.0, 198.0 * k, 0.0, steel);
    sheet.slab(-20.0, s.f - 150.0 * k, 1_040.0, 34.0, 4.0, 8.0, Colour::hex(0xe9d3b0));
    let front = sheet.down(wood.light(0.06), wood.dark(0.12));
    sheet.rect(0.0, s.f - 110.0 * k, 1_000.0, 110.0 * k, 0.0, front);
    for x in [200.0, 400.0, 600.0, 800.0] {
        sheet.rect(x - 2.0, s.f - 104.0 * k, 4.0, 100.0 * k, 0.0, wood.dark(0.3));
        sheet.rect(x - 130.0, s.f - 88.0 * k, 60.0, 9.0, 4.0, Colour::hex(0xf4d9a0));
    }
    let shade = sheet.stops(
        0.0,
        1.0,
        &[(0.0, Colour::INK.to_string(), 0.25), (1.0, Colour::INK.to_string(), 0.0)],
    );
    sheet.rect(0.0, s.f, 1_000.0, 34.0, 0.0, shade);
}

fn stage(sheet: &mut Sheet, s: &Stage) {
    let cloth = Colour::hex(0xd3304a);
    for index in 0..12_u8 {
        let x = f64::from(index) * 84.0 - 4.0;
        let tone = cloth.dark(0.38);
        let fill = sheet.stops(
            1.0,
            0.0,
            &[
                (0.0, tone.dark(0.3).to_string(), 1.0),
                (0.45, tone.light(0.05).to_string(), 1.0),
                (1.0, tone.dark(0.35).to_string(), 1.0),
            ],
        );
        sheet.rect(x, 0.0, 85.0, s.f, 0.0, fill);
    }
    let light =
        sheet.stops(0.0, 1.0, &[(0.0, "#fff3c9".into(), 0.5), (1.0, "#fff3c9".into(), 0.06)]);
    sheet.polygon(&[(455.0, 0.0), (545.0, 0.0), (820.0, s.f + 70.0), (180.0, s.f + 70.0)], light);
    let ground = sheet.down(s.ground, s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    boards(sheet, s, s.ground_low.dark(0.25));
    let pool = sheet.fade(Colour::hex(0xfff0bf), 0.75);
    sheet.ellipse(500.0, s.f + (s.h - s.f) * 0.42, 430.0, (s.h - s.f) * 0.46, pool);
    for (x, side) in [(0.0, 1.0), (1_000.0, -1.0)] {
        for fold in 0..3_u8 {
            let at = f64::from(fold) * 46.0;
            let tone = cloth.dark(0.05 + f64::from(fold) * 0.07);
            let fill = sheet.stops(
                1.0,
                0.0,
                &[
                    (0.0, tone.dark(0.22).to_string(), 1.0),
                    (0.5, tone.light(0.14).to_string(), 1.0),
                    (1.0, tone.dark(0.28).to_string(), 1.0),
                ],
            );
            let path = d!(
                "M{} 0H{}C{} {} {} {} {} {}H{}Z",
                x + side * at,
                x + side * (at + 50.0),
                x + side * (at + 60.0),
                s.f * 0.5,
                x + side * (at * 0.5 + 20.0),
                s.f * 0.62,
                x + side * (at * 0.9 + 46.0),
                s.f + 30.0,
                x + side * at * 0.9
            );
            sheet.path(&path, fill);
        }
    }
    for index in 0..8_u8 {
        let x = f64::from(index) * 125.0;
        let tone = cloth.light(0.04);
        let fill = sheet.down(tone.dark(0.3), tone);
        sheet.path(
            &d!("M{} -4H{}V{}Q{} {} {} {}Z", x, x + 125.0, 46.0, x + 62.0, 120.0, x, 46.0),
            fill,
        );
    }
}

fn sea(sheet: &mut Sheet, s: &Stage) {
    cloud(sheet, 240.0, s.f * 0.34, 230.0, Colour::WHITE, 0.9);
    cloud(sheet, 760.0, s.f * 0.2, 180.0, Colour::WHITE, 0.8);
    let glow = sheet.fade(Colour::WHITE, 0.55);
    sheet.ellipse(500.0, s.f, 620.0, 70.0, glow);
    let ground = sheet.down(s.ground, s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    let deep = s.h - s.f;
    for (row, part) in [0.05, 0.16, 0.34, 0.6].into_iter().enumerate() {
        let y = s.f + deep * part;
        let amp = 5.0 + 12.0 * part;
        let long = 62.0 + 120.0 * part;
        let mut path = d!("M{} {}", -long * if row % 2 == 0 { 1.0 } else { 1.5 }, y);
        for _ in 0..24 {
            path.push_str(&d!("q{} {} {} 0", long * 0.5, amp * 2.0, long));
        }
        path.push_str(&d!("V{}H-200Z", s.h + 40.0));
        sheet.open_faded(0.28);
        sheet.path(&path, s.ground.dark(0.12).light(0.1 - 0.1 * part));
        sheet.close();
    }
}

fn fir(sheet: &mut Sheet, x: f64, y: f64, h: f64, c: Colour) {
    sheet.rect(
        x - h * 0.04,
        y - h * 0.16,
        h * 0.08,
        h * 0.18,
        3.0,
        Colour::hex(0x7a5238).mix(c, 0.3),
    );
    for (low, wide, top) in [(0.12, 0.24, 0.55), (0.36, 0.19, 0.76), (0.6, 0.13, 1.0)] {
        let fill = sheet.across(c.light(0.12), c.dark(0.2));
        sheet.soft_polygon(
            &[(x - h * wide, y - h * low), (x + h * wide, y - h * low), (x, y - h * top)],
            fill,
            h * 0.015,
        );
    }
}

fn forest(sheet: &mut Sheet, s: &Stage) {
    let glow = sheet.fade(Colour::hex(0xfffbd2), 0.8);
    sheet.ellipse(500.0, s.f * 0.55, 460.0, s.f * 0.5, glow);
    let k = s.f / 740.0;
    for (x, h) in [
        (60.0, 330.0),
        (200.0, 270.0),
        (330.0, 310.0),
        (450.0, 240.0),
        (570.0, 290.0),
        (690.0, 250.0),
        (810.0, 330.0),
        (940.0, 290.0),
    ] {
        fir(sheet, x, s.f + 6.0, h * k, Colour::hex(0x9fcfae));
    }
    for (x, h) in [
        (-10.0, 520.0),
        (130.0, 410.0),
        (255.0, 330.0),
        (760.0, 360.0),
        (880.0, 450.0),
        (1_010.0, 560.0),
    ] {
        fir(sheet, x, s.f + 18.0, h * k, Colour::hex(0x4f9a66));
    }
    let ground = sheet.down(s.ground.light(0.1), s.ground_low);
    sheet.path(
        &d!("M0 {}Q250 {} 500 {}T1000 {}V{}H0Z", s.f + 8.0, s.f - 22.0, s.f + 4.0, s.f, s.h + 2.0),
        ground,
    );
    tufts(sheet, s);
}

fn tufts(sheet: &mut Sheet, s: &Stage) {
    for (x, part, k) in [
        (90.0, 0.3, 1.0),
        (300.0, 0.75, 1.5),
        (610.0, 0.22, 0.9),
        (860.0, 0.55, 1.3),
        (480.0, 0.5, 1.1),
    ] {
        let y = s.f + (s.h - s.f) * part;
        sheet.stroke(
            &d!(
                "M{} {}q{} {} {} {}M{} {}v{}M{} {}q{} {} {} {}",
                x,
                y,
                -3.0 * k,
                -12.0 * k,
                -9.0 * k,
                -17.0 * k,
                x + 4.0 * k,
                y,
                -21.0 * k,
                x + 8.0 * k,
                y,
                3.0 * k,
                -12.0 * k,
                9.0 * k,
                -17.0 * k
            ),
            s.ground_low.dark(0.15),
            4.5 * k,
        );
    }
}

fn snow(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 720.0;
    for (x, w, h) in [(150.0, 520.0, 330.0), (560.0, 620.0, 420.0), (930.0, 480.0, 300.0)] {
        let c = Colour::hex(0x9db6d8);
        let fill = sheet.across(c.light(0.25), c.dark(0.12));
        sheet.soft_polygon(&[(x - w / 2.0, s.f), (x, s.f - h * k), (x + w / 2.0, s.f)], fill, 8.0);
        sheet.soft_polygon(
            &[
                (x - w * 0.15, s.f - h * k * 0.7),
                (x, s.f - h * k),
                (x + w * 0.15, s.f - h * k * 0.7),
                (x + w * 0.05, s.f - h * k * 0.77),
                (x - w * 0.02, s.f - h * k * 0.68),
                (x - w * 0.07, s.f - h * k * 0.76),
            ],
            Colour::hex(0xf8fcff),
            6.0,
        );
    }
    for (x, h) in [(70.0, 210.0), (170.0, 160.0), (850.0, 170.0), (945.0, 230.0)] {
        fir(sheet, x, s.f + 10.0, h * k, Colour::hex(0x5f9aa0));
    }
    let ground = sheet.down(s.ground, s.ground_low);
    sheet.path(
        &d!(
            "M0 {}Q260 {} 520 {}T1000 {}V{}H0Z",
            s.f + 4.0,
            s.f - 34.0,
            s.f + 8.0,
            s.f - 6.0,
            s.h + 2.0
        ),
        ground,
    );
    let mut state: u32 = 3;
    for _ in 0..46 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let x = f64::from(state >> 22) / 1.024;
        let y = f64::from((state >> 10) & 1_023) / 1_024.0 * s.h;
        sheet.open_faded(0.8);
        sheet.circle(x, y, 2.5 + f64::from(state & 3), Colour::WHITE);
        sheet.close();
    }
}

fn desert(sheet: &mut Sheet, s: &Stage) {
    let glow = sheet.fade(Colour::hex(0xfff6c4), 0.9);
    sheet.circle(720.0, s.f * 0.42, 300.0, glow);
    sheet.circle(720.0, s.f * 0.42, 92.0, Colour::hex(0xfff3b8));
    let c = s.ground;
    hill(sheet, s, -160.0, 480.0, 150.0, c.dark(0.14));
    hill(sheet, s, 420.0, 1_200.0, 190.0, c.dark(0.1));
    let ground = sheet.down(c.light(0.2), s.ground_low);
    sheet.path(
        &d!(
            "M0 {}Q300 {} 560 {}T1000 {}V{}H0Z",
            s.f - 6.0,
            s.f - 60.0,
            s.f + 14.0,
            s.f - 12.0,
            s.h + 2.0
        ),
        ground,
    );
    sheet.open_faded(0.4);
    for part in [0.3, 0.55, 0.8] {
        let y = s.f + (s.h - s.f) * part;
        sheet.stroke(&d!("M60 {}q150 -26 300 0t300 0t300 0", y), s.ground_low.dark(0.12), 5.0);
    }
    sheet.close();
}

fn hospital(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 720.0;
    sheet.rect(
        0.0,
        s.f * 0.62,
        1_000.0,
        s.f * 0.38,
        0.0,
        s.wall_low.mix(Colour::hex(0x6fb9c0), 0.4),
    );
    sheet.rect(0.0, s.f * 0.62 - 10.0, 1_000.0, 14.0, 0.0, Colour::hex(0xf4fbfb));
    window(sheet, 120.0, 110.0 * k, 220.0, 220.0 * k, Colour::hex(0x8fd0f4), Colour::hex(0xe6f7fb));
    // A chart of teeth of a heartbeat, and the cross that says where we are.
    sheet.slab(700.0, 110.0 * k, 200.0, 200.0 * k, 12.0, 8.0, Colour::hex(0xf7fbfc));
    let red = Colour::hex(0xe2525c);
    sheet.rect(782.0, 145.0 * k, 36.0, 130.0 * k, 6.0, red);
    sheet.rect(735.0, 192.0 * k, 130.0, 36.0 * k, 6.0, red);
    skirting(sheet, s, s.wall_low);
    let shine =
        sheet.stops(0.0, 1.0, &[(0.0, "#ffffff".into(), 0.32), (1.0, "#ffffff".into(), 0.0)]);
    sheet.polygon(&[(110.0, s.f), (360.0, s.f), (520.0, s.h), (60.0, s.h)], shine);
}

fn data_centre(sheet: &mut Sheet, s: &Stage) {
    let tone = Colour::hex(0x263a5e);
    for (index, x) in [10.0, 212.0, 414.0, 616.0, 818.0].into_iter().enumerate() {
        sheet.slab(x, s.f * 0.08, 176.0, s.f * 0.9, 10.0, 8.0, tone.dark(0.1));
        sheet.rect(x + 14.0, s.f * 0.11, 148.0, s.f * 0.83, 6.0, tone.dark(0.42));
        let rows: u8 = 9;
        for row in 0..rows {
            let y = s.f * (0.125 + 0.09 * f64::from(row));
            let fill = sheet.down(tone.light(0.14), tone.dark(0.08));
            sheet.rect(x + 20.0, y, 136.0, s.f * 0.072, 5.0, fill);
            for lamp in 0..3_u8 {
                let pick = (usize::from(row) * 5 + usize::from(lamp) * 3 + index * 7) % 6;
                let c =
                    Colour::hex([0x53e08a, 0x53e08a, 0x4cc3ff, 0x53e08a, 0xffc24c, 0x4cc3ff][pick]);
                sheet.circle(x + 38.0 + f64::from(lamp) * 18.0, y + s.f * 0.036, 5.5, c);
            }
            sheet.stroke(&d!("M{} {}h46", x + 98.0, y + s.f * 0.036), tone.dark(0.3), 6.0);
        }
    }
    let ceiling =
        sheet.stops(0.0, 1.0, &[(0.0, "#8fd0ff".into(), 0.4), (1.0, "#8fd0ff".into(), 0.0)]);
    sheet.rect(0.0, 0.0, 1_000.0, s.f * 0.35, 0.0, ceiling);
    skirting(sheet, s, tone);
    boards(sheet, s, s.ground.light(0.18));
}

fn museum(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 730.0;
    for (index, (x, w)) in [(70.0, 190.0), (740.0, 190.0)].into_iter().enumerate() {
        let glow = sheet.fade(Colour::hex(0xfff3c4), 0.8);
        sheet.ellipse(x + w / 2.0, 220.0 * k, 190.0, 210.0 * k, glow);
        sheet.slab(x, 120.0 * k, w, 230.0 * k, 8.0, 9.0, Colour::hex(0xd9a94a));
        let (a, b) = if index == 0 { (0x7fb8d8, 0xf2d9a0) } else { (0xd98a8a, 0x7a6bb0) };
        let fill = sheet.down(Colour::hex(a), Colour::hex(b));
        sheet.rect(x + 20.0, 140.0 * k, w - 40.0, 190.0 * k, 3.0, fill);
        sheet.circle(x + w * 0.6, 200.0 * k, 26.0, Colour::hex(0xfdf0c9));
        sheet.path(
            &d!("M{} {}l50 -70 40 46 20 -24 40 48z", x + 20.0, 330.0 * k),
            Colour::hex(b).dark(0.3),
        );
        sheet.rect(x + w / 2.0 - 40.0, 68.0 * k, 80.0, 14.0, 7.0, Colour::hex(0xa58a6a));
    }
    sheet.rect(0.0, 0.0, 1_000.0, 24.0, 0.0, Colour::hex(0xfbf7f1));
    skirting(sheet, s, Colour::hex(0xcdbfae));
    boards(sheet, s, s.ground_low.dark(0.1));
}

fn road(sheet: &mut Sheet, s: &Stage) {
    cloud(sheet, 230.0, s.f * 0.36, 210.0, Colour::WHITE, 0.9);
    cloud(sheet, 790.0, s.f * 0.26, 170.0, Colour::WHITE, 0.8);
    hill(sheet, s, -180.0, 430.0, 110.0, s.ground.mix(s.wall_low, 0.35));
    hill(sheet, s, 520.0, 1_240.0, 140.0, s.ground.mix(s.wall_low, 0.28));
    let ground = sheet.down(s.ground.light(0.12), s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    let tar = sheet.down(Colour::hex(0x7c8292), Colour::hex(0x4d5261));
    sheet.polygon(&[(470.0, s.f), (530.0, s.f), (900.0, s.h + 2.0), (100.0, s.h + 2.0)], tar);
    for (a, b) in [(0.04, 0.1), (0.17, 0.27), (0.38, 0.54), (0.7, 0.95)] {
        let (ya, yb) = (s.f + (s.h - s.f) * a, s.f + (s.h - s.f) * b);
        let (wa, wb) = (2.0 + 14.0 * a, 2.0 + 14.0 * b);
        sheet.polygon(
            &[(500.0 - wa, ya), (500.0 + wa, ya), (500.0 + wb, yb), (500.0 - wb, yb)],
            Colour::hex(0xffe08a),
        );
    }
    for side in [-1.0, 1.0] {
        sheet.polygon(
            &[
                (500.0 + side * 30.0, s.f),
                (500.0 + side * 32.0, s.f),
                (500.0 + side * 412.0, s.h),
                (500.0 + side * 388.0, s.h),
            ],
            Colour::WHITE.dark(0.05),
        );
    }
}

fn living_room(sheet: &mut Sheet, s: &Stage) {
    let k = s.f / 720.0;
    for index in 0..11_u8 {
        if index % 2 == 0 {
            sheet.rect(f64::from(index) * 91.0, 0.0, 91.0, s.f, 0.0, s.wall_low.light(0.16));
        }
    }
    let light = sheet.fade(Colour::hex(0xfff3cc), 0.9);
    sheet.circle(850.0, 250.0 * k, 250.0, light);
    sheet.rect(845.0, 250.0 * k, 12.0, s.f - 250.0 * k, 4.0, Colour::hex(0x8a5a40));
    let shade = sheet.down(Colour::hex(0xffe6a8), Colour::hex(0xf6bf6a));
    sheet.soft_polygon(
        &[(805.0, 170.0 * k), (897.0, 170.0 * k), (940.0, 285.0 * k), (762.0, 285.0 * k)],
        shade,
        6.0,
    );
    sheet.slab(110.0, 110.0 * k, 250.0, 180.0 * k, 8.0, 8.0, Colour::hex(0xc98a58));
    let view = sheet.down(Colour::hex(0x9fd4ea), Colour::hex(0xf8e3b4));
    sheet.rect(130.0, 130.0 * k, 210.0, 140.0 * k, 3.0, view);
    sheet.path(&d!("M130 {}l70 -66 50 40 40 -30 50 56z", 270.0 * k), Colour::hex(0x6fa97c));
    skirting(sheet, s, Colour::hex(0xf3d3b8));
    boards(sheet, s, s.ground_low.dark(0.12));
    let rug = sheet.round(
        0.5,
        0.5,
        &[(0.0, "#f0a48c".into(), 1.0), (0.7, "#dd7f6e".into(), 1.0), (1.0, "#b85c58".into(), 1.0)],
    );
    sheet.ellipse(500.0, s.f + (s.h - s.f) * 0.55, 420.0, (s.h - s.f) * 0.36, rug);
}

fn meadow(sheet: &mut Sheet, s: &Stage) {
    let glow = sheet.fade(Colour::hex(0xfff7c8), 0.9);
    sheet.circle(170.0, s.f * 0.24, 230.0, glow);
    sheet.circle(170.0, s.f * 0.24, 66.0, Colour::hex(0xffe98a));
    cloud(sheet, 460.0, s.f * 0.24, 200.0, Colour::WHITE, 0.92);
    cloud(sheet, 830.0, s.f * 0.36, 230.0, Colour::WHITE, 0.85);
    hill(sheet, s, -220.0, 520.0, 150.0, s.ground.mix(s.wall_low, 0.35));
    hill(sheet, s, 380.0, 1_260.0, 190.0, s.ground.mix(s.wall_low, 0.25));
    let ground = sheet.down(s.ground.light(0.14), s.ground_low);
    sheet.path(
        &d!("M0 {}Q300 {} 560 {}T1000 {}V{}H0Z", s.f, s.f - 40.0, s.f + 6.0, s.f - 6.0, s.h + 2.0),
        ground,
    );
    tufts(sheet, s);
    for (x, part, c) in [
        (180.0, 0.5, 0xffffff),
        (700.0, 0.4, 0xffe27a),
        (930.0, 0.78, 0xffffff),
        (400.0, 0.85, 0xff9ab0),
        (60.0, 0.82, 0xffe27a),
    ] {
        let y = s.f + (s.h - s.f) * part;
        for (dx, dy) in [(-6.0, 0.0), (6.0, 0.0), (0.0, -6.0), (0.0, 6.0)] {
            sheet.circle(x + dx, y + dy, 5.5, Colour::hex(c));
        }
        sheet.circle(x, y, 4.5, Colour::hex(0xf3a53a));
    }
}

fn storm(sheet: &mut Sheet, s: &Stage) {
    for (x, y, w) in [
        (140.0, 0.12, 420.0),
        (480.0, 0.06, 460.0),
        (850.0, 0.12, 440.0),
        (300.0, 0.24, 300.0),
        (720.0, 0.24, 320.0),
    ] {
        cloud(sheet, x, s.f * y, w, s.wall.light(0.12), 0.95);
    }
    let bolt = Colour::hex(0xffe27a);
    for (x, k) in [(240.0, 1.0), (790.0, 0.8)] {
        let y = s.f * 0.3;
        sheet.soft_polygon(
            &[
                (x, y),
                (x + 44.0 * k, y),
                (x + 14.0 * k, y + 90.0 * k),
                (x + 50.0 * k, y + 90.0 * k),
                (x - 30.0 * k, y + 230.0 * k),
                (x - 4.0 * k, y + 120.0 * k),
                (x - 34.0 * k, y + 120.0 * k),
            ],
            bolt,
            4.0,
        );
    }
    sheet.open_faded(0.3);
    for index in 0..26_u8 {
        let x = f64::from(index) * 41.0;
        let y = f64::from(index.wrapping_mul(97)) / 255.0 * s.f * 0.6 + s.f * 0.3;
        sheet.stroke(&d!("M{} {}l-14 52", x, y), "#dfe8ff", 4.0);
    }
    sheet.close();
    hill(sheet, s, -200.0, 560.0, 110.0, s.ground.dark(0.1));
    hill(sheet, s, 420.0, 1_240.0, 140.0, s.ground.dark(0.18));
    let ground = sheet.down(s.ground, s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    tufts(sheet, s);
}

fn lobby(sheet: &mut Sheet, s: &Stage) {
    for index in 0..4_u8 {
        for column in 0..5_u8 {
            let shift = if index % 2 == 0 { 0.0 } else { -110.0 };
            let x = f64::from(column) * 220.0 + shift;
            let y = f64::from(index) * s.f / 4.0;
            sheet.rect(
                x + 2.0,
                y + 2.0,
                216.0,
                s.f / 4.0 - 4.0,
                4.0,
                s.wall.mix(s.wall_low, 0.2 + 0.15 * f64::from((index + column) % 3)),
            );
        }
    }
    let light =
        sheet.stops(0.0, 1.0, &[(0.0, "#fff7e0".into(), 0.7), (1.0, "#fff7e0".into(), 0.0)]);
    sheet.rect(0.0, 0.0, 1_000.0, s.f * 0.5, 0.0, light);
    skirting(sheet, s, Colour::hex(0x8a7763));
    boards(sheet, s, s.ground.light(0.25));
}

fn arena(sheet: &mut Sheet, s: &Stage) {
    for row in 0..4_u8 {
        let y = s.f * (0.42 + 0.13 * f64::from(row));
        sheet.rect(0.0, y, 1_000.0, s.f * 0.14, 0.0, s.wall_low.dark(0.45 - 0.09 * f64::from(row)));
        for seat in 0..21_u8 {
            let c = [0xf08a7a, 0xf2c46a, 0x7ac4e8, 0xa6d88a, 0xd79ae0]
                [usize::from(seat * 3 + row * 2) % 5];
            let x = f64::from(seat) * 50.0 + if row % 2 == 0 { 0.0 } else { 25.0 };
            let tone = Colour::hex(c).mix(s.wall_low, 0.62 - 0.08 * f64::from(row));
            sheet.circle(x, y, 17.0, tone.light(0.12));
            sheet.rect(x - 22.0, y + 14.0, 44.0, 40.0, 16.0, tone);
        }
    }
    for x in [120.0, 380.0, 640.0, 900.0] {
        let glow = sheet.fade(Colour::hex(0xfffbe0), 0.75);
        sheet.circle(x, s.f * 0.1, 110.0, glow);
        sheet.rect(x - 46.0, s.f * 0.1 - 14.0, 92.0, 28.0, 12.0, Colour::WHITE);
    }
    sheet.slab(-10.0, s.f - 56.0, 1_020.0, 52.0, 0.0, 6.0, Colour::hex(0x4a58c8));
    let ground = sheet.down(s.ground, s.ground_low);
    sheet.rect(0.0, s.f, 1_000.0, s.h - s.f + 2.0, 0.0, ground);
    for part in [0.28, 0.66] {
        let y = s.f + (s.h - s.f) * part;
        sheet.rect(0.0, y, 1_000.0, 8.0 + 5.0 * part, 0.0, Colour::hex(0xffe9d6));
    }
}
