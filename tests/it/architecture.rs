//! The direction in which crates depend on each other, read from cargo's own metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates that decide. They know no AWS SDK, no HTTP and no runtime of Lambda's.
const PURE: &[&str] = &[
    "catalogue",
    "clock",
    "entitlements",
    "generations",
    "ids",
    "ledger",
    "moderation",
    "render",
    "scenes",
    "render",
    "scenes",
    "webhooks",
];

/// What each crate of `shared/` may depend on among our own, beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("clock", &[]),
    ("provenance", &["clock"]),
    ("inference", &["render"]),
    ("diffusion", &["render"]),
    ("render", &[]),
    ("scenes", &[]),
    ("catalogue", &["ids"]),
    ("moderation", &["render"]),
    ("pictures", &["catalogue", "render"]),
    ("entitlements", &["clock", "ids"]),
    ("generations", &["catalogue", "clock", "ids"]),
    ("ledger", &["clock", "ids"]),
    ("webhooks", &["clock", "ids"]),
    ("auth", &["clock", "entitlements", "ids"]),
    ("edge", &["clock", "ids"]),
    (
        "maas-aws",
        &[
            "auth",
            "clock",
            "entitlements",
            "generations",
            "ids",
            "ledger",
            "maas-valkey",
            "webhooks",
        ],
    ),
    ("maas-kafka", &["ledger"]),
    ("outbound", &["webhooks"]),
    ("maas-valkey", &["ids", "ledger"]),
    ("tallies", &["ledger"]),
    ("gate", &["auth", "clock", "edge", "entitlements", "ids", "ledger", "maas-aws", "tallies"]),
    ("views", &["catalogue", "clock", "edge", "generations", "ids", "maas-aws", "webhooks"]),
];

/// Libraries that reach out of a process.
const OUTSIDE: &[&str] = &[
    "aws-config",
    "aws-sdk-dynamodb",
    "aws-sdk-s3",
    "aws-sdk-sqs",
    "http",
    "hyper",
    "hyper-util",
    "lambda_http",
    "lambda_runtime",
    "rdkafka",
    "redis",
    "reqwest",
];

struct Crate {
    folder: String,
    uses: BTreeSet<String>,
    targets: Vec<(String, String)>,
}

fn crates() -> BTreeMap<String, Crate> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let root = metadata["workspace_root"].as_str().unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let manifest = text(&package["manifest_path"]);
            let folder = manifest.strip_prefix(root).unwrap().trim_start_matches('/');
            let uses = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            let targets = package["targets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|target| (text(&target["kind"][0]), text(&target["name"])))
                .collect();
            let folder = folder.trim_end_matches("/Cargo.toml").to_owned();
            (text(&package["name"]), Crate { folder, uses, targets })
        })
        .collect()
}

#[test]
fn arrows_point_from_functions_over_adapters_to_what_is_pure() {
    let crates = crates();
    let mut checked = 0;
    for (name, it) in &crates {
        let own: BTreeSet<&str> = it
            .uses
            .iter()
            .filter(|used| crates.contains_key(*used) && *used != name)
            .map(String::as_str)
            .collect();
        if it.folder.starts_with("shared/") {
            let (_, allowed) = MAY_USE
                .iter()
                .find(|(known, _)| known == name)
                .unwrap_or_else(|| panic!("say in MAY_USE what `{name}` may depend on"));
            for used in own {
                assert!(allowed.contains(&used), "`{name}` must not depend on `{used}`");
                checked += 1;
            }
        } else if it.folder.starts_with("functions/") {
            for used in own {
                let folder = &crates[used].folder;
                assert!(folder.starts_with("shared/"), "`{name}` must not depend on `{used}`");
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "only {checked} dependencies were looked at");
}

#[test]
fn what_is_pure_reaches_nothing_outside() {
    let crates = crates();
    for name in PURE {
        let uses = &crates[*name].uses;
        for outside in OUTSIDE {
            assert!(!uses.contains(*outside), "`{name}` must not depend on `{outside}`");
        }
    }
}

#[test]
fn a_function_is_a_library_and_a_program_named_after_its_folder() {
    let mut functions = 0;
    for (name, it) in crates() {
        let Some(folder) = it.folder.strip_prefix("functions/") else { continue };
        assert_eq!(folder, name);
        let has = |kind: &str, target: &str| {
            it.targets.iter().any(|(is, called)| is == kind && called == target)
        };
        assert!(has("lib", &name.replace('-', "_")), "{name} has no library");
        assert!(has("bin", &name), "{name} has no program of its name");
        functions += 1;
    }
    assert!(functions >= 15, "{functions} functions");
}

#[test]
fn one_file_is_allowed_to_be_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut allowing = Vec::new();
    let mut folders: Vec<_> =
        ["functions", "shared", "tests", "tools"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && std::fs::read_to_string(&path).unwrap().contains(concat!("unsafe", "_code"))
            {
                allowing.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    assert_eq!(allowing, [Path::new("shared/tallies/src/lib.rs")]);
}
