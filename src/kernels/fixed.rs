//! Fixed-point numbers: how a net is trained with integers alone, so that every device computes the same bits.
//!
//! Devices round, fuse and reorder float operations differently. A sum of integers is the same in any order. So
//! `precision int8` stores every value as an integer with a number of **fractional bits**: the integer `n` with `f`
//! fractional bits stands for n·2⁻ᶠ.
//!
//! | what | stored as | fractional bits | range |
//! |---|---|---|---|
//! | weights, biases and velocities | i32 | 28 ([`WEIGHT_BITS`]) | ±8 |
//! | factors: weights, rounded for a product | i8 | 5 to 8, more for layers with many inputs ([`factor_bits`]) | ±4 to ±0.5 |
//! | inputs that are bytes | i8 | as many as their range allows, at most 6 ([`input_bits`]) | |
//! | inputs that are floats | i8 | 4 ([`FLOAT_BITS`]) | ±8 |
//! | outputs of hidden layers | i8 | 4, or 6 for sigmoid and tanh ([`hidden_bits`]) | ±8, or ±2 |
//! | sums of a product | i32 | the sum of those of both factors | |
//! | probabilities | u32 | 16 ([`PROBABILITY_BITS`]) | 0 to 1 |
//! | error signal δ of the logits | i8 | 7 | ±1 |
//! | error signal δ of hidden layers | i8 | set by a shift per layer: [`super::int_levels`] | |
//! | gradients | i32 | those of δ and of the layer's inputs together | |
//! | losses | i32 | 10 ([`LOSS_BITS`]) | 0 to 32 |
//!
//! How can 8 bits train a net? A product needs few bits, because the rounding errors of its terms mostly cancel. The update
//! needs many: a step is often a thousandth of the weight, and would be rounded away. So the products use 8 bits, and the
//! weights that are updated have 32. The size of δ changes from layer to layer and during training, so each layer shifts its
//! δ to fill 8 bits. The shift follows from earlier updates, never from the order within a batch.
//!
//! Earlier work: Gupta et al., "Deep Learning with Limited Numerical Precision" (ICML 2015) trained with 16 bits and
//! stochastic rounding. Banner et al., "Scalable Methods for 8-bit Training" (NeurIPS 2018) and Wang et al., "NITI" (arXiv
//! 2009.13108) trained with 8-bit products. They aimed at speed. Here the aim is equal bits, so nothing is rounded at random,
//! and exponentials and logarithms are integer polynomials. RepDL (2025) makes floats repeatable across devices by correct
//! rounding, which costs speed.
//!
//! The shaders `int_*.wgsl` repeat the arithmetic of this page, under the same names where it is a function there. Right
//! shifts of an i32 keep the sign, in Rust and in WGSL.

use super::{Activation, Form, InputMap};
use crate::plan::tensor::{from_fixed, to_fixed};

/// Fractional bits of weights, biases and velocities.
pub const WEIGHT_BITS: u8 = 28;
/// Fractional bits of a loss in the record.
pub const LOSS_BITS: u8 = 10;
/// Fractional bits of probabilities.
pub const PROBABILITY_BITS: u8 = 16;
/// Bits by which the error signal of the logits, a difference of probabilities, is shifted right. ±1 then fills 8 bits.
pub const LOGIT_SHIFT: u8 = 9;
/// Fractional bits of samples that are floats: they are standardised, so few lie beyond ±8.
pub const FLOAT_BITS: u8 = 4;
/// Largest magnitude of an i8. The range is symmetric: −128 is not used.
pub const MOST: i32 = 127;
/// Largest loss of a sample, in nats. Larger ones are recorded as this.
pub const LARGEST_LOSS: u32 = 32;

/// Fractional bits of the factors of a layer with this many inputs, I: log₂√I + 1, rounded up, from 5 to 8. Initial weights
/// have about the size √(2/I), so a layer with more inputs has smaller weights.
pub fn factor_bits(inputs: usize) -> u8 {
    let half = (usize::BITS - inputs.saturating_sub(1).leading_zeros()).div_ceil(2) as u8;
    (half + 1).clamp(5, 8)
}

