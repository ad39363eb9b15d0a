//! `gpu-mlp train`

use super::base::Base;
use super::from;
use super::options::{DataOptions, EngineOptions, TuneOptions};
use super::progress::Bar;
use super::settings::NetOptions;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{HealthName, file};
use gpu_mlp::disk::{Os, write_whole};
use gpu_mlp::metrics::{Metrics, Record, SCHEMA};
use gpu_mlp::model_file::{self, Description};
use gpu_mlp::session::{Inspection, Limits, Observer, Progress, Reason, Report, Session, Wish};
use gpu_mlp::tensorboard::Board;
use gpu_mlp::train::Score;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp train
  gpu-mlp train --data digits --hidden 256 --activation tanh --epochs 3
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --batch-size 128 --optimizer adam --epochs 8
  gpu-mlp train --preset nielsen
  gpu-mlp train --config runs/1                            once more, to the bit
  gpu-mlp train --from runs/1/model.safetensors --lr 0.02 --epochs 2
  gpu-mlp train --batch-size full --lr 0.5 --epochs 50     full-batch gradient descent")]
pub struct Train {
    #[command(flatten)]
    base: Base,
    /// Print all settings as a file for --config, and do nothing else
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
    #[command(flatten)]
    net: NetOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    tune: TuneOptions,
    /// Begin with the weights of a model: of this program, or a PyTorch state dict in safetensors. Its architecture and, if
    /// it says them, its activation and normalisation are adopted
    #[arg(long, value_name = "MODEL", help_heading = "Net")]
    from: Option<PathBuf>,
    /// Run folder: model.safetensors, config.toml, metrics.jsonl [default: the next free runs/N]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write scalars, confusion matrix and first-layer weights for TensorBoard too, each epoch
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    tensorboard: Option<PathBuf>,
    /// Replace the run in the folder, if there is one
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// The beginning of a run's config.toml.
const HEAD: &str = "# Repeats the run: `gpu-mlp train --config` with this file or its folder.\n";

/// What `--help` says of a setting.
fn help(key: &str) -> Option<String> {
    let command = super::command();
    let arg = command.find_subcommand("train")?.get_arguments().find(|arg| arg.get_id() == key)?;
    Some(arg.get_help()?.to_string().split(" [default: ").next()?.to_string())
}

impl Train {
    pub async fn run(mut self) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let file = self.base.file()?;
        self.from = self.from.take().or(file.data.from.as_ref().map(PathBuf::from));
        let base = self.base.config();
        let (mut config, first) = match &self.from {
            Some(path) => from::begin(path, base, &[&file.settings, self.net.settings()])
                .map(|(config, model)| (config, Some(model)))?,
            None => (base.with(&file.settings)?.with(self.net.settings())?, None),
        };
        let data_is_of_file = self.data.take(&file.data)?;
        // What can be refused is refused before anything is read, fetched or written.
        config.check(usize::MAX)?;
        if self.print_config {
            let text = file::to_text(&config, &self.data.settings(None, self.from.as_deref()), None, help)?;
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        self.refuse_a_taken_folder()?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine().await?;
        tracing::debug!("machine open");
        let data = self.data.open(ahead)?;
        tracing::debug!("data open");
        config.check(data.train.len())?;
        if let Some(record) = file.record.as_ref().filter(|_| data_is_of_file) {
            self.base.compare(record, &data, &machine)?;
        }
        self.tune.choose(&mut config, &data, &machine).await?;

        let mut session = Session::open(&config, &data, &machine, Limits::default()).await?;
        first.iter().try_for_each(|model| session.begin_with(model))?;
        let net = session.trainer().net();
        let (widths, parameters) = (config.widths(data.inputs(), data.classes), net.parameters());
        eprintln!("net: {widths:?}, {parameters} parameters, {} MB on the device", net.plan.bytes() >> 20);
        if let Some(because) = config.plain_because(data.train.len()) {
            eprintln!("note: the plain plan is taken: {because}");
        }
        let description = Description::of(&config, &data, net);

        let folder = self.folder()?;
        let mut metrics = Metrics::create(Arc::new(Os), &folder)?;
        let config_path = folder.join("config.toml");
        let record = file::Record::now(&data, &machine);
        let text =
            file::to_text(&config, &self.data.settings(Some(&data), self.from.as_deref()), Some(&record), |_| None)?;
        write_whole(&Os, &config_path, format!("{HEAD}{text}").as_bytes())?;
        metrics.push(&Record::Run {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            data: &data.name,
            data_origin: &data.origin,
            data_sha256: &data.sha256,
            train_samples: data.train.len(),
            validation_samples: 0,
            test_samples: data.test.len(),
            widths: &widths,
            parameters,
            engine: machine.name(),
            device: &machine.description(),
            evaluated_weights: if config.ema > 0.0 { "averaged" } else { "last" },
            config: &config,
        })?;

        let board = self.tensorboard.as_ref().map(|folder| Board::create(folder, &data.item)).transpose()?;
        let mut recorder = Recorder {
            bar: None,
            board,
            metrics,
            data: &data.name,
            epochs: config.epochs,
            show_health: config.health == HealthName::Show,
        };
        let outcome = session.run(&mut recorder).await;
        let Recorder { mut metrics, .. } = recorder;
        let mut end = |reason, model_sha256: Option<&str>| {
            metrics.push(&Record::End { seconds: start.elapsed().as_secs_f64(), model_sha256, reason })
        };
        if let Err(Error::Diverged { .. }) = outcome {
            end(Reason::Diverged, None)?;
        }
        let reason = outcome?;
        let path = folder.join("model.safetensors");
        let bytes = model_file::to_bytes(&path, &session.model().await?, &description)?;
        write_whole(&Os, &path, &bytes)?;
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        end(reason, Some(&hash))?;
        eprintln!("model: {} (sha256 {})", path.display(), &hash[..16]);
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses a folder that holds a run, unless it is to be replaced.
    fn refuse_a_taken_folder(&self) -> Result<(), Error> {
        let Some(folder) = self.out.as_ref().filter(|_| !self.force) else { return Ok(()) };
        if ["model.safetensors", "metrics.jsonl"].iter().any(|name| folder.join(name).exists()) {
            return Err(Error::Setting(format!(
                "{} already holds a run: give another --out, or --force to replace it",
                folder.display()
            )));
        }
        Ok(())
    }

    /// The run folder: the one asked for, else the next free number.
    fn folder(&self) -> Result<PathBuf, Error> {
        let Some(folder) = &self.out else {
            return next_free(Path::new("runs"));
        };
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        Ok(folder.clone())
    }
}

/// Makes the first of runs/1, runs/2, … that is not there. Making it claims it, so two runs never share one.
fn next_free(runs: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(runs).map_err(Error::file(runs))?;
    for number in 1u64.. {
        let folder = runs.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            result => return result.map_err(Error::file(&folder)).map(|()| folder),
        }
    }
    unreachable!("there are more numbers than folders")
}

/// Writes down what happens in a run: a bar on stderr, a line an epoch on stdout, `metrics.jsonl`, TensorBoard's
/// file.
struct Recorder<'a> {
    bar: Option<Bar>,
    board: Option<Board>,
    metrics: Metrics,
    data: &'a str,
    epochs: usize,
    show_health: bool,
}

