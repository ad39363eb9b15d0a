//! How much each column of a table matters to a model.

use super::metrics::{Importance, Regression, Weights, importance};
use super::predictions::most_probable;
use super::{Predictor, in_units};
use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::data::{Samples, Split, Task};
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use rand::seq::index;

/// Permutations of each column.
const REPEATS: usize = 5;
/// Maximum number of rows used. The model is evaluated on them [`REPEATS`] times per column.
const MOST_ROWS: usize = 2000;
/// Seed of the permutations and of the choice of rows. It is fixed, so the same model gets the same result.
const SEED: u64 = 1;

/// How much a score drops if the values of one column are permuted among the rows, for each column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Importances {
    /// The score: `accuracy` of classes, `mean accuracy` of labels, `R²` of real values (the mean of all targets).
    pub score: &'static str,
    /// Its value for the rows as they are.
    pub value: f64,
    /// The number of rows used.
    pub rows: usize,
    /// Permutations of each column.
    pub repeats: usize,
    /// Name and importance of each column, the most important first.
    pub columns: Vec<(String, Importance)>,
}

/// The importance of the columns of a table, on a split of encoded samples. All inputs of a column are permuted together:
/// those of its categories, or a number with its indicator of missing values. At most 2,000 rows are used, chosen at random.
///
/// # Errors
/// [`Error::Setting`] if the model was not trained on a table, if the split is not one of such samples, or if the score is not
/// defined for its rows; [`Error::NotFinite`] if an output of the model is not finite; errors of the device.
pub async fn importances(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    split: &Split,
) -> Result<Importances, Error> {
    let (Some(features), true) = (&description.features, description.header.is_some()) else {
        let problem = "the importance of columns is only for tables, and the model was not trained on a table";
        return Err(Error::Setting(problem.into()));
    };
    let split = if split.len() > MOST_ROWS {
        let mut rows = index::sample(&mut host(SEED, Stream::Importance, u64::MAX), split.len(), MOST_ROWS).into_vec();
        rows.sort_unstable();
        &split.rows(&rows)
    } else {
        split
    };
    let task = description.task();
    let score = match task {
        Task::Classes { .. } => "accuracy",
        Task::Values { .. } => "R²",
        Task::Labels { .. } => "mean accuracy",
    };
    let mut predictor = Predictor::new(machine, model, description, split.len()).await?;
    let scored = async |rows: &[f32]| {
        let mut outputs = predictor.forward(&Samples::from(rows)).await?;
        in_units(&task, description.counts(), &mut outputs);
        value(&task, &outputs, split)?.ok_or_else(|| {
            Error::Setting(format!(
                "the importance of columns is the drop of the {score}, which is not defined for these rows: their true \
                 values are all equal, or their weights are all 0"
            ))
        })
    };
    let widths: Vec<usize> = features.columns.iter().map(|feature| feature.inputs()).collect();
    let rows = split.samples.floats().unwrap_or_default();
    let (value, found) = importance(rows, &widths, REPEATS, SEED, scored).await?;
    let names = features.columns.iter().map(|feature| feature.name.clone());
    let mut columns: Vec<(String, Importance)> = names.zip(found).collect();
    columns.sort_by(|(_, a), (_, b)| b.mean.total_cmp(&a.mean));
    Ok(Importances { score, value, rows: split.len(), repeats: REPEATS, columns })
}

/// The score of outputs in their units; `None` if it is not defined.
fn value(task: &Task, outputs: &[f32], split: &Split) -> Result<Option<f64>, Error> {
    let width = task.outputs();
    let weights = split.weights.as_deref();
    let share = |hits: Vec<f64>| Ok(Weights::new(weights, split.len())?.mean(hits.into_iter()));
    match task {
        Task::Classes { .. } => {
            let answers = outputs.chunks_exact(width).map(most_probable);
            let hits = answers.zip(split.classes()).map(|(class, &truth)| f64::from(u8::from(class == truth as usize)));
            share(hits.collect())
        }
        Task::Labels { .. } => {
            let truth = split.targets.numbers().unwrap_or_default();
            let rows = outputs.chunks_exact(width).zip(truth.chunks_exact(width));
            let right = |(p, y): (&f32, &f32)| (*p > 0.5) == (*y == 1.0);
            let hits = rows.map(|(p, y)| p.iter().zip(y).filter(|&pair| right(pair)).count() as f64 / width as f64);
            share(hits.collect())
        }
        Task::Values { .. } => {
            let mut truth = split.targets.numbers().unwrap_or_default().to_vec();
            in_units(task, false, &mut truth);
            let targets = Regression::of_targets(outputs, &truth, width, weights)?;
            let defined: Vec<f64> = targets.iter().filter_map(Regression::r2).collect();
            Ok((!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64))
        }
    }
}
