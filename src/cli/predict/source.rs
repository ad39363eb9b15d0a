//! Where the samples come from: files, or a split of the data set.

use super::files::Files;
use super::index::{Index, samples};
use clap::ValueEnum;
use gpu_mlp::Error;
use gpu_mlp::data::novelty::Novelty;
use gpu_mlp::data::{DataSet, Split};
use std::process::ExitCode;

/// A split of the data set.
#[derive(Clone, Copy, ValueEnum)]
pub enum Which {
    Train,
    Test,
}

/// Samples to classify.
#[derive(Default)]
pub struct Batch {
    /// Names of the samples.
    pub names: Vec<String>,
    /// Samples (N, I).
    pub pixels: Vec<u8>,
    /// Classes, if they are known.
    pub labels: Option<Vec<u32>>,
    /// Why each answer may be wrong, as far as the sample shows it.
    pub doubts: Vec<Vec<String>>,
}

impl Batch {
    /// Finds the samples that are unlike the training pictures, if the model's file describes those. `aloud`: with a note each.
    pub fn compare(&mut self, novelty: Option<&Novelty>, item: &[usize], aloud: bool) {
        let Some(novelty) = novelty else { return };
        let inputs = self.pixels.len() / self.names.len().max(1);
        for (sample, doubts) in self.doubts.iter_mut().enumerate() {
            if let Some(doubt) = novelty.doubt(item, &self.pixels[sample * inputs..][..inputs]) {
                if aloud {
                    say!("note: {}: unsure: {doubt}", self.names[sample]);
                }
                doubts.push(doubt);
            }
        }
    }
}

/// Samples that are read part by part.
pub enum Source {
    Files(Files),
    /// Samples of a split that are left.
    Split(Box<DataSet>, Which, std::vec::IntoIter<usize>),
}

impl Source {
    /// The samples of a split that `index` selects.
    ///
    /// # Errors
    /// [`Error::Setting`] for a sample that the split does not have.
    pub fn split(data: DataSet, which: Which, index: &[Index]) -> Result<Source, Error> {
        let (word, split) = part(&data, which);
        let index = samples(index, split.len(), word)?;
        Ok(Source::Split(Box::new(data), which, index.into_iter()))
    }

    /// Shape of a sample, given that of the model.
    pub fn item<'a>(&'a self, model: &'a [usize]) -> &'a [usize] {
        match self {
            Source::Files(_) => model,
            Source::Split(data, ..) => &data.item,
        }
    }

    /// Number of samples that are left.
    pub fn left(&self) -> usize {
        match self {
            Source::Files(files) => files.paths().len(),
            Source::Split(.., index) => index.len(),
        }
    }

    /// The next samples, at most `most`. Fewer if a file could not be used, possibly none.
    ///
    /// # Errors
    /// Those of [`Files::read`].
    pub fn read(&mut self, most: usize) -> Result<Batch, Error> {
        let (data, which, index) = match self {
            Source::Files(files) => return files.read(most),
            Source::Split(data, which, index) => (data, *which, index),
        };
        let (word, split) = part(data, which);
        let (mut batch, mut labels) = (Batch::default(), Vec::new());
        for sample in index.take(most) {
            batch.names.push(format!("{word} {sample}"));
            batch.pixels.extend(split.sample(sample));
            labels.extend(split.classes().get(sample));
        }
        batch.doubts = vec![Vec::new(); batch.names.len()];
        batch.labels = Some(labels).filter(|labels| !labels.is_empty());
        Ok(batch)
    }

    /// Prints how pictures were read.
    pub fn say_notes(&self) {
        if let Source::Files(files) = self {
            files.say_notes();
        }
    }

    /// The exit code: 5 if a file could not be used.
    pub fn code(&self) -> ExitCode {
        match self {
            Source::Files(files) if !files.all_read => ExitCode::from(5),
            _ => ExitCode::SUCCESS,
        }
    }
}

/// A split, and its name.
pub fn part(data: &DataSet, which: Which) -> (&'static str, &Split) {
    match which {
        Which::Train => ("train", &data.train),
        Which::Test => ("test", &data.test),
    }
}
