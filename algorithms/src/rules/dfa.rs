//! Direct feedback alignment (Nøkland 2016), also called broadcast feedback alignment: every hidden layer
//! receives the output error through its own fixed random matrix, `δ_l = (e B_l) ⊙ φ′(a_l)`,
//! `B_l [classes, units of layer l]`. Where a layer is pooled, the error arrives at the pooled output.

use super::support::{FeedbackWeights, named, of_layer};
use crate::{
    architecture::LayerPlan,
    direction::Direction,
    linear_map::{Dense, LinearMap},
    loss::Loss,
    network::{Layer, Network},
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, OwnValues, Properties, Property, Registered, RuleEntry,
        Step,
    },
};
use tch::Tensor;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "dfa",
    aliases: &["direct-feedback-alignment", "broadcast-fa", "bfa"],
    title: "Direct feedback alignment",
    citation: Citation {
        short: "Nøkland 2016",
        full: "A. Nøkland. Direct feedback alignment provides learning in deep neural networks. NeurIPS 29 (2016).",
    },
    properties: Properties {
        exact_gradients: Property::No,
        no_weight_transport: Property::Yes,
        no_separate_pathways: Property::No,
        dendritic_integration: Property::No,
        separate_weights_learned: Property::No,
        linear_stabilization: Property::NotApplicable,
        explicit_error_representation: Property::Yes,
    },
    functions: Functions::of::<DirectFeedbackAlignment>(),
};

struct DirectFeedbackAlignment {
    /// For each layer below the output, `[classes, units]`.
    feedback: Vec<Option<Tensor>>,
}

/// The forward map that a direct feedback matrix is the adjoint of: hidden units to classes.
fn broadcast(layer: &Layer, network: &Network) -> Dense {
    Dense::new(layer.output_units(), network.classes())
}

impl Registered for DirectFeedbackAlignment {
    type Config = FeedbackWeights;

    fn new(config: FeedbackWeights, network: &mut Network, _: Streams) -> Self {
        config.prepare(network);
        let output = network.layers.len() - 1;
        let draw = |(index, layer): (usize, &Layer)| {
            (index < output).then(|| config.draw(&broadcast(layer, network), &layer.weight))
        };
        Self { feedback: network.layers.iter().enumerate().map(draw).collect() }
    }

    fn own_values(_: &FeedbackWeights, layers: &[LayerPlan]) -> OwnValues {
        let Some((output, hidden)) = layers.split_last() else { return OwnValues::default() };
        let units: i64 = hidden.iter().map(LayerPlan::output_units).sum();
        OwnValues { fixed: units * output.output_units(), ..OwnValues::default() }
    }
}

impl LearningRule for DirectFeedbackAlignment {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        let trace = network.forward(&batch.inputs);
        let evaluated = loss.evaluate(trace.output(), &batch.labels);
        let output = network.layers.len() - 1;
        let mut directions = Vec::with_capacity(2 * network.layers.len());
        for (index, (layer, trace)) in network.layers.iter().zip(&trace.layers).enumerate() {
            let output_error = if index == output {
                evaluated.error.shallow_clone()
            } else {
                broadcast(layer, network).input_adjoint(of_layer(&self.feedback, index), &evaluated.error)
            };
            let error = layer.preactivation_error(trace, &output_error);
            directions.extend(Direction::of_layer(index, layer, &trace.input, &error));
        }
        Step { loss: evaluated.value, output: trace.output().shallow_clone(), directions }
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        named(&self.feedback)
    }
}
