//! Text for people: sizes in bytes, and the nearest known word.

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
}
