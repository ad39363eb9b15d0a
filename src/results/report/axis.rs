//! Scales of charts: the position of a value, and the ticks of an axis.

use crate::base::text;

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// As plain numbers.
    #[default]
    Plain,
    /// As percentages of 1.
    Percent,
}

/// A scale from the lowest to the highest value, linear or logarithmic.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

/// Desired number of ticks on a linear scale.
const TICKS: f64 = 4.0;

impl Scale {
    /// A linear scale that covers all values. Both ends are ticks.
    pub fn linear(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = range(values).unwrap_or((0.0, 1.0));
        if high <= low {
            let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
            (low, high) = if low > 0.0 { (low - margin, high + margin) } else { (low, high + margin) };
        }
        let step = nice((high - low) / TICKS);
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil();
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        Scale { low: ticks[0], high: ticks[ticks.len() - 1], log: false, ticks }
    }

    /// A linear scale for integers. It ends at the integers next to the lowest and highest value.
    pub fn whole(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values).map_or((1.0, 1.0), |(low, high)| (low.floor(), high.ceil()));
        let step = nice((high - low) / 6.0).max(1.0).round();
        // Beyond 2⁵³ adding a step may not change a number; `0..12` limits the ticks in any case.
        let inner =
            (0..12).map(|i| ((low / step).floor() + f64::from(i)) * step).take_while(|&v| v < high - step * 0.6);
        let mut ticks: Vec<f64> = inner.filter(|&v| v > low + step * 0.6).collect();
        ticks.insert(0, low);
        if high > low {
            ticks.push(high);
            return Scale { low, high, log: false, ticks };
        }
        Scale { low: low - 1.0, high: high + 1.0, log: false, ticks }
    }

    /// A logarithmic scale that covers all values above zero, or a linear one if they are too close together for two ticks.
    pub fn log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values.filter(|&v| v > 0.0)).unwrap_or((0.1, 1.0));
        let first = low.log10().floor() as i32;
        let last = high.log10().ceil() as i32;
        let decades = (last - first).max(1);
        // Up to two decades have ticks at 1, 2 and 5; more than six skip some powers of ten.
        let multiples: &[f64] = if decades <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = (decades as usize).div_ceil(6);
        let powers = (first..=last).step_by(stride).map(|power| 10f64.powi(power));
        let ticks = powers.flat_map(|power| multiples.iter().map(move |multiple| power * multiple));
        let held = low * 0.85..=high * 1.18;
        let ticks: Vec<f64> = ticks.filter(|tick| held.contains(tick)).collect();
        if ticks.len() < 2 {
            return Scale::linear([low, high].into_iter());
        }
        Scale { low: *held.start(), high: *held.end(), log: true, ticks }
    }

    /// The position of a value: 0 at the low end, 1 at the high end. `None` if it cannot be drawn.
    pub fn at(&self, value: f64) -> Option<f64> {
        let share = match self.log {
            false => (value - self.low) / (self.high - self.low),
            true => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        share.is_finite().then_some(share)
    }

    /// Whether the scale is logarithmic.
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// The ticks: position and text.
    pub fn ticks(&self, unit: Unit) -> Vec<(f64, String)> {
        let step = self.ticks.get(1).map_or(0.0, |second| second - self.ticks[0]);
        let text = |&tick: &f64| match (unit, self.log) {
            (Unit::Percent, _) => {
                format!("{:.*}\u{a0}%", decimals(100.0 * step), (100.0 * tick).clamp(0.0, 100.0))
            }
            (Unit::Plain, true) => short(tick),
            (Unit::Plain, false) if tick.abs() >= 10_000.0 || step < 1e-4 => short(tick),
            (Unit::Plain, false) => format!("{:.*}", decimals(step), tick),
        };
        self.ticks.iter().filter_map(|tick| Some((self.at(*tick)?, text(tick)))).collect()
    }
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((f64::min(low, v), f64::max(high, v)))
    })
}

/// Rounds a step up to 1, 2, 5 or 10 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.max(1e-12).log10().floor());
    let choice = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= step * 0.999);
    choice.unwrap_or(10.0) * power
}

