//! Target propagation: every hidden layer gets a target `ĥ_l` for its activity instead of an error, carried down by
//! learned inverses `g_l`, and learns to come nearer to it by its local loss `‖h_l − ĥ_l‖²`.
//!
//! | variant | target of the layer below | first target |
//! |---|---|---|
//! | `tp` (LeCun 1986; Bengio 2014) | `ĥ_{l−1} = g_l(ĥ_l)` | any |
//! | `dtp` (Lee et al. 2015) | `ĥ_{l−1} = h_{l−1} − g_l(h_l) + g_l(ĥ_l)` | any |
//! | `sdtp` (Bartunov et al. 2018) | as `dtp`, the output included | the label |
//! | `ao-sdtp` (the same) | as `sdtp`, the topmost inverse reading fixed random units beside the output | the label |
//!
//! A target is kept as its difference from the activity, `ĥ_l − h_l`: where there is no error, that of the
//! difference rules is exactly zero. The output layer learns by the task's loss, which is local to it.
//! Pools are refused: what a window's maximum or mean was made of cannot be told from it.

mod config;
mod inverse;
#[cfg(test)]
mod tests;
mod variants;

use self::{
    config::{Config, FirstTarget, FirstTargetReduction, Schedule},
    inverse::{Inverse, reduction},
    variants::Variant,
};
use crate::{
    Problem,
    architecture::LayerPlan,
    direction::Direction,
    initialization::Initializer,
    linear_map::{Dense, LinearMap},
    loss::{Evaluated, Loss},
    network::{LayerTrace, Network, Trace, reshape_samples},
    optimizer::OptimizerConfig,
    randomness::Streams,
    rule::{Batch, LearningRule, Lesson, OwnValues, Registered, RuleDiagnostics, Step},
};
use std::rc::Rc;
use tch::{Kind, Tensor};

pub(super) use variants::{AO_SDTP, DTP, SDTP, TP};

struct TargetPropagation<V: Variant> {
    config: Config<V>,
    /// For each layer through which a target is carried.
    inverses: Vec<Option<Inverse>>,
    auxiliary: Option<Auxiliary>,
}

/// Fixed random features of the last hidden activity, `z = tanh(A(θ_z) h)`, `[batch, auxiliary units]`: they keep
/// for the topmost inverse what the few outputs lose (Bartunov et al. 2018, AO-SDTP).
struct Auxiliary {
    map: Dense,
    weight: Tensor,
}

impl<V: Variant> Registered for TargetPropagation<V> {
    type Config = Config<V>;

    fn new(config: Config<V>, network: &mut Network, _: Streams) -> Self {
        let output = network.layers.len() - 1;
        let auxiliary = (config.auxiliary_units > 0).then(|| {
            let layer = &network.layers[output];
            let map = Dense::new(layer.map.input_shape().iter().product(), i64::from(config.auxiliary_units));
            let weight = Initializer::Xavier.weight(&map, layer.weight.kind(), layer.weight.device());
            Auxiliary { map, weight }
        });
        let top = config.topmost_inverse(output);
        let inverse = |index: usize| {
            let layer = &network.layers[index];
            let like = (layer.weight.kind(), layer.weight.device());
            let map: Rc<dyn LinearMap> = match &auxiliary {
                Some(auxiliary) if index == output => Rc::new(Dense::new(
                    auxiliary.map.input_shape()[0],
                    layer.output_units() + auxiliary.map.output_shape()[0],
                )),
                _ => Rc::clone(&layer.map),
            };
            Inverse {
                weight: config.inverse_init.weight(&*map, like.0, like.1),
                bias: Tensor::zeros(map.input_shape(), like),
                activation: network.layers[index - 1].activation,
                map,
            }
        };
        let inverses = (0..=output).map(|index| (1..top).contains(&index).then(|| inverse(index))).collect();
        Self { config, inverses, auxiliary }
    }

    fn own_values(config: &Config<V>, layers: &[LayerPlan]) -> OwnValues {
        let Some(output) = layers.len().checked_sub(1) else { return OwnValues::default() };
        let inputs = |index: usize| layers[index].map.input_shape().iter().product::<i64>();
        let auxiliary = i64::from(config.auxiliary_units);
        let inverse = |index: usize| match (index == output, auxiliary) {
            (true, 1..) => inputs(output) * (layers[output].output_units() + auxiliary + 1),
            _ => layers[index].weight_count() + inputs(index),
        };
        OwnValues {
            fixed: inputs(output) * auxiliary,
            learned: (1..config.topmost_inverse(output)).map(inverse).sum(),
            optimizer: Some(config.inverse_optimizer.clone()),
        }
    }

