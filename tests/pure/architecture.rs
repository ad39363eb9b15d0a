//! The folders of `src/` are layers: each may use only those listed before it in `ROOMS`, so no two can form a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers (rooms), lowest first.
const ROOMS: [&str; 13] =
    ["base", "data", "plan", "kernels", "engine", "config", "net", "train", "run", "results", "measure", "lab", "cli"];

/// A file's path below `src/`, and its text.
type File = (PathBuf, String);

/// Every Rust file below a folder.
fn files(folder: &Path, root: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, root, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            found.push((path.strip_prefix(root).expect("below the root").to_owned(), text));
        }
    }
}

fn source() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &root, &mut found);
    found
}

/// The module path of a file: `engine/gpu/wait.rs` is `engine::gpu::wait`, `engine/mod.rs` is `engine`.
fn module(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = path.with_extension("").iter().map(|name| name.to_string_lossy().into()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// The text without comments, which could name a path.
fn code(text: &str) -> String {
    let without = |line: &str| line.split("//").next().unwrap_or_default().to_string();
    text.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The identifiers that follow each `prefix` in a text: one, or those in braces.
fn named(text: &str, prefix: &str) -> BTreeSet<String> {
    let identifier =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => _ = found.insert(identifier(rest)),
            Some(group) => {
                let (mut depth, mut start) = (0usize, true);
                for (at, c) in group.char_indices() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        _ if start && !c.is_whitespace() => {
                            found.insert(identifier(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found.remove("");
    found
}

/// The other rooms that a file uses: `crate::room`, `gpu_mlp::room`, or `super` up to the root.
fn uses((path, text): &File) -> BTreeSet<String> {
    let text = code(text);
    let module = module(path);
    let mut found = named(&text, "crate::");
    found.extend(named(&text, "gpu_mlp::"));
    found.extend(named(&text, &"super::".repeat(module.len())));
    found.remove(&module[0]);
    found
}

/// Every import of a higher room, as `file uses room`.
fn faults(files: &[File]) -> Vec<String> {
    let place = |name: &str| ROOMS.iter().position(|room| *room == name);
    let mut faults = Vec::new();
    for file in files.iter().filter(|(path, _)| path.components().count() > 1) {
        let own = module(&file.0)[0].clone();
        let Some(own) = place(&own) else {
            faults.push(format!("{} is in an unlisted room", file.0.display()));
            continue;
        };
        for room in uses(file) {
            // The root re-exports the error type for users of the library and for `cli`, which is another crate.
            if ROOMS[own] == "cli" && ["Error", "Origin"].contains(&room.as_str()) {
                continue;
            }
            if place(&room).is_none_or(|other| other > own) {
                faults.push(format!("{} uses {room}", file.0.display()));
            }
        }
    }
    faults
}

#[test]
fn no_room_uses_a_higher_one() {
    let files = source();
    assert!(files.len() > 100, "only {} files were found", files.len());
    assert_eq!(faults(&files), Vec::<String>::new());
}

#[test]
fn only_lib_and_main_are_outside_the_rooms() {
    let outside: BTreeSet<_> =
        source().into_iter().map(|(path, _)| path).filter(|path| path.iter().count() == 1).collect();
    assert_eq!(outside, ["lib.rs", "main.rs"].map(PathBuf::from).into());
}

#[test]
fn every_room_is_listed_and_used() {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for (path, _) in source().iter().filter(|(path, _)| path.iter().count() > 1) {
        *rooms.entry(module(path)[0].clone()).or_default() += 1;
    }
    let names: BTreeSet<_> = rooms.keys().map(String::as_str).collect();
    assert_eq!(names, ROOMS.into());
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    let spellings = [
        ("plan/mod.rs", "use crate::kernels::Op;"),
        ("plan/case.rs", "use crate::{base, kernels::Op};"),
        ("plan/case.rs", "fn f() -> crate::engine::Memory {}"),
        ("plan/case.rs", "use super::super::engine;"),
        ("engine/gpu/wait.rs", "use super::super::super::{plan, train::{Trainer}};"),
        ("train/steps.rs", "use gpu_mlp::run;"),
        ("base/error.rs", "pub use crate::unknown::Thing;"),
        ("other/new.rs", ""),
    ];
    for (path, text) in spellings {
        assert_eq!(faults(&[(path.into(), text.into())]).len(), 1, "{path}: {text}");
    }
    let good = [
        ("kernels/linear.rs", "use crate::{base, plan::{kernel::{Kernel}, tensor}};\nuse super::form::Form;"),
        ("engine/gpu/wait.rs", "use super::super::Engine; // crate::train is named in a comment only"),
        ("plan/case.rs", "use crate::plan::kernel; use supercrate::train;"),
        ("cli/train.rs", "use gpu_mlp::Error; use crate::cli::out;"),
    ];
    for (path, text) in good {
        assert_eq!(faults(&[(path.into(), text.into())]), Vec::<String>::new(), "{path}: {text}");
    }
}

/// Flags and commands named in a string on a line of the library.
fn flags(line: &str) -> Vec<String> {
    let line = line.trim_start();
    if line.starts_with("//") || line.contains("curl ") {
        return Vec::new();
    }
    let word = |at: usize| line[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect::<String>();
    let marks = [" --", "`--", "(--", "`gpu-mlp "];
    let found = marks.iter().flat_map(|mark| line.match_indices(mark).map(|(at, _)| word(at + 1)));
    found.filter(|word| word.trim_matches('-').len() > 1 && !line.contains("var(--")).collect()
}

#[test]
fn the_library_names_no_flag_and_no_command() {
    let library = source().into_iter().filter(|(path, _)| !path.starts_with("cli") && path != Path::new("main.rs"));
    for (path, text) in library {
        let without_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(without_tests.lines()) {
            let found = flags(line);
            assert!(
                found.is_empty(),
                "{}:{number} names {found:?}: name the setting; only the program may name flags",
                path.display()
            );
        }
    }
}

#[test]
fn a_flag_in_a_string_is_found() {
    assert_eq!(flags(r#"    Err("give another --out".into())"#), ["--out"]);
    assert_eq!(flags(r#""see `gpu-mlp train`" and (--engine gpu)"#), ["--engine", "gpu-mlp"]);
    assert_eq!(flags("/// see `--out`"), [""; 0]);
    assert_eq!(flags(r#"let lines = [(first, "var(--train)")];"#), [""; 0]);
}

/// In a browser the clock of `std` panics, and the compiler does not notice.
#[test]
fn the_library_takes_the_time_from_one_file() {
    let stds = |line: &str| line.contains("std::time::") && line.contains("Instant");
    for (path, text) in source() {
        let may = path.starts_with("cli") || path == Path::new("main.rs") || path == Path::new("base/clock.rs");
        let line = text.lines().find(|line| stds(line)).filter(|_| !may);
        assert!(line.is_none(), "{}: use base::clock instead: {line:?}", path.display());
    }
}
