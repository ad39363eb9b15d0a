//! What is suspicious about a data set, each in a sentence with its numbers and what to do.

use super::columns::{AS_NUMBERS, differ};
use super::{SplitSurvey, Survey};
use crate::base::text::counted;
use crate::data::folder::few;

/// Most sets of pictures reach 255. A largest value up to this is another scale.
const DIM: u8 = 64;
/// Means of the splits that differ by more than this are of another scale, or inverted. Those of MNIST differ by 0.5.
const OTHER_SCALE: f64 = 64.0;
/// Above this share, one class makes the accuracy of every model high. Two classes at 80 to 20 are common.
const DOMINANT: f64 = 0.9;
/// A class with less than this share of the mean class is rare. The rarest of EMNIST's 62 has a sixth of the mean.
const RARE: f64 = 0.01;
/// Copies within the training split up to this share are common in collected data.
const COPIES: f64 = 0.05;
/// A label beyond a gap in at most this share of the samples is taken for a mistake.
const STRAY: f64 = 0.1;

/// Whether the names of classes are their numbers.
fn numbered(names: &[String]) -> bool {
    names.iter().enumerate().all(|(at, name)| *name == at.to_string())
}

/// Classes as text: `3`, `cat and dog`, `1 … 4`, `1 … 17 (with gaps)`.
fn list(names: &[String], classes: &[usize]) -> String {
    let name = |class: &usize| names.get(*class).map_or_else(|| class.to_string(), Clone::clone);
    match classes {
        [] => "none".into(),
        [one] => name(one),
        [one, two] => format!("{} and {}", name(one), name(two)),
        [first, .., last] if numbered(names) && last - first + 1 == classes.len() => format!("{first} … {last}"),
        [rest @ .., last] if classes.len() <= 6 => {
            format!("{} and {}", rest.iter().map(name).collect::<Vec<_>>().join(", "), name(last))
        }
        [first, .., last] if numbered(names) => format!("{first} … {last} (with gaps)"),
        _ => few(&classes.iter().map(name).collect::<Vec<_>>()),
    }
}

/// The word and its classes: `class 3`, `classes cat and dog`.
fn labelled(names: &[String], classes: &[usize]) -> String {
    format!("{} {}", if classes.len() == 1 { "class" } else { "classes" }, list(names, classes))
}

/// The verb in the number of `count`.
fn verb(count: usize, one: &'static str, several: &'static str) -> &'static str {
    if count == 1 { one } else { several }
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// The classes with samples, or those without.
fn classes(split: &SplitSurvey, with: bool) -> Vec<usize> {
    (0..split.classes.len()).filter(|&class| (split.classes[class] > 0) == with).collect()
}

