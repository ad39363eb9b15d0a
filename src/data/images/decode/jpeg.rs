//! Whether a JPEG file is whole (ITU-T T.81). JPEG has no checksums, and the decoder fills missing parts with grey or zeros.
//!
//! So this module follows the Huffman codes of every scan without computing pixels. A whole file has a code for every block that
//! its header declares, at full precision, no bytes left over, and a marker at its end. Bytes after that marker are ignored:
//! phones put a short film or a second picture there.

use super::scan::{self, Bits, Tables};

/// What is wrong with a file.
pub type Fault = &'static str;
/// The file ends too early.
pub const CUT: Fault = "is cut off: the file ends before the picture is complete";
/// The codes of a scan are fewer or more than the picture has blocks, or impossible.
pub const DAMAGED: Fault = "is damaged: its data do not form the picture that its header declares";
/// A segment contradicts the specification.
pub const HEADER: Fault = "is damaged: a header in it is invalid";

/// Most scans of a file, as in the decoder. A scan of a few bytes can span the whole picture.
const MOST_SCANS: usize = 100;

/// What the frame header says.
pub struct Frame {
    pub progressive: bool,
    /// Columns and rows of MCUs, the units of a scan with several components.
    pub units: (usize, usize),
    pub components: Vec<Component>,
}

/// A component: luma or a chroma.
pub struct Component {
    id: u8,
    /// Blocks of 8×8 values per MCU.
    pub per_unit: usize,
    /// Columns and rows of blocks, the units of a scan with this component alone.
    pub blocks: (usize, usize),
    /// The number of low bits still missing, for each of the 64 coefficients that has been sent.
    missing_bits: [Option<u8>; 64],
    /// The nonzero coefficients of each block, a bit each. Empty if the file is not progressive.
    pub nonzero: Vec<u64>,
}

/// The parameters of a scan (B.2.3).
pub struct Scan {
    /// First and last coefficient.
    pub band: (usize, usize),
    /// Whether earlier scans sent the higher bits.
    pub refines: bool,
    /// Index of each component, with its DC and its AC table.
    pub parts: Vec<(usize, usize, usize)>,
}

/// `size` is the width and height that the decoder found.
///
/// # Errors
/// What is missing or damaged.
pub fn check(bytes: &[u8], size: (u32, u32)) -> Result<(), Fault> {
    let mut bits = Bits::new(bytes);
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    loop {
        match bits.marker()? {
            // Markers without a segment: TEM, RSTm, SOI.
            0x01 | 0xd0..=0xd8 => {}
            0xd9 => break,
            0xc4 => tables.read(bits.segment()?)?,
            0xdb => quantization(bits.segment()?)?,
            0xdd => {
                let [high, low] = *bits.segment()? else { return Err(HEADER) };
                tables.interval = usize::from(u16::from_be_bytes([high, low]));
            }
            kind @ 0xc0..=0xc2 if frame.is_none() => frame = Some(Frame::read(bits.segment()?, kind == 0xc2, size)?),
            0xda => {
                let frame = frame.as_mut().ok_or(HEADER)?;
                let scan = frame.scan(bits.segment()?)?;
                scan::follow(&mut bits, &tables, frame, &scan)?;
                scans += 1;
                if scans > MOST_SCANS {
                    return Err("has more than 100 scans");
                }
            }
            _ => _ = bits.segment()?,
        }
    }
    match frame {
        Some(frame) if frame.components.iter().all(|component| component.missing_bits == [Some(0); 64]) => Ok(()),
        _ => Err("is damaged: a part of its scans is missing"),
    }
}

/// Checks a segment of quantization tables (B.2.4.1). A factor of zero would erase a coefficient.
fn quantization(mut segment: &[u8]) -> Result<(), Fault> {
    while let Some((&head, rest)) = segment.split_first() {
        let wide = head >> 4 > 0;
        let (factors, rest) = rest.split_at_checked(if wide { 128 } else { 64 }).ok_or(HEADER)?;
        if factors.chunks(if wide { 2 } else { 1 }).any(|factor| factor.iter().all(|&byte| byte == 0)) {
            return Err(HEADER);
        }
        segment = rest;
    }
    Ok(())
}

/// Why the decoder cannot read a JPEG, if it is of a rare kind (B.1.1.3).
pub fn rare_kind(bytes: &[u8]) -> Option<Fault> {
    let mut bits = Bits::new(bytes);
    loop {
        match bits.marker().ok()? {
            0x01 | 0xd0..=0xd8 => {}
            0xc3 => return Some("is a lossless JPEG"),
            0xc5..=0xc7 | 0xde => return Some("is a hierarchical JPEG"),
            0xc9..=0xcf => return Some("is a JPEG with arithmetic coding"),
            _ => _ = bits.segment().ok()?,
        }
    }
}

impl Frame {
    /// Reads a frame header (B.2.2).
    fn read(segment: &[u8], progressive: bool, size: (u32, u32)) -> Result<Frame, Fault> {
        let [_, a, b, c, d, count] = *segment.first_chunk().ok_or(HEADER)?;
        let [rows, columns] = [[a, b], [c, d]].map(u16::from_be_bytes);
        let parts = segment[6..].as_chunks::<3>().0;
        let factors = |part: &[u8; 3]| (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        let (most_across, most_down) = parts.first().map_or((0, 0), factors);
        if (u32::from(columns), u32::from(rows)) != size || parts.len() != usize::from(count) || parts.len() > 4 {
            return Err(HEADER);
        }
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let mut components = Vec::new();
        for part in parts {
            let (across, down) = factors(part);
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(HEADER);
            }
            // No software writes such files, and zune-jpeg 0.5.15 panics on them.
            if across > most_across || down > most_down {
                return Err("is a JPEG whose chroma has a higher resolution than its luma");
            }
            let blocks = ((columns * across).div_ceil(8 * most_across), (rows * down).div_ceil(8 * most_down));
            let nonzero = vec![0; if progressive { blocks.0 * blocks.1 } else { 0 }];
            components.push(Component {
                id: part[0],
                per_unit: across * down,
                blocks,
                missing_bits: [None; 64],
                nonzero,
            });
        }
        let units = (columns.div_ceil(8 * most_across), rows.div_ceil(8 * most_down));
        Ok(Frame { progressive, units, components })
    }

    /// Reads a scan header and records which bits of which coefficients the scan sends.
    fn scan(&mut self, segment: &[u8]) -> Result<Scan, Fault> {
        let (&count, rest) = segment.split_first().ok_or(HEADER)?;
        let (named, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(HEADER)?;
        let [first, last, precision] = *rest.first_chunk::<3>().ok_or(HEADER)?;
        let (band, before, after) = match self.progressive {
            true => ((usize::from(first), usize::from(last)), precision >> 4, precision & 15),
            // Here these fields have fixed values, which some encoders leave at 0.
            false => ((0, 63), 0, 0),
        };
        let valid = match band {
            (0, last) => !self.progressive || last == 0,
            (first, last) => first <= last && last < 64 && count == 1,
        };
        if !valid || !(1..=4).contains(&count) {
            return Err(HEADER);
        }
        let refines = before > 0;
        let mut parts = Vec::new();
        for &[id, tables] in named.as_chunks::<2>().0 {
            let index = self.components.iter().position(|component| component.id == id).ok_or(HEADER)?;
            for bits in &mut self.components[index].missing_bits[band.0..=band.1] {
                if *bits != refines.then_some(before) {
                    return Err("is damaged: its scans do not follow one another");
                }
                *bits = Some(after);
            }
            parts.push((index, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        Ok(Scan { band, refines, parts })
    }
}
