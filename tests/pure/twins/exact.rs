//! The oracle of the integer kernels: sums and roundings in 128 bits, without parts, lanes or words.

use super::oracle::{Formula, Matrix};
use gpu_mlp::kernels::fixed::{self, exp_minus, ln};
use gpu_mlp::kernels::{Activation, Op};
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::DType;

/// Largest i8 and i32.
const NARROW: i128 = 127;
const WIDE: i128 = i32::MAX as i128;

fn at(m: Matrix<'_>, row: usize, col: usize) -> i128 {
    m.at(row, col) as i128
}

fn total(n: usize, term: impl Fn(usize) -> i128) -> i128 {
    (0..n).map(term).sum()
}

/// v·m/2ˢ, rounded half up.
fn rounded(v: i128, m: i128, s: u32) -> i128 {
    if s == 0 { v * m } else { (2 * v * m + (1 << s)) >> (s + 1) }
}

/// v times a factor m·2⁻ˢ; where the factor is 1/2 or more, v is first shifted left, and limited.
fn times(v: i128, m: i128, s: i32) -> i128 {
    if s >= 16 {
        return if s > 47 { 0 } else { rounded(v, m, s as u32) };
    }
    let k = (16 - s).min(31) as u32;
    let most = WIDE >> k;
    rounded(v.clamp(-most, most) << k, m, 16)
}

/// A positive float as (m, s), from its value.
fn factor(value: f32) -> (i128, i32) {
    if value < f32::MIN_POSITIVE {
        return (0, 16);
    }
    let s = 15 - f64::from(value).log2().floor() as i32;
    let m = (f64::from(value) * f64::from(s).exp2() + 0.5).floor() as i128;
    if m == 65_536 { (32_768, s - 1) } else { (m, s) }
}

fn bits(dtype: DType) -> u8 {
    match dtype {
        DType::I8(bits) | DType::I32(bits) => bits,
        other => panic!("{other:?} has no fractional bits"),
    }
}

fn act(act: Activation, z: i128, bits: u8) -> i128 {
    match act {
        Activation::Relu => z.max(0),
        Activation::LeakyRelu(_) if z < 0 => rounded(z, fixed::alpha(act).into(), 12),
        Activation::Sigmoid | Activation::Tanh => fixed::activate(act, 0, z as i32, bits.into()).into(),
        _ => z,
    }
}

fn slope(act: Activation, a: i128, v: i128) -> i128 {
    match act {
        Activation::Relu => {
            if a > 0 {
                v
            } else {
                0
            }
        }
        Activation::LeakyRelu(_) if a <= 0 => rounded(v, fixed::alpha(act).into(), 12),
        Activation::Sigmoid => rounded(v, (a * (64 - a)).max(0), 12),
        Activation::Tanh => rounded(v, (4096 - a * a).max(0), 12),
        _ => v,
    }
}

/// Dropout with 12 fractional bits.
fn kept(v: i128, mask: Matrix<'_>, keep: f32, row: usize, col: usize) -> i128 {
    if keep == 1.0 { v } else { rounded(v, fixed::twelve(1.0 / keep).into(), 12) * at(mask, row, col) }
}

fn gives<'a>(arg: usize, formula: impl Fn(usize, usize) -> i128 + 'a) -> (usize, Formula<'a>) {
    (arg, Box::new(move |row, col| formula(row, col) as f64))
}

/// A number of a row of levels that grows by some, modulo 2³².
fn grown(old: i128, by: i128) -> i128 {
    i128::from((old + by) as i32)
}

/// Gradient descent of one value.
#[derive(Clone, Copy)]
struct Rule {
    base: u8,
    clip: f32,
    l2: f32,
    nesterov: bool,
}

impl Rule {
    /// The next weight and velocity. `levels`: the layer's sum of levels. `v` is `None` without momentum.
    fn next(self, now: &StepValues, levels: i128, g: i128, w: i128, v: Option<i128>) -> [i128; 2] {
        // 1/n as (m, s), rounded down.
        let n = i128::from(now.batch);
        let zeros = (0x8000_0000 / n as u32).leading_zeros();
        let one_over = ((0x8000_0000 / n) << zeros) >> 16;
        let s = 15 + zeros as i32 + i32::from(self.base) - 28 - levels as i32;
        let clip = f64::from(self.clip) * f64::from(1 << 28);
        let clip = if self.clip > 0.0 { (clip + 0.5).floor() as i128 } else { WIDE };
        let limit = |v: i128| v.clamp(-WIDE, WIDE);
        let part = |v: i128, of: f32| times(v, factor(of).0, factor(of).1);
        let mean = times(g, one_over, s).clamp(-clip, clip);
        let d = if self.l2 > 0.0 { limit(mean + part(w, self.l2)) } else { mean };
        let v = v.map(|v| limit(part(v, now.momentum) + d));
        let step = match v {
            None => d,
            Some(v) if self.nesterov => limit(d + part(v, now.momentum)),
            Some(v) => v,
        };
        [limit(w - part(step, now.lr)), v.unwrap_or(0)]
    }
}

