//! Division of one set of samples: into training and test samples, and of the training split into validation samples,
//! training samples and samples that are not used.

use super::{DataSet, Split, Targets};
use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::base::text::counted;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// The samples that become the validation split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldOut {
    /// This many; none for 0.
    Samples(usize),
    /// One of several folds, which have no sample in common and together are the training split. Their sizes, and those of
    /// each class in them, differ by at most 1.
    Fold {
        /// Number of the fold, from 1.
        number: usize,
        /// Number of folds.
        of: usize,
    },
}

impl From<usize> for HeldOut {
    fn from(samples: usize) -> HeldOut {
        HeldOut::Samples(samples)
    }
}

impl DataSet {
    /// Moves `validation` samples of the training split into a validation split (none for 0), and keeps at most `limit` of
    /// the rest for training. The test split does not change.
    ///
    /// Both draws are stratified: each class keeps its share, rounded to a sample. So even a small split has samples of every
    /// class, and its accuracy varies less than with a simple random draw (Kohavi, IJCAI 1995). The draws depend on the labels
    /// and `seed` alone: runs that differ in other settings use the same validation samples.
    ///
    /// # Errors
    /// [`Error::Setting`] if no training samples would remain, or if a fold would be empty.
    pub fn divided(self, validation: impl Into<HeldOut>, limit: Option<usize>, seed: u64) -> Result<DataSet, Error> {
        let samples = self.train.len();
        let held_out = match validation.into() {
            HeldOut::Samples(wanted) if wanted >= samples => {
                return Err(Error::Setting(format!(
                    "a validation split of {} leaves none of the {} for training",
                    counted(wanted, "sample"),
                    counted(samples, "training sample")
                )));
            }
            HeldOut::Samples(0) => None,
            HeldOut::Samples(wanted) => Some(stratified(&strata(&self.train), wanted, seed, Stream::Validation)),
            HeldOut::Fold { number, of } if of < 2 || of > samples || !(1..=of).contains(&number) => {
                let samples = counted(samples, "training sample");
                return Err(Error::Setting(format!(
                    "fold {number}/{of} of {samples} does not exist: use 2 folds or more, at most one per sample"
                )));
            }
            HeldOut::Fold { number, of } => {
                let folds = folds(&strata(&self.train), of, seed);
                Some(folds.into_iter().map(|fold| fold + 1 == number).collect::<Vec<bool>>())
            }
        };
        if limit == Some(0) {
            return Err(Error::Setting("no training samples were asked for, but training needs at least 1".into()));
        }
        let mut divided = self;
        if let Some(held_out) = held_out {
            let (held_out, rest) = std::mem::take(&mut divided.train).parted(&held_out);
            (divided.validation, divided.train) = (Some(held_out), rest);
        }
        if let Some(limit) = limit.filter(|limit| *limit < divided.train.len()) {
            let kept = stratified(&strata(&divided.train), limit, seed, Stream::Subset);
            divided.train = std::mem::take(&mut divided.train).parted(&kept).0;
        }
        Ok(divided)
    }
}

/// The group that each sample is drawn from: its class, or one group for all.
fn strata(split: &Split) -> Vec<u32> {
    if let Targets::Classes(classes) = &split.targets { classes.clone() } else { vec![0; split.len()] }
}

/// Marks `wanted` of N samples as test samples, for data without a test file. With classes (N) each class keeps its share,
/// rounded to a sample; without, the draw is simply random. It depends on the classes and the seed alone.
///
/// # Errors
/// [`Error::Setting`] if `wanted` is 0, or if no samples would remain for training.
pub fn test_samples(samples: usize, classes: Option<&[u32]>, wanted: usize, seed: u64) -> Result<Vec<bool>, Error> {
    let of = counted(samples, "sample");
    if wanted == 0 {
        return Err(Error::Setting(format!("a test split needs at least 1 of the {of}: ask for more")));
    }
    if wanted >= samples {
        let test = counted(wanted, "sample");
        return Err(Error::Setting(format!(
            "a test split of {test} leaves none of the {of} for training: ask for fewer"
        )));
    }
    match classes {
        Some(classes) if classes.len() != samples => {
            let given = counted(classes.len(), "class number");
            Err(Error::Setting(format!("{given} for {of}: give one for each sample")))
        }
        Some(classes) => Ok(stratified(classes, wanted, seed, Stream::Test)),
        None => Ok(stratified(&vec![0; samples], wanted, seed, Stream::Test)),
    }
}

