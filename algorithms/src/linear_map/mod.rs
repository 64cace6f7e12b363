//! The three things that every learning rule needs of a layer.
//!
//! A layer's synapses are a bilinear map `y = A(θ) x`. A rule applies it forwards, applies its transpose
//! to carry something back, and asks how `θ` must change to move `y`; it never learns whether the map is
//! dense, convolutional or locally connected. A feedback pathway is the same map with another tensor in
//! the place of `θ`, so every rule runs on every architecture (Bartunov et al. 2018, appendix).

mod conv2d;
mod dense;
mod locally_connected;

pub use conv2d::Conv2d;
pub use dense::Dense;
pub use locally_connected::LocallyConnected2d;

use crate::native;
use tch::Tensor;

/// A bilinear map from `(θ, x)` to `y`, without the bias.
///
/// Shapes are per sample; every tensor argument has a leading batch dimension: `x` is `[batch, …input_shape]`,
/// `y` and `error` are `[batch, …output_shape]`, `θ` is `[…weight_shape]`.
pub trait LinearMap: std::fmt::Debug {
    /// Shape of one sample at the input: `[units]` or `[channels, height, width]`.
    fn input_shape(&self) -> &[i64];
    /// Shape of one sample at the output.
    fn output_shape(&self) -> &[i64];
    /// Shape of `θ`, and of any feedback tensor with the same structure.
    fn weight_shape(&self) -> Vec<i64>;
    /// Shape of the bias: one per unit, or one per channel where weights are shared.
    fn bias_shape(&self) -> Vec<i64>;
    /// How many inputs each output unit reads.
    fn fan_in(&self) -> i64;
    /// How many output units read each input, away from the borders.
    fn fan_out(&self) -> i64;

    /// `A(θ) x + b`.
    fn apply(&self, weight: &Tensor, bias: Option<&Tensor>, input: &Tensor) -> Tensor;
    /// `A(θ)ᵀ error`, shaped like the input.
    fn input_adjoint(&self, weight: &Tensor, error: &Tensor) -> Tensor;
    /// `∂⟨error, A(θ) x⟩ / ∂θ`, summed over the batch, shaped like `θ`.
    fn weight_adjoint(&self, input: &Tensor, error: &Tensor) -> Tensor;
    /// `∂⟨error, b⟩ / ∂b`, summed over the batch (and over positions that share a bias).
    fn bias_adjoint(&self, error: &Tensor) -> Tensor;

    /// `own ← beta·own + alpha·weight_adjoint(input, error)`, in place.
    ///
    /// Maps whose weight adjoint is one GEMM override this to accumulate it without a temporary.
    fn accumulate_weight_adjoint(
        &self,
        own: &mut Tensor,
        beta: f64,
        alpha: f64,
        input: &Tensor,
        error: &Tensor,
    ) {
        native::axpby_(own, beta, alpha, &self.weight_adjoint(input, error));
    }

    /// Numbers of one sample that an operation lays out beside its input and output, as windows are for a GEMM.
    fn unfolded_values(&self) -> i64 {
        0
    }

    /// Multiply-accumulate operations of one `apply` on one sample.
    fn multiply_accumulates(&self) -> i64 {
        self.fan_in() * self.output_shape().iter().product::<i64>()
    }
}

/// How many positions a square window takes along each axis of a `[channels, height, width]` input.
///
/// # Errors
/// Says why, when there is none, or a size is not positive.
pub(crate) fn window_positions(
    input_shape: [i64; 3],
    kernel: i64,
    stride: i64,
    padding: i64,
) -> Result<[i64; 2], String> {
    let [_, height, width] = input_shape;
    if kernel < 1 || stride < 1 || padding < 0 {
        return Err(format!(
            "kernel {kernel} and stride {stride} must be at least 1, and padding {padding} at least 0"
        ));
    }
    if height + 2 * padding < kernel || width + 2 * padding < kernel {
        return Err(format!(
            "a kernel of {kernel}×{kernel} does not fit into {height}×{width} with padding {padding}"
        ));
    }
    Ok([height, width].map(|size| (size + 2 * padding - kernel) / stride + 1))
}
