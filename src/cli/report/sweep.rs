//! The page of a sweep.

use gpu_mlp::Error;
use gpu_mlp::config::Config;
use gpu_mlp::results::report::sweep_page;
use gpu_mlp::run::settings::RunFile;
use gpu_mlp::run::sweep::table::Table;
use gpu_mlp::run::sweep::{SWEEP, Sweep};
use std::path::PathBuf;

/// The page, if the folder is that of a sweep.
///
/// # Errors
/// [`Error::Setting`] if there are other folders beside it; those of reading it.
pub fn page(folders: &[PathBuf]) -> Result<Option<String>, Error> {
    let Some(folder) = folders.iter().find(|folder| folder.join(SWEEP).is_file()) else { return Ok(None) };
    if folders.len() > 1 {
        let path = folder.display();
        return Err(Error::Setting(format!("{path} is a sweep, which has a page of its own: give it alone")));
    }
    let Some(sweep) = Sweep::read(folder)? else { return Ok(None) };
    let base = Config::default().with(&RunFile::read(folder)?.settings)?;
    let table = Table::read(&sweep, &base, folder)?;
    let best = table.best(sweep.objective);
    let command = best.map(|best| crate::cli::sweep::repeat(&sweep, &base, best, folder)).transpose()?;
    Ok(Some(sweep_page(&super::name(folder), &sweep, &base, &table, command.as_deref())))
}
