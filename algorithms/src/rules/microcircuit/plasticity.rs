//! What each synapse makes of the activity on its two sides, as directions of descent (Sacramento et al. 2018, equations 7 to
//! 10): all are products of a presynaptic rate and a difference that is there to be read in the postsynaptic cell.
//!
//! | synapse | `Δ` | |
//! |---|---|---|
//! | `W_k` | `(φ(u_k) − φ(v̂_k)) r_{k−1}ᵀ` | the soma against its basal dendrite |
//! | `IP_k` | `(φ(u^I_k) − φ(v̂^I_k)) r_kᵀ` | the soma against its dendrite |
//! | `PI_k` | `−v_A,k φ(u^I_k)ᵀ` | the apical dendrite against rest |
//! | `D_k` | `(φ(u_k) − φ(D_k r_{k+1})) r_{k+1}ᵀ` | the soma against what the top-down input alone predicts |
//!
//! Each has a factor on the optimizer's learning rate η. What a nudge does is `λ_N` small at the output and smaller by `λ_k` with
//! every area that it descends, and by default the factor makes up for it: `η_N = η / λ_N`, `η_k = η_{k+1} / λ_k`. So directions
//! are of the size of gradients, and η means what it means for other rules.

use super::{
    circuit::Circuit,
    config::{Config, InterneuronPlasticity, TopDown},
    transfer::Transfer,
    two_step::Activity,
};
use crate::{
    direction::{Direction, Form, ParameterKey, Role},
    linear_map::LinearMap,
    network::{Network, reshape_samples},
};
use std::rc::Rc;
use tch::Tensor;

/// Which synapses learn, and how fast relative to the optimizer's learning rate.
#[derive(Debug)]
pub struct Plasticity {
    transfer: Transfer,
    /// Of bottom-up weights, by layer.
    layers: Vec<f64>,
    /// Of `IP`, by hidden layer; empty where none learns.
    to_interneurons: Vec<f64>,
    /// Of `PI`, by hidden layer.
    from_interneurons: Vec<f64>,
    /// Of `D`, by hidden layer.
    top_down: Vec<f64>,
}

impl Plasticity {
    /// While the network learns.
    pub fn new(config: &Config, layers: usize) -> Self {
        let hidden = layers.saturating_sub(1);
        let mixing = config.mixing;
        let by_depth = |index: usize| 1.0 / (mixing.output * mixing.hidden.powi((hidden - index) as i32));
        let chosen = |rates: &Option<Vec<f64>>, default: Vec<f64>| rates.clone().unwrap_or(default);
        let layer_rates = chosen(&config.layer_rates, (0..layers).map(by_depth).collect());
        // The interneurons of a frozen layer may have to find it yet.
        let of_layer = |index: usize| {
            layer_rates.get(index).copied().filter(|rate| *rate > 0.0).unwrap_or_else(|| by_depth(index))
        };
        let above = |factor: f64| -> Vec<f64> { (1..layers).map(|index| factor * of_layer(index)).collect() };
        let is_plastic = |plasticity: InterneuronPlasticity| plasticity == InterneuronPlasticity::Plastic;
        let when = |learns: bool, rates: &Option<Vec<f64>>, default: f64| {
            if learns { chosen(rates, above(default)) } else { vec![0.0; hidden] }
        };
        let (ip, pi) = (config.pyramidal_to_interneuron, config.interneuron_to_pyramidal);
        let to_interneurons = when(is_plastic(ip), &config.interneuron_rates, 2.0);
        let from_interneurons = when(is_plastic(pi), &config.apical_rates, mixing.interneuron);
        let learned = config.top_down == TopDown::Learned;
        let top_down = when(learned, &config.top_down_rates, mixing.interneuron);
        Self { transfer: config.transfer, layers: layer_rates, to_interneurons, from_interneurons, top_down }
    }

