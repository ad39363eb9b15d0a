//! Whether a PNG file is whole: every chunk has its checksum, and the last one is there (PNG specification, 5.3).

use flate2::Crc;

/// Length of the signature.
const SIGNATURE: usize = 8;

/// # Errors
/// What is missing or damaged.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    // Length, then type and data, then the checksum of type and data.
    while let Some((length, chunk)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((chunk, after)) = length.checked_add(4).and_then(|length| chunk.split_at_checked(length)) else {
            break;
        };
        let Some((expected, after)) = after.split_first_chunk() else { break };
        let mut crc = Crc::new();
        crc.update(chunk);
        if crc.sum() != u32::from_be_bytes(*expected) {
            let at = bytes.len() - rest.len();
            return Err(format!("is damaged: the checksum of the chunk at byte {at} is wrong"));
        }
        if chunk.starts_with(b"IEND") {
            return Ok(());
        }
        rest = after;
    }
    Err("is cut off: its last chunk is missing".into())
}
