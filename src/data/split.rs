//! A split: samples with their targets, and weights if there are any.

use std::fmt;

/// Samples (N, I), row-major.
#[derive(Clone, PartialEq)]
pub enum Samples {
    /// Bytes, such as the pixels of a grey picture: 0 (background) to 255.
    Bytes(Vec<u8>),
    /// Numbers. NaN stands for a missing value; only a [raw](super::DataSet::is_ready) split has any.
    Floats(Vec<f32>),
}

impl Samples {
    /// The number of values, N·I.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Samples::Bytes(values) => values.len(),
            Samples::Floats(values) => values.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values if they are bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Samples::Bytes(values) = self { Some(values) } else { None }
    }

    /// The values if they are floats.
    #[must_use]
    pub fn floats(&self) -> Option<&[f32]> {
        if let Samples::Floats(values) = self { Some(values) } else { None }
    }

    /// Rows of `width` values, in the given order.
    fn rows(&self, rows: &[usize], width: usize) -> Samples {
        match self {
            Samples::Bytes(values) => Samples::Bytes(picked(values, rows, width)),
            Samples::Floats(values) => Samples::Floats(picked(values, rows, width)),
        }
    }
}

impl Default for Samples {
    fn default() -> Samples {
        Samples::Bytes(Vec::new())
    }
}

impl From<Vec<u8>> for Samples {
    fn from(values: Vec<u8>) -> Samples {
        Samples::Bytes(values)
    }
}

impl From<&[u8]> for Samples {
    fn from(values: &[u8]) -> Samples {
        Samples::Bytes(values.to_vec())
    }
}

impl From<&[f32]> for Samples {
    fn from(values: &[f32]) -> Samples {
        Samples::Floats(values.to_vec())
    }
}

impl From<Vec<f32>> for Samples {
    fn from(values: Vec<f32>) -> Samples {
        Samples::Floats(values)
    }
}

/// What is known about N samples.
#[derive(Clone, PartialEq)]
pub enum Targets {
    /// The class of each sample (N), from 0.
    Classes(Vec<u32>),
    /// Real values (N, T), row-major.
    Values {
        /// T.
        width: usize,
        /// The values.
        values: Vec<f32>,
    },
    /// 1 (yes) or 0 (no) for each of T labels (N, T), row-major.
    Labels {
        /// T.
        width: usize,
        /// The values.
        values: Vec<f32>,
    },
}

impl Targets {
    /// The number of samples, N.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes(classes) => classes.len(),
            Targets::Values { width, values } | Targets::Labels { width, values } => values.len() / (*width).max(1),
        }
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers (N, T) of values and labels; `None` for classes.
    #[must_use]
    pub fn numbers(&self) -> Option<&[f32]> {
        match self {
            Targets::Classes(_) => None,
            Targets::Values { values, .. } | Targets::Labels { values, .. } => Some(values),
        }
    }

    fn rows(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Classes(classes) => Targets::Classes(picked(classes, rows, 1)),
            Targets::Values { width, values } => {
                Targets::Values { width: *width, values: picked(values, rows, *width) }
            }
            Targets::Labels { width, values } => {
                Targets::Labels { width: *width, values: picked(values, rows, *width) }
            }
        }
    }
}

impl Default for Targets {
    fn default() -> Targets {
        Targets::Classes(Vec::new())
    }
}

/// Class numbers as bytes, as IDX files have them.
impl From<Vec<u8>> for Targets {
    fn from(classes: Vec<u8>) -> Targets {
        Targets::Classes(classes.into_iter().map(u32::from).collect())
    }
}

impl From<Vec<u32>> for Targets {
    fn from(classes: Vec<u32>) -> Targets {
        Targets::Classes(classes)
    }
}

/// One real value per sample.
impl From<Vec<f32>> for Targets {
    fn from(values: Vec<f32>) -> Targets {
        Targets::Values { width: 1, values }
    }
}

/// The samples of one part of a data set, such as training or test: N samples of I values each.
#[derive(Clone, Default, PartialEq)]
pub struct Split {
    /// Samples (N, I).
    pub samples: Samples,
    /// Targets (N).
    pub targets: Targets,
    /// The weight of each sample (N): 2 counts it twice, 0 leaves it out. `None`: all count once.
    pub weights: Option<Vec<f32>>,
}

