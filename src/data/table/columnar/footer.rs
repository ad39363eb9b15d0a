//! Checks the footer of a Parquet file before the crate `parquet` reads it.
//!
//! The crate reserves memory for as many children as an element of the schema declares, and follows nested groups without a
//! limit. So a damaged footer could end the program. Tables are flat: all elements but the first are columns.

/// Types of the compact protocol of Thrift.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Maximum nesting of structs. The format needs less.
const DEEPEST: usize = 16;

/// What the schema is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// Columns side by side.
    Flat,
    /// Columns inside others, such as lists.
    Nested,
    /// A schema that cannot be read.
    Damaged,
}

/// The kind of the schema in a footer.
pub(super) fn schema(footer: &[u8]) -> Schema {
    elements(&mut Reader(footer)).unwrap_or(Schema::Damaged)
}

/// The elements of the schema are field 2 of the footer, and field 5 of an element is its number of children.
fn elements(reader: &mut Reader) -> Option<Schema> {
    let mut id = 0;
    loop {
        let field = reader.field(&mut id)??;
        if (id, field) != (2, kind::LIST) {
            reader.skip(field, 0)?;
            continue;
        }
        let (count, kind::STRUCT) = reader.list()? else { return None };
        for element in 0..count {
            let children = children(reader)?;
            if element == 0 && children != Some((count - 1) as i64) || element > 0 && children.is_some_and(|n| n != 0) {
                return Some(Schema::Nested);
            }
        }
        return (count > 1).then_some(Schema::Flat);
    }
}

/// Reads an element, and returns its number of children.
fn children(reader: &mut Reader) -> Option<Option<i64>> {
    let (mut id, mut children) = (0, None);
    while let Some(field) = reader.field(&mut id)? {
        match (id, field) {
            (5, kind::I32) => children = Some(reader.signed()?),
            _ => reader.skip(field, 1)?,
        }
    }
    Some(children)
}

/// The sizes of a page, packed and unpacked: the second and third field of its header, in the order in which every writer
/// puts them.
pub(super) fn sizes(header: &[u8]) -> Option<[i64; 2]> {
    let (mut reader, mut id) = (Reader(header), 0);
    let mut next = |wanted: i64| {
        let field = reader.field(&mut id)??;
        (id == wanted && field == kind::I32).then(|| reader.signed()).flatten()
    };
    next(1)?;
    let unpacked = next(2)?;
    Some([next(3)?, unpacked])
}

/// Bytes in the compact protocol of Thrift. `None`: they are damaged.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The type of the next field, whose number replaces `id`; `Some(None)` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *id = if head >> 4 == 0 { self.signed()? } else { id.checked_add(i64::from(head >> 4))? };
        Some(Some(head & 0x0f))
    }

    /// The length of a list and the type of its items. An item has at least one byte.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        let count = usize::try_from(count).ok().filter(|&count| count <= self.0.len())?;
        Some((count, head & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            kind::TRUE | kind::FALSE => {}
            kind::BYTE => _ = self.byte()?,
            kind::I16 | kind::I32 | kind::I64 => _ = self.unsigned()?,
            kind::DOUBLE => self.0 = self.0.get(8..)?,
            kind::BINARY => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.0 = self.0.get(length..)?;
            }
            kind::LIST | kind::SET => {
                let (count, item) = self.list()?;
                for _ in 0..count {
                    // In a list, a truth value is a byte.
                    let item = if [kind::TRUE, kind::FALSE].contains(&item) { kind::BYTE } else { item };
                    self.skip(item, depth + 1)?;
                }
            }
            kind::STRUCT => {
                let mut id = 0;
                while let Some(field) = self.field(&mut id)? {
                    self.skip(field, depth + 1)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version, then a schema of elements with a name and these numbers of children, which are below 64.
    fn footer(children: &[Option<u8>]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, (children.len() as u8) << 4 | kind::STRUCT];
        for children in children {
            bytes.extend([0x48, 1, b'x']);
            bytes.extend(children.iter().flat_map(|&count| [0x15, 2 * count]));
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn only_a_flat_schema_is_flat() {
        assert_eq!(schema(&footer(&[Some(2), None, None])), Schema::Flat);
        assert_eq!(schema(&footer(&[Some(1), Some(0)])), Schema::Flat);
        assert_eq!(schema(&footer(&[Some(1), Some(1), None])), Schema::Nested);
        assert_eq!(schema(&footer(&[Some(63), None])), Schema::Nested);
        assert_eq!(schema(&footer(&[Some(0)])), Schema::Damaged);
        let whole = footer(&[Some(2), None, None]);
        (0..whole.len()).for_each(|end| assert_eq!(schema(&whole[..end]), Schema::Damaged, "{end}"));
        // A list that is longer than the bytes, and structs in structs without an end.
        assert_eq!(schema(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), Schema::Damaged);
        assert_eq!(schema(&[0x1c; 100_000]), Schema::Damaged);
    }

    #[test]
    fn the_sizes_of_a_page_are_read() {
        assert_eq!(sizes(&[0x15, 0, 0x15, 0xc8, 1, 0x15, 20, 0x2c]), Some([10, 100]));
        assert_eq!(sizes(&[0x15, 0, 0x25, 20, 0x15, 20]), None);
        assert_eq!(sizes(&[0x15, 0, 0x15]), None);
    }
}
