//! How good a model is: accuracy with its uncertainty, loss, confusion matrix.

use crate::data::Split;
use crate::error::Error;
use crate::feed::Feed;
use crate::machine::Machine;
use crate::model::Mlp;
use crate::model_file::Description;
use crate::net::{Net, Sizes};
use crate::train::{Score, evaluate, load_parameters};

/// A model's results on a split.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Loss and hits.
    pub score: Score,
    /// Probabilities (N, C), row by row.
    pub probabilities: Vec<f32>,
    /// Number of classes C.
    pub classes: usize,
    /// `confusion[truth · C + prediction]` is a number of samples.
    pub confusion: Vec<u64>,
}

impl Assessment {
    /// The most probable class of a sample; of equals the first.
    pub fn prediction(&self, sample: usize) -> usize {
        let row = &self.probabilities[sample * self.classes..][..self.classes];
        row.iter().enumerate().fold(0, |best, (class, p)| if *p > row[best] { class } else { best })
    }
}

/// Softmax of one row of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|z| (z - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

/// Wilson's 95 % interval for a share (Wilson, JASA 22, 1927): stays inside 0 … 1 and is right for shares near 1 too.
pub fn wilson(hits: u64, samples: u64) -> (f64, f64) {
    let (z, n) = (1.959_963_984_540_054, samples as f64);
    let p = hits as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// Scores a model on a split.
///
/// # Errors
/// [`Error::Setting`] if the samples or labels do not fit the model; errors of the device.
pub async fn assess(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    split: &Split,
    item: &[usize],
) -> Result<Assessment, Error> {
    let (inputs, classes) = (item.iter().product(), model.classes());
    if inputs != model.inputs() {
        return Err(Error::Setting(format!(
            "the model takes items of {:?} ({} inputs), but the data set has items of {item:?}",
            description.item,
            model.inputs()
        )));
    }
    if let Some(sample) = split.labels.iter().position(|&label| usize::from(label) >= classes) {
        let label = split.labels[sample];
        return Err(Error::Setting(format!(
            "sample {sample} has label {label}, but the model knows {classes} classes"
        )));
    }
    let config = description.config();
    let sizes = Sizes {
        inputs,
        classes,
        train: 0,
        validation: 0,
        test: split.len(),
        forms: machine.form().into(),
        limit: machine.limit(),
    };
    let net = Net::for_evaluation(&config, sizes, description.scale, description.shift);
    let mut engine = machine.engine(&net.plan).await?;
    load_parameters(engine.as_mut(), &net.layers, model);
    let mut feed = Feed::new(net.evaluation.source, split, engine.as_mut());
    let mut probabilities = Vec::with_capacity(split.len() * classes);
    let mut collect = |_, logits: &[f32]| {
        for row in logits.chunks_exact(classes) {
            probabilities.extend(softmax(row));
        }
    };
    let score = evaluate(engine.as_mut(), &net.evaluation, &mut feed, split, Some(&mut collect)).await?;
    let mut result = Assessment { score, probabilities, classes, confusion: vec![0; classes * classes] };
    for (sample, &label) in split.labels.iter().enumerate() {
        let prediction = result.prediction(sample);
        result.confusion[usize::from(label) * classes + prediction] += 1;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::wilson;

    /// Worked by hand from the formula: 98 of 100 hits.
    #[test]
    fn the_interval_of_98_in_100_is_the_textbook_one() {
        let (low, high) = wilson(98, 100);
        assert!((low - 0.929988).abs() < 1e-6 && (high - 0.994498).abs() < 1e-6, "{low} {high}");
        assert!((wilson(10, 10).1 - 1.0).abs() < 1e-12 && wilson(0, 10).0 < 1e-12);
    }
}
