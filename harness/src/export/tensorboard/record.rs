//! How TensorFlow frames records in a file, and how Protocol Buffers write messages: as much of both as event files need.
//!
//! A record is `length (u64) · masked CRC-32C of the length (u32) · data · masked CRC-32C of the data (u32)`, all little
//! endian, with `mask(c) = rotate_right(c, 15) + 0xa282ead8`
//! (`tensorflow/core/lib/io/record_writer.h`, `tensorflow/tsl/lib/hash/crc32c.h`).

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C, Castagnoli's polynomial.
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Appends a record to a file's content.
pub fn append(data: &[u8], to: &mut Vec<u8>) {
    let length = (data.len() as u64).to_le_bytes();
    to.extend(length);
    to.extend(masked(&length).to_le_bytes());
    to.extend(data);
    to.extend(masked(data).to_le_bytes());
}

fn masked(data: &[u8]) -> u32 {
    CHECKSUM.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A message as it grows, field by field.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    /// A message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole number that is not negative, a truth value or a member of an enumeration.
    pub fn integer(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(value);
        self
    }

    /// A number in double precision.
    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.varint(field << 3 | FIXED64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A number in single precision.
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Text or bytes.
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// A message inside.
    pub fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    /// What stands in the file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(CHECKSUM.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CHECKSUM.checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(CHECKSUM.checksum(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        let mut file = Vec::new();
        // Written by the RecordWriter of TensorBoard 2.21: Event(wall_time=1.5, file_version="brain.Event:2").
        append(&Message::new().double(1, 1.5).bytes(3, "brain.Event:2").into_bytes(), &mut file);
        assert_eq!(crate::digest::hexadecimal(&file), GOLDEN);
    }

    const GOLDEN: &str = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c";

    #[test]
    fn fields_are_written_as_the_encoding_of_protocol_buffers_says() {
        // protobuf.dev/programming-guides/encoding: 150 in field 1, "testing" in field 2, a message with 150 in field 3.
        assert_eq!(Message::new().integer(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().bytes(2, "testing").into_bytes(), *b"\x12\x07testing");
        let inside = Message::new().integer(1, 150);
        assert_eq!(Message::new().message(3, inside).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(2, 1.0).into_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
    }
}
