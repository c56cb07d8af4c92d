//! Props: things that we draw ourselves, with parameters.
//!
//! In data a prop is a kind, a place and what the kind lets one choose:
//!
//! ```toml
//! [[props]]
//! prop = "button"
//! x = 300
//! y = 640
//! width = 220
//! colour = "#d7263d"
//! turn = -4
//! pressed = true
//! ```
//!
//! In code it is made from the structure of its kind:
//!
//! ```
//! use scenes::props::{Button, Prop};
//!
//! let button = Prop::new(Button { pressed: true }).at(300.0, 640.0).wide(220.0).turned(-4.0);
//! ```
//!
//! Every kind has a width, a height and a colour of its own. Who gives only one side gets the
//! other in proportion. The documentation of each kind begins with these, and says whether it
//! *stands* (x and y are the middle of its foot) or *hangs* (x and y are its middle). A prop turns
//! about that point.

mod balloons;
mod buildings;
mod devices;
mod effects;
mod furniture;
mod kitchen;
mod machines;
mod marks;
mod part;
mod paths;
mod shapes;
mod signs;
mod street;
mod things;
mod weather;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::cast::{Fault, check_number};
use crate::colour::Colour;
use crate::draw::{Sheet, num};
use part::{Frame, Part};

// The one list of all kinds; each is declared and painted in the module of its family.
macro_rules! kinds {
    ($($module:ident: $($name:ident)+;)+) => {
        $(pub use $module::{$($name),+};)+

        /// What a prop is, with the parameters of its kind. In data the kind's name is in kebab
        /// case: `RoadSign` is `prop = "road-sign"`.
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "each kind's structure is documented")]
        pub enum Kind {
            $($($name($name),)+)+
        }

        impl Kind {
            /// One of each kind, with its defaults.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$($(Self::$name($name::default()),)+)+]
            }

            fn part(&self) -> &dyn Part {
                match self {
                    $($(Self::$name(part) => part,)+)+
                }
            }
        }

        $($(impl From<$name> for Kind {
            fn from(part: $name) -> Self {
                Self::$name(part)
            }
        })+)+
    };
}

kinds! {
    signs: LabelCard StickSign Placard Billboard PriceTag PriceBoard Banner ExamPaper Poster
        Newspaper PictureFrame;
    balloons: SpeechBalloon ThoughtBalloon;
    furniture: Table Desk Counter Podium Lectern JudgesBench Chair Bench Sofa Bed Shelf Plinth
        TrophyStand;
    devices: Monitor Laptop Terminal Phone SlideScreen Whiteboard Blackboard Chart WeatherMap;
    machines: Button Console Dial Lever Pipe Tank Scale;
    buildings: Door Elevator Window RocketPad Ladder Fence;
    street: RoadSign TrafficLight LampPost Barrier;
    paths: ForkInRoad Rails Trolley Planet Iceberg;
    kitchen: CookingPot Cloche Oven Cauldron;
    things: Tower Chessboard Boulder Tombstone Rope Campfire;
    effects: Flame Smoke Spotlight Rays Glow Sparkles ShadowBlob Vignette Dust;
    weather: Rain Snow Confetti Cloud;
    marks: MotionLines SweatDrops AngerMarks Question Exclamation Zzz Badge CrossOut Arrow;
    shapes: Divider Strip Panel Ellipse Polygon;
}

pub use balloons::Tail;
pub use devices::{Screen, Trend};
pub use signs::{Paper, Picture};
pub use street::{Lamp, Way};
pub use things::Block;

/// A thing in a picture: its kind, and where and how it is placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prop {
    /// What it is.
    pub kind: Kind,
    /// Its foot or its middle, from the left.
    pub x: f64,
    /// Its foot or its middle, from the top.
    pub y: f64,
    /// In units; otherwise in proportion to the height, or the kind's own.
    pub width: Option<f64>,
    /// In units; otherwise in proportion to the width, or the kind's own.
    pub height: Option<f64>,
    /// Of its main part, if not the kind's own.
    pub colour: Option<Colour>,
    /// Degrees, clockwise, about (x, y).
    pub turn: f64,
    /// Mirrored.
    pub flip: bool,
    /// Whether what stands throws a shadow on the ground, and what hangs on the wall.
    pub shadow: bool,
    /// From 0 to 1.
    pub opacity: f64,
    /// What is drawn later lies in front. The cast is at 10.
    pub z: i32,
}

/// What all kinds have in common, as it is written in data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placement {
    x: f64,
    y: f64,
    width: Option<f64>,
    height: Option<f64>,
    colour: Option<Colour>,
    #[serde(default)]
    turn: f64,
    #[serde(default)]
    flip: bool,
    #[serde(default = "yes")]
    shadow: bool,
    #[serde(default = "one")]
    opacity: f64,
    #[serde(default)]
    z: i32,
}

const fn yes() -> bool {
    true
}

const fn one() -> f64 {
    1.0
}

/// The fields of [`Placement`]; every other field is the kind's.
const PLACEMENT: [&str; 10] =
    ["x", "y", "width", "height", "colour", "turn", "flip", "shadow", "opacity", "z"];

