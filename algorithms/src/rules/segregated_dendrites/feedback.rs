//! What reaches the apical dendrites: `A_l = A(Y)ᵀ r + c`, with `r` the activity of the output layer (broadcast, `Y`
//! `[classes, units]`) or of the layer above (`Y` shaped like its weight). `Y` is fixed, or learns, or follows the forward
//! weights; four fifths of it may be missing.

use super::{
    config::{Config, Source, Symmetry},
    initialization,
};
use crate::{
    architecture::LayerPlan,
    direction::{Direction, Form, ParameterKey, Role},
    linear_map::{Dense, LinearMap},
    network::{Network, reshape_samples},
    rule::OwnValues,
};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// The share of weights that sparse feedback lacks, and the factor by which the others make up for it.
const MISSING: f64 = 0.8;
const FACTOR: f64 = 5.0;

/// The feedback of a network.
pub(super) struct Feedback {
    source: Source,
    symmetry: Symmetry,
    /// Standard deviation of noisy symmetric weights about the forward weights.
    noise: f64,
    /// One for each hidden layer.
    hidden: Vec<Own>,
}

/// What a hidden layer's apical dendrites keep.
struct Own {
    /// From the layer's activity to where the feedback comes from.
    map: Rc<dyn LinearMap>,
    /// `Y`; none where it follows the forward weights.
    weight: Option<Tensor>,
    /// `c`, one per neuron.
    bias: Option<Tensor>,
    /// 5 for each weight of sparse feedback that is there, 0 for the others; only where weights don't stay as they are.
    mask: Option<Tensor>,
    shape: Vec<i64>,
}

/// A hidden layer's feedback for the time of one batch.
pub(super) struct Pathway<'a> {
    own: &'a Own,
    weight: Tensor,
}

impl Pathway<'_> {
    /// `A`, `[batch, …units]`, from the activity that is fed back.
    pub fn apical(&self, activity: &Tensor) -> Tensor {
        let mut potential = self.carry(activity);
        if let Some(bias) = &self.own.bias {
            let _ = potential.g_add_(bias);
        }
        potential
    }

    /// `A(Y)ᵀ` of anything, `[batch, …units]`.
    pub fn carry(&self, activity: &Tensor) -> Tensor {
        let own = self.own;
        let carried = own.map.input_adjoint(&self.weight, &reshape_samples(activity, own.map.output_shape()));
        reshape_samples(&carried, &own.shape)
    }

    /// What apical dendrites hold where nothing has been fed back yet.
    pub fn rest(&self, batch: i64) -> Tensor {
        let mut shape = vec![batch];
        shape.extend_from_slice(&self.own.shape);
        let rest = Tensor::zeros(shape, (self.weight.kind(), self.weight.device()));
        self.own.bias.as_ref().map_or(rest.shallow_clone(), |bias| &rest + bias)
    }
}

impl Feedback {
    /// Draws the feedback of a network.
    pub fn new(config: &Config, network: &Network, max_rate: f64) -> Self {
        let output = network.layers.len() - 1;
        let own = |index: usize| {
            let (layer, above) = (&network.layers[index], &network.layers[index + 1]);
            let like = (layer.weight.kind(), layer.weight.device());
            let map: Rc<dyn LinearMap> = match config.feedback {
                Source::Broadcast => Rc::new(Dense::new(layer.output_units(), network.classes())),
                Source::LayerWise => Rc::clone(&above.map),
            };
            let unit = initialization::Uniform { mean: 0.0, half_width: 1.0 };
            // Weights have the statistics of the layer above, also where the feedback is broadcast.
            let (weights, biases) = if config.weight_optimization {
                (initialization::weights(above.map.fan_in(), max_rate), initialization::biases())
            } else {
                (unit, unit)
            };
            let shape = map.weight_shape();
            let symmetric = config.symmetric_weights != Symmetry::None;
            let weight = (!symmetric).then(|| weights.draw(&shape, like.0, like.1));
            let bias = config.feedback_bias.then(|| biases.draw(&layer.output_shape, like.0, like.1));
            let mask = config.sparse_feedback.then(|| sparse_mask(&shape).to_kind(like.0).to_device(like.1));
            let weight = match (weight, &mask) {
                (Some(weight), Some(mask)) => Some(weight * mask),
                (weight, _) => weight,
            };
            let mask = mask.filter(|_| symmetric || config.learned_feedback);
            Own { map, weight, bias, mask, shape: layer.output_shape.clone() }
        };
        Self {
            source: config.feedback,
            symmetry: config.symmetric_weights,
            noise: config.symmetric_noise(),
            hidden: (0..output).map(own).collect(),
        }
    }

    /// How many numbers it keeps for a network of these layers.
    pub fn own_values(config: &Config, layers: &[LayerPlan]) -> OwnValues {
        let Some(output) = layers.last() else { return OwnValues::default() };
        let mut own = OwnValues::default();
        let symmetric = config.symmetric_weights != Symmetry::None;
        for pair in layers.windows(2) {
            let (layer, above) = (&pair[0], &pair[1]);
            let weights = match config.feedback {
                Source::Broadcast => layer.output_units() * output.output_units(),
                Source::LayerWise => above.weight_count(),
            };
            let biases = if config.feedback_bias { layer.output_units() } else { 0 };
            let kept = if symmetric { biases } else { weights + biases };
            *(if config.learned_feedback { &mut own.learned } else { &mut own.fixed }) += kept;
            if config.sparse_feedback && (symmetric || config.learned_feedback) {
                own.fixed += weights;
            }
        }
        own
    }

