//! Output of a run's records.

use super::out::out;
use gpu_mlp::Error;
use gpu_mlp::run::metrics::{Metrics, Record};
use std::io::Write;

/// What a run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Lines of text.
    Text,
    /// The records, one per line.
    Json,
    /// Nothing: it is one of several runs, which are reported together.
    Silent,
}

/// `metrics.jsonl`, and stdout.
pub struct Sink {
    pub metrics: Metrics,
    pub voice: Voice,
}

impl Sink {
    /// Writes a record.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.metrics.push(record)?;
        if self.voice == Voice::Json {
            let line = serde_json::to_string(record).map_err(|error| Error::file("stdout")(error.into()))?;
            self.say(&line)?;
        }
        Ok(())
    }

    /// Prints a line of text to stdout, unless records are printed instead.
    pub fn line(&self, line: &str) -> Result<(), Error> {
        if self.voice == Voice::Text { self.say(line) } else { Ok(()) }
    }

    /// Prints a note to stderr.
    pub fn note(&self, note: &str) {
        if self.voice != Voice::Silent {
            say!("{note}");
        }
    }

    /// Prints a line. A closed pipe is not an error: the run continues and saves its model.
    fn say(&self, line: &str) -> Result<(), Error> {
        writeln!(out(), "{line}").map_err(Error::file("stdout"))
    }
}