/// The fold of each sample, from 0. The shuffled samples of each class are dealt in turn, and each class begins where the
/// one before it ended.
fn folds(labels: &[u32], folds: usize, seed: u64) -> Vec<usize> {
    let mut dealt = vec![0; labels.len()];
    let mut next = 0;
    for (label, mut class) in by_class(labels) {
        class.shuffle(&mut host(seed, Stream::Folds, u64::from(label)));
        for sample in class {
            dealt[sample] = next % folds;
            next += 1;
        }
    }
    dealt
}

/// The samples of each class.
fn by_class(labels: &[u32]) -> BTreeMap<u32, Vec<usize>> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (sample, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(sample);
    }
    classes
}

/// Marks `wanted` samples, each class by its share (largest remainder method): its share rounded down, and one more for the
/// classes with the largest remainders; at equal remainders the lower class first. `wanted` is at most the number of samples.
fn stratified(labels: &[u32], wanted: usize, seed: u64, stream: Stream) -> Vec<bool> {
    let classes = by_class(labels);
    // Products of two sizes, for machines of 32 bits.
    let all = labels.len() as u64;
    let share = |class: &[usize]| class.len() as u64 * wanted as u64;
    let mut by_remainder: Vec<(u32, Vec<usize>)> = classes.into_iter().collect();
    by_remainder.sort_by_key(|(_, class)| std::cmp::Reverse(share(class) % all));
    let whole = by_remainder.iter().map(|(_, class)| share(class) / all).sum::<u64>();
    let missing = wanted as u64 - whole;
    let mut marked = vec![false; labels.len()];
    for (rank, (label, class)) in (0..).zip(&mut by_remainder) {
        let count = share(class) / all + u64::from(rank < missing);
        class.shuffle(&mut host(seed, stream, u64::from(*label)));
        class.iter().take(count as usize).for_each(|&sample| marked[sample] = true);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits::{Options, generate};
    use std::collections::BTreeMap;

    fn counts(labels: &[u32]) -> BTreeMap<u32, usize> {
        labels.iter().fold(BTreeMap::new(), |mut counts, &label| {
            *counts.entry(label).or_default() += 1;
            counts
        })
    }

    /// Samples with their labels, sorted, so that two splits can be compared without regard to order.
    fn contents(splits: &[&Split]) -> Vec<(Vec<u8>, u32)> {
        let samples = splits.iter().flat_map(|split| split.pixels().chunks(784).zip(split.classes()));
        let mut all: Vec<_> = samples.map(|(pixels, &label)| (pixels.to_vec(), label)).collect();
        all.sort();
        all
    }

    #[test]
    fn a_validation_split_is_taken_out_of_the_training_split_and_no_sample_is_lost() {
        let data = generate(&Options { train: 1003, test: 10, seed: 1 });
        let divided = data.clone().divided(103, None, 1).unwrap();
        let validation = divided.validation.as_ref().unwrap();
        assert_eq!((validation.len(), divided.train.len()), (103, 900));
        assert_eq!(contents(&[validation, &divided.train]), contents(&[&data.train]));
        assert_eq!((&divided.test, &divided.sha256), (&data.test, &data.sha256));
    }

    #[test]
    fn folds_partition_the_training_split_and_keep_the_shares_of_the_classes() {
        let data = generate(&Options { train: 1003, test: 10, seed: 1 });
        let fold = |number, seed| data.clone().divided(HeldOut::Fold { number, of: 4 }, None, seed).unwrap();
        let all: Vec<DataSet> = (1..=4).map(|number| fold(number, 1)).collect();
        let held_out: Vec<&Split> = all.iter().map(|data| data.validation.as_ref().unwrap()).collect();
        assert_eq!(held_out.iter().map(|split| split.len()).collect::<Vec<_>>(), [251, 251, 251, 250]);
        assert_eq!(contents(&held_out), contents(&[&data.train]));
        for one in &all {
            assert_eq!(contents(&[one.validation.as_ref().unwrap(), &one.train]), contents(&[&data.train]));
            let counts = counts(one.validation.as_ref().unwrap().classes());
            assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 2, "{counts:?}");
        }
        assert!(fold(1, 1) == all[0] && fold(1, 2) != all[0]);
        assert!(data.divided(HeldOut::Fold { number: 1, of: 1004 }, None, 1).is_err());
    }

    #[test]
    fn every_class_keeps_its_share_to_a_sample() {
        // One class is rare, and the samples are sorted by class.
        let labels: Vec<u8> = [vec![0; 900], vec![1; 95], vec![7; 5]].concat();
        let data =
            DataSet::from_splits("sorted", vec![1], Split::new(vec![0; 1000], labels), Split::new(vec![0], vec![1u8]));
        let divided = data.unwrap().divided(200, Some(100), 1).unwrap();
        assert_eq!(counts(divided.validation.unwrap().classes()), [(0, 180), (1, 19), (7, 1)].into());
        let kept = counts(divided.train.classes());
        assert_eq!(divided.train.len(), 100);
        assert!(kept[&0] == 90 && kept[&1] + kept.get(&7).unwrap_or(&0) == 10, "{kept:?}");
    }

    #[test]
    fn the_draw_is_a_function_of_its_seed() {
        let data = generate(&Options { train: 300, test: 10, seed: 1 });
        let [one, again, other] = [1, 1, 2].map(|seed| data.clone().divided(50, None, seed).unwrap());
        assert!(one == again && one != other);
        assert_eq!(data.clone().divided(0, None, 1).unwrap(), data);
        assert!(data.clone().divided(300, None, 1).is_err() && data.divided(0, Some(0), 1).is_err());
    }

    /// The draws of version 0.1: runs that are resumed must find the same validation samples.
    #[test]
    fn the_draw_is_that_of_earlier_versions() {
        let labels: Vec<u32> = (0..40).map(|sample| [3, 0, 3, 200, 3][sample % 5]).collect();
        let at = |stream| {
            let marked = stratified(&labels, 11, 7, stream);
            (0..40).filter(|&sample| marked[sample]).collect::<Vec<usize>>()
        };
        assert_eq!(at(Stream::Validation), [4, 5, 6, 16, 22, 24, 28, 30, 33, 35, 37]);
        assert_eq!(at(Stream::Subset), [1, 2, 6, 8, 9, 15, 19, 25, 28, 34, 35]);
    }

    #[test]
    fn test_samples_keep_the_shares_of_any_number_of_classes() {
        let classes: Vec<u32> = (0..5000).map(|sample| if sample < 4000 { 70_000 } else { sample % 2 }).collect();
        let marked = test_samples(5000, Some(&classes), 1000, 1).unwrap();
        let count = |class| (0..5000).filter(|&sample| marked[sample] && classes[sample] == class).count();
        assert_eq!([0, 1, 70_000].map(count), [100, 100, 800]);
        assert_eq!(marked, test_samples(5000, Some(&classes), 1000, 1).unwrap());
        assert_ne!(marked, test_samples(5000, Some(&classes), 1000, 2).unwrap());
    }

    #[test]
    fn test_samples_of_real_targets_are_drawn_from_the_whole_file() {
        let marked = test_samples(1000, None, 200, 1).unwrap();
        assert_eq!(marked.iter().filter(|&&marked| marked).count(), 200);
        let first = marked[..500].iter().filter(|&&marked| marked).count();
        assert!((70..=130).contains(&first), "{first}");
        assert!(test_samples(10, None, 10, 1).is_err() && test_samples(10, None, 0, 1).is_err());
        assert!(test_samples(10, Some(&[0; 9]), 5, 1).is_err());
    }
}
