//! Pictures of digits: PNG and JPEG files made into samples as MNIST's digits were made.
//!
//! [`decode`] reads a file. [`ink`] finds what was drawn in it, whatever the colours. [`fit`] brings that to the size and
//! place which all digits of MNIST have.

pub mod decode;
pub mod fit;
pub mod ink;

use crate::base::error::Error;
use std::path::Path;

/// How a picture becomes a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Fit {
    /// `mnist` for models that take 28×28, `plain` for others.
    #[default]
    Auto,
    /// Cropped, fitted to 20×20, its centre of mass in the middle of 28×28; bright on black, whatever it was.
    Mnist,
    /// Grey, and resized to what the model takes; nothing is cropped, centred or inverted.
    Plain,
}

/// A picture as a model will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Pixels, row by row, of the shape asked for.
    pub pixels: Vec<u8>,
    /// What a person should know about how it was read.
    pub notes: Vec<String>,
}

/// Rows and columns of samples of shape `item`; none if they are no grey pictures. Where only the number of inputs is
/// known, as from a state dict of other origin, a square of 8×8 or more is taken for a picture.
pub fn shape(item: &[usize]) -> Option<(usize, usize)> {
    match *item {
        [rows, columns] => Some((rows, columns)),
        [inputs] if inputs >= 64 && inputs.isqrt().pow(2) == inputs => Some((inputs.isqrt(), inputs.isqrt())),
        _ => None,
    }
}

/// Makes the bytes of a PNG or JPEG file a sample of shape `item`; `name` is for messages.
///
/// # Errors
/// [`Error::Data`] if the file cannot be read, is too large, or shows nothing; [`Error::Setting`] if samples of this
/// shape are no grey pictures, or not 28×28 though [`Fit::Mnist`] was asked for.
pub fn sample(bytes: &[u8], name: &Path, fit: Fit, item: &[usize]) -> Result<Sample, Error> {
    let Some((rows, columns)) = shape(item) else {
        return Err(Error::Setting(format!("the model takes samples of shape {item:?}, which are no grey pictures")));
    };
    let mnist = [rows, columns] == [fit::SIDE, fit::SIDE];
    if fit == Fit::Mnist && !mnist {
        return Err(Error::Setting(format!("the model takes {rows}×{columns}, but fit is mnist, which is 28×28")));
    }
    let picture = decode::decode(bytes, name)?;
    if fit == Fit::Plain || !mnist {
        let notes = match fit {
            Fit::Auto => vec![format!("resized to {rows}×{columns} as it is, since the model does not take 28×28")],
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
