//! The values of a column of a Parquet file as numbers or texts.

use half::f16;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescriptor;

/// Some values of a column. A missing number is NaN.
pub(super) enum Values {
    Numbers(Vec<f64>),
    Integers(Vec<Option<i128>>),
    Texts(Vec<Option<ByteArray>>),
}

impl Values {
    /// The values as numbers, NaN for a missing one; `None` for texts.
    pub(super) fn numbers(&self) -> Option<Box<dyn Iterator<Item = f64> + '_>> {
        match self {
            Values::Numbers(numbers) => Some(Box::new(numbers.iter().copied())),
            Values::Integers(integers) => {
                Some(Box::new(integers.iter().map(|value| value.map_or(f64::NAN, |value| value as f64))))
            }
            Values::Texts(_) => None,
        }
    }
}

/// What the stored values stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    /// Numbers or texts, as they are.
    Itself,
    /// Whole numbers without a sign, stored in the bits of signed ones.
    Unsigned,
    /// Whole numbers that are multiplied by this.
    Scaled(f64),
    /// Numbers of half precision.
    Half,
}

/// A column that is being read.
pub(super) struct Column {
    reader: ColumnReader,
    meaning: Meaning,
    /// Whether values may be missing.
    optional: bool,
}

/// Whether a column holds texts.
pub(super) fn is_text(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY && column.converted_type() != ConvertedType::DECIMAL
}

impl Column {
    /// Opens a column. If its values are neither numbers nor texts, returns the problem and what to do about it.
    pub(super) fn new(
        column: &ColumnDescriptor,
        reader: ColumnReader,
    ) -> std::result::Result<Column, (String, &'static str)> {
        let refuse = |what: &str, next| Err((format!("it holds {what}, which is neither a number nor a text"), next));
        let number = "convert it to a number, such as seconds or days, or ignore the column";
        let decimal = || Meaning::Scaled(10_f64.powi(-column.type_scale()));
        let meaning = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Float16), _) => Meaning::Half,
            (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => decimal(),
            (_, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64) => {
                Meaning::Unsigned
            }
            (_, ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
            | (_, ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64) => {
                match column.logical_type_ref() {
                    Some(LogicalType::Timestamp(_) | LogicalType::Time(_) | LogicalType::Date) => {
                        return refuse("dates or times", number);
                    }
                    None
                    | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json | LogicalType::Integer(_)) => {
                        Meaning::Itself
                    }
                    Some(LogicalType::Unknown) => Meaning::Itself,
                    Some(other) => return refuse(&format!("{other:?}"), "ignore the column"),
                }
            }
            (_, other) => return refuse(&other.to_string(), number),
        };
        let binary = column.physical_type() == Type::FIXED_LEN_BYTE_ARRAY;
        if column.physical_type() == Type::INT96 || binary && meaning == Meaning::Itself {
            return refuse(&column.physical_type().to_string(), number);
        }
        Ok(Column { reader, meaning, optional: column.max_def_level() > 0 })
    }

    /// The next values, exactly `rows` of them.
    pub(super) fn read(&mut self, rows: usize) -> Result<Values> {
        let Column { reader, meaning, optional } = self;
        let (meaning, optional) = (*meaning, *optional);
        let integers = |values: Vec<Option<i128>>| match meaning {
            Meaning::Scaled(unit) => Values::Numbers(
                values.into_iter().map(|value| value.map_or(f64::NAN, |value| value as f64 * unit)).collect(),
            ),
            _ => Values::Integers(values),
        };
        let unsigned = meaning == Meaning::Unsigned;
        let numbers = |values: Vec<Option<f64>>| {
            Values::Numbers(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
        };
        Ok(match reader {
            ColumnReader::BoolColumnReader(reader) => {
                numbers(each(reader, rows, optional, |value| f64::from(u8::from(value)))?)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                integers(each(
                    reader,
                    rows,
                    optional,
                    |value| if unsigned { i128::from(value as u32) } else { value.into() },
                )?)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                integers(each(
                    reader,
                    rows,
                    optional,
                    |value| if unsigned { i128::from(value as u64) } else { value.into() },
                )?)
            }
            ColumnReader::FloatColumnReader(reader) => numbers(each(reader, rows, optional, f64::from)?),
            ColumnReader::DoubleColumnReader(reader) => numbers(each(reader, rows, optional, |value| value)?),
            ColumnReader::ByteArrayColumnReader(reader) if meaning == Meaning::Itself => {
                Values::Texts(each(reader, rows, optional, |value| value)?)
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                integers(all(each(reader, rows, optional, |value| whole(value.data()))?)?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) if meaning == Meaning::Half => {
                let half = |bytes: &[u8]| Some(f64::from(f16::from_le_bytes(bytes.try_into().ok()?)));
                numbers(all(each(reader, rows, optional, |value| half(value.data()))?)?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                integers(all(each(reader, rows, optional, |value| whole(value.data()))?)?)
            }
            ColumnReader::Int96ColumnReader(_) => return Err(ParquetError::General("it holds times".into())),
        })
    }
}

/// A whole number as decimals store it: bytes in descending order, with a sign. `None`: it is too long.
fn whole(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let mut all = [if first >> 7 == 1 { 0xff } else { 0 }; 16];
    let start = all.len().checked_sub(bytes.len())?;
    all[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

/// The values; an error if one could not be read.
fn all<T>(values: Vec<Option<Option<T>>>) -> Result<Vec<Option<T>>> {
    let damaged = || ParquetError::General("a number has a length that is not read".into());
    values.into_iter().map(|value| value.map(|value| value.ok_or_else(damaged)).transpose()).collect()
}

/// The next `rows` values; `None` for a missing one.
fn each<D: DataType, T>(
    reader: &mut ColumnReaderImpl<D>,
    rows: usize,
    optional: bool,
    f: impl Fn(D::T) -> T,
) -> Result<Vec<Option<T>>> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (got, ..) = reader.read_records(rows, optional.then_some(&mut levels), None, &mut values)?;
    let present = levels.iter().filter(|&&level| level > 0).count();
    if got != rows || values.len() != if optional { present } else { rows } || optional && levels.len() != rows {
        return Err(ParquetError::EOF("it has fewer values than rows".into()));
    }
    let mut values = values.into_iter().map(f);
    if !optional {
        return Ok(values.map(Some).collect());
    }
    Ok(levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect())
}
