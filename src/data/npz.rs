//! NPZ, NumPy's archive of arrays: Keras' `mnist.npz`, and MedMNIST's files.
//!
//! An archive is a zip file with one NPY file per array. Four of them are read, by name.

use std::path::Path;

use super::source::Arrays;
use crate::base::error::Error;

#[cfg(feature = "tables")]
pub(super) mod npy;

/// The names of the four arrays, by Keras and by MedMNIST.
#[cfg(feature = "tables")]
pub(super) const NAMES: [[&str; 4]; 2] =
    [["x_train", "y_train", "x_test", "y_test"], ["train_images", "train_labels", "test_images", "test_labels"]];

/// Reads a file.
#[cfg(feature = "tables")]
pub(super) fn read(path: &Path) -> Result<Arrays, Error> {
    let unreadable = |error| super::bad(path, format!("cannot be read: {error}"), "check that you may read it");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let (names, idx) = parse(path, file, length)?;
    Ok(Arrays {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        origin: format!("{}, arrays {}", path.display(), names.join(", ")),
        paths: names.map(|name| path.join(name)),
        idx,
    })
}

/// Whether a file holds arrays of a whole data set with its splits, by their names, though perhaps not all four.
#[cfg(feature = "tables")]
pub(super) fn has_splits(path: &Path) -> bool {
    let file = std::fs::File::open(path).map(std::io::BufReader::new);
    let Some(archive) = file.ok().and_then(|file| zip::ZipArchive::new(file).ok()) else { return false };
    let entries: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let has = |name: &str| entries.iter().any(|entry| entry.eq_ignore_ascii_case(&format!("{name}.npy")));
    NAMES.iter().flatten().any(|name| has(name))
}

#[cfg(not(feature = "tables"))]
pub(super) fn has_splits(_: &Path) -> bool {
    true
}

#[cfg(not(feature = "tables"))]
pub(super) fn read(path: &Path) -> Result<Arrays, Error> {
    let problem = "is an NPZ archive, and this program was built without the feature `tables`";
    Err(super::bad(path, problem, "build it with that feature, or convert the arrays to IDX files"))
}

/// Reads the four arrays from an archive of `length` bytes; `path` is used in messages. Returns their names, too.
///
/// # Errors
/// [`Error::Data`] if it is not an archive that holds the four arrays, or if their values are not whole numbers from 0 to 255.
#[cfg(feature = "tables")]
pub fn parse(
    path: &Path,
    file: impl std::io::Read + std::io::Seek,
    length: u64,
) -> Result<([String; 4], [super::idx::Idx; 4]), Error> {
    use super::bad;
    use super::diagnose::AGAIN;

    let damaged = |error: zip::result::ZipError| bad(path, format!("is a damaged archive: {error}"), AGAIN);
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(damaged)?;
    let entries = archive.file_names().map(|name| name.map(|name| name.into_owned()));
    let entries = entries.collect::<Result<Vec<String>, _>>().map_err(damaged)?;
    let find = |name: &&str| {
        let file = format!("{name}.npy");
        entries.iter().find(|entry| entry.eq_ignore_ascii_case(&file)).cloned()
    };
    let found = NAMES.iter().find_map(|names| names.iter().map(find).collect::<Option<Vec<String>>>());
    let Some(found) = found else {
        let there: Vec<_> = entries.iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
        let problem = format!("holds the arrays {}, not {}", super::folder::few(&there), NAMES[0].join(", "));
        return Err(bad(path, problem, "save the arrays under these names with numpy.savez"));
    };
    let mut idx = Vec::new();
    for name in &found {
        let entry = archive.by_name(name).map_err(damaged)?;
        let packed = entry.compressed_size().min(length);
        idx.push(npy::parse(&path.join(name), entry, packed)?);
    }
    let names = found.iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect::<Vec<_>>();
    match (names.try_into(), idx.try_into()) {
        (Ok(names), Ok(idx)) => Ok((names, idx)),
        _ => Err(bad(path, "does not hold four arrays", AGAIN)),
    }
}