impl Observer for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) -> Wish {
        self.bar.get_or_insert_with(|| Bar::new(progress)).show(&progress.score);
        Wish::Continue
    }

    fn epoch(&mut self, report: &Report) -> Result<Wish, Error> {
        self.bar.take().into_iter().for_each(Bar::clear);
        self.metrics.push(&Record::epoch(report, self.data))?;
        self.board.iter_mut().try_for_each(|board| board.epoch(report).map(drop))?;
        let mut text = line(report, self.epochs);
        let health = report.health.iter().flatten().filter(|_| self.show_health);
        health.for_each(|layer| text += &format!("\n{layer}"));
        match writeln!(std::io::stdout(), "{text}") {
            // Whoever read the lines has seen enough; the model is wanted all the same.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written.map_err(Error::file("stdout"))?,
        }
        Ok(Wish::Continue)
    }

    fn inspects(&self) -> bool {
        self.board.is_some()
    }

    fn inspect(&mut self, inspection: &Inspection) -> Result<(), Error> {
        self.board.iter_mut().try_for_each(|board| board.inspect(inspection))
    }
}

/// An epoch in a line.
fn line(report: &Report, epochs: usize) -> String {
    let score =
        |name, score: &Score| format!("{name} loss {:.4} accuracy {:.2} %  ", score.loss(), 100.0 * score.accuracy());
    let part = if report.whole { String::new() } else { format!(" to update {}", report.step) };
    let test = report.test.map_or_else(String::new, |test| score("test", &test));
    let (epoch, seconds, rate) = (report.epoch, report.seconds, report.images_per_second);
    format!("epoch {epoch}/{epochs}{part}  {}{test}{seconds:.2} s  {rate:.0} images/s", score("train", &report.train))
}
