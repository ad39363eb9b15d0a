//! Text for people: sizes in bytes, counts, percentages, and the nearest known word.

/// A number of bytes with a unit: `4.0 GiB`.
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1).take_while(|&power| count >> (10 * (power + 1)) > 0).count();
    let value = count as f64 / (1u64 << (10 * power)) as f64;
    match power {
        0 => format!("{count} B"),
        _ if value < 10.0 => format!("{value:.1} {}", units[power]),
        _ => format!("{value:.0} {}", units[power]),
    }
}

/// A count with its noun, in the singular or the plural: `1 sample`, `2 classes`.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", plural(count, noun))
}

/// A noun in the number of `count`.
fn plural(count: u64, noun: &str) -> String {
    match noun {
        _ if count == 1 => noun.into(),
        _ if ["s", "x", "tch"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ if noun.ends_with("try") => format!("{}ies", &noun[..noun.len() - 1]),
        _ => format!("{noun}s"),
    }
}

/// A share (0 to 1) in percent, without the sign. A share that is not 0 or 1 is never rounded to 0 or 100.
pub fn percent(share: f64, decimals: usize) -> String {
    let step = 0.1f64.powi(decimals as i32);
    let value = 100.0 * share;
    let value = if share > 0.0 && share < 1.0 { value.clamp(step, 100.0 - step) } else { value };
    format!("{value:.decimals$}")
}

/// A name without case, hyphens and underscores: `learningRate` and `learning-rate` are `learningrate`.
pub fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The known name nearest to a word (Jaro-Winkler), if one is near enough.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(word, name);
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.filter(|name| likeness(name) > 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_with_a_unit() {
        let written = [0, 1023, 1024, 128 << 20, (4 << 30) - 1, 4 << 30, u64::MAX].map(bytes);
        assert_eq!(written, ["0 B", "1023 B", "1.0 KiB", "128 MiB", "4.0 GiB", "4.0 GiB", "16777216 TiB"]);
    }

    #[test]
    fn a_count_agrees_with_its_noun() {
        let nouns = ["sample", "class", "epoch", "batch", "entry", "index"];
        let one = nouns.map(|noun| counted(1usize, noun));
        assert_eq!(one, ["1 sample", "1 class", "1 epoch", "1 batch", "1 entry", "1 index"]);
        let none = nouns.map(|noun| counted(0u64, noun));
        assert_eq!(none, ["0 samples", "0 classes", "0 epochs", "0 batches", "0 entries", "0 indexes"]);
    }

    #[test]
    fn only_all_is_100_percent_and_only_nothing_is_0_percent() {
        let written = [0.0, 1e-9, 0.5, 29_999.0 / 30_000.0, 1.0].map(|share| percent(share, 2));
        assert_eq!(written, ["0.00", "0.01", "50.00", "99.99", "100.00"]);
        assert_eq!([1e-9, 0.999].map(|share| percent(share, 0)), ["1", "99"]);
        assert_eq!(percent(f64::NAN, 1), "NaN");
    }
}
