//! Gradients of every loss against numerical slopes, with weights and without; and what a weight means.

use super::{fault, known, slopes};
use crate::twins::loss;
use gpu_mlp::base::rng::{Stream, host};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::{Engine, Memory};
use gpu_mlp::kernels::loss::{Loss, LossKind};
use gpu_mlp::kernels::softmax_xent::SoftmaxXent;
use gpu_mlp::plan::Plan;
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::{DType, Role, TensorId};
use rand::RngExt;

/// Outputs of a net, or targets of a sample.
const COLS: usize = 5;
const ROWS: usize = 11;

/// Cross-entropy of classes (`None`), and the losses of values and labels.
const LOSSES: [Option<LossKind>; 7] = [
    None,
    Some(LossKind::Mse),
    Some(LossKind::Mae),
    Some(LossKind::Huber(1.0)),
    Some(LossKind::Huber(0.25)),
    Some(LossKind::Poisson),
    Some(LossKind::Bce),
];

/// Samples of a loss, row by row.
#[derive(Clone)]
struct Batch {
    z: Vec<[f32; COLS]>,
    /// For classes, the first value is the class.
    y: Vec<[f32; COLS]>,
    weights: Option<Vec<f32>>,
}

impl Batch {
    fn random(kind: Option<LossKind>, weighted: bool) -> Batch {
        let mut rng = host(7, Stream::Init, 0);
        let mut rows = |of: fn(f32) -> f32| (0..ROWS).map(|_| std::array::from_fn(|_| of(rng.random()))).collect();
        let z = rows(|u| 4.0 * u - 2.0);
        let y = rows(match kind {
            None => |u| (u * COLS as f32).floor(),
            Some(LossKind::Poisson) => |u| (u * 5.0).floor(),
            Some(LossKind::Bce) => f32::round,
            Some(_) => |u| 4.0 * u - 2.0,
        });
        let weights = weighted.then(|| (0..ROWS).map(|_| rng.random_range(0.1..3.0)).collect());
        Batch { z, y, weights }
    }

    /// The samples of `rows`, without weights.
    fn rows(&self, rows: &[usize]) -> Batch {
        let of = |all: &[[f32; COLS]]| rows.iter().map(|&row| all[row]).collect();
        Batch { z: of(&self.z), y: of(&self.y), weights: None }
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]))
    }

    fn total(&self) -> f64 {
        (0..self.z.len()).map(|row| self.weight(row)).sum()
    }

    /// The weighted mean loss for other outputs, in double precision, and where each output is among the kinks.
    fn loss(&self, kind: Option<LossKind>, z: &[f64]) -> (f64, Vec<bool>) {
        let (mut total, mut sides) = (0.0, Vec::new());
        for (row, (z, y)) in z.chunks_exact(COLS).zip(&self.y).enumerate() {
            let pairs = || z.iter().zip(y).map(|(z, y)| (*z, f64::from(*y)));
            let loss = match kind {
                None => z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[y[0] as usize],
                Some(kind) => pairs().map(|(z, y)| loss::value(kind, z, y)).sum::<f64>() / COLS as f64,
            };
            total += self.weight(row) * loss;
            let delta = if let Some(LossKind::Huber(delta)) = kind { f64::from(delta) } else { 0.0 };
            sides.extend(pairs().flat_map(|(z, y)| [z - y > delta, z - y > -delta]));
        }
        (total / self.total(), sides)
    }

    /// Scores (loss and metric of each row) and gradient, as the CPU engine computes them.
    fn run(&self, kind: Option<LossKind>) -> (Vec<f64>, Vec<f64>) {
        let (mut plan, rows) = (Plan::default(), self.z.len());
        let z = plan.f32("z", Role::Scratch, rows, COLS);
        let weighted = self.weights.is_some();
        let weights = match weighted {
            true => plan.f32("weights", Role::Scratch, 1, rows),
            false => plan.tensor("none", Role::Scratch, DType::Bits, 1, 1),
        };
        let (score, dz) = (plan.f32("score", Role::Scratch, rows, 2), plan.f32("dz", Role::Scratch, rows, COLS));
        let y = match kind {
            None => plan.tensor("t", Role::Scratch, DType::U32, 1, rows),
            Some(_) => plan.f32("y", Role::Scratch, rows, COLS),
        };
        match kind {
            None => plan.push(SoftmaxXent { logits: z, t: y, weights, weighted, score, dlogits: dz, smoothing: 0.0 }),
            Some(kind) => plan.push(Loss { z, y, weights, weighted, score, dz, kind }),
        }
        let mut engine = CpuEngine::new(&plan, Memory::default());
        engine.write(z, 0, &z.pack(self.z.as_flattened()));
        match kind {
            None => engine.write(y, 0, &self.y.iter().map(|y| y[0] as u32).collect::<Vec<_>>()),
            Some(_) => engine.write(y, 0, &y.pack(self.y.as_flattened())),
        }
        if let Some(values) = &self.weights {
            engine.write(weights, 0, &weights.pack(values));
        }
        let total = self.total() as f32;
        engine.run_now(&[(0..1, StepValues { rows: rows as u32, total, ..StepValues::default() })]);
        let mut values = |id: TensorId| -> Vec<f64> {
            let words = pollster::block_on(engine.read(id, 0..id.words())).expect("the CPU answers");
            id.unpack(&words).into_iter().map(f64::from).collect()
        };
        (values(score), values(dz))
    }
}

