//! Pictures: converts PNG and JPEG files into samples laid out as the model's training pictures.
//!
//! Reading order: [`decode`] reads a file. [`ink`] finds the drawing in it, in any colours and in uneven light, with [`page`]
//! (frames and boxes), [`lines`] (ruled paper), [`shapes`] and [`plane`]. [`fit`] brings it to the model's layout.

pub mod decode;
pub mod fit;
pub mod ink;
pub mod lines;
pub mod page;
pub mod plane;
pub mod shapes;

use crate::base::error::Error;
use crate::data::layout::{Layout, measure};
use crate::data::shape::picture_size;
use std::path::Path;

/// How a picture is converted into a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Fit {
    /// As the training pictures are laid out, which the model file says.
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
    /// Reasons why the reader may have misread the picture; empty if it is sure.
    pub doubts: Vec<String>,
}

/// Converts the bytes of a PNG or JPEG file into a sample of shape `item`; `name` is used in messages. `layout` is that of the
/// model's training pictures, if its file says so.
///
/// # Errors
/// [`Error::Data`] if the file cannot be decoded, is too large, or is blank; [`Error::Setting`] if samples of this shape are
/// not grey pictures, or if [`Fit::Mnist`] is requested and they are not 28×28.
pub fn sample(bytes: &[u8], name: &Path, fit: Fit, item: &[usize], layout: Option<&Layout>) -> Result<Sample, Error> {
    let Some((rows, columns)) = picture_size(item) else {
        return Err(Error::Setting(format!("the model takes samples of shape {item:?}, which are not grey pictures")));
    };
    let is_mnist = [rows, columns] == [28, 28];
    if fit == Fit::Mnist && !is_mnist {
        return Err(Error::Setting(format!("fit mnist makes 28×28 pixels, but the model takes {rows}×{columns}")));
    }
    let picture = decode::decode(bytes, name)?;
    let whole = fit::plain(&picture, rows, columns);
    if fit == Fit::Plain {
        return Ok(Sample { pixels: whole, notes: Vec::new(), doubts: Vec::new() });
    }
    let mut notes = Vec::new();
    let layout = match (fit, layout) {
        (Fit::Mnist, _) => Layout::MNIST,
        (_, Some(layout)) => layout.clone(),
        (_, None) => {
            notes.push(format!(
                "the model file does not say how its training pictures are laid out; assumed: light ink on black, {}",
                if is_mnist { "cropped to 20×20 and centred as in MNIST" } else { "the whole picture" }
            ));
            if is_mnist { Layout::MNIST } else { Layout::unknown(rows, columns) }
        }
    };
    // A picture of the model's size, or one that differs only in its resolution.
    let same_size = [picture.height() as usize, picture.width() as usize] == [rows, columns];
    let same_shape = picture.width() as usize * rows == picture.height() as usize * columns;
    if fit == Fit::Auto && same_shape {
        let inverted: Vec<u8> = whole.iter().map(|value| 255 - value).collect();
        for (pixels, how) in [(whole, ""), (inverted, ", inverted")] {
            let measures = measure(&layout.ink(&pixels), columns);
            let slack = if same_size { 2.0 } else { 0.5 };
            let placed = measures.is_some_and(|m| layout.has_place(&m, slack) && layout.has_amount(&m));
            // Only drawings that were scaled to one size have a place.
            let placed = placed || same_size && measures.is_some() && !layout.one_size();
            if placed && layout.has_background(&pixels, rows, columns) {
                notes.push(match (same_size, how) {
                    (true, "") => "used unchanged: it has the layout of the training pictures".into(),
                    (true, _) => "inverted; it has the size and layout of the training pictures".into(),
                    (false, _) => format!("resized{how}; it has the layout of the training pictures"),
                });
                return Ok(Sample { pixels, notes, doubts: Vec::new() });
            }
        }
    }
    let blank = |problem: String| Error::Data {
        path: name.into(),
        problem,
        next: "give a picture of one digit, with some margin, on an even background".into(),
    };
    let drawing = ink::find(&picture, layout.is_textured()).map_err(blank)?;
    let ink = fit::place(&drawing, &layout, rows, columns);
    let mut doubts = drawing.doubts;
    if !measure(&ink, columns).is_some_and(|measures| layout.has_amount(&measures)) {
        doubts.push("the drawing has more or less ink than the training pictures".into());
    }
    notes.extend(drawing.notes);
    let centre = if layout.by_mass() { "mass" } else { "box" };
    notes.push(format!(
        "cropped, scaled to {:.0} pixels and centred by its {centre}, as the training pictures are",
        layout.longer.mean
    ));
    Ok(Sample { pixels: layout.colour(&ink), notes, doubts })
}
