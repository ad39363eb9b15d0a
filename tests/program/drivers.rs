//! Libraries of the drivers do not write between the lines of the program.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use std::path::Path;
use tempfile::TempDir;

const DIGITS: [&str; 6] = ["--data", "digits", "--digits-train", "300", "--digits-test", "50"];

/// What a command prints on stderr, with variables set or, without a value, removed.
fn stderr(folder: &Path, words: &[&str], variables: &[(&str, Option<&str>)]) -> String {
    let mut command = gpu_mlp(folder);
    command.args(words).env_remove("EGL_LOG_LEVEL");
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether the program itself writes lines with this beginning.
fn is_ours(line: &str) -> bool {
    let heads = [
        "engine: ",
        "data: ",
        "split: ",
        "net: ",
        "learning rate ",
        "note: ",
        "dry run: ",
        "next: ",
        "error: no adapter",
    ];
    heads.iter().any(|head| line.starts_with(head))
}

#[test]
fn only_the_program_writes_to_stderr() {
    let folder = TempDir::new().unwrap();
    let train = [&["train", "--dry-run"], DIGITS.as_slice()].concat();
    let commands = [
        vec!["devices"],
        vec!["devices", "--backend", "gl"],
        vec!["devices", "--backend", "vulkan"],
        [&train, ["--engine", "auto"].as_slice()].concat(),
        [&train, ["--engine", "gpu"].as_slice()].concat(),
        [&train, ["--threads", "1"].as_slice()].concat(),
        vec!["bench", "--help"],
    ];
    let environments: [&[(&str, Option<&str>)]; 4] = [
        &[("XDG_RUNTIME_DIR", None)],
        &[("XDG_RUNTIME_DIR", Some(""))],
        &[("XDG_RUNTIME_DIR", Some("relative")), ("WAYLAND_DISPLAY", Some("wayland-0"))],
        &[("XDG_RUNTIME_DIR", None), ("LIBGL_DRIVERS_PATH", Some("/nowhere"))],
    ];
    for words in &commands {
        for variables in environments {
            let stderr = stderr(folder.path(), words, variables);
            let others: Vec<&str> = stderr.lines().filter(|line| !is_ours(line)).collect();
            assert!(others.is_empty(), "{words:?} with {variables:?}: {others:?}");
        }
    }
}

#[test]
fn verbose_shows_what_the_libraries_write() {
    let folder = TempDir::new().unwrap();
    let broken = [("LIBGL_DRIVERS_PATH", Some("/nowhere")), ("XDG_RUNTIME_DIR", None)];
    let quiet = stderr(folder.path(), &["devices"], &broken);
    for (words, variables) in [
        (["devices", "-v"].as_slice(), broken.as_slice()),
        (&["devices"], &[broken[0], broken[1], ("RUST_LOG", Some("warn"))]),
    ] {
        let loud = stderr(folder.path(), words, variables);
        // Without any driver there is nothing to show.
        if loud.contains("wgpu_hal") || loud.contains("libEGL") {
            assert!(loud.contains("libEGL") && !quiet.contains("libEGL"), "{loud}");
        }
    }
}
