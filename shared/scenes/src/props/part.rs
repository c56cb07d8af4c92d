//! What a kind of prop is made of, and the sub-parts that many share.

use crate::cast::{Fault, check_number};
use crate::colour::Colour;
use crate::draw::{Sheet, d};

/// No list in a prop is longer.
const LIST_MAX: usize = 64;

/// What is drawn in: x from `-w / 2` to `w / 2`, y from 0 at the top to `h`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) w: f64,
    pub(super) h: f64,
    pub(super) c: Colour,
    pub(super) shadow: bool,
}

impl Frame {
    /// The left edge.
    pub(super) fn l(&self) -> f64 {
        -self.w / 2.0
    }

    /// The shorter side.
    pub(super) fn short(&self) -> f64 {
        self.w.min(self.h)
    }
}

/// What all props of a kind have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) size: (f64, f64),
    pub(super) stands: bool,
    /// The width of the shadow on the ground, as a share of the prop's width.
    pub(super) pool: f64,
    /// Painted at its own size and then scaled, so that its numbers are constants.
    pub(super) scaled: bool,
    pub(super) colour: Colour,
}

pub(super) trait Part {
    fn traits(&self) -> Traits;
    fn check(&self) -> Result<(), Fault>;
    fn paint(&self, sheet: &mut Sheet, frame: &Frame);
}

/// A parameter that has bounds.
pub(super) trait Bounded {
    fn check(&self, name: &str, low: f64, high: f64) -> Result<(), Fault>;
}

impl Bounded for f64 {
    fn check(&self, name: &str, low: f64, high: f64) -> Result<(), Fault> {
        check_number(name, *self, low, high)
    }
}

impl Bounded for u8 {
    fn check(&self, name: &str, low: f64, high: f64) -> Result<(), Fault> {
        check_number(name, f64::from(*self), low, high)
    }
}

impl<const N: usize> Bounded for [f64; N] {
    fn check(&self, name: &str, low: f64, high: f64) -> Result<(), Fault> {
        self.iter().try_for_each(|value| value.check(name, low, high))
    }
}

impl<T: Bounded> Bounded for Vec<T> {
    fn check(&self, name: &str, low: f64, high: f64) -> Result<(), Fault> {
        if self.len() > LIST_MAX {
            return Err((name.to_owned(), format!("has {} entries, over {LIST_MAX}", self.len())));
        }
        self.iter()
            .enumerate()
            .try_for_each(|(index, value)| value.check(&format!("{name}[{index}]"), low, high))
    }
}

