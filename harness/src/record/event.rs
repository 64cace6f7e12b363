//! What a run says while it runs, one JSON object a line in `events.jsonl`.
//!
//! Measurements (`metrics`, `layers`) depend on the run's description alone and are the same, bit for bit,
//! wherever and however often it is computed; what depends on the machine is kept apart in `timing`.

use apical_algorithms::{diagnostics::LayerDiagnostics, voltage::VoltageTraces};
use serde::{Deserialize, Serialize};

/// Version of the event stream and of the outcome.
pub const RECORD_FORMAT: u32 = 1;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The data is loaded and the network built; training begins.
    Started(Started),
    /// A later attempt goes on from the checkpoint of an earlier one.
    Resumed {
        /// The epoch after which the checkpoint was written.
        after_epoch: u32,
    },
    /// An epoch ended. Epoch 0 is the network before training.
    Epoch(Epoch),
}

/// What a run is about to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`RECORD_FORMAT`].
    pub format: u32,
    /// Epochs to train.
    pub epochs: u32,
    /// Training samples.
    pub train_samples: u64,
    /// Validation samples.
    pub validation_samples: u64,
    /// Test samples.
    pub test_samples: u64,
    /// Trainable values of the network.
    pub parameters: u64,
    /// Multiply-accumulates of one sample's forward pass.
    pub multiply_accumulates: u64,
    /// Names of the layers, from the input.
    pub layers: Vec<String>,
    /// The photos that were read, where they are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos: Option<PhotosRead>,
}

/// Which photos a run read: its identity holds their names and lengths, this holds their pixels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PhotosRead {
    /// SHA-256 of the packed pixels and labels.
    pub sha256: String,
    /// Images that could not be decoded and were left out.
    pub left_out: u64,
}

/// The state at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Epochs trained so far; 0 before training.
    pub epoch: u32,
    /// Training samples seen so far.
    pub samples_seen: u64,
    /// Over the epoch's own batches, each before its update; absent at epoch 0.
    pub train: Option<Metrics>,
    /// On the validation split, where there is one.
    pub validation: Option<Metrics>,
    /// On the test split, where the suite asks for it each epoch. It never selects anything.
    pub test_during_training: Option<Metrics>,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Sampled diagnostics, a layer each; empty where none were sampled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerDiagnostics>,
    /// Potentials while the first sample of the probe batch is shown, before training and at its end, of rules whose
    /// neurons have a time course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltages: Option<VoltageTraces>,
    /// What it took.
    pub timing: EpochTiming,
}

/// Loss and accuracy over a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean loss.
    pub loss: f64,
    /// Share of samples classified correctly, in [0, 1]; of a regression, of those whose largest output is where the
    /// largest target value is.
    pub accuracy: f64,
}

/// Seconds that an epoch took.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochTiming {
    /// Training alone.
    pub train_seconds: f64,
    /// Evaluation.
    pub evaluation_seconds: f64,
    /// Diagnostics.
    pub diagnostics_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::Metrics;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn figures_are_read_back_to_the_last_bit(loss in 0.0..10.0f64, accuracy in 0.0..1.0f64) {
            let written = serde_json::to_string(&Metrics { loss, accuracy })?;
            let read: Metrics = serde_json::from_str(&written)?;
            prop_assert_eq!((read.loss.to_bits(), read.accuracy.to_bits()), (loss.to_bits(), accuracy.to_bits()));
        }
    }
}
