//! Small changes to valid files, as fuzzers make them, in a fixed order.

use flate2::Crc;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Numbers that provoke overflows of lengths, counts and sums.
const WORDS: [u64; 12] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX];
/// Such numbers as text, and other values to put in place of a number or word.
const TEXTS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "65536",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e39",
    "-1e308",
    "1e-320",
    "nan",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
];

/// One of the seeds, changed in one to four places.
pub fn mutant(random: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let pick = |random: &mut ChaCha8Rng| &seeds[random.random_range(0..seeds.len())];
    let mut bytes = pick(random).clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(1..=16)).min(bytes.len());
        match random.random_range(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                let times = random.random_range(1..=8);
                bytes.splice(at..at, part.repeat(times));
            }
            5 => {
                let other = pick(random);
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            // Headers are aligned and at the beginning.
            6 => overwrite(random, &mut bytes, at % 64 / 4 * 4),
            7 => overwrite(random, &mut bytes, at),
            _ => replace_number(random, &mut bytes, at),
        }
    }
    if bytes.starts_with(b"\x89PNG") && random.random_range(0..4) > 0 {
        mend_png(&mut bytes);
    }
    bytes
}

/// Overwrites one to eight bytes with an extreme number, little- or big-endian.
fn overwrite(random: &mut ChaCha8Rng, bytes: &mut [u8], at: usize) {
    let (word, width) = (WORDS[random.random_range(0..WORDS.len())], 1 << random.random_range(0..4));
    let number =
        if random.random() { word.to_le_bytes()[..width].to_vec() } else { word.to_be_bytes()[8 - width..].to_vec() };
    bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
}

/// Replaces the next number at or after `at` by another text.
fn replace_number(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>, at: usize) {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.e".contains(byte);
    let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|skipped| at + skipped) else { return };
    let end = bytes[start..].iter().position(|byte| !is_part(byte)).map_or(bytes.len(), |length| start + length);
    bytes.splice(start..end, TEXTS[random.random_range(0..TEXTS.len())].bytes());
}

/// Corrects the checksums of a PNG's chunks, as an attacker would.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes([a, b, c, d]) as usize;
        if end + 4 > bytes.len() {
            return;
        }
        let mut sum = Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
}
