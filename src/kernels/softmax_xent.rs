//! Softmax and cross-entropy in one pass: loss, hit, and dlogits = w·(p − y) / total, where y is onehot(t), smoothed or
//! not, w the sample's weight, and total the weight of the batch.
//!
//! Why p − y: the loss is L = −Σ yₖ·ln pₖ = ln Σ eᶻᵏ − Σ yₖ·zₖ, since the yₖ sum to 1; so ∂L/∂zⱼ = eᶻʲ/Σ eᶻᵏ − yⱼ = pⱼ − yⱼ.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};

/// The head of the net. The label is compared with the class number, so no one-hot vector is stored. The division by
/// the weight of the whole batch makes the gradients of all layers weighted means. Without weights, each is 1.
#[derive(Clone, Debug)]
pub struct SoftmaxXent {
    /// Logits (B, C).
    pub logits: TensorId,
    /// Classes (B).
    pub t: TensorId,
    /// Weights of the samples (B); ignored, and of any shape, unless `weighted`.
    pub weights: TensorId,
    /// Whether the samples have weights.
    pub weighted: bool,
    /// Loss in nats, and 1 for a hit or 0, each times the weight (B, 2).
    pub score: TensorId,
    /// Gradient of the mean loss with respect to the logits (B, C).
    pub dlogits: TensorId,
    /// Label smoothing ε (Szegedy et al., CVPR 2016): the true class has the target 1 − ε + ε/C, every other ε/C. The
    /// loss is the cross-entropy with these targets, as in `torch.nn.CrossEntropyLoss(label_smoothing=ε)`.
    pub smoothing: f32,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { batch: u32, classes: u32, stride: u32, smoothing: f32, }
}

/// Pipeline constants of a loss that can have weights, with their defaults.
pub(super) const WEIGHTED: &[(&str, f64)] = &[("WEIGHTED", 0.0)];

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "softmax_xent",
    source: include_str!("../../shaders/softmax_xent.wgsl"),
    args: &[read(1, "logits"), read(2, "t"), read(3, "weights"), write(4, "score"), write(5, "dlogits")],
    params: Params::FIELDS,
    overrides: WEIGHTED,
}];

impl Kernel for SoftmaxXent {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.logits, self.t, self.weights, self.score, self.dlogits]
    }

    fn params(&self) -> Vec<u8> {
        let SoftmaxXent { logits, t, weights, score, dlogits, smoothing, .. } = *self;
        let because = format!("logits is {}", logits.shape());
        expect("softmax_xent", "t", t, DType::U32, 1, logits.rows, &because);
        if self.weighted {
            expect("softmax_xent", "weights", weights, DType::F32, 1, logits.rows, &because);
        }
        expect("softmax_xent", "score", score, DType::F32, logits.rows, 2, &because);
        expect("softmax_xent", "dlogits", dlogits, DType::F32, logits.rows, logits.cols, &because);
        let (batch, classes, stride) = (logits.rows as u32, logits.cols as u32, logits.stride() as u32);
        let params = Params { batch, classes, stride, smoothing };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.weighted { vec![("WEIGHTED", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.logits.rows, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (logits, t, weights) = (args.f32(0), args.words(1), args.f32(2));
        let (score, dlogits) = (args.f32_mut(3), args.f32_mut(4));
        let (stride, classes) = (self.logits.stride(), self.logits.cols);
        let rows =
            logits.chunks_exact(stride).zip(t).zip(score.chunks_exact_mut(4)).zip(dlogits.chunks_exact_mut(stride));
        for (b, (((line, &label), score), gradient)) in rows.enumerate() {
            gradient.fill(0.0);
            score.fill(0.0);
            if b >= now.rows as usize {
                continue;
            }
            gradient[..classes].copy_from_slice(&line[..classes]);
            let share = Share { weight: if self.weighted { weights[b] } else { 1.0 }, total: now.total };
            [score[0], score[1]] = softmax(&mut gradient[..classes], label as usize, share, self.smoothing);
        }
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let (logits, t, weights) = (witness.f32(0), &witness.before[1], witness.f32(2));
        let (stride, classes) = (self.logits.stride(), self.logits.cols);
        let mut score = vec![0.0; self.score.words()];
        let mut gradient = vec![0.0; self.dlogits.words()];
        for b in 0..(now.rows as usize).min(self.logits.rows) {
            let row = b * stride..b * stride + classes;
            let (line, label) = (&logits[row.clone()], t[b] as usize);
            let share = Share { weight: if self.weighted { weights[b] } else { 1.0 }, total: now.total };
            score[4 * b] = row_bound(line, label, share, self.smoothing, 0.0, &mut gradient[row]);
        }
        vec![None, None, None, Some(score), Some(gradient)]
    }

    fn flops(&self) -> u64 {
        8 * (self.logits.rows * self.logits.cols) as u64
    }
}

/// What a sample counts in the mean over the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Its weight; 1 without weights.
    pub weight: f32,
    /// Weight of the whole batch.
    pub total: f32,
}

/// Turns the logits of a sample into their gradient; returns its loss, and 1 for a hit or 0, each times the weight. A
/// product with 1 changes no bit, so there is one formula for samples with and without weights.
pub(super) fn softmax(row: &mut [f32], label: usize, share: Share, smoothing: f32) -> [f32; 2] {
    let mut best = 0;
    for (c, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = c;
        }
    }
    // The largest logit is subtracted first, so that no exponential overflows and their sum is at least 1.
    let (largest, even) = (row[best], smoothing / row.len() as f32);
    let mut far = (1.0 - smoothing) * (largest - row[label]);
    if smoothing > 0.0 {
        far += even * row.iter().map(|z| largest - z).sum::<f32>();
    }
    row.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let sum: f32 = row.iter().sum();
    for (c, p) in row.iter_mut().enumerate() {
        let wanted = even + if c == label { 1.0 - smoothing } else { 0.0 };
        *p = share.weight * (*p / sum - wanted) / share.total;
    }
    let hit = if best == label { share.weight } else { 0.0 };
    [share.weight * (sum.ln() + far), hit]
}

