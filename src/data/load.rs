//! Reads the four files of a data set, each on its own thread, and checks that they belong together.

use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use super::idx::Idx;
use super::{DataSet, Split, Task, bad, labels};
use crate::base::error::Error;
use crate::base::hash::combined_sha256;
use crate::base::text::counted;

/// The four files of a data set, in the order of [`ROLES`](super::folder::ROLES).
#[derive(Clone, Debug)]
pub struct Files {
    /// Their contents.
    pub idx: [Idx; 4],
    /// The SHA-256 of their raw form in hex, as stored on disk.
    pub sha256: [String; 4],
}

/// Reads and hashes four files.
///
/// # Errors
/// [`Error::Data`] for the first file, in the order of [`ROLES`](super::folder::ROLES), that cannot be read.
pub fn read(paths: &[PathBuf; 4]) -> Result<Files, Error> {
    // Four threads, not a pool: the training images are 90 % of the work and must start at once.
    let readers = [Idx::read, Idx::read_labels, Idx::read, Idx::read_labels];
    let [a, b, c, d] = thread::scope(|scope| {
        let threads: [_; 4] = std::array::from_fn(|role| {
            let (path, read) = (&paths[role], readers[role]);
            scope.spawn(move || read(path).map(|idx| (idx.raw_sha256(), idx)))
        });
        threads.map(|thread| thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)))
    });
    let (sha256, idx) = {
        let ((a, i), (b, j), (c, k), (d, l)) = (a?, b?, c?, d?);
        ([a, b, c, d], [i, j, k, l])
    };
    Ok(Files { idx, sha256 })
}

/// Hashes four arrays that are not from IDX files as if they were.
#[must_use]
pub fn hashed(idx: [Idx; 4]) -> Files {
    let sha256 = thread::scope(|scope| {
        let threads = idx.each_ref().map(|idx| scope.spawn(|| idx.raw_sha256()));
        threads.map(|thread| thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)))
    });
    Files { idx, sha256 }
}

/// Exchanges rows and columns of every image of shape (N, R, C). Data of another rank do not change.
pub fn transpose(images: &mut Idx) {
    let [_, rows, columns] = images.shape[..] else {
        return;
    };
    let mut image = vec![0; rows * columns];
    for stored in images.bytes.chunks_exact_mut(rows * columns) {
        for (i, value) in stored.iter().enumerate() {
            image[i % columns * rows + i / columns] = *value;
        }
        stored.copy_from_slice(&image);
    }
    images.shape.swap(1, 2);
}

/// Assembles a data set from four files; `paths` are used in messages. The classes are 0 to the largest training label.
///
/// # Errors
/// [`Error::Data`] if the rank of images is below 2, if labels are neither numbers nor one-hot, if the numbers of images and
/// labels of a split differ, if the images of the splits differ in shape, or if a test label is not a class.
pub fn assemble(name: String, origin: String, paths: &[PathBuf; 4], files: Files) -> Result<DataSet, Error> {
    let sha256 = combined_sha256(&files.sha256);
    refuse_exchanged(paths, &files.idx)?;
    let [train_images, train_labels, test_images, test_labels] = files.idx;
    let (train_item, train) = split(&paths[0], train_images, &paths[1], train_labels)?;
    let (test_item, test) = split(&paths[2], test_images, &paths[3], test_labels)?;
    if train_item != test_item {
        let problem = format!(
            "holds images of shape {test_item:?}, but those of {} have the shape {train_item:?}",
            paths[0].display()
        );
        return Err(bad(&paths[2], problem, "take both files from one data set"));
    }
    let classes = train.classes().iter().max().map_or(0, |&label| label as usize + 1);
    let stray = test.classes().iter().position(|&label| label as usize >= classes);
    if let Some(sample) = stray {
        let problem = format!(
            "gives sample {sample} the label {}, but the labels of {} go from 0 to {}",
            test.classes()[sample],
            paths[1].display(),
            classes - 1
        );
        return Err(bad(&paths[3], problem, "take both files from one data set, or correct this label"));
    }
    Ok(DataSet::new(name, origin, train_item, Task::numbered(classes), train, test, sha256))
}

/// Refuses files whose numbers of samples fit only if the splits of the labels are exchanged.
fn refuse_exchanged(paths: &[PathBuf; 4], idx: &[Idx; 4]) -> Result<(), Error> {
    let [train_images, train_labels, test_images, test_labels] = idx.each_ref().map(|idx| idx.shape.first());
    if train_images != train_labels && train_images == test_labels && test_images == train_labels {
        let problem = format!("holds the labels of {}, by their numbers", paths[2].display());
        return Err(bad(&paths[1], problem, "exchange the names of the two files of labels, or of images"));
    }
    Ok(())
}

/// A split, and the shape of its samples.
fn split(images_path: &Path, images: Idx, labels_path: &Path, labels: Idx) -> Result<(Vec<usize>, Split), Error> {
    let [count, item @ ..] = &images.shape[..] else {
        return Err(bad(images_path, "has no shape", "check that this is the file you mean"));
    };
    let shape = &images.shape;
    if item.is_empty() {
        let (problem, next) = if labels.shape.len() > 1 {
            let problem = format!("has the shape {shape:?}, and {} has {:?}", labels_path.display(), labels.shape);
            (problem, "exchange the names of the two files: this one holds the labels")
        } else {
            let problem = format!("has the shape {shape:?}, one value per sample; images have two dimensions or more");
            (problem, "check that this is the file you mean: it may hold labels")
        };
        return Err(bad(images_path, problem, next));
    }
    let labels = labels::classes(labels_path, labels, *count)?;
    if labels.len() != *count {
        let problem = format!(
            "holds {}, but {} holds {}",
            counted(labels.len(), "label"),
            images_path.display(),
            counted(*count, "image")
        );
        return Err(bad(labels_path, problem, "take both files from one data set"));
    }
    Ok((item.to_vec(), Split::new(images.bytes, labels)))
}
