//! The oracle: every kernel as formulas in double precision on plain matrices, without padding, blocks or threads.

use super::{exact, loss};
use gpu_mlp::base::rng::threefry;
use gpu_mlp::kernels::dead::Dead;
use gpu_mlp::kernels::loss::LossKind;
use gpu_mlp::kernels::squares::{PART, Squares};
use gpu_mlp::kernels::update::Rule;
use gpu_mlp::kernels::{Activation, Form, Op};
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::{DType, TensorId};

/// Number of values in one word of a tensor.
pub fn per_word(id: TensorId) -> usize {
    match id.dtype {
        DType::F32 | DType::U32 | DType::I32(_) => 1,
        DType::U8 | DType::I8(_) => 4,
        DType::Bits => 32,
    }
}

/// A tensor as a plain matrix.
#[derive(Clone, Copy)]
pub struct Matrix<'a>(pub TensorId, pub &'a [u32]);

impl Matrix<'_> {
    /// The number in a row and column.
    pub fn at(self, row: usize, col: usize) -> f64 {
        let Matrix(id, words) = self;
        let word = words[row * id.stride() + col / per_word(id)];
        match id.dtype {
            DType::F32 => f64::from(f32::from_bits(word)),
            DType::U32 => f64::from(word),
            DType::I32(_) => f64::from(word.cast_signed()),
            DType::I8(_) => f64::from(word.to_le_bytes()[col % 4].cast_signed()),
            DType::U8 => f64::from(word.to_le_bytes()[col % 4]),
            DType::Bits => f64::from(word >> (col % 32) & 1),
        }
    }
}

/// The correct value by row and column.
pub type Formula<'a> = Box<dyn Fn(usize, usize) -> f64 + 'a>;

fn sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    (0..n).map(term).sum()
}

fn act(act: Activation, z: f64) -> f64 {
    match act {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::LeakyRelu(alpha) => z.max(0.0) + f64::from(alpha) * z.min(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Activation::Tanh => z.tanh(),
        Activation::Gelu => z * normal(z),
        Activation::GeluTanh => z / (1.0 + (-2.0 * gelu_u(z)).exp()),
        Activation::Silu => z / (1.0 + (-z).exp()),
        Activation::Mish => z * z.exp().ln_1p().tanh(),
        Activation::Selu => 1.0507009873554805 * (z.max(0.0) + 1.6732632423543772 * z.min(0.0).exp_m1()),
        Activation::Elu(alpha) => z.max(0.0) + f64::from(alpha) * z.min(0.0).exp_m1(),
        Activation::Softplus => z.max(0.0) + (-z.abs()).exp().ln_1p(),
    }
}

/// The normal distribution function.
fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

fn gelu_u(z: f64) -> f64 {
    (2.0 / std::f64::consts::PI).sqrt() * (z + 0.044715 * z.powi(3))
}

/// Slope of a function of z, from the formula of its derivative.
fn slope_at(act: Activation, z: f64) -> f64 {
    let s = 1.0 / (1.0 + (-z).exp());
    match act {
        Activation::Gelu => normal(z) + z * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt(),
        Activation::GeluTanh => {
            let t = gelu_u(z).tanh();
            let du = (2.0 / std::f64::consts::PI).sqrt() * (1.0 + 3.0 * 0.044715 * z * z);
            0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * du
        }
        Activation::Silu => s + z * s * (1.0 - s),
        Activation::Mish => {
            let t = z.exp().ln_1p().tanh();
            t + z * (1.0 / z.exp().ln_1p().cosh()).powi(2) * s
        }
        Activation::Selu => 1.0507009873554805 * if z > 0.0 { 1.0 } else { 1.6732632423543772 * z.exp() },
        Activation::Elu(alpha) => {
            if z > 0.0 {
                1.0
            } else {
                f64::from(alpha) * z.exp()
            }
        }
        Activation::Softplus => s,
        fused => unreachable!("{fused} is computed in products"),
    }
}

fn slope(act: Activation, a: f64) -> f64 {
    match act {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(a > 0.0),
        Activation::LeakyRelu(alpha) => [f64::from(alpha), 1.0][usize::from(a > 0.0)],
        Activation::Sigmoid => a * (1.0 - a),
        Activation::Tanh => 1.0 - a * a,
        other => unreachable!("{other} is not computed in products"),
    }
}

/// Factor by which dropout multiplies a value.
fn kept(mask: Matrix<'_>, keep: f32, row: usize, col: usize) -> f64 {
    let dropped_or_kept = |keep| mask.at(row, col) / f64::from(keep);
    if keep < 1.0 { dropped_or_kept(keep) } else { 1.0 }
}

/// A factor as a product reads it. A half-precision form scales and rounds it: subnormals become zero, and values too
/// large become the largest finite one.
fn read(form: Form, value: f64, scale: f64) -> f64 {
    if !form.is_half() {
        return value;
    }
    let half = half::f16::from_f64(value * scale).to_f64();
    let normal = if (value * scale).abs() < half::f16::MIN_POSITIVE.to_f64() { 0.0 } else { half };
    normal.clamp(half::f16::MIN.to_f64(), half::f16::MAX.to_f64()) / scale
}

/// `value`, or zero in rows past the end of a partial batch.
fn only_if(real: bool, value: impl FnOnce() -> f64) -> f64 {
    if real { value() } else { 0.0 }
}

/// A binding with the formula of its tensor.
fn gives<'a>(arg: usize, formula: impl Fn(usize, usize) -> f64 + 'a) -> (usize, Formula<'a>) {
    (arg, Box::new(formula))
}

