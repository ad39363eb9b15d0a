//! Follows the Huffman codes of a JPEG's scan (ITU-T T.81, annexes C, F.2.2 and G.2).

use super::jpeg::{CUT, DAMAGED, Fault, Frame, HEADER, Scan};

/// Reads bytes, segments and bits.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The byte that bits are taken from, and how many are left.
    byte: u8,
    left: u32,
    /// How many bytes up to this one are zero.
    zeros: usize,
}

/// Most zero bytes before the end of an AC coefficient. In zeros, all codes are the same. If they are those of coefficients, and
/// not of empty blocks, 40 equal ones in a row are a hole and no picture.
const MOST_ZEROS: usize = 16;

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, byte: 0, left: 0, zeros: 0 }
    }

    /// Drops the rest of the current byte and reads a marker.
    pub fn marker(&mut self) -> Result<u8, Fault> {
        self.left = 0;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        let &marker = rest.get(fill).ok_or(CUT)?;
        if fill == 0 || marker == 0 {
            return Err(DAMAGED);
        }
        self.at += fill + 1;
        Ok(marker)
    }

    /// The contents of the segment after a marker.
    pub fn segment(&mut self) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or(CUT)?));
        if length < 2 {
            return Err(HEADER);
        }
        self.at += length;
        rest.get(2..length).ok_or(CUT)
    }

    fn bit(&mut self) -> Result<usize, Fault> {
        if self.left == 0 {
            self.byte = *self.bytes.get(self.at).ok_or(CUT)?;
            self.at += 1;
            if self.byte == 0xff {
                // A zero byte follows; anything else is a marker, which comes too early here.
                match self.bytes.get(self.at) {
                    Some(0) => self.at += 1,
                    Some(_) => return Err(DAMAGED),
                    None => return Err(CUT),
                }
            }
            self.left = 8;
            self.zeros = if self.byte == 0 { self.zeros + 1 } else { 0 };
        }
        self.left -= 1;
        Ok(usize::from(self.byte >> self.left & 1))
    }

    fn take(&mut self, count: u32) -> Result<usize, Fault> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | self.bit()?))
    }

    /// Reads the bits of an AC coefficient.
    fn coefficient(&mut self, size: u32) -> Result<(), Fault> {
        self.take(size)?;
        if size > 0 && self.zeros > MOST_ZEROS { Err(DAMAGED) } else { Ok(()) }
    }

    /// Reads a Huffman code (C.2): the codes of each length are consecutive numbers.
    fn decode(&mut self, huffman: &Huffman) -> Result<u8, Fault> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for &count in &huffman.lengths {
            code = code << 1 | self.bit()?;
            first <<= 1;
            if code < first + count {
                return huffman.values.get(index + code - first).copied().ok_or(DAMAGED);
            }
            index += count;
            first += count;
        }
        Err(DAMAGED)
    }
}

/// A Huffman table: the number of codes of each length from 1 to 16, and the values of all codes.
struct Huffman {
    lengths: [usize; 16],
    values: Vec<u8>,
}

/// What segments before a scan define.
#[derive(Default)]
pub struct Tables {
    /// Tables for DC and for AC coefficients.
    huffman: [[Option<Huffman>; 4]; 2],
    /// MCUs between two restart markers; 0 if there are none.
    pub interval: usize,
}

impl Tables {
    /// Reads a segment of Huffman tables (B.2.4.2).
    pub fn read(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        while let Some((head, rest)) = segment.split_first_chunk::<17>() {
            let lengths: [usize; 16] = std::array::from_fn(|at| usize::from(head[1 + at]));
            let (values, rest) = rest.split_at_checked(lengths.iter().sum()).ok_or(HEADER)?;
            // No table has a value twice, unless it is damaged.
            if (1..values.len()).any(|at| values[..at].contains(&values[at])) {
                return Err(HEADER);
            }
            let place = self
                .huffman
                .get_mut(usize::from(head[0] >> 4))
                .and_then(|kind| kind.get_mut(usize::from(head[0] & 15)));
            *place.ok_or(HEADER)? = Some(Huffman { lengths, values: values.into() });
            segment = rest;
        }
        if segment.is_empty() { Ok(()) } else { Err(HEADER) }
    }

