//! What the settings start from: the defaults, a preset, a file; environment and flags come over them.

use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::config::Config;
use gpu_mlp::config::preset::Preset;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::history::History;
use gpu_mlp::run::settings::{Ancestor, Record, RunFile};
use gpu_mlp::train::session::Limits;
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub struct Base {
    /// A recipe by name: see `gpu-mlp presets`
    #[arg(long, value_parser = preset, value_name = "NAME")]
    preset: Option<Preset>,
    /// A TOML file with the flags as keys, or a run folder, whose run is repeated. It stands over the preset and below
    /// environment and flags
    #[arg(long, value_name = "FILE|DIR")]
    config: Option<PathBuf>,
}

fn preset(name: &str) -> Result<Preset, String> {
    let names = Preset::ALL.map(|preset| preset.name);
    Preset::find(name).ok_or_else(|| match nearest(name, &names) {
        Some(near) => format!("no such preset; did you mean {near}?"),
        None => format!("the presets are {}", names.join(", ")),
    })
}

/// In what else than its settings a run was another than one that is trained to its end by them.
fn other_ways(history: &History, limits: &Limits) -> Vec<String> {
    let mut notes: Vec<String> = history
        .changes
        .iter()
        .map(|change| format!("was changed on its way, {change}; this run is not the same"))
        .collect();
    let reason = history.end.as_ref().map_or("cut_off", |end| end.reason.as_deref().unwrap_or_default());
    let early = ["max_steps", "max_time", "interrupted", "cut_off"].contains(&reason);
    let step = history.epochs.last().and_then(|epoch| epoch.step).filter(|_| early);
    if let Some(step) = step.filter(|&step| limits.max_steps != Some(step)) {
        let how = reason.replace('_', " ");
        notes.push(format!("ended after update {step} ({how}): for the same model give --max-steps {step}"));
    }
    notes
}

impl Base {
    /// What the file says; nothing where there is none.
    pub fn file(&self) -> Result<RunFile, Error> {
        self.config.as_deref().map_or(Ok(RunFile::default()), RunFile::read)
    }

    /// Whether a preset was named.
    pub fn is_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// The settings below the file.
    pub fn config(&self) -> Config {
        self.preset.map_or_else(Config::default, |preset| preset.config())
    }

    /// Refuses to repeat the run that wrote the file from another model than it began with.
    pub fn compare_ancestor(&self, record: &Record, ancestor: &Ancestor) -> Result<(), Error> {
        let Some(was) = record.from.as_ref().filter(|was| was.sha256 != ancestor.sha256) else { return Ok(()) };
        let path = self.config.clone().unwrap_or_default();
        let problem = format!("its run began with {was}, but now that is {ancestor}");
        Err(Error::Data { path, problem, next: "bring that model back, or give --from to begin with this one".into() })
    }

    /// Compares a run with the one that wrote the file: other data are refused, another machine is told, and whatever else
    /// makes this run another.
    pub fn compare(&self, record: &Record, data: &DataSet, machine: &Machine, limits: &Limits) -> Result<(), Error> {
        let path = self.config.clone().unwrap_or_default();
        if record.data_sha256 != data.sha256 {
            let (was, is) = (&record.data_sha256, &data.sha256);
            let problem = format!("its run had data with the hash {was}, but {} has {is}", data.name);
            let next = "give --data to train on other data, or the data set of that run";
            return Err(Error::Data { path, problem, next: next.into() });
        }
        let now = Record::now(data, machine, None);
        // Bits do not depend on the number of threads.
        let same = now.engine == record.engine && (now.engine == "cpu" || now.device == record.device);
        if !same || now.version != record.version {
            let Record { version, engine, device, .. } = record;
            say!(
                "note: {} is of version {version} on {engine}, {device}: this run may differ in its bits",
                path.display()
            );
        }
        let folder = if path.is_dir() { path } else { path.with_file_name("") };
        if let Ok(history) = History::read(&folder) {
            other_ways(&history, limits).iter().for_each(|note| say!("note: {} {note}", folder.display()));
        }
        Ok(())
    }
}