/// Fractional bits of the outputs of a hidden layer; `None` for an activation that has no integer form.
pub fn hidden_bits(act: Activation) -> Option<u8> {
    match act {
        Activation::Relu | Activation::LeakyRelu(_) | Activation::Identity => Some(4),
        Activation::Sigmoid | Activation::Tanh => Some(6),
        _ => None,
    }
}

/// Fractional bits of inputs that are bytes: the most, up to 6, with which the largest still fits. `None` if none does.
pub fn input_bits(map: &InputMap) -> Option<u8> {
    let largest = [0.0, 255.0].map(|byte: f32| (byte * map.scale + map.shift).abs()).into_iter().fold(0.0, f32::max);
    (0..=6).rev().find(|&bits| largest * f32::from(1u8 << bits) < 127.5)
}

/// The map of bytes to inputs in integers: `[scale, shift]` of input = (byte·scale + shift) >> 16. The input has `bits`
/// fractional bits and is rounded.
pub fn integer_map(map: &InputMap, bits: u8) -> [i32; 2] {
    let whole = |value: f32| (f64::from(value) * f64::from(1u32 << (16 + bits))).round() as i32;
    [whole(map.scale), whole(map.shift) + (1 << 15)]
}

/// v·2⁻ᵏ, rounded half up. `k` is at most 31.
#[inline(always)]
pub fn shift(v: i32, k: u32) -> i32 {
    if k == 0 { v } else { (v >> k) + (v >> (k - 1) & 1) }
}

/// a + b, limited to ±(2³¹ − 1).
#[inline(always)]
pub fn add(a: i32, b: i32) -> i32 {
    a.saturating_add(b).max(-i32::MAX)
}

/// Limits to ±[`MOST`].
#[inline(always)]
pub fn narrow(v: i32) -> i32 {
    v.clamp(-MOST, MOST)
}

/// v·m·2⁻¹², rounded half up. The product must fit in 43 bits, so that the result fits: see `net::exact`.
#[inline(always)]
pub fn times12(v: i32, m: i32) -> i32 {
    (v >> 12) * m + (((v & 4095) * m + 2048) >> 12)
}

/// A number that is not negative, as m·2⁻ˢ with 2¹⁵ ≤ m < 2¹⁶; m is 0 for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The multiplier.
    pub m: i32,
    /// The shift.
    pub s: i32,
}

impl Factor {
    /// Rounds a float that is not negative. Uses only its bits, so every device gets the same factor. Floats below 2⁻¹²⁶
    /// become 0.
    pub fn of(value: f32) -> Factor {
        let bits = value.to_bits();
        if bits < 1 << 23 {
            // Zero, or too small to matter.
            return Factor { m: 0, s: 16 };
        }
        let m = ((bits & 0x7f_ffff | 0x80_0000) + 128) >> 8;
        let s = 142 - (bits >> 23).cast_signed();
        if m > 0xffff { Factor { m: 0x8000, s: s - 1 } } else { Factor { m: m.cast_signed(), s } }
    }

    /// 1/n, rounded down; n = 0 counts as 1.
    pub fn one_over(n: u32) -> Factor {
        let whole = 0x8000_0000 / n.max(1);
        let zeros = whole.leading_zeros();
        Factor { m: ((whole << zeros) >> 16).cast_signed(), s: 15 + zeros.cast_signed() }
    }

    /// v times this number, rounded half up. A result that may not fit in 32 bits becomes ±m·2¹⁵, which is from 2³⁰ to 2³¹.
    pub fn times(self, v: i32) -> i32 {
        Multiplier::from(self).times(v)
    }
}

