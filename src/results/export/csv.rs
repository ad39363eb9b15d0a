//! Exports the parameters as a table for people, spreadsheets and data frames: one line per number.
//!
//! ```text
//! layer,part,output,input,value
//! 1,weight,0,0,-0.03125
//! 1,bias,0,,0.5
//! ```
//!
//! Layers are numbered from 1, outputs and inputs of a layer from 0; a bias has no input. A value is the shortest decimal
//! that is read back as the same single-precision number. No field ever needs quotes, so no CSV crate is used.

use crate::net::mlp::Mlp;
use std::io::{BufWriter, Result, Write};

/// Writes the table.
///
/// # Errors
/// The errors of `to`.
pub fn csv(model: &Mlp, to: impl Write) -> Result<()> {
    let mut to = BufWriter::new(to);
    writeln!(to, "layer,part,output,input,value")?;
    for (layer, number) in model.layers.iter().zip(1..) {
        for (output, weights) in layer.weight.chunks_exact(layer.inputs).enumerate() {
            for (input, weight) in weights.iter().enumerate() {
                writeln!(to, "{number},weight,{output},{input},{weight}")?;
            }
        }
        for (output, bias) in layer.bias.iter().enumerate() {
            writeln!(to, "{number},bias,{output},,{bias}")?;
        }
    }
    to.flush()
}
