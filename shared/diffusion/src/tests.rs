//! The whole way, from a folder to a picture, with the tiny model.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use render::Picture;
use tempfile::TempDir;

use crate::*;

/// A folder with a model that nobody changes.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(own_folder).path()
}

/// A folder with a model that a test may change.
fn own_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    tiny::write(folder.path()).unwrap();
    folder
}

fn painter() -> &'static Painter {
    static PAINTER: OnceLock<Painter> = OnceLock::new();
    PAINTER.get_or_init(|| Painter::load(folder(), &Options::default()).unwrap())
}

fn order() -> Order {
    Order { prompt: "a cat reads logs".to_owned(), width: 64, height: 48, steps: 3, seed: 7 }
}

fn paint(order: &Order) -> Picture {
    painter().paint(order, |_| ControlFlow::Continue(())).unwrap()
}

fn refusal(folder: &Path) -> LoadError {
    Painter::load(folder, &Options::default()).expect_err("the folder is spoilt")
}

/// Colours of all pixels, without their alphas.
fn colours(picture: &Picture) -> impl Iterator<Item = u8> {
    picture.rgba().chunks_exact(4).flat_map(|pixel| pixel[..3].iter().copied())
}

#[test]
fn a_picture_has_the_ordered_size_and_more_than_one_colour() {
    let picture = paint(&order());
    assert_eq!((picture.width(), picture.height()), (64, 48));
    assert!(picture.is_opaque());
    let mut seen: Vec<u8> = colours(&picture).collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 50, "{} shades", seen.len());
}

#[test]
fn the_same_order_gives_the_same_picture_from_another_load_too() {
    let first = paint(&order());
    assert_eq!(paint(&order()), first);
    let again = Painter::load(own_folder().path(), &Options::default()).unwrap();
    assert_eq!(again.paint(&order(), |_| ControlFlow::Continue(())).unwrap(), first);
}

#[test]
fn seed_prompt_and_steps_all_matter() {
    let first = paint(&order());
    assert_ne!(paint(&Order { seed: 8, ..order() }), first);
    assert_ne!(paint(&Order { prompt: "a dog reads logs".to_owned(), ..order() }), first);
    assert_ne!(paint(&Order { steps: 4, ..order() }), first);
}

#[test]
fn a_size_between_is_the_middle_of_the_next_larger_one() {
    let large = paint(&order());
    let small = paint(&Order { width: 50, height: 33, ..order() });
    assert_eq!(small, large.crop(7, 7, 50, 33).unwrap());
}

#[test]
fn sizes_that_cannot_be_painted_are_refused() {
    for (width, height) in
        [(0, 64), (64, 0), (2_049, 2_048), (64, 1_025), (1_025, 64), (u32::MAX, u32::MAX)]
    {
        let error = painter()
            .paint(&Order { width, height, ..order() }, |_| panic!("nothing is begun"))
            .unwrap_err();
        assert_eq!(error, PaintError::Size { width, height });
    }
    for steps in [0, STEPS_MAX + 1] {
        let order = Order { steps, ..order() };
        let error = painter().paint(&order, |_| panic!("nothing is begun")).unwrap_err();
        assert_eq!(error, PaintError::Steps(steps));
    }
}

