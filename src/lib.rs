//! Multilayer perceptrons trained with WGSL compute shaders, every shader proved against a CPU twin.
//!
//! # The tour: follow one digit
//!
//! On disk a digit is 784 bytes in an IDX file. [`data`] finds the file, checks its hash and reads it; where there is no
//! MNIST, [`data::digits`] draws digits of its own.
//!
//! [`config`] says what a run is made of, and [`model`] draws the first weights, with the random streams of [`rng`]. [`net`]
//! lays both out as a [`plan`]: named [`tensor`]s and a list of dispatches. A dispatch is a [`kernel`], of which [`kernels`]
//! has one a page: formula, shapes, twin, error bound, cases. A twin is the same function in plain Rust: the CPU engine is a
//! loop over twins, and the court holds every shader to its twin.
//!
//! With its siblings the digit crosses the bus once, as bytes ([`feed`]). A [`session`] is a run of epochs and what is asked
//! after each; [`train`] shuffles and trains them, and [`steps`] cuts the order into batches of B. For one hidden layer of H
//! units and for C classes a step is, as the textbook has it (`--plan plain`):
//!
//! | kernel | what it makes |
//! |---|---|
//! | [`kernels::dropout`] | `mask1 (B, H)`: a random bit a unit, 1 with probability keep; only where keep is below 1 |
//! | [`kernels::gather`] | `x0 (B, 784)`, a row a digit, and `t (B)`, their classes |
//! | [`kernels::linear`] | `h1 (B, H)` = act(x0·w1ᵀ + b1) ⊙ mask1 / keep, then `logits (B, C)` = h1·w2ᵀ + b2 |
//! | [`kernels::softmax_xent`] | p = softmax(logits): each loss −ln p\[t\] and hit, `dlogits (B, C)` = (p − y) / B with y = onehot(t) |
//! | [`kernels::tally`] | their sums: the record of losses and hits that goes home |
//! | [`kernels::linear_dx`] | the error signal of the layer below, `dh1 (B, H)` = (dlogits·w2) ⊙ act'(h1) ⊙ mask1 / keep |
//! | [`kernels::linear_dw`] | `dw = δᵀ·x`, of δ = dlogits and x = h1, then of δ = dh1 and x = x0 |
//! | [`kernels::linear_db`] | `db`, the sum of δ over the batch |
//! | [`kernels::sgd`] | w ← w − lr·dw; or the optimizer is [`kernels::momentum`], [`kernels::adam`], [`kernels::rmsprop`] |
//!
//! The default plan does the same in fewer dispatches: [`kernels::head`] goes from `h1` to `dh1` and the record at once (for
//! up to 16 classes), and [`kernels::update`] uses a layer's gradients where it makes them, so that they take no memory.
//!
//! An [`engine`] does what the plan says: [`cpu`] as a loop over the twins, [`gpu`] as compute passes; [`machine`] chooses,
//! and [`tune`] finds the fastest of the [`forms`] of each product. [`court`] compares the two. What one step leaves to the
//! next is kept in a [`checkpoint`], from which a run goes on to the bit. [`assess`] says how good the result is,
//! [`model_file`] and [`metrics`] write it down, [`history`] reads the record back and [`report`] makes a page of it;
//! [`mod@bench`] says how fast it came about, and [`mod@lr_find`] which learning rate to begin with. [`export`] writes models
//! for other programs, [`state_dict`] reads theirs, and [`tensorboard`] shows a run while it goes.
//!
//! # Train on your own arrays
//!
//! ```
//! use gpu_mlp::config::Config;
//! use gpu_mlp::data::{DataSet, Split};
//! use gpu_mlp::machine::{EngineName, Machine};
//! use gpu_mlp::session::{EpochReport, Limits, Session, Wish};
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
//!     let mut each_epoch = |epoch: &EpochReport| {
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
