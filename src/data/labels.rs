//! Labels in every form that files have: a number per sample, in a row or a column, or one-hot.

use std::path::Path;

use super::bad;
use super::idx::Idx;
use crate::base::error::Error;

/// What to do about labels in another form.
const ONE_NUMBER: &str = "store one class number per sample, from 0, in the shape [N]";

/// The labels of `samples` samples as class numbers.
///
/// # Errors
/// [`Error::Data`] if the shape is not `[N]`, `[N, 1]`, `[1, N]`, or `[N, K]` with one-hot rows.
pub(super) fn classes(path: &Path, labels: Idx, samples: usize) -> Result<Vec<u8>, Error> {
    let Idx { shape, bytes } = labels;
    match shape[..] {
        [_] => Ok(bytes),
        [1, n] if n == samples && n > 1 => Ok(bytes),
        [_, ref rest @ ..] if rest.iter().all(|&size| size == 1) => Ok(bytes),
        [_, k @ 2..=256] => one_hot(path, &bytes, k, &shape),
        _ => Err(bad(path, format!("has the shape {shape:?}; labels have one number per sample"), ONE_NUMBER)),
    }
}

/// The places of the ones.
fn one_hot(path: &Path, bytes: &[u8], classes: usize, shape: &[usize]) -> Result<Vec<u8>, Error> {
    let one = bytes.iter().copied().find(|&value| value != 0);
    let class = |row: &[u8]| {
        let at = row.iter().position(|&value| value != 0)?;
        let alone = row[at + 1..].iter().all(|&value| value == 0);
        (alone && Some(row[at]) == one).then_some(at as u8)
    };
    let rows = || bytes.chunks_exact(classes);
    rows().map(class).collect::<Option<Vec<u8>>>().ok_or_else(|| {
        let row = rows().position(|row| class(row).is_none()).unwrap_or(0);
        let problem = format!("has the shape {shape:?}, but row {row} is not one-hot: a single 1 among zeros");
        bad(path, problem, ONE_NUMBER)
    })
}

/// Whether labels of 32-bit integers with this shape may be QMNIST's: class, series, writer and five numbers more.
pub(super) fn may_be_qmnist(shape: &[usize]) -> bool {
    matches!(shape, [_, 8])
}

/// The class numbers of QMNIST's labels, its first column; other arrays do not change.
pub(super) fn of_qmnist(labels: Idx) -> Idx {
    if !may_be_qmnist(&labels.shape) || one_hot(Path::new(""), &labels.bytes, 8, &labels.shape).is_ok() {
        return labels;
    }
    let bytes: Vec<u8> = labels.bytes.iter().copied().step_by(8).collect();
    Idx { shape: vec![bytes.len()], bytes }
}
