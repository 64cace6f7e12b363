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
    /// `φ(a)`, `[batch, …map.output_shape()]`.
    pub activity: Tensor,
    pooled: Option<Pooled>,
}

impl LayerTrace {
    /// `h`, `[batch, …layer.output_shape]`.
    pub fn output(&self) -> &Tensor {
        self.pooled.as_ref().map_or(&self.activity, |pooled| &pooled.output)
    }
}

impl Layer {
    /// Computes the layer, keeping what learning needs. Any input with the right number of values per
    /// sample is taken: the layer flattens or reshapes it to what its map reads.
    pub fn forward(&self, input: &Tensor) -> LayerTrace {
        let input = reshape_samples(input, self.map.input_shape());
        let activity = self.activation.apply(self.map.apply(&self.weight, self.bias.as_ref(), &input));
        let pooled = self.pool.map(|pool| pool.apply(&activity));
        LayerTrace { input, activity, pooled }
    }

    /// Carries an error at the layer's output `h` to its pre-activation `a`: the exact local Jacobian of
    /// pool and activation. `output_error` has as many values per sample as `h`.
    pub fn preactivation_error(&self, trace: &LayerTrace, output_error: &Tensor) -> Tensor {
        let error = reshape_samples(output_error, &self.output_shape);
        match (self.pool, &trace.pooled) {
            (Some(pool), Some(pooled)) => {
                let error = pool.adjoint(&error, &trace.activity, pooled);
                self.activation.times_derivative(&error, &trace.activity)
            }
            _ => self.activation.times_derivative(&error, &trace.activity),
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
            let trace = layer.forward(layers.last().map_or(inputs, LayerTrace::output));
            layers.push(trace);
        }
        Trace { layers }
    }

    /// The output `[batch, classes]`, without keeping the layers.
    pub fn output(&self, inputs: &Tensor) -> Tensor {
        self.layers.iter().fold(inputs.shallow_clone(), |input, layer| {
            let trace = layer.forward(&input);
            trace.pooled.map_or(trace.activity, |pooled| pooled.output)
        })
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
        self.layers.last().expect("a network has at least one layer").output()
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