/// A [`Factor`] prepared for a loop without branches: v is shifted left, multiplied in two halves of 16 bits, and shifted
/// right.
#[derive(Clone, Copy)]
pub struct Multiplier {
    /// Bits that v is shifted left.
    left: u32,
    /// Largest |v| that can be shifted left without overflow.
    most: i32,
    /// [`Factor::m`].
    m: i32,
    /// Added before the low 16 bits of the product are dropped. It rounds half up if nothing else is shifted right.
    half: u32,
    /// Bits that the product is shifted right: `below`, and then, rounded half up, `round`, which is 0 or 1.
    below: u32,
    round: i32,
}

impl From<Factor> for Multiplier {
    fn from(factor: Factor) -> Multiplier {
        let left = (16 - factor.s).clamp(0, 31).cast_unsigned();
        let right = (factor.s - 16).clamp(0, 32).cast_unsigned();
        // After a shift of 32 bits or more nothing is left.
        let (m, right) = if right > 31 { (0, 31) } else { (factor.m, right) };
        Multiplier {
            left,
            most: i32::MAX >> left,
            m,
            half: if right == 0 { 0x8000 } else { 0 },
            below: right.saturating_sub(1),
            round: i32::from(right > 0),
        }
    }
}

impl Multiplier {
    /// Whether a result is not shifted right: then [`Multiplier::times_large`] is `times`, else [`Multiplier::times_small`].
    pub fn is_large(self) -> bool {
        self.round == 0
    }

    /// As [`Multiplier::times`], for a large factor. Fewer instructions.
    #[inline(always)]
    pub fn times_large(self, v: i32) -> i32 {
        let v = v.min(self.most).max(-self.most) << self.left;
        let low = (v & 0xffff).cast_unsigned() * self.m.cast_unsigned() + 0x8000;
        (v >> 16) * self.m + (low >> 16).cast_signed()
    }

    /// As [`Multiplier::times`], for a small factor. Fewer instructions.
    #[inline(always)]
    pub fn times_small(self, v: i32) -> i32 {
        let v = v.max(-i32::MAX);
        let low = (v & 0xffff).cast_unsigned() * self.m.cast_unsigned();
        let product = (v >> 16) * self.m + (low >> 16).cast_signed();
        ((product >> self.below) + 1) >> 1
    }

    /// v times the factor: see [`Factor::times`].
    #[inline(always)]
    pub fn times(self, v: i32) -> i32 {
        // `clamp` may panic, which would prevent vectorisation.
        let v = v.min(self.most).max(-self.most) << self.left;
        let low = (v & 0xffff).cast_unsigned() * self.m.cast_unsigned() + self.half;
        let product = (v >> 16) * self.m + (low >> 16).cast_signed();
        ((product >> self.below) + self.round) >> self.round
    }
}

/// e⁻ᵈ with 15 fractional bits, where `d` has 8 and is limited to 4095. It is computed as 2⁻ᵗ with t = d·log₂e, the
/// fractional part of t by a polynomial. The error is below 1.5·10⁻⁴.
#[inline(always)]
pub fn exp_minus(d: u32) -> u32 {
    // log₂e with 16 fractional bits.
    let t = (d.min(4095) * 94_548) >> 8;
    let f = t & 0xffff;
    let p = 65_536 - ((f * (45_325 - ((f * (15_149 - ((f * 2_593) >> 16))) >> 16))) >> 16);
    p >> (1 + (t >> 16)).min(31)
}

/// ln x with [`LOSS_BITS`] fractional bits, where x is a whole number; 0 counts as 1. The error is below 3·10⁻³.
#[inline(always)]
pub fn ln(x: u32) -> u32 {
    let zeros = x.max(1).leading_zeros();
    // 15 bits, so that every product fits.
    let f = ((x.max(1) << zeros) >> 16) & 0x7fff;
    // log₂(1 + f) with 16 fractional bits.
    let inner = 44_222 - ((f * (20_775 - ((f * 5_263) >> 15))) >> 15);
    let fraction = (f * (94_246 - ((f * inner) >> 15))) >> 15;
    // ln 2 has 16 fractional bits, as log2 has. Of 32 bits 22 are dropped, 5 of them first, so that the product fits.
    let log2 = ((31 - zeros) << 16) + fraction;
    (((log2 >> 5) * 45_426) >> 16) >> 1
}

