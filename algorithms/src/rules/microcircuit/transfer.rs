//! How a potential becomes a rate, and a rate to be reached a potential: the neurons are the circuit's own, whatever the
//! architecture's activation.

use super::config::Targets;
use crate::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// The transfer function `r = φ(u)` of every pyramidal cell and interneuron.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// `1 / (1 + e^{−u})` (the paper's classification of digits).
    #[default]
    Logistic,
    /// `γ log(1 + e^{β (u − θ)})` (the paper's regression).
    SoftRectifying(SoftRectifying),
}

/// Constants of the soft-rectifying transfer function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SoftRectifying {
    /// γ, the scale of rates.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gamma: f64,
    /// β, the inverse of the width of the bend, in units of potential.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub beta: f64,
    /// θ, the potential at which rates begin to rise.
    pub threshold: f64,
}

impl Default for SoftRectifying {
    fn default() -> Self {
        Self { gamma: 0.1, beta: 1.0, threshold: 3.0 }
    }
}

impl Transfer {
    /// `φ(u)`, of any shape.
    pub fn rate(self, potential: &Tensor) -> Tensor {
        match self {
            Self::Logistic => potential.sigmoid(),
            Self::SoftRectifying(SoftRectifying { gamma, beta, threshold }) => {
                // log(1 + e^x) = −log σ(−x), without the linear branch of LibTorch's softplus.
                let mut drive = potential * -beta;
                let _ = drive.g_add_scalar_(beta * threshold);
                let mut rate = drive.log_sigmoid();
                let _ = rate.g_mul_scalar_(-gamma);
                rate
            }
        }
    }

    /// `error ⊙ φ′(u)`, given `rate = φ(u)`; all of one shape.
    pub fn times_derivative(self, error: &Tensor, rate: &Tensor) -> Tensor {
        match self {
            Self::Logistic => Tensor::sigmoid_backward(error, rate),
            // φ′ = γβ σ(β (u − θ)) and e^{−r/γ} = 1 − σ.
            Self::SoftRectifying(SoftRectifying { gamma, beta, .. }) => {
                (rate * (-1.0 / gamma)).expm1() * error * (-gamma * beta)
            }
        }
    }

    /// `φ⁻¹(r)`.
    pub fn potential(self, rate: f64) -> f64 {
        match self {
            Self::Logistic => (rate / (1.0 - rate)).ln(),
            Self::SoftRectifying(SoftRectifying { gamma, beta, threshold }) => {
                threshold + (rate / gamma).exp_m1().ln() / beta
            }
        }
    }

    /// The largest rate, where there is one.
    pub fn largest_rate(self) -> Option<f64> {
        match self {
            Self::Logistic => Some(1.0),
            Self::SoftRectifying(_) => None,
        }
    }

    /// What is wrong with its constants, if anything.
    pub fn problems(self) -> Vec<Problem> {
        let Self::SoftRectifying(SoftRectifying { gamma, beta, threshold }) = self else { return Vec::new() };
        let mut problems = Vec::new();
        for (name, value) in [("gamma", gamma), ("beta", beta)] {
            if !(value > 0.0 && value.is_finite()) {
                problems.push(Problem::at(format!("soft-rectifying.{name}"), "must be greater than 0"));
            }
        }
        if !threshold.is_finite() {
            problems.push(Problem::at("soft-rectifying.threshold", "must be a number"));
        }
        problems
    }
}

/// What the output's somata are nudged towards, `[batch, outputs]`: for a label `φ⁻¹` of the target rates, for a regression
/// the target values, which are potentials. `like` is `[batch, outputs]`.
pub fn target_potentials(targets: Targets, transfer: Transfer, labels: &Tensor, like: &Tensor) -> Tensor {
    if labels.dim() == 2 {
        return labels.shallow_clone();
    }
    let mut target = like.full_like(transfer.potential(targets.others));
    let _ = target.scatter_value_(1, &labels.unsqueeze(1), transfer.potential(targets.class));
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn a_rate_has_one_potential_and_the_slope_that_a_difference_shows() {
        for transfer in [Transfer::Logistic, Transfer::SoftRectifying(SoftRectifying::default())] {
            for rate in [0.01, 0.1, 0.5, 0.8] {
                let at = |u: f64| transfer.rate(&Tensor::from_slice(&[u])).double_value(&[0]);
                let potential = transfer.potential(rate);
                assert!((at(potential) / rate - 1.0).abs() < 1e-12);
                let slope = (at(potential + 1e-5) - at(potential - 1e-5)) / 2e-5;
                let one = Tensor::ones([1], (Kind::Double, tch::Device::Cpu));
                let ours = transfer.times_derivative(&one, &Tensor::from_slice(&[rate])).double_value(&[0]);
                assert!((ours / slope - 1.0).abs() < 1e-7, "{transfer:?} at {rate}: {ours} and {slope}");
            }
        }
    }
}
