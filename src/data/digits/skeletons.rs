//! The skeletons: the ways to write each digit, as strokes through control points.
//!
//! They are stored in `skeletons.txt`, grouped into families. The first line of a family has its digit and its weight; each
//! further line is a form. Points are `x,y` in hundredths of the digit's height, y downwards. A stroke is a smooth curve
//! through its points, with a corner at a point marked `^`; `;` separates strokes. The forms of a family have the same
//! strokes, points and corners, because `hand` mixes them. `#` begins a comment.

const SKELETONS: &str = include_str!("skeletons.txt");

/// Forms of a digit that can be mixed.
pub(super) struct Family {
    /// Relative frequency of this family among those of its digit.
    pub weight: u32,
    /// At least one form; all have the same structure.
    pub forms: Vec<Form>,
}

/// The strokes of one skeleton.
pub(super) type Form = Vec<Vec<Knot>>;

/// A control point.
#[derive(Clone, Copy)]
pub(super) struct Knot {
    /// x and y, in units of the digit's height.
    pub at: [f32; 2],
    /// Whether the stroke has a corner here.
    pub corner: bool,
}

/// The families of each digit, by label.
///
/// # Panics
///
/// If `skeletons.txt`, which is compiled into the program, is malformed. The test below reads all of it.
pub(super) fn all() -> [Vec<Family>; super::CLASSES] {
    let mut digits: [Vec<Family>; super::CLASSES] = Default::default();
    let mut digit = 0;
    for line in SKELETONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.contains(',') {
            let family = digits[digit].last_mut().expect("a family begins before its forms");
            family.forms.push(form(line));
        } else {
            let (number, weight) = line.split_once(' ').expect("a digit and its weight");
            digit = number.parse().expect("a digit");
            let weight = weight.parse().expect("a weight");
            digits[digit].push(Family { weight, forms: Vec::new() });
        }
    }
    digits
}

fn form(line: &str) -> Form {
    line.split(';').map(|stroke| stroke.split_whitespace().map(knot).collect()).collect()
}

fn knot(word: &str) -> Knot {
    let (point, corner) = word.strip_suffix('^').map_or((word, false), |point| (point, true));
    let (x, y) = point.split_once(',').expect("a point is x,y");
    let hundredths = |number: &str| f32::from(number.parse::<i16>().expect("hundredths")) / 100.0;
    Knot { at: [hundredths(x), hundredths(y)], corner }
}

#[cfg(test)]
mod tests {
    use super::{Form, all};

    /// A mixture pairs the points of two forms. If one had more points, they would be dropped silently.
    #[test]
    fn forms_of_a_family_have_one_structure() {
        let structure = |form: &Form| -> Vec<Vec<bool>> {
            form.iter().map(|stroke| stroke.iter().map(|knot| knot.corner).collect()).collect()
        };
        for (digit, families) in all().iter().enumerate() {
            assert!(!families.is_empty(), "digit {digit}");
            for (number, family) in families.iter().enumerate() {
                assert!(family.weight > 0, "digit {digit}, family {number}");
                let first = structure(&family.forms[0]);
                assert!(first.iter().all(|stroke| stroke.len() >= 2), "digit {digit}: a dot");
                for form in &family.forms {
                    assert_eq!(structure(form), first, "digit {digit}, family {number}");
                }
            }
        }
    }
}
