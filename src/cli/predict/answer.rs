//! Answers as text, JSON and CSV.

use super::doubt::{Added, Extra};
use super::show;
use super::source::Batch;
use gpu_mlp::base::text::percent;
use gpu_mlp::data::shape::picture_size;
use gpu_mlp::results::assess::Predictions;
use gpu_mlp::results::ensemble::Pooled;
use serde_json::{Value, json};
use std::io::{Result, Write};

/// The answers for a batch.
pub struct Answers<'a> {
    pub predictions: &'a Predictions,
    /// Where they come from.
    pub pooled: &'a Pooled,
    pub extra: &'a Extra<'a>,
}

impl Answers<'_> {
    fn added(&self, sample: usize) -> Added<'_> {
        Added::of(self.pooled, sample, self.predictions.classes)
    }
}

/// What is written about each sample.
pub struct Style {
    /// Number of classes in text and JSON.
    pub top_k: usize,
    /// Below this probability the answer is "none of these".
    pub threshold: f32,
    /// Whether the sample itself is part of the answer.
    pub show: bool,
    pub format: Format,
    /// Shape of a sample.
    pub item: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Format {
    Text,
    Json,
    Csv,
}

impl Style {
    /// Writes the answers of a batch. `first`: whether it is the first batch.
    pub fn write(&self, to: &mut dyn Write, batch: &Batch, answers: &Answers<'_>, first: bool) -> Result<()> {
        if first && self.format == Format::Csv {
            writeln!(to, "{}{}", head(batch, answers.predictions.classes), answers.extra.head())?;
        }
        let inputs = batch.pixels.len() / batch.names.len().max(1);
        for sample in 0..batch.names.len() {
            let pixels = &batch.pixels[sample * inputs..][..inputs];
            match self.format {
                Format::Csv => writeln!(to, "{}", self.row(batch, answers, sample))?,
                Format::Json => writeln!(to, "{}", self.object(batch, answers, sample, pixels))?,
                Format::Text => {
                    if let (true, Some((rows, columns))) = (self.show, picture_size(&self.item)) {
                        to.write_all(show::draw(pixels, rows, columns).as_bytes())?;
                    }
                    writeln!(to, "{}", self.line(batch, answers, sample))?;
                }
            }
        }
        Ok(())
    }

    /// The class of a sample; `None` below the threshold.
    pub fn class(&self, predictions: &Predictions, sample: usize) -> Option<usize> {
        let class = predictions.class(sample);
        (predictions.row(sample)[class] >= self.threshold).then_some(class)
    }

    /// The most probable classes and their probabilities.
    fn top(&self, predictions: &Predictions, sample: usize) -> impl Iterator<Item = (usize, f32)> {
        let row = predictions.row(sample);
        predictions.ranking(sample).into_iter().take(self.top_k).map(|class| (class, row[class]))
    }

    fn line(&self, batch: &Batch, answers: &Answers<'_>, sample: usize) -> String {
        let predictions = answers.predictions;
        let best = self.top(predictions, sample).map(|(class, p)| format!("{class} {} %", percent(f64::from(p), 2)));
        let best = best.collect::<Vec<_>>().join(", ");
        let class = self.class(predictions, sample);
        let answer = if class.is_some() { best } else { format!("none of these (best: {best})") };
        let mut line = format!("{}: {answer}{}", batch.names[sample], answers.extra.words(&answers.added(sample)));
        if let Some(labels) = &batch.labels {
            let label = labels[sample] as usize;
            let verdict = class.map_or("", |class| if class == label { ", right" } else { ", wrong" });
            line += &format!("; label {label}{verdict}");
        }
        line
    }

    fn object(&self, batch: &Batch, answers: &Answers<'_>, sample: usize, pixels: &[u8]) -> Value {
        let predictions = answers.predictions;
        let top = self.top(predictions, sample).map(|(class, p)| json!({ "class": class, "probability": p }));
        let mut object = json!({
            "image": batch.names[sample], "class": self.class(predictions, sample),
            "probability": predictions.row(sample)[predictions.class(sample)], "top": top.collect::<Vec<_>>(),
        });
        if let Some(labels) = &batch.labels {
            object["label"] = labels[sample].into();
        }
        let doubts = batch.doubts.get(sample).into_iter().flatten().cloned().chain(predictions.doubt(sample));
        let doubts: Vec<String> = doubts.collect();
        object["unsure"] = (!doubts.is_empty()).into();
        object["doubts"] = doubts.into();
        if self.show {
            object["seen"] = pixels.into();
        }
        answers.extra.insert(&mut object, &answers.added(sample), Value::from);
        object
    }

    fn row(&self, batch: &Batch, answers: &Answers<'_>, sample: usize) -> String {
        let predictions = answers.predictions;
        let row = predictions.row(sample);
        let class = self.class(predictions, sample).map_or("none".into(), |class| class.to_string());
        let mut fields = vec![quoted(&batch.names[sample]), class, row[predictions.class(sample)].to_string()];
        fields.extend(batch.labels.as_ref().map(|labels| labels[sample].to_string()));
        fields.extend(row.iter().map(f32::to_string));
        fields.join(",") + &answers.extra.fields(&answers.added(sample))
    }
}

/// The names of the columns.
fn head(batch: &Batch, classes: usize) -> String {
    let (name, label) = if batch.labels.is_some() { ("sample", ",label") } else { ("file", "") };
    let classes: String = (0..classes).map(|class| format!(",p{class}")).collect();
    format!("{name},class,probability{label}{classes}")
}

/// A field of CSV, in quotes if it needs them (RFC 4180).
pub fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_with_commas_quotes_and_line_ends_are_quoted() {
        assert_eq!(quoted("a b.png"), "a b.png");
        assert_eq!(quoted("a,b.png"), "\"a,b.png\"");
        assert_eq!(quoted("5\" tall\n.png"), "\"5\"\" tall\n.png\"");
    }
}
