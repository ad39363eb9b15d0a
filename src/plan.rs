//! A plan: named tensors and the dispatches over them, as data. Engines are loops over it.

use crate::kernel::{Access, Now};
use crate::kernels::Op;
use crate::tensor::{Id, Kind, Tensor};
use std::ops::Range;

/// Part of a plan to run, with the values of that step.
pub type Work = (Range<usize>, Now);

/// Tensors and steps. Built once; nothing is added while it runs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All tensors; an [`Id`] is an index into them.
    pub tensors: Vec<Tensor>,
    /// All dispatches, in an order in which each may run.
    pub steps: Vec<Op>,
}

impl Plan {
    /// Adds a tensor. A vector `(n)` is one row of n columns.
    pub fn tensor(&mut self, name: impl Into<String>, kind: Kind, rows: usize, cols: usize) -> Id {
        let id = Id { index: self.tensors.len(), rows, cols, kind };
        self.tensors.push(Tensor { name: name.into(), id });
        id
    }

    /// Adds a tensor of single-precision values.
    pub fn f32(&mut self, name: impl Into<String>, rows: usize, cols: usize) -> Id {
        self.tensor(name, Kind::F32, rows, cols)
    }

    /// The gradient of a tensor: one of the same shape, its name with a `d` before it.
    pub fn grad(&mut self, of: Id) -> Id {
        let name = format!("d{}", self.tensors[of.index].name);
        self.tensor(name, of.kind, of.rows, of.cols)
    }

    /// Adds a dispatch.
    ///
    /// # Panics
    /// If its shapes do not fit, or if it would read and write one tensor: WebGPU's usage rule, which is Rust's borrow
    /// rule. Both are mistakes in the code that builds the plan.
    pub fn push(&mut self, op: impl Into<Op>) {
        let op = op.into();
        op.kernel().params();
        let (shader, ids) = (op.kernel().shader(), op.kernel().tensors());
        for (written, arg) in ids.iter().zip(shader.args).filter(|(_, arg)| arg.access != Access::Read) {
            let uses = ids.iter().filter(|id| id.index == written.index).count();
            let name = &self.tensors[written.index].name;
            assert!(uses == 1, "{}: {name} is written as `{}` and used {uses} times", shader.name, arg.name);
        }
        self.steps.push(op);
    }

    /// Name of a tensor.
    pub fn name(&self, id: Id) -> &str {
        &self.tensors[id.index].name
    }

    /// Bytes of all tensors together.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.id.bytes()).sum()
    }

    /// The steps of a range as a table: number, kernel, tensors with their shapes, workgroups, arithmetic, traffic.
    pub fn table(&self, range: Range<usize>) -> String {
        let mut text = format!("{:>4}  {:<16} {:>8} {:>9} {:>9}  tensors\n", "step", "kernel", "groups", "MFLOP", "kB");
        for (number, op) in self.steps[range.clone()].iter().enumerate() {
            let kernel = op.kernel();
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
