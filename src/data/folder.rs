//! Finds the four files of a data set below a folder, in the layouts and under the names that other projects use.
//!
//! | layout | written by |
//! |---|---|
//! | `train-images-idx3-ubyte[.gz]`, … | the original MNIST |
//! | `train-images.idx3-ubyte`, …, `train-images-idx3-ubyte/train-images-idx3-ubyte`, … | Kaggle |
//! | `train/…`, `test/…` | burn |
//! | `raw/…`, `MNIST/raw/…`, `FashionMNIST/raw/…`, `KMNIST/raw/…` | torchvision |
//! | `QMNIST/raw/qmnist-train-labels-idx2-int`, … | torchvision |
//! | `EMNIST/raw/emnist-<split>-train-images-idx3-ubyte`, … | torchvision |
//! | `gzip/emnist-<split>-train-images-idx3-ubyte.gz`, … | NIST |
//!
//! Names may differ in case, in `-`, `.` or `_`, and in the type after `idx`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{DataSet, Event, bad, load, mnist};
use crate::base::error::Error;

/// The contents of the four files, in the order used everywhere in [`data`](super).
pub const ROLES: [&str; 4] = ["training images", "training labels", "test images", "test labels"];

/// Layouts: the folders to search, relative to the given one. The files of a data set may be spread over the folders of one
/// layout.
const LAYOUTS: [&[&str]; 10] = [
    &[""],
    &["train", "test"],
    &["raw"],
    &["mnist"],
    &["MNIST/raw"],
    &["FashionMNIST/raw"],
    &["KMNIST/raw"],
    &["EMNIST/raw"],
    &["QMNIST/raw"],
    &["gzip"],
];
/// The number of [`LAYOUTS`], from the first, that can hold MNIST.
const LAYOUTS_OF_MNIST: usize = 5;

/// The files that were found of one data set, up to four.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSet {
    /// The folder of the files, or the parent of `train` and `test`.
    pub folder: PathBuf,
    /// The prefix of their names in lower case, for example `emnist-letters-`. Usually empty.
    pub prefix: String,
    /// The files, in the order of [`ROLES`].
    pub files: [Option<PathBuf>; 4],
    /// Other files for one of the roles, each with the file that was found first.
    rivals: Vec<[PathBuf; 2]>,
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
                    let set = sets.entry(prefix.clone()).or_insert_with(|| FileSet {
                        folder: base.clone(),
                        prefix,
                        ..FileSet::default()
                    });
                    let first = set.files[role].get_or_insert_with(|| path.clone());
                    if ungzipped(first) != ungzipped(&path) {
                        set.rivals.push([first.clone(), path]);
                    }
                }
            }
        }
        all.extend(sets.into_values());
    }
    Ok(all)
}

/// The path without `.gz`.
fn ungzipped(path: &Path) -> PathBuf {
    let gzipped = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    if gzipped { path.with_extension("") } else { path.to_owned() }
}

/// The files in a folder, sorted by name, raw files before gzipped ones, because those take longer to read. Also those of
/// Kaggle's archives, where a file X may be in a folder X; one beside the folder comes first. Empty if the folder does not
/// exist.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let (mut files, folders) = entries(folder)?;
    let part = |name: &String| ["train", "test", "t10k"].iter().any(|part| plain(name).contains(part));
    for (name, path) in folders.iter().filter(|(name, _)| part(name)) {
        let there = files.iter().any(|(file, _)| same_stem(file, name));
        let inner = if there { Vec::new() } else { entries(path)?.0 };
        files.extend(inner.into_iter().filter(|(file, _)| same_stem(file, name)));
    }
    Ok(files)
}

type Named = Vec<(String, PathBuf)>;

/// The files and the folders in a folder, each sorted, without hidden ones. Follows links. Empty if the folder does not exist.
pub(super) fn entries(folder: &Path) -> io::Result<(Named, Named)> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let found = match folder.read_dir() {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Default::default()),
        found => found?,
    };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in found {
        let entry = entry?;
        let Some(name) = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')) else { continue };
        let path = entry.path();
        if path.is_file() {
            files.push((name, path));
        } else if path.is_dir() {
            folders.push((name, path));
        }
    }
    files.sort_by_key(|(name, _)| (plain(name).ends_with("-gz"), name.clone()));
    folders.sort();
    Ok((files, folders))
}

