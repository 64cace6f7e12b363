//! The locally connected map: a convolution whose every position has its own kernel,
//! `θ` of shape `[positions, out, in·kernel²]`.
//!
//! With the input unfolded to `U [positions, batch, in·kernel²]`, each of the three operations is one
//! batched GEMM over positions (`[positions, …]`), so a locally connected layer costs what its
//! multiplications cost.

use super::LinearMap;
use crate::native;
use tch::Tensor;

/// A two-dimensional locally connected map with a square kernel, one stride and zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocallyConnected2d {
    input_shape: [i64; 3],
    output_shape: [i64; 3],
    kernel: i64,
    stride: i64,
    padding: i64,
}

impl LocallyConnected2d {
    /// A map of `[channels, height, width]` inputs to `channels_out` feature maps.
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

    fn positions(&self) -> i64 {
        self.output_shape[1] * self.output_shape[2]
    }

    /// Every window as a row: `[positions, batch, in·kernel²]`.
    fn unfold(&self, input: &Tensor) -> Tensor {
        let padded =
            if self.padding == 0 { input.shallow_clone() } else { input.constant_pad_nd([self.padding; 4]) };
        // [batch, in, height′, width′, kernel, kernel], a view; the reshape makes the only copy.
        let windows = padded.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride);
        windows.permute([2, 3, 0, 1, 4, 5]).reshape([self.positions(), input.size()[0], self.fan_in()])
    }

    /// `[batch, out, height′, width′]` → `[positions, batch, out]`.
    fn by_position(&self, error: &Tensor) -> Tensor {
        let [channels, height, width] = self.output_shape;
        error.permute([2, 3, 0, 1]).reshape([height * width, error.size()[0], channels])
    }
}

impl LinearMap for LocallyConnected2d {
    fn input_shape(&self) -> &[i64] {
        &self.input_shape
    }

    fn output_shape(&self) -> &[i64] {
        &self.output_shape
    }

    fn weight_shape(&self) -> Vec<i64> {
        vec![self.positions(), self.output_shape[0], self.fan_in()]
    }

    fn bias_shape(&self) -> Vec<i64> {
        self.output_shape.to_vec()
    }

    fn fan_in(&self) -> i64 {
        self.input_shape[0] * self.kernel * self.kernel
    }

    fn fan_out(&self) -> i64 {
        (self.output_shape[0] * self.kernel * self.kernel) / (self.stride * self.stride)
    }

    fn apply(&self, weight: &Tensor, bias: Option<&Tensor>, input: &Tensor) -> Tensor {
        let [channels, height, width] = self.output_shape;
        let output = native::matmul(&self.unfold(input), &weight.transpose(1, 2), None);
        let output = output.reshape([height, width, -1, channels]).permute([2, 3, 0, 1]);
        match bias {
            Some(bias) => output + bias,
            None => output.contiguous(),
        }
    }

    fn input_adjoint(&self, weight: &Tensor, error: &Tensor) -> Tensor {
        // [positions, batch, in·kernel²] → [batch, in·kernel², positions], the layout that col2im folds.
        let windows = native::matmul(&self.by_position(error), weight, None).permute([1, 2, 0]);
        windows.col2im(&self.input_shape[1..], [self.kernel; 2], [1, 1], [self.padding; 2], [self.stride; 2])
    }

    fn weight_adjoint(&self, input: &Tensor, error: &Tensor) -> Tensor {
        native::matmul(&self.by_position(error).transpose(1, 2), &self.unfold(input), None)
    }

    fn bias_adjoint(&self, error: &Tensor) -> Tensor {
        error.sum_dim_intlist([0i64].as_slice(), false, None)
    }

    fn unfolded_values(&self) -> i64 {
        self.positions() * self.fan_in()
    }

    fn accumulate_weight_adjoint(
        &self,
        own: &mut Tensor,
        beta: f64,
        alpha: f64,
        input: &Tensor,
        error: &Tensor,
    ) {
        native::baddbmm_(own, &self.by_position(error).transpose(1, 2), &self.unfold(input), beta, alpha);
    }
}
