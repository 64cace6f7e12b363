//! The convolutional map: one kernel shared by all positions, `θ` of shape `[out, in, kernel, kernel]`.

use super::LinearMap;
use crate::native::{ConvolutionAdjoint, convolution_backward};
use tch::Tensor;

/// A two-dimensional convolution with a square kernel, one stride and zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv2d {
    input_shape: [i64; 3],
    output_shape: [i64; 3],
    kernel: i64,
    stride: i64,
    padding: i64,
}

impl Conv2d {
    /// A convolution of `[channels, height, width]` inputs to `channels_out` feature maps.
    ///
    /// # Errors
    /// Says why, when the padded input is smaller than the kernel or a size is not positive.
    pub fn new(
        input_shape: [i64; 3],
        channels_out: i64,
        kernel: i64,
        stride: i64,
        padding: i64,
    ) -> Result<Self, String> {
        let [height, width] = super::window_positions(input_shape, kernel, stride, padding)?;
        Ok(Self { input_shape, output_shape: [channels_out, height, width], kernel, stride, padding })
    }
}

impl LinearMap for Conv2d {
    fn input_shape(&self) -> &[i64] {
        &self.input_shape
    }

    fn output_shape(&self) -> &[i64] {
        &self.output_shape
    }

    fn weight_shape(&self) -> Vec<i64> {
        vec![self.output_shape[0], self.input_shape[0], self.kernel, self.kernel]
    }

    fn bias_shape(&self) -> Vec<i64> {
        vec![self.output_shape[0]]
    }

    fn fan_in(&self) -> i64 {
        self.input_shape[0] * self.kernel * self.kernel
    }

    fn fan_out(&self) -> i64 {
        // Each input lies under (kernel / stride)² windows.
        (self.output_shape[0] * self.kernel * self.kernel) / (self.stride * self.stride)
    }

    fn apply(&self, weight: &Tensor, bias: Option<&Tensor>, input: &Tensor) -> Tensor {
        input.conv2d(weight, bias, [self.stride; 2], [self.padding; 2], [1, 1], 1)
    }

    fn input_adjoint(&self, weight: &Tensor, error: &Tensor) -> Tensor {
        let shape = [error.size()[0], self.input_shape[0], self.input_shape[1], self.input_shape[2]];
        // A view of one number: the adjoint reads nothing of the input but its shape.
        let input = Tensor::zeros([1], (error.kind(), error.device())).expand(shape, false);
        convolution_backward(error, &input, weight, self.stride, self.padding, ConvolutionAdjoint::Input)
    }

    fn weight_adjoint(&self, input: &Tensor, error: &Tensor) -> Tensor {
        let weight = Tensor::zeros([1], (error.kind(), error.device())).expand(self.weight_shape(), false);
        convolution_backward(error, input, &weight, self.stride, self.padding, ConvolutionAdjoint::Weight)
    }

    fn bias_adjoint(&self, error: &Tensor) -> Tensor {
        error.sum_dim_intlist([0i64, 2, 3].as_slice(), false, None)
    }
}
