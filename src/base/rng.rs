//! Random numbers: named streams on the host, a counter-based generator on the device.
//!
//! No state is kept between steps. A host stream is a function of (seed, name, number): the shuffle of epoch 3, for
//! instance. A device number is a function of (seed, stream, layer, step, row, column). So the step alone fixes the position
//! in every stream, and both engines draw the same bits.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// What a host stream is used for. Streams of one seed with different names are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights of one layer.
    Init,
    /// Order of the samples in one epoch.
    Shuffle,
    /// Keys of the dropout masks of one layer.
    Dropout,
    /// Which samples of a class become validation samples.
    Validation,
    /// Which samples of a class are kept when the training split is limited.
    Subset,
    /// Which samples of a class become test samples, if there is one file for both.
    Test,
    /// Which samples one bootstrap resample holds.
    Bootstrap,
    /// The permutation of one feature, for its importance.
    Importance,
    /// Keys of the dropout masks of one layer in predictions with dropout.
    McDropout,
    /// The values of one setting in a sweep.
    Sweep,
    /// The order in which the samples of a class are dealt to folds.
    Folds,
    /// Which training pictures a model file describes, as typical ones.
    Novelty,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Init => "init",
            Stream::Shuffle => "shuffle",
            Stream::Dropout => "dropout",
            Stream::Validation => "validation",
            Stream::Subset => "subset",
            Stream::Test => "test",
            Stream::Bootstrap => "bootstrap",
            Stream::Importance => "importance",
            Stream::McDropout => "mc-dropout",
            Stream::Sweep => "sweep",
            Stream::Folds => "folds",
            Stream::Novelty => "novelty",
        }
    }
}

/// The host generator of (seed, stream, number): ChaCha8, whose output `rand` promises not to change.
pub fn host(seed: u64, stream: Stream, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, stream, number))
}

/// The host generator of (seed, stream, name, number), for streams that also have names.
pub fn named(seed: u64, stream: Stream, name: &str, number: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(digest(seed, stream, number));
    hash.update(name);
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// The key of a device stream, for [`threefry`].
pub fn device_key(seed: u64, stream: Stream, number: u64) -> [u32; 2] {
    let bytes = digest(seed, stream, number);
    [0, 4].map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

fn digest(seed: u64, stream: Stream, number: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(stream.name());
    hash.update(number.to_le_bytes());
    hash.finalize().into()
}

/// Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): two
/// pseudorandom words per counter. It uses only additions, rotations and exclusive ors, so all devices give equal bits.
/// `shaders/dropout.wgsl` has the same function.
pub fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let [[a], [b]] = threefry_lanes(key, [[counter[0]], [counter[1]]]);
    [a, b]
}

/// [`threefry`] of N counters at once, for registers that hold N words.
#[inline(always)]
pub fn threefry_lanes<const N: usize>(key: [u32; 2], counters: [[u32; N]; 2]) -> [[u32; N]; 2] {
    const ROTATIONS: [u32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
    let keys = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let [mut a, mut b] = counters;
    for lane in 0..N {
        a[lane] = a[lane].wrapping_add(keys[0]);
        b[lane] = b[lane].wrapping_add(keys[1]);
    }
    for (injection, group) in (1..=5usize).zip([0, 4, 0, 4, 0]) {
        for rotation in &ROTATIONS[group..group + 4] {
            for lane in 0..N {
                a[lane] = a[lane].wrapping_add(b[lane]);
                b[lane] = b[lane].rotate_left(*rotation) ^ a[lane];
            }
        }
        // After every fourth round the key is mixed in again, shifted by one word, with the injection's number.
        for lane in 0..N {
            a[lane] = a[lane].wrapping_add(keys[injection % 3]);
            b[lane] = b[lane].wrapping_add(keys[(injection + 1) % 3]).wrapping_add(injection as u32);
        }
    }
    [a, b]
}

/// Keep probability as a threshold for the upper 24 bits of a random word: kept if `word >> 8 < threshold`.
/// An integer comparison, because a float one could round differently on another device.
pub fn keep_threshold(keep: f32) -> u32 {
    (f64::from(keep) * f64::from(1 << 24)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the Random123 distribution, file `kat_vectors`.
    #[test]
    fn threefry_gives_the_known_answers() {
        let ones = [u32::MAX; 2];
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry(ones, ones), [0x1cb9_96fc, 0xbb00_2be7]);
        let pi = threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]);
        assert_eq!(pi, [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let keys = [
            device_key(1, Stream::Dropout, 0),
            device_key(1, Stream::Dropout, 1),
            device_key(2, Stream::Dropout, 0),
            device_key(1, Stream::Init, 0),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|b| a != b));
        }
    }
}
