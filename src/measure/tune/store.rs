//! The cache of chosen forms: one JSON file per adapter, driver and version of this program.

use crate::base::cache::{file_name, replace};
use crate::base::error::Error;
use crate::base::hash::sha256;
use crate::kernels::forms::{Chosen, Forms};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The contents of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// Adapter, backend and driver, as `gpu-mlp devices` shows them.
    adapter: String,
    /// Version of the program that chose the forms.
    version: String,
    forms: Chosen,
}

/// An open file.
pub(super) struct Store {
    path: PathBuf,
    adapter: String,
    /// The chosen form of each product.
    pub forms: Chosen,
    /// Why an existing file, or a part of it, is ignored.
    pub damage: Option<String>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Store {
    /// Reads the file of an adapter. A file that cannot be read or belongs to another adapter is ignored.
    pub fn open(folder: &Path, adapter: &str) -> Store {
        // An adapter's name can be long and contain any character. The file name is a readable part of the name and a
        // hash.
        let hash = sha256(format!("{adapter} {VERSION}").as_bytes());
        let readable: String = file_name(adapter).chars().take(40).collect();
        let path = folder.join("tune").join(format!("{readable}-{}.json", &hash[..16]));
        let (mut forms, mut damage) = match read(&path, adapter) {
            Ok(forms) => (forms, None),
            Err(problem) => (Chosen::new(), Some(problem)),
        };
        forms.retain(|name, form| match Forms::check(&Chosen::from([(name.clone(), *form)])) {
            Ok(()) => true,
            Err(problem) => {
                damage = Some(problem);
                false
            }
        });
        Store { path, adapter: adapter.to_string(), forms, damage }
    }

    /// Replaces the file. Returns a note if the old one was damaged or the new one cannot be written.
    pub fn save(&self) -> Option<String> {
        let contents =
            Contents { adapter: self.adapter.clone(), version: VERSION.to_string(), forms: self.forms.clone() };
        let text = serde_json::to_string_pretty(&contents).map_err(|error| Error::file(&self.path)(error.into()));
        let saved = text.and_then(|text| replace(&self.path, (text + "\n").as_bytes()));
        match (&self.damage, saved) {
            (None, Ok(())) => None,
            (None, Err(error)) => Some(format!("the chosen forms were not cached: {error}")),
            (Some(problem), Ok(())) => Some(format!("{}: {problem}; a new file is written", self.path.display())),
            (Some(problem), Err(error)) => Some(format!("{problem}; the chosen forms were not cached: {error}")),
        }
    }
}

fn read(path: &Path, adapter: &str) -> Result<Chosen, String> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Chosen::new()),
        text => text.map_err(|error| error.to_string())?,
    };
    let contents: Contents = serde_json::from_str(&text).map_err(|error| format!("cannot be parsed: {error}"))?;
    if (contents.adapter.as_str(), contents.version.as_str()) != (adapter, VERSION) {
        return Err(format!("belongs to {}, version {}", contents.adapter, contents.version));
    }
    Ok(contents.forms)
}
