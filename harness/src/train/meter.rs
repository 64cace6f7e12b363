//! Mean loss and accuracy over batches, without making a GPU wait at every one of them.

use crate::record::Metrics;
use apical_algorithms::loss::correct_predictions;
use tch::{Device, Kind, Tensor};

/// On a GPU, reading the loss makes the processor wait; it is read once in so many steps.
const STEPS_BETWEEN_LOSS_CHECKS_ON_GPU: usize = 50;

/// A running mean.
pub(super) struct Meter {
    reads_at_once: bool,
    batches: usize,
    samples: i64,
    loss: f64,
    loss_on_device: Option<Tensor>,
    correct: Tensor,
}

impl Meter {
    /// Of nothing yet, for batches on `device`.
    pub fn new(device: Device) -> Self {
        Self {
            reads_at_once: device == Device::Cpu,
            batches: 0,
            samples: 0,
            loss: 0.0,
            loss_on_device: None,
            correct: Tensor::zeros([], (Kind::Int64, device)),
        }
    }

    /// Adds a batch; returns its loss if that is known not to be finite.
    pub fn add(&mut self, loss: &Tensor, output: &Tensor, labels: &Tensor) -> Option<f64> {
        let batch = labels.size()[0];
        self.batches += 1;
        self.samples += batch;
        let _ = self.correct.g_add_(&correct_predictions(output, labels));
        if self.reads_at_once {
            let loss = loss.double_value(&[]);
            self.loss += loss * batch as f64;
            return Some(loss).filter(|loss| !loss.is_finite());
        }
        let weighted = loss.to_kind(Kind::Double) * batch as f64;
        self.loss_on_device = Some(match self.loss_on_device.take() {
            Some(sum) => sum + weighted,
            None => weighted,
        });
        if !self.batches.is_multiple_of(STEPS_BETWEEN_LOSS_CHECKS_ON_GPU) {
            return None;
        }
        self.loss_on_device.as_ref().map(|sum| sum.double_value(&[])).filter(|sum| !sum.is_finite())
    }

    /// Over the samples of all batches added.
    pub fn metrics(&self) -> Metrics {
        let samples = self.samples as f64;
        let loss = self.loss_on_device.as_ref().map_or(self.loss, |sum| sum.double_value(&[]));
        Metrics { loss: loss / samples, accuracy: self.correct.int64_value(&[]) as f64 / samples }
    }
}
