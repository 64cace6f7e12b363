//! What a rule's directions look like beside the true gradient, layer by layer, on a fixed probe batch.
//!
//! Measuring costs a step of the rule and one of backpropagation, so it is done now and then between
//! epochs, never during the steps that train.

use crate::{
    direction::{Direction, Role},
    loss::Loss,
    network::Network,
    rule::{Batch, LearningRule, References},
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// One layer's state at one moment. Angles are in degrees; a value is absent where it is undefined.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDiagnostics {
    /// The layer's name, e.g. `2.conv`.
    pub layer: String,
    /// Alignment angle between the rule's direction for the weight and the true gradient.
    pub gradient_angle: Option<f64>,
    /// Norm of the rule's direction over the norm of the true gradient.
    pub gradient_norm_ratio: Option<f64>,
    /// Angle between the feedback weights and the forward weights.
    pub feedback_angle: Option<f64>,
    /// Frobenius norm of the weight.
    pub weight_norm: f64,
    /// ‖W − W′‖ / ‖W′‖, W′ being the weight at the last measurement.
    pub weight_change: Option<f64>,
    /// ‖d − d′‖ / ‖d′‖, d′ being the rule's direction at the last measurement.
    pub direction_change: Option<f64>,
    /// ‖g(f(x)) − x‖ / ‖x‖ of the layer's inverse g at its input x; only of rules with inverses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction_error: Option<f64>,
    /// ‖ĥ − h‖ / ‖h‖ of the layer's target ĥ and its activity h; only of rules with targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_distance: Option<f64>,
    /// Angle between the rule's direction for the weight and that of feedback alignment by the rule's own feedback
    /// weights; only of rules that are neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_alignment_angle: Option<f64>,
    /// What its neurons do; only of rules whose neurons have dendrites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neurons: Option<NeuronDiagnostics>,
}

/// What the neurons of one layer do, as means over neurons and batch; a value is absent where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NeuronDiagnostics {
    /// Mean of `|v_A|`, the potential of the apical dendrite, without a target; potentials have no unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apical_potential: Option<f64>,
    /// The same with a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apical_potential_with_target: Option<f64>,
    /// Mean of `|α_t − α_f|`, the difference between the plateau potentials of the target and of the forward phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau_difference: Option<f64>,
    /// `‖φ(u^I) − φ(u)‖ / ‖φ(u)‖` without a target: how far the layer's interneurons are from the pyramidal cells of the
    /// layer above, which they are to predict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interneuron_mismatch: Option<f64>,
    /// Mean firing rate without a target, as a share of the largest where rates have one; no unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firing_rate: Option<f64>,
}

/// Measures a rule on one batch again and again, so that differences between measurements come from
/// learning and not from the data.
#[derive(Debug)]
pub struct Probe {
    batch: Batch,
    /// Each layer's weight at the last measurement; empty before the first.
    weights: Vec<Option<Tensor>>,
    /// The rule's direction for each layer's weight at the last measurement.
    directions: Vec<Option<Tensor>>,
}

impl Probe {
    /// A probe that has not measured yet.
    pub fn new(batch: Batch) -> Self {
        Self { batch, weights: Vec::new(), directions: Vec::new() }
    }

    /// What it measures on.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What the next measurement compares with, by name; what a checkpoint holds.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = |kind: &'static str, tensors: &[Option<Tensor>]| -> Vec<(String, Tensor)> {
            let entry = |(layer, tensor): (usize, &Option<Tensor>)| {
                Some((format!("{layer}.{kind}"), tensor.as_ref()?.shallow_clone()))
            };
            tensors.iter().enumerate().filter_map(entry).collect()
        };
        let mut state = named("weight", &self.weights);
        state.extend(named("direction", &self.directions));
        state
    }

    /// Restores what [`Self::state`] gave, for a network of so many layers.
    pub fn restore(&mut self, layers: usize, state: &[(String, Tensor)]) {
        let of_kind = |kind: &str| -> Vec<Option<Tensor>> {
            let find = |layer: usize| {
                let name = format!("{layer}.{kind}");
                state.iter().find(|(other, _)| *other == name).map(|(_, tensor)| tensor.shallow_clone())
            };
            (0..layers).map(find).collect()
        };
        self.weights = of_kind("weight");
        self.directions = of_kind("direction");
    }

    /// Measures every layer. Nothing is learned, but a rule that draws random numbers draws them: enter a
    /// stream of randomness before and after, or training depends on how often it was measured.
    pub fn measure(
        &mut self,
        rule: &mut dyn LearningRule,
        network: &Network,
        loss: Loss,
    ) -> Vec<LayerDiagnostics> {
        let layers = network.layers.len();
        let feedback = rule.feedback_weights(network);
        let own = rule.layer_diagnostics(network, loss, &self.batch);
        rule.rest();
        // The same draws for both: a rule's gradient is that of the very spikes and noise of its directions.
        let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
        tch::manual_seed(seed);
        let directions = weight_directions(rule.directions(network, loss, &self.batch).directions, layers);
        tch::manual_seed(seed);
        let References { gradient, feedback_alignment } = rule.references(network, loss, &self.batch);
        let gradients = weight_directions(gradient, layers);
        let feedback_alignments = weight_directions(feedback_alignment, layers);
        // A copy: training changes the network's own tensors in place.
        let weights: Vec<Option<Tensor>> =
            network.layers.iter().map(|layer| Some(layer.weight.to_kind(Kind::Double).copy())).collect();
        let last_weights = std::mem::replace(&mut self.weights, weights);
        let last_directions = std::mem::replace(&mut self.directions, directions);
        let describe = |(index, layer): (usize, &crate::network::Layer)| {
            let weight = at(&self.weights, index);
            let direction = at(&self.directions, index);
            let gradient = at(&gradients, index);
            let feedback = at(&feedback, index).map(|feedback| feedback.to_kind(Kind::Double));
            let feedback = feedback.as_ref();
            let own = own.get(index).copied().unwrap_or_default();
            LayerDiagnostics {
                layer: layer.name.clone(),
                gradient_angle: both(direction, gradient, angle),
                gradient_norm_ratio: both(direction, gradient, norm_ratio),
                feedback_angle: both(feedback, weight, angle),
                weight_norm: weight.map_or(0.0, norm),
                weight_change: both(weight, at(&last_weights, index), relative_change),
                direction_change: both(direction, at(&last_directions, index), relative_change),
                reconstruction_error: own.reconstruction_error,
                target_distance: own.target_distance,
                feedback_alignment_angle: both(direction, at(&feedback_alignments, index), angle),
                neurons: own.neurons,
            }
        };
        network.layers.iter().enumerate().map(describe).collect()
    }
}