    /// The feedback of each hidden layer for one batch. Noise on symmetric weights is drawn here.
    pub fn pathways(&self, network: &Network) -> Vec<Pathway<'_>> {
        let mut weights: Vec<Tensor> = match self.symmetry {
            Symmetry::None => Vec::new(),
            Symmetry::Exact => self.following(network, Tensor::shallow_clone),
            Symmetry::Noisy => {
                self.following(network, |weight| weight + weight.randn_like().g_mul_scalar_(self.noise))
            }
        };
        let mut pathways = Vec::with_capacity(self.hidden.len());
        for own in self.hidden.iter().rev() {
            let weight = match (&own.weight, weights.pop()) {
                (Some(weight), _) => weight.shallow_clone(),
                (None, Some(weight)) => {
                    own.mask.as_ref().map_or(weight.shallow_clone(), |mask| weight * mask)
                }
                (None, None) => unreachable!("feedback weights are the rule's own or follow the network's"),
            };
            pathways.push(Pathway { own, weight });
        }
        pathways.reverse();
        pathways
    }

    /// For each hidden layer the weights that are symmetric to those above it, each of which `seen` shows.
    fn following(&self, network: &Network, seen: impl Fn(&Tensor) -> Tensor) -> Vec<Tensor> {
        let above = network.layers.iter().skip(1);
        if self.source == Source::LayerWise {
            return above.map(|layer| seen(&layer.weight)).collect();
        }
        let classes = network.classes();
        let Some(output) = network.layers.last() else { return Vec::new() };
        let mut carried = Tensor::eye(classes, (output.weight.kind(), output.weight.device()));
        let mut products = Vec::with_capacity(self.hidden.len());
        for layer in above.rev() {
            let error = reshape_samples(&carried, layer.map.output_shape());
            carried = layer.map.input_adjoint(&seen(&layer.weight), &error);
            products.push(carried.reshape([classes, -1]));
        }
        products.reverse();
        products
    }

    /// The directions of hidden layer `index`'s feedback weights and biases, that its plateau potential come nearer to its
    /// forward rate: of half the square of `rate − σ(A)`, `activity` being what was fed back; each `[batch, …]`.
    pub fn directions(
        &self,
        index: usize,
        rate: &Tensor,
        apical: &Tensor,
        activity: &Tensor,
    ) -> Vec<Direction> {
        let own = &self.hidden[index];
        let batch = apical.size()[0] as f64;
        let plateau = apical.sigmoid();
        let error = Tensor::sigmoid_backward(&((&plateau - rate) / batch), &plateau);
        let activity = reshape_samples(activity, own.map.output_shape());
        let mut directions = Vec::new();
        if let Some(weight) = &own.weight {
            let presynaptic = reshape_samples(&error, own.map.input_shape());
            // The adjoint's roles are swapped: what is fed back is at the map's output.
            let form = match &own.mask {
                Some(mask) => Form::Explicit(own.map.weight_adjoint(&presynaptic, &activity) * mask.sign()),
                None => Form::Hebbian { map: Rc::clone(&own.map), presynaptic, error: activity },
            };
            directions.push(Direction {
                key: ParameterKey { layer: index, role: Role::Feedback },
                parameter: weight.shallow_clone(),
                form,
            });
        }
        if let Some(bias) = &own.bias {
            directions.push(Direction {
                key: ParameterKey { layer: index, role: Role::FeedbackBias },
                parameter: bias.shallow_clone(),
                form: Form::Explicit(error.sum_dim_intlist([0i64].as_slice(), false, None)),
            });
        }
        directions
    }

    /// For each layer of the network, the weights that stand in for its own; broadcast has none.
    pub fn by_layer(&self, network: &Network) -> Vec<Option<Tensor>> {
        if self.source == Source::Broadcast {
            return network.layers.iter().map(|_| None).collect();
        }
        let follow = |weight: &Tensor, own: &Own| match &own.mask {
            Some(mask) => weight * mask,
            None => weight.shallow_clone(),
        };
        let of_layer = |(own, layer): (&Own, &crate::network::Layer)| {
            Some(own.weight.as_ref().map_or_else(|| follow(&layer.weight, own), Tensor::shallow_clone))
        };
        std::iter::once(None)
            .chain(self.hidden.iter().zip(network.layers.iter().skip(1)).map(of_layer))
            .collect()
    }

    /// What a checkpoint must hold, by name.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let named = |(index, own): (usize, &Own)| {
            [("feedback", &own.weight), ("feedback-bias", &own.bias), ("feedback-mask", &own.mask)]
                .into_iter()
                .filter_map(|(name, tensor)| {
                    Some((format!("{index}.{name}"), tensor.as_ref()?.shallow_clone()))
                })
                .collect::<Vec<_>>()
        };
        self.hidden.iter().enumerate().flat_map(named).collect()
    }
}

/// 0 in four fifths of the places, chosen at random, and 5 in the others.
fn sparse_mask(shape: &[i64]) -> Tensor {
    let count: i64 = shape.iter().product();
    let missing = (MISSING * count as f64) as i64;
    let order = Tensor::randperm(count, (Kind::Int64, tch::Device::Cpu));
    let mut mask = Tensor::full([count], FACTOR, (Kind::Double, tch::Device::Cpu));
    let _ = mask.index_fill_(0, &order.narrow(0, 0, missing), 0.0);
    mask.reshape(shape)
}
