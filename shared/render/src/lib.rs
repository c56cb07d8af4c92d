//! Captions drawn onto pictures, and pictures encoded.
//!
//! [`draw_captions`] puts one text into each [`CaptionBox`] of a base [`Picture`]; [`encode`] makes
//! the bytes that a client gets. There is no network, no file and no clock here: the fonts are part
//! of the program, and the same arguments give the same bytes.
//!
//! # What is promised
//!
//! - Text is as large as its box allows, up to [`CaptionBox::max_size`], in lines of about equal
//!   width. What does not fit is made smaller, never cut.
//! - Nothing is drawn outside a box.
//! - No text and no bytes make this crate panic.
//!
//! # What can be written
//!
//! Latin (with Vietnamese) in Anton; Greek and Cyrillic in Sofia Sans; Arabic, Hebrew, Devanagari
//! and Thai in bold faces of their own, shaped and ordered as they should be; emoji as line art in
//! the colours of the caption; Chinese, Japanese and Korean in everyday use (GB 2312 level 1,
//! JIS X 0208 level 1, KS X 1001). Rarer ideographs and other scripts show as an empty frame.
//! `fonts/subset.py` says where each font comes from and makes the files again.
//!
//! # How it is fast
//!
//! A text is shaped once, in units of the font's size, so that trying a size is arithmetic.
//! Outlines and fills are drawn into coverage masks as large as the text, and only there are pixels
//! blended.

mod caption;
mod encode;
mod fonts;
mod layout;
mod paint;
mod picture;
mod shape;

pub use caption::{
    Align, CaptionBox, Case, Fitted, Rect, Style, VAlign, draw_captions, fit_caption,
};
pub use encode::{EncodeError, Format, encode};
pub use picture::{DecodeError, MAX_PIXELS, Picture, PictureError};
