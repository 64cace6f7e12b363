//! The fully connected map: `y = x θᵀ`, `θ` of shape `[outputs, inputs]`.

use super::LinearMap;
use crate::native;
use tch::Tensor;

/// Every output unit reads every input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    input_shape: [i64; 1],
    output_shape: [i64; 1],
}

impl Dense {
    /// A map from `inputs` to `outputs` units.
    pub fn new(inputs: i64, outputs: i64) -> Self {
        Self { input_shape: [inputs], output_shape: [outputs] }
    }
}

impl LinearMap for Dense {
    fn input_shape(&self) -> &[i64] {
        &self.input_shape
    }

    fn output_shape(&self) -> &[i64] {
        &self.output_shape
    }

    fn weight_shape(&self) -> Vec<i64> {
        vec![self.output_shape[0], self.input_shape[0]]
    }

    fn bias_shape(&self) -> Vec<i64> {
        self.output_shape.to_vec()
    }

    fn fan_in(&self) -> i64 {
        self.input_shape[0]
    }

    fn fan_out(&self) -> i64 {
        self.output_shape[0]
    }

    fn apply(&self, weight: &Tensor, bias: Option<&Tensor>, input: &Tensor) -> Tensor {
        native::matmul(input, &weight.tr(), bias)
    }

    fn input_adjoint(&self, weight: &Tensor, error: &Tensor) -> Tensor {
        native::matmul(error, weight, None)
    }

    fn weight_adjoint(&self, input: &Tensor, error: &Tensor) -> Tensor {
        native::matmul(&error.tr(), input, None)
    }

    fn bias_adjoint(&self, error: &Tensor) -> Tensor {
        error.sum_dim_intlist([0i64].as_slice(), false, None)
    }

    fn accumulate_weight_adjoint(
        &self,
        own: &mut Tensor,
        beta: f64,
        alpha: f64,
        input: &Tensor,
        error: &Tensor,
    ) {
        native::addmm_(own, &error.tr(), input, beta, alpha);
    }
}
