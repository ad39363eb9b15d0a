//! Everything that can go wrong at run time, with its cause. The program adds which flag or command helps.

use std::fmt::Display;
use std::path::PathBuf;

/// Error of the library: bad input, a file or a device. The library does not panic on these.
///
/// `Display` gives the cause.
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
    /// MNIST is not on this machine, and it was not downloaded.
    #[error("{problem}")]
    NoMnist {
        /// The places that were tried, each with the reason why it did not help.
        problem: String,
        /// Where each of its files can be fetched from, and where this program looks for it.
        downloads: Vec<(String, PathBuf)>,
    },
    /// No adapter meets the request.
    #[error("{problem}")]
    NoAdapter {
        /// What was requested and what was found.
        problem: String,
        /// Why none fits.
        cause: NoAdapter,
    },
    /// The GPU was lost: unplugged, reset by its driver, or defective.
    #[error("the GPU was lost: {reason}")]
    DeviceLost {
        /// What the driver said.
        reason: String,
    },
    /// The GPU rejected a call: a bug in this program or in the driver.
    #[error("the GPU refused the work: {reason}")]
    DeviceRefused {
        /// What wgpu said.
        reason: String,
    },
    /// The device did not answer in time and reported no failure.
    #[error("the GPU did not answer for {} s", waited.as_secs_f64())]
    NoAnswer {
        /// Time waited.
        waited: std::time::Duration,
    },
    /// An allocation failed.
    #[error("out of memory: {reason}")]
    OutOfMemory {
        /// What was requested, and what refused it.
        reason: String,
    },
    /// The plan is larger than the free memory, or a tensor is larger than the adapter can bind.
    #[error("{what} needs {}, but {holder} at most {}", crate::base::text::bytes(*needed), crate::base::text::bytes(*limit))]
    TooLarge {
        /// Name and shape of a tensor, or the whole net.
        what: String,
        /// Bytes it needs.
        needed: u64,
        /// What sets the limit, with its verb: `this adapter binds`.
        holder: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// What decides the size.
        cause: Oversize,
    },
    /// A setting cannot be used, alone or with the others.
    #[error("{0}")]
    Setting(String),
    /// A configuration file is malformed or names an unknown setting.
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
    /// A model file in a run folder is not the one that the run wrote.
    #[error(
        "{}: this is not the model that its run wrote: its hash is {found:.16}, but the run recorded {recorded:.16}",
        path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The hash in the record of the run.
        recorded: String,
    },
    /// A run cannot be resumed: its checkpoints are damaged, or there are none.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The run folder, or the folder of its checkpoints.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder holds a run already.
    #[error("{} already holds a run", path.display())]
    Taken {
        /// The run folder.
        path: PathBuf,
    },
    /// Another program is training in the folder.
    #[error("another program is training in {}", path.display())]
    Busy {
        /// The run folder.
        path: PathBuf,
    },
    /// A file of a checkpoint was given as a model.
    #[error("{}: this file belongs to a checkpoint of a run and is not a model", path.display())]
    IsCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A loss or a parameter is NaN or infinite.
    #[error("{what} in epoch {epoch}, step {step}: {origin}")]
    Diverged {
        /// What was found.
        what: String,
        /// Epoch, from 1.
        epoch: usize,
        /// Update within the run, from 1, in which it was found.
        step: u64,
        /// Where it began.
        origin: Origin,
    },
    /// An output or a loss of a model is NaN or infinite, though its weights are finite.
    #[error(
        "the model's {} for {sample} is {value}: a sum in it exceeds the range of single precision",
        class.map_or("loss".into(), |class| format!("output of class {class}"))
    )]
    NotFinite {
        /// Name of the sample, such as `test sample 7`.
        sample: String,
        /// Its position among the samples, from 0.
        index: usize,
        /// The class of the output; `None` for a loss.
        class: Option<usize>,
        /// The value.
        value: f32,
    },
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's message.
        error: std::io::Error,
    },
}

/// Why no adapter fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAdapter {
    /// No adapter was found.
    None,
    /// No adapter has the requested name.
    Name,
    /// Unknown backend.
    Backend,
    /// The adapter could not be opened.
    Open,
    /// The adapter lacks a feature.
    Lacks,
}

/// What decides the size of a tensor that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// The samples held on the device.
    Data,
    /// The rows of a micro-batch; `rows` of them would fit.
    MicroBatch {
        /// Rows, a power of two.
        rows: usize,
    },
    /// The widths of the layers.
    Width,
}

/// Where a value first became NaN or infinite.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// In a tensor that a dispatch wrote, or that held the value before the first dispatch.
    Tensor {
        /// Name in the plan, and shape.
        tensor: String,
        /// The layer it belongs to, from 1.
        layer: usize,
        /// Row and column of the first such value.
        place: (usize, usize),
        /// The value.
        value: f32,
        /// Update within the run, from 1.
        step: u64,
        /// The kernel that wrote the value; `None` if the value was there when the update began.
        kernel: Option<&'static str>,
    },
    /// Repeating the updates did not reproduce the value.
    Nowhere {
        /// First repeated update, from 1.
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
                write!(f, "it did not occur again when all updates from step {from} on were repeated")
            }
        }
    }
}

impl Error {
    /// The error of an adapter without a feature that `whose` needs.
    pub fn lacks(adapter: &str, needs: impl Display, whose: &str) -> Error {
        let problem = format!("{whose} needs {needs}, which {adapter} does not have or was not opened with");
        Error::NoAdapter { problem, cause: NoAdapter::Lacks }
    }

    /// Adds the path to the operating system's error.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        |error| Error::File { path, error }
    }
}
