//! Multilayer perceptrons trained with WGSL compute shaders, every shader checked against a CPU twin.
//!
//! # The tour: follow one digit
//!
//! On disk a digit is 784 bytes in an IDX file. [`data`] finds the file, checks its hash and reads it; without MNIST,
//! [`data::digits`] generates digits.
//!
//! [`config`] holds the settings of a run. [`net::mlp`] draws the initial weights from the random streams of
//! [`base::rng`], and [`net`] turns settings into a [`plan`]: named tensors ([`plan::tensor`]) and a list of
//! dispatches. A dispatch runs a kernel ([`plan::kernel`]). [`kernels`] has one page per kernel: formula, shapes, twin,
//! error bound, cases. A twin is the same function in plain Rust. The CPU engine is a loop over twins, and the parity
//! tests compare every shader with its twin.
//!
//! The digit is uploaded once, as bytes, with all the others ([`train::feed`]). A session ([`train::session`]) runs the
//! epochs and makes the decisions after each. A [`train::Trainer`] shuffles the samples and trains, and
//! [`train::steps`] cuts the order of samples into batches of B. For one hidden layer of H units and C classes, the
//! textbook step (`--plan plain`) is:
//!
//! | kernel | output |
//! |---|---|
//! | [`kernels::dropout`] | `mask1 (B, H)`: a random bit per unit, 1 with probability keep; only if keep is below 1 |
//! | [`kernels::gather`] | `x0 (B, 784)`, a row per digit, and `t (B)`, the classes |
//! | [`kernels::linear`] | `h1 (B, H)` = act(x0·w1ᵀ + b1) ⊙ mask1 / keep, then `logits (B, C)` = h1·w2ᵀ + b2 |
//! | [`kernels::softmax_xent`] | p = softmax(logits): each loss −ln p\[t\] and hit, `dlogits (B, C)` = (p − y) / B with y = onehot(t) |
//! | [`kernels::tally`] | sums of losses and metrics: the record that is read back |
//! | [`kernels::linear_dx`] | the error signal of the layer below, `dh1 (B, H)` = (dlogits·w2) ⊙ act'(h1) ⊙ mask1 / keep |
//! | [`kernels::linear_dw`] | `dw = δᵀ·x`, of δ = dlogits and x = h1, then of δ = dh1 and x = x0 |
//! | [`kernels::linear_db`] | `db`, the sum of δ over the batch |
//! | [`kernels::sgd`] | w ← w − lr·dw; or one of [`kernels::momentum`], [`kernels::adam`], [`kernels::rmsprop`] |
//!
//! The default plan does the same in fewer dispatches: [`kernels::head`] goes from `h1` to `dh1` and the record at once
//! (for up to 16 classes), and [`kernels::update`] computes and applies a layer's gradients in one dispatch, without
//! storing them.
//!
//! With `precision` int8, kernels named `int_*` compute the same step in integers, so every machine computes the same bits.
//! [`kernels::fixed`] explains how.
//!
//! An [`engine`] runs the plan: [`engine::cpu`] as a loop over the twins, [`engine::gpu`] as compute passes.
//! [`engine::machine`] chooses one, [`measure::tune`] finds the fastest form of each matrix product
//! ([`kernels::forms`]), and [`engine::parity`] compares two engines.
//!
//! The run folder ([`run`]) holds the settings, the metrics, the model and checkpoints. A checkpoint holds everything
//! that one step passes to the next, so a resumed run is bit-identical to an uninterrupted one. [`results`] says how
//! good the model is, draws the report, and writes ONNX and TensorBoard files. [`measure`] says how fast all of this
//! is.
//!
//! # Train on your own arrays
//!
//! The functions that compute are async. Any executor will do. The examples use the crate `pollster`, which your crate must
//! depend on itself: `cargo add pollster`. With the feature `blocking`, `gpu_mlp::blocking::Model` does the same in five lines
//! without an executor. With the feature `ndarray`, `Split::new` takes views of arrays.
//!
//! ```
//! use gpu_mlp::config::Config;
//! use gpu_mlp::data::{DataSet, Split};
//! use gpu_mlp::engine::machine::{EngineName, Machine};
//! use gpu_mlp::results::assess::Predictor;
//! use gpu_mlp::run::model_file::{self, Description};
//! use gpu_mlp::train::divide;
//! use gpu_mlp::train::session::{EpochReport, Limits, Session, Wish};
//!
//! async fn train_save_and_use(path: &std::path::Path) -> Result<(), gpu_mlp::Error> {
//!     // Points in a plane, two floats each; the class is the side of the diagonal. Targets of `f32` would be real values.
//!     let points: Vec<f32> = (0..2000u32).map(|i| i.wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32).collect();
//!     let labels: Vec<u32> = points.chunks(2).map(|xy| u32::from(xy[0] > xy[1])).collect();
//!     let (train, test) = (Split::new(points.clone(), labels.clone()), Split::new(points, labels));
//!     let data = DataSet::from_splits("diagonal", vec![2], train, test)?;
//!
//!     let config = Config { hidden: vec![16], epochs: 20, ..Config::default() };
//!     // Normalises floats by what the training split shows.
//!     let data = divide(&config, data)?;
//!     let (machine, which) = Machine::choose(EngineName::Auto, &Default::default()).await?;
//!     println!("{which}");
//!     let mut session = Session::open(&config, &data, &machine, Limits::default()).await?;
//!     let mut accuracy = 0.0;
//!     let mut each_epoch = |epoch: &EpochReport| {
//!         accuracy = epoch.test.map_or(0.0, |test| test.metric());
//!         println!("epoch {}: loss {:.3}, accuracy {accuracy:.3}", epoch.epoch, epoch.train.loss());
//!         Wish::Continue
//!     };
//!     session.run(&mut each_epoch).await?;
//!     assert!(accuracy > 0.95, "{accuracy}");
//!
//!     // A model file also holds the architecture, the normalisation and the shape of a sample.
//!     let description = Description::of(&config, &data, session.trainer().net());
//!     model_file::save(path, &session.model().await?, &description)?;
//!
//!     // A predictor is made once and used for any number of calls. This one computes one sample at a time.
//!     let (model, description) = model_file::read(path)?;
//!     let mut predictor = Predictor::new(&machine, &model, &description, 1).await?;
//!     let predictions = predictor.classify(vec![0.9f32, 0.1, 0.1, 0.9]).await?;
//!     assert_eq!((predictions.class(0), predictions.class(1)), (1, 0));
//!     println!("probability of the first answer: {:.3}", predictions.row(0)[1]);
//!     Ok(())
//! }
//!
//! fn main() -> Result<(), gpu_mlp::Error> {
//!     pollster::block_on(train_save_and_use(&std::env::temp_dir().join("diagonal.safetensors")))
//! }
//! ```

pub mod base;
pub mod config;
pub mod data;
pub mod engine;
pub mod kernels;
#[cfg(feature = "report")]
pub mod lab;
pub mod measure;
pub mod net;
pub mod plan;
pub mod results;
pub mod run;
pub mod train;

pub use base::error::{Error, Origin};
#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use results::blocking;