#[test]
fn whoever_watches_is_told_of_each_step() {
    let mut told = Vec::new();
    let tell = |progress: Progress| {
        told.push((progress.done, progress.steps));
        ControlFlow::Continue(())
    };
    painter().paint(&order(), tell).unwrap();
    assert_eq!(told, [(0, 3), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn a_picture_can_be_broken_off_at_each_step() {
    for last in 0..=order().steps {
        let mut told = 0;
        let error = painter().paint(&order(), |progress| {
            told += 1;
            if progress.done == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(error.unwrap_err(), PaintError::Cancelled { done: last });
        assert_eq!(told, last + 1);
    }
}

/// Some of the picture's colours as the model's own pipeline makes them of the same weights, prompt
/// and noise (diffusers 0.42.1 with torch 2.15.0, in f32): column, row, channel and value. Of all
/// that are neither black nor white, chance chose these.
const PIPELINE: [(u32, u32, usize, u8); 24] = [
    (43, 1, 1, 148),
    (5, 2, 1, 156),
    (55, 4, 1, 154),
    (39, 7, 1, 59),
    (7, 12, 2, 163),
    (26, 12, 1, 174),
    (11, 13, 2, 234),
    (59, 14, 2, 146),
    (29, 19, 2, 152),
    (2, 20, 1, 178),
    (24, 22, 2, 17),
    (4, 24, 2, 197),
    (27, 25, 1, 123),
    (56, 25, 2, 244),
    (32, 30, 2, 45),
    (42, 35, 2, 194),
    (47, 35, 1, 94),
    (43, 38, 2, 231),
    (59, 38, 2, 232),
    (35, 39, 1, 184),
    (52, 40, 1, 124),
    (55, 40, 1, 136),
    (43, 44, 1, 151),
    (45, 44, 2, 234),
];

#[test]
fn the_colours_are_those_of_the_models_own_pipeline() {
    let picture = paint(&Order { steps: 8, ..order() });
    for (column, row, channel, wanted) in PIPELINE {
        let at = 4 * (row * picture.width() + column) as usize + channel;
        assert_eq!(picture.rgba()[at], wanted, "at {column}, {row}, channel {channel}");
    }
}

#[test]
fn two_bytes_a_number_paint_nearly_the_same() {
    let options = Options { precision: Precision::Bf16, ..Options::default() };
    let short = Painter::load(folder(), &options).unwrap();
    let short = short.paint(&order(), |_| ControlFlow::Continue(())).unwrap();
    let exact = paint(&order());
    let pairs = colours(&short).zip(colours(&exact));
    let apart: u64 = pairs.map(|(one, other)| u64::from(one.abs_diff(other))).sum();
    let apart = apart as f64 / (64.0 * 48.0 * 3.0);
    assert!(apart > 0.0 && apart < 12.0, "{apart} of 255 on average");
}

#[test]
fn a_changed_byte_is_refused() {
    let folder = own_folder();
    for file in [
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "vae/config.json",
        "tokenizer/tokenizer.json",
    ] {
        let path = folder.path().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        if file.ends_with(".json") {
            bad.push(b'\n');
        } else {
            *bad.last_mut().unwrap() ^= 1;
        }
        fs::write(&path, bad).unwrap();
        let error = refusal(folder.path());
        assert!(matches!(&error, LoadError::Checksum { path: named } if *named == path), "{error}");
        fs::write(&path, good).unwrap();
    }
    Painter::load(folder.path(), &Options::default()).unwrap();
}

#[test]
fn a_file_that_is_missing_or_not_listed_is_named() {
    let folder = own_folder();
    let shard = folder.path().join("text_encoder/model-00001-of-00002.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::remove_file(&shard).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(&error, LoadError::Missing { path } if *path == shard), "{error}");

    // Not listed either: then it is the tensors that are missing.
    tiny::write_sums(folder.path()).unwrap();
    let error = refusal(folder.path());
    let LoadError::TensorMissing { part: "text_encoder", tensor } = &error else {
        panic!("{error}")
    };
    assert!(tensor.starts_with("model.layers.0."), "{error}");

    fs::write(&shard, bytes).unwrap();
    fs::remove_file(folder.path().join("vae/config.json")).unwrap();
    tiny::write_sums(folder.path()).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(&error, LoadError::Unlisted { path } if path == "vae/config.json"), "{error}");

    fs::remove_file(folder.path().join("SHA256SUMS")).unwrap();
    let error = refusal(folder.path());
    assert!(
        matches!(&error, LoadError::Missing { path } if path.ends_with("SHA256SUMS")),
        "{error}"
    );
}

#[test]
fn a_part_without_weights_is_named() {
    let folder = own_folder();
    fs::remove_file(folder.path().join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    tiny::write_sums(folder.path()).unwrap();
    let error = refusal(folder.path());
    assert!(
        matches!(&error, LoadError::Unlisted { path } if path == "vae/*.safetensors"),
        "{error}"
    );
}

#[test]
fn weights_cut_short_are_refused_whatever_their_checksum() {
    let folder = own_folder();
    let path = folder.path().join("transformer/diffusion_pytorch_model.safetensors");
    let whole = fs::metadata(&path).unwrap().len();
    for bytes in [whole - 1, 1_000, 9, 3, 0] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
        tiny::write_sums(folder.path()).unwrap();
        match refusal(folder.path()) {
            LoadError::Length { path: named, expected_bytes, found_bytes } => {
                assert_eq!((named, expected_bytes, found_bytes), (path.clone(), whole, whole - 1));
            }
            LoadError::Header { path: named, .. } => {
                assert_eq!(named, path);
                assert!(bytes <= 1_000);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn weights_of_another_shape_are_named() {
    let folder = own_folder();
    let path = folder.path().join("transformer/config.json");
    let config = fs::read_to_string(&path).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["in_channels"] = 8.into();
    fs::write(&path, config.to_string()).unwrap();
    let vae = folder.path().join("vae/config.json");
    let other =
        fs::read_to_string(&vae).unwrap().replace("\"latent_channels\":4", "\"latent_channels\":8");
    fs::write(&vae, other).unwrap();
    tiny::write_sums(folder.path()).unwrap();
    let error = refusal(folder.path());
    let LoadError::TensorShape { part: "transformer", tensor, expected, found } = &error else {
        panic!("{error}")
    };
    assert_eq!(tensor, "all_x_embedder.2-1.weight");
    assert_eq!((expected.as_slice(), found.as_slice()), (&[24, 32][..], &[24, 16][..]));
    assert!(error.to_string().contains("all_x_embedder.2-1.weight"));
}

#[test]
fn a_tensor_in_two_files_is_refused() {
    let folder = own_folder();
    let of = |name: &str| folder.path().join("vae").join(name);
    fs::copy(of("diffusion_pytorch_model.safetensors"), of("more.safetensors")).unwrap();
    tiny::write_sums(folder.path()).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, LoadError::TensorTwice { part: "vae", .. }), "{error}");
}

#[test]
fn weights_that_do_not_fit_into_memory_are_not_loaded() {
    let load = |bytes, precision| {
        let options = Options { memory_bytes_max: Some(bytes), precision, ..Options::default() };
        Painter::load(folder(), &options)
    };
    let Err(LoadError::Memory { needed_bytes, available_bytes: 1_000 }) =
        load(1_000, Precision::F32)
    else {
        panic!("1,000 bytes are enough")
    };
    assert!(load(needed_bytes, Precision::F32).is_ok());
    let just_short = load(needed_bytes - 1, Precision::F32);
    assert!(matches!(just_short, Err(LoadError::Memory { .. })));

    // Two bytes of four are saved of each weight, but for the decoder's.
    let Err(LoadError::Memory { needed_bytes: short_bytes, .. }) = load(0, Precision::Bf16) else {
        panic!("nothing is enough")
    };
    let weights_bytes: u64 = [
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
    ]
    .iter()
    .map(|file| {
        let bytes = fs::read(folder().join(file)).unwrap();
        let header_bytes = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        bytes.len() as u64 - 8 - header_bytes
    })
    .sum();
    assert_eq!(short_bytes, needed_bytes - weights_bytes / 2);
}

#[test]
fn a_picture_of_no_numbers_is_no_picture() {
    let folder = own_folder();
    let path = folder.path().join("vae/config.json");
    let config = fs::read_to_string(&path).unwrap();
    // The latents are divided by it, and run over.
    fs::write(&path, config.replace("\"scaling_factor\":0.4", "\"scaling_factor\":1e-39")).unwrap();
    tiny::write_sums(folder.path()).unwrap();
    let painter = Painter::load(folder.path(), &Options::default()).unwrap();
    let painted = painter.paint(&order(), |_| ControlFlow::Continue(()));
    assert_eq!(painted.unwrap_err(), PaintError::NotFinite);
}

#[test]
fn a_coarse_model_paints_too() {
    let folder = TempDir::new().unwrap();
    tiny::write_coarse(folder.path()).unwrap();
    let painter = Painter::load(folder.path(), &Options::default()).unwrap();
    let order = Order { width: 100, height: 130, ..order() };
    let picture = painter.paint(&order, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((picture.width(), picture.height()), (100, 130));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_gpu_is_refused_by_a_build_without() {
    let options = Options { device: Device::Cuda(0), ..Options::default() };
    let error = Painter::load(folder(), &options).unwrap_err();
    assert!(matches!(&error, LoadError::Device { device, .. } if device == "cuda:0"), "{error}");
}
