//! w ← w − lr·(ḡ + l2·w) in integers, also with momentum: gradient descent. ḡ is the mean gradient.

use super::fixed::{Factor, Multiplier, WEIGHT_BITS, add, to_weight};
use super::int_update::{NESTEROV, Params, base, shader};
use crate::base::audited::parts::for_each_part;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// One update. Weights and velocities have 28 fractional bits and are limited to ±8.
#[derive(Clone, Debug)]
pub struct IntStep {
    /// Gradient, summed over the batch (O, I) or (O), i32.
    pub g: TensorId,
    /// Weights or biases, of the same shape, i32.
    pub w: TensorId,
    /// Velocity, of the same shape, i32; `None` for descent without momentum.
    pub v: Option<TensorId>,
    /// Levels (L, 8), i32. Only the layer's sum of levels is used: see [`super::int_levels`].
    pub levels: TensorId,
    /// The layer, from 0.
    pub layer: usize,
    /// Fractional bits of `g` if all levels are 0. The layer's sum of levels is subtracted from them.
    pub base: u8,
    /// Largest magnitude of a mean gradient; 0 for no limit.
    pub clip: f32,
    /// Strength of the penalty l2/2·‖w‖².
    pub l2: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
}

const WITHOUT: &[Arg] = &[read(4, "g"), update(6, "w"), read(5, "levels")];
const WITH: &[Arg] = &[read(4, "g"), update(6, "w"), update(8, "v"), read(5, "levels")];

/// One without and one with momentum.
pub static SHADERS: &[Shader] = &[shader("int_sgd", WITHOUT, &[]), shader("int_momentum", WITH, NESTEROV)];

/// The numbers of an update, prepared for its loop.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    mean: Multiplier,
    l2: Multiplier,
    penalised: bool,
    lr: Multiplier,
    momentum: Multiplier,
    clip: i32,
    nesterov: bool,
}

impl Factors {
    /// Of an update: `base` are the fractional bits of the sum, `sum` the layer's sum of levels.
    pub(super) fn of(now: &StepValues, base: u8, sum: i32, [clip, l2]: [f32; 2], nesterov: bool) -> Factors {
        let mut mean = Factor::one_over(now.batch);
        mean.s += self::base(base) - sum;
        Factors {
            mean: mean.into(),
            l2: Factor::of(l2).into(),
            penalised: l2 > 0.0,
            lr: Factor::of(now.lr).into(),
            momentum: Factor::of(now.momentum).into(),
            clip: if clip > 0.0 { limit(clip) } else { i32::MAX },
            nesterov,
        }
    }
}

/// A limit of gradients as an integer, at least 1; 0 for no limit.
pub(super) fn limit(clip: f32) -> i32 {
    if clip > 0.0 { to_weight(clip).max(1) } else { 0 }
}