    fn refusal(_: &Config<V>, lesson: &Lesson<'_>) -> Option<Problem> {
        lesson.refuse_pools("no inverse can tell what a pool has left out")
    }
}

impl<V: Variant> TargetPropagation<V> {
    /// What the inverse of a layer reads: its activity, which at the output is the prediction, `[batch, classes]`, and
    /// the auxiliary units if there are any. Where targets begin with a step on the output's pre-activation it is that.
    fn activity(&self, network: &Network, loss: Loss, index: usize, layer: &LayerTrace) -> Tensor {
        if index + 1 < network.layers.len() {
            return layer.output.shallow_clone();
        }
        if self.config.first_target == FirstTarget::OutputGradient {
            return layer.output.shallow_clone();
        }
        let prediction = loss.prediction(&layer.output);
        match &self.auxiliary {
            Some(Auxiliary { map, weight }) => {
                Tensor::cat(&[prediction, map.apply(weight, None, &layer.input).tanh()], 1)
            }
            None => prediction,
        }
    }

    /// Where targets begin: a layer and its `ĥ − h`. None where there is no hidden layer to have one.
    fn first_target(&self, network: &Network, evaluated: &Evaluated) -> Option<(usize, Tensor)> {
        let output = network.layers.len() - 1;
        let samples = match self.config.first_target_reduction {
            FirstTargetReduction::PerSample => evaluated.error.size()[0] as f64,
            FirstTargetReduction::BatchMean => 1.0,
        };
        let step = -self.config.step_size * samples;
        match self.config.first_target {
            FirstTarget::PenultimateGradient => {
                let layer = &network.layers[output];
                let gradient = || layer.map.input_adjoint(&layer.weight, &evaluated.error);
                output.checked_sub(1).map(|below| (below, gradient() * step))
            }
            FirstTarget::OutputGradient => Some((output, &evaluated.error * step)),
            FirstTarget::Label => {
                // The error is (prediction − target) / batch for each loss; auxiliary units are their own target.
                let difference = &evaluated.error * -(evaluated.error.size()[0] as f64);
                let auxiliary = i64::from(self.config.auxiliary_units);
                Some((output, difference.constant_pad_nd([0, auxiliary])))
            }
        }
    }

    /// `ĥ_{l−1} − h_{l−1}` from `ĥ_l − h_l` of layer l = `index`.
    fn carry(&self, network: &Network, loss: Loss, trace: &Trace, index: usize, above: &Tensor) -> Tensor {
        let inverse = self.inverse(index);
        let layer = &trace.layers[index];
        let activity = self.activity(network, loss, index, layer);
        let target = inverse.apply(&(&activity + reshape_samples(above, &activity.size()[1..])));
        target - if V::DIFFERENCE { inverse.apply(&activity) } else { layer.input.shallow_clone() }
    }

    fn inverse(&self, index: usize) -> &Inverse {
        self.inverses[index].as_ref().expect("targets are carried through layers with an inverse")
    }

    fn differences(
        &self,
        network: &Network,
        loss: Loss,
        trace: &Trace,
        evaluated: &Evaluated,
    ) -> Vec<Tensor> {
        let first = self.first_target(network, evaluated);
        differences(first, |index, above| self.carry(network, loss, trace, index, above))
    }

    fn learn_inverses(&self, network: &Network, loss: Loss, trace: &Trace) -> Vec<Direction> {
        let inverses = self.inverses.iter().enumerate().rev();
        let directions = inverses.filter_map(|(index, inverse)| {
            let forward =
                |input: &Tensor| self.activity(network, loss, index, &network.layers[index].forward(input));
            Some(inverse.as_ref()?.directions(index, &self.config, &trace.layers[index].input, forward))
        });
        directions.flatten().collect()
    }
}

/// For each layer up to where targets begin, its `ĥ − h`, `carry(l, ĥ_l − h_l)` giving that of the layer below.
fn differences(
    first: Option<(usize, Tensor)>,
    mut carry: impl FnMut(usize, &Tensor) -> Tensor,
) -> Vec<Tensor> {
    let Some((top, first)) = first else { return Vec::new() };
    let mut differences = vec![first];
    for index in (1..=top).rev() {
        let below = carry(index, &differences[top - index]);
        differences.push(below);
    }
    differences.reverse();
    differences
}

