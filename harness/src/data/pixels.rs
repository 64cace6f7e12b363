//! The pixels of a split: on the device as a whole, or in a packed file from which batches are gathered.
//!
//! Both give the same batches. The first is the fast path; the second keeps memory bounded however large the set is.

use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::images::Pack;

/// Images that are copied to the device at a time.
const PIECE: usize = 1024;

/// Pixels of images, uint8 `[n, channels, height, width]`.
#[derive(Debug)]
pub enum Pixels {
    /// All of them, on the run's device.
    Resident(Tensor),
    /// Rows of a packed file.
    Mapped {
        /// The file.
        pack: Arc<Pack>,
        /// Which of its rows, in the order of the split.
        rows: Vec<usize>,
        /// Where batches go.
        device: Device,
    },
}

impl From<Tensor> for Pixels {
    fn from(pixels: Tensor) -> Self {
        Self::Resident(pixels)
    }
}

impl Pixels {
    /// `rows` of `pack`: on the device where they have at most `resident` bytes, else left in the file.
    pub fn of_pack(
        pack: &Arc<Pack>,
        rows: Vec<usize>,
        device: Device,
        resident: usize,
    ) -> Result<Self, TchError> {
        let bytes = rows.len().saturating_mul(pack.row_len());
        let mapped = Self::Mapped { pack: Arc::clone(pack), rows, device };
        if bytes <= resident { mapped.whole().map(Self::Resident) } else { Ok(mapped) }
    }

    /// The images at `indices`, int64 `[n]`, in that order.
    pub fn select(&self, indices: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Resident(pixels) => pixels.f_index_select(0, indices),
            Self::Mapped { pack, rows, device } => {
                let indices = Vec::<i64>::try_from(indices.f_to_device(Device::Cpu)?)?;
                gather(pack, indices.iter().map(|&index| rows[index as usize]), *device)
            }
        }
    }

    /// `length` images from the one at `start` on.
    pub fn narrow(&self, start: i64, length: i64) -> Result<Tensor, TchError> {
        match self {
            Self::Resident(pixels) => pixels.f_narrow(0, start, length),
            Self::Mapped { pack, rows, device } => {
                gather(pack, rows[start as usize..][..length as usize].iter().copied(), *device)
            }
        }
    }

    /// All of them.
    pub fn whole(&self) -> Result<Tensor, TchError> {
        match self {
            Self::Resident(pixels) => Ok(pixels.shallow_clone()),
            Self::Mapped { pack, rows, device } => {
                // Piece by piece, so that it is never there twice.
                let side = i64::from(pack.header.size);
                let channels = pack.row_len() as i64 / (side * side);
                let shape = [rows.len() as i64, channels, side, side];
                let whole = Tensor::f_empty(shape, (Kind::Uint8, *device))?;
                for start in (0..rows.len() as i64).step_by(PIECE) {
                    let length = (rows.len() as i64 - start).min(PIECE as i64);
                    whole.f_narrow(0, start, length)?.f_copy_(&self.narrow(start, length)?)?;
                }
                Ok(whole)
            }
        }
    }
}

fn gather(
    pack: &Pack,
    rows: impl ExactSizeIterator<Item = usize>,
    device: Device,
) -> Result<Tensor, TchError> {
    let side = i64::from(pack.header.size);
    let shape = [rows.len() as i64, (pack.row_len() as i64) / (side * side), side, side];
    Tensor::f_from_data_size(&pack.gather(rows), &shape, Kind::Uint8)?.f_to_device(device)
}
