//! What training changes, off the engine and back.

use super::Trainer;
use super::fault::Base;
use crate::base::error::Error;
use crate::net::Net;
use crate::net::mlp::{Layer, Mlp};
use crate::plan::tensor::Id;

/// A tensor off the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Its name in the plan.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Values in a row.
    pub cols: usize,
    /// The values (rows × cols), without padding.
    pub values: Vec<f32>,
}

impl Values {
    /// Whether all of them are numbers, and finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// What training changes, before it has.
pub(super) fn first_values(net: &Net, model: &Mlp) -> Vec<Values> {
    let mut tensors = Vec::new();
    let mut add = |id: Id, values: Option<&[f32]>| {
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

impl Trainer<'_> {
    /// The model with the weights as they are, or with their averages if there are any.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if one is not finite.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        let mut layers = Vec::new();
        for ids in self.net.layers.clone() {
            let [w, b] = ids.evaluated();
            let (weight, bias) = (self.read(w).await?, self.read(b).await?);
            layers.push(Layer { inputs: w.cols, outputs: w.rows, weight, bias });
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !layers.iter().all(|layer| finite(&layer.weight) && finite(&layer.bias)) {
            self.unless_ignored().await?;
        }
        Ok(Mlp { activation: self.config.activation(), layers })
    }

    /// Puts back what [`Trainer::model`] gave, to be evaluated; training cannot go on from it.
    pub fn load(&mut self, model: &Mlp) {
        for (ids, layer) in self.net.layers.iter().zip(&model.layers) {
            let [w, b] = ids.evaluated();
            self.engine.write(w, 0, &w.pack(&layer.weight));
            self.engine.write(b, 0, &b.pack(&layer.bias));
        }
    }

    /// What training changes (weights, biases, what the optimizer remembers), each tensor with its name in the plan.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a value is not finite.
    pub async fn tensors(&mut self) -> Result<Vec<Values>, Error> {
        let tensors = self.values().await?;
        if !tensors.iter().flat_map(|tensor| &tensor.values).all(|value| value.is_finite()) {
            self.unless_ignored().await?;
        }
        Ok(tensors)
    }

    /// As `tensors`, whatever they hold.
    pub(super) async fn values(&mut self) -> Result<Vec<Values>, Error> {
        let mut tensors = Vec::new();
        for id in self.net.lasting() {
            let (name, values) = (self.net.plan.name(id).to_string(), self.read(id).await?);
            tensors.push(Values { name, rows: id.rows, cols: id.cols, values });
        }
        Ok(tensors)
    }

    /// Puts back what [`Trainer::tensors`] gave.
    ///
    /// # Errors
    /// [`Error::Setting`] if they are not exactly the tensors of this net; nothing is put back then.
    pub fn restore(&mut self, tensors: &[Values]) -> Result<(), Error> {
        let ids = self.net.lasting();
        let wanted = |id: &Id| (self.net.plan.name(*id), id.rows, id.cols);
        let given = |values: &'_ Values| (values.name.clone(), values.rows, values.cols);
        let same = |(id, values): (&Id, &Values)| {
            let (name, rows, cols) = wanted(id);
            given(values) == (name.to_string(), rows, cols) && values.values.len() == rows * cols
        };
        if ids.len() != tensors.len() || !ids.iter().zip(tensors).all(same) {
            let wanted: Vec<_> = ids.iter().map(wanted).collect();
            let given: Vec<_> = tensors.iter().map(given).collect();
            return Err(Error::Setting(format!("the net has the tensors {wanted:?}, but was given {given:?}")));
        }
        for (id, values) in ids.iter().zip(tensors) {
            self.engine.write(*id, 0, &id.pack(&values.values));
        }
        self.base = Base { step: self.step, tensors: tensors.to_vec() };
        Ok(())
    }

    async fn read(&mut self, id: Id) -> Result<Vec<f32>, Error> {
        Ok(id.unpack(&self.engine.read(id, 0..id.words()).await?))
    }
}
