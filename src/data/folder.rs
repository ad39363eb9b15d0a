//! Finds the four files of a data set below a folder, in the layouts and under the names that other projects use.
//!
//! | layout | written by |
//! |---|---|
//! | `train-images-idx3-ubyte[.gz]`, … | the original MNIST |
//! | `train-images.idx3-ubyte`, … | Kaggle |
//! | `train/…`, `test/…` | burn |
//! | `raw/…`, `MNIST/raw/…`, `FashionMNIST/raw/…`, `KMNIST/raw/…` | torchvision |
//! | `EMNIST/raw/emnist-<split>-train-images-idx3-ubyte`, … | torchvision |
//! | `gzip/emnist-<split>-train-images-idx3-ubyte.gz`, … | NIST |

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{DataSet, Event, bad, load, mnist};
use crate::base::error::Error;

/// The contents of the four files, in the order used everywhere in [`data`](super).
pub const ROLES: [&str; 4] = ["training images", "training labels", "test images", "test labels"];

/// Layouts: the folders to search, relative to the given one. The files of a data set may be spread over the folders of one
/// layout.
const LAYOUTS: [&[&str]; 9] = [
    &[""],
    &["train", "test"],
    &["raw"],
    &["mnist"],
    &["MNIST/raw"],
    &["FashionMNIST/raw"],
    &["KMNIST/raw"],
    &["EMNIST/raw"],
    &["gzip"],
];
/// The number of [`LAYOUTS`], from the first, that can hold MNIST.
const LAYOUTS_OF_MNIST: usize = 5;

/// The files that were found of one data set, up to four.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSet {
    /// The folder of the files, or the parent of `train` and `test`.
    pub folder: PathBuf,
    /// The prefix of their names, for example `emnist-letters-`. Usually empty.
    pub prefix: String,
    /// The files, in the order of [`ROLES`].
    pub files: [Option<PathBuf>; 4],
}

impl FileSet {
    /// All four paths, if all four files were found.
    #[must_use]
    pub fn complete(&self) -> Option<[PathBuf; 4]> {
        match &self.files {
            [Some(a), Some(b), Some(c), Some(d)] => Some([a, b, c, d].map(PathBuf::clone)),
            _ => None,
        }
    }

    /// The names of the missing files' roles, separated by commas.
    fn missing(&self) -> String {
        let absent = ROLES.iter().zip(&self.files).filter(|(_, file)| file.is_none());
        absent.map(|(role, _)| *role).collect::<Vec<_>>().join(", ")
    }

    fn is_emnist(&self) -> bool {
        self.prefix.starts_with("emnist-")
    }
}

/// All data sets below `folder` in one of the known layouts, complete or not.
///
/// # Errors
/// If `folder` is not a folder, or an existing folder cannot be listed.
pub fn find(folder: &Path) -> io::Result<Vec<FileSet>> {
    find_in(folder, &LAYOUTS)
}

/// As [`find`], but only the layouts that can hold MNIST.
pub(super) fn find_mnist(folder: &Path) -> io::Result<Vec<FileSet>> {
    let mut found = find_in(folder, &LAYOUTS[..LAYOUTS_OF_MNIST])?;
    found.retain(|found| found.prefix.is_empty());
    Ok(found)
}

fn find_in(folder: &Path, layouts: &[&[&str]]) -> io::Result<Vec<FileSet>> {
    if !folder.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut all = Vec::new();
    for layout in layouts {
        let base = match layout {
            [below] if !below.is_empty() => folder.join(below),
            _ => folder.to_owned(),
        };
        let mut sets: BTreeMap<String, FileSet> = BTreeMap::new();
        for below in *layout {
            for (name, path) in list(&folder.join(below))? {
                if let Some((prefix, role)) = parse_name(&name) {
                    let set = sets.entry(prefix.to_owned()).or_insert_with(|| FileSet {
                        folder: base.clone(),
                        prefix: prefix.to_owned(),
                        ..FileSet::default()
                    });
                    set.files[role].get_or_insert(path);
                }
            }
        }
        all.extend(sets.into_values());
    }
    Ok(all)
}

/// The files in a folder, sorted by name, raw files before gzipped ones, because those take longer to read. Empty if the
/// folder does not exist.
fn list(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let entries = match folder.read_dir() {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        // `is_file` follows links. Kaggle's archives also contain folders with the names of the files.
        if entry.path().is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            files.push((name, entry.path()));
        }
    }
    files.sort_by_key(|(name, _)| (name.ends_with(".gz"), name.clone()));
    Ok(files)
}

