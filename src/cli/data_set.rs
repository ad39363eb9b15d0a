//! `gpu-mlp data`

use super::data::DataOptions;
use super::eval::{short, width};
use super::out::out;
use super::predict::show::draw;
use clap::Args;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::shape::picture_size;
use gpu_mlp::data::survey::{ColumnSurvey, SplitSurvey, Survey};
use gpu_mlp::data::{Choice, DataSet};
use gpu_mlp::results::report::{data_page, first_of};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp data
  gpu-mlp data digits --samples 2
  gpu-mlp data digits --html digits.html       the same as a page
  gpu-mlp data digits --json > digits.json
  gpu-mlp data --data iris.csv --target species    the columns of a table

Suspicious data give notes, as in `gpu-mlp train`: labels that are not 0 … n − 1, classes that are rare or missing, samples
in both splits, blank pictures, values of another scale, texts that differ in most rows. Good data give none.")]
pub struct Data {
    /// The data set, as for --data
    #[arg(value_name = "DATA")]
    choice: Option<Choice>,
    /// Number of samples of each class to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    samples: usize,
    /// Write a page with more samples to this file, and print no tables
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataOptions,
}

/// How many times as many samples the page shows.
const ON_A_PAGE: usize = 6;

impl Data {
    pub async fn run(mut self) -> anyhow::Result<ExitCode> {
        self.data.choose(self.choice.take());
        let data = self.data.open(self.data.ahead())?;
        let survey = Survey::of(&data);
        if let Some(path) = &self.html {
            let page = data_page(&data, &survey, self.samples.saturating_mul(ON_A_PAGE));
            write_out(path, page.as_bytes())?;
            say!("page: {} ({} kB)", path.display(), page.len().div_ceil(1000));
        }
        if self.json {
            writeln!(out(), "{}", object(&data, &survey))?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.html.is_none() {
            out().write_all((tables(&data, &survey) + &sheet(&data, self.samples)).as_bytes())?;
        }
        survey.notes().iter().for_each(|note| say!("note: {note}"));
        Ok(ExitCode::SUCCESS)
    }
}

fn object(data: &DataSet, survey: &Survey) -> Value {
    let mut object = json!({
        "data": data.name, "data_origin": data.origin, "data_sha256": data.sha256, "shape": data.item,
        "constant_features": survey.constant_features, "notes": survey.notes(),
    });
    let is_classes = data.task.is_classes();
    if is_classes {
        object["classes"] = json!(data.outputs());
        object["class_names"] = json!(survey.names);
    }
    for (name, split) in [("train", &survey.train), ("test", &survey.test)] {
        object[name] = json!({ "samples": split.samples });
        let of = &mut object[name];
        match is_classes {
            true => of["classes"] = json!(split.classes),
            false => of["targets"] = split.targets.iter().map(column).collect(),
        }
        if survey.bytes {
            of["smallest"] = json!(split.range[0]);
            of["largest"] = json!(split.range[1]);
            of["mean"] = json!(split.mean);
            of["deviation"] = json!(split.deviation);
            of["blank"] = json!(split.blank);
            of["copies"] = json!(split.duplicates);
            of["copies_with_another_label"] = json!(split.contradictions);
        }
    }
    match survey.bytes {
        true => object["test_samples_in_training"] = json!(survey.shared),
        false => object["columns"] = survey.columns.iter().map(column).collect(),
    }
    object
}

/// A column as an object; what it does not have is `null`.
fn column(column: &ColumnSurvey) -> Value {
    let numbers = column.numbers;
    json!({
        "name": column.name, "kind": if column.categories.is_some() { "category" } else { "number" },
        "smallest": numbers.map(|numbers| exact(numbers.range[0])), "largest": numbers.map(|numbers| exact(numbers.range[1])),
        "mean": numbers.map(|numbers| numbers.mean), "deviation": numbers.map(|numbers| numbers.deviation),
        "categories": column.categories, "missing": column.missing, "constant": column.constant,
    })
}

/// The number with the fewest digits that is read as this f32: 4.1 instead of 4.0999999.
fn exact(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

/// As [`exact`], unless it is long.
fn shortest(value: f32) -> String {
    let text = value.to_string();
    if text.len() <= 10 { text } else { short(value.into()) }
}

fn tables(data: &DataSet, survey: &Survey) -> String {
    let Survey { train, test, .. } = survey;
    let mut text = if survey.bytes { bytes(data, survey) } else { columns(survey) };
    if !data.task.is_classes() {
        for (head, split) in
            [("target", train), ("test target", test)].into_iter().filter(|(_, split)| split.samples > 0)
        {
            text += &format!("\n{}", table(head, &split.targets));
        }
        return text;
    }
    let wide = width(&survey.names);
    let _ = writeln!(text, "\n{:<wide$}  training    share      test    share", "class");
    for (name, (of_train, of_test)) in survey.names.iter().zip(train.classes.iter().zip(&test.classes)) {
        let share = |part: &usize, whole: usize| 100.0 * *part as f64 / whole.max(1) as f64;
        let (train_share, test_share) = (share(of_train, train.samples), share(of_test, test.samples));
        let _ = writeln!(text, "{name:<wide$}{of_train:>10}{train_share:>7.1} %{of_test:>10}{test_share:>7.1} %");
    }
    text
}

/// The values of samples that are bytes.
fn bytes(data: &DataSet, survey: &Survey) -> String {
    let mut text = String::from("split      samples  smallest  largest    mean  deviation  blank  copies\n");
    for (name, split) in [("training", &survey.train), ("test", &survey.test)] {
        let SplitSurvey { samples, range: [low, high], mean, deviation, blank, duplicates, .. } = split;
        let blank = blank.len();
        let _ = writeln!(
            text,
            "{name:<8}{samples:>10}{low:>10}{high:>9}{mean:>8.2}{deviation:>11.2}{blank:>7}{duplicates:>8}"
        );
    }
    let _ = writeln!(
        text,
        "\n{} of {} features are constant in the training split\n{} of {} test samples are training samples too",
        survey.constant_features,
        data.inputs(),
        survey.shared,
        survey.test.samples
    );
    text
}

/// Largest number of columns that are printed.
const PRINTED: usize = 50;

/// The columns of a table.
fn columns(survey: &Survey) -> String {
    let Survey { train, test, columns, .. } = survey;
    let mut text = format!("split      samples\ntraining{:>10}\ntest    {:>10}\n\n", train.samples, test.samples);
    text += &table("column", columns);
    let constant = columns.iter().filter(|column| column.constant).map(|column| &*column.name);
    let constant: Vec<&str> = constant.take(PRINTED).collect();
    let all = counted(columns.len(), "column");
    let _ = match survey.constant_features {
        0 => writeln!(text, "\nno column is constant in the training split"),
        number => writeln!(text, "\nconstant in the training split ({number} of {all}): {}", constant.join(", ")),
    };
    text
}

/// A line per column, up to a limit.
fn table(head: &str, columns: &[ColumnSurvey]) -> String {
    let names: Vec<String> = columns.iter().take(PRINTED).map(|column| column.name.clone()).collect();
    let wide = width(&names).max(head.len());
    let mut text = format!(
        "{head:<wide$}  {:<16}{:>12}{:>12}{:>12}{:>12}{:>9}\n",
        "kind", "smallest", "largest", "mean", "deviation", "missing"
    );
    for (name, column) in names.iter().zip(columns) {
        let [low, high, mean, deviation] = column.numbers.map_or_else(
            || [(); 4].map(|()| "-".into()),
            |of| [shortest(of.range[0]), shortest(of.range[1]), short(of.mean), short(of.deviation)],
        );
        let (kind, missing) = (column.kind(), column.missing);
        let _ = writeln!(text, "{name:<wide$}  {kind:<16}{low:>12}{high:>12}{mean:>12}{deviation:>12}{missing:>9}");
    }
    if columns.len() > PRINTED {
        let _ = writeln!(text, "… and {} more; --json prints all", columns.len() - PRINTED);
    }
    text
}

/// Largest width of a drawn sample in characters.
const WIDTH: usize = 14;

/// The first training samples of each class, side by side; nothing if samples are not grey pictures.
fn sheet(data: &DataSet, samples: usize) -> String {
    let Some((rows, columns)) =
        picture_size(&data.item).filter(|_| samples > 0 && data.train.samples.bytes().is_some())
    else {
        return String::new();
    };
    let step = columns.div_ceil(WIDTH).max(rows.div_ceil(2 * WIDTH));
    let mut text = String::new();
    for (class, name) in data.task.names().iter().enumerate() {
        let drawn: Vec<String> = first_of(&data.train, class, samples)
            .into_iter()
            .map(|at| {
                let (pixels, rows, columns) = smaller(data.train.sample(at), rows, columns, step);
                draw(&pixels, rows, columns)
            })
            .collect();
        let _ = writeln!(text, "\nclass {name}");
        for line in 0..rows.div_ceil(step).div_ceil(2) {
            let width = columns.div_ceil(step);
            let parts = drawn.iter().map(|drawn| format!("{:<width$}", drawn.lines().nth(line).unwrap_or_default()));
            text += parts.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
    }
    text
}

/// The picture with the mean of each square of `step` × `step` pixels, and its rows and columns.
fn smaller(pixels: &[u8], rows: usize, columns: usize, step: usize) -> (Vec<u8>, usize, usize) {
    let (height, width) = (rows.div_ceil(step), columns.div_ceil(step));
    let mean = |at: usize| {
        let (top, left) = (at / width * step, at % width * step);
        let lines = (top..rows.min(top + step)).map(|row| &pixels[row * columns + left..][..step.min(columns - left)]);
        let (sum, count) = lines.fold((0, 0), |(sum, count), line| {
            (sum + line.iter().map(|&pixel| usize::from(pixel)).sum::<usize>(), count + line.len())
        });
        (sum / count.max(1)) as u8
    };
    ((0..height * width).map(mean).collect(), height, width)
}
