//! Output files that the user names.

use gpu_mlp::Error;
use same_file::is_same_file;
use std::path::Path;

/// Refuses to write to a file that a command reads, also under another name or through a link; without `force` also to a
/// file or folder that exists.
///
/// # Errors
/// [`Error::Setting`].
pub fn check<'a>(out: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
    // A path that does not exist is the same file as no other.
    if let Some(input) = inputs.into_iter().find(|input| is_same_file(out, input).unwrap_or(false)) {
        let (out, input) = (out.display(), input.display());
        return Err(Error::Setting(format!(
            "--out {out} is the input {input}, which would be lost: give another --out"
        )));
    }
    if !force && (out.is_file() || out.is_dir()) {
        return Err(Error::Setting(format!("{} exists: give another --out, or --force to replace it", out.display())));
    }
    Ok(())
}
