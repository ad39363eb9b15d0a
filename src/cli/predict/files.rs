//! Pictures from files, folders, patterns and standard input.

use super::source::Batch;
use gpu_mlp::Error;
use gpu_mlp::data::images::{Fit, decode, sample};
use gpu_mlp::data::layout::Layout;
use gpu_mlp::run::model_file::Description;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Endings of the pictures that a folder is searched for.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "jpe", "jfif"];

/// Files that are read part by part, and whether all could be read so far.
pub struct Files {
    paths: std::vec::IntoIter<PathBuf>,
    fit: Fit,
    item: Vec<usize>,
    layout: Option<Layout>,
    /// How pictures were read, and which.
    notes: BTreeMap<String, Vec<PathBuf>>,
    pub all_read: bool,
}

impl Files {
    /// Finds the files that the paths name. A path that names none is reported on stderr.
    pub fn find(paths: &[PathBuf], fit: Fit, description: &Description) -> Files {
        let mut found = Vec::new();
        let mut all_read = true;
        for path in paths {
            match named(path) {
                Ok(paths) => found.extend(paths),
                Err(error) => {
                    report(&error);
                    all_read = false;
                }
            }
        }
        let Description { item, layout, .. } = description.clone();
        Files { paths: found.into_iter(), fit, item, layout, notes: BTreeMap::new(), all_read }
    }

    /// The files that are still to be read.
    pub fn paths(&self) -> &[PathBuf] {
        self.paths.as_slice()
    }

    /// Reads the next files, at most `most`. A file that cannot be used is named on stderr and skipped. A decoded picture is
    /// reduced to a sample at once, so only one is held at full size.
    ///
    /// # Errors
    /// [`Error::Setting`] if the inputs of the model are not a picture.
    pub fn read(&mut self, most: usize) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        for path in self.paths.by_ref().take(most) {
            match bytes(&path).and_then(|bytes| sample(&bytes, &path, self.fit, &self.item, self.layout.as_ref())) {
                Ok(sample) => {
                    sample.doubts.iter().for_each(|doubt| say!("note: {}: unsure: {doubt}", path.display()));
                    sample.notes.into_iter().for_each(|note| self.notes.entry(note).or_default().push(path.clone()));
                    batch.doubts.push(sample.doubts);
                    batch.names.push(path.display().to_string());
                    batch.pixels.extend(sample.pixels);
                }
                Err(error @ Error::Setting(_)) => return Err(error),
                Err(error) => {
                    report(&error);
                    self.all_read = false;
                }
            }
        }
        Ok(batch)
    }

    /// Prints how the pictures were read.
    pub fn say_notes(&self) {
        for (note, paths) in &self.notes {
            match &paths[..] {
                [path] => say!("note: {}: {note}", path.display()),
                _ => say!("note: {} pictures: {note}", paths.len()),
            }
        }
    }
}

fn report(error: &Error) {
    eprintln!("error: {error}\nnext: {}", crate::cli::next(error));
}

/// The files that a path names: itself, the pictures in a folder, or the matches of a pattern. Some shells expand no patterns.
fn named(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.is_dir() {
        return inside(path);
    }
    let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
    match pattern {
        Some(pattern) if !path.exists() => matches(path, pattern),
        _ => Ok(vec![path.into()]),
    }
}

/// Whether a folder holds pictures.
pub fn has_pictures(folder: &Path) -> bool {
    inside(folder).is_ok()
}

/// The pictures in a folder, sorted by name, numbers by value. Folders in it and hidden files are left out.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| bad(folder, format!("cannot be listed: {error}"), "check that you may read it");
    let mut found = Vec::new();
    let mut folders = 0;
    for entry in folder.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        folders += usize::from(path.is_dir() && !hidden);
        if path.is_file() && !hidden && ENDINGS.iter().any(|known| ending == *known) {
            found.push(path);
        }
    }
    if found.is_empty() {
        let next = match folders {
            0 => "give a folder of PNG or JPEG files",
            _ => "folders in it are not searched: name one of them, or give a pattern such as 'FOLDER/**/*.png'",
        };
        return Err(bad(folder, "holds no PNG or JPEG files", next));
    }
    Ok(sorted(found))
}

/// The files that match a pattern, and the pictures in the folders that match it, sorted by name.
fn matches(path: &Path, pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let options = glob::MatchOptions {
        case_sensitive: !cfg!(windows),
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let wrong = |error: glob::PatternError| bad(path, format!("is no file, and no pattern: {error}"), "check the name");
    let found = glob::glob_with(pattern, options).map_err(wrong)?.filter_map(Result::ok);
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = found.partition(|path| path.is_dir());
    // `**` also matches the folders of the files that it finds.
    if files.is_empty() {
        for folder in &folders {
            files.extend(inside(folder)?);
        }
    }
    if files.is_empty() {
        return Err(bad(path, "matches no file", "check the pattern and the folder that it is for"));
    }
    Ok(sorted(files))
}

fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort_by_cached_key(|path| path.as_os_str().to_owned());
    paths.sort_by(|a, b| alphanumeric_sort::compare_str(a.to_string_lossy(), b.to_string_lossy()));
    paths
}

fn bad(path: &Path, problem: impl Into<String>, next: &str) -> Error {
    Error::Data { path: path.into(), problem: problem.into(), next: next.into() }
}

/// A file's bytes; `-` is standard input.
fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |error: std::io::Error| bad(path, error.to_string(), "give a PNG or JPEG file");
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(File::open(path).map_err(unreadable)?),
    };
    let mut bytes = Vec::new();
    let most = decode::LONGEST_FILE;
    source.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(bad(path, format!("is longer than {most} bytes"), "use a smaller picture"));
    }
    Ok(bytes)
}
