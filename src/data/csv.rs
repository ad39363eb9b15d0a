//! CSV: a row per sample, with a label and the pixels, as Kaggle has MNIST.
//!
//! With a header, the label is the column named `label`, `class`, `target` or `y`. Without one it is the first column, unless
//! it may also be the last.
//! The values are whole numbers from 0 to 255. Commas, semicolons, tabs, bars or single spaces separate them.

use std::path::PathBuf;

use super::folder::plain;
use super::source::Arrays;
use crate::base::error::Error;

/// The two files of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) train: PathBuf,
    pub(super) test: PathBuf,
    /// What their names have in common.
    pub(super) stem: String,
}

impl Pair {
    /// Whether the names are those of EMNIST, which stores columns as rows.
    pub(super) fn is_emnist(&self) -> bool {
        self.stem.starts_with("emnist")
    }
}

/// Whether this is the name of a CSV file.
pub(super) fn is_csv(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with(".csv") || name.ends_with(".tsv")
}

/// The pairs of files whose names differ only in `train` and `test`, of files with their names.
pub(super) fn pairs(files: &[(String, PathBuf)]) -> Vec<Pair> {
    let with = |word: &str| {
        let named = files.iter().filter(|(name, _)| is_csv(name));
        let stems = named.filter_map(|(name, path)| {
            let name = plain(name);
            let stem = name.trim_end_matches("-gz").trim_end_matches("-csv").trim_end_matches("-tsv");
            let (before, after) = stem.split_once(word)?;
            Some((format!("{before}{after}").trim_matches('-').to_owned(), path.clone()))
        });
        stems.collect::<Vec<_>>()
    };
    let tests: Vec<_> = with("test").into_iter().chain(with("t10k")).collect();
    let mut pairs: Vec<Pair> = Vec::new();
    for (stem, train) in with("train") {
        // A gzipped copy follows the file itself.
        let new = pairs.iter().all(|pair| pair.stem != stem);
        if let Some((_, test)) = tests.iter().find(|(other, _)| *other == stem).filter(|_| new) {
            pairs.push(Pair { train, test: test.clone(), stem });
        }
    }
    pairs
}

#[cfg(not(feature = "tables"))]
pub(super) fn read(pair: &Pair) -> Result<Arrays, Error> {
    let problem = "is a CSV file, and this program was built without the feature `tables`";
    Err(super::bad(&pair.train, problem, "build it with that feature, or convert the file to IDX files"))
}

#[cfg(feature = "tables")]
mod table;
#[cfg(feature = "tables")]
pub use table::{Table, parse};
#[cfg(feature = "tables")]
pub(super) use table::{is_label, is_row_number, text};

/// Reads both files.
#[cfg(feature = "tables")]
pub(super) fn read(pair: &Pair) -> Result<Arrays, Error> {
    use super::load::transpose;

    let Pair { train, test, stem } = pair;
    let (first, second) = rayon::join(|| table::open(train), || table::open(test));
    let (first, second) = (first?, second?);
    table::refuse_label_elsewhere(train, &first)?;
    let label = first.label.as_ref().map_or("the first column".into(), |name| format!("column {name}"));
    let mut origin = format!("{} and {}, label: {label}", train.display(), test.display());
    let (mut images, mut test_images) = (first.images, second.images);
    if pair.is_emnist() {
        [&mut images, &mut test_images].into_iter().for_each(transpose);
        origin.push_str("; images transposed on loading, since EMNIST stores columns as rows");
    }
    let folder = train.parent().unwrap_or(std::path::Path::new("."));
    Ok(Arrays {
        name: if pair.is_emnist() { stem.clone() } else { super::folder::name_of(folder) },
        origin,
        paths: [train, train, test, test].map(PathBuf::clone),
        idx: [images, first.labels, test_images, second.labels],
    })
}