    /// Before the network learns: all interneuron synapses that are not tied, and nothing else.
    pub fn of_interneurons(config: &Config, layers: usize) -> Self {
        let plastic = |plasticity: InterneuronPlasticity| match plasticity {
            InterneuronPlasticity::Fixed => InterneuronPlasticity::Plastic,
            other => other,
        };
        let config = Config {
            pyramidal_to_interneuron: plastic(config.pyramidal_to_interneuron),
            interneuron_to_pyramidal: plastic(config.interneuron_to_pyramidal),
            top_down: TopDown::Fixed,
            ..config.clone()
        };
        Self { layers: vec![0.0; layers], ..Self::new(&config, layers) }
    }

    /// The directions of all that learns, summed over the batch and times `scale`.
    pub fn directions(
        &self,
        network: &Network,
        circuits: &[Circuit],
        activity: &Activity,
        scale: f64,
    ) -> Vec<Direction> {
        let mut directions = Vec::with_capacity(2 * network.layers.len());
        for (index, layer) in network.layers.iter().enumerate() {
            if let Some(scale) = rate(&self.layers, index, scale) {
                let mut error = &activity.predicted_rates[index] - &activity.rates[index];
                let _ = error.g_mul_scalar_(scale);
                directions.extend(Direction::of_layer(
                    index,
                    layer,
                    &activity.presynaptic(network, index),
                    &error,
                ));
            }
        }
        for (index, circuit) in circuits.iter().enumerate() {
            self.of_circuit(network, circuit, activity, index, scale, &mut directions);
        }
        directions
    }

    fn of_circuit(
        &self,
        network: &Network,
        circuit: &Circuit,
        activity: &Activity,
        index: usize,
        scale: f64,
        directions: &mut Vec<Direction>,
    ) {
        let map = &network.layers[index + 1].map;
        let state = &activity.circuits[index];
        if let (Some((weight, bias)), Some(scale)) =
            (&circuit.to_interneurons, rate(&self.to_interneurons, index, scale))
        {
            let mut error = self.transfer.rate(&state.prediction) - &state.rates;
            let _ = error.g_mul_scalar_(scale);
            let key = |role| ParameterKey { layer: index, role };
            if let Some(bias) = bias {
                directions.push(Direction {
                    key: key(Role::InterneuronBias),
                    parameter: bias.shallow_clone(),
                    form: Form::Explicit(map.bias_adjoint(&error)),
                });
            }
            let presynaptic = activity.presynaptic(network, index + 1);
            directions.push(hebbian(key(Role::PyramidalToInterneuron), weight, map, &presynaptic, error));
        }
        // From here on down: what the map calls its input is postsynaptic.
        if let (Some(weight), Some(scale)) =
            (&circuit.from_interneurons, rate(&self.from_interneurons, index, scale))
        {
            let key = ParameterKey { layer: index, role: Role::InterneuronToPyramidal };
            directions.push(hebbian(key, weight, map, &state.apical, &state.rates * scale));
        }
        if let (Some(top_down), Some(scale)) = (&state.top_down, rate(&self.top_down, index, scale)) {
            // Named like the layer that it carries down through, as all feedback weights are.
            let key = ParameterKey { layer: index + 1, role: Role::Feedback };
            let error = self.transfer.rate(top_down) - &activity.rates[index];
            let presynaptic = &activity.rates[index + 1] * scale;
            directions.push(hebbian(key, &circuit.top_down, map, &error, presynaptic));
        }
    }
}

/// The scale of a direction, unless it is 0 and nothing learns.
fn rate(rates: &[f64], index: usize, scale: f64) -> Option<f64> {
    let rate = rates.get(index).copied().unwrap_or(1.0);
    (rate != 0.0).then_some(rate * scale)
}

/// `weight_adjoint(lower, upper)` for a tensor in the place of `θ`.
fn hebbian(
    key: ParameterKey,
    parameter: &Tensor,
    map: &Rc<dyn LinearMap>,
    lower: &Tensor,
    upper: Tensor,
) -> Direction {
    let form = Form::Hebbian {
        map: Rc::clone(map),
        presynaptic: reshape_samples(lower, map.input_shape()),
        error: upper,
    };
    Direction { key, parameter: parameter.shallow_clone(), form }
}
