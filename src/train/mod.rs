//! Training: updates over shuffled samples, on any engine, starting at any update.

mod advance;
mod chunk;
mod evaluate;
pub mod exchange;
mod executor;
pub mod feed;
pub mod fleet;
pub mod golden;
pub mod health;
pub mod lr_find;
mod parallel;
mod prepare;
pub mod rates;
mod replay;
mod score;
pub mod session;
mod shards;
pub mod steps;
mod tensors;
mod trainer;
pub mod trial;
pub mod updates;

pub use advance::{Epoch, OnProgress};
pub use evaluate::{OnLogits, evaluate, evaluate_pass};
pub(crate) use evaluate::{WorstLoss, not_finite};
pub(crate) use feed::write_samples;
pub use prepare::{divide, divide_as, input_map, load_parameters, prepare, shuffled};
pub use score::{Metric, Score};
pub use tensors::Values;
pub use trainer::Trainer;
