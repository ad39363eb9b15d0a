//! Samples and targets from views of the crate `ndarray`. The first axis counts the samples. Values are copied in logical
//! order, so transposed and sliced views are possible.
//!
//! ```
//! use gpu_mlp::data::{DataSet, Split};
//! use ndarray::{Array1, Array2};
//!
//! let (x, y) = (Array2::<f32>::zeros((10, 3)), Array1::<u32>::zeros(10));
//! let data = DataSet::from_splits("zeros", vec![3], Split::new(x.view(), y.view()), Split::default())?;
//! assert_eq!((data.train.len(), data.inputs()), (10, 3));
//! # Ok::<(), gpu_mlp::Error>(())
//! ```

use super::{Samples, Targets};
use ndarray::{ArrayView, ArrayView1, ArrayView2, Dimension};

/// Numbers (N, …).
impl<D: Dimension> From<ArrayView<'_, f32, D>> for Samples {
    fn from(view: ArrayView<'_, f32, D>) -> Samples {
        Samples::Floats(view.iter().copied().collect())
    }
}

/// Bytes (N, …).
impl<D: Dimension> From<ArrayView<'_, u8, D>> for Samples {
    fn from(view: ArrayView<'_, u8, D>) -> Samples {
        Samples::Bytes(view.iter().copied().collect())
    }
}

/// Class numbers (N), from 0.
impl From<ArrayView1<'_, u32>> for Targets {
    fn from(classes: ArrayView1<'_, u32>) -> Targets {
        Targets::Classes(classes.to_vec())
    }
}

/// One real value per sample (N).
impl From<ArrayView1<'_, f32>> for Targets {
    fn from(values: ArrayView1<'_, f32>) -> Targets {
        Targets::Values { width: 1, values: values.to_vec() }
    }
}

/// Real values (N, T).
impl From<ArrayView2<'_, f32>> for Targets {
    fn from(values: ArrayView2<'_, f32>) -> Targets {
        Targets::Values { width: values.ncols(), values: values.iter().copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use ndarray::array;

    #[test]
    fn a_view_is_taken_as_it_looks() {
        let x = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let split = Split::new(x.t(), array![7.0f32, 8.0, 9.0].view());
        assert_eq!(split.samples.floats(), Some(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..]));
        assert_eq!((split.len(), split.inputs()), (3, 2));
        let y = array![[1.0f32, 2.0], [3.0, 4.0]];
        assert!(Targets::from(y.t()) == Targets::Values { width: 2, values: vec![1.0, 3.0, 2.0, 4.0] });
        let pictures =
            ndarray::Array3::<u8>::from_shape_fn((2, 2, 2), |(n, row, column)| (4 * n + 2 * row + column) as u8);
        assert_eq!(Samples::from(pictures.view()).bytes(), Some(&[0, 1, 2, 3, 4, 5, 6, 7][..]));
    }
}
