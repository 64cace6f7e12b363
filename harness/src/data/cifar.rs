//! The binary format of CIFAR-10: records of a label byte and 3072 pixel bytes, nothing else.

use super::{
    catalog::{Decoded, Labelled, Samples},
    error::FormatError,
};

/// Pixels of a channel.
pub const PIXELS: usize = 32 * 32;
/// Bytes of a record: the label, then 1024 red, 1024 green and 1024 blue bytes in row-major order.
pub const RECORD: usize = 1 + 3 * PIXELS;
const CLASSES: u8 = 10;

/// Images `[n, 3, 32, 32]` and labels of a batch file.
pub fn parse(bytes: &[u8]) -> Result<Labelled, FormatError> {
    let remainder = bytes.len() % RECORD;
    if bytes.is_empty() || remainder != 0 {
        return Err(FormatError::new(
            bytes.len() - remainder,
            format!("the file has {} bytes, not a whole number of {RECORD}-byte records", bytes.len()),
        ));
    }
    let n = bytes.len() / RECORD;
    let mut samples = Labelled {
        pixels: Vec::with_capacity(n * (RECORD - 1)),
        labels: Vec::with_capacity(n),
        targets: Vec::new(),
    };
    for (index, record) in bytes.chunks_exact(RECORD).enumerate() {
        if record[0] >= CLASSES {
            return Err(FormatError::new(
                index * RECORD,
                format!("label {} of record {index} is not in 0..{CLASSES}", record[0]),
            ));
        }
        samples.labels.push(record[0]);
        samples.pixels.extend_from_slice(&record[1..]);
    }
    Ok(samples)
}

/// Batch files, the last of which is the test set. An error comes with the index of the file it is in.
pub fn decode_batches(files: Vec<Vec<u8>>) -> Decoded {
    let last = files.len().saturating_sub(1);
    let mut samples = Samples { train: Labelled::default(), test: Labelled::default() };
    samples.train.pixels.reserve(files.iter().take(last).map(Vec::len).sum());
    for (index, bytes) in files.into_iter().enumerate() {
        let batch = parse(&bytes).map_err(|error| (index, error))?;
        if index == last {
            samples.test = batch;
        } else {
            samples.train.pixels.extend_from_slice(&batch.pixels);
            samples.train.labels.extend_from_slice(&batch.labels);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn record(label: u8, value: u8) -> Vec<u8> {
        let mut record = vec![value; RECORD];
        record[0] = label;
        record
    }

    #[test]
    fn records_become_images_and_labels() {
        let bytes = [record(3, 7), record(9, 8)].concat();
        let samples = parse(&bytes).unwrap();
        assert_eq!(samples.labels, [3, 9]);
        assert_eq!(samples.pixels, [vec![7; 3072], vec![8; 3072]].concat());
    }

    #[test]
    fn a_torn_record_is_refused_where_it_begins() {
        let bytes = [record(0, 0), record(1, 1)[..100].to_vec()].concat();
        let error = parse(&bytes).unwrap_err();
        assert_eq!(error.offset, RECORD);
        assert!(error.message.contains("3173 bytes"), "{}", error.message);
        assert_eq!(parse(&[]).unwrap_err().offset, 0);
    }

    #[test]
    fn a_label_out_of_range_is_refused_where_it_stands() {
        let bytes = [record(0, 0), record(0, 0), record(10, 0)].concat();
        let error = parse(&bytes).unwrap_err();
        assert_eq!(error, FormatError::new(2 * RECORD, "label 10 of record 2 is not in 0..10"));
        assert_eq!(decode_batches(vec![record(0, 0), bytes]).unwrap_err(), (1, error));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3 * RECORD)) {
            if let Ok(samples) = parse(&bytes) {
                prop_assert_eq!(samples.labels.len() * RECORD, bytes.len());
            }
        }
    }
}
