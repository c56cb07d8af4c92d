//! What it costs to check: `cargo run -p moderation --release --features picture --example
//! filter_cost -- target/weights/opennsfw.onnx`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement, printed")]

use std::path::Path;
use std::time::{Duration, Instant};

use moderation::picture::PictureFilter;
use moderation::text::{Role, check};
use render::Picture;

const TIMES: u32 = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weights = std::env::args().nth(1).ok_or("name the file of the weights")?;
    let started = Instant::now();
    let filter = PictureFilter::load(Path::new(&weights))?;
    println!("load {:?}", started.elapsed());
    let pixels =
        (0..1024 * 1024_u32).flat_map(|at| [at as u8, (at >> 10) as u8, 90, 255]).collect();
    let picture = Picture::from_rgba(1024, 1024, pixels)?;
    print("picture of 1024 x 1024", || {
        let _ = filter.score(&picture);
    });
    let sentence = "a cat that reads the logs of the server at night ";
    for (what, text) in [
        ("prompt of 50 bytes", sentence.to_owned()),
        ("prompt of 1 KB", sentence.repeat(20)),
        ("text of 100 KB", sentence.repeat(2_000)),
        ("100 KB of brackets", "(".repeat(100_000)),
        ("100 KB of two brackets in turn", "()".repeat(50_000)),
    ] {
        print(what, || {
            let _ = check(Role::Prompt, &text);
        });
    }
    Ok(())
}

fn print(what: &str, mut act: impl FnMut()) {
    act();
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            act();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what:<32} least {:?}, median {:?}", times[0], times[times.len() / 2]);
}
