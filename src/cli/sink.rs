//! Where the records of a run go.

use super::out::out;
use gpu_mlp::Error;
use gpu_mlp::run::metrics::{Metrics, Record};
use std::io::Write;

/// `metrics.jsonl`, and stdout as well where `--json` asks for it.
pub struct Sink {
    pub metrics: Metrics,
    pub json: bool,
}

impl Sink {
    /// Writes a record down.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.metrics.push(record)?;
        if self.json {
            let line = serde_json::to_string(record).map_err(|error| Error::file("stdout")(error.into()))?;
            self.say(&line)?;
        }
        Ok(())
    }

    /// Writes a line for a person, unless records are wanted in its place.
    pub fn line(&self, line: &str) -> Result<(), Error> {
        if self.json { Ok(()) } else { self.say(line) }
    }

    /// Whoever read the lines may have seen enough; the model is wanted all the same.
    fn say(&self, line: &str) -> Result<(), Error> {
        writeln!(out(), "{line}").map_err(Error::file("stdout"))
    }
}
