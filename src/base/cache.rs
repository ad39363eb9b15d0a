//! The user's cache folder. It holds only what can be computed again.

use crate::base::error::Error;
use etcetera::BaseStrategy as _;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/gpu-mlp` or `~/.cache/gpu-mlp`; on Windows in the local application data. `None` where there is no home.
pub fn folder() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|home| home.cache_dir().join("gpu-mlp"))
}

/// A text as part of a file name: letters, digits and dots stay, everything else becomes a dash.
pub(crate) fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    name.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Replaces a file atomically and creates its folder: a reader sees the old file or the new one, never a part. Does not sync
/// to disk: a lost file is only computed again.
///
/// # Errors
/// [`Error::File`] with the operating system's message; the old file then remains.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::file(path))?;
    file.write_all(bytes).map_err(Error::file(path))?;
    file.persist(path).map_err(|error| Error::file(path)(error.error))?;
    Ok(())
}
