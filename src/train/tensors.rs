//! What training changes, off the engine and back.

use super::Trainer;
use crate::error::Error;
use crate::model::{Layer, Mlp};
use crate::tensor::Id;

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

impl Trainer<'_> {
    /// The model with the weights as they are.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        let mut layers = Vec::new();
        for ids in self.net.layers.clone() {
            let (weight, bias) = (self.read(ids.w).await?, self.read(ids.b).await?);
            layers.push(Layer { inputs: ids.w.cols, outputs: ids.w.rows, weight, bias });
        }
        Ok(Mlp { activation: self.config.activation(), layers })
    }

    /// What training changes (weights, biases, what the optimizer remembers), each tensor with its name in the plan.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn tensors(&mut self) -> Result<Vec<Values>, Error> {
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
        Ok(())
    }

    async fn read(&mut self, id: Id) -> Result<Vec<f32>, Error> {
        Ok(id.unpack(&self.engine.read(id, 0..id.words()).await?))
    }
}
