//! A plan: named tensors and a list of dispatches over them, as data. An engine is a loop over a plan.

pub mod case;
pub mod kernel;
pub mod tensor;

use kernel::{Access, Kernel, StepValues};
use std::ops::Range;
use std::sync::Arc;
use tensor::{DType, Role, Tensor, TensorId};

/// A range of a plan's steps to run, with the values of that training step.
pub type Work = (Range<usize>, StepValues);

/// Tensors and steps. Built once; nothing is added while it runs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All tensors; a [`TensorId`] is an index into them.
    pub tensors: Vec<Tensor>,
    /// All dispatches, in an order in which they can run.
    pub steps: Vec<Arc<dyn Kernel>>,
}

impl Plan {
    /// Adds a tensor. A vector `(n)` is one row of n columns.
    pub fn tensor(&mut self, name: impl Into<String>, role: Role, dtype: DType, rows: usize, cols: usize) -> TensorId {
        let id = TensorId { index: self.tensors.len(), rows, cols, dtype };
        self.tensors.push(Tensor { name: name.into(), role, id });
        id
    }

    /// Adds a tensor of single-precision values.
    pub fn f32(&mut self, name: impl Into<String>, role: Role, rows: usize, cols: usize) -> TensorId {
        self.tensor(name, role, DType::F32, rows, cols)
    }

    /// Adds a tensor with the type and shape of another. Its name is `prefix` and the name of the other.
    pub fn like(&mut self, prefix: &str, role: Role, of: TensorId) -> TensorId {
        let name = format!("{prefix}{}", self.name(of));
        self.tensor(name, role, of.dtype, of.rows, of.cols)
    }

    /// Adds a dispatch.
    ///
    /// # Panics
    /// If its shapes do not fit, or if it reads a tensor that it also writes (WebGPU's usage rule). Both are bugs in
    /// the code that builds the plan.
    pub fn push(&mut self, kernel: impl Kernel) {
        self.push_shared(Arc::new(kernel));
    }

    /// Adds a dispatch that is shared with another plan.
    ///
    /// # Panics
    /// As [`Plan::push`].
    pub fn push_shared(&mut self, kernel: Arc<dyn Kernel>) {
        kernel.params();
        let (shader, ids) = (kernel.shader(), kernel.tensors());
        for (written, arg) in ids.iter().zip(shader.args).filter(|(_, arg)| arg.access != Access::Read) {
            let uses = ids.iter().filter(|id| id.index == written.index).count();
            let name = &self.tensors[written.index].name;
            assert!(uses == 1, "{}: {name} is written as `{}` and used {uses} times", shader.name, arg.name);
        }
        self.steps.push(kernel);
    }

    /// Name of a tensor.
    pub fn name(&self, id: TensorId) -> &str {
        &self.tensors[id.index].name
    }

    /// What a tensor is for.
    pub fn role(&self, id: TensorId) -> Role {
        self.tensors[id.index].role
    }

    /// Bytes of all tensors together.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.id.bytes()).sum()
    }

    /// The steps of a range as a table: number, kernel, tensors with their shapes, workgroups, arithmetic, traffic.
    pub fn table(&self, range: Range<usize>) -> String {
        let mut text = format!("{:>4}  {:<16} {:>8} {:>9} {:>9}  tensors\n", "step", "kernel", "groups", "MFLOP", "kB");
        for (number, kernel) in self.steps[range.clone()].iter().enumerate() {
            let shader = kernel.shader();
            let show = |access: fn(Access) -> bool| {
                let used = shader.args.iter().zip(kernel.tensors()).filter(|(arg, _)| access(arg.access));
                used.map(|(_, id)| format!("{}{}", self.name(id), id.shape())).collect::<Vec<_>>().join(" ")
            };
            let cost = kernel.cost();
            let (reads, writes) = (show(|access| access == Access::Read), show(|access| access != Access::Read));
            text += &format!(
                "{:>4}  {:<16} {:>8} {:>9.3} {:>9.1}  {reads} -> {writes}\n",
                range.start + number,
                shader.name,
                kernel.groups(),
                cost.flops as f64 / 1e6,
                cost.bytes as f64 / 1e3,
            );
        }
        text
    }
}
