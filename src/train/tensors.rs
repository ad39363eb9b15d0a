//! Copies of the lasting tensors on the host.

use crate::net::Net;
use crate::net::mlp::Mlp;
use crate::plan::tensor::TensorId;

/// A copy of a tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Name in the plan.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of values in a row.
    pub cols: usize,
    /// The values (rows × cols), without padding.
    pub values: Vec<f32>,
}

impl Values {
    /// Whether all values are finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// Returns the lasting tensors before the first update.
pub(super) fn first_values(net: &Net, model: &Mlp) -> Vec<Values> {
    let mut tensors = Vec::new();
    let mut add = |id: TensorId, values: Option<&[f32]>| {
        let values = values.map_or_else(|| vec![0.0; id.rows * id.cols], <[f32]>::to_vec);
        tensors.push(Values { name: net.plan.name(id).to_string(), rows: id.rows, cols: id.cols, values });
    };
    for (ids, layer) in net.layers.iter().zip(&model.layers) {
        add(ids.w, Some(&layer.weight));
        add(ids.b, Some(&layer.bias));
        ids.state.iter().for_each(|&id| add(id, None));
        if let Some([w, b]) = ids.average {
            add(w, Some(&layer.weight));
            add(b, Some(&layer.bias));
        }
    }
    tensors
}
