//! Division of the training split into validation samples, training samples and samples that are not used.

use super::{DataSet, Split};
use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::base::text::counted;
use rand::seq::SliceRandom;

impl DataSet {
    /// Moves `validation` samples of the training split into a validation split (none for 0), and keeps at most `limit` of
    /// the rest for training. The test split does not change.
    ///
    /// Both draws are stratified: each class keeps its share, rounded to a sample. So even a small split has samples of every
    /// class, and its accuracy varies less than with a simple random draw (Kohavi, IJCAI 1995). The draws depend on the labels
    /// and `seed` alone: runs that differ in other settings use the same validation samples.
    ///
    /// # Errors
    /// [`Error::Setting`] if no training samples would remain.
    pub fn divided(self, validation: usize, limit: Option<usize>, seed: u64) -> Result<DataSet, Error> {
        let samples = self.train.len();
        if validation >= samples {
            return Err(Error::Setting(format!(
                "a validation split of {} leaves none of the {} for training",
                counted(validation, "sample"),
                counted(samples, "training sample")
            )));
        }
        if limit == Some(0) {
            return Err(Error::Setting("no training samples were asked for, but training needs at least 1".into()));
        }
        let mut divided = self;
        if validation > 0 {
            let held_out = stratified(&divided.train.labels, validation, seed, Stream::Validation);
            let (held_out, rest) = divided.train.parted(&held_out);
            (divided.validation, divided.train) = (Some(held_out), rest);
        }
        if let Some(limit) = limit.filter(|limit| *limit < divided.train.len()) {
            let kept = stratified(&divided.train.labels, limit, seed, Stream::Subset);
            divided.train = divided.train.parted(&kept).0;
        }
        Ok(divided)
    }
}

impl Split {
    /// The marked samples and the others, each in the order of the split.
    fn parted(&self, marked: &[bool]) -> (Split, Split) {
        let inputs = self.pixels.len() / self.len().max(1);
        let mut parts = [Split::default(), Split::default()];
        for (sample, marked) in marked.iter().enumerate() {
            let part = &mut parts[usize::from(!marked)];
            part.pixels.extend_from_slice(&self.pixels[sample * inputs..][..inputs]);
            part.labels.push(self.labels[sample]);
        }
        let [marked, others] = parts;
        (marked, others)
    }

    /// The first `samples` samples, or all if there are fewer.
    #[must_use]
    pub fn head(&self, samples: usize) -> Split {
        let samples = samples.min(self.len());
        let inputs = self.pixels.len() / self.len().max(1);
        Split { pixels: self.pixels[..samples * inputs].to_vec(), labels: self.labels[..samples].to_vec() }
    }
}

/// Marks `wanted` samples, each class by its share (largest remainder method): its share rounded down, and one more for the
/// classes with the largest remainders.
fn stratified(labels: &[u8], wanted: usize, seed: u64, stream: Stream) -> Vec<bool> {
    let mut classes = vec![Vec::new(); 256];
    for (sample, &label) in labels.iter().enumerate() {
        classes[usize::from(label)].push(sample);
    }
    let share = |class: &Vec<usize>| (class.len() * wanted / labels.len(), class.len() * wanted % labels.len());
    let mut by_remainder: Vec<usize> = (0..classes.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share(&classes[class]).1));
    let missing = wanted - classes.iter().map(|class| share(class).0).sum::<usize>();
    let mut marked = vec![false; labels.len()];
    for (rank, number) in by_remainder.into_iter().enumerate() {
        let class = &mut classes[number];
        let count = share(class).0 + usize::from(rank < missing);
        class.shuffle(&mut host(seed, stream, number as u64));
        class[..count].iter().for_each(|&sample| marked[sample] = true);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits::{Options, generate};
    use std::collections::BTreeMap;

    fn counts(labels: &[u8]) -> BTreeMap<u8, usize> {
        labels.iter().fold(BTreeMap::new(), |mut counts, &label| {
            *counts.entry(label).or_default() += 1;
            counts
        })
    }

    /// Samples with their labels, sorted, so that two splits can be compared without regard to order.
    fn contents(splits: &[&Split]) -> Vec<(Vec<u8>, u8)> {
        let samples = splits.iter().flat_map(|split| split.pixels.chunks(784).zip(&split.labels));
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
    fn every_class_keeps_its_share_to_a_sample() {
        // One class is rare, and the samples are sorted by class.
        let labels: Vec<u8> = [vec![0; 900], vec![1; 95], vec![7; 5]].concat();
        let data = DataSet::from_splits(
            "sorted",
            vec![1],
            Split { pixels: vec![0; 1000], labels },
            Split { pixels: vec![0], labels: vec![1] },
        );
        let divided = data.unwrap().divided(200, Some(100), 1).unwrap();
        assert_eq!(counts(&divided.validation.unwrap().labels), [(0, 180), (1, 19), (7, 1)].into());
        let kept = counts(&divided.train.labels);
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
}
