//! The picture filter with its weights, held to the scores of the package that brings them
//! (`reference/make.py`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moderation::picture::{CheckError, PictureFilter, THRESHOLD};
use moderation::text::Category;
use render::Picture;

/// How far our scores may be from the package's. Both make a JPEG of the picture and read it again, with
/// other programs, and the network is sensitive to that: with another sampling of the colours, or with
/// no JPEG, the package's own scores of these pictures change by up to 0.19.
const TOLERANCE: f32 = 0.08;

fn filter() -> PictureFilter {
    #[expect(clippy::disallowed_methods, reason = "where a test finds what it needs")]
    let named = std::env::var("MEMES_WEIGHTS").map(PathBuf::from);
    let path = named.unwrap_or_else(|_| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/weights/opennsfw.onnx")
    });
    PictureFilter::load(&path)
        .unwrap_or_else(|error| panic!("{error}; `cargo xtask weights` fetches the weights"))
}

fn reference() -> BTreeMap<String, f32> {
    serde_json::from_str(include_str!("reference/scores.json")).unwrap()
}

fn picture(name: &str) -> Picture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    Picture::decode(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn scores_are_those_of_the_package() {
    let filter = filter();
    let mut wrong = Vec::new();
    for (name, expected) in reference() {
        let score = filter.score(&picture(&name)).unwrap();
        if (score - expected).abs() > TOLERANCE {
            wrong.push((name, score, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(reference().len() >= 8);
}

#[test]
fn what_scores_high_is_refused_and_the_rest_is_not() {
    let filter = filter();
    let refused = filter.check(&picture("blots-307.png")).unwrap_err();
    assert!(
        matches!(refused, CheckError::Refused(refusal) if refusal.category == Category::Sexual),
        "{refused}"
    );
    let mut passed = 0;
    for (name, _) in reference().into_iter().filter(|(_, score)| *score < THRESHOLD - TOLERANCE) {
        filter.check(&picture(&name)).unwrap();
        passed += 1;
    }
    assert!(passed >= 6);
}

#[test]
fn any_size_has_a_score_and_clones_agree() {
    let filter = filter();
    for (width, height) in [(1, 1), (1, 2_000), (224, 224), (1_024, 1_024)] {
        let plain = Picture::filled(width, height, [20, 90, 200, 255]).unwrap();
        let score = filter.score(&plain).unwrap();
        assert!(score < 0.5, "{width} x {height}: {score}");
        assert_eq!(filter.clone().score(&plain).unwrap(), score);
    }
}