/// Splits a name such as `emnist-letters-train-images-idx3-ubyte.gz` into its prefix and its index in [`ROLES`].
fn parse_name(name: &str) -> Option<(&str, usize)> {
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix("-ubyte")?;
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = stem.strip_suffix("-idx").or_else(|| stem.strip_suffix(".idx"))?;
    let endings = ["train-images", "train-labels", "t10k-images", "t10k-labels"].into_iter().chain([
        "train-images",
        "train-labels",
        "test-images",
        "test-labels",
    ]);
    let mut fits = endings.enumerate().filter_map(|(i, end)| Some((stem.strip_suffix(end)?, i % 4)));
    fits.find(|(prefix, _)| prefix.is_empty() || prefix.ends_with('-'))
}

/// Opens the only data set in or below `folder`. Its name is "mnist" if and only if its bytes are MNIST's.
///
/// # Errors
/// [`Error::Data`] if there is no complete data set or more than one, or if its files cannot be loaded.
pub fn open(folder: &Path, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let found = find(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => bad(folder, "does not exist", "check the path"),
        io::ErrorKind::NotADirectory => {
            bad(folder, "is a file, not a folder", "name the folder that holds the four IDX files")
        }
        _ => bad(folder, format!("cannot be listed: {error}"), "check that you may read it"),
    })?;
    let whole: Vec<_> = found.iter().filter_map(|set| Some((set, set.complete()?))).collect();
    match &whole[..] {
        [(set, paths)] => open_set(set, paths, watch),
        [] => Err(none_complete(folder, &found)),
        several => {
            let names = several.iter().map(|(set, _)| {
                let files = if set.prefix.is_empty() { "" } else { &format!("{}*", set.prefix) };
                format!("\n  {}", set.folder.join(files).display())
            });
            let problem = format!("holds several data sets:{}", names.collect::<String>());
            Err(bad(folder, problem, "name a folder that holds only the files of one"))
        }
    }
}

/// The error for a folder without a complete data set.
fn none_complete(folder: &Path, found: &[FileSet]) -> Error {
    let Some(most) = found.iter().max_by_key(|set| set.files.iter().flatten().count()) else {
        let looked = LAYOUTS.concat().join(" ");
        let problem = format!("holds no IDX files; these folders in it were searched too: {}", looked.trim());
        let files = mnist::FILES.map(|file| file.name).join(", ");
        let next = format!("name the folder that holds {files}, gzipped or not");
        return bad(folder, problem, next);
    };
    let there: Vec<_> = most.files.iter().flatten().map(|path| path.display().to_string()).collect();
    let problem = format!("lacks the {}; it has only {}", most.missing(), there.join(", "));
    bad(&most.folder, problem, "put the missing files beside them, with names of the same form")
}

fn open_set(set: &FileSet, paths: &[PathBuf; 4], watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let mut files = load::read(paths)?;
    let known = mnist::matches(&files.sha256);
    let mut origin = set.folder.display().to_string();
    let name = if known == [true; 4] {
        origin.push_str(", MNIST by the SHA-256 of all four files");
        "mnist".to_owned()
    } else {
        own_name(set)
    };
    if known.contains(&true) && known.contains(&false) {
        let others = paths.iter().zip(known).filter(|(_, known)| !known);
        let others: Vec<_> = others.map(|(path, _)| path.display().to_string()).collect();
        let note = format!("partly MNIST, but these files are not MNIST's: {}", others.join(", "));
        watch(Event::Note(format!("{}: {note}", set.folder.display())));
        origin = format!("{origin}, {note}");
    }
    let transposed = set.is_emnist();
    if transposed {
        load::transpose(&mut files.idx[0]);
        load::transpose(&mut files.idx[2]);
        origin.push_str("; images transposed on loading, since EMNIST stores columns as rows");
    }
    Ok(DataSet { transposed, ..load::assemble(name, origin, paths, files)? })
}

/// The name of the folder, or of the split of EMNIST. Never "mnist" or "digits": these names are reserved for the data sets
/// whose bytes are known.
fn own_name(set: &FileSet) -> String {
    if set.is_emnist() {
        return set.prefix.trim_end_matches('-').to_owned();
    }
    let absolute = set.folder.canonicalize().unwrap_or_else(|_| set.folder.clone());
    let names = absolute.components().rev().map(|part| part.as_os_str().to_string_lossy());
    let name = names.into_iter().find(|name| name != "raw").unwrap_or("folder".into());
    match name.to_lowercase().as_str() {
        "mnist" | "digits" => format!("{name}-like"),
        _ => name.into_owned(),
    }
}