/// The activation of a sum `z` with `bits` fractional bits. Sigmoid and tanh return 14 fractional bits, the others `bits`.
/// `alpha` is the slope of leaky ReLU, from [`alpha`].
#[inline(always)]
pub fn activate(act: Activation, alpha: i32, z: i32, bits: u32) -> i32 {
    match act {
        Activation::Relu => z.max(0),
        Activation::LeakyRelu(_) => {
            if z < 0 {
                times12(z, alpha)
            } else {
                z
            }
        }
        Activation::Sigmoid => {
            let e = exp_minus(eighth(z, bits));
            let high = (((32_768u32 << 14) + (32_768 + e) / 2) / (32_768 + e)).cast_signed();
            if z < 0 { (1 << 14) - high } else { high }
        }
        Activation::Tanh => {
            let e = exp_minus(2 * eighth(z, bits).min(4095));
            let high = ((((32_768 - e) << 14) + (32_768 + e) / 2) / (32_768 + e)).cast_signed();
            if z < 0 { -high } else { high }
        }
        _ => z,
    }
}

/// |z| with 8 fractional bits, where z has `bits`. If `bits` is below 8, |z| is first limited to 4095.
#[inline(always)]
pub fn eighth(z: i32, bits: u32) -> u32 {
    let size = z.unsigned_abs().min(i32::MAX.cast_unsigned());
    if bits >= 8 { size >> (bits - 8) } else { size.min(4095) << (8 - bits) }
}

/// v times the derivative of an activation, computed from the activation's output `a` before dropout, which has
/// [`hidden_bits`] fractional bits. `alpha` is the slope of leaky ReLU, from [`alpha`].
#[inline(always)]
pub fn slope(act: Activation, alpha: i32, a: i32, v: i32) -> i32 {
    match act {
        Activation::Relu => {
            if a > 0 {
                v
            } else {
                0
            }
        }
        Activation::LeakyRelu(_) => {
            if a > 0 {
                v
            } else {
                times12(v, alpha)
            }
        }
        Activation::Sigmoid => times12(v, (a * (64 - a)).max(0)),
        Activation::Tanh => times12(v, (4096 - a * a).max(0)),
        _ => v,
    }
}

/// The forms of integer products. All give the same bits.
pub const FORMS: [Form; 3] = [Form::Plain, Form::Tiled, Form::Registers];

/// Index of a form in [`FORMS`].
///
/// # Panics
/// For another form: a bug in the code that builds the plan.
pub(super) fn form(form: Form) -> usize {
    FORMS.iter().position(|&one| one == form).unwrap_or_else(|| panic!("integer products have no form {}", form.name()))
}

/// What the cases of a layer cover: form, activation, keep probability. All forms share the code after the product, so only
/// the plain form is tried with every activation.
pub(super) fn variants() -> Vec<(Form, Activation, f32)> {
    let all =
        [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Identity, Activation::Sigmoid, Activation::Tanh];
    let plain = all.into_iter().flat_map(|act| [1.0, 0.8].map(|keep| (Form::Plain, act, keep)));
    let others = [Form::Tiled, Form::Registers].map(|form| (form, Activation::LeakyRelu(0.1), 0.8));
    plain.chain(others).collect()
}

/// Pipeline constants of the shaders of a layer, with their defaults.
pub(super) const OVERRIDES: &[(&str, f64)] = &[("ACT", 0.0), ("MASKED", 0.0)];

/// The constants of a layer that differ from the defaults. α is not a constant here, but a parameter with 12 fractional bits.
pub(super) fn overrides(act: Activation, keep: f32) -> Vec<(&'static str, f64)> {
    act.overrides(keep).into_iter().filter(|(name, _)| *name != "ALPHA").collect()
}