impl Split {
    /// Samples (N, I) with their targets, without weights: bytes or floats; classes as `u8` or `u32`, or real values as `f32`.
    #[must_use]
    pub fn new(samples: impl Into<Samples>, targets: impl Into<Targets>) -> Split {
        Split { samples: samples.into(), targets: targets.into(), weights: None }
    }

    /// The number of samples, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values in one sample, I.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.samples.len() / self.len().max(1)
    }

    /// The class of each sample; empty if the targets are not classes.
    #[must_use]
    pub fn classes(&self) -> &[u32] {
        if let Targets::Classes(classes) = &self.targets { classes } else { &[] }
    }

    /// The samples as bytes; empty if they are floats.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.samples.bytes().unwrap_or_default()
    }

    /// The bytes of a sample; empty if samples are floats.
    #[must_use]
    pub fn sample(&self, at: usize) -> &[u8] {
        let inputs = self.inputs();
        self.pixels().get(at * inputs..(at + 1) * inputs).unwrap_or_default()
    }

    /// The number of samples of each of `classes` classes.
    #[must_use]
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        self.classes().iter().for_each(|&class| counts[class as usize] += 1);
        counts
    }

    /// The sum of the weights; the number of samples if they have none.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let sum = |weights: &Vec<f32>| weights.iter().map(|&weight| f64::from(weight)).sum();
        self.weights.as_ref().map_or(self.len() as f64, sum)
    }

    /// The samples with these numbers, in this order.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Split {
        Split {
            samples: self.samples.rows(rows, self.inputs()),
            targets: self.targets.rows(rows),
            weights: self.weights.as_ref().map(|weights| picked(weights, rows, 1)),
        }
    }

    /// The marked samples and the others, each in the order of the split. Only the smaller part is copied.
    pub(super) fn parted(self, marked: &[bool]) -> (Split, Split) {
        let inputs = self.inputs();
        let (samples, others) = match self.samples {
            Samples::Bytes(values) => both(parted(values, marked, inputs), Samples::Bytes),
            Samples::Floats(values) => both(parted(values, marked, inputs), Samples::Floats),
        };
        let (targets, other_targets) = match self.targets {
            Targets::Classes(classes) => both(parted(classes, marked, 1), Targets::Classes),
            Targets::Values { width, values } => {
                both(parted(values, marked, width), |values| Targets::Values { width, values })
            }
            Targets::Labels { width, values } => {
                both(parted(values, marked, width), |values| Targets::Labels { width, values })
            }
        };
        let (weights, other_weights) = self.weights.map(|weights| parted(weights, marked, 1)).unzip();
        let others = Split { samples: others, targets: other_targets, weights: other_weights };
        (Split { samples, targets, weights }, others)
    }

    /// The first `samples` samples, or all if there are fewer.
    #[must_use]
    pub fn head(&self, samples: usize) -> Split {
        self.rows(&(0..samples.min(self.len())).collect::<Vec<_>>())
    }
}

/// Prints sizes only; the values would fill megabytes of a log.
impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Split {{ {} samples, {} values }}", self.len(), self.samples.len())
    }
}

fn picked<T: Copy>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
    let mut picked = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|&row| picked.extend_from_slice(&values[row * width..][..width]));
    picked
}

/// The marked rows and the others. The larger part stays where it is: a second table may not fit into memory.
fn parted<T: Copy>(mut values: Vec<T>, marked: &[bool], width: usize) -> (Vec<T>, Vec<T>) {
    let count = marked.iter().filter(|marked| **marked).count();
    let moved = 2 * count <= marked.len();
    let mut taken = Vec::with_capacity(count.min(marked.len() - count) * width);
    let mut kept = 0;
    for (row, &marked) in marked.iter().enumerate() {
        let place = row * width..(row + 1) * width;
        if marked == moved {
            taken.extend_from_slice(&values[place]);
        } else {
            values.copy_within(place, kept * width);
            kept += 1;
        }
    }
    values.truncate(kept * width);
    values.shrink_to_fit();
    if moved { (taken, values) } else { (values, taken) }
}

fn both<T, U>((one, other): (T, T), f: impl Fn(T) -> U) -> (U, U) {
    (f(one), f(other))
}
