//! Multilayer perceptrons trained with WGSL compute shaders, every shader proved against a CPU twin.
//!
//! # The tour: follow one digit
//!
//! On disk a digit is 784 bytes in an IDX file. [`data`] finds the file, checks its hash and reads it; where there is no
//! MNIST, [`data::digits`] draws digits of its own.
//!
//! [`config`] says what a run is made of, and [`model`] draws the first weights. [`net`] lays both out as a
//! [`plan`]: named [`tensor`]s and a list of dispatches. A dispatch is a [`kernel`], of which [`kernels`] has one a page:
//! formula, shapes, CPU twin, error bound, cases.
//!
//! With its siblings the digit crosses the bus once, as bytes ([`feed`]). A [`session`] is a run of epochs and what is asked
//! after each; [`train`] shuffles and trains them, and [`steps`] cuts the order into batches. In a step
//! [`kernels::gather`] makes the digit a row of `x0 (B, 784)`; [`kernels::linear`] makes it `h1 (B, H)` and then
//! `logits (B, C)`; [`kernels::softmax_xent`] asks how wrong that was and leaves `dlogits`. [`kernels::linear_dx`] carries
//! this error signal δ down, [`kernels::linear_dw`] and [`kernels::linear_db`] turn it into gradients, and [`kernels::sgd`]
//! (or [`kernels::momentum`], or [`kernels::adam`]) into a small change of the weights; by default [`kernels::update`] does
//! the last three in one visit. A record of losses and hits ([`kernels::tally`]) goes home.
//!
//! An [`engine`] does what the plan says: [`cpu`] as a loop over the twins, [`gpu`] as compute passes; [`machine`] chooses,
//! and [`tune`] finds the fastest form of each product. [`court`] compares the two. [`assess`] says how good the result
//! is, [`model_file`] and [`metrics`] write it down; [`mod@bench`] says how fast it came about, and [`mod@lr_find`] which
//! learning rate to begin with. [`export`] writes models for other programs, [`state_dict`] reads theirs, and
//! [`tensorboard`] shows a run while it goes.
//!
//! # Train on your own arrays
//!
//! ```
//! use gpu_mlp::config::Config;
//! use gpu_mlp::data::{DataSet, Split};
//! use gpu_mlp::machine::{EngineName, Machine};
//! use gpu_mlp::session::{Limits, Report, Session, Wish};
//!
//! # fn main() -> Result<(), gpu_mlp::Error> {
//! // Points of a plane, two bytes each; the class says on which side of the diagonal they lie.
//! let points: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
//! let labels = points.chunks(2).map(|xy| u8::from(xy[0] > xy[1])).collect::<Vec<u8>>();
//! let (train, test) = (Split { pixels: points.clone(), labels: labels.clone() }, Split { pixels: points, labels });
//! let data = DataSet::from_splits("diagonal", vec![2], train, test)?;
//!
//! let config = Config { hidden: vec![16], epochs: 20, ..Config::default() };
//! let accuracy = pollster::block_on(async {
//!     let (machine, which) = Machine::choose(EngineName::Auto, &Default::default()).await?;
//!     println!("{which}");
//!     let mut session = Session::open(&config, &data, &machine, Limits::default()).await?;
//!     let mut accuracy = 0.0;
//!     let mut each_epoch = |epoch: &Report| {
//!         accuracy = epoch.test.map_or(0.0, |test| test.accuracy());
//!         println!("epoch {}: loss {:.3}, accuracy {accuracy:.3}", epoch.epoch, epoch.train.loss());
//!         Wish::Continue
//!     };
//!     session.run(&mut each_epoch).await?;
//!     Ok::<_, gpu_mlp::Error>(accuracy)
//! })?;
//! assert!(accuracy > 0.95, "{accuracy}");
//! # Ok(())
//! # }
//! ```

pub mod assess;
mod audited;
pub mod bench;
pub mod cache;
pub mod checkpoint;
pub mod config;
pub mod court;
pub mod cpu;
pub mod data;
pub mod disk;
pub mod engine;
mod error;
pub mod export;
pub mod feed;
pub mod forms;
pub mod gpu;
pub mod health;
pub mod history;
#[cfg(feature = "images")]
pub mod images;
pub mod kernel;
pub mod kernels;
pub mod lr_find;
pub mod machine;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod model_file;
pub mod net;
#[cfg(feature = "formats")]
pub mod picture;
pub mod plan;
#[cfg(any(feature = "formats", feature = "images"))]
pub mod png;
pub mod preset;
#[cfg(feature = "report")]
pub mod report;
pub mod rng;
pub mod session;
pub mod state_dict;
pub mod steps;
pub mod tensor;
#[cfg(feature = "formats")]
pub mod tensorboard;
pub mod train;
pub mod tune;
pub mod watch;

pub use error::{Error, Origin};
