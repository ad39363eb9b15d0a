//! MNIST: its hashes, the folders searched, and its download.
//!
//! Gzipped copies differ from mirror to mirror; the raw files inside do not. So the hashes are those of the raw bytes. They
//! are checked on every load, because training on a damaged copy gives no error, only a worse model.
//!
//! Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::fetch::{Pinned, Tried, fetch};
use super::{DataSet, Event, bad, folder, load};
use crate::base::error::Error;

/// The four files, in the order of [`folder::ROLES`].
pub const FILES: [Pinned<'static>; 4] = [
    Pinned {
        name: "train-images-idx3-ubyte",
        raw_bytes: 47_040_016,
        raw_sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    Pinned {
        name: "train-labels-idx1-ubyte",
        raw_bytes: 60_008,
        raw_sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    Pinned {
        name: "t10k-images-idx3-ubyte",
        raw_bytes: 7_840_016,
        raw_sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    Pinned {
        name: "t10k-labels-idx1-ubyte",
        raw_bytes: 10_008,
        raw_sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

/// Addresses to fetch from, in this order. Each mirror serves `<name>.gz`. A file is accepted by its hash, from any
/// host.
pub const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"];

/// Where data sets are searched and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The user's folder of data sets. Searched first; never written to.
    pub data_dir: Option<PathBuf>,
    /// This program's cache folder. Searched next; downloads are stored in its subfolder `datasets/mnist`.
    pub cache: Option<PathBuf>,
    /// Addresses to fetch from, each with a slash at the end.
    pub mirrors: Vec<String>,
}

impl Places {
    /// `$GPU_MLP_DATA_DIR`, the cache folder of the platform (`$XDG_CACHE_HOME/gpu-mlp` or
    /// `~/.cache/gpu-mlp`; on Windows the local application data), and [`MIRRORS`].
    #[must_use]
    pub fn from_env() -> Places {
        let data_dir = env::var_os("GPU_MLP_DATA_DIR").filter(|dir| !dir.is_empty());
        Places {
            data_dir: data_dir.map(PathBuf::from),
            cache: crate::base::cache::folder(),
            mirrors: MIRRORS.map(str::to_owned).to_vec(),
        }
    }

    /// The folder for downloads of MNIST.
    fn store(&self) -> Option<PathBuf> {
        Some(self.cache.as_ref()?.join("datasets").join("mnist"))
    }
}

/// MNIST was not found and could not be fetched. (A damaged MNIST is an [`Error`] instead.)
#[derive(Clone, Debug, Default)]
pub struct Absent {
    /// The folders searched, each with the reason why it did not help.
    searched: Vec<Tried>,
    /// The addresses tried, each with its failure.
    requested: Vec<Tried>,
    /// Why no download was tried, if none was.
    no_download: Option<&'static str>,
    store: Option<PathBuf>,
}

impl Absent {
    /// The reasons on one line, as the beginning of a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let list = |tried: &[Tried]| tried.iter().map(Tried::brief).collect::<Vec<_>>().join("; ");
        let requested = self.no_download.map_or_else(|| list(&self.requested), str::to_owned);
        format!("MNIST was not found ({}) and not fetched ({requested})", list(&self.searched))
    }
}

impl From<Absent> for Error {
    fn from(absent: Absent) -> Error {
        let mut problem = "MNIST was not found and could not be fetched".to_owned();
        for tried in absent.searched.iter().chain(&absent.requested) {
            problem.push_str(&format!("\n  {tried}"));
        }
        if let Some(reason) = absent.no_download {
            problem.push_str(&format!("\n  no download was tried: {reason}"));
        }
        let store = absent.store.unwrap_or_else(|| PathBuf::from("mnist"));
        let download =
            |file: &Pinned| (format!("{}{}.gz", MIRRORS[1], file.name), store.join(format!("{}.gz", file.name)));
        Error::NoMnist { problem, downloads: FILES.iter().map(download).collect() }
    }
}

/// Whether each of four hashes, in the order of [`folder::ROLES`], is that of MNIST's file.
#[must_use]
pub fn matches(sha256: &[String; 4]) -> [bool; 4] {
    std::array::from_fn(|i| sha256[i] == FILES[i].raw_sha256)
}

/// Finds MNIST, or fetches it into the cache, and loads it.
///
/// The inner error means that MNIST was not found and could not be fetched.
///
/// # Errors
/// [`Error::Data`] if files with MNIST's names hold other bytes. They are never skipped in favour of the next folder or data
/// set, because the user should know about them.
pub fn open(places: &Places, offline: bool, watch: &mut dyn FnMut(Event)) -> Result<Result<DataSet, Absent>, Error> {
    let store = places.store();
    let mut absent = Absent { store: store.clone(), ..Absent::default() };
    for place in places.data_dir.iter().chain(&store) {
        match folder::find_mnist(place) {
            Ok(found) => match found.iter().find_map(|set| Some((set, set.complete()?))) {
                Some((set, paths)) => return verified(&paths, &set.folder, "").map(Ok),
                None if found.is_empty() => absent.searched.push(Tried::new(place.display(), "has no IDX files")),
                None => absent.searched.push(Tried::new(place.display(), "lacks some of the four files")),
            },
            Err(error) => absent.searched.push(Tried::new(place.display(), unlistable(&error))),
        }
    }
    absent.no_download = match &store {
        _ if offline => Some("offline"),
        _ if !cfg!(feature = "download") => Some("this program was built without the feature `download`"),
        None => Some("there is no cache folder to keep it in"),
        Some(store) => match fetch_into(store, &places.mirrors, watch) {
            Ok(paths) => return verified(&paths, store, ", fetched in this run").map(Ok),
            Err(requested) => {
                absent.requested = requested;
                None
            }
        },
    };
    Ok(Err(absent))
}

/// Why a folder could not be listed.
fn unlistable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such folder".to_owned(),
        io::ErrorKind::NotADirectory => "not a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Fetches the files that `store` lacks. Stops at the first file that no mirror provides; the others would fail too.
fn fetch_into(store: &Path, mirrors: &[String], watch: &mut dyn FnMut(Event)) -> Result<[PathBuf; 4], Vec<Tried>> {
    let mut paths: [PathBuf; 4] = Default::default();
    for (path, file) in paths.iter_mut().zip(&FILES) {
        let there = [store.join(file.name), store.join(format!("{}.gz", file.name))];
        *path = match there.into_iter().find(|path| path.is_file()) {
            Some(there) => there,
            None => fetch(file, mirrors, store, watch)?,
        };
    }
    Ok(paths)
}

/// Loads four files, with an error if they are not MNIST.
fn verified(paths: &[PathBuf; 4], folder: &Path, how: &str) -> Result<DataSet, Error> {
    let files = load::read(paths)?;
    for ((path, file), found) in paths.iter().zip(&FILES).zip(&files.sha256) {
        if found != file.raw_sha256 {
            let expected = file.raw_sha256;
            let problem =
                format!("is not MNIST's {}: SHA-256 of the raw bytes is\n  {found}, expected\n  {expected}", file.name);
            let next = "if it is a damaged copy, delete it, and it will be fetched again; \
                        if it is another data set, ask for it by its folder";
            return Err(bad(path, problem, next));
        }
    }
    let origin = format!("{}, MNIST by the SHA-256 of all four files{how}", folder.display());
    load::assemble("mnist".to_owned(), origin, paths, files)
}
