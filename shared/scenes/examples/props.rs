//! Writes a contact sheet of all props: `cargo run -p scenes --example props -- OUT.png`.
//!
//! With numbers after the name only those are drawn, larger: `OUT.png 12 13 14 15`.

use std::error::Error;

use resvg::tiny_skia::{IntSize, Pixmap};
use scenes::props::Kind;
use scenes::{Colour, Panel, Prop, Scene, SetName};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("where should the sheet be written?")?;
    let chosen = arguments.map(|number| number.parse()).collect::<Result<Vec<usize>, _>>()?;
    let kinds: Vec<Kind> = Kind::all()
        .into_iter()
        .enumerate()
        .filter(|(index, _)| chosen.is_empty() || chosen.contains(index))
        .map(|(_, kind)| kind)
        .collect();
    let columns: u32 = if chosen.is_empty() { 10 } else { 4 };
    let rows = u32::try_from(kinds.len())?.div_ceil(columns);
    let cell = 980.0 / f64::from(columns);
    let mut scene = Scene::new(1_000, 100 * rows * 10 / columns);
    let height = scene.height();
    let side = (height / f64::from(rows)).min(1_000.0 / f64::from(columns));
    for (index, kind) in (0_u32..).zip(kinds) {
        let left = f64::from(index % columns) * side;
        let top = f64::from(index / columns) * side;
        let mut panel = Panel {
            rect: Some([left, top, cell.min(side) - 2.0, side - 2.0]),
            set: Some(SetName::Studio.into()),
            ..Panel::default()
        };
        panel.props.push(fitted(kind));
        scene = scene.with_panel(panel);
    }
    let picture = scenes::rasterise(&scene, 2_000)?;
    let size = IntSize::from_wh(picture.width, picture.height).ok_or("the sheet is empty")?;
    let pixels = Pixmap::from_vec(picture.rgba, size).ok_or("the sheet has no pixels")?;
    std::fs::write(path, pixels.encode_png()?)?;
    Ok(())
}

/// The prop as large as a panel of 1,000 units allows, in its place.
fn fitted(kind: Kind) -> Prop {
    let prop = Prop::new(kind);
    let (w, h) = prop.size();
    let scale = (760.0 / w).min(640.0 / h);
    let y = if prop.stands() { 860.0 } else { 480.0 };
    let pale = matches!(prop.kind, Kind::MotionLines(_) | Kind::Rain(_) | Kind::Snow(_));
    let prop = prop.at(500.0, y).wide(w * scale);
    if pale { prop.coloured(Colour::hex(0x3f_5fb0)) } else { prop }
}
