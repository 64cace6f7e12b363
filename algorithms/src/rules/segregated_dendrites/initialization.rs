//! The analytic initialization of the official code ("weight optimization"): weights and biases uniform around means and
//! with deviations for which dendritic potentials have mean 3 and standard deviation 3 where the layer below has such
//! potentials too, its rate being taken as linear in them with slope `ν = λ_max / 4`.

use crate::{linear_map::LinearMap, network::Network};
use tch::{Device, Kind, Tensor};

const POTENTIAL: f64 = 3.0;
const POTENTIAL_DEVIATION: f64 = 3.0;
const BIAS: f64 = 0.8;
const BIAS_DEVIATION: f64 = 0.001;
/// As in the official code. A uniform number in ±1 has the deviation 1/√3, so the weights get twice the one computed, and so
/// nearly do the potentials: 6, not 3.
const HALF_WIDTH: f64 = 3.465;

/// Uniform in `mean ± half_width`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Uniform {
    pub mean: f64,
    pub half_width: f64,
}

impl Uniform {
    /// Drawn on the CPU, so that a run starts alike on every device.
    pub fn draw(self, shape: &[i64], kind: Kind, device: Device) -> Tensor {
        let drawn = Tensor::zeros(shape, (kind, Device::Cpu)).uniform_(-1.0, 1.0);
        (drawn * self.half_width + self.mean).to_device(device)
    }
}

/// The distribution of weights on neurons that read `fan_in` others; `max_rate` in spikes per time step.
pub(super) fn weights(fan_in: i64, max_rate: f64) -> Uniform {
    let count = fan_in as f64;
    let slope = 0.25 * max_rate;
    let second_moment = POTENTIAL_DEVIATION.powi(2) + POTENTIAL.powi(2);
    let mean = (POTENTIAL - BIAS) / (slope * count * POTENTIAL);
    // The mean square of a weight for which the potential's second moment comes out right.
    let square = (second_moment + (slope * mean * POTENTIAL).powi(2) * (count - count * count)
        - 2.0 * count * slope * BIAS * POTENTIAL * mean
        - BIAS * BIAS)
        / (count * slope * slope * second_moment);
    Uniform { mean, half_width: HALF_WIDTH * (square - mean * mean).sqrt() }
}

pub(super) fn biases() -> Uniform {
    Uniform { mean: BIAS, half_width: HALF_WIDTH * BIAS_DEVIATION }
}

/// Starts all forward weights and biases so.
pub(super) fn start(network: &Network, max_rate: f64) {
    for layer in &network.layers {
        let map: &dyn LinearMap = &*layer.map;
        let redraw = |parameter: &Tensor, distribution: Uniform| {
            let mut parameter = parameter.shallow_clone();
            parameter.copy_(&distribution.draw(&parameter.size(), parameter.kind(), parameter.device()));
        };
        redraw(&layer.weight, weights(map.fan_in(), max_rate));
        if let Some(bias) = &layer.bias {
            redraw(bias, biases());
        }
    }
}