/// Directions that bring each hidden activity nearer to its target, `δ_l = 2 (h_l − ĥ_l) ⊙ φ′(a_l)` reduced as
/// `over_features` says, and the output nearer to the label by the task's loss.
fn towards_targets(
    network: &Network,
    trace: &Trace,
    evaluated: &Evaluated,
    differences: &[Tensor],
    over_features: config::LocalLossReduction,
) -> Vec<Direction> {
    let output = network.layers.len() - 1;
    let mut directions = Vec::with_capacity(4 * network.layers.len());
    for (index, (layer, trace)) in network.layers.iter().zip(&trace.layers).enumerate() {
        let error = if index == output {
            layer.preactivation_error(trace, &evaluated.error)
        } else {
            let error = &differences[index] * (-2.0 * reduction(over_features, &trace.output));
            layer.preactivation_error(trace, &error)
        };
        directions.extend(Direction::of_layer(index, layer, &trace.input, &error));
    }
    directions
}

impl<V: Variant> LearningRule for TargetPropagation<V> {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        let trace = network.forward(&batch.inputs);
        let evaluated = loss.evaluate(trace.output(), &batch.labels);
        let differences = self.differences(network, loss, &trace, &evaluated);
        let reduction = self.config.local_loss_reduction;
        let mut directions = towards_targets(network, &trace, &evaluated, &differences, reduction);
        if self.config.schedule == Schedule::Parallel {
            directions.extend(self.learn_inverses(network, loss, &trace));
        }
        Step { loss: evaluated.value, output: trace.output().shallow_clone(), directions }
    }

    fn own_passes(&self, epoch: usize) -> usize {
        if self.inverses.iter().all(Option::is_none) {
            return 0;
        }
        let alternating = usize::from(self.config.schedule == Schedule::Alternating);
        alternating + if epoch == 0 { self.config.pretraining_epochs as usize } else { 0 }
    }

    fn own_directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Vec<Direction> {
        self.learn_inverses(network, loss, &network.forward(&batch.inputs))
    }

    fn own_optimizer(&self) -> Option<OptimizerConfig> {
        Some(self.config.inverse_optimizer.clone())
    }

    fn layer_diagnostics(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Vec<RuleDiagnostics> {
        let trace = network.forward(&batch.inputs);
        let evaluated = loss.evaluate(trace.output(), &batch.labels);
        let differences = self.differences(network, loss, &trace, &evaluated);
        let describe = |(index, layer): (usize, &LayerTrace)| {
            let found = |inverse: &Inverse| inverse.apply(&self.activity(network, loss, index, layer));
            let error = |inverse: &Inverse| relative(&(found(inverse) - &layer.input), &layer.input);
            let hidden = index + 1 < network.layers.len();
            let difference = differences.get(index).filter(|_| hidden);
            RuleDiagnostics {
                reconstruction_error: self.inverses[index].as_ref().and_then(error),
                target_distance: difference.and_then(|difference| relative(difference, &layer.output)),
                neurons: None,
            }
        };
        trace.layers.iter().enumerate().map(describe).collect()
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        let inverses = self.inverses.iter().enumerate().filter_map(|(index, inverse)| {
            let inverse = inverse.as_ref()?;
            Some([
                (format!("{index}.inverse-weight"), inverse.weight.shallow_clone()),
                (format!("{index}.inverse-bias"), inverse.bias.shallow_clone()),
            ])
        });
        let auxiliary =
            self.auxiliary.iter().map(|units| ("auxiliary".to_owned(), units.weight.shallow_clone()));
        inverses.flatten().chain(auxiliary).collect()
    }

    fn feedback_weights(&self, network: &Network) -> Vec<Option<Tensor>> {
        let own = |(inverse, layer): (&Option<Inverse>, &crate::network::Layer)| {
            // Of an inverse that reads auxiliary units as well, the part that reads the output.
            inverse.as_ref().map(|inverse| inverse.weight.narrow(0, 0, layer.weight.size()[0]))
        };
        self.inverses.iter().zip(&network.layers).map(own).collect()
    }
}

/// ‖part‖ / ‖whole‖ over the batch.
fn relative(part: &Tensor, whole: &Tensor) -> Option<f64> {
    let norm = |tensor: &Tensor| tensor.square().sum(Kind::Double).sqrt().double_value(&[]);
    Some(norm(part) / norm(whole)).filter(|ratio| ratio.is_finite())
}
