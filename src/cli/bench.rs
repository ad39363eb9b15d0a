//! `gpu-mlp bench`

mod choice;
mod share;
mod table;

use super::data::DataOptions;
use super::engine::{EngineOptions, TuneOptions};
use super::out::out;
use choice::NetChoice;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{Config, Optimizer};
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::measure::clock::Effort;
use gpu_mlp::measure::device::{Device, DeviceKind};
use gpu_mlp::measure::training::Demand;
use gpu_mlp::measure::workload::Workload;
use gpu_mlp::measure::{Report, dispatch, growth, roof, training};
use gpu_mlp::train::divide;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "\
Runs one epoch of warm-up, then --epochs timed epochs (default 5). If that would take longer than --max-time, it times parts \
of epochs, with at least 10 warm-up steps and 30 timed steps. Exits with code 3 if a run does not learn or a kernel is wrong. \
Net options override those of --config.

Examples:
  gpu-mlp bench                              the default net, and the limits of the device
  gpu-mlp bench --config K                   784-512-512-10 with dropout and momentum
  gpu-mlp bench --config W --engine cpu --json >> bench.jsonl
  gpu-mlp bench --kernels                    every kernel in every form, for S, K and W
  gpu-mlp bench --kernels --config S
  gpu-mlp bench --share                      this adapter in a file: parity and speeds
  gpu-mlp bench --growth                     time by batch, width, depth and samples, as Markdown")]
