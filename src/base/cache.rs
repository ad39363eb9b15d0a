//! The user's cache folder: what can be made again, and costs time to make.

use crate::base::error::Error;
use etcetera::BaseStrategy as _;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/gpu-mlp` or `~/.cache/gpu-mlp`; on Windows in the local application data. `None` where there is no home.
pub fn folder() -> Option<PathBuf> {
    etcetera::choose_base_strategy().ok().map(|home| home.cache_dir().join("gpu-mlp"))
}

/// Part of a file name: letters, digits, dots and dashes of `text`, and dashes for the rest.
pub(crate) fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    name.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Replaces a file, making its folder if need be: whoever reads sees the old one or the new one, never a part. Not
/// brought to the disk at once, since a file that is lost or damaged is only made again.
///
/// # Errors
/// [`Error::File`] with what the operating system said; the old file is then still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::file(path))?;
    file.write_all(bytes).map_err(Error::file(path))?;
    file.persist(path).map_err(|error| Error::file(path)(error.error))?;
    Ok(())
}
