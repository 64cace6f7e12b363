//! A network is a stack of layers; a layer is a linear map, a bias, an activation and perhaps a pool.
//!
//! The forward pass keeps what learning needs and nothing else: each layer's input and its activity.

use crate::{
    activation::Activation,
    linear_map::LinearMap,
    pooling::{Pool, Pooled},
};
use std::rc::Rc;
use tch::Tensor;

/// One layer: `h = pool(φ(A(θ) x + b))`.
#[derive(Debug)]
pub struct Layer {
    /// What it is called in diagnostics and checkpoints, e.g. `2.conv`.
    pub name: String,
    /// Its synapses.
    pub map: Rc<dyn LinearMap>,
    /// `θ`, shaped as the map says.
    pub weight: Tensor,
    /// `b`, shaped as the map says.
    pub bias: Option<Tensor>,
    /// `φ`; linear at the output, where the loss supplies the rest.
    pub activation: Activation,
    /// Pooling of the activity.
    pub pool: Option<Pool>,
    /// Shape of one sample of `h`.
    pub output_shape: Vec<i64>,
}

/// What one layer did with a batch.
#[derive(Debug)]
pub struct LayerTrace {
    /// `x`, `[batch, …map.input_shape()]`.
    pub input: Tensor,
    /// `h`, `[batch, …layer.output_shape]`.
    pub output: Tensor,
    pooling: Option<Pooling>,
}

/// What a pooled layer keeps beside its output. An average is taken of the activity: `h = pool(φ(a))`. A
/// maximum is taken before the activation, which gives the same, `φ(max a) = max φ(a)`, and leaves `φ` and
/// its derivative only the maxima to be computed for.
#[derive(Debug)]
struct Pooling {
    /// What was pooled: `φ(a)`, or for a maximum `a`; `[batch, …map.output_shape()]`.
    maps: Tensor,
    pooled: Pooled,
}

impl Layer {
    /// Computes the layer, keeping what learning needs. Any input with the right number of values per
    /// sample is taken: the layer flattens or reshapes it to what its map reads.
    pub fn forward(&self, input: &Tensor) -> LayerTrace {
        let input = reshape_samples(input, self.map.input_shape());
        let preactivation = self.map.apply(&self.weight, self.bias.as_ref(), &input);
        let Some(pool) = self.pool else {
            return LayerTrace { input, output: self.activation.apply(preactivation), pooling: None };
        };
        if let Pool::Max { .. } = pool {
            let pooled = pool.apply(&preactivation);
            let output = self.activation.apply(pooled.output.shallow_clone());
            return LayerTrace { input, output, pooling: Some(Pooling { maps: preactivation, pooled }) };
        }
        let maps = self.activation.apply(preactivation);
        let pooled = pool.apply(&maps);
        LayerTrace { input, output: pooled.output.shallow_clone(), pooling: Some(Pooling { maps, pooled }) }
    }

    /// Carries an error at the layer's output `h` to its pre-activation `a`: the exact local Jacobian of
    /// pool and activation. `output_error` has as many values per sample as `h`.
    pub fn preactivation_error(&self, trace: &LayerTrace, output_error: &Tensor) -> Tensor {
        let error = reshape_samples(output_error, &self.output_shape);
        match (self.pool, &trace.pooling) {
            (Some(pool @ Pool::Max { .. }), Some(Pooling { maps, pooled })) => {
                pool.adjoint(&self.activation.times_derivative(&error, &trace.output), maps, pooled)
            }
            (Some(pool), Some(Pooling { maps, pooled })) => {
                self.activation.times_derivative(&pool.adjoint(&error, maps, pooled), maps)
            }
            _ => self.activation.times_derivative(&error, &trace.output),
        }
    }

    /// Values per sample of `h`.
    pub fn output_units(&self) -> i64 {
        self.output_shape.iter().product()
    }
}

/// A feed-forward network with linear output units.
#[derive(Debug)]
pub struct Network {
    /// From the input to the output.
    pub layers: Vec<Layer>,
    /// Shape of one input sample: `[channels, height, width]`.
    pub input_shape: Vec<i64>,
}

impl Network {
    /// Computes the network, keeping what learning needs of every layer.
    pub fn forward(&self, inputs: &Tensor) -> Trace {
        let mut layers: Vec<LayerTrace> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let trace = layer.forward(layers.last().map_or(inputs, |below| &below.output));
            layers.push(trace);
        }
        Trace { layers }
    }

    /// The output `[batch, classes]`, without keeping the layers.
    pub fn output(&self, inputs: &Tensor) -> Tensor {
        self.layers.iter().fold(inputs.shallow_clone(), |input, layer| layer.forward(&input).output)
    }

    /// Number of classes.
    pub fn classes(&self) -> i64 {
        self.layers.last().map_or(0, Layer::output_units)
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> i64 {
        let count = |tensor: &Tensor| tensor.numel() as i64;
        self.layers.iter().map(|layer| count(&layer.weight) + layer.bias.as_ref().map_or(0, count)).sum()
    }

    /// Every weight and bias with its name, e.g. `2.conv.weight`; the tensors share their storage.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut parameters = Vec::new();
        for layer in &self.layers {
            parameters.push((format!("{}.weight", layer.name), layer.weight.shallow_clone()));
            if let Some(bias) = &layer.bias {
                parameters.push((format!("{}.bias", layer.name), bias.shallow_clone()));
            }
        }
        parameters
    }
}

/// What a forward pass keeps.
#[derive(Debug)]
pub struct Trace {
    /// One per layer of the network.
    pub layers: Vec<LayerTrace>,
}

impl Trace {
    /// The network's output, `[batch, classes]`.
    pub fn output(&self) -> &Tensor {
        &self.layers.last().expect("a network has at least one layer").output
    }
}

/// `tensor` with its samples in another shape of the same number of values; free where it already fits.
pub fn reshape_samples(tensor: &Tensor, sample_shape: &[i64]) -> Tensor {
    let size = tensor.size();
    if size[1..] == *sample_shape {
        return tensor.shallow_clone();
    }
    let mut shape = vec![size[0]];
    shape.extend_from_slice(sample_shape);
    tensor.reshape(shape)
}
