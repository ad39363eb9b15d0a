//! What was chosen before: one JSON file for each adapter, driver and version of this program.

use crate::base::cache::{file_name, replace};
use crate::base::error::Error;
use crate::base::hash::sha256;
use crate::kernels::forms::Chosen;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The contents of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// Adapter, backend and driver, as `gpu-mlp devices` shows them.
    adapter: String,
    /// Version of the program, whose forms these are.
    version: String,
    forms: Chosen,
}

/// An open file.
pub(super) struct Store {
    path: PathBuf,
    adapter: String,
    /// Choices by product.
    pub forms: Chosen,
    /// Why the file that was there counts for nothing.
    pub note: Option<String>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Store {
    /// Reads the file of an adapter. One that cannot be read, or is of another adapter, counts for nothing.
    pub fn open(folder: &Path, adapter: &str) -> Store {
        // Names of adapters can be long and hold anything: the file's is a readable part of it and a hash of all.
        let hash = sha256(format!("{adapter} {VERSION}").as_bytes());
        let readable: String = file_name(adapter).chars().take(40).collect();
        let path = folder.join("tune").join(format!("{readable}-{}.json", &hash[..16]));
        let (forms, note) = match read(&path, adapter) {
            Ok(forms) => (forms, None),
            Err(problem) => (Chosen::new(), Some(format!("{}: {problem}; it is made anew", path.display()))),
        };
        Store { path, adapter: adapter.to_string(), forms, note }
    }

    /// Replaces the file.
    pub fn save(&self) -> Result<(), Error> {
        let (adapter, version, forms) = (self.adapter.clone(), VERSION.to_string(), self.forms.clone());
        let text = serde_json::to_string_pretty(&Contents { adapter, version, forms })
            .map_err(|error| Error::file(&self.path)(error.into()))?;
        replace(&self.path, (text + "\n").as_bytes())
    }
}

fn read(path: &Path, adapter: &str) -> Result<Chosen, String> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Chosen::new()),
        text => text.map_err(|error| error.to_string())?,
    };
    let contents: Contents = serde_json::from_str(&text).map_err(|error| format!("cannot be understood: {error}"))?;
    if (contents.adapter.as_str(), contents.version.as_str()) != (adapter, VERSION) {
        return Err(format!("is of {}, version {}", contents.adapter, contents.version));
    }
    Ok(contents.forms)
}
