//! Opens the data set at a path. This is the only place that decides which reader a file or folder needs.
//!
//! | what is there | reader |
//! |---|---|
//! | a folder with four IDX files | [`folder`], [`idx`](super::idx) |
//! | `NAME.npz` with `x_train`, `y_train`, `x_test`, `y_test` | [`npz`](super::npz) |
//! | a folder with `…train.csv` and `…test.csv` | [`csv`](super::csv) |
//! | a folder with `train/CLASS/` and `test/CLASS/` of pictures | [`class_folders`] |
//! | a file with a row per sample: CSV, TSV, NPY, NPZ, safetensors, Parquet | [`tabular`], [`table`](super::table) |
//!
//! IDX files come first: a folder that holds them may hold the same data in other forms.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnose::foreign;
use super::folder::{self, few, not_reserved};
use super::idx::Idx;
use super::{DataSet, Event, Request, bad, class_folders, csv, load, mnist, npz, tabular};
use crate::base::error::Error;

/// What a reader found, as the four IDX files would hold it.
pub(super) struct Arrays {
    pub(super) name: String,
    pub(super) origin: String,
    /// Where each array is from, for messages.
    pub(super) paths: [PathBuf; 4],
    pub(super) idx: [Idx; 4],
}

/// A data set in another form than four IDX files.
enum Found {
    Npz(PathBuf),
    Csv(csv::Pair),
    Pictures([PathBuf; 2]),
}

impl Found {
    fn open(&self, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
        let arrays = match self {
            Found::Npz(path) => npz::read(path),
            Found::Csv(pair) => csv::read(pair),
            Found::Pictures(splits) => class_folders::read(splits, watch),
        }?;
        let Arrays { name, origin, paths, idx } = arrays;
        let files = load::hashed(idx);
        let is_mnist = mnist::matches(&files.sha256) == [true; 4];
        let name = if is_mnist { "mnist".to_owned() } else { not_reserved(&name) };
        let transposed = matches!(self, Found::Csv(pair) if pair.is_emnist());
        Ok(DataSet { transposed, ..load::assemble(name, origin, &paths, files)? })
    }

    fn place(&self) -> String {
        match self {
            Found::Npz(path) => path.display().to_string(),
            Found::Csv(pair) => format!("{} and {}", pair.train.display(), pair.test.display()),
            Found::Pictures([train, test]) => format!("{} and {}", train.display(), test.display()),
        }
    }
}

/// Opens the only data set at `path`. Its name is "mnist" if and only if its bytes are MNIST's.
///
/// # Errors
/// [`Error::Data`] if there is no complete data set or more than one, or if it cannot be read.
pub(super) fn open(path: &Path, request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => bad(path, "does not exist", "check the path"),
        _ => bad(path, format!("cannot be read: {error}"), "check that you may read it"),
    };
    if !path.metadata().map_err(unreadable)?.is_dir() {
        return open_file(path, request, watch);
    }
    let sets = folder::find(path).map_err(unreadable)?;
    let whole: Vec<_> = sets.iter().filter_map(|set| Some((set, set.complete()?))).collect();
    match &whole[..] {
        [(set, paths)] => return folder::open_set(set, paths, watch),
        [] => {}
        several => {
            let names = several.iter().map(|(set, _)| {
                let files = if set.prefix.is_empty() { "" } else { &format!("{}*", set.prefix) };
                set.folder.join(files).display().to_string()
            });
            return Err(several_sets(path, names));
        }
    }
    let others = others(path).map_err(unreadable)?;
    match &others[..] {
        [only] => only.open(watch),
        [] => Err(folder::incomplete(&sets).unwrap_or_else(|| nothing(path))),
        several => Err(several_sets(path, several.iter().map(Found::place))),
    }
}

fn several_sets(path: &Path, names: impl Iterator<Item = String>) -> Error {
    let names: String = names.map(|name| format!("\n  {name}")).collect();
    bad(path, format!("holds several data sets:{names}"), "name a folder that holds only the files of one")
}

/// The data sets in a folder that are not IDX files.
fn others(folder: &Path) -> io::Result<Vec<Found>> {
    let files = folder::list(folder)?;
    let npz = files.iter().filter(|(name, _)| ends(name, &["npz"])).map(|(_, path)| Found::Npz(path.clone()));
    let mut found: Vec<Found> = npz.collect();
    found.extend(csv::pairs(&files).into_iter().map(Found::Csv));
    found.extend(class_folders::find(folder)?.map(Found::Pictures));
    Ok(found)
}

/// Whether a file with this name may hold a table.
fn is_table(name: &str) -> bool {
    csv::is_csv(name) || ends(name, &["txt", "data", "npy", "npz", "safetensors", "parquet"])
}

/// Whether the name has one of these extensions.
pub(super) fn ends(name: &str, extensions: &[&str]) -> bool {
    let name = name.to_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

/// Opens a file that is a whole data set, or says why it is not one.
fn open_file(path: &Path, request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let mut head = Vec::new();
    let file = File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
    file.map_err(|error| bad(path, format!("cannot be read: {error}"), "check that you may read it"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if ends(&name, &["npz"]) && head.starts_with(b"PK") && npz::has_splits(path) {
        return Found::Npz(path.to_owned()).open(watch);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder::parse_name(&name).is_some() {
        let next = format!("name its folder, {}", folder.display());
        return Err(bad(path, "is a file, not a folder: one of the four IDX files of a data set", next));
    }
    // A download that failed may have left a web page under the name of a table.
    let magic: &[u8] = match () {
        () if ends(&name, &["npy"]) => b"\x93NUMPY",
        () if ends(&name, &["npz"]) => b"PK",
        () if ends(&name, &["parquet"]) => b"PAR1",
        () => b"",
    };
    if is_table(&name) && head.starts_with(magic) {
        return tabular::open(path, request, watch);
    }
    let (problem, next) = foreign(&head).unwrap_or(("is not a known kind of data", "name the folder of a data set"));
    Err(bad(path, format!("is a file, not a folder: it {problem}"), next))
}

/// The error for a folder without data.
fn nothing(folder: &Path) -> Error {
    let (files, folders) = folder::entries(folder).unwrap_or_default();
    let has = |extensions: &[&str]| files.iter().find(|(name, _)| ends(name, extensions)).map(|(name, _)| name);
    let files_of = |name: &str| format!("holds no data set, but {name}");
    if let Some(name) = has(&["zip", "tar", "tgz", "7z", "rar"]) {
        return bad(folder, files_of(name), "unpack it, and name the folder of the files");
    }
    if let Some((name, _)) = files.iter().find(|(name, _)| csv::is_csv(name)) {
        let next = "put the training samples into train.csv and the test samples into test.csv; \
                    move a part of the rows if there is one file";
        return bad(folder, files_of(name), next);
    }
    if class_folders::any_pictures(&folders) {
        let next = "move the folders of the classes into train, and a part of each class's pictures into test, as \
                    train/CLASS/1.png and test/CLASS/2.png";
        return bad(folder, "holds folders of pictures, but no folders train and test", next);
    }
    let searched = folder::places();
    let there: Vec<String> = files.into_iter().chain(folders).map(|(name, _)| name).collect();
    let there = if there.is_empty() { "it is empty".to_owned() } else { format!("it has {}", few(&there)) };
    let problem = format!("holds no IDX files; {there}; these folders in it were searched too: {searched}");
    let names = mnist::FILES.map(|file| file.name).join(", ");
    bad(folder, problem, format!("name the folder that holds {names}, gzipped or not; or another known form"))
}
