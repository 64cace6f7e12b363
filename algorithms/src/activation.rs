//! Elementwise transfer functions, and their derivatives written in terms of the *output*, so that a
//! network need not keep its pre-activations.

use crate::native;
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
            Self::Tanh => {
                native::tanh_(&mut preactivation);
                preactivation
            }
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

#[cfg(test)]
mod tests {
    use super::Activation;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn tanh_in_float32_is_right_to_five_units_in_the_last_place() {
        let small = Tensor::logspace(-20.0, 1.0, 40_001, 10.0, (Kind::Float, Device::Cpu));
        let all = Tensor::cat(
            &[&small, &-&small, &Tensor::linspace(-12.0, 12.0, 200_001, (Kind::Float, Device::Cpu))],
            0,
        );
        let exact = all.to_kind(Kind::Double).tanh();
        let ours = Activation::Tanh.apply(all.copy()).to_kind(Kind::Double);
        let error = ((&ours - &exact).abs() / exact.abs().clamp_min(1e-30)).max().double_value(&[]);
        assert!(error <= 5.0 * f64::from(f32::EPSILON), "{error:e}");
        assert!(ours.abs().max().double_value(&[]) <= 1.0);
    }

    #[test]
    fn tanh_of_what_is_not_finite_is_that_of_libtorch() {
        let values = Tensor::from_slice(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0]);
        let ours = Activation::Tanh.apply(values.copy());
        assert!(ours.allclose(&values.tanh(), 1e-6, 0.0, true), "{ours}");
    }
}
