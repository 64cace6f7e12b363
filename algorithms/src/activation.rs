//! Elementwise transfer functions, and their derivatives written in terms of the *output*, so that a
//! network need not keep its pre-activations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// A transfer function `h = φ(a)`; none ever decreases, so that it may change places with a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `tanh(a)`.
    Tanh,
    /// `1 / (1 + e^{−a})`.
    Logistic,
    /// `max(0, a)`.
    Relu,
    /// `log(1 + e^a)`.
    Softplus,
    /// `a`.
    Linear,
}

impl Activation {
    /// `φ(a)`, overwriting `a` where LibTorch can.
    pub fn apply(self, mut preactivation: Tensor) -> Tensor {
        match self {
            Self::Tanh => preactivation.tanh_(),
            Self::Logistic => preactivation.sigmoid_(),
            Self::Relu => preactivation.relu_(),
            Self::Softplus => preactivation.softplus(),
            Self::Linear => preactivation,
        }
    }

    /// `error ⊙ φ′(a)`, given `activity = φ(a)`; all of one shape.
    pub fn times_derivative(self, error: &Tensor, activity: &Tensor) -> Tensor {
        match self {
            Self::Tanh => Tensor::tanh_backward(error, activity),
            Self::Logistic => Tensor::sigmoid_backward(error, activity),
            Self::Relu => activity.threshold_backward(error, 0),
            // φ′ = 1 / (1 + e^{−a}) = 1 − e^{−φ}
            Self::Softplus => error * (-((-activity).expm1())),
            Self::Linear => error.shallow_clone(),
        }
    }
}
