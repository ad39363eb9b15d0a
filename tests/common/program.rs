//! The program as a user runs it, isolated from the developer's own settings.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn path() -> PathBuf {
    assert_cmd::cargo::cargo_bin("gpu-mlp")
}

/// `command` in an empty folder: no data, no cache, no settings from the environment.
pub fn away(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).env("HOME", folder).env_remove("XDG_CACHE_HOME").env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("GPU_MLP_") || name_text.starts_with("WGPU_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The program in an empty folder.
pub fn gpu_mlp(folder: &Path) -> Command {
    away(Command::new(path()), folder)
}

/// The commands, as `--help` lists them.
pub fn commands(folder: &Path) -> Vec<String> {
    let help = gpu_mlp(folder).arg("--help").output().expect("the program runs");
    let help = String::from_utf8(help.stdout).expect("help is text");
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names: Vec<String> =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned)).collect();
    let names: Vec<String> = names.into_iter().filter(|name| name != "help").collect();
    assert!(names.iter().any(|name| name == "train"), "{help}");
    names
}