#[test]
fn the_gradient_of_every_loss_is_its_slope_with_weights_and_without() {
    for kind in LOSSES {
        for weighted in [false, true] {
            let batch = Batch::random(kind, weighted);
            let z: Vec<f64> = batch.z.as_flattened().iter().map(|&z| f64::from(z)).collect();
            let (score, gradient) = batch.run(kind);
            let (loss, _) = batch.loss(kind, &z);
            let mean = score.iter().step_by(2).sum::<f64>() / batch.total();
            assert_eq!(fault(&[mean], &known(vec![loss])), None, "{kind:?}");
            let kinks = matches!(kind, Some(LossKind::Mae | LossKind::Huber(_)));
            let slopes = slopes(&z, kinks, |z| batch.loss(kind, z));
            assert_eq!(fault(&gradient, &slopes), None, "{kind:?}");
            // The check must fail for a gradient that forgets the weights, and for NaN.
            let wrong: Vec<f64> = (0..gradient.len()).map(|at| gradient[at] / batch.weight(at / COLS)).collect();
            assert_eq!(fault(&wrong, &slopes).is_some(), weighted, "{kind:?}");
            assert!(fault(&vec![f64::NAN; gradient.len()], &slopes).is_some());
        }
    }
}

#[test]
fn a_weight_of_two_is_the_row_twice_and_a_weight_of_zero_is_no_row() {
    for kind in LOSSES {
        let all = Batch::random(kind, false);
        let weighted = Batch { weights: Some(vec![2.0, 1.0, 0.0]), ..all.rows(&[0, 1, 2]) };
        let ((score, gradient), (twice, plain)) = (weighted.run(kind), all.rows(&[0, 0, 1]).run(kind));
        // Loss and metric of the row with the weight 2, then of that with the weight 1.
        let wanted = [twice[0] + twice[2], twice[1] + twice[3], twice[4], twice[5], 0.0, 0.0];
        assert_eq!(fault(&score, &known(wanted.to_vec())), None, "{kind:?}");
        let (first, rest) = plain.split_at(2 * COLS);
        let sum = (0..COLS).map(|at| first[at] + first[COLS + at]);
        let wanted = sum.chain(rest.iter().copied()).chain([0.0; COLS]).collect();
        assert_eq!(fault(&gradient, &known(wanted)), None, "{kind:?}");
    }
}
