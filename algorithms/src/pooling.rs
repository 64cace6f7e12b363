//! Pooling, with the exact local adjoint that carries an error from a pooled map to the units below it.

use crate::native;
use tch::{Device, Kind, Tensor};

/// How a layer's feature maps are pooled after its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The largest of each window.
    Max {
        /// Side of the square window.
        kernel: i64,
        /// Distance between windows.
        stride: i64,
        /// Zeros (minus infinities) around the map.
        padding: i64,
    },
    /// The mean of each window.
    Average {
        /// Side of the square window.
        kernel: i64,
        /// Distance between windows.
        stride: i64,
        /// Zeros around the map, counted in the mean.
        padding: i64,
    },
    /// The mean of each feature map: `[batch, channels, 1, 1]`.
    GlobalAverage,
}

/// Feature maps after pooling, with what the adjoint needs.
#[derive(Debug)]
pub struct Pooled {
    /// `[batch, channels, height′, width′]`.
    pub output: Tensor,
    /// For max-pooling, where each maximum was found.
    indices: Option<Tensor>,
}

impl Pool {
    /// Shape of a pooled sample.
    ///
    /// # Errors
    /// Says why, when the window does not fit.
    pub fn output_shape(self, [channels, height, width]: [i64; 3]) -> Result<[i64; 3], String> {
        match self {
            Self::GlobalAverage => Ok([channels, 1, 1]),
            Self::Max { kernel, stride, padding } | Self::Average { kernel, stride, padding } => {
                if 2 * padding > kernel {
                    return Err(format!("padding {padding} is more than half of the window of {kernel}"));
                }
                let input_shape = [channels, height, width];
                let [height, width] =
                    crate::linear_map::window_positions(input_shape, kernel, stride, padding)?;
                Ok([channels, height, width])
            }
        }
    }

    /// Pools `maps` `[batch, channels, height, width]`.
    pub fn apply(self, maps: &Tensor) -> Pooled {
        match self {
            Self::Max { kernel, stride, padding } => {
                let (output, indices) = if maps.kind() == Kind::Float && maps.device() == Device::Cpu {
                    native::max_pool2d(maps, kernel, stride, padding)
                } else {
                    maps.max_pool2d_with_indices([kernel; 2], [stride; 2], [padding; 2], [1, 1], false)
                };
                Pooled { output, indices: Some(indices) }
            }
            Self::Average { kernel, stride, padding } => {
                let output =
                    maps.avg_pool2d([kernel; 2], [stride; 2], [padding; 2], false, true, None::<i64>);
                Pooled { output, indices: None }
            }
            Self::GlobalAverage => {
                Pooled { output: maps.mean_dim([2i64, 3].as_slice(), true, None), indices: None }
            }
        }
    }

    /// Carries `error`, shaped like the pooled output, back to the shape of `maps`.
    pub fn adjoint(self, error: &Tensor, maps: &Tensor, pooled: &Pooled) -> Tensor {
        match (self, &pooled.indices) {
            (Self::Max { kernel, stride, padding }, Some(indices)) => maps.max_pool2d_with_indices_backward(
                error,
                [kernel; 2],
                [stride; 2],
                [padding; 2],
                [1, 1],
                false,
                indices,
            ),
            (Self::Average { kernel, stride, padding }, _) => maps.avg_pool2d_backward(
                error,
                [kernel; 2],
                [stride; 2],
                [padding; 2],
                false,
                true,
                None::<i64>,
            ),
            (Self::GlobalAverage, _) => {
                let size = maps.size();
                (error / (size[2] * size[3]) as f64).expand_as(maps)
            }
            (Self::Max { .. }, None) => unreachable!("max-pooling always records its indices"),
        }
    }
}
