//! Mixed precision: how a product's factors are rounded to half precision, and the loss scale that keeps error signals
//! from underflowing.
//!
//! The recipe is that of Micikevicius et al., "Mixed Precision Training" (ICLR 2018): all tensors (weights and
//! optimizer state included) and all sums stay in single precision; only the two factors of each product of a layer are
//! rounded, when they are read. The paper finds its loss scale by trial and skips steps that overflow. Here the scale
//! follows from the batch size, and values that would overflow become the largest finite value. No step is skipped, and
//! a run remains a function of its settings.

use super::Form;
use std::borrow::Cow;
use std::cell::RefCell;

/// The products of a layer in half precision.
pub(super) const HALF: &str = include_str!("../../shaders/half.wgsl");
/// The same on cooperative matrices.
pub(super) const COOP: &str = include_str!("../../shaders/coop.wgsl");

/// The largest finite value of IEEE half precision.
const LARGEST: f32 = 65504.0;
/// The smallest normal one, 2⁻¹⁴.
const SMALLEST: f32 = 6.103_515_6e-5;

/// Rounds to half precision, ties to even. Finite values beyond `LARGEST` become `LARGEST`, those below `SMALLEST`
/// zero. WGSL leaves the direction of rounding and all subnormals to the device. The shaders therefore round bit by bit
/// as this function does, so that every device computes with the same factors.
#[inline(always)]
pub fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    let near = f32::from_bits(bits.wrapping_add(0xFFF + (bits >> 13 & 1)) & 0xFFFF_E000);
    let normal = if value.abs() < SMALLEST { 0.0 } else { near.clamp(-LARGEST, LARGEST) };
    if value.is_finite() { normal } else { value }
}

/// The loss scale: error signals are multiplied by it before they are rounded, and their products are divided by it. It
/// is a power of two, so both are exact, as if the loss itself had been multiplied.
///
/// The gradient of a mean over B samples with respect to a logit is at most 1/B, so 2¹⁰·B (B rounded up to a power of
/// two) makes it at most 2¹¹. That leaves a factor of almost 32 for signals that grow on their way down. At the other
/// end, a sample's signal of 2⁻²⁴/B is still a normal number.
pub fn loss_scale(batch: u32) -> f32 {
    f32::from_bits((169 - (batch.max(1) - 1).leading_zeros()) << 23)
}

/// A factor as a product reads it. In half precision: multiplied by `scale`, rounded, and divided by `scale`.
pub(super) fn factor(form: Form, values: &[f32], scale: f32) -> Cow<'_, [f32]> {
    match form.is_half() {
        true => values.iter().map(|value| rounded(value * scale) / scale).collect(),
        false => values.into(),
    }
}

thread_local! {
    /// Memory for two factors; it grows to the size of the largest product and is kept.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Calls `product` with two factors as it reads them, see [`factor`]; only the left one is scaled.
pub(super) fn with_factors(form: Form, left: &[f32], scale: f32, right: &[f32], product: impl FnOnce(&[f32], &[f32])) {
    if !form.is_half() {
        return product(left, right);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        for (room, (values, scale)) in scratch.iter_mut().zip([(left, scale), (right, 1.0)]) {
            room.clear();
            room.extend(values.iter().map(|value| rounded(value * scale) / scale));
        }
        product(&scratch[0], &scratch[1]);
    });
}

/// Factor of a sum's error bound over that in single precision. Matrix units truncate to single precision instead of
/// rounding, which doubles the error (Fasi et al., "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science
/// 2021).
pub(super) fn roundings(form: Form) -> f32 {
    if form == Form::Coop { 2.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    /// Compares with a library's conversion, which has subnormals and infinities, for all halves, their neighbours in
    /// single precision and the middles between them.
    #[test]
    fn rounding_is_that_of_ieee_but_for_subnormals_and_overflow() {
        let mut tried = 0;
        for bits in 0..=u16::MAX {
            let (value, next) = (f16::from_bits(bits).to_f32(), f16::from_bits(bits.wrapping_add(1)).to_f32());
            let middle = value + (next - value) / 2.0;
            for near in [value, value.next_up(), value.next_down(), middle, middle.next_up(), middle.next_down()] {
                let (ours, ieee) = (rounded(near), f16::from_f32(near).to_f32());
                let wanted = match ieee {
                    _ if !near.is_finite() => near,
                    _ if ieee.is_infinite() => LARGEST.copysign(ieee),
                    _ if near.abs() < SMALLEST => 0.0,
                    ieee => ieee,
                };
                assert!(ours == wanted || ours.is_nan() && wanted.is_nan(), "{near:e}: {ours:e}, not {wanted:e}");
                tried += 1;
            }
        }
        assert_eq!(tried, 6 << 16);
        assert_eq!((rounded(f32::MAX), rounded(f32::MIN_POSITIVE)), (LARGEST, 0.0));
    }

    #[test]
    fn the_scale_is_a_power_of_two_from_1024_batches_to_twice_that() {
        for batch in (1..5000).chain([60_000, u32::MAX]) {
            let scale = f64::from(loss_scale(batch));
            assert!(scale.log2().fract() == 0.0 && (1024.0..2048.0).contains(&(scale / f64::from(batch))), "{batch}");
        }
    }
}