/// A name in lower case, with `-` in place of dots and underscores.
pub(super) fn plain(name: &str) -> String {
    name.to_lowercase().replace(['.', '_'], "-")
}

/// Whether names of a file and a folder differ only in the ending of the file, or name the same of the four files.
fn same_stem(file: &str, folder: &str) -> bool {
    let (file, folder) = (plain(file), plain(folder));
    let role = parse_name(&file);
    role.is_some() && role == parse_name(&folder)
        || file.strip_prefix(&folder).is_some_and(|rest| ["", "-gz", "-csv", "-csv-gz"].contains(&rest))
}

/// Splits a name such as `emnist-letters-train-images-idx3-ubyte.gz` into its prefix and its index in [`ROLES`].
pub(super) fn parse_name(name: &str) -> Option<(String, usize)> {
    let name = plain(name);
    let stem = name.strip_suffix("-gz").unwrap_or(&name);
    let types = ["-ubyte", "-byte", "-short", "-int", "-float", "-double"];
    let stem = types.iter().find_map(|kind| stem.strip_suffix(kind)).unwrap_or(stem);
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix("-idx")?;
    let endings = ["train-images", "train-labels", "t10k-images", "t10k-labels"].into_iter().chain([
        "train-images",
        "train-labels",
        "test-images",
        "test-labels",
    ]);
    let mut fits = endings.enumerate().filter_map(|(i, end)| Some((stem.strip_suffix(end)?, i % 4)));
    let (prefix, role) = fits.find(|(prefix, _)| prefix.is_empty() || prefix.ends_with('-'))?;
    Some((prefix.to_owned(), role))
}

/// The error for a folder with some of the four files.
pub(super) fn incomplete(found: &[FileSet]) -> Option<Error> {
    let most = found.iter().max_by_key(|set| set.files.iter().flatten().count())?;
    let there: Vec<_> = most.files.iter().flatten().map(|path| path.display().to_string()).collect();
    let mut problem = format!("lacks the {}; it has only {}", most.missing(), there.join(", "));
    let others = entries(&most.folder).unwrap_or_default().0;
    let others: Vec<_> =
        others.into_iter().filter(|(name, _)| parse_name(name).is_none()).map(|(name, _)| name).collect();
    if !others.is_empty() {
        problem += &format!("; it also holds {}, which have other names", few(&others));
    }
    Some(bad(&most.folder, problem, "put the missing files beside them, with names of the same form"))
}

/// Up to five names.
pub fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(5);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    names[..names.len() - more].join(", ") + &rest
}

/// The folders in which files are searched, below the given one.
pub(super) fn places() -> String {
    LAYOUTS.concat().join(" ").trim().to_owned()
}

/// Opens four files. The name is "mnist" if and only if the bytes are MNIST's.
///
/// # Errors
/// [`Error::Data`] if two different files have one role, or if the files cannot be loaded.
pub(super) fn open_set(set: &FileSet, paths: &[PathBuf; 4], watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let differ = |[a, b]: &&[PathBuf; 2]| std::fs::read(a).ok() != std::fs::read(b).ok();
    if let Some([first, other]) = set.rivals.iter().find(differ) {
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let problem = format!("holds two data sets, or two versions of one: {} and {}", name(first), name(other));
        return Err(bad(&set.folder, problem, "keep the files of one data set in a folder of their own"));
    }
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

/// The name of the folder, or of the split of EMNIST.
fn own_name(set: &FileSet) -> String {
    if set.is_emnist() {
        return set.prefix.trim_end_matches('-').to_owned();
    }
    name_of(&set.folder)
}

/// The name of a data set in this folder.
pub(super) fn name_of(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let names = absolute.components().rev().map(|part| part.as_os_str().to_string_lossy());
    not_reserved(&names.into_iter().find(|name| name != "raw").unwrap_or("folder".into()))
}

/// Never "mnist" or "digits": these names are reserved for the data sets whose bytes are known.
pub(super) fn not_reserved(name: &str) -> String {
    match name.to_lowercase().as_str() {
        "mnist" | "digits" => format!("{name}-like"),
        _ => name.to_owned(),
    }
}
