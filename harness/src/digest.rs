//! Digests as text: SHA-256 of files, of run descriptions, of checkpoints; MD5 where others publish nothing else.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// MD5, in lower-case hexadecimal, of all that `content` gives.
///
/// It tells a damaged or another file from the one published, and not one that was forged to have the same MD5.
pub fn md5(content: impl Read) -> io::Result<String> {
    digest::<Md5>(content)
}

/// SHA-256, in lower-case hexadecimal, of all that `content` gives.
pub fn sha256_of(content: impl Read) -> io::Result<String> {
    digest::<Sha256>(content)
}

fn digest<D: Digest>(mut content: impl Read) -> io::Result<String> {
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&hash.finalize())),
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
