//! Whether a model file is the one that its run recorded.

use crate::base::disk::folder_of;
use crate::base::error::Error;
use crate::run::folder::MODEL;
use crate::run::history::History;
use std::ffi::OsStr;
use std::path::Path;

/// Compares the hash of a model file with the record of the run in its folder. A file of another name, a folder without a
/// record, and a run that has not ended have nothing to compare with.
///
/// # Errors
/// [`Error::Altered`] if the run recorded another hash.
pub fn check_recorded(path: &Path, sha256: &str) -> Result<(), Error> {
    // A link may lead into a run folder, or out of one.
    let target = path.canonicalize().unwrap_or_else(|_| path.into());
    for file in [path, target.as_path()] {
        if file.file_name() != Some(OsStr::new(MODEL)) {
            continue;
        }
        let end = History::read(folder_of(file)).ok().and_then(|history| history.end);
        if let Some(recorded) = end.and_then(|end| end.model_sha256).filter(|recorded| recorded != sha256) {
            return Err(Error::Altered { path: path.into(), found: sha256.into(), recorded });
        }
    }
    Ok(())
}
