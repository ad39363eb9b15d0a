//! Predictions for the rows of tables, at a memory that does not grow with the file.

use super::answer::{Format, quoted};
use super::doubt::{Added, Extra};
use gpu_mlp::Error;
use gpu_mlp::base::error::Error::Setting;
use gpu_mlp::base::text::percent;
use gpu_mlp::data::Task;
use gpu_mlp::data::table::{Batch, Options, Rows};
use gpu_mlp::results::ensemble::{Ensemble, Pooled};
use gpu_mlp::run::model_file::Description;
use serde_json::{Map, Value, json};
use std::io::{Result as Written, Write};
use std::path::{Path, PathBuf};

/// Writes the predictions for the rows of files.
pub struct Tables<'a> {
    pub files: &'a [PathBuf],
    pub options: &'a Options,
    pub description: &'a Description,
    pub format: Format,
    /// Number of classes in text and JSON.
    pub top_k: usize,
    /// Below this probability the answer is "none".
    pub threshold: f32,
    /// Whether the ensemble is one of passes with dropout.
    pub dropout: bool,
}

/// A row's answer: the outputs in their units, and its name.
struct Answer<'a> {
    name: &'a str,
    task: &'a Task,
    outputs: &'a [f32],
    added: Added<'a>,
}

impl Tables<'_> {
    /// Reads all files, predicts, and writes to `to`. Returns the number of rows.
    ///
    /// # Errors
    /// Those of [`Rows`] and [`Ensemble::predict`]; [`Error::File`] if the output cannot be written.
    pub async fn run(&self, ensemble: &mut Ensemble, to: &mut dyn Write, out: &Path) -> Result<u64, Error> {
        let header = self.description.header.as_ref().ok_or_else(|| {
            Setting(
                "the model was trained on arrays without names of columns, so it cannot read tables: use the library"
                    .into(),
            )
        })?;
        let task = self.description.task();
        let extra = Extra::of(ensemble, &task, self.dropout, false);
        let mut count = 0;
        for file in self.files {
            let mut rows = Rows::open(file, header, self.options)?;
            rows.notes().iter().for_each(|note| say!("note: {note}"));
            let mut first = 0;
            while let Some(batch) = rows.next_batch()? {
                if count == 0 && self.format == Format::Csv {
                    self.head(to, &batch, &task, &extra).map_err(Error::file(out))?;
                }
                let pooled = ensemble.predict(&batch.values[..]).await.map_err(|error| in_row(error, file, first))?;
                self.write(to, &batch, first, &extra, &pooled, &task).map_err(Error::file(out))?;
                first += batch.rows as u64;
                count += batch.rows as u64;
            }
        }
        Ok(count)
    }

    /// The names of the columns.
    fn head(&self, to: &mut dyn Write, batch: &Batch, task: &Task, extra: &Extra<'_>) -> Written<()> {
        let id = batch.ids.as_ref().map_or("row", |ids| &ids.name);
        write!(to, "{}", quoted(id))?;
        let prefix = match task {
            Task::Classes { .. } => {
                write!(to, ",class,probability")?;
                "p_"
            }
            Task::Labels { .. } => "p_",
            Task::Values { .. } => "",
        };
        for name in task.names() {
            write!(to, ",{}", quoted(&format!("{prefix}{name}")))?;
        }
        writeln!(to, "{}", extra.head())
    }

    fn write(
        &self,
        to: &mut dyn Write,
        batch: &Batch,
        first: u64,
        extra: &Extra<'_>,
        pooled: &Pooled,
        task: &Task,
    ) -> Written<()> {
        let width = task.outputs();
        for (row, outputs) in pooled.answers.chunks_exact(width).enumerate() {
            let number = (first + row as u64).to_string();
            let name = batch.ids.as_ref().and_then(|ids| ids.get(row)).unwrap_or(&number);
            let answer = Answer { name, task, outputs, added: Added::of(pooled, row, width) };
            match self.format {
                Format::Csv => self.row(to, &answer, extra)?,
                Format::Json => writeln!(to, "{}", self.object(&answer, extra))?,
                Format::Text => writeln!(to, "{}{}", self.line(&answer), extra.words(&answer.added))?,
            }
        }
        Ok(())
    }

    fn row(&self, to: &mut dyn Write, answer: &Answer<'_>, extra: &Extra<'_>) -> Written<()> {
        write!(to, "{}", quoted(answer.name))?;
        if answer.task.is_classes() {
            let best = answer.best();
            let class = if answer.outputs[best] >= self.threshold { &*answer.task.names()[best] } else { "none" };
            write!(to, ",{},{}", quoted(class), answer.outputs[best])?;
        }
        for value in answer.outputs {
            write!(to, ",{value}")?;
        }
        writeln!(to, "{}", extra.fields(&answer.added))
    }

    fn object(&self, answer: &Answer<'_>, extra: &Extra<'_>) -> Value {
        let names = answer.task.names();
        let mut object = json!({ "row": answer.name });
        if answer.task.is_classes() {
            let best = answer.best();
            let sure = answer.outputs[best] >= self.threshold;
            object["class"] = if sure { names[best].as_str().into() } else { Value::Null };
            object["probability"] = answer.outputs[best].into();
            let top = answer.ranking().into_iter().take(self.top_k);
            let top = top.map(|class| json!({ "class": names[class], "probability": answer.outputs[class] }));
            object["top"] = top.collect();
        } else {
            let values: Map<String, Value> =
                names.iter().zip(answer.outputs).map(|(name, &value)| (name.clone(), value.into())).collect();
            object["values"] = values.into();
        }
        extra.insert(&mut object, &answer.added, |class| names[class].as_str().into());
        object
    }

    fn line(&self, answer: &Answer<'_>) -> String {
        let names = answer.task.names();
        let share = |at: usize| format!("{} {} %", names[at], percent(f64::from(answer.outputs[at]), 2));
        let words: Vec<String> = match answer.task {
            Task::Classes { .. } => answer.ranking().into_iter().take(self.top_k).map(share).collect(),
            Task::Labels { .. } => (0..names.len()).map(share).collect(),
            Task::Values { .. } => {
                names.iter().zip(answer.outputs).map(|(name, value)| format!("{name} {value}")).collect()
            }
        };
        let words = words.join(", ");
        let unsure = answer.task.is_classes() && answer.outputs[answer.best()] < self.threshold;
        format!("{}: {}", answer.name, if unsure { format!("none of these (best: {words})") } else { words })
    }
}

impl Answer<'_> {
    /// The most probable class; at equal probabilities the first.
    fn best(&self) -> usize {
        self.outputs.iter().enumerate().fold(0, |best, (at, p)| if *p > self.outputs[best] { at } else { best })
    }

    fn ranking(&self) -> Vec<usize> {
        let mut ranking: Vec<usize> = (0..self.outputs.len()).collect();
        ranking.sort_by(|&a, &b| self.outputs[b].total_cmp(&self.outputs[a]));
        ranking
    }
}

/// Gives the row of an error its file and number.
fn in_row(error: Error, file: &Path, first: u64) -> Error {
    match error {
        Error::NotFinite { index, class, value, .. } => {
            let sample = format!("{}, row {}", file.display(), first + index as u64);
            Error::NotFinite { sample, index, class, value }
        }
        error => error,
    }
}
