//! Advice for errors: the library reports the cause, this file names the flag or command that helps.

use super::origin;
use gpu_mlp::base::error::{Error, NoAdapter, Origin, Oversize};
use std::io::ErrorKind;

/// What to install if there is no adapter.
pub const INSTALL: &str = "install a Vulkan driver (Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers; \
NVIDIA: its driver package; in a container also NVIDIA_DRIVER_CAPABILITIES=all), or train with --engine cpu";

/// Returns what to do next. `command` is the subcommand, if one was given.
pub fn next(error: &Error, command: Option<&str>) -> String {
    match error {
        Error::Data { next, .. } => return next.clone(),
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
        Error::File { error, .. } => file(error.kind()),
        _ => "see `gpu-mlp --help`",
    }
    .into()
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
    use std::path::PathBuf;

    #[test]
    fn the_advice_follows_from_the_cause() {
        let too_large =
            |cause| Error::TooLarge { what: "h1(8,8)".into(), needed: 2, holder: "it holds", limit: 1, cause };
        let refused = |cause| Error::NoAdapter { problem: "none".into(), cause };
        let path = || PathBuf::from("model");
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
        ];
        for (error, words) in advice {
            assert!(next(&error, None).contains(words), "{error:?}: {}", next(&error, None));
        }
        assert_eq!(next(&Error::Setting("lr is 0".into()), Some("bench")), "see `gpu-mlp bench --help`");
    }
}
