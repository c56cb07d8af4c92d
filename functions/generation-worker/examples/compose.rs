//! Shows what the composer makes of prompts:
//! `cargo run -p generation-worker --example compose -- OUT_DIR "a cat reads logs" "friday deploy"`.
//!
//! Writes a picture with its captions for each prompt, and all of them on one sheet if there are
//! several. Options, before the prompts: `--seeds N` makes N pictures of each prompt, `--size
//! 1024x768` and `--topic cats` are those of a request.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use generation_worker::{Composer, Generator as _, Order, Painting};
use generations::Size;
use render::{CaptionBox, Format, Picture, draw_captions, encode};

/// The longer side of a picture on the sheet, in pixels.
const THUMB_PX: u32 = 400;

/// Pictures in a row of the sheet.
const COLUMNS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("where should the pictures be written?")?);
    std::fs::create_dir_all(&folder)?;
    let (mut prompts, mut seeds, mut size, mut topic) = (Vec::new(), 1, Size::default(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seeds" => seeds = value()?.parse()?,
            "--size" => size = value()?.parse()?,
            "--topic" => topic = Some(value()?),
            _ => prompts.push(argument),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let composer = Composer::new();
    let mut out = std::io::stdout().lock();
    let mut drawn = Vec::new();
    for prompt in &prompts {
        for seed in 0..seeds {
            let order = Order {
                prompt: prompt.clone(),
                topic: topic.clone(),
                captions: Vec::new(),
                size,
                seed,
            };
            let Painting { picture, captions, seen, topic } =
                runtime.block_on(composer.generate(order))?;
            let number = drawn.len() + 1;
            writeln!(out, "{number:>3} {prompt:?} [{topic}] {seen}")?;
            writeln!(out, "      {}", captions.join(" / "))?;
            let boxes = [CaptionBox::top(), CaptionBox::bottom()];
            let picture = draw_captions(&picture, &boxes[..captions.len().min(2)], &captions);
            std::fs::write(
                folder.join(format!("{number:03}.jpg")),
                encode(&picture, Format::Jpeg, 88)?,
            )?;
            drawn.push(picture.shrink_to(THUMB_PX, THUMB_PX)?);
        }
    }
    if drawn.len() > 1 {
        std::fs::write(folder.join("sheet.png"), encode(&sheet(&drawn)?, Format::Png, 0)?)?;
    }
    Ok(())
}

/// All pictures side by side.
fn sheet(pictures: &[Picture]) -> Result<Picture, Box<dyn Error>> {
    let columns = COLUMNS.min(pictures.len());
    let side = usize::try_from(THUMB_PX)?;
    let (width, height) = (columns * side, pictures.len().div_ceil(columns) * side);
    let mut pixels = vec![0x20; width * height * 4];
    for (index, picture) in pictures.iter().enumerate() {
        let (left, top) = (index % columns * side, index / columns * side);
        let row = usize::try_from(picture.width())? * 4;
        for (y, line) in picture.rgba().chunks_exact(row).enumerate() {
            let at = ((top + y) * width + left) * 4;
            pixels[at..at + row].copy_from_slice(line);
        }
    }
    Ok(Picture::from_rgba(u32::try_from(width)?, u32::try_from(height)?, pixels)?)
}
