//! From a description to shapes, and from shapes to tensors.

use super::{Architecture, LayerDescription, ShapeError};
use crate::{
    activation::Activation,
    linear_map::{Conv2d, Dense, LinearMap, LocallyConnected2d},
    network::{Layer, Network},
    pooling::Pool,
    randomness::Streams,
};
use std::rc::Rc;
use tch::{Device, Kind};

/// A layer before it has tensors.
#[derive(Debug)]
pub struct LayerPlan {
    /// What it is called, e.g. `2.conv`.
    pub name: String,
    /// Its synapses.
    pub map: Rc<dyn LinearMap>,
    /// Its activation.
    pub activation: Activation,
    /// Pooling of its activity.
    pub pool: Option<Pool>,
    /// Shape of one sample of its output.
    pub output_shape: Vec<i64>,
}

impl LayerPlan {
    /// Numbers in its weight.
    pub fn weight_count(&self) -> i64 {
        self.map.weight_shape().iter().product()
    }

    /// Numbers in its weight and its bias.
    pub fn parameter_count(&self) -> i64 {
        self.weight_count() + self.map.bias_shape().iter().product::<i64>()
    }

    /// Units of one sample of its output, pooled where it is.
    pub fn output_units(&self) -> i64 {
        self.output_shape.iter().product()
    }
}

impl From<&Layer> for LayerPlan {
    fn from(layer: &Layer) -> Self {
        Self {
            name: layer.name.clone(),
            map: Rc::clone(&layer.map),
            activation: layer.activation,
            pool: layer.pool,
            output_shape: layer.output_shape.clone(),
        }
    }
}

/// Where and in which precision a network lives.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// `Float`, or `Double` in tests of exactness.
    pub kind: Kind,
    /// Device of all parameters.
    pub device: Device,
}

impl Architecture {
    /// Works out every layer, the output layer included, for images of `[channels, height, width]`.
    ///
    /// # Errors
    /// Names the first layer that does not fit, and why.
    pub fn plan(&self, input_shape: [i64; 3], classes: i64) -> Result<Vec<LayerPlan>, ShapeError> {
        let (descriptions, activation, _) = self.description();
        let mut plans: Vec<LayerPlan> = Vec::new();
        for (index, description) in descriptions.iter().enumerate() {
            let input = plans.last().map_or(input_shape.to_vec(), |plan| plan.output_shape.clone());
            let refuse = |reason: String| ShapeError {
                layer: index + 1,
                description: describe(description),
                input: shape_text(&input),
                reason,
            };
            if let Some(pool) = pool_of(description) {
                let last =
                    plans.last_mut().ok_or_else(|| refuse("a pool must follow another layer".into()))?;
                if last.pool.is_some() {
                    return Err(refuse("a pool must follow a layer, not another pool".into()));
                }
                last.output_shape =
                    pool.output_shape(spatial(&input).map_err(refuse)?).map_err(refuse)?.to_vec();
                last.pool = Some(pool);
                continue;
            }
            let map = map_of(description, &input).map_err(refuse)?;
            let name = format!("{}.{}", plans.len() + 1, kind_name(description));
            plans.push(LayerPlan {
                name,
                output_shape: map.output_shape().to_vec(),
                map,
                activation,
                pool: None,
            });
        }
        let inputs = plans.last().map_or(&input_shape[..], |plan| &plan.output_shape).iter().product();
        let name = format!("{}.output", plans.len() + 1);
        let map: Rc<dyn LinearMap> = Rc::new(Dense::new(inputs, classes));
        plans.push(LayerPlan {
            name,
            map,
            activation: Activation::Linear,
            pool: None,
            output_shape: vec![classes],
        });
        Ok(plans)
    }

