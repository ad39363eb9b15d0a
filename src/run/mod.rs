//! The run folder: writes and reads everything that is saved of a run.

pub mod checkpoint;
pub mod fits;
pub mod folder;
pub mod history;
pub mod journal;
pub mod metrics;
pub mod model_file;
pub mod recorded;
pub mod restart;
pub mod scores;
pub mod seeds;
pub mod settings;
pub mod state_dict;
pub mod sweep;
