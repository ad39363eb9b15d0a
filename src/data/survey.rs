//! What a data set holds: counts per class, ranges, duplicates; the columns of a table. [`Survey::notes`] names what is
//! suspicious.
//!
//! A sample is compared by a 64-bit hash first and then byte by byte, so equal hashes of different samples do no harm.

mod columns;
mod notes;

pub use columns::{ColumnSurvey, Spread};
pub use notes::lost_classes;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;

use super::{DataSet, Split};

/// What one split holds. Ranges, blank samples and copies are those of bytes; of numbers they are not surveyed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitSurvey {
    /// The number of samples.
    pub samples: usize,
    /// The number of samples of each class; empty if the targets are not classes.
    pub classes: Vec<usize>,
    /// Real values or labels (1 or 0); empty if the targets are classes.
    pub targets: Vec<ColumnSurvey>,
    /// The smallest and the largest value.
    pub range: [u8; 2],
    /// The mean of all values.
    pub mean: f64,
    /// The standard deviation of all values.
    pub deviation: f64,
    /// The samples whose values are all equal.
    pub blank: Vec<usize>,
    /// The number of samples that equal an earlier one of the split, without those in `blank`.
    pub duplicates: usize,
    /// The number of those with another label than the first of their kind.
    pub contradictions: usize,
}

/// What a data set holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The training split.
    pub train: SplitSurvey,
    /// The test split.
    pub test: SplitSurvey,
    /// The names of the classes; empty if the targets are not classes.
    pub names: Vec<String>,
    /// The columns of the training split; empty if samples are bytes.
    pub columns: Vec<ColumnSurvey>,
    /// The number of features with one value in the whole training split.
    pub constant_features: usize,
    /// The number of test samples that are training samples, too.
    pub shared: usize,
    /// Whether both splits have the same samples in the same order.
    pub same: bool,
    /// Whether a sample has two dimensions or more.
    pub pictures: bool,
    /// Whether samples are bytes.
    pub bytes: bool,
    /// Whether the classes of this data set are known to begin with 1, as those of EMNIST's letters.
    from_one: bool,
}

/// What is found in one pass over a sample.
struct Sample {
    hash: u64,
    range: [u8; 2],
    sum: u64,
    squares: u64,
}

fn sample(pixels: &[u8]) -> Sample {
    let mut hasher = DefaultHasher::new();
    pixels.hash(&mut hasher);
    let (low, high) = pixels.iter().fold((u8::MAX, 0), |(low, high), &p| (low.min(p), high.max(p)));
    let mut sums = (0, 0);
    // The sums of a part fit in 32 bits.
    for part in pixels.chunks(1 << 15) {
        sums.0 += u64::from(part.iter().map(|&p| u32::from(p)).sum::<u32>());
        sums.1 += u64::from(part.iter().map(|&p| u32::from(p) * u32::from(p)).sum::<u32>());
    }
    Sample { hash: hasher.finish(), range: [low, high], sum: sums.0, squares: sums.1 }
}

/// The first sample of each kind, by its hash.
type Firsts = HashMap<u64, usize>;

fn split(split: &Split, inputs: usize, classes: usize) -> (SplitSurvey, Vec<u64>, Firsts) {
    let found: Vec<Sample> = split.pixels().par_chunks_exact(inputs).map(sample).collect();
    let mut survey = SplitSurvey { samples: split.len(), classes: split.counts(classes), ..SplitSurvey::default() };
    survey.range = found.iter().fold([u8::MAX, 0], |[low, high], s| [low.min(s.range[0]), high.max(s.range[1])]);
    let values = split.pixels().len().max(1) as f64;
    survey.mean = found.iter().map(|sample| sample.sum).sum::<u64>() as f64 / values;
    let square = found.iter().map(|sample| sample.squares).sum::<u64>() as f64 / values;
    survey.deviation = (square - survey.mean * survey.mean).max(0.0).sqrt();
    survey.blank = (0..found.len()).filter(|&at| found[at].range[0] == found[at].range[1]).collect();
    let mut firsts = Firsts::with_capacity(split.len());
    for (at, sample) in found.iter().enumerate() {
        let first = *firsts.entry(sample.hash).or_insert(at);
        let blank = sample.range[0] == sample.range[1];
        if first != at && !blank && split.sample(first) == split.sample(at) {
            survey.duplicates += 1;
            survey.contradictions += usize::from(split.classes().get(first) != split.classes().get(at));
        }
    }
    (survey, found.into_iter().map(|sample| sample.hash).collect(), firsts)
}

/// The number of features that have the same value in every sample.
fn constant_features(values: &[u8], inputs: usize) -> usize {
    let Some(first) = values.get(..inputs) else { return 0 };
    let mut open: Vec<usize> = (0..inputs).collect();
    for sample in values.chunks_exact(inputs) {
        open.retain(|&at| sample[at] == first[at]);
    }
    open.len()
}

impl Survey {
    /// Surveys a data set, before it is encoded: one pass over its samples, on all threads.
    #[must_use]
    pub fn of(data: &DataSet) -> Survey {
        let inputs = data.inputs();
        let names = if data.task.is_classes() { data.task.names() } else { &[] };
        let (mut train, _, firsts) = split(&data.train, inputs, names.len());
        let (mut test, hashes, _) = split(&data.test, inputs, names.len());
        train.targets = columns::targets(&data.train, data.task.names());
        test.targets = columns::targets(&data.test, data.task.names());
        let columns = columns::features(data);
        let is_shared = |(at, hash): (usize, &u64)| {
            firsts.get(hash).is_some_and(|&first| data.train.sample(first) == data.test.sample(at))
        };
        Survey {
            train,
            test,
            names: names.to_vec(),
            constant_features: match data.train.samples.bytes() {
                Some(values) => constant_features(values, inputs),
                None => columns.iter().filter(|column| column.constant).count(),
            },
            columns,
            bytes: data.train.samples.bytes().is_some(),
            shared: hashes.iter().enumerate().filter(|&pair| is_shared(pair)).count(),
            same: data.train == data.test,
            pictures: data.item.len() > 1 && inputs > 1,
            from_one: data.name.starts_with("emnist-"),
        }
    }
}
