//! SHA-256 of files and of data sets, in hex.

use sha2::{Digest, Sha256};

/// One hash for four files: the SHA-256 of their hashes in hex, a newline after each, in the order training images,
/// training labels, test images, test labels.
#[must_use]
pub fn combined_sha256(hashes: &[String; 4]) -> String {
    let mut combined = Sha256::new();
    for hash in hashes {
        combined.update(hash);
        combined.update("\n");
    }
    hex(&combined.finalize())
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex, two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
