//! `--seeds N`: the same run with several seeds, and the mean of every metric with its standard error.

use super::Train;
use super::members::{Common, Ended, Member};
use crate::cli::out::out;
use crate::cli::resume::Resumed;
use gpu_mlp::Error;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::config::Config;
use gpu_mlp::run::checkpoint::Identity;
use gpu_mlp::run::folder::RunFolder;
use gpu_mlp::run::history::History;
use gpu_mlp::run::scores::Scores;
use gpu_mlp::run::seeds::{Mean, SEEDS, SUMMARY, Seeds, Summary, means, summarise};
use gpu_mlp::train::session::{EpochReport, Limits};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

impl Train {
    /// Trains a run for each seed, and reports the means.
    pub async fn train_seeds(
        &self,
        common: &Common<'_>,
        config: &Config,
        limits: Limits,
        seeds: Seeds,
        folder: &RunFolder,
    ) -> anyhow::Result<ExitCode> {
        if folder.path().join(SEEDS).exists() && !(self.force || self.resume.asked()) {
            return Err(Error::Taken { path: folder.path().into() }.into());
        }
        std::fs::create_dir_all(folder.path()).map_err(Error::file(folder.path()))?;
        seeds.write(folder.path())?;
        let mut members = Vec::new();
        let mut before = 0;
        for seed in seeds.all() {
            let config = Config { seed, ..config.clone() };
            let path = Seeds::member(folder.path(), seed);
            let resumed = if self.resume.asked() { self.resume.member(&path)? } else { None };
            if resumed.as_ref().is_some_and(|resumed| resumed.checkpoint.is_some() && has_ended(&path)) {
                before += 1;
                continue;
            }
            let identity = Identity::new(&config, common.data, common.machine);
            let check = |resumed: &Resumed| self.resume.check(resumed, &identity);
            let changed = !resumed.as_ref().map_or(Ok(Vec::new()), check)?.is_empty();
            members.push(Member { folder: path, config, limits, resumed, changed });
        }
        let (path, last) = (folder.path().display(), seeds.first + seeds.seeds - 1);
        let done = if before > 0 { format!(", {before} of them trained before") } else { String::new() };
        say!("seeds: {} to {last}{done}, in {path}", seeds.first);

        let epochs = Epochs { seen: Mutex::default(), members: members.len(), of: config.epochs, json: self.json };
        let ended = self.train_members(common, &members, &|_, report| epochs.take(report)).await?;
        let summaries = summarise(folder.path(), &seeds)?;
        if let (Some(end @ Summary::End { finished, means }), false) =
            (summaries.last(), common.signals.code().is_some())
        {
            let text = format!("models of {}  {}", counted(*finished, "run"), in_words(means));
            print(self.json, end, &text)?;
        }
        say!("runs: {path}/seed-*; their means: {path}/{}", SUMMARY);
        outcome(common, folder.path(), &members, ended)
    }
}

/// Whether a run was trained to its end.
fn has_ended(folder: &Path) -> bool {
    let end = History::read(folder).ok().and_then(|history| history.end).and_then(|end| end.reason);
    matches!(end.as_deref(), Some("finished" | "early_stopping"))
}

/// The exit code of several runs. Says which failed; the first failure is returned.
fn outcome(common: &Common<'_>, folder: &Path, members: &[Member], ended: Vec<Ended>) -> anyhow::Result<ExitCode> {
    let mut failed = Vec::new();
    for (member, ended) in members.iter().zip(ended) {
        if let Some(Err(error)) = ended {
            failed.push((member.folder.display(), error));
        }
    }
    if common.signals.code().is_some() {
        eprintln!("interrupted: resume with `gpu-mlp train --resume {}`", folder.display());
    }
    for (path, error) in failed.iter().skip(1) {
        eprintln!("{path}: {error:#}");
    }
    match failed.into_iter().next() {
        Some((path, error)) => Err(error.context(path.to_string())),
        None => Ok(common.signals.code().unwrap_or(ExitCode::SUCCESS)),
    }
}

/// Prints the means of an epoch as soon as all runs have trained it.
struct Epochs {
    seen: Mutex<BTreeMap<usize, Vec<Scores>>>,
    members: usize,
    /// Epochs of a run.
    of: usize,
    json: bool,
}

impl Epochs {
    fn take(&self, report: &EpochReport) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let scores = seen.entry(report.epoch).or_default();
        scores.push(Scores::new(report.metric, Some(report.train), report.validation, report.test));
        if scores.len() < self.members {
            return;
        }
        let means = means(scores);
        let text = format!("epoch {}/{}  {}", report.epoch, self.of, in_words(&means));
        // A closed pipe ends no run.
        let _ = print(self.json, &Summary::Epoch { epoch: report.epoch as u64, means }, &text);
    }
}

/// Prints a summary as text or as a line of JSON.
fn print(json: bool, summary: &Summary, text: &str) -> Result<(), Error> {
    let line = if json {
        serde_json::to_string(summary).map_err(|error| Error::file("stdout")(error.into()))?
    } else {
        text.to_string()
    };
    writeln!(out(), "{line}").map_err(Error::file("stdout"))
}

/// `test loss 0.0831 ± 0.0006 accuracy 97.51 ± 0.03 %`
fn in_words(means: &BTreeMap<&'static str, Mean>) -> String {
    let mut parts = Vec::new();
    for split in ["train", "validation", "test"] {
        let of = |measure: &str| means.get(format!("{split}_{measure}").as_str());
        let plain = |mean: &Mean| {
            let error = mean.standard_error.map_or(String::new(), |error| format!(" ± {error:.4}"));
            format!("{:.4}{error}", mean.mean)
        };
        let share = |mean: &Mean| {
            let error = mean.standard_error.map_or(String::new(), |error| format!(" ± {}", percent(error, 2)));
            format!("accuracy {}{error} %", percent(mean.mean, 2))
        };
        let loss = of("loss").map(|mean| format!("loss {}", plain(mean)));
        let accuracy = of("accuracy").map(share);
        let rmse = of("rmse").map(|mean| format!("RMSE {}", plain(mean)));
        let words: Vec<String> = [loss, accuracy, rmse].into_iter().flatten().collect();
        if !words.is_empty() {
            parts.push(format!("{split} {}", words.join(" ")));
        }
    }
    parts.join("  ")
}
