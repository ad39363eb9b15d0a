//! Pictures from files and from standard input.

use super::Batch;
use gpu_mlp::Error;
use gpu_mlp::data::images::{Fit, decode, sample};
use gpu_mlp::run::model_file::Description;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The pictures that could be read, and the exit code if some could not.
pub struct Files {
    pub batch: Batch,
    pub code: ExitCode,
}

/// Reads all files. A file that cannot be used is named on stderr and skipped.
///
/// # Errors
/// [`Error::Setting`] if the inputs of the model are not a picture.
pub fn read(paths: &[PathBuf], fit: Fit, description: &Description) -> Result<Files, Error> {
    let Description { item, layout, .. } = description;
    let (names, pixels, doubts) = (Vec::new(), Vec::new(), Vec::new());
    let mut batch = Batch { names, pixels, item: item.clone(), labels: None, doubts };
    // How the pictures were read, and which.
    let mut notes: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        match bytes(path).and_then(|bytes| sample(&bytes, path, fit, item, layout.as_ref())) {
            Ok(sample) => {
                sample.notes.into_iter().for_each(|note| notes.entry(note).or_default().push(path));
                sample.doubts.iter().for_each(|doubt| say!("note: {}: unsure: {doubt}", path.display()));
                batch.doubts.push(sample.doubts);
                batch.names.push(path.display().to_string());
                batch.pixels.extend(sample.pixels);
            }
            Err(error @ Error::Setting(_)) => return Err(error),
            Err(error) => {
                eprintln!("error: {error}\nnext: {}", crate::cli::next(&error));
                code = ExitCode::from(5);
            }
        }
    }
    for (note, paths) in notes {
        match paths[..] {
            [path] => say!("note: {}: {note}", path.display()),
            _ => say!("note: {} pictures: {note}", paths.len()),
        }
    }
    Ok(Files { batch, code })
}

/// A file's bytes; `-` is standard input.
fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(File::open(path).map_err(unreadable(path))?),
    };
    let mut bytes = Vec::new();
    let most = decode::LONGEST_FILE;
    source.take(most + 1).read_to_end(&mut bytes).map_err(unreadable(path))?;
    if bytes.len() as u64 > most {
        let next = "use a smaller picture".into();
        return Err(Error::Data { path: path.into(), problem: format!("is longer than {most} bytes"), next });
    }
    Ok(bytes)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    |error| Error::Data { path: path.into(), problem: error.to_string(), next: "give a PNG or JPEG file".into() }
}