/// Number of decimals that distinguishes values one step apart.
fn decimals(step: f64) -> usize {
    if step > 0.0 { (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize } else { 0 }
}

/// A logarithmic scale omits at most one in this many values as far below all others.
const FEW: usize = 10;
/// A value is far below the others if the next larger value is more than this many times as large.
const FAR: f64 = 1e4;

/// The lowest value that a logarithmic scale of these values should cover. Zeros cannot be drawn, and a few values far below
/// all others would compress the rest of the curve.
pub fn lowest(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|&v| v > 0.0 && v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let first = (1..=values.len() / FEW).rev().find(|&at| values[at] / values[at - 1] > FAR).unwrap_or(0);
    values.get(first).copied().unwrap_or(f64::MIN_POSITIVE)
}

/// A number in few characters: 0.02, 305k, 1.2M, 3×10⁻⁷, 1.1×10⁹.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v.is_nan() => "not a number".into(),
        v if v.is_infinite() => "∞".into(),
        v if v >= 999_500_000.0 => scientific(value),
        v if v >= 999_500.0 => three_digits(value / 1e6) + "M",
        v if v >= 9_995.0 => three_digits(value / 1e3) + "k",
        v if v >= 0.001 => three_digits(value),
        _ => scientific(value),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 5) as usize;
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_string() }
}

/// A count with thousands separators.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("\u{202f}")
}

/// A share as a percentage with two decimals and a non-breaking space.
pub fn percent(share: f64) -> String {
    format!("{}\u{a0}%", text::percent(share, 2))
}

/// A time in seconds, in minutes and seconds, or in hours and minutes.
pub fn duration(seconds: f64) -> String {
    // Negative values and NaN become zero.
    match seconds.max(0.0).abs() {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{} min {:02} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {:02} min", s as u64 / 3600, s as u64 / 60 % 60),
    }
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.1e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let mantissa = mantissa.trim_end_matches(".0");
    let raised = exponent.chars().map(|c| match c {
        '-' => '⁻',
        digit => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit.to_digit(10).unwrap_or(0) as usize],
    });
    let power = format!("10{}", raised.collect::<String>());
    if mantissa == "1" { power } else { format!("{mantissa}×{power}") }
}

#[cfg(test)]
mod tests {
    use super::{Scale, Unit, duration, grouped, lowest, short};

    fn words(scale: &Scale, unit: Unit) -> Vec<String> {
        scale.ticks(unit).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let losses = Scale::linear([0.03, 0.212].into_iter());
        assert_eq!(words(&losses, Unit::Plain), ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25"]);
        let shares = Scale::linear([0.9353, 0.978].into_iter());
        assert_eq!(words(&shares, Unit::Percent), ["92\u{a0}%", "94\u{a0}%", "96\u{a0}%", "98\u{a0}%"]);
        assert_eq!(words(&Scale::whole([1.0, 5.0].into_iter()), Unit::Plain), ["1", "2", "3", "4", "5"]);
        assert_eq!(words(&Scale::whole([0.01, 1.4].into_iter()), Unit::Plain), ["0", "1", "2"]);
        assert_eq!(words(&Scale::log([2e-6, 0.3].into_iter()), Unit::Plain), ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1"]);
        for scale in [losses, shares] {
            assert!(scale.ticks(Unit::Plain).iter().all(|tick| (-1e-9..=1.0 + 1e-9).contains(&tick.0)), "{scale:?}");
        }
    }

    #[test]
    fn scales_of_one_value_or_none_can_be_drawn() {
        for values in [vec![], vec![0.0], vec![0.5], vec![1.0, 1.0], vec![f64::NAN]] {
            for scale in [
                Scale::linear(values.iter().copied()),
                Scale::whole(values.iter().copied()),
                Scale::log(values.iter().copied()),
            ] {
                assert!(!scale.ticks(Unit::Plain).is_empty(), "{values:?}: {scale:?}");
            }
        }
    }

    #[test]
    fn one_value_far_below_all_others_is_left_out_but_a_whole_layer_is_not() {
        let mut values = vec![0.0, 1e-8, f64::NAN];
        values.extend((1..=20).map(f64::from));
        assert_eq!(lowest(values.iter().copied()), 1.0);
        // Two layers over ten epochs.
        assert_eq!(lowest((0..20).map(|at| if at % 2 == 0 { 1e-8 } else { 1.0 })), 1e-8);
        // In a deep net, each layer's value is a hundredth of the next layer's.
        let layers: Vec<f64> = (0..30).map(|layer| 100f64.powi(-layer)).collect();
        assert_eq!(lowest(layers.iter().copied()), layers[29]);
        assert!(lowest([0.0, f64::NAN].into_iter()) > 0.0);
    }

    #[test]
    fn figures_are_short() {
        let texts = [0.0, 0.02, 12.34, 13_250.0, 305_123.0, 1_234_567.0, 3e-7, 0.001, 1e-5, 1.093e9, 4e21].map(short);
        let expected = ["0", "0.02", "12.3", "13.2k", "305k", "1.23M", "3×10⁻⁷", "0.001", "10⁻⁵", "1.1×10⁹", "4×10²¹"];
        assert_eq!(texts, expected);
        assert_eq!([-0.0, -3.0, f64::NAN, 0.5, 61.0].map(duration), ["0.00 s", "0.00 s", "0.00 s", "0.50 s", "61.0 s"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }
}
