//! A small net on the CPU engine, and its loss in double precision, computed by plain loops.

use gpu_mlp::base::rng::{Stream, host};
use gpu_mlp::config::Init;
use gpu_mlp::config::{ActivationName, BatchSize, Config};
use gpu_mlp::data::{DataSet, Split, Task};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::{Engine, Memory};
use gpu_mlp::kernels::{Activation, Form, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::TensorId;
use gpu_mlp::train::feed::Feed;
use gpu_mlp::train::{Trainer, load_parameters};
use rand::RngExt;

pub const SAMPLES: usize = 7;
pub const INPUTS: usize = 6;
pub const CLASSES: usize = 3;
/// A byte p becomes p·SCALE + SHIFT.
const SCALE: f32 = 1.0 / 128.0;
const SHIFT: f32 = -1.0;

/// Settings of a small net.
pub fn config(activation: ActivationName, hidden: &[usize], dropout: bool) -> Config {
    let (keep_prob, input_keep_prob) = if dropout { (0.7, 0.8) } else { (1.0, 1.0) };
    Config {
        // The tests read the gradients, so the plan must store them.
        plan: gpu_mlp::config::PlanKind::Plain,
        hidden: hidden.to_vec(),
        activation,
        keep_prob,
        input_keep_prob,
        batch_size: BatchSize::Full,
        ..Config::default()
    }
}

/// The net of a configuration.
pub fn net(config: &Config) -> Net {
    let sizes = Sizes {
        inputs: INPUTS,
        outputs: CLASSES,
        floats: false,
        weighted: false,
        loss: None,
        train: SAMPLES,
        validation: 0,
        test: 1,
        forms: Form::Plain.into(),
        limit: 1 << 20,
    };
    Net::for_training(config, sizes, &InputMap { scale: SCALE, shift: SHIFT })
}

/// Random samples.
fn data() -> DataSet {
    let mut rng = host(1, Stream::Shuffle, 0);
    let mut split = |samples: usize| {
        let pixels: Vec<u8> = (0..samples * INPUTS).map(|_| rng.random()).collect();
        Split::new(pixels, (0..samples).map(|_| rng.random_range(0..CLASSES as u8)).collect::<Vec<_>>())
    };
    DataSet {
        name: "noise".into(),
        item: vec![INPUTS],
        transposed: false,
        task: Task::numbered(CLASSES),
        header: None,
        features: None,
        train: split(SAMPLES),
        validation: None,
        test: split(1),
        sha256: String::new(),
        origin: "a seed".into(),
    }
}

/// Random weights and biases.
fn model(config: &Config) -> Mlp {
    let mut rng = host(1, Stream::Init, 0);
    let widths = [&[INPUTS], config.hidden.as_slice(), &[CLASSES]].concat();
    let mut model = Mlp::new(&widths, config.activation(), Init::Auto, 1);
    for layer in &mut model.layers {
        layer.weight.fill_with(|| rng.random_range(-1.0..1.0));
        layer.bias.fill_with(|| rng.random_range(-1.0..1.0));
    }
    model
}

/// Weights and biases, layer by layer.
fn flat(model: &Mlp) -> Vec<f64> {
    let layers = model.layers.iter();
    let values = layers.flat_map(|layer| layer.weight.iter().chain(&layer.bias));
    values.map(|&value| f64::from(value)).collect()
}

/// Parameters after `epochs` epochs of training, as the program trains.
pub fn trained(config: &Config, epochs: usize) -> Vec<f64> {
    let (net, data) = (net(config), data());
    let engine = Box::new(CpuEngine::new(&net.plan, Memory::default()));
    let mut trainer = Trainer::new(config.clone(), &data, net, &model(config), engine);
    let trained = pollster::block_on(async {
        for _ in 0..epochs {
            trainer.epoch(&mut |_| ()).await?;
        }
        trainer.model().await
    });
    flat(&trained.expect("the CPU trains"))
}

/// A small net on the CPU engine.
pub struct Rig {
    config: Config,
    pub net: Net,
    engine: CpuEngine,
    /// Weights and biases, layer by layer.
    pub parameters: Vec<f64>,
    data: DataSet,
}

impl Rig {
    /// The net of a configuration.
    pub fn new(config: Config) -> Self {
        let net = net(&config);
        Rig::with(config, net)
    }

    /// A net whose plan may have additional steps at the end.
    pub fn with(config: Config, net: Net) -> Self {
        let (data, model) = (data(), model(&config));
        let mut engine = CpuEngine::new(&net.plan, Memory::default());
        let training = net.training.as_ref().expect("a net made for training");
        let order: Vec<u32> = (0..SAMPLES as u32).collect();
        Feed::new(training.source, &data.train, &mut engine).begin(&order, &mut engine);
        load_parameters(&mut engine, &net.layers, &model);
        let parameters = flat(&model);
        Rig { config, net, engine, parameters, data }
    }

    fn find(&self, name: &str) -> Option<TensorId> {
        let tensor = self.net.plan.tensors.iter().find(|tensor| tensor.name == name);
        tensor.map(|tensor| tensor.id)
    }

    fn words(&mut self, id: TensorId) -> Vec<u32> {
        pollster::block_on(self.engine.read(id, 0..id.words())).expect("the CPU answers")
    }

    /// The values of a tensor, by its name.
    pub fn values(&mut self, name: &str) -> Vec<f64> {
        let id = self.find(name).unwrap_or_else(|| panic!("the plan has no {name}"));
        let values = id.unpack(&self.words(id));
        values.into_iter().map(f64::from).collect()
    }

    /// Runs a micro-batch: `rows` samples from `first`, of a batch of `batch`. Each sample always has the same mask.
    pub fn run(&mut self, first: usize, rows: usize, batch: usize) {
        let now = StepValues {
            cursor: first as u32,
            first: first as u32,
            rows: rows as u32,
            batch: batch as u32,
            total: batch as f32,
            step: 5,
            ..StepValues::default()
        };
        // Runs the gradients without the optimizer, then the additional steps.
        let own = self.net.training.as_ref().expect("made for training").gradients.clone();
        let more = self.net.evaluation.steps.end..self.net.plan.steps.len();
        self.engine.run_now(&[(own, now), (more, now)]);
    }

    /// The gradient by all parameters, in the order of `parameters`.
    pub fn gradient(&mut self) -> Vec<f64> {
        let layers = 1..=self.net.layers.len();
        let names = layers.flat_map(|layer| [format!("dw{layer}"), format!("db{layer}")]);
        names.flat_map(|name| self.values(&name)).collect()
    }

    /// Factors by which dropout multiplies the inputs of each layer, row by row.
    pub fn masks(&mut self) -> Vec<Vec<f64>> {
        let widths: Vec<usize> = self.net.layers.iter().map(|layer| layer.w.cols).collect();
        let factors = |(layer, width): (usize, usize)| {
            let Some(id) = self.find(&format!("mask{layer}")) else {
                return vec![1.0; SAMPLES * width];
            };
            let keep = if layer == 0 { self.config.input_keep_prob } else { self.config.keep_prob };
            let words = self.words(id);
            let bit = |row: usize, col: usize| words[row * id.stride() + col / 32] >> (col % 32) & 1;
            let factor = |at: usize| f64::from(bit(at / width, at % width)) / f64::from(keep);
            (0..SAMPLES * width).map(factor).collect()
        };
        widths.into_iter().enumerate().map(factors).collect()
    }

    /// Inputs (B, I) after dropout.
    pub fn inputs(&self, masks: &[Vec<f64>]) -> Vec<f64> {
        let value = |&byte: &u8| f64::from(byte) * f64::from(SCALE) + f64::from(SHIFT);
        self.data.train.pixels().iter().map(value).zip(&masks[0]).map(|(value, factor)| value * factor).collect()
    }

    /// Mean loss of all samples, and the side of zero of each hidden sum.
    pub fn loss(&self, masks: &[Vec<f64>], inputs: &[f64], parameters: &[f64]) -> (f64, Vec<bool>) {
        let (mut total, mut sides) = (0.0, Vec::new());
        for (sample, x) in inputs.chunks_exact(INPUTS).enumerate() {
            let (mut x, mut rest) = (x.to_vec(), parameters);
            for (number, layer) in self.net.layers.iter().enumerate() {
                let (w, after) = rest.split_at(layer.w.rows * layer.w.cols);
                let (b, after) = after.split_at(layer.w.rows);
                rest = after;
                let dot = |w: &[f64]| w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
                let z: Vec<f64> = w.chunks_exact(x.len()).zip(b).map(|(w, b)| dot(w) + b).collect();
                let Some(mask) = masks.get(number + 1) else {
                    x = z;
                    break;
                };
                sides.extend(z.iter().map(|&z| z > 0.0));
                let factors = &mask[sample * z.len()..];
                let activated = z.iter().zip(factors).map(|(&z, factor)| self.act(z) * factor);
                x = activated.collect();
            }
            let normaliser: f64 = x.iter().map(|z| z.exp()).sum();
            let (label, smoothing) =
                (self.data.train.classes()[sample] as usize, f64::from(self.config.label_smoothing));
            let wanted = (1.0 - smoothing) * x[label] + smoothing * x.iter().sum::<f64>() / CLASSES as f64;
            total += normaliser.ln() - wanted;
        }
        (total / SAMPLES as f64, sides)
    }

    fn act(&self, z: f64) -> f64 {
        match self.config.activation() {
            Activation::Identity => z,
            Activation::Relu => z.max(0.0),
            Activation::LeakyRelu(alpha) => z.max(f64::from(alpha) * z),
            Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            Activation::Tanh => z.tanh(),
            Activation::Gelu => z * 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2),
            Activation::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (z + 0.044715 * z.powi(3));
                0.5 * z * (1.0 + u.tanh())
            }
            Activation::Silu => z / (1.0 + (-z).exp()),
            Activation::Mish => z * z.exp().ln_1p().tanh(),
            Activation::Selu => 1.0507009873554805 * (z.max(0.0) + 1.6732632423543772 * z.min(0.0).exp_m1()),
            Activation::Elu(alpha) => z.max(0.0) + f64::from(alpha) * z.min(0.0).exp_m1(),
            Activation::Softplus => z.exp().ln_1p(),
        }
    }
}
