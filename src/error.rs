//! Everything that can go wrong at run time, each with the next action to take.

use std::path::PathBuf;

/// What the library reports instead of panicking on user input, files or devices.
///
/// `Display` says what happened; [`Error::next`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data set is missing, malformed or not the one its checksum names.
    #[error("{}: {problem}", path.display())]
    Data {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the user can do next.
        next: String,
    },
    /// No adapter fits what was asked for.
    #[error("{problem}")]
    NoAdapter {
        /// What was asked for and what is there.
        problem: String,
        /// What the user can do next.
        next: String,
    },
    /// The GPU stopped answering or refused the work.
    #[error("the GPU was lost: {reason}")]
    DeviceLost {
        /// What the driver said.
        reason: String,
    },
    /// A tensor is larger than the adapter can hold or bind.
    #[error("{tensor} needs {needed} bytes, but this adapter binds at most {limit}")]
    TooLarge {
        /// Name and shape.
        tensor: String,
        /// Bytes it needs.
        needed: u64,
        /// Bytes the adapter allows.
        limit: u64,
    },
    /// A setting cannot be used, alone or with the others.
    #[error("{0}")]
    Setting(String),
    /// A model file is malformed or does not fit the data.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A run cannot be gone on with: its checkpoints are damaged, or there are none.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The run folder, or the folder of its checkpoints.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The loss is no longer a finite number.
    #[error("the loss became {loss} in epoch {epoch}, step {step}")]
    Diverged {
        /// Sum of the losses of the micro-batch.
        loss: f64,
        /// Epoch, from 1.
        epoch: usize,
        /// Update within the run, from 1.
        step: u64,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
}

impl Error {
    /// What the user can do next.
    pub fn next(&self) -> &str {
        match self {
            Error::Data { next, .. } | Error::NoAdapter { next, .. } => next,
            Error::DeviceLost { .. } => "run `gpu-mlp parity` to test the adapter, or train with --engine cpu",
            Error::TooLarge { .. } => {
                "use a smaller --batch-size or --physical-batch, --upload stream, or --engine cpu"
            }
            Error::Setting(_) => "see `gpu-mlp train --help`",
            Error::Model { .. } => "train a model with `gpu-mlp train --out DIR` and give DIR/model.safetensors",
            Error::Checkpoint { .. } => "train anew, into another folder or with --force",
            Error::Diverged { .. } => "use a smaller --lr",
            Error::File { .. } => "check that the folder exists, is writable, and has space",
        }
    }

    /// Wraps what the operating system said with the file it was said of.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        |error| Error::File { path, error }
    }
}
