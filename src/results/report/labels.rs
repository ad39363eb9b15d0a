//! Places the names of lines as close as possible to the ends of their lines, without overlap and in the same order.

/// Minimum vertical distance between two names.
const LEADING: f64 = 13.5;
/// Maximum length of a name in characters.
const LONGEST: usize = 12;

/// Heights of names whose lines end at the heights `ends`, from the top down. They are at least [`LEADING`] apart, minimise the
/// sum of squared distances to the ends, and lie between `top` and `bottom` if there is enough space.
pub fn apart(ends: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    // After subtracting the space of the names above, the heights need only be non-decreasing. This is isotonic regression,
    // solved with the pool adjacent violators algorithm.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (above, end) in ends.iter().enumerate() {
        pools.push((end - above as f64 * LEADING, 1));
        while let [.., (upper, many), (lower, few)] = pools[..]
            && upper / many as f64 >= lower / few as f64
        {
            pools.pop();
            *pools.last_mut().expect("there were two") = (upper + lower, many + few);
        }
    }
    let lowest = bottom - ends.len().saturating_sub(1) as f64 * LEADING;
    let heights = pools.iter().flat_map(|&(sum, many)| std::iter::repeat_n(sum / many as f64, many));
    heights.enumerate().map(|(above, height)| height.min(lowest).max(top) + above as f64 * LEADING).collect()
}

/// Maximum number of names between `top` and `bottom`.
pub fn room(top: f64, bottom: f64) -> usize {
    ((bottom - top) / LEADING) as usize + 1
}

/// The name, shortened in the middle if it is too long for the margin.
pub fn fitted(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONGEST {
        return name.into();
    }
    let head = &letters[..LONGEST / 2 - 1];
    let tail = &letters[letters.len() - LONGEST / 2..];
    head.iter().chain(&['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::{LEADING, apart, fitted};

    #[test]
    fn names_are_at_the_ends_of_their_lines_unless_they_would_overlap() {
        assert_eq!(apart(&[20.0, 100.0], 10.0, 210.0), [20.0, 100.0]);
        // Four lines end at the same height: two names are above it, two below.
        let around = [-1.5, -0.5, 0.5, 1.5].map(|times| 100.0 + times * LEADING);
        assert_eq!(apart(&[100.0; 4], 10.0, 210.0), around);
        assert_eq!(apart(&[10.0, 10.0], 10.0, 210.0), [10.0, 10.0 + LEADING]);
        assert_eq!(apart(&[210.0, 210.0], 10.0, 210.0), [210.0 - LEADING, 210.0]);
        assert!(apart(&[], 10.0, 210.0).is_empty());
    }

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(fitted("runs/12"), "runs/12");
        assert_eq!(fitted("mnist-adam-0.001"), "mnist…-0.001");
    }
}
