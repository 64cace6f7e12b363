//! The two-step dynamics (Sacramento et al. 2018, section 3.4): one sweep up in which apical dendrites are silent, the target's
//! nudge, and one sweep down in which each area's interneurons and apical dendrites hear of it.
//!
//! | | |
//! |---|---|
//! | up, k = 1 … N | `v̂_k = a_k (A(θ_k) r_{k−1} + b_k)`, `r_k = φ(v̂_k)` |
//! | nudge | `u_N = (1 − λ_N) v̂_N + λ_N u_trgt`, `r_N = φ(u_N)` |
//! | down, k = N−1 … 1 | `u^I_k = (1 − λ_I) v̂^I_k + λ_I u_{k+1}`, `v̂^I_k` from the `r_k` of the way up |
//! | | `v_A = D_k r_{k+1} + PI_k φ(u^I_k)`, `u_k = v̂_k + λ_k v_A`, `r_k = φ(u_k)` |
//!
//! These are the steady state's relations, each solved once. The full dynamics solve them together: there `v̂` and `v̂^I` follow
//! from rates that the target has moved, which makes a difference of the second order in the nudge.
//!
//! Cost, in products with a matrix of a layer's size (per layer k, the input's aside): one up and one down, and one to learn,
//! as many as backpropagation has. Plastic or fixed `IP` is one more, plastic or fixed `PI` one more, a learned `D` one more
//! unless `PI` is not tied; what learns of these is yet one more each.

use super::{
    circuit::{Circuit, CircuitActivity},
    membrane::Membrane,
    transfer::Transfer,
};
use crate::{
    native,
    network::{Network, reshape_samples},
};
use tch::Tensor;

/// What all cells do at one moment; all by layer, `[batch, …units]`.
#[derive(Debug)]
pub struct Activity {
    /// The input, `[batch, …]`.
    pub input: Tensor,
    /// `v̂_k`, a soma's potential as its basal dendrite predicts it.
    pub predictions: Vec<Tensor>,
    /// `φ(v̂_k)`.
    pub predicted_rates: Vec<Tensor>,
    /// `u_k`, the soma's potential.
    pub potentials: Vec<Tensor>,
    /// `r_k = φ(u_k)`.
    pub rates: Vec<Tensor>,
    /// The circuits of hidden areas.
    pub circuits: Vec<CircuitActivity>,
}

impl Activity {
    /// `r_{k−1}` in the shape that layer k's map reads.
    pub fn presynaptic(&self, network: &Network, index: usize) -> Tensor {
        let below = index.checked_sub(1).map_or(&self.input, |below| &self.rates[below]);
        reshape_samples(below, network.layers[index].map.input_shape())
    }
}

/// `v̂_k` of layer `index` from the rates below.
pub fn prediction(membrane: &Membrane, network: &Network, index: usize, below: &Tensor) -> Tensor {
    let layer = &network.layers[index];
    let input = reshape_samples(below, layer.map.input_shape());
    let mut prediction = layer.map.apply(&layer.weight, layer.bias.as_ref(), &input);
    let _ = prediction.g_mul_scalar_(membrane.attenuation(index + 1 == network.layers.len()));
    prediction
}

/// The way up: `v̂_k` and `φ(v̂_k)` of each layer.
pub fn up(
    membrane: &Membrane,
    transfer: Transfer,
    network: &Network,
    input: &Tensor,
) -> (Vec<Tensor>, Vec<Tensor>) {
    let (mut predictions, mut rates): (Vec<Tensor>, Vec<Tensor>) = (Vec::new(), Vec::new());
    for index in 0..network.layers.len() {
        let predicted = prediction(membrane, network, index, rates.last().unwrap_or(input));
        rates.push(transfer.rate(&predicted));
        predictions.push(predicted);
    }
    (predictions, rates)
}

/// Both steps; without a target the output's somata are where they are predicted.
pub fn present(
    membrane: &Membrane,
    transfer: Transfer,
    network: &Network,
    circuits: &[Circuit],
    input: &Tensor,
    target: Option<&dyn Fn(&Tensor) -> Tensor>,
) -> Activity {
    let (predictions, predicted_rates) = up(membrane, transfer, network, input);
    let output = predictions.len() - 1;
    let mixing = membrane.mixing;
    let nudged = target.map(|target| predictions[output].lerp(&target(&predictions[output]), mixing.output));
    let mut rates =
        vec![nudged.as_ref().map_or_else(|| predicted_rates[output].shallow_clone(), |u| transfer.rate(u))];
    let mut potentials = vec![nudged.unwrap_or_else(|| predictions[output].shallow_clone())];
    let mut activities = Vec::with_capacity(circuits.len());
    for (index, circuit) in circuits.iter().enumerate().rev() {
        let (area, above) = (&network.layers[index], &network.layers[index + 1]);
        let [potential_above, rates_above] = [&potentials, &rates].map(|list| &list[list.len() - 1]);
        let prediction =
            circuit.prediction(membrane, above, &predicted_rates[index], &predictions[index + 1]);
        let potential = prediction.lerp(potential_above, mixing.interneuron);
        let interneuron_rates = transfer.rate(&potential);
        let (apical, top_down) = circuit.apical(area, above, rates_above, &interneuron_rates);
        let mut soma = predictions[index].copy();
        native::axpby_(&mut soma, 1.0, mixing.hidden, &apical);
        rates.push(transfer.rate(&soma));
        potentials.push(soma);
        activities.push(CircuitActivity {
            prediction,
            potential,
            rates: interneuron_rates,
            apical,
            top_down,
        });
    }
    for list in [&mut rates, &mut potentials] {
        list.reverse();
    }
    activities.reverse();
    let input = input.shallow_clone();
    Activity { input, predictions, predicted_rates, potentials, rates, circuits: activities }
}