impl<'de> Deserialize<'de> for Prop {
    // By hand, because flattened fields would let unknown ones pass.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let (mut placement, mut own) = (toml::Table::new(), toml::Table::new());
        for (key, value) in table {
            let part = if PLACEMENT.contains(&key.as_str()) { &mut placement } else { &mut own };
            part.insert(key, value);
        }
        let name = match own.remove("prop") {
            Some(toml::Value::String(name)) => name,
            Some(other) => {
                return Err(D::Error::custom(format!(
                    "`prop` is the name of a kind, not a {}",
                    other.type_str()
                )));
            }
            None => return Err(D::Error::missing_field("prop")),
        };
        let within = |error: toml::de::Error| {
            D::Error::custom(format!(
                "prop `{name}`: {}",
                error.to_string().trim().replace('\n', ", ")
            ))
        };
        let tagged = toml::Table::from_iter([(name.clone(), toml::Value::Table(own))]);
        let kind = Kind::deserialize(tagged).map_err(within)?;
        let Placement { x, y, width, height, colour, turn, flip, shadow, opacity, z } =
            Placement::deserialize(placement).map_err(within)?;
        Ok(Self { kind, x, y, width, height, colour, turn, flip, shadow, opacity, z })
    }
}

impl Prop {
    /// A prop of this kind in the middle of a square scene, as large as its kind usually is.
    #[must_use]
    pub fn new(kind: impl Into<Kind>) -> Self {
        Self {
            kind: kind.into(),
            x: 500.0,
            y: 500.0,
            width: None,
            height: None,
            colour: None,
            turn: 0.0,
            flip: false,
            shadow: true,
            opacity: 1.0,
            z: 0,
        }
    }

    /// The prop with its foot, or its middle, at (x, y).
    #[must_use]
    pub const fn at(mut self, x: f64, y: f64) -> Self {
        self.x = x;
        self.y = y;
        self
    }

    /// The prop `width` units wide.
    #[must_use]
    pub const fn wide(mut self, width: f64) -> Self {
        self.width = Some(width);
        self
    }

    /// The prop `height` units tall.
    #[must_use]
    pub const fn tall(mut self, height: f64) -> Self {
        self.height = Some(height);
        self
    }

    /// The prop in another colour.
    #[must_use]
    pub const fn coloured(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }

    /// The prop turned by `degrees`, clockwise.
    #[must_use]
    pub const fn turned(mut self, degrees: f64) -> Self {
        self.turn = degrees;
        self
    }

    /// The prop mirrored.
    #[must_use]
    pub const fn flipped(mut self) -> Self {
        self.flip = !self.flip;
        self
    }

    /// The prop without its shadow.
    #[must_use]
    pub const fn unshadowed(mut self) -> Self {
        self.shadow = false;
        self
    }

    /// The prop seen through, from 0 (not at all) to 1.
    #[must_use]
    pub const fn faded(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }

    /// The prop before or behind others: what has more lies in front, and the cast is at 10.
    #[must_use]
    pub const fn layer(mut self, z: i32) -> Self {
        self.z = z;
        self
    }

    /// Its width and height in units.
    #[must_use]
    pub fn size(&self) -> (f64, f64) {
        let (w, h) = self.kind.part().traits().size;
        match (self.width, self.height) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, width * h / w),
            (None, Some(height)) => (height * w / h, height),
            (None, None) => (w, h),
        }
    }

    /// Whether (x, y) is the middle of its foot, and not its middle.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.kind.part().traits().stands
    }

    pub(crate) const fn z(&self) -> i32 {
        self.z
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        check_number("x", self.x, -1_000.0, 2_000.0)?;
        check_number("y", self.y, -1_000.0, 4_000.0)?;
        let (w, h) = self.size();
        check_number("width", w, 2.0, 4_000.0)?;
        check_number("height", h, 2.0, 6_000.0)?;
        check_number("turn", self.turn, -360.0, 360.0)?;
        check_number("opacity", self.opacity, 0.0, 1.0)?;
        self.kind.part().check()
    }

    pub(crate) fn place(&self, sheet: &mut Sheet) {
        let part = self.kind.part();
        let traits = part.traits();
        let (w, h) = self.size();
        let frame =
            |w, h| Frame { w, h, c: self.colour.unwrap_or(traits.colour), shadow: self.shadow };
        let mirror = if self.flip { -1.0 } else { 1.0 };
        let up = if traits.stands { h } else { h / 2.0 };
        if self.opacity < 1.0 {
            sheet.open_faded(self.opacity);
        }
        if self.shadow && traits.pool > 0.0 {
            sheet.shadow(self.x, self.y - h * 0.006, w * traits.pool, 0.9);
        }
        let mut transform = format!("translate({} {})", num(self.x), num(self.y));
        if self.turn != 0.0 {
            transform.push_str(&format!("rotate({})", num(self.turn)));
        }
        transform.push_str(&format!("translate(0 {})", num(-up)));
        if traits.scaled {
            let (dw, dh) = traits.size;
            transform.push_str(&format!("scale({:.5} {:.5})", mirror * w / dw, h / dh));
            sheet.open(&transform);
            part.paint(sheet, &frame(dw, dh));
        } else {
            transform.push_str(&format!("scale({mirror} 1)"));
            sheet.open(&transform);
            part.paint(sheet, &frame(w, h));
        }
        sheet.close();
        if self.opacity < 1.0 {
            sheet.close();
        }
    }
}
