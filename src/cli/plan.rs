//! `gpu-mlp plan`

use super::base::BaseSettings;
use super::out::out;
use super::settings::NetOptions;
use clap::Args;
use gpu_mlp::base::text::counted;
use gpu_mlp::config::LossName;
use gpu_mlp::data::Task;
use gpu_mlp::engine::memory;
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::net::{Net, Sizes, exact, loss};
use gpu_mlp::plan::tensor::Tensor;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp plan
  gpu-mlp plan --plan plain                  one kernel per textbook formula
  gpu-mlp plan --preset nielsen
  gpu-mlp plan --hidden 512,512 --keep-prob 0.8 --optimizer adam --batch-size 128")]
pub struct PlanCommand {
    #[command(flatten)]
    base: BaseSettings,
    #[command(flatten)]
    net: NetOptions,
    /// Number of inputs
    #[arg(long, default_value_t = 784, value_name = "N")]
    inputs: usize,
    /// Number of outputs: classes, or with --loss values or labels
    #[arg(long, default_value_t = 10, value_name = "N")]
    classes: usize,
    /// Number of training samples
    #[arg(long, default_value_t = 60_000, value_name = "N")]
    samples: usize,
    /// Number of test samples
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    test_samples: usize,
    /// Form of the matrix products
    #[arg(long, value_enum, default_value_t = Form::Tiled)]
    form: Form,
}

impl PlanCommand {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.base.config().with(&self.base.file()?.settings)?.with(self.net.settings())?;
        let named = [("inputs", self.inputs), ("classes", self.classes)];
        for (name, value) in [("samples", self.samples), ("test-samples", self.test_samples)].into_iter().chain(named) {
            if !(1..=1 << 24).contains(&value) {
                return Err(gpu_mlp::Error::Setting(format!("{name} is {value} but must be 1 to 16777216")).into());
            }
        }
        config.check(self.samples)?;
        if let Some(because) = config.plain_because(self.samples) {
            say!("note: the plain plan is used: {because}");
        }
        let (train, test) = (self.samples, self.test_samples);
        let names = Task::numbered(self.classes).names().to_vec();
        let task = match config.loss {
            LossName::Auto | LossName::CrossEntropy => Task::Classes { names },
            LossName::Bce => Task::Labels { names },
            _ => Task::Values { names, scales: Vec::new() },
        };
        let sizes = Sizes {
            inputs: self.inputs,
            outputs: self.classes,
            floats: false,
            weighted: false,
            loss: loss(&config, &task)?,
            train,
            validation: 0,
            test,
            forms: self.form.into(),
            limit: u64::MAX,
        };
        exact::check(&config, &sizes, &InputMap::UNIT)?;
        let net = Net::for_training(&config, sizes, &InputMap::UNIT);
        memory::addressable(&net.plan)?;
        let mut out = out();
        if let Some(training) = &net.training {
            let steps = training.gradients.start..training.update.end;
            writeln!(out, "a training step of {}:", counted(training.micro, "sample"))?;
            out.write_all(net.plan.table(steps.clone()).as_bytes())?;
            let flops: u64 = net.plan.steps[steps].iter().map(|op| op.flops()).sum();
            writeln!(out, "total {:.3} MFLOP\n", flops as f64 / 1e6)?;
        }
        writeln!(out, "an evaluation step of {}:", counted(net.evaluation.micro, "sample"))?;
        out.write_all(net.plan.table(net.evaluation.steps.clone()).as_bytes())?;
        writeln!(out, "\nmemory: {:.2} MB in {} tensors", net.plan.bytes() as f64 / 1e6, net.plan.tensors.len())?;
        let mut largest: Vec<&Tensor> = net.plan.tensors.iter().collect();
        largest.sort_by_key(|tensor| std::cmp::Reverse(tensor.id.bytes()));
        for tensor in largest.into_iter().take(8) {
            writeln!(out, "{:>12.3} MB  {}{}", tensor.id.bytes() as f64 / 1e6, tensor.name, tensor.id.shape())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
