//! Options that several commands share. Defaults come from [`Config`], where each is written once.

use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{ActivationName, BatchSize, Config, Normalize, Optimizer, PlanKind, Schedule, Upload};
use gpu_mlp::data::{self, Choice, DataSet, Event, Request};
use gpu_mlp::gpu::Wanted;
use gpu_mlp::machine::{EngineName, Machine};
use gpu_mlp::model::Init;
use gpu_mlp::tune::{self, Tune};
use indicatif::{ProgressBar, ProgressStyle};

fn defaults() -> Config {
    Config::default()
}

/// Where the arithmetic is done.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineOptions {
    /// Which engine: `auto` takes a real GPU if there is one, else the CPU
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    engine: EngineName,
    /// Part of an adapter's name, see `gpu-mlp devices` [env: WGPU_ADAPTER_NAME]
    #[arg(long, value_name = "SUBSTRING")]
    adapter: Option<String>,
    /// Backends, with commas between: vulkan, metal, dx12, gl [env: WGPU_BACKEND]
    #[arg(long, value_name = "LIST")]
    backend: Option<String>,
}

impl EngineOptions {
    pub fn wanted(&self) -> Wanted {
        Wanted { adapter: self.adapter.clone(), backend: self.backend.clone() }
    }

    /// Opens the machine and says on stderr which it is and why.
    pub async fn machine(&self) -> Result<Machine, Error> {
        let (machine, sentence) = Machine::choose(self.engine, &self.wanted()).await?;
        eprintln!("{sentence}");
        Ok(machine)
    }

    /// As `machine`, but an adapter in any case.
    pub async fn adapter(&self) -> Result<Machine, Error> {
        Ok(Machine::choose(EngineName::Gpu, &self.wanted()).await?.0)
    }
}

/// Which of its forms a matrix product takes.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct TuneOptions {
    /// Try the forms of each matrix product on the GPU, for about half a second, and remember the best; they differ in
    /// rounding, and config.toml says which were taken
    #[arg(long, value_enum, default_value_t = Tune::default())]
    tune: Tune,
}

impl TuneOptions {
    /// Puts the forms to be used into the configuration, and says on stderr what was chosen.
    pub async fn choose(&self, config: &mut Config, data: &DataSet, machine: &Machine) -> Result<(), Error> {
        let tuning = tune::tune(config, data, machine, self.tune, gpu_mlp::cache::folder().as_deref()).await?;
        tuning.note.iter().for_each(|note| eprintln!("note: {note}"));
        tuning.line().iter().for_each(|line| eprintln!("{line}"));
        config.forms = tuning.forms;
        Ok(())
    }
}

/// What is learned from, or judged on.
#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataOptions {
    /// `mnist`, `digits` (built in, generated), a folder of IDX files, or `auto`: MNIST if it is there or can be
    /// fetched, else digits [env for MNIST's folder: GPU_MLP_DATA_DIR]
    #[arg(long, default_value = "auto", value_name = "auto|mnist|digits|DIR")]
    data: Choice,
    /// Never open a network connection
    #[arg(long)]
    offline: bool,
    /// Generated training digits
    #[arg(long, default_value_t = data::digits::Options::default().train, value_name = "N")]
    digits_train: usize,
    /// Generated test digits
    #[arg(long, default_value_t = data::digits::Options::default().test, value_name = "N")]
    digits_test: usize,
    /// Seed of the generated digits
    #[arg(long, default_value_t = data::digits::Options::default().seed, value_name = "N")]
    digits_seed: u64,
}

impl DataOptions {
    fn request(&self) -> Request {
        let digits = data::digits::Options { train: self.digits_train, test: self.digits_test, seed: self.digits_seed };
        Request { choice: self.data.clone(), offline: self.offline, digits }
    }

    /// Begins to read the data set, so that adapters can be looked for meanwhile. Only MNIST that is there already, or
    /// what was asked for by name: nothing is fetched or made in place of another before all settings are accepted.
    pub fn ahead(&self) -> Ahead {
        let mut request = Request { offline: true, ..self.request() };
        if request.choice == Choice::Auto {
            request.choice = Choice::Mnist;
        }
        let possible = self.digits_train > 0 && self.digits_test > 0;
        Ahead(std::thread::spawn(move || {
            let mut notes = Vec::new();
            // An error is met again by whoever opens the data set in earnest, and told there.
            let data = possible.then(|| data::open(&request, &mut |event| notes.push(event)).ok()).flatten();
            data.filter(|_| notes.is_empty())
        }))
    }

    /// Opens the data set; notes and the progress of a download go to stderr.
    pub fn open(&self, ahead: Ahead) -> Result<DataSet, Error> {
        // A panic of the thread would be one of the reader, which then panics here as well.
        let data = match ahead.0.join().ok().flatten() {
            Some(data) => data,
            None => self.read()?,
        };
        eprintln!(
            "data: {}, {} + {} samples of {:?}, {} classes: {}",
            data.name,
            data.train.len(),
            data.test.len(),
            data.item,
            data.classes,
            data.origin
        );
        Ok(data)
    }

    fn read(&self) -> Result<DataSet, Error> {
        if self.digits_train == 0 || self.digits_test == 0 {
            return Err(Error::Setting("digits-train and digits-test must be at least 1".into()));
        }
        let request = self.request();
        let mut bar: Option<(String, ProgressBar)> = None;
        data::open(&request, &mut |event| match event {
            Event::Note(note) => eprintln!("note: {note}"),
            Event::Fetch { file, done, total } => {
                if bar.as_ref().is_none_or(|(name, _)| *name != file) {
                    bar = Some((file.clone(), download_bar(&file)));
                }
                if let Some((_, bar)) = &bar {
                    total.iter().for_each(|&total| bar.set_length(total));
                    bar.set_position(done);
                }
            }
            _ => {}
        })
    }
}

