//! Output of a run's records.

use super::out::out;
use gpu_mlp::Error;
use gpu_mlp::run::metrics::{Metrics, Record};
use std::io::Write;

/// `metrics.jsonl`, and stdout too with `--json`.
pub struct Sink {
    pub metrics: Metrics,
    pub json: bool,
}

impl Sink {
    /// Writes a record.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.metrics.push(record)?;
        if self.json {
            let line = serde_json::to_string(record).map_err(|error| Error::file("stdout")(error.into()))?;
            self.say(&line)?;
        }
        Ok(())
    }

    /// Prints a line of text, unless records are printed instead.
    pub fn line(&self, line: &str) -> Result<(), Error> {
        if self.json { Ok(()) } else { self.say(line) }
    }

    /// Prints a line. A closed pipe is not an error: the run continues and saves its model.
    fn say(&self, line: &str) -> Result<(), Error> {
        writeln!(out(), "{line}").map_err(Error::file("stdout"))
    }
}
