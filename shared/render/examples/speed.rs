//! Prints what a picture costs, in milliseconds on one core:
//! `cargo run --release -p render --example speed`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures, and prints")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use render::{CaptionBox, Format, Picture, draw_captions, encode};

const ROUNDS: u32 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let base = scene(1200)?;
    let boxes = [CaptionBox::top(), CaptionBox::bottom()];
    let lines = ["prod is down", "this is within the service level agreement"];
    let drawn = draw_captions(&base, &boxes, &lines);
    report("copy of the base", || {
        black_box(base.rgba().to_vec());
    });
    report("two captions", || {
        black_box(draw_captions(&base, &boxes, &lines));
    });
    let long = ["and so it goes on and on ".repeat(8), "тест пройден 🔥 ".repeat(12)];
    report("two captions of 200 characters", || {
        black_box(draw_captions(&base, &boxes, &long));
    });
    for format in Format::ALL {
        report(&format!("{format:?} of 1200 x 1200"), || {
            black_box(encode(&drawn, format, 85).map_or(0, |bytes| bytes.len()));
        });
        let bytes = encode(&drawn, format, 85)?;
        println!("{:>32}  {} bytes", "", bytes.len());
    }
    for format in [Format::Jpeg, Format::Webp] {
        report(&format!("captions and {format:?}, together"), || {
            let drawn = draw_captions(&base, &boxes, &lines);
            black_box(encode(&drawn, format, 85).map_or(0, |bytes| bytes.len()));
        });
    }
    let png = encode(&base, Format::Png, 85)?;
    report("decoding the base, PNG", || {
        black_box(Picture::decode(&png).is_ok());
    });
    let jpeg = encode(&base, Format::Jpeg, 85)?;
    report("decoding the base, JPEG", || {
        black_box(Picture::decode(&jpeg).is_ok());
    });
    report("resizing to 600 x 600", || {
        black_box(base.resize(600, 600).is_ok());
    });
    Ok(())
}

/// Prints the median and the least of `ROUNDS` times.
fn report(what: &str, mut work: impl FnMut()) {
    work();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!("{what:>32}  {:6.2} ms (least {:.2})", ms(times[times.len() / 2]), ms(times[0]));
}

/// Smooth colours with edges in them, as scenes are.
fn scene(side: u32) -> Result<Picture, Box<dyn Error>> {
    let at = |x: u32, y: u32| -> [u8; 4] {
        let (u, v) = (x as f32 / side as f32, y as f32 / side as f32);
        let round = (u - 0.5).hypot(v - 0.55);
        let [r, g, b] = if round < 0.25 {
            [250.0 - 200.0 * round, 205.0 - 300.0 * round, 60.0]
        } else if v > 0.72 {
            [120.0 - 30.0 * v, 60.0, 30.0 + 20.0 * u]
        } else {
            [255.0, 180.0 - 90.0 * v, 70.0 + 20.0 * (u * 40.0).sin()]
        };
        [r as u8, g as u8, b as u8, 255]
    };
    let pixels = (0..side).flat_map(|y| (0..side).flat_map(move |x| at(x, y))).collect();
    Ok(Picture::from_rgba(side, side, pixels)?)
}
