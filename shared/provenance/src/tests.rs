use std::io::Cursor;

use c2pa::{Context, Reader, ValidationState};
use clock::{Clock, SystemClock, Timestamp};
use image::{ImageFormat, RgbImage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const FORMATS: [(&str, ImageFormat); 3] = [
    ("image/jpeg", ImageFormat::Jpeg),
    ("image/png", ImageFormat::Png),
    ("image/webp", ImageFormat::WebP),
];

/// The library compares certificates with the machine's time, and so the tests do.
fn now() -> Timestamp {
    SystemClock::new().now()
}

fn origin() -> Origin<'static> {
    Origin {
        title: "meme_01J9ZK3V7N8Q4R5S6T7V8W9X0Y",
        model: "painter-1",
        source: SourceType::TrainedAlgorithmicMedia,
        created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let pixels = RgbImage::from_fn(64, 48, |x, y| {
        let shade = |value: u32| u8::try_from(value % 256).unwrap();
        image::Rgb([shade(x * 5), shade(y * 7), shade(x * y)])
    });
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn signer() -> (Signer, Development) {
    let made = Development::new(now()).unwrap();
    (Signer::from_pem(&made.pem, now()).unwrap(), made)
}

/// What a verifier reads that trusts `anchor`, if it trusts anybody.
fn read(mime: &str, bytes: &[u8], anchor: Option<&str>) -> Reader {
    let context = match anchor {
        None => Context::new(),
        Some(anchor) => {
            Context::new().with_settings(json!({ "trust": { "trust_anchors": anchor } })).unwrap()
        }
    };
    Reader::from_context(context).with_stream(mime, Cursor::new(bytes)).unwrap()
}

fn complaints(reader: &Reader) -> Vec<String> {
    let all = reader.validation_status().unwrap_or_default();
    all.iter().map(|status| status.code().to_owned()).collect()
}

#[test]
fn a_manifest_says_what_made_the_picture_and_when_and_how() {
    let (signer, _) = signer();
    let signed = signer.sign("image/jpeg", &picture(ImageFormat::Jpeg), &origin()).unwrap();
    let reader = read("image/jpeg", &signed, None);
    assert_eq!(reader.iter_manifests().count(), 1);
    let manifest: Value = serde_json::to_value(reader.active_manifest().unwrap()).unwrap();

    assert_eq!(manifest["title"], origin().title);
    let generator = &manifest["claim_generator_info"][0];
    assert_eq!(generator["name"], "Memes as a Service");
    assert_eq!(generator["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["signature_info"]["alg"], "Es256");
    // One assertion of ours; the hash that binds it to the picture is not listed. No thumbnail, no
    // ingredient, no room for a prompt.
    let assertions = manifest["assertions"].as_array().unwrap();
    assert_eq!(assertions.len(), 1);
    assert_eq!(assertions[0]["label"], "c2pa.actions.v2");
    assert_eq!(
        assertions[0]["data"]["actions"],
        json!([{
            "action": "c2pa.created",
            "when": "2026-01-02T03:04:05Z",
            "softwareAgent": { "name": "painter-1" },
            "digitalSourceType":
                "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        }])
    );
    assert_eq!(manifest["ingredients"], Value::Null);
    assert_eq!(manifest["thumbnail"], Value::Null);
}

#[test]
fn who_trusts_the_issuer_trusts_the_manifest_and_nobody_else_does() {
    let ((signer, made), other) = (signer(), Development::new(now()).unwrap());
    for (mime, format) in FORMATS {
        let signed = signer.sign(mime, &picture(format), &origin()).unwrap();
        let trusting = read(mime, &signed, Some(&made.anchor_pem));
        assert_eq!(trusting.validation_state(), ValidationState::Trusted, "{mime}");
        assert_eq!(complaints(&trusting), [""; 0], "{mime}");
        for anchor in [None, Some(other.anchor_pem.as_str())] {
            let stranger = read(mime, &signed, anchor);
            assert_eq!(stranger.validation_state(), ValidationState::Valid, "{mime}");
            assert_eq!(complaints(&stranger), ["signingCredential.untrusted"], "{mime}");
        }
    }
}

#[test]
fn the_pixels_stay_as_they_are() {
    let (signer, _) = signer();
    for (mime, format) in FORMATS {
        let plain = picture(format);
        let signed = signer.sign(mime, &plain, &origin()).unwrap();
        let pixels = |bytes| image::load_from_memory_with_format(bytes, format).unwrap();
        assert_eq!(pixels(&signed), pixels(&plain), "{mime}");
        // It takes little room, and none of it for a picture of the picture.
        let added = signed.len() - plain.len();
        assert!((1_000..4_096).contains(&added), "{added} bytes were added to {mime}");
    }
}

#[test]
fn a_second_manifest_takes_the_place_of_the_first() {
    let (signer, made) = signer();
    let once = signer.sign("image/jpeg", &picture(ImageFormat::Jpeg), &origin()).unwrap();
    let again = Origin { model: "painter-2", ..origin() };
    let twice = signer.sign("image/jpeg", &once, &again).unwrap();
    let reader = read("image/jpeg", &twice, Some(&made.anchor_pem));
    assert_eq!(reader.validation_state(), ValidationState::Trusted);
    assert_eq!(reader.iter_manifests().count(), 1);
    assert!(reader.json().contains("painter-2") && !reader.json().contains("painter-1"));
}

#[test]
fn a_changed_picture_does_not_fit_its_manifest() {
    let (signer, made) = signer();
    for (mime, format) in FORMATS {
        let mut signed = signer.sign(mime, &picture(format), &origin()).unwrap();
        // Of the picture's own bytes, which end the file in two of these kinds.
        let place = match format {
            ImageFormat::WebP => 24,
            _ => signed.len() - 20,
        };
        signed[place] ^= 1;
        let reader = read(mime, &signed, Some(&made.anchor_pem));
        assert_eq!(reader.validation_state(), ValidationState::Invalid, "{mime}");
        assert_eq!(complaints(&reader), ["assertion.dataHash.mismatch"], "{mime}");
    }
}

#[test]
fn a_changed_manifest_does_not_fit_its_signature() {
    let (signer, made) = signer();
    let mut signed = signer.sign("image/jpeg", &picture(ImageFormat::Jpeg), &origin()).unwrap();
    let model = origin().model.as_bytes();
    let place = signed.windows(model.len()).position(|part| part == model).unwrap();
    signed[place] = b'P';
    let reader = read("image/jpeg", &signed, Some(&made.anchor_pem));
    assert_eq!(reader.validation_state(), ValidationState::Invalid);
    assert_eq!(complaints(&reader), ["assertion.hashedURI.mismatch"]);
}

#[test]
fn the_service_s_own_pictures_of_rules_do_not_claim_a_model_that_learned() {
    let (signer, _) = signer();
    let drawn = Origin { source: SourceType::AlgorithmicMedia, ..origin() };
    let signed = signer.sign("image/png", &picture(ImageFormat::Png), &drawn).unwrap();
    let told = read("image/png", &signed, None).json();
    assert!(told.contains("digitalsourcetype/algorithmicMedia"));
    assert!(!told.contains("trainedAlgorithmicMedia"));
}

#[test]
fn what_is_no_picture_is_not_signed() {
    let (signer, _) = signer();
    let jpeg = picture(ImageFormat::Jpeg);
    for (mime, bytes) in [("image/gif", &jpeg[..]), ("text/plain", b"x"), ("", b"")] {
        let error = signer.sign(mime, bytes, &origin()).unwrap_err();
        assert!(matches!(&error, SignError::Format(named) if named == mime), "{error}");
    }
    for (mime, bytes) in
        [("image/jpeg", &b"no picture"[..]), ("image/png", &jpeg), ("image/webp", b"")]
    {
        let error = signer.sign(mime, bytes, &origin()).unwrap_err();
        assert!(matches!(error, SignError::Manifest(_)), "{mime}: {error}");
    }
}

#[test]
fn a_key_is_in_no_log() {
    let (signer, made) = signer();
    let body = made.pem.lines().nth(1).unwrap();
    for text in [format!("{signer:?}"), format!("{made:?}")] {
        assert!(!text.contains("PRIVATE") && !text.contains(body), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_may_be_offered_as_a_picture(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        cut in 0_usize..2_000,
        kind in 0_usize..3,
    ) {
        let (mime, format) = FORMATS[kind];
        let whole = picture(format);
        let cut = &whole[..cut.min(whole.len())];
        // Whether it is signed or refused: nothing breaks.
        let (signer, _) = signer();
        let _ = signer.sign(mime, &bytes, &origin());
        let _ = signer.sign(mime, cut, &origin());
    }
}
