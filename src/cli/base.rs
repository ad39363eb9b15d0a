//! The lowest layers of the settings: defaults, preset, file. Environment and flags override them.

use super::origin;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::config::Config;
use gpu_mlp::config::preset::Preset;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::folder::settings_in;
use gpu_mlp::run::history::History;
use gpu_mlp::run::settings::{Ancestor, Provenance, RunFile};
use gpu_mlp::train::session::Limits;
use std::path::PathBuf;

#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub struct BaseSettings {
    /// Start from a named recipe; `gpu-mlp presets` lists them
    #[arg(long, value_parser = preset, value_name = "NAME")]
    preset: Option<Preset>,
    /// TOML file with the options as keys, or a run folder to repeat its run; overrides the preset; environment and
    /// flags override the file
    #[arg(long, value_name = "FILE|DIR")]
    config: Option<PathBuf>,
}

fn preset(name: &str) -> Result<Preset, String> {
    let names = Preset::ALL.map(|preset| preset.name);
    Preset::find(name).ok_or_else(|| match nearest(name, &names) {
        Some(near) => format!("unknown preset; did you mean {near}?"),
        None => format!("the presets are {}", names.join(", ")),
    })
}

/// How the recorded run departed from a plain run of its settings.
fn other_ways(history: &History, limits: &Limits) -> Vec<String> {
    let mut notes: Vec<String> = history
        .changes
        .iter()
        .map(|change| format!("was changed during training, {change}; this run will differ"))
        .collect();
    let reason = history.end.as_ref().map_or("cut_off", |end| end.reason.as_deref().unwrap_or_default());
    let early = ["max_steps", "max_time", "interrupted", "cut_off"].contains(&reason);
    let step = history.epochs.last().and_then(|epoch| epoch.step).filter(|_| early);
    if let Some(step) = step.filter(|&step| limits.max_steps != Some(step)) {
        let how = reason.replace('_', " ");
        notes.push(format!("ended after update {step} ({how}): give --max-steps {step} to get the same model"));
    }
    notes
}

impl BaseSettings {
    /// Reads the file; empty if none was given.
    pub fn file(&self) -> Result<RunFile, Error> {
        let Some(path) = &self.config else { return Ok(RunFile::default()) };
        let file = RunFile::read(path)?;
        origin::remember_file(settings_in(path), file.settings.keys());
        Ok(file)
    }

    /// Whether a preset was named.
    pub fn is_preset(&self) -> bool {
        self.preset.is_some()
    }

    /// The preset, or the defaults.
    pub fn config(&self) -> Config {
        self.preset.map_or_else(Config::default, |preset| preset.config())
    }

    /// Refuses to repeat a run that started with a different model.
    pub fn compare_ancestor(&self, record: &Provenance, ancestor: &Ancestor) -> Result<(), Error> {
        let Some(was) = record.from.as_ref().filter(|was| was.sha256 != ancestor.sha256) else { return Ok(()) };
        let path = self.config.clone().unwrap_or_default();
        let problem = format!("its run started with {was}, but that file is now {ancestor}");
        Err(Error::Data { path, problem, next: "restore that model, or give --from to start with this one".into() })
    }

    /// Compares this run with the one that wrote the file. Different data are refused. A different machine or version,
    /// and other reasons why the runs differ, are noted on stderr.
    pub fn compare(
        &self,
        record: &Provenance,
        data: &DataSet,
        machine: &Machine,
        limits: &Limits,
    ) -> Result<(), Error> {
        let path = self.config.clone().unwrap_or_default();
        if record.data_sha256 != data.sha256 {
            let (was, is) = (&record.data_sha256, &data.sha256);
            let problem = format!("its run had data with the hash {was}, but {} has {is}", data.name);
            let next = "restore the data set of that run, or give --data to train on this one";
            return Err(Error::Data { path, problem, next: next.into() });
        }
        let now = Provenance::now(data, machine, None);
        // Results do not depend on the number of threads.
        let same = now.engine == record.engine && (now.engine == "cpu" || now.device == record.device);
        let machine = |of: &Provenance| format!("the {} engine, {}", of.engine, of.device);
        let differences = [
            (!same).then(|| format!("it ran on {}, and this run is on {}", machine(record), machine(&now))),
            (now.version != record.version)
                .then(|| format!("it is from version {}, and this is version {}", record.version, now.version)),
        ];
        let differences: Vec<String> = differences.into_iter().flatten().collect();
        if !differences.is_empty() {
            let differences = differences.join("; ");
            say!("note: this run may not be bit-identical to {}: {differences}", path.display());
        }
        let folder = if path.is_dir() { path } else { path.with_file_name("") };
        if let Ok(history) = History::read(&folder) {
            other_ways(&history, limits).iter().for_each(|note| say!("note: {} {note}", folder.display()));
        }
        Ok(())
    }
}