impl Kernel for IntStep {
    fn shader(&self) -> &'static Shader {
        &SHADERS[usize::from(self.v.is_some())]
    }

    fn tensors(&self) -> Vec<TensorId> {
        [Some(self.g), Some(self.w), self.v, Some(self.levels)].into_iter().flatten().collect()
    }

    fn params(&self) -> Vec<u8> {
        let IntStep { g, w, v, levels, layer, .. } = *self;
        let because = format!("w is {}", w.shape());
        expect("int_step", "g", g, DType::I32(0), w.rows, w.cols, &because);
        for id in [Some(w), v].into_iter().flatten() {
            expect("int_step", "w or v", id, DType::I32(WEIGHT_BITS), w.rows, w.cols, &because);
        }
        assert!(layer < levels.rows, "int_step: levels is {} but there is layer {layer}", levels.shape());
        let params = Params {
            count: w.words() as u32 / 4,
            layer: layer as u32,
            base: base(self.base),
            clip: limit(self.clip),
            l2: self.l2,
            layers: levels.rows as u32,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.nesterov { vec![("NESTEROV", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        // An invocation updates eight vec4.
        groups(self.w.words() / 4, 64 * 8)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let g: &[i32] = bytemuck::cast_slice(args.words(0));
        let w: &mut [i32] = bytemuck::cast_slice_mut(args.words_mut(1));
        let levels = args.words(if self.v.is_some() { 3 } else { 2 });
        let sum = levels[self.layer * self.levels.stride() + 2].cast_signed();
        let factors = Factors::of(now, self.base, sum, [self.clip, self.l2], self.nesterov);
        const PART: usize = 1 << 14;
        if self.v.is_some() {
            let v: &mut [i32] = bytemuck::cast_slice_mut(args.words_mut(2));
            for_each_part([(w, PART), (v, PART)], |part, [w, v]| momentum(w, v, &g[part * PART..], &factors));
        } else {
            for_each_part([(w, PART)], |part, [w]| descend(w, &g[part * PART..], &factors));
        }
    }

    fn flops(&self) -> u64 {
        6 * (self.w.rows * self.w.cols) as u64
    }
}

/// ḡ, limited to `clip`, + l2·w.
#[inline(always)]
fn gradient(mean: i32, w: i32, f: &Factors) -> i32 {
    let mean = mean.min(f.clip).max(-f.clip);
    if f.penalised { add(mean, f.l2.times(w)) } else { mean }
}

/// A step of several weights.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn descend(w: &mut [i32], g: &[i32], f: &Factors) {
    descend_all(w, g, f);
}

/// A step with momentum.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn momentum(w: &mut [i32], v: &mut [i32], g: &[i32], f: &Factors) {
    momentum_all(w, v, g, f);
}

// To be inlined. The usual case, a mean that is shifted left and a small rate, has a loop of its own.

/// As [`descend`].
#[inline(always)]
pub(super) fn descend_all(w: &mut [i32], g: &[i32], f: &Factors) {
    let f = *f;
    if f.mean.is_large() && !f.lr.is_large() {
        steps(w, g, &f, |g| f.mean.times_large(g), |d| f.lr.times_small(d));
    } else {
        steps(w, g, &f, |g| f.mean.times(g), |d| f.lr.times(d));
    }
}

#[inline(always)]
fn steps(w: &mut [i32], g: &[i32], f: &Factors, mean: impl Fn(i32) -> i32, lr: impl Fn(i32) -> i32) {
    for (w, &g) in w.iter_mut().zip(g) {
        *w = add(*w, -lr(gradient(mean(g), *w, f)));
    }
}

/// As [`momentum`].
#[inline(always)]
pub(super) fn momentum_all(w: &mut [i32], v: &mut [i32], g: &[i32], f: &Factors) {
    let f = *f;
    if f.mean.is_large() && !f.lr.is_large() && f.momentum.is_large() {
        let (mean, mu) = (|g| f.mean.times_large(g), |v| f.momentum.times_large(v));
        momentum_steps(w, v, g, &f, mean, mu, |d| f.lr.times_small(d));
    } else {
        let (mean, mu) = (|g| f.mean.times(g), |v| f.momentum.times(v));
        momentum_steps(w, v, g, &f, mean, mu, |d| f.lr.times(d));
    }
}

#[inline(always)]
fn momentum_steps(
    w: &mut [i32],
    v: &mut [i32],
    g: &[i32],
    f: &Factors,
    mean: impl Fn(i32) -> i32,
    mu: impl Fn(i32) -> i32,
    lr: impl Fn(i32) -> i32,
) {
    for ((w, v), &g) in w.iter_mut().zip(v).zip(g) {
        let d = gradient(mean(g), *w, f);
        *v = add(mu(*v), d);
        let step = if f.nesterov { add(d, mu(*v)) } else { *v };
        *w = add(*w, -lr(step));
    }
}

/// Weights and biases, with and without momentum, penalty and clipping; gradients so large that weights are limited.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (1, 10), (7, 13), (128, 784)] {
        for (kind, l2, clip) in [(0, 0.0, 0.0), (0, 1e-3, 0.0), (1, 0.0, 0.0), (1, 1e-4, 0.01), (2, 0.01, 0.0)] {
            for (most, batch, lr) in [(1 << 16, 64, 0.2f32), (i32::MAX, 57, 3.0)] {
                let mut case =
                    Case::new(format!("({rows},{cols}) kind {kind} l2 {l2} clip {clip} up to {most} batch {batch}"));
                let g = case.i32("g", rows, cols, 0, Fill::Integers(most));
                let w = case.i32("w", rows, cols, WEIGHT_BITS, Fill::Integers(most));
                let v = (kind > 0).then(|| case.i32("v", rows, cols, WEIGHT_BITS, Fill::Integers(most)));
                let levels = case.i32("levels", 2, 8, 0, Fill::Below(9));
                (case.now.lr, case.now.momentum, case.now.batch) = (lr, 0.9, batch);
                case.push(IntStep { g, w, v, levels, layer: 1, base: 11, clip, l2, nesterov: kind == 2 });
                cases.push(case);
            }
        }
    }
    cases
}
