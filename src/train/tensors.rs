//! Copies of the lasting tensors on the host.

use crate::net::Net;
use crate::net::mlp::Mlp;
use crate::plan::tensor::{DType, TensorId};

/// A copy of a tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Name in the plan.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of values in a row.
    pub cols: usize,
    /// Whether the values are i32, not f32.
    pub integers: bool,
    /// The bits of the values (rows × cols), without padding.
    pub words: Vec<u32>,
}

impl Values {
    /// The values of a tensor, from all its words, padding included.
    pub(super) fn new(net: &Net, id: TensorId, words: &[u32]) -> Values {
        let name = net.plan.name(id).to_string();
        let integers = matches!(id.dtype, DType::I32(_));
        Values { name, rows: id.rows, cols: id.cols, integers, words: id.unpad(words) }
    }

    /// The words read as f32. Only meaningful if `integers` is false.
    pub fn floats(&self) -> Vec<f32> {
        bytemuck::cast_slice(&self.words).to_vec()
    }

    /// Whether all values are finite. Integers always are.
    pub fn is_finite(&self) -> bool {
        self.integers || self.words.iter().all(|&word| f32::from_bits(word).is_finite())
    }
}

/// Returns the lasting tensors before the first update.
pub(super) fn first_values(net: &Net, model: &Mlp) -> Vec<Values> {
    let mut tensors = Vec::new();
    let mut add = |id: TensorId, values: Option<&[f32]>| {
        let words = values.map_or_else(|| vec![0; id.words()], |values| id.pack(values));
        tensors.push(Values::new(net, id, &words));
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
    net.levels.into_iter().for_each(|id| add(id, None));
    tensors
}
