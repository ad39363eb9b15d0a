//! Pictures of digits: converts PNG and JPEG files into samples as MNIST's digits were prepared.
//!
//! [`decode`] reads a file. [`ink`] finds the drawing in it, in any colours. [`fit`] scales and centres it as in MNIST.

pub mod decode;
pub mod fit;
pub mod ink;

use crate::base::error::Error;
use crate::data::shape::picture_size;
use std::path::Path;

/// How a picture is converted into a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Fit {
    /// `mnist` for models that take 28×28, `plain` for others.
    #[default]
    Auto,
    /// Cropped, scaled to 20×20, with its centre of mass in the middle of 28×28; light on black, for any original
    /// colours.
    Mnist,
    /// Converted to grey and resized to the model's input; not cropped, centred or inverted.
    Plain,
}

/// A picture converted into a model's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Pixels, row by row, of the requested shape.
    pub pixels: Vec<u8>,
    /// Notes for the user on how the picture was read.
    pub notes: Vec<String>,
}

/// Converts the bytes of a PNG or JPEG file into a sample of shape `item`; `name` is used in messages.
///
/// # Errors
/// [`Error::Data`] if the file cannot be decoded, is too large, or is blank; [`Error::Setting`] if samples of this shape are
/// not grey pictures, or if [`Fit::Mnist`] is requested and they are not 28×28.
pub fn sample(bytes: &[u8], name: &Path, fit: Fit, item: &[usize]) -> Result<Sample, Error> {
    let Some((rows, columns)) = picture_size(item) else {
        return Err(Error::Setting(format!("the model takes samples of shape {item:?}, which are not grey pictures")));
    };
    let mnist = [rows, columns] == [fit::SIDE, fit::SIDE];
    if fit == Fit::Mnist && !mnist {
        return Err(Error::Setting(format!("fit mnist makes 28×28 pixels, but the model takes {rows}×{columns}")));
    }
    let picture = decode::decode(bytes, name)?;
    if fit == Fit::Plain || !mnist {
        let notes = match fit {
            Fit::Auto => {
                let reason = "the model does not take 28×28";
                vec![format!("resized to {rows}×{columns} without cropping or centring, because {reason}")]
            }
            _ => Vec::new(),
        };
        return Ok(Sample { pixels: fit::plain(&picture, rows, columns), notes });
    }
    let blank = |problem: String| Error::Data {
        path: name.into(),
        problem,
        next: "give a picture of one digit, with some margin, on an even background".into(),
    };
    let drawing = ink::find(&picture).map_err(blank)?;
    let notes = drawing.notes();
    Ok(Sample { pixels: fit::mnist(&drawing), notes })
}
