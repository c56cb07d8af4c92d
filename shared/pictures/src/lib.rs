//! The templates' base pictures, embedded, and how captions are drawn onto them.
//!
//! `scenes/<template>.toml` says what a picture shows; `art render` makes `base/<template>.jpg` of
//! it, and `art check` says where the two no longer agree. This crate carries the files of `base/`
//! only: whoever serves pictures needs no scenes.

use render::{CaptionBox, Picture, Rect, draw_captions};

// Pairs of a template's id and the bytes of its picture, sorted by id.
include!(concat!(env!("OUT_DIR"), "/bases.rs"));

/// A template's picture without captions: a file in JPEG.
#[must_use]
pub fn get(template_id: &str) -> Option<&'static [u8]> {
    let index = BASES.binary_search_by_key(&template_id, |(id, _)| id).ok()?;
    Some(BASES[index].1)
}

/// The ids of the templates that have a picture, sorted.
pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
    BASES.iter().map(|(id, _)| *id)
}

/// `base` with a caption in each box of `template`. Boxes without a caption stay empty.
#[must_use]
pub fn draw(
    template: &catalogue::Template,
    base: &Picture,
    captions: &[impl AsRef<str>],
) -> Picture {
    let boxes: Vec<CaptionBox> = template.boxes.iter().map(place).collect();
    draw_captions(base, &boxes, captions)
}

/// A caption's place, as the renderer takes it.
fn place(it: &catalogue::CaptionBox) -> CaptionBox {
    let [x, y, w, h] = it.rect;
    CaptionBox {
        rotate_deg: it.rotate,
        style: match it.style {
            catalogue::BoxStyle::Outline => render::Style::Outline,
            catalogue::BoxStyle::Ink => render::Style::Ink,
        },
        align: match it.align {
            catalogue::Align::Left => render::Align::Left,
            catalogue::Align::Center => render::Align::Center,
            catalogue::Align::Right => render::Align::Right,
        },
        valign: match it.valign {
            catalogue::Valign::Top => render::VAlign::Top,
            catalogue::Valign::Middle => render::VAlign::Middle,
            catalogue::Valign::Bottom => render::VAlign::Bottom,
        },
        case: match it.case {
            catalogue::Case::Upper => render::Case::Upper,
            catalogue::Case::AsIs => render::Case::AsIs,
        },
        ..CaptionBox::new(Rect { x, y, w, h })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_is_found_by_its_id_and_can_be_decoded() {
        for id in names() {
            let bytes = get(id).expect(id);
            assert!(Picture::decode(bytes).is_ok(), "{id}");
        }
        assert!(names().is_sorted());
        assert_eq!(get("no-such-template"), None);
    }
}
