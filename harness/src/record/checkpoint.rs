//! A checkpoint: everything that the next epoch depends on, in one safetensors file.
//!
//! Randomness is re-seeded each epoch, so no generator state is in it. A digest over all tensors makes
//! sure that a damaged file is recognised and an older one, or none, is used instead.

use crate::digest::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fs, path::Path};
use tch::{Device, Kind, Tensor};

/// The state of training after an epoch.
#[derive(Debug)]
pub struct Checkpoint {
    /// The numbers that are no tensors.
    pub progress: Progress,
    /// Parameters, the rule's own tensors, the optimizer's averages and the probe's memory, by name.
    pub tensors: Vec<(String, Tensor)>,
}

/// Where training stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Canonical description of the run, so that no other run's checkpoint is ever taken.
    pub spec: String,
    /// Epochs trained.
    pub epoch: u32,
    /// The epoch selected so far, with its accuracy on the validation split, or of a regression the loss
    /// there with its sign changed.
    pub best: Option<(u32, f64)>,
    /// Wall time spent on epochs so far, in seconds.
    pub wall_seconds: f64,
    /// Processor time spent on epochs so far, in seconds.
    pub cpu_seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    progress: Progress,
    digest: String,
}

const HEADER: &str = "apical.header";

impl Checkpoint {
    /// Writes the checkpoint so that it is there whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let header = Header { progress: self.progress.clone(), digest: digest(&self.tensors)? };
        let header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
        let mut tensors: Vec<(&str, Tensor)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.to_device(Device::Cpu).contiguous()))
            .collect();
        tensors.push((HEADER, Tensor::from_slice(&header)));
        let temporary = path.with_extension("partial");
        let write = || {
            Tensor::write_safetensors(&tensors, &temporary).map_err(|error| error.to_string())?;
            fs::File::open(&temporary).and_then(|file| file.sync_all()).map_err(|error| error.to_string())?;
            fs::rename(&temporary, path).map_err(|error| error.to_string())
        };
        write().map_err(|reason: String| {
            let _ = fs::remove_file(&temporary);
            format!("cannot write the checkpoint {}: {reason}", path.display())
        })
    }

    /// Reads a checkpoint of the run with this canonical description.
    ///
    /// # Errors
    /// When the file is absent, damaged or another run's.
    pub fn read(path: &Path, spec: &str) -> Result<Self, String> {
        let refuse = |reason: String| format!("cannot use the checkpoint {}: {reason}", path.display());
        let mut tensors = Tensor::read_safetensors(path).map_err(|error| refuse(error.to_string()))?;
        let at = tensors
            .iter()
            .position(|(name, _)| name == HEADER)
            .ok_or_else(|| refuse("it has no header".into()))?;
        let (_, header) = tensors.swap_remove(at);
        let header = bytes(&header).map_err(&refuse)?;
        let header: Header = serde_json::from_slice(&header).map_err(|error| refuse(error.to_string()))?;
        if header.progress.spec != spec {
            return Err(refuse("it belongs to another run".into()));
        }
        if digest(&tensors).map_err(&refuse)? != header.digest {
            return Err(refuse("its content does not match its digest".into()));
        }
        Ok(Self { progress: header.progress, tensors })
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn under(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let stripped = |(name, tensor): &(String, Tensor)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone()))
        };
        self.tensors.iter().filter_map(stripped).collect()
    }
}

/// SHA-256 over names, shapes and values, whatever the order of the tensors.
fn digest(tensors: &[(String, Tensor)]) -> Result<String, String> {
    let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    let mut hasher = Sha256::new();
    for (name, tensor) in sorted {
        hasher.update(format!("{name}:{:?}:{:?}\n", tensor.kind(), tensor.size()));
        hasher.update(bytes(tensor)?);
    }
    Ok(hexadecimal(&hasher.finalize()))
}

/// A tensor's values as bytes in memory order.
fn bytes(tensor: &Tensor) -> Result<Vec<u8>, String> {
    let tensor = tensor.to_device(Device::Cpu).contiguous().reshape([-1]);
    let tensor = if tensor.kind() == Kind::Uint8 { tensor } else { tensor.view_dtype(Kind::Uint8) };
    let mut bytes = vec![0; tensor.numel()];
    tensor.f_copy_data(&mut bytes, tensor.numel()).map_err(|error| error.to_string())?;
    Ok(bytes)
}
