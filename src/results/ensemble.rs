//! Ensembles: several nets that answer together.
//!
//! The answer of an ensemble is the mean of its members' answers: of the probabilities of classes or labels, of real values in
//! their own units (Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep ensembles",
//! NeurIPS 2017). Members may differ in widths, activations and normalisation, but not in what they read and predict:
//! [`check`].
//!
//! Where members disagree, the answer is in doubt: [`Doubt`]. The members are nets of several runs, or passes of one net with
//! dropout ([`crate::results::assess::McDropout`]). [`Ensemble`] predicts, [`Scores`] collects evaluations.

mod doubt;
mod member;
mod pool;
mod predict;
mod scores;

pub use doubt::{Doubt, DoubtScore, Votes};
pub use member::{Member, check};
pub use pool::Pool;
pub use predict::{Ensemble, Pooled};
pub use scores::{Agreement, Group, Outcome, Scored, Scores, groups};
