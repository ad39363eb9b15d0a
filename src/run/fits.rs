//! Whether samples fit a model: their shape, and what was done to them on loading.

use crate::base::error::Error;
use crate::data::DataSet;
use crate::run::model_file::Description;

/// Whether values of one shape can be read as values of the other: the shapes are equal but for ones, or one of them is flat.
pub fn same_shape(one: &[usize], other: &[usize]) -> bool {
    let [one, other] = [one, other].map(|shape| shape.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>());
    let flat = one.len() <= 1 || other.len() <= 1;
    let values = |shape: &[usize]| shape.iter().product::<usize>();
    one == other || flat && values(&one) == values(&other)
}

impl Description {
    /// Encodes a data set that was read for this model: raw numbers become its inputs, and real targets are standardised as
    /// in its training. Bytes do not change.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model takes bytes and the data set has numbers, or the other way round; [`Error::Data`] if the
    /// columns are not those of the model.
    pub fn encode(&self, data: DataSet) -> Result<DataSet, Error> {
        self.check_samples(&data)?;
        data.encoded_as(self.features.as_ref(), &self.task())
    }

    /// Checks that the model takes samples of this type: bytes or numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] if it takes the other type.
    pub fn check_samples(&self, data: &DataSet) -> Result<(), Error> {
        match (&self.features, data.train.samples.bytes().is_some()) {
            (None, true) | (Some(_), false) => Ok(()),
            (None, false) => Err(Error::Setting(format!(
                "the model takes samples of bytes, such as pictures, but {} has numbers: name another data set",
                data.name
            ))),
            (Some(_), true) => Err(Error::Setting(format!(
                "the model takes rows of a table, but {} has bytes: name a table",
                data.name
            ))),
        }
    }

    /// Checks the shape of samples.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model takes samples of another shape.
    pub fn check_shape(&self, item: &[usize]) -> Result<(), Error> {
        if same_shape(&self.item, item) {
            return Ok(());
        }
        let inputs = self.item.iter().product::<usize>();
        Err(Error::Setting(format!(
            "the model takes samples of shape {:?} ({inputs} inputs), but the given samples have shape {item:?}",
            self.item
        )))
    }

    /// Whether the images that the model was trained on were transposed on loading; `None` if unknown.
    pub fn was_transposed(&self) -> Option<bool> {
        // Files of early versions do not say it. Those versions transposed EMNIST, and named it so.
        self.transposed.or((!self.data.is_empty()).then(|| self.data.starts_with("emnist-")))
    }

    /// Checks that the model can be used on a data set. Returns a note if the images were treated otherwise than those that the
    /// model was trained on.
    ///
    /// # Errors
    /// [`Error::Setting`] if the shapes differ; [`Error::Data`] if the model was trained on the same images, but turned.
    pub fn check_data(&self, data: &DataSet) -> Result<Option<String>, Error> {
        self.check_shape(&data.item)?;
        let done = |transposed: bool| if transposed { "transposed on loading" } else { "used as they are stored" };
        let now = done(data.transposed);
        match self.was_transposed().map(done) {
            Some(then) if then == now => Ok(None),
            Some(then) if self.data_sha256 == data.sha256 => Err(Error::Data {
                path: data.name.clone().into(),
                problem: format!(
                    "holds the images that the model was trained on, but turned: they were {then}, now {now}"
                ),
                next: "give the files the names that they had; only names that begin with emnist- are transposed"
                    .into(),
            }),
            Some(then) => Ok(Some(format!(
                "the images of {} were {now}, those of {}, on which the model was trained, were {then}: the results are \
                 meaningful only if both are upright",
                data.name, self.data
            ))),
            None if data.transposed => Ok(Some(format!(
                "the images of {} were {now}, and whether those of the model's training were is unknown: if not, give the files \
                 names that do not begin with emnist-",
                data.name
            ))),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::same_shape;

    #[test]
    fn shapes_are_equal_but_for_ones_or_one_is_flat() {
        let fitting: [[&[usize]; 2]; 6] = [
            [&[28, 28], &[28, 28]],
            [&[784], &[28, 28]],
            [&[28, 28], &[28, 28, 1]],
            [&[1, 28, 28], &[28, 28, 1]],
            [&[3, 32, 32], &[1, 3072]],
            [&[1], &[1, 1]],
        ];
        for [one, other] in fitting {
            assert!(same_shape(one, other) && same_shape(other, one), "{one:?} {other:?}");
        }
        let others: [[&[usize]; 2]; 5] = [
            [&[20, 40], &[40, 20]],
            [&[784], &[28, 27]],
            [&[32, 32, 3], &[3, 32, 32]],
            [&[4, 4], &[2, 8]],
            [&[2], &[1]],
        ];
        for [one, other] in others {
            assert!(!same_shape(one, other) && !same_shape(other, one), "{one:?} {other:?}");
        }
    }
}
