//! `bench --share`: the record of one adapter in a file.

use super::Bench;
use crate::cli::out::out;
use crate::cli::settings::word;
use gpu_mlp::Error;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::config::Config;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::kernels::forms::Chosen;
use gpu_mlp::measure::parity;
use gpu_mlp::measure::share::{Limits, PRECISIONS, Parity, Share, Speed, without_paths};
use gpu_mlp::measure::training::{self, Demand, Run};
use gpu_mlp::measure::workload::Workload;
use gpu_mlp::train::golden::Golden;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

impl Bench {
    /// Measures parity and speeds, and writes the record after each part, in case the driver ends the program.
    /// Exits with 3 if anything failed.
    pub(super) async fn write_share(&self, file: Option<&Path>, max_time: Duration) -> anyhow::Result<ExitCode> {
        file.map_or(Ok(()), refuse_to_replace)?;
        let machine = self.engine.machine().await?;
        let data = self.data.open(self.data.ahead())?;
        if !["mnist", "digits"].contains(&data.name.as_str()) {
            let problem = format!("--share measures mnist or digits, so that records compare, not {}", data.name);
            return Err(Error::Setting(problem).into());
        }
        let mut share = Share::new(&machine, &data.name);
        let path = file.map_or_else(|| PathBuf::from(share.file_name()), Path::to_path_buf);
        refuse_to_replace(&path)?;
        save(&share, &path)?;
        if let Machine::Gpu(_) = machine {
            say!("parity: every kernel against the CPU");
            let mut summary = Parity::default();
            let ended = async {
                let machine = self.engine.every_feature().await?;
                share.limits = Limits::of(&machine);
                parity::run(&machine, &mut |row| summary.add(row)).await
            };
            let failure = ended.await.err();
            summary.failure = failure.map(|error| without_paths(&error.to_string()));
            share.parity = Some(summary);
            save(&share, &path)?;
        }
        say!("exact: a training run in integers");
        share.exact.set(Golden::run(&machine).await);
        drop(machine);
        save(&share, &path)?;
        self.speeds(&data, max_time, &mut share, &path).await?;
        out().write_all(table(&share).as_bytes())?;
        for failure in share.failures() {
            eprintln!("FAILED: {failure}");
        }
        say!("written: {}; it names the device and the driver, but no user, host or path", path.display());
        Ok(if share.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    async fn speeds(&self, data: &DataSet, max_time: Duration, share: &mut Share, path: &Path) -> anyhow::Result<()> {
        let workloads = self.net.workload.map_or(Workload::ALL.to_vec(), |workload| vec![workload]);
        for workload in workloads {
            for precision in PRECISIONS {
                say!("speed: {workload:?} in {}", word(&precision));
                // A device of its own: a failure before says nothing about this run.
                let result = self.speed(workload, precision, data, max_time).await;
                share.speeds.push(Speed::new(workload, precision, result));
                save(share, path)?;
            }
        }
        Ok(())
    }

    async fn speed(
        &self,
        workload: Workload,
        precision: Precision,
        data: &DataSet,
        max_time: Duration,
    ) -> Result<(Run, Chosen), Error> {
        let machine = self.engine.machine_for(precision).await?;
        let mut config = Config { precision, ..workload.config() };
        self.tune.choose(&mut config, data, &machine).await?;
        let demand = Demand { max_time, floor: self.floor, whole_floor: None };
        let run = training::train(&machine, &config, data, &demand).await?;
        Ok((run, config.forms))
    }
}

fn save(share: &Share, path: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(share)?;
    text.push('\n');
    Ok(std::fs::write(path, text).map_err(Error::file(path))?)
}

/// Refuses a file that exists.
fn refuse_to_replace(path: &Path) -> Result<(), Error> {
    match path.exists() {
        true => Err(Error::Setting(format!("{} exists: give another file to --share", path.display()))),
        false => Ok(()),
    }
}

/// The record as a Markdown table.
fn table(share: &Share) -> String {
    let mut text = format!("{}\n\n", share.device.heading());
    if let Some(Parity { cases, values, faults, failure, not_run, .. }) = &share.parity {
        let verdict = match failure {
            Some(failure) => format!("ended early: {failure}"),
            None => format!("{} wrong", faults.len()),
        };
        let skipped = counted(not_run.len(), "shader");
        text += &format!("parity: {}, {values} values, {verdict}; {skipped} not run\n", counted(*cases, "case"));
    }
    let same = share.exact.sha256.as_ref() == Some(&share.exact.reference);
    text += &format!("integers bit-identical to the reference: {}\n\n", if same { "yes" } else { "NO" });
    text += "| config | precision | images/s | quartiles | GFLOP/s | test accuracy |\n|---|---|---:|---:|---:|---:|\n";
    for Speed { config, precision, run, failure } in &share.speeds {
        let cells = match run {
            Some(run) => {
                let rate = &run.images_per_second;
                let quartiles = format!("{:.0} .. {:.0}", rate.q1, rate.q3);
                let accuracy = percent(run.test_accuracy, 2);
                format!("{:.0} | {quartiles} | {:.1} | {accuracy} %", rate.median, run.gflop_per_second)
            }
            None => format!("- | - | - | {}", failure.as_deref().unwrap_or_default()),
        };
        text += &format!("| {config:?} | {} | {cells} |\n", word(precision));
    }
    text
}