/// Binding and formula of each tensor that an integer kernel writes; `None` for a kernel of floats.
pub fn oracle<'a>(op: Op<'a>, now: &'a StepValues, m: &'a [Matrix<'a>]) -> Option<Vec<(usize, Formula<'a>)>> {
    let real = move |row: usize| row < now.rows as usize;
    let if_real = move |row: usize, value: i128| if real(row) { value } else { 0 };
    Some(match op {
        Op::IntGather(k) => {
            let sample = move |b: usize| m[2].at(0, now.cursor as usize + b) as usize;
            let [scale, shift] = k.map.map(i128::from);
            let x = move |b, i| match k.samples.dtype {
                DType::U8 => ((at(m[0], sample(b), i) * scale + shift) >> 16).clamp(-NARROW, NARROW),
                _ => at(m[0], sample(b), i),
            };
            let dropped = move |b, i| kept(x(b, i), m[3], k.keep, b, i).clamp(-NARROW, NARROW);
            vec![
                gives(4, move |b, i| if real(b) { dropped(b, i) } else { 0 }),
                gives(5, move |_, b| if real(b) { at(m[1], 0, sample(b)) } else { 0 }),
            ]
        }
        Op::IntQuantise(k) => {
            let drop = u32::from(28 - bits(k.q.dtype));
            let q = move |o, i| rounded(at(m[0], o, i), 1, drop);
            let limited = total(k.w.rows, |o| total(k.w.cols, |i| i128::from(q(o, i).abs() > NARROW)));
            let by = if now.first == 0 { limited } else { 0 };
            let count = move |row, col| if (row, col) == (k.layer, 3) { by } else { 0 };
            vec![
                gives(1, move |o, i| q(o, i).clamp(-NARROW, NARROW)),
                gives(2, move |row, col| grown(at(m[2], row, col), count(row, col))),
            ]
        }
        Op::IntLinear(k) => {
            let sum_bits = bits(k.x.dtype) + bits(k.w.dtype);
            let bias = move |o| rounded(at(m[2], 0, o), 1, u32::from(28 - sum_bits));
            let z = move |b, o| total(k.x.cols, |i| at(m[0], b, i) * at(m[1], o, i)) + bias(o);
            if matches!(k.y.dtype, DType::I32(_)) {
                return Some(vec![gives(3, z)]);
            }
            let of_act = if matches!(k.act, Activation::Sigmoid | Activation::Tanh) { 14 } else { sum_bits };
            let shift = u32::from(of_act - bits(k.y.dtype));
            let y = move |b, o| rounded(kept(act(k.act, z(b, o), sum_bits), m[3], k.keep, b, o), 1, shift);
            let too_large = |b| total(k.y.cols, |o| i128::from(y(b, o).abs() > NARROW));
            let limited = total(k.y.rows, |b| if_real(b, too_large(b)));
            let count = move |row, col| if (row, col) == (k.layer, 4) { limited } else { 0 };
            vec![
                gives(4, move |row, col| grown(at(m[4], row, col), count(row, col))),
                gives(5, move |b, o| y(b, o).clamp(-NARROW, NARROW)),
            ]
        }
        Op::IntSoftmax(k) => {
            let from = u32::from(bits(k.z.dtype));
            let classes = k.z.cols;
            let (one, smoothing) = (65_536.0, f64::from(k.smoothing));
            let hot = ((1.0 - smoothing) * one).round() as i128;
            let even = (smoothing / classes as f64 * one).round() as i128;
            let best = move |b| (0..classes).rev().max_by_key(|&c| at(m[0], b, c)).unwrap_or(0);
            let far = move |b, c, to: u32| {
                let d = at(m[0], b, best(b)) - at(m[0], b, c);
                (d << to >> from).min(32 << to)
            };
            let e = move |b, c| i128::from(exp_minus(far(b, c, 8) as u32));
            let sum = move |b| total(classes, |c| e(b, c));
            let label = move |b| at(m[1], 0, b) as usize;
            let loss = move |b| {
                let all = total(classes, |c| (far(b, c, 10) * even) >> 16);
                let entropy = i128::from(ln(sum(b) as u32)) - i128::from(ln(1 << 15));
                (entropy + ((far(b, label(b), 10) * hot) >> 16) + all).min(32 << 10)
            };
            let dz = move |b, c| {
                let y = even + if c == label(b) { hot } else { 0 };
                rounded((e(b, c) << 16) / sum(b) - y, 1, 9).clamp(-NARROW, NARROW)
            };
            vec![
                gives(2, move |b, col| match (real(b), col) {
                    (false, _) => 0,
                    (true, 0) => loss(b),
                    (true, _) => i128::from(best(b) == label(b)),
                }),
                gives(3, move |b, c| if real(b) { dz(b, c) } else { 0 }),
            ]
        }
        Op::IntLinearDx(k) => {
            let product = move |b, i| total(k.w.rows, |o| at(m[0], b, o) * at(m[1], o, i));
            let back = fixed::twelve(k.keep).into();
            let a = move |b, i| if k.keep < 1.0 { rounded(at(m[2], b, i), back, 12) } else { at(m[2], b, i) };
            let v = move |b, i| kept(slope(k.act, a(b, i), product(b, i)), m[3], k.keep, b, i);
            let level = at(m[4], k.layer, 0) as u32;
            let all = move || (0..k.dx.rows).flat_map(move |b| (0..k.dx.cols).map(move |i| v(b, i)));
            let peak = all().map(i128::abs).max().unwrap_or(0).max(at(m[4], k.layer, 1));
            let limited = all().filter(|v| rounded(*v, 1, level).abs() > NARROW).count() as i128;
            vec![
                gives(4, move |row, col| match (row == k.layer, col) {
                    (true, 1) => peak,
                    (true, 5) => grown(at(m[4], row, col), limited),
                    _ => at(m[4], row, col),
                }),
                gives(5, move |b, i| rounded(v(b, i), 1, level).clamp(-NARROW, NARROW)),
            ]
        }
        Op::IntGradient(k) => {
            let x = move |b, i| if k.x.is_some() { at(m[1], b, i) } else { 1 };
            let (rows, place) = (k.dy.rows, if k.x.is_some() { 2 } else { 1 });
            let column = move |row: usize, col| if k.x.is_some() { row } else { col };
            let product = move |o, i| total(rows, |b| at(m[0], b, column(o, i)) * x(b, i));
            let old = move |o, i| if now.accumulate == 1 { at(m[place], o, i) } else { 0 };
            vec![gives(place, move |o, i| product(o, i) + old(o, i))]
        }
        Op::IntStep(k) => {
            let sum = at(m[m.len() - 1], k.layer, 2);
            let rule = Rule { base: k.base, clip: k.clip, l2: k.l2, nesterov: k.nesterov };
            let v = k.v.map(|_| m[2]);
            let next = move |r, c| {
                let v = v.map(|v| at(v, r, c));
                rule.next(now, sum, at(m[0], r, c), at(m[1], r, c), v)
            };
            let mut of = vec![gives(1, move |r, c| next(r, c)[0])];
            of.extend(v.map(|_| gives(2, move |r, c| next(r, c)[1])));
            of
        }
        Op::IntUpdate(k) => {
            let sum = at(m[2], k.layer, 2);
            let DType::I8(bits) = k.x.dtype else { unreachable!("x is i8") };
            let of_w = Rule { base: k.base + bits, clip: k.clip, l2: k.l2, nesterov: k.nesterov };
            let of_b = Rule { base: k.base, l2: 0.0, ..of_w };
            let rows = k.dy.rows;
            let g = move |o, i| total(rows, |b| at(m[0], b, o) * at(m[1], b, i));
            let g_b = move |o| total(rows, |b| at(m[0], b, o));
            let velocity = move |place: usize, r, c| (m.len() > place).then(|| at(m[place], r, c));
            let w = move |o, i| of_w.next(now, sum, g(o, i), at(m[3], o, i), velocity(5, o, i));
            let b = move |r, o| of_b.next(now, sum, g_b(o), at(m[4], r, o), velocity(6, r, o));
            let mut of = vec![gives(3, move |o, i| w(o, i)[0]), gives(4, move |r, o| b(r, o)[0])];
            if k.v.is_some() {
                of.extend([gives(5, move |o, i| w(o, i)[1]), gives(6, move |r, o| b(r, o)[1])]);
            }
            of
        }
        Op::IntLevels(k) => {
            let level = move |row| {
                let (level, peak) = (at(m[0], row, 0), at(m[0], row, 1));
                let need = (0..).find(|need| peak >> need < 128).unwrap_or(0);
                if need >= level { need } else { level - i128::from(now.step % 8 == 7) }
            };
            let rows = k.levels.rows;
            vec![gives(0, move |row, col| match col {
                0 => level(row),
                1 => 0,
                2 => grown(0, total(rows - row, |later| level(row + later))),
                3..6 => at(m[0], row, col).min(1 << 30),
                _ => at(m[0], row, col),
            })]
        }
        _ => return None,
    })
}
