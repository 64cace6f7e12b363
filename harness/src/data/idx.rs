//! The idx format of MNIST: a magic number, big-endian sizes, then the elements in row-major order.
//!
//! Source: <http://yann.lecun.com/exdb/mnist/>, "File formats for the MNIST database". The magic number is two zero
//! bytes, the element type (8 = unsigned byte, the only one these data sets use) and the number of dimensions.

use super::{
    catalog::{Decoded, Labelled, Samples},
    error::FormatError,
};

const UNSIGNED_BYTE: u8 = 0x08;
const CLASSES: u8 = 10;

/// Sizes of an idx file's dimensions and where its elements begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Size of each dimension, the number of samples first.
    pub sizes: Vec<usize>,
    /// Offset of the first element.
    pub start: usize,
}

/// Reads the header and checks that the file has exactly the elements it promises.
pub fn parse_header(bytes: &[u8], dimensions: u8) -> Result<Header, FormatError> {
    let magic = [0, 0, UNSIGNED_BYTE, dimensions];
    for (offset, &expected) in magic.iter().enumerate() {
        match bytes.get(offset) {
            Some(&found) if found == expected => {}
            Some(&found) => {
                return Err(FormatError::new(
                    offset,
                    format!(
                        "{found:#04x} where the magic number {:#010x} has {expected:#04x}",
                        u32::from_be_bytes(magic)
                    ),
                ));
            }
            None => return Err(FormatError::new(offset, "the file ends inside its magic number")),
        }
    }
    let start = 4 + 4 * usize::from(dimensions);
    let Some(fields) = bytes.get(4..start) else {
        return Err(FormatError::new(bytes.len(), "the file ends inside its header"));
    };
    let sizes: Vec<usize> = fields
        .chunks_exact(4)
        .map(|field| u32::from_be_bytes([field[0], field[1], field[2], field[3]]) as usize)
        .collect();
    if let Some(axis) = sizes.iter().position(|&size| size == 0) {
        return Err(FormatError::new(4 + 4 * axis, format!("dimension {axis} has size 0")));
    }
    let found = bytes.len() - start;
    let promised = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if promised != Some(found) {
        let promised = promised.map_or("more than memory can hold".to_owned(), |n| format!("{n} bytes"));
        let offset = if bytes.len() == start { start } else { 4 };
        return Err(FormatError::new(
            offset,
            format!("the header's sizes {sizes:?} promise {promised} of data, the file has {found}"),
        ));
    }
    Ok(Header { sizes, start })
}

/// Images `[n, 1, height, width]`: the pixels, and `[n, height, width]`.
pub fn parse_images(mut bytes: Vec<u8>) -> Result<(Vec<u8>, [usize; 3]), FormatError> {
    let header = parse_header(&bytes, 3)?;
    let sizes = [header.sizes[0], header.sizes[1], header.sizes[2]];
    bytes.drain(..header.start);
    Ok((bytes, sizes))
}

/// Labels 0..10.
pub fn parse_labels(mut bytes: Vec<u8>) -> Result<Vec<u8>, FormatError> {
    let header = parse_header(&bytes, 1)?;
    if let Some(index) = bytes[header.start..].iter().position(|&label| label >= CLASSES) {
        let offset = header.start + index;
        return Err(FormatError::new(
            offset,
            format!("label {} of sample {index} is not in 0..{CLASSES}", bytes[offset]),
        ));
    }
    bytes.drain(..header.start);
    Ok(bytes)
}

/// Training images, training labels, test images, test labels. An error comes with the index of the file it is in.
pub fn decode_train_and_test(files: Vec<Vec<u8>>) -> Decoded {
    let mut files = files.into_iter();
    let mut split = |first: usize| {
        let mut next = || files.next().unwrap_or_default();
        let (pixels, sizes) = parse_images(next()).map_err(|error| (first, error))?;
        let labels = parse_labels(next()).map_err(|error| (first + 1, error))?;
        if labels.len() == sizes[0] {
            Ok(Labelled { pixels, labels, targets: Vec::new() })
        } else {
            let message = format!("{} labels for {} images", labels.len(), sizes[0]);
            Err((first + 1, FormatError::new(4, message)))
        }
    };
    Ok(Samples { train: split(0)?, test: split(2)? })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn images(n: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend(0..n * 6);
        bytes
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8], labels].concat()
    }

    #[test]
    fn images_and_labels_are_read() {
        let (pixels, sizes) = parse_images(images(2)).unwrap();
        assert_eq!(sizes, [2, 2, 3]);
        assert_eq!(pixels, (0..12).collect::<Vec<u8>>());
        assert_eq!(parse_labels(labels(&[0, 9, 5])).unwrap(), [0, 9, 5]);
    }

    #[test]
    fn a_wrong_magic_number_is_refused_at_its_first_wrong_byte() {
        let error = parse_images(labels(&[1])).unwrap_err();
        assert_eq!(error, FormatError::new(3, "0x01 where the magic number 0x00000803 has 0x03"));
        assert_eq!(parse_images(b"<!DOCTYPE html>".to_vec()).unwrap_err().offset, 0);
        assert_eq!(parse_images(vec![0, 0, 9, 3]).unwrap_err().offset, 2);
        assert_eq!(parse_images(vec![0, 0]).unwrap_err().offset, 2);
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        let mut long = images(2);
        long.push(0);
        let error = parse_images(long).unwrap_err();
        assert_eq!(
            (error.offset, error.message.contains("promise 12 bytes of data, the file has 13")),
            (4, true)
        );
        let short = images(2)[..20].to_vec();
        assert!(parse_images(short).unwrap_err().message.contains("the file has 4"));
        let mut huge = images(1);
        huge[4..16].fill(0xff);
        assert!(parse_images(huge).unwrap_err().message.contains("more than memory can hold"));
        let mut none = images(1);
        none[11] = 0;
        assert_eq!(parse_images(none).unwrap_err(), FormatError::new(8, "dimension 1 has size 0"));
        assert_eq!(parse_images(images(1)[..10].to_vec()).unwrap_err().offset, 10);
    }

    #[test]
    fn a_label_out_of_range_is_refused_where_it_stands() {
        let error = parse_labels(labels(&[1, 2, 10])).unwrap_err();
        assert_eq!(error, FormatError::new(10, "label 10 of sample 2 is not in 0..10"));
    }

    #[test]
    fn labels_and_images_must_be_equally_many() {
        let files = vec![images(2), labels(&[1, 2]), images(2), labels(&[1])];
        assert_eq!(
            decode_train_and_test(files).unwrap_err(),
            (3, FormatError::new(4, "1 labels for 2 images"))
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), good in any::<bool>()) {
            let mut bytes = bytes;
            if good && bytes.len() > 3 {
                bytes[..4].copy_from_slice(&[0, 0, 8, 1]);
            }
            let _ = parse_images(bytes.clone());
            if let Ok(labels) = parse_labels(bytes) {
                prop_assert!(labels.iter().all(|&label| label < 10));
            }
        }
    }
}
