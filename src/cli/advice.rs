//! Advice for errors: the library reports the cause, this file names the flag or command that helps.

use super::origin;
use gpu_mlp::base::error::{Error, NoAdapter, Origin, Oversize};
use std::io::ErrorKind;
use std::path::PathBuf;

/// What to install if there is no adapter.
pub const INSTALL: &str = "install a Vulkan driver (Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers; \
NVIDIA: its driver package; in a container also NVIDIA_DRIVER_CAPABILITIES=all), or train with --engine cpu";

/// Returns what to do next. `command` is the subcommand, if one was given.
pub fn next(error: &Error, command: Option<&str>) -> String {
    match error {
        Error::Data { next, .. } => return next.clone() + &columns(next),
        Error::NoMnist { downloads, .. } => return without_mnist(downloads),
        Error::NoAdapter { cause, .. } => adapter(*cause),
        Error::TooLarge { cause: Oversize::Data, .. } => {
            "leave out --upload resident, or use a smaller --batch-size"
        }
        Error::TooLarge { cause: Oversize::MicroBatch { rows }, .. } => {
            return format!("use a smaller --batch-size, or cut it with --physical-batch {rows}");
        }
        Error::TooLarge { cause: Oversize::Width, .. } => "use narrower layers (--hidden), or another --engine",
        Error::DeviceLost { .. } | Error::NoAnswer { .. } => {
            "look in the system log for the driver's messages, run `gpu-mlp parity` to test the adapter, or use --engine cpu"
        }
        Error::DeviceRefused { .. } => "run `gpu-mlp parity` and report both outputs; --engine cpu needs no adapter",
        Error::OutOfMemory { .. } => {
            "stop other programs that use the adapter, or use a smaller --physical-batch, --upload stream, or --engine cpu"
        }
        Error::Setting(problem) => {
            let help = format!("see `gpu-mlp {} --help`", command.unwrap_or("train"));
            return [vec![help], origin::named_in(problem)].concat().join("; ");
        }
        Error::Config { .. } => "`gpu-mlp train --print-config` prints all keys and their values",
        Error::Model { .. } => "train a model with `gpu-mlp train --out DIR` and give DIR/model.safetensors",
        Error::Altered { .. } => {
            "restore the file from a copy; to use it as it is, copy it to a folder without a run and give that path"
        }
        Error::IsCheckpoint { .. } => {
            "`gpu-mlp train --resume RUN --max-steps 1` ends that run at its last checkpoint and writes its model"
        }
        Error::Taken { .. } => "give another --out, or --force to replace it",
        Error::Busy { .. } => "wait until the other program has ended, or stop it",
        Error::Checkpoint { .. } => "start a new run, in another folder or with --force",
        Error::Diverged { origin: Origin::Nowhere { .. }, .. } => "run `gpu-mlp parity` to test the machine",
        Error::Diverged { .. } => {
            "use a smaller --lr; --clip-norm 1, --warmup 1 or --normalize standard may help too"
        }
        Error::NotFinite { .. } => match command {
            Some("train" | "lr-find" | "bench") => "use a smaller --lr, or --clip-norm 1; check --normalize and --init",
            _ => {
                "train the model again with a smaller --lr; for a PyTorch state dict, check --activation and --normalize"
            }
        },
        Error::File { error, .. } => file(error.kind()),
        _ => "see `gpu-mlp --help`",
    }
    .into()
}

/// The options of a table that advice of its reader means, in brackets.
fn columns(next: &str) -> String {
    let options = [
        ("name the target", "--target"),
        ("categorical", "--categorical"),
        ("ignore the", "--ignore"),
        ("make it the id", "--id-column"),
        ("the delimiter", "--delimiter"),
        ("a new head", "--new-head"),
        ("the feature `parquet`", "cargo install --path . --features parquet"),
    ];
    let meant: Vec<&str> =
        options.iter().filter(|(words, _)| next.contains(words)).map(|(_, option)| *option).collect();
    if meant.is_empty() { String::new() } else { format!(" ({})", meant.join(", ")) }
}

fn without_mnist(downloads: &[(String, PathBuf)]) -> String {
    let mut next = "do one of these:\
        \n  use the built-in digits, which need no file:  --data digits\
        \n  name a folder that holds the four files:      --data DIR, or GPU_MLP_DATA_DIR=DIR\
        \n  fetch them by hand, here or elsewhere:"
        .to_owned();
    for (url, path) in downloads {
        next += &format!("\n    curl -fL --create-dirs -o '{}' {url}", path.display());
    }
    next
}

fn file(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "check the path: a file or folder in it does not exist",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "give a path that you may write to",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make space, or write to another disk",
        ErrorKind::IsADirectory => "give the path of a file, not of a folder",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "give the path of a folder: there is a file of this name"
        }
        _ => "check that the folder exists, is writable, and has space",
    }
}

fn adapter(cause: NoAdapter) -> &'static str {
    match cause {
        NoAdapter::None => INSTALL,
        NoAdapter::Name => "give part of a name from the list, or see `gpu-mlp devices`",
        NoAdapter::Backend => "use vulkan, metal, dx12 or gl; separate several with commas",
        NoAdapter::Open => "choose another adapter with --adapter; `gpu-mlp devices` lists them",
        NoAdapter::Lacks => {
            "use --precision f32, another adapter (`gpu-mlp devices` lists their features), or --engine cpu"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_follows_from_the_cause() {
        let too_large =
            |cause| Error::TooLarge { what: "h1(8,8)".into(), needed: 2, holder: "it holds", limit: 1, cause };
        let refused = |cause| Error::NoAdapter { problem: "none".into(), cause };
        let path = || PathBuf::from("model");
        let downloads = || vec![("https://a.test/x.gz".to_string(), path())];
        let no_mnist = || Error::NoMnist { problem: "none".into(), downloads: downloads() };
        let advice = [
            (too_large(Oversize::MicroBatch { rows: 128 }), "--physical-batch 128"),
            (too_large(Oversize::Data), "--upload resident"),
            (too_large(Oversize::Width), "narrower layers"),
            (refused(NoAdapter::None), "--engine cpu"),
            (refused(NoAdapter::Lacks), "--precision f32"),
            (refused(NoAdapter::Name), "gpu-mlp devices"),
            (Error::DeviceLost { reason: "gone".into() }, "gpu-mlp parity"),
            (Error::NoAnswer { waited: Default::default() }, "system log"),
            (Error::Model { path: path(), problem: "torn".into() }, "gpu-mlp train --out"),
            (Error::Data { path: path(), problem: "torn".into(), next: "mend it".into() }, "mend it"),
            (no_mnist(), "--data digits"),
            (no_mnist(), "GPU_MLP_DATA_DIR=DIR"),
            (no_mnist(), "curl -fL --create-dirs -o 'model' https://a.test/x.gz"),
        ];
        for (error, words) in advice {
            assert!(next(&error, None).contains(words), "{error:?}: {}", next(&error, None));
        }
        assert_eq!(next(&Error::Setting("lr is 0".into()), Some("bench")), "see `gpu-mlp bench --help`");
    }
}
