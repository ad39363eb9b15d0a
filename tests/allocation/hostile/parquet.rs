//! Valid and expensive Parquet files.

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// Files with numbers, texts and missing values, packed in several ways.
pub fn seeds() -> Vec<Vec<u8>> {
    let packings = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())];
    packings.into_iter().map(|packing| file(packing, 40)).collect()
}

fn file(packing: Compression, rows: usize) -> Vec<u8> {
    let schema = "message table { required float x; optional binary c (UTF8); required int32 y; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = Arc::new(WriterProperties::builder().set_compression(packing).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let floats: Vec<f32> = (0..rows).map(|row| row as f32 / 3.0).collect();
    let present: Vec<i16> = (0..rows).map(|row| (row % 3 > 0).into()).collect();
    let texts = (0..rows).filter(|row| row % 3 > 0).map(|row| ByteArray::from(["red", "green"][row % 2]));
    let texts: Vec<ByteArray> = texts.collect();
    let classes: Vec<i32> = (0..rows as i32).map(|row| row % 2).collect();
    for column in 0..3 {
        let mut writer = group.next_column().expect("no error").expect("a column");
        let written = match column {
            0 => writer.typed::<FloatType>().write_batch(&floats, None, None),
            1 => writer.typed::<ByteArrayType>().write_batch(&texts, Some(&present), None),
            _ => writer.typed::<Int32Type>().write_batch(&classes, None, None),
        };
        written.expect("it is written");
        writer.close().expect("it is closed");
    }
    group.close().expect("it is closed");
    writer.close().expect("it is closed");
    bytes
}

/// Footers that declare more than there is, and pages that unpack to much.
pub fn bombs() -> Vec<Vec<u8>> {
    const HUGE: [u8; 5] = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let with_footer = |footer: &[u8]| [b"PAR1", footer, &(footer.len() as u32).to_le_bytes()[..], b"PAR1"].concat();
    let children = [&[0x15, 2, 0x19, 0x2c, 0x48, 1, b'x', 0x15][..], &HUGE, &[0, 0x48, 1, b'y', 0, 0]].concat();
    let list = [&[0x15, 2, 0x19, 0xfc][..], &HUGE, &[0; 64]].concat();
    let mut bombs = vec![
        with_footer(&children),
        with_footer(&list),
        with_footer(&vec![0x1c; 1 << 19]),
        with_footer(&[0x15, 2, 0x19, 0x2c].repeat(1 << 17)),
        [&[0; 100][..], &[0xff; 4], b"PAR1"].concat(),
        // Many equal rows in few bytes.
        file(Compression::ZSTD(Default::default()), 100_000),
    ];
    // A page that declares to unpack to almost two gigabytes: the second number of its header.
    let mut page = file(Compression::SNAPPY, 40);
    page.splice(7..8, HUGE);
    bombs.push(page);
    bombs
}
