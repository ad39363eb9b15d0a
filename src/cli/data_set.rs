//! `gpu-mlp data`

use super::data::DataOptions;
use super::out::out;
use super::predict::show::draw;
use clap::Args;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::data::shape::picture_size;
use gpu_mlp::data::survey::{SplitSurvey, Survey};
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

Suspicious data give notes, as in `gpu-mlp train`: labels that are not 0 … n − 1, classes that are rare or missing, samples
in both splits, blank pictures, values of another scale. Good data give none.")]
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
    let split = |split: &SplitSurvey| {
        json!({
            "samples": split.samples, "classes": split.classes, "smallest": split.range[0], "largest": split.range[1],
            "mean": split.mean, "deviation": split.deviation, "blank": split.blank, "copies": split.duplicates,
            "copies_with_another_label": split.contradictions,
        })
    };
    json!({
        "data": data.name, "data_origin": data.origin, "data_sha256": data.sha256, "shape": data.item,
        "classes": data.outputs(), "train": split(&survey.train), "test": split(&survey.test),
        "constant_features": survey.constant_features, "test_samples_in_training": survey.shared, "notes": survey.notes(),
    })
}

fn tables(data: &DataSet, survey: &Survey) -> String {
    let Survey { train, test, .. } = survey;
    let mut text = String::from("split      samples  smallest  largest    mean  deviation  blank  copies\n");
    for (name, split) in [("training", train), ("test", test)] {
        let SplitSurvey { samples, range: [low, high], mean, deviation, blank, duplicates, .. } = split;
        let blank = blank.len();
        let _ = writeln!(
            text,
            "{name:<8}{samples:>10}{low:>10}{high:>9}{mean:>8.2}{deviation:>11.2}{blank:>7}{duplicates:>8}"
        );
    }
    let _ = writeln!(
        text,
        "\n{} of {} features are constant in the training split\n{} of {} test samples are training samples too\n\n\
         class  training    share      test    share",
        survey.constant_features,
        data.inputs(),
        survey.shared,
        test.samples
    );
    for (class, (of_train, of_test)) in train.classes.iter().zip(&test.classes).enumerate() {
        let share = |part: &usize, whole: usize| 100.0 * *part as f64 / whole.max(1) as f64;
        let (train_share, test_share) = (share(of_train, train.samples), share(of_test, test.samples));
        let _ = writeln!(text, "{class:>5}{of_train:>10}{train_share:>7.1} %{of_test:>10}{test_share:>7.1} %");
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
    for class in 0..data.outputs() {
        let drawn: Vec<String> = first_of(&data.train, class, samples)
            .into_iter()
            .map(|at| {
                let (pixels, rows, columns) = smaller(data.train.sample(at), rows, columns, step);
                draw(&pixels, rows, columns)
            })
            .collect();
        let _ = writeln!(text, "\nclass {class}");
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