/// A data set that is being read on a thread of its own.
pub struct Ahead(std::thread::JoinHandle<Option<DataSet>>);

fn download_bar(file: &str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_message(file.to_string());
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    style.into_iter().for_each(|style| bar.set_style(style));
    bar
}

/// What is trained, and how.
#[derive(Args)]
#[command(next_help_heading = "Net and training")]
pub struct NetOptions {
    /// Widths of the hidden layers with commas between, or `none` for softmax regression
    #[arg(long, default_value = "128", value_parser = widths, value_name = "WIDTHS")]
    hidden: Widths,
    /// Activation of the hidden layers
    #[arg(long, value_enum, default_value_t = defaults().activation)]
    activation: ActivationName,
    /// Slope of leaky ReLU for negative sums
    #[arg(long, default_value_t = defaults().alpha, value_name = "SLOPE")]
    alpha: f32,
    /// How first weights are drawn; `auto` suits the activation
    #[arg(long, value_enum, default_value_t = defaults().init)]
    init: Init,
    /// Samples an update: 1 is stochastic, `full` is full-batch gradient descent
    #[arg(long, default_value_t = defaults().batch_size, value_name = "N|full")]
    batch_size: BatchSize,
    /// Most samples on the device at a time; larger batches add up gradients
    #[arg(long, default_value_t = defaults().physical_batch, value_name = "N")]
    physical_batch: usize,
    /// Passes over the training split
    #[arg(long, default_value_t = defaults().epochs, value_name = "N")]
    epochs: usize,
    /// How weights follow gradients
    #[arg(long, value_enum, default_value_t = defaults().optimizer)]
    optimizer: Optimizer,
    /// Learning rate [default: 0.2 for sgd, 0.05 for nesterov, 0.001 for adam and adamw]
    #[arg(long)]
    lr: Option<f32>,
    /// How the learning rate changes over the run: `linear` and `cosine` fall to zero
    #[arg(long, value_enum, default_value_t = defaults().schedule)]
    schedule: Schedule,
    /// Momentum of sgd and nesterov [default: 0 for sgd, 0.9 for nesterov]
    #[arg(long)]
    momentum: Option<f32>,
    /// Memory of Adam's first moment
    #[arg(long, default_value_t = defaults().beta1)]
    beta1: f32,
    /// Memory of Adam's second moment
    #[arg(long, default_value_t = defaults().beta2)]
    beta2: f32,
    /// Keeps Adam's divisor from zero
    #[arg(long, default_value_t = defaults().epsilon)]
    epsilon: f32,
    /// Strength of the penalty l2/2·|w|² on weights; for adamw the decay
    #[arg(long, default_value_t = defaults().l2)]
    l2: f32,
    /// Label smoothing: the share of the true class that is spread evenly over all classes
    #[arg(long, default_value_t = defaults().label_smoothing, value_name = "SHARE")]
    label_smoothing: f32,
    /// Probability that dropout keeps a hidden unit; 1 keeps all
    #[arg(long, default_value_t = defaults().keep_prob, value_name = "P")]
    keep_prob: f32,
    /// Probability that dropout keeps an input; 1 keeps all
    #[arg(long, default_value_t = defaults().input_keep_prob, value_name = "P")]
    input_keep_prob: f32,
    /// What a byte becomes: `unit` p/255, `standard` zero mean and unit variance
    #[arg(long, value_enum, default_value_t = defaults().normalize)]
    normalize: Normalize,
    /// Seed of weights, shuffles and dropout
    #[arg(long, default_value_t = defaults().seed, value_name = "N")]
    seed: u64,
    /// The data set on the device once, or mini-batches streamed to it
    #[arg(long, value_enum, default_value_t = defaults().upload)]
    upload: Upload,
    /// Which kernels a step is made of: `plain` has one for each formula of the textbook, `fused` is faster
    #[arg(long, value_enum, default_value_t = defaults().plan)]
    plan: PlanKind,
}

/// A list under a name of its own, because clap takes a bare `Vec` for a repeated option.
type Widths = Vec<usize>;

fn widths(text: &str) -> Result<Widths, String> {
    let width = |word: &str| word.trim().parse().map_err(|_| format!("{word:?} is not a width; try 128 or 512,512"));
    if text == "none" { Ok(Vec::new()) } else { text.split(',').map(width).collect() }
}

impl NetOptions {
    pub fn config(&self) -> Config {
        Config {
            hidden: self.hidden.clone(),
            activation: self.activation,
            alpha: self.alpha,
            init: self.init,
            batch_size: self.batch_size,
            physical_batch: self.physical_batch,
            epochs: self.epochs,
            optimizer: self.optimizer,
            lr: self.lr.unwrap_or(self.optimizer.default_lr()),
            schedule: self.schedule,
            momentum: self.momentum.unwrap_or(self.optimizer.default_momentum()),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            l2: self.l2,
            label_smoothing: self.label_smoothing,
            keep_prob: self.keep_prob,
            input_keep_prob: self.input_keep_prob,
            normalize: self.normalize,
            seed: self.seed,
            upload: self.upload,
            plan: self.plan,
            forms: Default::default(),
        }
    }
}