/// Binding and formula of each tensor that a kernel writes; `m` holds the tensors before the call.
pub fn oracle<'a>(op: Op<'a>, now: &'a StepValues, m: &'a [Matrix<'a>]) -> Vec<(usize, Formula<'a>)> {
    let real = move |b: usize| b < now.rows as usize;
    let scale = 1024.0 * f64::from(now.batch.next_power_of_two());
    let old = move |arg: usize, r, c| only_if(now.accumulate == 1, || m[arg].at(r, c));
    if let Some(formulas) = exact::oracle(op, now, m) {
        return formulas;
    }
    match op {
        Op::Dropout(k) => {
            let pair = move |b, c| (now.first as usize + b) * k.mask.cols.div_ceil(2) + c / 2;
            let word = move |b, c| threefry(k.key, [now.step, pair(b, c) as u32])[c % 2] >> 8;
            let limit = f64::from(k.keep) * f64::from(1 << 24);
            vec![gives(0, move |b, c| f64::from(f64::from(word(b, c)) < limit))]
        }
        Op::Gather(k) => {
            let sample = move |b: usize| m[2].at(0, now.cursor as usize + b) as usize;
            let bytes = k.samples.dtype == DType::U8;
            let (scale, shift) = if bytes { (k.map.scale, k.map.shift) } else { (1.0, 0.0) };
            let x = move |b, i| m[0].at(sample(b), i) * f64::from(scale) + f64::from(shift);
            let x0 = move |b, i| x(b, i) * kept(m[3], k.keep, b, i);
            vec![
                gives(4, move |b, i| only_if(real(b), || x0(b, i))),
                if k.targets.dtype == DType::F32 {
                    gives(5, move |b, t| only_if(real(b), || m[1].at(sample(b), t)))
                } else {
                    gives(5, move |_, b| only_if(real(b), || m[1].at(0, sample(b))))
                },
            ]
        }
        Op::Pick(_) => {
            let sample = move |b: usize| m[1].at(0, now.cursor as usize + b) as usize;
            vec![gives(2, move |_, b| only_if(real(b), || m[0].at(0, sample(b))))]
        }
        Op::Linear(k) => {
            let product =
                move |b, o| sum(k.x.cols, |i| read(k.form, m[0].at(b, i), 1.0) * read(k.form, m[1].at(o, i), 1.0));
            let a = move |b, o| act(k.act, product(b, o) + m[2].at(0, o));
            vec![gives(4, move |b, o| a(b, o) * kept(m[3], k.keep, b, o))]
        }
        Op::Activate(k) => vec![gives(2, move |b, o| act(k.act, m[0].at(b, o)) * kept(m[1], k.keep, b, o))],
        Op::ActivateDx(k) => {
            let dz = move |b, o| m[2].at(b, o) * slope_at(k.act, m[0].at(b, o));
            vec![gives(2, move |b, o| dz(b, o) * kept(m[1], k.keep, b, o))]
        }
        Op::SoftmaxXent(k) => {
            let logits = (0..k.logits.rows).map(|b| (0..k.logits.cols).map(|c| m[0].at(b, c)).collect());
            let (d, score) = softmax(logits.collect(), m[1], now, k.smoothing);
            let weight = move |b| if k.weighted { m[2].at(0, b) } else { 1.0 };
            vec![gives(3, move |b, c| weight(b) * score[b][c]), gives(4, move |b, c| weight(b) * d[b][c])]
        }
        Op::Loss(k) => {
            let weight = move |b| if k.weighted { m[2].at(0, b) } else { 1.0 };
            let targets = k.z.cols;
            let mean = move |b, of: fn(LossKind, f64, f64) -> f64| {
                sum(targets, |t| of(k.kind, m[0].at(b, t), m[1].at(b, t))) / targets as f64
            };
            let score = move |b, column| weight(b) * mean(b, if column == 0 { loss::value } else { loss::metric });
            let share = move |b| weight(b) / (targets as f64 * f64::from(now.total));
            let dz = move |b, t| share(b) * loss::slope(k.kind, m[0].at(b, t), m[1].at(b, t));
            vec![
                gives(3, move |b, column| only_if(real(b), || score(b, column))),
                gives(4, move |b, t| only_if(real(b), || dz(b, t))),
            ]
        }
        Op::Head(k) => {
            let z = |b, c| sum(k.x.cols, |i| m[0].at(b, i) * m[1].at(c, i)) + m[2].at(0, c);
            let logits = (0..k.x.rows).map(|b| (0..k.w.rows).map(|c| z(b, c)).collect());
            let (d, score) = softmax(logits.collect(), m[3], now, k.smoothing);
            let first = now.slot as usize * k.x.rows.div_ceil(4);
            let of = move |row: usize| (4 * (row - first)..4 * (row - first) + 4).take_while(move |&b| b < k.x.rows);
            let ours = move |row| (first..first + k.x.rows.div_ceil(4)).contains(&row);
            let total = move |row, c| of(row).map(|b| score[b][c]).sum::<f64>();
            let dlogits = d.clone();
            let a = move |b, i| m[0].at(b, i) * f64::from(k.keep);
            let dz = move |b: usize, i| sum(k.w.rows, |c| d[b][c] * m[1].at(c, i)) * slope(k.act, a(b, i));
            vec![
                gives(5, move |row, c| if ours(row) { total(row, c) } else { m[5].at(row, c) }),
                gives(6, move |b, c| dlogits[b][c]),
                gives(7, move |b, i| dz(b, i) * kept(m[4], k.keep, b, i)),
            ]
        }
        Op::Tally(k) => {
            let this = move |slot| slot == now.slot as usize;
            let total = move |c| sum(k.score.rows, |b| m[0].at(b, c));
            vec![gives(1, move |s, c| if this(s) { total(c) } else { m[1].at(s, c) })]
        }
        Op::LinearDx(k) => {
            let d = move |b, o| read(k.form, m[0].at(b, o), scale);
            let product = move |b, i| sum(k.w.rows, |o| d(b, o) * read(k.form, m[1].at(o, i), 1.0));
            let a = move |b, i| m[2].at(b, i) * f64::from(k.keep);
            let dz = move |b, i| product(b, i) * slope(k.act, a(b, i));
            vec![gives(4, move |b, i| dz(b, i) * kept(m[3], k.keep, b, i))]
        }
        Op::LinearDw(k) => {
            let d = move |b, o| read(k.form, m[0].at(b, o), scale);
            let product = move |o, i| sum(k.x.rows, |b| d(b, o) * read(k.form, m[1].at(b, i), 1.0));
            vec![gives(2, move |o, i| product(o, i) + old(2, o, i))]
        }
        Op::LinearDb(k) => {
            let column = move |o| sum(k.dy.rows, |b| m[0].at(b, o));
            vec![gives(1, move |_, o| column(o) + old(1, 0, o))]
        }
        Op::Sgd(k) => bind(1, descent(Rule::Sgd, k.l2, now, move |r, c| m[0].at(r, c), m[1], &m[2..])),
        Op::Momentum(k) => {
            let rule = Rule::Momentum { nesterov: k.nesterov };
            bind(1, descent(rule, k.l2, now, move |r, c| m[0].at(r, c), m[1], &m[2..]))
        }
        Op::Adam(k) => {
            let rule = Rule::Adam { beta2: k.beta2, epsilon: k.epsilon, decoupled: k.decoupled };
            bind(1, descent(rule, k.l2, now, move |r, c| m[0].at(r, c), m[1], &m[2..]))
        }
        Op::Rmsprop(k) => {
            let rule = Rule::Rmsprop { rho: k.rho, epsilon: k.epsilon };
            bind(1, descent(rule, k.l2, now, move |r, c| m[0].at(r, c), m[1], &m[2..]))
        }
        Op::Squares(k) => {
            let value = move |r, c| m[0].at(r, c) - k.minus.map_or(0.0, |_| m[1].at(r, c));
            let inside = move |word: usize| word < k.a.words() && word % k.a.stride() < k.a.cols;
            let square = move |word: usize| value(word / k.a.stride(), word % k.a.stride()).powi(2);
            let part = move |p: usize| sum(PART, |word| only_if(inside(p * PART + word), || square(p * PART + word)));
            let written = move |p: usize| p >= k.first && p < k.first + Squares::parts(k.a);
            vec![gives(2, move |_, p| if written(p) { part(p - k.first) } else { m[2].at(0, p) })]
        }
        Op::Sum(k) => {
            let total = move || sum(k.count, |at| m[0].at(0, k.first + at));
            vec![gives(1, move |row, _| if row == k.row { total() } else { m[1].at(row, 0) })]
        }
        Op::Clip(k) => {
            let (norm, value) = (f64::from(k.norm), f64::from(k.value));
            let scale = move || if norm > 0.0 { (norm / (m[0].at(0, 0).sqrt() + 1e-6)).min(1.0) } else { 1.0 };
            let limit = if value > 0.0 { value } else { f64::INFINITY };
            vec![gives(1, move |r, c| (m[1].at(r, c) * scale()).clamp(-limit, limit))]
        }
        Op::Average(k) => {
            let d = if now.step == 0 { 0.0 } else { f64::from(k.decay) };
            vec![gives(1, move |r, c| d * m[1].at(r, c) + (1.0 - d) * m[0].at(r, c))]
        }
        Op::IntGather(_) | Op::IntQuantise(_) | Op::IntLinear(_) | Op::IntSoftmax(_) => unreachable!("see `exact`"),
        Op::IntLinearDx(_) | Op::IntGradient(_) | Op::IntStep(_) | Op::IntUpdate(_) | Op::IntLevels(_) => {
            unreachable!("see `exact`")
        }
        Op::Dead(k) => {
            let rows = k.h.rows.min(now.rows as usize);
            let dead = move |unit| (0..rows).all(|b| m[0].at(b, unit) == 0.0);
            let count = move |p: usize| sum(256, |u| only_if(p * 256 + u < k.h.cols && dead(p * 256 + u), || 1.0));
            let written = move |p: usize| p >= k.first && p < k.first + Dead::parts(k.h);
            vec![gives(1, move |_, p| if written(p) { count(p - k.first) } else { m[1].at(0, p) })]
        }
        Op::Update(k) => {
            let states = k.state.len() / 2;
            let dw = move |o, i| sum(k.x.rows, |b| m[0].at(b, o) * m[1].at(b, i));
            let db = move |_, o| sum(k.x.rows, |b| m[0].at(b, o));
            let mut w = descent(k.rule, k.l2, now, dw, m[2], &m[4..4 + states]);
            let mut b = descent(k.rule, 0.0, now, db, m[3], &m[4 + states..]);
            let (first, second) = ((2, w.remove(0)), (3, b.remove(0)));
            [vec![first, second], bind(4, w), bind(4 + states, b)].into_iter().flatten().collect()
        }
    }
}

