//! Scenes in data turned into pictures.
//!
//! A [`Scene`] says what a picture shows: a set, a cast of figures, props drawn by us, panels.
//! It is read from TOML or made in code, composed into one SVG document, and rasterised:
//!
//! ```
//! use scenes::{Figure, Scene, SetName};
//!
//! let scene = Scene::new(600, 600)
//!     .with_set(SetName::Night)
//!     .with_figure(Figure::new("robot").at(500.0, 820.0).tall(420.0));
//! let picture = scenes::rasterise(&scene, 300)?;
//! assert_eq!((picture.width, picture.height), (300, 300));
//! # Ok::<(), scenes::SceneError>(())
//! ```
//!
//! A panel is always 1,000 units wide, and as many high as its shape gives (a square 1,000, a
//! 4:3 panel 750). How to add a scene is told in this crate's README.
//!
//! The crate is pure: the same scene gives the same bytes, and nothing is read or written.

mod cast;
mod colour;
mod draw;
pub mod figures;
pub mod props;
mod raster;
mod sets;
#[cfg(test)]
mod tests;

use serde::Deserialize;

pub use cast::{Body, Figure, Hand, Legs};
pub use colour::Colour;
use draw::Sheet;
pub use props::Prop;
pub use raster::{Picture, rasterise, rasterise_svg};
pub use sets::{Set, SetName};

/// The longest side of a scene, in pixels.
pub const SIDE_PX_MAX: u32 = 4_096;

/// No scene has more parts than this, all panels together.
const PARTS_MAX: usize = 400;

/// What is wrong with a scene.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The text is not a scene. The message names the field and its line.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// A field has a value that cannot be drawn.
    #[error("{field}: {problem}")]
    Field {
        /// Where: `panels[1].cast[0].figure`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The composed document could not be turned into pixels.
    #[error("the picture could not be drawn: {0}")]
    Raster(String),
}

/// What one panel, or the whole picture, shows.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Panel {
    /// Left, top, width and height in units of the scene. Without it the panel takes the next
    /// cell of the scene's grid.
    pub rect: Option<[f64; 4]>,
    /// Where it happens.
    pub set: Option<Set>,
    /// Who is there.
    pub cast: Vec<Figure>,
    /// What is there.
    pub props: Vec<Prop>,
}

/// How panels without a `rect` share the picture.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Panels beside each other.
    pub columns: u32,
    /// Panels below each other.
    pub rows: u32,
    /// The dark line between and around panels, in units of the scene.
    #[serde(default = "gutter")]
    pub gutter: f64,
}

const fn gutter() -> f64 {
    10.0
}

/// A picture in data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Width and height in pixels.
    #[serde(default = "square")]
    pub size: [u32; 2],
    /// Where it happens.
    #[serde(default)]
    pub set: Option<Set>,
    /// Who is there, drawn over the props unless `z` says otherwise.
    #[serde(default)]
    pub cast: Vec<Figure>,
    /// What is there.
    #[serde(default)]
    pub props: Vec<Prop>,
    /// How panels without a `rect` are laid out.
    #[serde(default)]
    pub grid: Option<Grid>,
    /// Pictures in the picture. With panels, `cast` and `props` of the scene lie over them.
    #[serde(default)]
    pub panels: Vec<Panel>,
}

const fn square() -> [u32; 2] {
    [1_200, 1_200]
}

/// The dark between panels.
const GUTTER: Colour = Colour::hex(0x17_1521);

