//! Rules for the dependency tree. `cargo deny check` checks more, where it is installed.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn deny() -> toml::Table {
    include_str!("../../deny.toml").parse().expect("deny.toml is TOML")
}

fn allowed() -> Vec<String> {
    let list = deny()["licenses"]["allow"].as_array().expect("a list").clone();
    list.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// All crates of the tree, for every feature and platform.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--all-features", "--locked"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").clone();
    assert!(packages.len() > 50, "{} packages", packages.len());
    packages
}

#[test]
fn every_crate_with_two_versions_is_listed_in_deny() {
    let list = deny()["bans"]["skip"].as_array().expect("a list").clone();
    let known: BTreeSet<String> = list.iter().map(|one| one["crate"].as_str().expect("a crate").to_owned()).collect();
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().expect("text").to_owned();
        // An old version that only re-exports the new one does not count.
        if package["dependencies"].as_array().expect("a list").iter().any(|one| one["name"] == package["name"]) {
            continue;
        }
        versions.entry(text("name")).or_default().push(text("version"));
    }
    // `crate@1` stands for all versions 1.x.y, `crate@0.2` for 0.2.x.
    let skipped = |name: &str, version: &str| {
        known.iter().any(|one| format!("{name}@{version}.").starts_with(&format!("{one}.")))
    };
    let mut used = 0;
    for (name, versions) in &versions {
        let others: Vec<&String> = versions.iter().filter(|version| !skipped(name, version)).collect();
        used += versions.len() - others.len();
        assert!(others.len() <= 1, "{name} has several versions, {versions:?}: see deny.toml");
    }
    assert!(used >= known.len(), "deny.toml lists {known:?}, but some are no longer used");
}

/// Whether a licence expression can be satisfied by allowed licences. `/` is an old way to write OR.
fn acceptable(expression: &str, allowed: &[String]) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    let either = |part: &str| part.split(" OR ").any(|name| allowed.iter().any(|known| known == name.trim()));
    plain.split(" AND ").all(either)
}

#[test]
fn every_licence_in_the_tree_is_allowed() {
    let allowed = allowed();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(acceptable(licence, &allowed), "{} is under {licence}", package["name"]);
    }
}

#[test]
fn a_licence_that_is_not_allowed_is_found() {
    let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
    for fine in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(acceptable(fine, &allowed), "{fine}");
    }
    for wrong in ["GPL-3.0", "none", "MIT AND MPL-2.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
        assert!(!acceptable(wrong, &allowed), "{wrong}");
    }
}

#[test]
fn the_core_is_light_and_has_neither_terminal_nor_network() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "tree",
        "--no-default-features",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--locked",
    ]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("text");
    let crates: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(crates.len() <= 125, "{} crates", crates.len());
    for heavy in ["clap", "indicatif", "ureq", "rustls", "tracing-subscriber", "anyhow", "pollster"] {
        let found = crates.iter().find(|one| one.split(' ').next() == Some(heavy));
        assert_eq!(found, None, "{heavy} is in the core");
    }
}