/// By layer, the weight's direction multiplied out, in double precision.
fn weight_directions(directions: Vec<Direction>, layers: usize) -> Vec<Option<Tensor>> {
    let mut by_layer: Vec<Option<Tensor>> = (0..layers).map(|_| None).collect();
    for direction in directions.into_iter().filter(|direction| direction.key.role == Role::Weight) {
        by_layer[direction.key.layer] = Some(direction.materialize().to_kind(Kind::Double));
    }
    by_layer
}

fn at(tensors: &[Option<Tensor>], layer: usize) -> Option<&Tensor> {
    tensors.get(layer)?.as_ref()
}

fn both(
    left: Option<&Tensor>,
    right: Option<&Tensor>,
    measure: fn(&Tensor, &Tensor) -> Option<f64>,
) -> Option<f64> {
    measure(left?, right?)
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.square().sum(Kind::Double).sqrt().double_value(&[])
}

/// A norm that something may be divided by.
fn nonzero_norm(tensor: &Tensor) -> Option<f64> {
    Some(norm(tensor)).filter(|norm| *norm > 0.0 && norm.is_finite())
}

/// The angle between two tensors in degrees, as `2 atan2(‖u − v‖, ‖u + v‖)` of their unit vectors `u`, `v`:
/// unlike the arc cosine it is accurate near 0° and 180°, and no rounding leaves its domain (Kahan 2006).
fn angle(left: &Tensor, right: &Tensor) -> Option<f64> {
    let left = left / nonzero_norm(left)?;
    let right = right / nonzero_norm(right)?;
    Some(2.0 * norm(&(&left - &right)).atan2(norm(&(&left + &right))).to_degrees())
}

fn norm_ratio(left: &Tensor, right: &Tensor) -> Option<f64> {
    Some(norm(left) / nonzero_norm(right)?).filter(|ratio| ratio.is_finite())
}

fn relative_change(now: &Tensor, before: &Tensor) -> Option<f64> {
    norm_ratio(&(now - before), before)
}

#[cfg(test)]
mod tests {
    use super::{angle, norm_ratio, relative_change};
    use tch::Tensor;

    #[test]
    fn angles_are_exact_at_the_ends_and_in_the_middle() {
        let east = Tensor::from_slice(&[3.0, 0.0]);
        let close = |value: Option<f64>, expected: f64| (value.unwrap_or(f64::NAN) - expected).abs() < 1e-12;
        assert_eq!(angle(&east, &(&east * 7.0)), Some(0.0));
        assert!(close(angle(&east, &Tensor::from_slice(&[0.0, 0.1])), 90.0));
        assert!(close(angle(&east, &(&east * -2.0)), 180.0));
        let tilted = Tensor::from_slice(&[1.0, 1e-9]);
        assert!(close(angle(&east, &tilted).map(|angle| angle / 1e-9_f64.to_degrees()), 1.0));
    }

    #[test]
    fn a_zero_or_infinite_norm_gives_no_value() {
        let (zero, one) = (Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[1.0, 0.0]));
        let infinite = Tensor::from_slice(&[f64::INFINITY, 0.0]);
        assert_eq!(angle(&zero, &one), None);
        assert_eq!(angle(&one, &zero), None);
        assert_eq!(angle(&infinite, &one), None);
        assert_eq!(norm_ratio(&one, &zero), None);
        assert_eq!(norm_ratio(&infinite, &one), None);
        assert_eq!(norm_ratio(&zero, &one), Some(0.0));
        assert_eq!(relative_change(&one, &zero), None);
    }
}
