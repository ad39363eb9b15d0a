//! Tests without an adapter: files, numbers, the CPU engine, the shader sources.

#[path = "../common/mod.rs"]
mod common;

mod architecture;
mod arrays;
mod choices;
mod data;
mod data_files;
mod data_sets;
mod dependencies;
mod digits;
mod ensembles;
mod explain;
mod export;
mod features;
mod fetch;
mod gradients;
mod harness;
#[cfg(feature = "report")]
mod lab;
mod learning_rate;
mod metrics;
mod model_file;
mod novelty;
mod package;
mod parallel;
mod pictures;
mod real_mnist;
mod report;
mod results;
mod shaders;
mod state_dict;
mod survey;
#[cfg(feature = "tables")]
mod tables;
mod tensorboard;
mod torn;
mod twins;
mod updates;
mod weights;