/// [`activate`] of each value. There is a loop for each activation, so that the compiler can make vectors of it.
#[inline(always)]
pub(super) fn activate_all<const N: usize>(act: Activation, alpha: i32, values: &mut [i32; N], bits: u32) {
    let mut each = |act| values.iter_mut().for_each(|value| *value = activate(act, alpha, *value, bits));
    match act {
        Activation::Relu => each(Activation::Relu),
        Activation::LeakyRelu(_) => each(Activation::LeakyRelu(0.0)),
        Activation::Sigmoid => each(Activation::Sigmoid),
        Activation::Tanh => each(Activation::Tanh),
        _ => {}
    }
}

/// [`slope`] of each value, with the output of the activation.
#[inline(always)]
pub(super) fn slope_all<const N: usize>(act: Activation, alpha: i32, outputs: &[i32; N], values: &mut [i32; N]) {
    let mut each = |act| {
        values.iter_mut().zip(outputs).for_each(|(value, &output)| *value = slope(act, alpha, output, *value));
    };
    match act {
        Activation::Relu => each(Activation::Relu),
        Activation::LeakyRelu(_) => each(Activation::LeakyRelu(0.0)),
        Activation::Sigmoid => each(Activation::Sigmoid),
        Activation::Tanh => each(Activation::Tanh),
        _ => {}
    }
}

/// The words of a matrix from a panel's first column on, and the words of a row.
pub(super) type Strip<'a> = (&'a [u32], usize);

/// Multiplies the values that are kept by `keep`, which has 12 fractional bits; the others become zero.
#[inline(always)]
pub(super) fn drop_out(values: &mut [i32; 32], keep: i32, mask: u32) {
    for (bit, value) in values.iter_mut().enumerate() {
        *value = times12(*value, keep) * (mask >> bit & 1).cast_signed();
    }
}

/// Packs the first `columns` values, which fit in an i8, four to a word, and fills the remaining words with zeros.
#[inline(always)]
pub(super) fn pack(values: &[i32; 32], columns: usize, words: &mut [u32]) {
    let bytes = values.map(|value| value as i8);
    let (to, padding) = bytemuck::cast_slice_mut::<u32, i8>(words).split_at_mut(columns);
    to.copy_from_slice(&bytes[..columns]);
    padding.fill(0);
}

/// α, the slope of leaky ReLU below 0, with 12 fractional bits; 0 for other activations.
pub fn alpha(act: Activation) -> i32 {
    if let Activation::LeakyRelu(alpha) = act { to_fixed(alpha, 12, 1 << 16) } else { 0 }
}

/// A weight, a bias or a mean gradient as an integer with [`WEIGHT_BITS`] fractional bits.
pub fn to_weight(value: f32) -> i32 {
    to_fixed(value, WEIGHT_BITS, i32::MAX)
}

/// Weights or biases as a product uses them. `words` are i32 with [`WEIGHT_BITS`] fractional bits. They are rounded to `bits`
/// fractional bits, limited to ±`most`, and returned as floats.
pub fn used(words: &[u32], bits: u8, most: i32) -> Vec<f32> {
    let drop = u32::from(WEIGHT_BITS - bits);
    words.iter().map(|word| from_fixed(shift(word.cast_signed(), drop).clamp(-most, most), bits)).collect()
}

