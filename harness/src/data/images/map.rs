//! A packed file, mapped: opened in no time, read where it is needed, shared by all processes that use it.
//!
//! A set that does not fit into memory is trained on from here; the system keeps in memory what it can of it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use memmap2::{Advice, Mmap};
use sha2::{Digest, Sha256};

use super::{
    pack::{Header, MAGIC, PACK_FORMAT, PIXELS_AT, PackError},
    resize::CHANNELS,
};
use crate::digest::hexadecimal;

/// The header's length and the magic number, at the very end.
const TAIL: usize = 16;

/// A packed file that is open.
#[derive(Debug)]
pub struct Pack {
    /// What it holds.
    pub header: Header,
    /// A label for each row, those of training images first.
    pub labels: Vec<u16>,
    path: PathBuf,
    map: Mmap,
}

impl Pack {
    /// Opens the file at `path` and checks that it is whole, by its lengths; [`Pack::verify`] reads all of it.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let closed = |source| PackError::Closed { path: path.to_owned(), source };
        let file = File::open(path).map_err(closed)?;
        #[expect(
            unsafe_code,
            reason = "mapping a file is unsafe, since another process might change it under way"
        )]
        // SAFETY: packed files are written under another name and renamed; nobody writes into one, or shortens it.
        let map = unsafe { Mmap::map(&file) }.map_err(closed)?;
        let damaged =
            |message: &str| PackError::Damaged { path: path.to_owned(), message: message.to_owned() };
        let (header, labels) = parse(&map).map_err(damaged)?;
        // Rows are visited in random order: reading ahead would read for nothing.
        let _ = map.advise(Advice::Random);
        Ok(Self { header, labels, path: path.to_owned(), map })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of a row.
    pub fn row_len(&self) -> usize {
        row_len(&self.header)
    }

    /// The pixels of a row, `[3, size, size]`.
    pub fn row(&self, index: usize) -> &[u8] {
        let length = self.row_len();
        &self.map[PIXELS_AT + index * length..][..length]
    }

    /// The pixels of rows, one after the other.
    pub fn gather(&self, rows: impl ExactSizeIterator<Item = usize>) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(rows.len() * self.row_len());
        for row in rows {
            pixels.extend_from_slice(self.row(row));
        }
        pixels
    }

    /// Reads all of it, and says whether it is what was written.
    pub fn verify(&self) -> Result<(), PackError> {
        let end = PIXELS_AT + self.labels.len() * (self.row_len() + 2);
        let found = hexadecimal(&Sha256::digest(&self.map[PIXELS_AT..end]));
        if found == self.header.sha256 {
            return Ok(());
        }
        let message = format!("SHA-256 {found} instead of {}", self.header.sha256);
        Err(PackError::Damaged { path: self.path.clone(), message })
    }
}

fn row_len(header: &Header) -> usize {
    CHANNELS * (header.size as usize).pow(2)
}

/// The header and the labels of a file that is whole.
fn parse(bytes: &[u8]) -> Result<(Header, Vec<u16>), &'static str> {
    let cut = "it is no packed file, or its end is missing";
    let body = bytes.len().checked_sub(TAIL).filter(|body| *body >= PIXELS_AT).ok_or(cut)?;
    if !bytes.starts_with(MAGIC) || !bytes.ends_with(MAGIC) {
        return Err(cut);
    }
    let length = bytes[body..body + 8].try_into().map(u64::from_le_bytes).map_err(|_| cut)?;
    let start = usize::try_from(length).ok().and_then(|length| body.checked_sub(length)).ok_or(cut)?;
    let header: Header =
        serde_json::from_slice(&bytes[start..body]).map_err(|_| "its header cannot be read")?;
    if header.format != PACK_FORMAT {
        return Err("another version wrote it");
    }
    let n = header.train.checked_add(header.test).ok_or(cut)?;
    let labels_at = (header.size as usize)
        .checked_pow(2)
        .and_then(|area| area.checked_mul(CHANNELS * n))
        .and_then(|pixels| pixels.checked_add(PIXELS_AT))
        .ok_or(cut)?;
    if n.checked_mul(2).and_then(|labels| labels.checked_add(labels_at)) != Some(start) {
        return Err("it does not have the length that its header says");
    }
    let labels: Vec<u16> =
        bytes[labels_at..start].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    if labels.iter().any(|label| usize::from(*label) >= header.classes.len()) {
        return Err("a label is of no class");
    }
    Ok((header, labels))
}
