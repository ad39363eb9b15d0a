//! Everything that can go wrong at run time, with its cause. The program adds which flag or command helps.

use std::fmt::Display;
use std::path::PathBuf;

/// What the library reports instead of panicking on user input, files or devices.
///
/// `Display` says what happened.
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
        /// Why none fits.
        cause: NoAdapter,
    },
    /// The GPU is gone: unplugged, reset by its driver, or out of order.
    #[error("the GPU was lost: {reason}")]
    DeviceLost {
        /// What the driver said.
        reason: String,
    },
    /// The GPU refused what it was given: a mistake in this program or in the driver.
    #[error("the GPU refused the work: {reason}")]
    DeviceRefused {
        /// What wgpu said.
        reason: String,
    },
    /// The engine owes an answer, and nothing says that it failed.
    #[error("the GPU gave no answer for {} s", waited.as_secs_f64())]
    NoAnswer {
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// There was less memory than expected.
    #[error("out of memory: {reason}")]
    OutOfMemory {
        /// What was asked for and who refused it.
        reason: String,
    },
    /// The plan is larger than the machine can hold, or a tensor than the adapter can bind.
    #[error("{what} needs {}, but {holder} at most {}", crate::base::text::bytes(*needed), crate::base::text::bytes(*limit))]
    TooLarge {
        /// Name and shape of a tensor, or the whole net.
        what: String,
        /// Bytes it needs.
        needed: u64,
        /// Whose limit it is, with a verb.
        holder: &'static str,
        /// Bytes there may be.
        limit: u64,
        /// What decides the size.
        cause: Oversize,
    },
    /// A setting cannot be used, alone or with the others.
    #[error("{0}")]
    Setting(String),
    /// A configuration file is malformed or names what is no setting.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
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
    /// A loss or a parameter is no longer a finite number.
    #[error("{what} in epoch {epoch}, step {step}: {origin}")]
    Diverged {
        /// What was noticed.
        what: String,
        /// Epoch, from 1.
        epoch: usize,
        /// Update within the run, from 1, in which it was noticed.
        step: u64,
        /// Where it began.
        origin: Origin,
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

/// Why no adapter fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAdapter {
    /// There is none.
    None,
    /// None has the name.
    Name,
    /// There is no such backend.
    Backend,
    /// It could not be opened.
    Open,
    /// It lacks a feature.
    Lacks,
}

/// What decides the size of a tensor that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// The samples that are on the device at a time as data.
    Data,
    /// The rows of a micro-batch; so many would fit.
    MicroBatch {
        /// Rows, a power of two.
        rows: usize,
    },
    /// The widths of the layers.
    Width,
}

/// Where a value ceased to be finite.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// In a tensor that a dispatch wrote, or that was so before any.
    Tensor {
        /// Its name in the plan, and shape.
        tensor: String,
        /// The layer it belongs to, from 1.
        layer: usize,
        /// Row and column of the first such value.
        place: (usize, usize),
        /// The value.
        value: f32,
        /// Update within the run, from 1.
        step: u64,
        /// The kernel that wrote it; `None` if it was so when the update began.
        kernel: Option<&'static str>,
    },
    /// It did not happen again when all updates from this one on, from 1, were repeated.
    Nowhere {
        /// The first that was repeated.
        from: u64,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Tensor { tensor, layer, place: (row, col), value, step, kernel } => {
                write!(f, "it began with {tensor}[{row},{col}] of layer {layer}, which ")?;
                match kernel {
                    Some(kernel) => write!(f, "became {value} in step {step}, in {kernel}"),
                    None => write!(f, "was {value} before step {step}"),
                }
            }
            Origin::Nowhere { from } => {
                write!(f, "it did not happen again when everything from step {from} on was repeated")
            }
        }
    }
}

impl Error {
    /// An adapter lacks what `whose` needs.
    pub fn lacks(adapter: &str, needs: impl Display, whose: &str) -> Error {
        let problem = format!("{whose} needs {needs}, which {adapter} does not have or was not opened with");
        Error::NoAdapter { problem, cause: NoAdapter::Lacks }
    }

    /// Wraps what the operating system said with the file it was said of.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        |error| Error::File { path, error }
    }
}