pub struct Bench {
    #[command(flatten)]
    net: NetChoice,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    tune: TuneOptions,
    /// Approximate limit for a training run, in seconds [default: 120, or 10 with --share]
    #[arg(long, value_name = "SECONDS", help_heading = "Measurement")]
    max_time: Option<f64>,
    /// Test accuracy (0 to 1) that a run must reach [default: on MNIST, the value for --config; otherwise better than
    /// chance]
    #[arg(long, value_name = "SHARE", help_heading = "Measurement")]
    floor: Option<f64>,
    /// Measure only the training run, without device limits and dispatches
    #[arg(long, help_heading = "Measurement")]
    run_only: bool,
    /// Measure single kernels instead, of the given net or of S, K and W; each is first compared with the CPU
    #[arg(long, conflicts_with_all = ["run_only", "growth"], help_heading = "Measurement")]
    kernels: bool,
    /// Measure how time grows with each size instead; --max-time applies to each of about 26 runs
    #[arg(long, conflicts_with_all = ["run_only", "config", "Net", "Training", "Rates", "floor"], help_heading = "Measurement")]
    growth: bool,
    /// Measure this adapter instead: parity with the CPU, and the speed of S, K and W in f32, f16-mixed and int8. Writes a JSON
    /// file that you may send: it names the device and the driver, but no user, host or path
    #[arg(long, value_name = "FILE", num_args = 0..=1, help_heading = "Measurement",
        conflicts_with_all = ["run_only", "kernels", "growth", "floor", "json", "Net", "Training", "Rates"])]
    share: Option<Option<PathBuf>>,
    /// Print one JSON object with every sample instead of the table
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Bench {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let max_time = self.max_time.unwrap_or(if self.share.is_some() { 10.0 } else { 120.0 });
        let max_time = Duration::try_from_secs_f64(max_time)
            .map_err(|error| Error::Setting(format!("max-time is {max_time}: {error}")))?;
        if let Some(file) = &self.share {
            return self.write_share(file.as_deref(), max_time).await;
        }
        if let Some(floor) = self.floor.filter(|floor| !(0.0..=1.0).contains(floor)) {
            return Err(Error::Setting(format!("floor is {floor} but must be a share, 0 to 1")).into());
        }
        let config = &self.net.config;
        config.check(usize::MAX)?;
        config.check_choices(false)?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine_for(config.precision).await?;
        let device = Device::of(&machine);
        if device.class == DeviceKind::Software {
            say!("note: this adapter is software; its times say nothing about a GPU");
        }
        if cfg!(debug_assertions) {
            say!("note: this is a debug build; measure with `cargo run --release`");
        }
        let data = divide(config, self.data.open(ahead)?)?;
        if data.test.is_empty() {
            return Err(Error::Setting(
                "there is no test split, on which the trained net is checked: give --test 0.2".into(),
            )
            .into());
        }
        let several = self.growth || self.kernels && !self.net.given;
        let mut report = Report::new(device, &data, Some(config).filter(|_| !several));
        report.workload = self.net.workload;
        let mut out = out();
        if !self.json {
            out.write_all(table::head(&report).as_bytes())?;
        }
        if self.growth {
            self.grow(&machine, &data, max_time, &mut report).await?;
        } else {
            if !self.run_only {
                report.roof = Some(roof::roof(&machine).await?);
            }
            if self.kernels {
                self.say(&table::roof(&report))?;
                self.every_kernel(&machine, &data, &mut report).await?;
            } else {
                self.train(&machine, &data, max_time, &mut report).await?;
            }
        }
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        }
        let faults = report.faults();
        for fault in &faults {
            eprintln!("FAILED: {fault}");
        }
        Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    /// Prints a part of the table, unless --json was given.
    fn say(&self, text: &str) -> std::io::Result<()> {
        if self.json { Ok(()) } else { out().write_all(text.as_bytes()) }
    }

    async fn train(
        &self,
        machine: &Machine,
        data: &DataSet,
        max_time: Duration,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let config = &self.net.config;
        let mut tuned = config.clone();
        self.tune.choose(&mut tuned, data, machine).await?;
        // The accuracy of a workload is known only for MNIST and for its own settings.
        let known = self.net.workload.filter(|workload| {
            data.name == "mnist"
                && config.epochs > 1
                && *config == Config { epochs: config.epochs, ..workload.config() }
        });
        let demand = Demand { max_time, floor: self.floor, whole_floor: known.map(Workload::floor) };
        let run = training::train(machine, &tuned, data, &demand).await?;
        // Measured again at the end: the machine may have been busier at the start.
        if let Some(before) = report.roof.take() {
            report.roof = Some(before.or(roof::roof(machine).await?));
        }
        self.say(&table::roof(report))?;
        report.share_of_roof = report.roof.as_ref().map(|roof| run.gflop_per_second.median / roof.product.best);
        report.run = Some(run);
        self.say(&table::run(report))?;
        if !self.run_only {
            report.step = Some(dispatch::step(machine, &tuned, data, &Effort::USUAL).await?);
            self.say(&table::step(report))?;
        }
        Ok(())
    }

    async fn every_kernel(&self, machine: &Machine, data: &DataSet, report: &mut Report) -> anyhow::Result<()> {
        let configs = if self.net.given {
            vec![self.net.config.clone()]
        } else {
            let adam = Config { optimizer: Optimizer::Adam, lr: Some(0.001), momentum: 0.0, ..Workload::K.config() };
            Workload::ALL.map(Workload::config).into_iter().chain([adam]).collect()
        };
        let roof = report.roof.clone();
        self.say(&table::dispatch_head())?;
        let mut broken = Ok(());
        let mut each = |done: &dispatch::Dispatch| {
            let line = table::dispatch(done, roof.as_ref(), None);
            broken = std::mem::replace(&mut broken, Ok(())).and_then(|()| self.say(&line));
        };
        report.kernels = dispatch::kernels(machine, &configs, data, &Effort::USUAL, &mut each).await?;
        broken?;
        self.say(&format!("{}\nincluded in the times: {}\n", table::LEGEND, report.clock[1]))?;
        Ok(())
    }

    async fn grow(
        &self,
        machine: &Machine,
        data: &DataSet,
        max_time: Duration,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        self.say(&table::growth_head())?;
        for mut variant in growth::variants(data.train.len()) {
            self.tune.choose(&mut variant.config, data, machine).await?;
            let point = growth::measure(machine, &variant, data, max_time).await?;
            self.say(&table::growth(&point))?;
            report.growth.push(point);
        }
        self.say(&table::growth_floor(&report.growth))?;
        Ok(())
    }
}