    /// Builds the network, its initial values drawn from the stream `initial weights`.
    ///
    /// # Errors
    /// Names the first layer that does not fit, and why.
    pub fn build(
        &self,
        input_shape: [i64; 3],
        classes: i64,
        Options { kind, device }: Options,
        streams: Streams,
    ) -> Result<Network, ShapeError> {
        let plans = self.plan(input_shape, classes)?;
        let (_, _, initialization) = self.description();
        let last = plans.len() - 1;
        streams.enter("initial weights", 0);
        let layers = plans.into_iter().enumerate().map(|(index, plan)| {
            let hidden = initialization.weights;
            let weights =
                if index == last { initialization.output_weights.unwrap_or(hidden) } else { hidden };
            Layer {
                weight: weights.weight(&*plan.map, kind, device),
                bias: Some(initialization.biases.bias(&*plan.map, kind, device)),
                name: plan.name,
                map: plan.map,
                activation: plan.activation,
                pool: plan.pool,
                output_shape: plan.output_shape,
            }
        });
        Ok(Network { layers: layers.collect(), input_shape: input_shape.to_vec() })
    }
}

fn map_of(description: &LayerDescription, input: &[i64]) -> Result<Rc<dyn LinearMap>, String> {
    let positive = |what: &str, count: u32| {
        if count == 0 { Err(format!("{what} must be at least 1")) } else { Ok(i64::from(count)) }
    };
    Ok(match description {
        LayerDescription::Dense(units) => {
            Rc::new(Dense::new(input.iter().product(), positive("units", *units)?))
        }
        LayerDescription::Conv(shape) => Rc::new(Conv2d::new(
            spatial(input)?,
            positive("channels", shape.channels)?,
            shape.kernel.into(),
            shape.stride.into(),
            shape.padding.into(),
        )?),
        LayerDescription::Local(shape) => Rc::new(LocallyConnected2d::new(
            spatial(input)?,
            positive("channels", shape.channels)?,
            shape.kernel.into(),
            shape.stride.into(),
            shape.padding.into(),
        )?),
        LayerDescription::MaxPool(_)
        | LayerDescription::AveragePool(_)
        | LayerDescription::GlobalAveragePool => {
            unreachable!("pools are part of the layer before them")
        }
    })
}

fn pool_of(description: &LayerDescription) -> Option<Pool> {
    let sizes = |window: &super::Window| {
        let kernel = i64::from(window.kernel);
        (kernel, window.stride.map_or(kernel, i64::from), i64::from(window.padding))
    };
    match description {
        LayerDescription::MaxPool(window) => {
            let (kernel, stride, padding) = sizes(window);
            Some(Pool::Max { kernel, stride, padding })
        }
        LayerDescription::AveragePool(window) => {
            let (kernel, stride, padding) = sizes(window);
            Some(Pool::Average { kernel, stride, padding })
        }
        LayerDescription::GlobalAveragePool => Some(Pool::GlobalAverage),
        _ => None,
    }
}

fn spatial(shape: &[i64]) -> Result<[i64; 3], String> {
    shape.try_into().map_err(|_| {
        "it needs feature maps (channels × height × width), so it can't follow a dense layer".into()
    })
}

pub(super) fn kind_name(description: &LayerDescription) -> &'static str {
    match description {
        LayerDescription::Conv(_) => "conv",
        LayerDescription::Local(_) => "local",
        LayerDescription::Dense(_) => "dense",
        LayerDescription::MaxPool(_) => "max_pool",
        LayerDescription::AveragePool(_) => "average_pool",
        LayerDescription::GlobalAveragePool => "global_average_pool",
    }
}

fn describe(description: &LayerDescription) -> String {
    let name = kind_name(description);
    match description {
        LayerDescription::Conv(shape) | LayerDescription::Local(shape) => format!(
            "{name}: {} channels, kernel {}, stride {}, padding {}",
            shape.channels, shape.kernel, shape.stride, shape.padding
        ),
        LayerDescription::Dense(units) => format!("{name}: {units}"),
        LayerDescription::MaxPool(window) | LayerDescription::AveragePool(window) => {
            format!("{name}: kernel {}", window.kernel)
        }
        LayerDescription::GlobalAveragePool => name.to_owned(),
    }
}

fn shape_text(shape: &[i64]) -> String {
    shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×")
}
