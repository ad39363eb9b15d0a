//! Turns a skeleton into one handwritten version of the digit.
//!
//! The constants were chosen by comparison with MNIST by eye, and such that a network of 128 hidden units trained on these
//! digits makes some errors on them and recognises as many of MNIST's as possible.

use rand::{Rng, rngs::ChaCha8Rng};

use super::skeletons::{Family, Form, Knot};

/// A point, x and y.
pub(super) type Point = [f32; 2];

/// Number of straight segments between two control points of a stroke.
const PIECES: u8 = 5;

/// Writes a digit once: strokes as polylines. The unit is about the digit's height; [`pen`](super::pen) scales and
/// places them.
pub(super) fn write(families: &[Family], rng: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    let form = mixture(choose(families, rng), rng);
    let shape = Shape::random(rng);
    let carelessness = 0.02 * factor(0.4 * normal(rng));
    form.iter()
        .map(|stroke| {
            let mut stroke = careless(stroke, carelessness, rng);
            stroke.iter_mut().for_each(|knot| knot.at = shape.apply(knot.at));
            curve(&stroke)
        })
        .collect()
}

fn choose<'a>(families: &'a [Family], rng: &mut ChaCha8Rng) -> &'a Family {
    let mut rest = below(families.iter().map(|family| family.weight).sum(), rng);
    let mut chosen = &families[0];
    for family in families {
        chosen = family;
        if rest < family.weight {
            break;
        }
        rest -= family.weight;
    }
    chosen
}

/// A random point on the line through two of the family's forms, sometimes slightly outside of them.
fn mixture(family: &Family, rng: &mut ChaCha8Rng) -> Form {
    let mut pick = || &family.forms[below(family.forms.len() as u32, rng) as usize];
    let a = pick();
    let b = pick();
    let t = 1.3 * uniform(rng) - 0.15;
    let mix = |(a, b): (&Knot, &Knot)| Knot {
        at: [0, 1].map(|axis| a.at[axis] + t * (b.at[axis] - a.at[axis])),
        corner: a.corner,
    };
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(mix).collect()).collect()
}

/// The stroke with every control point displaced at random by about `sigma`.
fn careless(stroke: &[Knot], sigma: f32, rng: &mut ChaCha8Rng) -> Vec<Knot> {
    let errors: Vec<Point> = (0..stroke.len() + 2).map(|_| [sigma * normal(rng), sigma * normal(rng)]).collect();
    let last = stroke.len() - 1;
    let misplace = |(i, knot): (usize, &Knot)| {
        // The ends of a stroke vary more than its middle.
        let scale = if i == 0 || i == last { 1.4 } else { 0.8 };
        // The errors of a hand are smooth, so each point takes half of its neighbours' errors. `scale` compensates for the
        // larger sum, a factor of sqrt(1.5).
        let error = |axis: usize| scale * (errors[i + 1][axis] + 0.5 * (errors[i][axis] + errors[i + 2][axis]));
        Knot { at: [knot.at[0] + error(0), knot.at[1] + error(1)], corner: knot.corner }
    };
    stroke.iter().enumerate().map(misplace).collect()
}

/// A random smooth map of the plane: a cubic warp, then width, slant and rotation.
struct Shape {
    /// Coefficients of the warp's six terms, for x and for y.
    warp: [[f32; 2]; 6],
    width: f32,
    slant: f32,
    cos: f32,
    sin: f32,
}

impl Shape {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let strength = 0.035 * factor(0.3 * normal(rng));
        let warp = std::array::from_fn(|_| [strength * normal(rng), strength * normal(rng)]);
        let width = factor(0.06 + 0.17 * normal(rng));
        let slant = 0.1 + 0.25 * normal(rng);
        // With t = tan(angle / 2), sine and cosine are rational functions; `sin` and `cos` are not needed.
        let t = 0.08 * normal(rng);
        let norm = 1.0 + t * t;
        Self { warp, width, slant, cos: (1.0 - t * t) / norm, sin: 2.0 * t / norm }
    }

    fn apply(&self, [x, y]: Point) -> Point {
        // The digit extends from about -1 to 1.
        let (u, v) = (2.5 * x - 0.75, 2.0 * y - 1.0);
        let terms = [u * u, u * v, v * v, u * u * v, u * v * v, v * v * v];
        let [mut x, mut y] = [x, y];
        for (term, coefficient) in terms.iter().zip(&self.warp) {
            x += term * coefficient[0];
            y += term * coefficient[1];
        }
        let x = self.width * x - self.slant * y;
        [self.cos * x - self.sin * y, self.sin * x + self.cos * y]
    }
}

/// The Catmull-Rom spline through the knots as a polyline, with a break at each corner.
fn curve(knots: &[Knot]) -> Vec<Point> {
    let mut points = vec![knots[0].at];
    for i in 1..knots.len() {
        let (b, c) = (knots[i - 1].at, knots[i].at);
        // Beyond an end or a corner there is no neighbour; a point straight ahead takes its place.
        let beyond = |from: Point, to: Point| [0, 1].map(|axis| 2.0 * to[axis] - from[axis]);
        let a = if i == 1 || knots[i - 1].corner { beyond(c, b) } else { knots[i - 2].at };
        let d = if i + 1 == knots.len() || knots[i].corner { beyond(b, c) } else { knots[i + 1].at };
        for piece in 1..=PIECES {
            let t = f32::from(piece) / f32::from(PIECES);
            points.push([0, 1].map(|axis| spline([a, b, c, d].map(|point| point[axis]), t)));
        }
    }
    points
}

/// The cubic from b at t = 0 to c at t = 1, with slopes (c - a) / 2 and (d - b) / 2.
fn spline([a, b, c, d]: [f32; 4], t: f32) -> f32 {
    let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
    let cubic = 3.0 * (b - c) + d - a;
    b + 0.5 * t * (c - a + t * (square + t * cubic))
}

/// An integer in 0..n. The bias of the remainder, n / 2^64, is negligible.
pub(super) fn below(n: u32, rng: &mut ChaCha8Rng) -> u32 {
    (rng.next_u64() % u64::from(n)) as u32
}

/// Uniform in [0, 1): 24 random bits, exact in f32.
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / 16_777_216.0
}

/// Nearly normal: mean 0, standard deviation 1, never beyond ±2 sqrt(3) = ±3.46. The sum of four uniform 16-bit integers,
/// shifted and scaled.
///
/// The limits keep the digits legible, and integers need neither `ln` nor `cos`.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let bits = rng.next_u64();
    let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
    (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8
}

/// A rational function close to e^x, for |x| < 2. It is positive, and `factor(-x)` is `1 / factor(x)`; so wide and narrow,
/// thick and thin are equally likely.
pub(super) fn factor(x: f32) -> f32 {
    (2.0 + x) / (2.0 - x)
}