/// Bounds of a sample's gradient, and of its loss, if each logit may be off by `slack`.
pub(super) fn row_bound(
    logits: &[f32],
    label: usize,
    share: Share,
    smoothing: f32,
    slack: f32,
    gradient: &mut [f32],
) -> f32 {
    let Share { weight, total } = share;
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let share = |c: usize| (logits[c] - largest).exp();
    // Accuracy table of the WGSL specification: exp is off by 3 + 2|x| units in the last place, log by 3 or, near
    // 1, by 2⁻²¹, a division by 2.5. One unit more for the twin, two for the rounding of the argument.
    let units = |c: usize| 6.0 + 2.0 * (logits[c] - largest).abs();
    let classes = logits.len();
    let sum: f32 = (0..classes).map(share).sum();
    let sum_error = (0..classes).map(|c| share(c) * units(c)).sum::<f32>() / sum + classes as f32;
    // The product with the weight is rounded, unless that is 1.
    let product = f32::from(weight != 1.0);
    for (c, bound) in gradient.iter_mut().enumerate() {
        let p = share(c) / sum;
        // Logits that are off by s change the odds between two classes by at most e²ˢ, and no probability by more than 1.
        let carried = (p * (2.0 * slack).exp_m1()).min(1.0);
        let error = (p * (units(c) + sum_error + 4.0) + 4.0 + 4.0 * smoothing + product) * EPSILON + carried;
        *bound = error * weight.abs() / total + f32::MIN_POSITIVE;
    }
    let far = largest - logits[label];
    let even = smoothing / classes as f32 * logits.iter().map(|z| largest - z).sum::<f32>();
    let log_error = (4.0 * EPSILON * sum.ln()).max(2f32.powi(-21));
    let rounding = product * (far + even + sum.ln());
    let error = EPSILON * (sum_error + 2.0 * far + (classes + 6) as f32 * even + sum.ln() + rounding);
    weight.abs() * (error + log_error + 2.0 * slack)
}

/// Class numbers around a vec4 and thousands, whole and partial batches, logits small, equal, and as large as ±1e4,
/// labels smoothed and not, samples with weights and without.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes = [(1, 1, 2), (7, 7, 10), (63, 63, 3), (64, 40, 10), (65, 65, 1), (130, 129, 257), (5, 4, 3001)];
    for (batch, rows, classes) in sizes {
        for (label, fill, smoothing, weighted) in [
            ("small", Fill::Reals(4.0), 0.0, false),
            ("small", Fill::Reals(4.0), 0.1, false),
            ("small", Fill::Reals(4.0), 0.1, true),
            ("equal", Fill::Integers(0), 0.0, false),
            ("±1e4", Fill::Reals(1e4), 0.0, true),
            ("±1e4", Fill::Reals(1e4), 0.3, false),
            ("ties", Fill::Integers(1), 0.0, false),
            ("ties", Fill::Integers(1), 0.0, true),
        ] {
            let with = if weighted { " weighted" } else { "" };
            let name = format!("{label} logits ({rows} of {batch},{classes}) smoothing {smoothing}{with}");
            let mut case = Case::new(name);
            let logits = case.f32("logits", batch, classes, fill);
            let t = case.u32("t", batch, Fill::Below(classes as u32));
            let weights = case.weights(batch, weighted);
            let (score, dlogits) = (case.output("score", batch, 2), case.output("dlogits", batch, classes));
            // The batch is larger than this micro-batch: the mean is over the whole.
            (case.now.rows, case.now.total) = (rows as u32, 3.0 * rows as f32);
            case.push(SoftmaxXent { logits, t, weights, weighted, score, dlogits, smoothing });
            cases.push(case);
        }
    }
    cases
}