/// Declares kinds: name, size, how it stands or hangs, colour, parameters, painter.
///
/// `stands 1.1` throws a pool of shadow 1.1 times as wide as the prop; `scaled` paints at the
/// declared size. A parameter with bounds is `name: f64 = default => low, high`.
macro_rules! props {
    ($(
        $(#[$doc:meta])*
        $name:ident $w:literal x $h:literal $stance:ident $pool:literal $mode:ident $colour:literal
        { $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr $(=> $low:expr, $high:expr)?;)* }
        $paint:path;
    )+) => {$(
        $(#[$doc])*
        #[doc = concat!("\n\nUsually ", $w, " by ", $h, " units; it ", stringify!($stance), ".")]
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::props::part::Part for $name {
            fn traits(&self) -> $crate::props::part::Traits {
                $crate::props::part::Traits {
                    size: ($w, $h),
                    stands: stringify!($stance) == "stands",
                    pool: $pool,
                    scaled: stringify!($mode) == "scaled",
                    colour: $crate::colour::Colour::hex($colour),
                }
            }

            fn check(&self) -> Result<(), $crate::cast::Fault> {
                $($($crate::props::part::Bounded::check(&self.$field, stringify!($field), $low, $high)?;)?)*
                Ok(())
            }

            fn paint(
                &self,
                sheet: &mut $crate::draw::Sheet,
                frame: &$crate::props::part::Frame,
            ) {
                $paint(self, sheet, frame);
            }
        }
    )+};
}
pub(super) use props;

/// Light from the upper left over a flat thing, in three tones.
pub(super) fn lit(sheet: &mut Sheet, c: Colour) -> String {
    sheet.stops(
        0.8,
        1.0,
        &[
            (0.0, c.light(0.3).to_string(), 1.0),
            (0.45, c.to_string(), 1.0),
            (1.0, c.dark(0.22).to_string(), 1.0),
        ],
    )
}

/// The same over a ball.
pub(super) fn ball(sheet: &mut Sheet, c: Colour) -> String {
    sheet.round(
        0.34,
        0.26,
        &[
            (0.0, c.light(0.5).to_string(), 1.0),
            (0.3, c.light(0.14).to_string(), 1.0),
            (0.65, c.to_string(), 1.0),
            (1.0, c.dark(0.36).to_string(), 1.0),
        ],
    )
}

/// The same over an upright tube.
pub(super) fn tube(sheet: &mut Sheet, c: Colour) -> String {
    sheet.stops(1.0, 0.0, &tube_stops(c))
}

/// The same over a tube that lies.
pub(super) fn lying_tube(sheet: &mut Sheet, c: Colour) -> String {
    sheet.stops(0.0, 1.0, &tube_stops(c))
}

fn tube_stops(c: Colour) -> [(f64, String, f64); 4] {
    [
        (0.0, c.dark(0.1).to_string(), 1.0),
        (0.26, c.light(0.38).to_string(), 1.0),
        (0.56, c.to_string(), 1.0),
        (1.0, c.dark(0.38).to_string(), 1.0),
    ]
}

/// A colour that fades out downwards.
pub(super) fn veil(sheet: &mut Sheet, c: Colour, from: f64, to: f64) -> String {
    sheet.stops(0.0, 1.0, &[(0.0, c.to_string(), from), (1.0, c.to_string(), to)])
}

/// What a flat thing throws on the wall behind it: soft, to the lower right.
pub(super) fn drop_shadow(sheet: &mut Sheet, f: &Frame, x: f64, y: f64, w: f64, h: f64, r: f64) {
    if !f.shadow {
        return;
    }
    let far = (w.min(h) * 0.05).clamp(3.0, 14.0);
    sheet.open_faded(0.1);
    for grow in [0.0, 0.5, 1.0] {
        let g = far * grow * 0.6;
        sheet.rect(x + far * 0.4 - g, y + far - g, w + g * 2.0, h + g * 2.0, r + g, Colour::INK);
    }
    sheet.close();
}

/// A rounded block seen from the front: three tones, a lit upper rim, a dark lower one.
pub(super) fn block(sheet: &mut Sheet, x: f64, y: f64, w: f64, h: f64, r: f64, c: Colour) {
    let rim = (w.min(h) * 0.06).clamp(1.5, 7.0);
    sheet.rect(x, y, w, h, r, c.dark(0.4));
    let face = lit(sheet, c);
    sheet.rect(x, y, w, h - rim, r, face);
    let shine = veil(sheet, Colour::WHITE, 0.5, 0.0);
    let inset = r.min(w * 0.5) * 0.6 + rim * 0.6;
    if w > inset * 2.0 + 2.0 {
        sheet.rect(x + inset, y + rim * 0.5, w - inset * 2.0, rim * 1.3, rim * 0.65, shine);
    }
}

/// A sheet of paper or card with its shadow: rim, face, light.
pub(super) fn card(
    sheet: &mut Sheet,
    f: &Frame,
    (x, y, w, h): (f64, f64, f64, f64),
    r: f64,
    c: Colour,
) {
    drop_shadow(sheet, f, x, y, w, h, r);
    let edge = (w.min(h) * 0.02).clamp(1.2, 4.0);
    sheet.rect(x, y, w, h, r, c.dark(0.2));
    let face = sheet.stops(
        0.6,
        1.0,
        &[(0.0, c.light(0.6).to_string(), 1.0), (1.0, c.dark(0.035).to_string(), 1.0)],
    );
    sheet.rect(x, y, w, h - edge, r, face);
}

/// An upright post.
pub(super) fn post(sheet: &mut Sheet, x: f64, top: f64, foot: f64, w: f64, c: Colour) {
    let fill = tube(sheet, c);
    sheet.rect(x - w / 2.0, top, w, foot - top, w * 0.32, fill);
}

/// The shade that a thing above throws on what is under it.
pub(super) fn under(sheet: &mut Sheet, x: f64, y: f64, w: f64, h: f64) {
    let fill = veil(sheet, Colour::INK, 0.42, 0.0);
    sheet.rect(x, y, w, h, 0.0, fill);
}

/// A screen in its bezel; what is inside the bezel is returned.
pub(super) fn bezel(
    sheet: &mut Sheet,
    (x, y, w, h): (f64, f64, f64, f64),
    r: f64,
    thick: f64,
    c: Colour,
    glass: Colour,
) -> (f64, f64, f64, f64) {
    block(sheet, x, y, w, h, r, c);
    let inner = (x + thick, y + thick, w - thick * 2.0, h - thick * 2.0);
    let fill = sheet.down(glass.light(0.08), glass.dark(0.12));
    let corner = (r - thick).max(r * 0.35);
    sheet.rect(
        inner.0 - 2.0,
        inner.1 - 2.0,
        inner.2 + 4.0,
        inner.3 + 4.0,
        corner + 2.0,
        c.dark(0.5),
    );
    sheet.rect(inner.0, inner.1, inner.2, inner.3, corner, fill);
    inner
}

/// A slanted reflection over glass.
pub(super) fn glare(sheet: &mut Sheet, (x, y, w, h): (f64, f64, f64, f64)) {
    let fill =
        sheet.stops(0.7, 1.0, &[(0.0, "#ffffff".into(), 0.3), (0.7, "#ffffff".into(), 0.02)]);
    sheet.polygon(&[(x, y), (x + w * 0.46, y), (x + w * 0.2, y + h), (x, y + h)], fill);
}

/// A bright lens of light on something round and shiny.
pub(super) fn spot(sheet: &mut Sheet, x: f64, y: f64, rx: f64, ry: f64, turn: f64) {
    sheet.open(&d!("translate({} {})rotate({})", x, y, turn));
    let fill = veil(sheet, Colour::WHITE, 0.85, 0.1);
    sheet.ellipse(0.0, 0.0, rx, ry, fill);
    sheet.close();
}

/// Places that look strewn and are the same each time, from 0 to 1.
pub(super) fn strewn(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(17);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    }
}

/// The colour of dark things: feet, tyres, iron.
pub(super) const IRON: Colour = Colour::hex(0x4a_4760);
/// The colour of pale metal.
pub(super) const STEEL: Colour = Colour::hex(0xb9_c0d2);
/// The colour of paper.
pub(super) const PAPER: Colour = Colour::hex(0xfd_fbf6);
/// The colour of gold.
pub(super) const GOLD: Colour = Colour::hex(0xf4_b63a);
/// The colour of wood.
pub(super) const WOOD: Colour = Colour::hex(0xb9_7a4a);