/// For each sample, the gradient of the logits, and loss and hit.
fn softmax(logits: Vec<Vec<f64>>, t: Matrix<'_>, now: &StepValues, smoothing: f32) -> (Vec<Vec<f64>>, Vec<[f64; 2]>) {
    let of = |(b, z): (usize, &Vec<f64>)| {
        if b >= now.rows as usize {
            return (vec![0.0; z.len()], [0.0; 2]);
        }
        let label = t.at(0, b) as usize;
        let top = z.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = z.iter().map(|z| (z - top).exp()).sum();
        // The cross-entropy of p with the smoothed labels y.
        let even = f64::from(smoothing) / z.len() as f64;
        let y = |c| even + (1.0 - f64::from(smoothing)) * f64::from(c == label);
        let far: f64 = z.iter().enumerate().map(|(c, z)| y(c) * (top - z)).sum();
        let p = z.iter().map(|z| (z - top).exp() / total);
        let d = p.enumerate().map(|(c, p)| (p - y(c)) / f64::from(now.total));
        let hit = z.iter().position(|&z| z == top) == Some(label);
        (d.collect(), [far + total.ln(), f64::from(hit)])
    };
    logits.iter().enumerate().map(of).unzip()
}

fn bind<'a>(first: usize, formulas: Vec<Formula<'a>>) -> Vec<(usize, Formula<'a>)> {
    (first..).zip(formulas).collect()
}