impl Survey {
    /// Sentences without full stops; none for a data set that gives no reason for suspicion.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.train.classes.is_empty() {
            notes.extend(self.labels());
            self.balance(&mut notes);
        }
        self.copies(&mut notes);
        if self.bytes {
            self.blank(&mut notes);
            notes.extend(self.scale());
        }
        let used = classes(&self.train, true).len();
        if !self.bytes && differ(used, self.train.samples) {
            let rows = self.train.samples;
            notes.push(format!(
                "the target has {used} classes in {rows} training rows, so few can be learned: {AS_NUMBERS}"
            ));
        }
        notes.extend(self.columns.iter().filter_map(|column| column.note(self.train.samples)));
        notes
    }

    /// A single class, or labels that are not 0 … n − 1.
    fn labels(&self) -> Option<String> {
        let train = &self.train;
        let (used, unused) = (classes(train, true), classes(train, false));
        let (first, last) = (*used.first()?, *used.last()?);
        if used.len() == 1 {
            let all = match train.samples {
                1 => "the only training sample has".into(),
                samples => format!("all {samples} training samples have"),
            };
            let label = list(&self.names, &used);
            return Some(format!(
                "{all} the label {label}: with a single class there is nothing to learn; check the labels"
            ));
        }
        if unused.is_empty() || self.from_one && unused == [0] {
            return None;
        }
        let lost: usize = unused.iter().map(|&class| self.test.classes[class]).sum();
        let lost = match lost {
            0 => String::new(),
            lost => format!(", and {} of such a class can only be wrong", counted(lost, "test sample")),
        };
        let none = format!(
            "{} {} no training samples{lost}",
            labelled(&self.names, &unused),
            verb(unused.len(), "has", "have")
        );
        if !numbered(&self.names) {
            return Some(format!("{none}: add samples, or keep more of them for training"));
        }
        let top = used.len() - 1;
        let stray = self.stray();
        let next = if first >= 48 && last <= 57 {
            "the labels are the digits as text (in ASCII, 0 is 48): subtract 48".to_owned()
        } else if !stray.is_empty() {
            let samples: usize = stray.iter().map(|&class| train.classes[class]).sum();
            format!("correct the label {} of {}", list(&self.names, &stray), counted(samples, "training sample"))
        } else if first > 0 && used.len() == last + 1 - first {
            format!("subtract {first} from every label")
        } else {
            format!("add samples, or number the classes 0 … {top}")
        };
        Some(format!(
            "the labels go to {last}, so there are {}, but {none}: {next}",
            counted(train.classes.len(), "class")
        ))
    }

    /// The labels of few samples beyond a gap, which are taken for mistakes.
    fn stray(&self) -> Vec<usize> {
        let train = &self.train;
        let used = classes(train, true);
        let gap = used.windows(2).find(|pair| pair[1] - pair[0] > used.len().max(10)).map(|pair| pair[1]);
        let beyond: usize = gap.map_or(0, |gap| train.classes[gap..].iter().sum());
        let few = beyond as f64 <= STRAY * train.samples as f64;
        used.into_iter().filter(|&class| few && gap.is_some_and(|gap| class >= gap)).collect()
    }

    /// Classes that dominate, are rare, or are not tested.
    fn balance(&self, notes: &mut Vec<String>) {
        let (train, test) = (&self.train, &self.test);
        let used = classes(train, true);
        if used.len() < 2 {
            return;
        }
        let most = used.iter().copied().max_by_key(|&class| train.classes[class]).unwrap_or(0);
        if train.classes[most] as f64 > DOMINANT * train.samples as f64 {
            let name = list(&self.names, &[most]);
            let right = match test.samples {
                0 => " would look good".into(),
                all => format!(" is right on {} of the test samples", percent(test.classes[most], all)),
            };
            notes.push(format!(
                "class {name} has {} of the training samples: a model that always answers {name}{right}, so look at the \
                 scores of each class",
                percent(train.classes[most], train.samples)
            ));
        }
        let mean = train.samples as f64 / used.len() as f64;
        let rare = |class: &usize| (train.classes[*class] as f64) < (RARE * mean).max(1.5);
        let stray = self.stray();
        let rare: Vec<usize> = used.iter().copied().filter(|class| rare(class) && !stray.contains(class)).collect();
        if !rare.is_empty() && mean >= 10.0 {
            let samples: usize = rare.iter().map(|&class| train.classes[class]).sum();
            notes.push(format!(
                "there {} only {} of {}, and {mean:.0} of a class on average: add samples, or leave {} out",
                verb(samples, "is", "are"),
                counted(samples, "training sample"),
                labelled(&self.names, &rare),
                verb(samples, "it", "them")
            ));
        }
        let untested: Vec<usize> = used.into_iter().filter(|&class| test.classes[class] == 0).collect();
        if !untested.is_empty() && test.samples >= 10 * train.classes.len() {
            notes.push(format!(
                "there are no test samples of {}, so {} not measured",
                labelled(&self.names, &untested),
                verb(untested.len(), "it is", "they are")
            ));
        }
    }

    /// Samples that are in the data more than once.
    fn copies(&self, notes: &mut Vec<String>) {
        let (train, test) = (&self.train, &self.test);
        // Fewer copies change the accuracy by less than its standard error at 99 % right, √(0.99 · 0.01 · n).
        let visible = |samples: usize| 0.1 * (samples as f64).sqrt();
        if self.same {
            notes.push(
                "the test split is the training split, so the test accuracy is that of training: use other samples"
                    .into(),
            );
        } else if self.shared as f64 > visible(test.samples) {
            notes.push(format!(
                "{} of {} ({}) {} too, so the test accuracy is too high: remove {} from one split",
                self.shared,
                counted(test.samples, "test sample"),
                percent(self.shared, test.samples),
                verb(self.shared, "is a training sample", "are training samples"),
                verb(self.shared, "it", "them")
            ));
        }
        let of_training = |number| (counted(number, "training sample"), percent(number, train.samples));
        if train.contradictions as f64 > visible(train.samples) {
            let (samples, share) = of_training(train.contradictions);
            let equal = verb(train.contradictions, "equals", "equal");
            notes.push(format!("{samples} ({share}) {equal} an earlier one with another label: check the labels"));
        }
        if train.duplicates as f64 > COPIES * train.samples as f64 {
            let (samples, share) = of_training(train.duplicates);
            notes.push(format!(
                "{samples} ({share}) {}, or a validation split will hold training samples",
                verb(
                    train.duplicates,
                    "is a copy of an earlier one: remove it",
                    "are copies of earlier ones: remove them"
                )
            ));
        }
    }

    /// Pictures that show nothing.
    fn blank(&self, notes: &mut Vec<String>) {
        for (split, name) in [(&self.train, "training"), (&self.test, "test")] {
            if let (Some(first), true) = (split.blank.first(), self.pictures) {
                notes.push(format!(
                    "{} of {} {name} samples {}, all pixels equal; the first is sample {first}: remove {}, or check how {} made",
                    split.blank.len(),
                    split.samples,
                    verb(split.blank.len(), "is blank", "are blank"),
                    verb(split.blank.len(), "it", "them"),
                    verb(split.blank.len(), "it was", "they were")
                ));
            }
        }
    }

    /// Values that do not use the range of a byte, or differ between the splits.
    fn scale(&self) -> Option<String> {
        let [train, test] = [&self.train, &self.test];
        let [low, high] = train.range;
        let [test_low, test_high] = test.range;
        let apart = (train.mean - test.mean).abs() > OTHER_SCALE || high / 4 > test_high || test_high / 4 > high;
        if apart && test.samples > 0 {
            return Some(format!(
                "the training values are {low} to {high} with the mean {:.1}, but the test values {test_low} to {test_high} \
                 with the mean {:.1}: bring both to one scale",
                train.mean, test.mean
            ));
        }
        match high {
            0 => None,
            1 => Some(
                "all values are 0 or 1, but pictures given later go from 0 to 255: multiply the values by 255"
                    .to_owned(),
            ),
            2..=DIM if self.pictures => Some(format!(
                "the largest value is {high}, but pictures given later go from 0 to 255: multiply the values by {}",
                255 / high
            )),
            _ => None,
        }
    }
}

/// The note about classes that lose all training samples when the splits are made; `before` and `after` are the numbers of
/// samples of each.
#[must_use]
pub fn lost_classes(names: &[String], before: &[usize], after: &[usize]) -> Option<String> {
    let is_lost = |class: &usize| before[*class] > 0 && after.get(*class).is_none_or(|&left| left == 0);
    let lost: Vec<usize> = (0..before.len()).filter(is_lost).collect();
    let samples: usize = lost.iter().map(|&class| before[class]).sum();
    (!lost.is_empty()).then(|| {
        format!(
            "no training sample of {} is left after {} put aside: add samples, or keep more for training",
            labelled(names, &lost),
            if samples == 1 { "its only one was".into() } else { format!("all {samples} were") }
        )
    })
}