/// A number, such as a keep probability or its inverse, with 12 fractional bits.
pub fn twelve(value: f32) -> i32 {
    to_fixed(value, 12, i32::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_with_a_factor_is_rounded_half_up() {
        for value in [1.0f32, 0.5, 0.9, 0.1, 1e-3, 3.7e-7, 5.0, 1000.0] {
            let factor = Factor::of(value);
            let exact = f64::from(factor.m) * (-f64::from(factor.s)).exp2();
            assert!((exact / f64::from(value) - 1.0).abs() < 2e-5, "{value}: {factor:?}");
            for v in [0, 1, -1, 7, -7, 12_345, -12_345, 1 << 20, -(1 << 20), i32::MAX, -i32::MAX] {
                let want = f64::from(v) * exact;
                let got = factor.times(v);
                if want.abs() < f64::from(i32::MAX) * 0.5 {
                    assert!((f64::from(got) - want).abs() <= 1.0, "{v} times {value}: {got}, not {want}");
                } else {
                    assert!(got.signum() == v.signum() && got.abs() > 1 << 29, "{v} times {value}: {got}");
                }
            }
        }
        for n in [1, 2, 3, 7, 64, 100, 4096, 60_000, 131_072] {
            let factor = Factor::one_over(n);
            let exact = f64::from(factor.m) * (-f64::from(factor.s)).exp2();
            assert!((exact * f64::from(n) - 1.0).abs() < 4e-5, "1/{n}: {factor:?}");
            assert!((0x8000..=0xffff).contains(&factor.m));
        }
        assert_eq!(Factor::of(0.0).times(i32::MAX), 0);
    }

    #[test]
    fn large_and_small_factors_have_the_same_products_in_fewer_instructions() {
        for value in [0.0f32, 1e-30, 3.7e-7, 0.1, 0.25, 0.499_99, 0.5, 0.9, 1.0, 5.0, 4e9] {
            let factor = Multiplier::from(Factor::of(value));
            for v in [0, 1, -1, 7, -7, 12_345, -12_345, 1 << 20, -(1 << 20), i32::MAX, -i32::MAX, i32::MIN] {
                let got = if factor.is_large() { factor.times_large(v) } else { factor.times_small(v) };
                assert_eq!(got, factor.times(v), "{v} times {value}");
            }
        }
    }

    #[test]
    fn shifts_and_products_round_half_up() {
        let half_up = |value: f64| (value + 0.5).floor() as i32;
        for v in [0, 1, -1, 3, -3, 5, 100, -100, 99_999, -99_999, i32::MAX, -i32::MAX] {
            for k in [0, 1, 2, 9, 16, 31] {
                assert_eq!(shift(v, k), half_up(f64::from(v) * (-f64::from(k)).exp2()), "{v} >> {k}");
            }
            for m in [0, 41, 2048, 4096, 5120] {
                if v.abs() < 1 << 28 {
                    assert_eq!(times12(v, m), half_up(f64::from(v) * f64::from(m) / 4096.0), "{v} times {m}");
                }
            }
        }
        assert_eq!([add(i32::MAX, 1), add(-i32::MAX, -5)], [i32::MAX, -i32::MAX]);
    }

    #[test]
    fn exponential_and_logarithm_are_near_the_true_ones() {
        for d in 0..4096 {
            let (want, got) = ((-f64::from(d) / 256.0).exp(), f64::from(exp_minus(d)) / 32_768.0);
            assert!((got - want).abs() < 1.5e-4, "exp(-{d}/256): {got}, not {want}");
        }
        for x in (1..200_000).chain([1 << 20, u32::MAX]) {
            let (want, got) = (f64::from(x).ln(), f64::from(ln(x)) / 1024.0);
            assert!((got - want).abs() < 3e-3, "ln {x}: {got}, not {want}");
        }
        for act in [Activation::Sigmoid, Activation::Tanh] {
            for z in (-5000..5000).step_by(7) {
                let want = act.apply(z as f32 / 1024.0);
                let got = activate(act, 0, z, 10) as f32 / 16_384.0;
                assert!((got - want).abs() < 4e-3, "{act:?} of {z}/1024: {got}, not {want}");
            }
        }
    }

    #[test]
    fn formats_follow_the_range() {
        assert_eq!(
            [1, 4, 64, 65, 128, 256, 257, 784, 1024, 1025, 4096, 8192].map(factor_bits),
            [5, 5, 5, 5, 5, 5, 6, 6, 6, 7, 7, 8]
        );
        assert_eq!(input_bits(&InputMap::UNIT), Some(6));
        let mnist = InputMap { scale: 1.0 / 78.6, shift: -33.3 / 78.6 };
        assert_eq!(input_bits(&mnist), Some(5));
        assert_eq!(input_bits(&InputMap::RAW), None);
        let [scale, shift] = integer_map(&mnist, 5);
        assert_eq!([0, 33, 255].map(|byte| (byte * scale + shift) >> 16), [-14, 0, 90]);
    }
}
