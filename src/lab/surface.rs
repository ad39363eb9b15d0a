//! A plane through the space of all weights, and the paths of trainings on it.
//!
//! The plane is spanned by the two directions in which the paths spread most: the principal components of all their points
//! (Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018).

use crate::net::mlp::Mlp;

/// Rounds of the power iteration; the two largest components of a path are far apart from the others.
const ROUNDS: usize = 200;

/// A plane in the space of weights.
pub struct Plane {
    centre: Vec<f32>,
    /// Two orthogonal directions of length 1.
    directions: [Vec<f32>; 2],
    /// Share of the paths' spread that lies in the plane, from 0 to 1.
    pub share: f64,
}

/// All weights and biases, layer by layer.
pub fn flat(model: &Mlp) -> Vec<f32> {
    model.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias)).copied().collect()
}

/// A model with these weights and biases.
fn shaped(like: &Mlp, values: &[f32]) -> Mlp {
    let mut model = like.clone();
    let mut values = values.iter();
    for value in model.layers.iter_mut().flat_map(|layer| layer.weight.iter_mut().chain(&mut layer.bias)) {
        *value = values.next().copied().unwrap_or_default();
    }
    model
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

impl Plane {
    /// The plane of principal components of some points, at least two.
    pub fn through(points: &[Vec<f32>]) -> Plane {
        let count = points.len().max(1) as f32;
        let size = points.first().map_or(0, Vec::len);
        let centre: Vec<f32> = (0..size).map(|at| points.iter().map(|point| point[at]).sum::<f32>() / count).collect();
        let offsets: Vec<Vec<f32>> =
            points.iter().map(|point| point.iter().zip(&centre).map(|(a, b)| a - b).collect()).collect();
        // The eigenvectors of the small matrix of products are the weights with which the offsets add up to the directions.
        let products: Vec<Vec<f64>> = offsets.iter().map(|a| offsets.iter().map(|b| dot(a, b)).collect()).collect();
        let spread: f64 = (0..products.len()).map(|at| products[at][at]).sum();
        let (first, large) = largest(&products, None);
        let (second, small) = largest(&products, Some(&first));
        let directions = [first, second].map(|weights| {
            let mut sum = vec![0.0f32; size];
            for (offset, weight) in offsets.iter().zip(&weights) {
                sum.iter_mut().zip(offset).for_each(|(sum, value)| *sum += *weight as f32 * value);
            }
            let length = dot(&sum, &sum).sqrt().max(1e-30) as f32;
            sum.into_iter().map(|value| value / length).collect::<Vec<f32>>()
        });
        Plane { centre, directions, share: (large + small) / spread.max(1e-30) }
    }

    /// Where a point lies on the plane.
    pub fn place(&self, point: &[f32]) -> (f64, f64) {
        let offset: Vec<f32> = point.iter().zip(&self.centre).map(|(a, b)| a - b).collect();
        (dot(&offset, &self.directions[0]), dot(&offset, &self.directions[1]))
    }

    /// The model at a place of the plane.
    pub fn model(&self, like: &Mlp, (a, b): (f64, f64)) -> Mlp {
        let [first, second] = &self.directions;
        let at = |((centre, x), y): ((&f32, &f32), &f32)| centre + a as f32 * x + b as f32 * y;
        let values: Vec<f32> = self.centre.iter().zip(first).zip(second).map(at).collect();
        shaped(like, &values)
    }
}

/// The eigenvector of the largest eigenvalue of a symmetric matrix, orthogonal to another, and the eigenvalue.
fn largest(matrix: &[Vec<f64>], beside: Option<&Vec<f64>>) -> (Vec<f64>, f64) {
    let mut vector: Vec<f64> = (0..matrix.len()).map(|at| 1.0 + at as f64).collect();
    let mut value = 0.0;
    for _ in 0..ROUNDS {
        if let Some(other) = beside {
            let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let next: Vec<f64> = matrix.iter().map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum()).collect();
        value = next.iter().map(|value| value * value).sum::<f64>().sqrt();
        vector = next.into_iter().map(|next| next / value.max(1e-30)).collect();
    }
    (vector, value)
}

#[cfg(test)]
mod tests {
    use super::Plane;

    #[test]
    fn points_of_a_plane_lie_on_it_and_keep_their_distances() {
        let point = |a: f32, b: f32| vec![1.0 + a, 2.0 - b, 3.0 + b, 4.0];
        let points = [point(0.0, 0.0), point(3.0, 0.0), point(0.0, 1.0), point(-2.0, 2.0)];
        let plane = Plane::through(&points);
        assert!((plane.share - 1.0).abs() < 1e-5, "{}", plane.share);
        let places: Vec<(f64, f64)> = points.iter().map(|point| plane.place(point)).collect();
        let distance = |a: usize, b: usize| (places[a].0 - places[b].0).hypot(places[a].1 - places[b].1);
        assert!((distance(0, 1) - 3.0).abs() < 1e-4 && (distance(0, 2) - 2f64.sqrt()).abs() < 1e-4, "{places:?}");
    }
}