impl Scene {
    /// An empty scene of `width` by `height` pixels.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self {
            size: [width, height],
            set: None,
            cast: Vec::new(),
            props: Vec::new(),
            grid: None,
            panels: Vec::new(),
        }
    }

    /// Reads a scene and checks it.
    ///
    /// # Errors
    ///
    /// [`SceneError::Parse`] and [`SceneError::Field`] name the field that is wrong.
    pub fn parse(toml: &str) -> Result<Self, SceneError> {
        let scene: Self = toml::from_str(toml)?;
        scene.check()?;
        Ok(scene)
    }

    /// The scene on `set`.
    #[must_use]
    pub fn with_set(mut self, set: impl Into<Set>) -> Self {
        self.set = Some(set.into());
        self
    }

    /// The scene with one more figure.
    #[must_use]
    pub fn with_figure(mut self, figure: Figure) -> Self {
        self.cast.push(figure);
        self
    }

    /// The scene with one more prop.
    #[must_use]
    pub fn with_prop(mut self, prop: Prop) -> Self {
        self.props.push(prop);
        self
    }

    /// The scene with one more panel.
    #[must_use]
    pub fn with_panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// The height of the scene in units, of which its width has 1,000.
    #[must_use]
    pub fn height(&self) -> f64 {
        1_000.0 * f64::from(self.size[1]) / f64::from(self.size[0].max(1))
    }

    /// Checks what types cannot: names of figures, sizes, places.
    ///
    /// # Errors
    ///
    /// [`SceneError::Field`], with the path of the first field that is wrong.
    pub fn check(&self) -> Result<(), SceneError> {
        let [w, h] = self.size;
        if !(16..=SIDE_PX_MAX).contains(&w) || !(16..=SIDE_PX_MAX).contains(&h) {
            return Err(field("size", format!("must be 16 to {SIDE_PX_MAX} pixels a side")));
        }
        let parts = self.cast.len()
            + self.props.len()
            + self.panels.iter().map(|p| p.cast.len() + p.props.len() + 1).sum::<usize>();
        if parts > PARTS_MAX {
            return Err(field("panels", format!("the scene has {parts} parts, over {PARTS_MAX}")));
        }
        if let Some(grid) = self.grid
            && !((1..=8).contains(&grid.columns)
                && (1..=8).contains(&grid.rows)
                && (0.0..=100.0).contains(&grid.gutter))
        {
            return Err(field("grid", "must have 1 to 8 columns and rows, gutter 0 to 100"));
        }
        check_parts("", &self.cast, &self.props)?;
        for (index, panel) in self.panels.iter().enumerate() {
            let place = format!("panels[{index}].");
            let [x, y, w, h] = self.panel_rect(index).ok_or_else(|| {
                field(format!("{place}rect"), "is missing, and the grid has no cell for it")
            })?;
            let inside = x >= -0.5
                && y >= -0.5
                && w >= 10.0
                && h >= 10.0
                && x + w <= 1_000.5
                && y + h <= self.height() + 0.5;
            if !inside {
                return Err(field(format!("{place}rect"), "must lie inside the scene"));
            }
            check_parts(&place, &panel.cast, &panel.props)?;
        }
        Ok(())
    }

    /// Where a panel lies, in units of the scene: left, top, width, height.
    #[must_use]
    pub fn panel_rect(&self, index: usize) -> Option<[f64; 4]> {
        if let Some(rect) = self.panels.get(index)?.rect {
            return Some(rect);
        }
        let Grid { columns, rows, gutter } = self.grid?;
        let before = self.panels[..index].iter().filter(|panel| panel.rect.is_none()).count();
        let cell = u32::try_from(before).ok()?;
        if cell >= columns * rows {
            return None;
        }
        let share = |whole: f64, count: u32, at: u32| {
            let size = (whole - gutter * f64::from(count + 1)) / f64::from(count);
            (gutter + (size + gutter) * f64::from(at), size)
        };
        let (x, w) = share(1_000.0, columns, cell % columns);
        let (y, h) = share(self.height(), rows, cell / columns);
        Some([x, y, w, h])
    }

    /// The scene as one SVG document.
    ///
    /// # Errors
    ///
    /// What [`Scene::check`] finds.
    pub fn to_svg(&self) -> Result<String, SceneError> {
        self.check()?;
        let mut sheet = Sheet::default();
        let height = self.height();
        if self.panels.is_empty() {
            self.set.unwrap_or_default().draw(&mut sheet, height);
        } else {
            sheet.rect(0.0, 0.0, 1_000.0, height, 0.0, GUTTER);
            for (index, panel) in self.panels.iter().enumerate() {
                // The check has found a place for each panel.
                let Some([x, y, w, h]) = self.panel_rect(index) else { continue };
                let scale = w / 1_000.0;
                sheet.open_clipped(x, y, w, h, 0.0);
                sheet.open(&format!(
                    "translate({} {})scale({scale:.5})",
                    draw::num(x),
                    draw::num(y)
                ));
                let set = panel.set.or(self.set).unwrap_or_default();
                set.draw(&mut sheet, h / scale);
                draw_parts(&mut sheet, &panel.cast, &panel.props);
                sheet.close();
                sheet.close();
            }
        }
        draw_parts(&mut sheet, &self.cast, &self.props);
        Ok(sheet.document(self.size[0], self.size[1], 1_000.0))
    }
}

pub(crate) fn field(field: impl Into<String>, problem: impl Into<String>) -> SceneError {
    SceneError::Field { field: field.into(), problem: problem.into() }
}

fn check_parts(place: &str, cast: &[Figure], props: &[Prop]) -> Result<(), SceneError> {
    for (index, figure) in cast.iter().enumerate() {
        figure
            .check()
            .map_err(|(name, problem)| field(format!("{place}cast[{index}].{name}"), problem))?;
    }
    for (index, prop) in props.iter().enumerate() {
        prop.check()
            .map_err(|(name, problem)| field(format!("{place}props[{index}].{name}"), problem))?;
    }
    Ok(())
}

/// Draws what is farthest back first; equal things in the order in which they are written.
fn draw_parts(sheet: &mut Sheet, cast: &[Figure], props: &[Prop]) {
    let mut layers: Vec<i32> = cast.iter().map(|f| f.z).chain(props.iter().map(Prop::z)).collect();
    layers.sort_unstable();
    layers.dedup();
    for layer in layers {
        for prop in props.iter().filter(|prop| prop.z() == layer) {
            prop.place(sheet);
        }
        for figure in cast.iter().filter(|figure| figure.z == layer) {
            figure.draw(sheet);
        }
    }
}