    fn get(&self, kind: usize, number: usize) -> Result<&Huffman, Fault> {
        let table = self.huffman[kind].get(number).and_then(Option::as_ref);
        table.ok_or("is damaged: it uses a Huffman table that it does not contain")
    }
}

/// Follows a scan to its end.
///
/// # Errors
/// What is missing or damaged.
pub fn follow(bits: &mut Bits<'_>, tables: &Tables, frame: &mut Frame, scan: &Scan) -> Result<(), Fault> {
    let alone = scan.parts.len() == 1;
    let (columns, rows) = if alone { frame.components[scan.parts[0].0].blocks } else { frame.units };
    // The number of blocks that follow without coefficients in this band.
    let mut empty = 0;
    for unit in 0..columns * rows {
        if tables.interval > 0 && unit > 0 && unit % tables.interval == 0 {
            let expected = 0xd0 + (unit / tables.interval - 1) % 8;
            if empty > 0 || usize::from(bits.marker()?) != expected {
                return Err(DAMAGED);
            }
        }
        for &(index, dc, ac) in &scan.parts {
            let component = &mut frame.components[index];
            for _ in 0..if alone { 1 } else { component.per_unit } {
                if !frame.progressive {
                    sequential(bits, tables.get(0, dc)?, tables.get(1, ac)?)?;
                } else if scan.band.0 > 0 {
                    let nonzero = &mut component.nonzero[unit];
                    band(bits, tables.get(1, ac)?, scan, nonzero, &mut empty)?;
                } else if scan.refines {
                    bits.take(1)?;
                } else {
                    difference(bits, tables.get(0, dc)?)?;
                }
            }
        }
    }
    if empty > 0 { Err(DAMAGED) } else { Ok(()) }
}

/// The DC coefficient (F.2.2.1).
fn difference(bits: &mut Bits<'_>, huffman: &Huffman) -> Result<(), Fault> {
    let size = bits.decode(huffman)?;
    if size > 11 {
        return Err(DAMAGED);
    }
    bits.take(size.into()).map(|_| ())
}

/// A block with all its coefficients (F.2.2.2).
fn sequential(bits: &mut Bits<'_>, dc: &Huffman, ac: &Huffman) -> Result<(), Fault> {
    difference(bits, dc)?;
    let mut at = 1;
    while at < 64 {
        let symbol = bits.decode(ac)?;
        let (run, size) = (usize::from(symbol >> 4), symbol & 15);
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run + 1;
                bits.coefficient(size.into())?;
            }
        }
        if at > 64 {
            return Err(DAMAGED);
        }
    }
    Ok(())
}

/// A band of a block's AC coefficients in a progressive file (G.1.2.2 and G.1.2.3).
fn band(
    bits: &mut Bits<'_>,
    huffman: &Huffman,
    scan: &Scan,
    nonzero: &mut u64,
    empty: &mut usize,
) -> Result<(), Fault> {
    let (mut at, last) = scan.band;
    while *empty == 0 && at <= last {
        let symbol = bits.decode(huffman)?;
        let (mut run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && run < 15 {
            *empty = (1 << run) + bits.take(run)?;
            break;
        }
        if scan.refines && size > 1 {
            return Err(DAMAGED);
        }
        bits.coefficient(size)?;
        // The run counts coefficients that are still zero. Each nonzero one on the way gets its next bit.
        while at <= last {
            if scan.refines && *nonzero >> at & 1 == 1 {
                bits.take(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
        if size > 0 {
            if at > last {
                return Err(DAMAGED);
            }
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *empty > 0 {
        *empty -= 1;
        if scan.refines {
            let rest = *nonzero & (u64::MAX << at) & (u64::MAX >> (63 - last));
            bits.take(rest.count_ones())?;
        }
    }
    Ok(())
}
