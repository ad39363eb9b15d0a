//! A curve drawn with characters.

/// Columns and rows of the area of a plot.
const WIDTH: usize = 64;
const HEIGHT: usize = 16;

/// Draws y by x on a logarithmic x axis, labelled with the lowest and highest y and with powers of ten. Points are
/// sorted by x, which is above 0; `mark` is an x to highlight.
pub fn log_x(points: &[(f64, f64)], mark: Option<f64>) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let (left, right) = (first.0.log10(), last.0.log10());
    let column = |x: f64| ((x.log10() - left) / (right - left).max(1e-9) * (WIDTH - 1) as f64).round() as usize;
    let top = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let bottom = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let row = |y: f64| ((top - y) / (top - bottom).max(1e-9) * (HEIGHT - 1) as f64).round() as usize;
    let mut area = vec![[' '; WIDTH]; HEIGHT];
    if let Some(mark) = mark {
        area.iter_mut().for_each(|line| line[column(mark).min(WIDTH - 1)] = '┊');
    }
    for &(x, y) in points {
        area[row(y)][column(x)] = '•';
    }
    let mut text = String::new();
    for (number, line) in area.iter().enumerate() {
        let label = match number {
            0 => format!("{top:.3}"),
            _ if number == HEIGHT - 1 => format!("{bottom:.3}"),
            _ => String::new(),
        };
        text += &format!("{label:>9} │{}\n", line.iter().collect::<String>().trim_end());
    }
    let mut axis = vec!['─'; WIDTH];
    let mut labels = vec![' '; WIDTH + 8];
    for power in left.ceil() as i32..=right.floor() as i32 {
        let at = column(10f64.powi(power));
        axis[at] = '┴';
        for (offset, letter) in format!("1e{power}").chars().enumerate() {
            labels[at + offset] = letter;
        }
    }
    let (axis, labels): (String, String) = (axis.into_iter().collect(), labels.into_iter().collect());
    format!("{text}{:>9} └{axis}\n{:>11}{}\n", "", "", labels.trim_end())
}

#[cfg(test)]
mod tests {
    use super::log_x;

    #[test]
    fn a_curve_goes_from_its_highest_to_its_lowest_line() {
        let points: Vec<(f64, f64)> = (0..=4).map(|power| (10f64.powi(power - 3), f64::from(4 - power))).collect();
        let text = log_x(&points, Some(1.0));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 16 + 2);
        assert!(lines[0].starts_with("    4.000 │•") && lines[15].starts_with("    0.000 │"), "{text}");
        assert!(lines[15].ends_with('•') && lines[1].ends_with('┊'), "{text}");
        assert!(["1e-3", "1e-2", "1e-1", "1e0", "1e1"].iter().all(|label| lines[17].contains(label)), "{text}");
        assert_eq!(log_x(&[], None), "");
    }
}