/// Formulas of the new parameter and its new state, given the gradient of the loss.
fn descent<'a>(
    rule: Rule,
    l2: f32,
    now: &'a StepValues,
    gradient: impl Fn(usize, usize) -> f64 + Copy + 'a,
    w: Matrix<'a>,
    state: &'a [Matrix<'a>],
) -> Vec<Formula<'a>> {
    let (lr, mu, l2) = (f64::from(now.lr), f64::from(now.momentum), f64::from(l2));
    let penalised = move |r, c| gradient(r, c) + l2 * w.at(r, c);
    match rule {
        Rule::Sgd => vec![Box::new(move |r, c| w.at(r, c) - lr * penalised(r, c))],
        Rule::Momentum { nesterov } => {
            let v = move |r, c| mu * state[0].at(r, c) + penalised(r, c);
            let step = move |r, c| if nesterov { penalised(r, c) + mu * v(r, c) } else { v(r, c) };
            vec![Box::new(move |r, c| w.at(r, c) - lr * step(r, c)), Box::new(v)]
        }
        Rule::Adam { beta2, epsilon, decoupled } => {
            let (beta2, epsilon) = (f64::from(beta2), f64::from(epsilon));
            let (bias1, bias2) = (f64::from(now.bias1), f64::from(now.bias2));
            let g = move |r, c| if decoupled { gradient(r, c) } else { penalised(r, c) };
            let decay = move |r, c| if decoupled { l2 * w.at(r, c) } else { 0.0 };
            let m1 = move |r, c| mu * state[0].at(r, c) + (1.0 - mu) * g(r, c);
            let v1 = move |r, c| beta2 * state[1].at(r, c) + (1.0 - beta2) * g(r, c).powi(2);
            let step = move |r, c| m1(r, c) / bias1 / ((v1(r, c) / bias2).sqrt() + epsilon) + decay(r, c);
            vec![Box::new(move |r, c| w.at(r, c) - lr * step(r, c)), Box::new(m1), Box::new(v1)]
        }
        Rule::Rmsprop { rho, epsilon } => {
            let (rho, epsilon) = (f64::from(rho), f64::from(epsilon));
            let s1 = move |r, c| rho * state[1].at(r, c) + (1.0 - rho) * penalised(r, c).powi(2);
            let v1 = move |r, c| mu * state[0].at(r, c) + penalised(r, c) / (s1(r, c).sqrt() + epsilon);
            vec![Box::new(move |r, c| w.at(r, c) - lr * v1(r, c)), Box::new(v1), Box::new(s1)]
        }
    }
}
