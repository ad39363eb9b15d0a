//! The fields of a text: missing, a number, yes or no, or a word.

/// Whether a field stands for a missing value: empty, `NA`, `NaN`, `?`, `null`, `None`.
pub(super) fn is_missing(field: &[u8]) -> bool {
    match field.len() {
        0 => true,
        1 => field == b"?",
        2..=4 => ["na", "nan", "null", "none"].iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes())),
        _ => false,
    }
}

/// A field as a number of single precision, rounded to the nearest.
pub(super) fn single(field: &[u8]) -> Option<f32> {
    simple(field).or_else(|| number(field))
}

/// The number that a field of digits with at most one sign and one point stands for, if the quick way gives the nearest
/// number of single precision: most do.
fn simple(field: &[u8]) -> Option<f32> {
    /// Powers of ten that a double holds exactly.
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, unsigned) = match field {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // With 15 digits, the digits as a whole number are exact in a double too, so the quotient is rounded once.
    if unsigned.len() > 16 {
        return None;
    }
    let (mut digits, mut count, mut after) = (0_u64, 0_usize, None);
    for &byte in unsigned {
        match byte {
            b'0'..=b'9' => {
                digits = 10 * digits + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if after.is_none() => after = Some(count),
            _ => return None,
        }
    }
    let power = POWERS.get(after.map_or(0, |before| count - before)).filter(|_| (1..=15).contains(&count))?;
    let value = digits as f64 / power;
    // Rounding the double once more is wrong only if it lies in the middle between two singles.
    let middle = value.to_bits() & 0x1fff_ffff == 0x1000_0000;
    // Below this, singles have fewer digits, and the middle lies elsewhere.
    let tiny = value != 0.0 && value < f64::from(f32::MIN_POSITIVE);
    let value = value as f32;
    (!middle && !tiny).then_some(if negative { -value } else { value })
}

/// A field as a number, rounded to the nearest.
pub(super) fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The number that a plain field stands for: a whole number or a decimal fraction without needless zeros in front, without
/// a plus sign, and of at most 15 digits. Of more digits, a double may not hold all. Plain fields of equal numbers differ
/// only in zeros at their ends, as `1` and `1.0`. Other fields, such as `01`, may be codes.
pub(super) fn plain(field: &[u8]) -> Option<f64> {
    let unsigned = field.strip_prefix(b"-").unwrap_or(field);
    let point = unsigned.iter().position(|&byte| byte == b'.');
    let (whole, part) = point.map_or((unsigned, None), |at| (&unsigned[..at], Some(&unsigned[at + 1..])));
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let is_plain = unsigned.len() - usize::from(part.is_some()) <= 15
        && digits(whole)
        && part.is_none_or(digits)
        && (whole.len() == 1 || !whole.starts_with(b"0"));
    if is_plain { number(field) } else { None }
}

/// A number as the name of a category or class. Minus zero is zero.
pub(super) fn word_of(value: f64) -> String {
    (value + 0.0).to_string()
}

pub(super) fn label(field: &[u8]) -> Option<f64> {
    let is = |words: &[&str]| words.iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()));
    match number::<f64>(field) {
        Some(value) => (value == 0.0 || value == 1.0).then_some(value),
        None if is(&["yes", "true", "y", "t"]) => Some(1.0),
        None if is(&["no", "false", "n", "f"]) => Some(0.0),
        None => None,
    }
}

/// Whether this looks like a number with a decimal comma.
pub(super) fn has_decimal_comma(field: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = field.strip_prefix(['-', '+']).unwrap_or(field);
    unsigned.split_once(',').is_some_and(|(whole, part)| digits(whole) && digits(part))
}

/// The beginning of a field, for messages.
pub(super) fn shown(field: &[u8]) -> String {
    crate::data::csv::text(field)
}

/// The beginning of a name, for messages.
pub(super) fn short(name: &str) -> String {
    shown(name.as_bytes())
}

/// A column in messages: `column age`. A column without a name is called `column 3` already.
pub(super) fn labelled(name: &str) -> String {
    let name = short(name);
    if name.starts_with("column ") { name } else { format!("column {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn the_quick_way_gives_the_nearest_number() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut texts: Vec<String> =
            ["0", "-0", "-0.0", ".5", "5.", "16777217", "16777217.5", "0.000000000000001", "999999999999999"]
                .map(String::from)
                .into();
        for _ in 0..200_000 {
            let most = 10_u64.pow(random.random_range(1..=15));
            let digits = random.random_range(0..most).to_string();
            let point = random.random_range(0..=digits.len());
            texts.push(format!("{}{}.{}", if random.random() { "-" } else { "" }, &digits[..point], &digits[point..]));
            // A middle between two singles, and its neighbours.
            let low = f32::from_bits(random.random_range(0x3f80_0000..0x4f00_0000));
            let middle = (f64::from(low) + f64::from(f32::from_bits(low.to_bits() + 1))) / 2.0;
            texts.push(middle.to_string());
        }
        let mut quick = 0;
        for text in texts {
            let Some(value) = simple(text.as_bytes()) else { continue };
            quick += 1;
            assert_eq!(value.to_bits(), text.parse::<f32>().expect("a number").to_bits(), "{text}");
        }
        assert!(quick > 150_000, "{quick}");
        for text in ["", "-", ".", "-.", "1e5", "1.2.3", "nan", "--1", "1 2", "0x1"] {
            assert_eq!(simple(text.as_bytes()), None, "{text}");
        }
    }
}
