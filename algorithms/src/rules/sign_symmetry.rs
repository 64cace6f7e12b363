//! Sign symmetry (Liao et al. 2016; variants and names of Sanfiz and Akrout 2021): the error descends
//! through weights with the signs of the forward weights but not their magnitudes.
//!
//! - `usf`, uniform: `B_l = s_l · sign(θ_l)`, `s_l` the standard deviation of the distribution that feedback
//!   weights are drawn from;
//! - `brsf`, batchwise random: `B_l = |R| ⊙ sign(θ_l)`, `R` redrawn for every batch;
//! - `frsf`, fixed random: `B_l = |R_l| ⊙ sign(θ_l)`, `R_l` drawn once.

use super::support::{Convention, FeedbackWeights, carry_down, forward_weights_above_the_first, named};
use crate::{
    Problem,
    architecture::LayerPlan,
    loss::Loss,
    network::{Layer, Network},
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, OwnValues, Properties, Property, Registered, RuleConfig,
        RuleEntry, Step,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tch::Tensor;

const CITATION: Citation = Citation {
    short: "Liao et al. 2016",
    full: "Q. Liao, J. Z. Leibo, T. Poggio. How important is weight symmetry in backpropagation? AAAI (2016); variants as named in A. J. Sanfiz, M. Akrout. Benchmarking the accuracy and robustness of feedback alignment algorithms. arXiv 2108.13446 (2021).",
};

const PROPERTIES: Properties = Properties {
    exact_gradients: Property::No,
    no_weight_transport: Property::Partly("signs are shared"),
    no_separate_pathways: Property::No,
    dendritic_integration: Property::No,
    separate_weights_learned: Property::No,
    linear_stabilization: Property::NotApplicable,
    explicit_error_representation: Property::Yes,
};

pub(super) static UNIFORM: RuleEntry = RuleEntry {
    name: "usf",
    aliases: &["uniform-sign-symmetry", "sign-symmetry"],
    title: "Uniform sign symmetry",
    citation: CITATION,
    properties: PROPERTIES,
    functions: Functions::of::<SignSymmetry<Uniform>>(),
};

pub(super) static BATCHWISE_RANDOM: RuleEntry = RuleEntry {
    name: "brsf",
    aliases: &["batchwise-random-sign-symmetry"],
    title: "Batchwise random sign symmetry",
    citation: CITATION,
    properties: PROPERTIES,
    functions: Functions::of::<SignSymmetry<BatchwiseRandom>>(),
};

pub(super) static FIXED_RANDOM: RuleEntry = RuleEntry {
    name: "frsf",
    aliases: &["fixed-random-sign-symmetry"],
    title: "Fixed random sign symmetry",
    citation: CITATION,
    properties: PROPERTIES,
    functions: Functions::of::<SignSymmetry<FixedRandom>>(),
};

/// The configuration of a rule whose feedback takes its signs from the forward weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedFeedback(FeedbackWeights);

/// That of what it holds: a reference to it would describe no property.
impl JsonSchema for SignedFeedback {
    fn schema_name() -> Cow<'static, str> {
        FeedbackWeights::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        FeedbackWeights::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FeedbackWeights::json_schema(generator)
    }
}

impl RuleConfig for SignedFeedback {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.0.problems();
        // Of tanh units that are all 0 the output weights learn nothing either: such a network never moves.
        if self.0.convention == Some(Convention::Nokland) {
            let reason =
                "can't be `nokland` here: weights that start at zero have no signs to send errors by";
            problems.push(Problem::at("convention", reason));
        }
        problems
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// Where the magnitudes of the feedback weights come from.
trait Magnitudes: 'static {
    /// How many numbers they are.
    fn count(layers: &[LayerPlan]) -> i64 {
        forward_weights_above_the_first(layers)
    }
    fn draw(config: &FeedbackWeights, layer: &Layer) -> Tensor;
    /// The magnitudes for the next batch, where they change.
    fn redraw(_config: &FeedbackWeights, _layer: &Layer) -> Option<Tensor> {
        None
    }
}

struct Uniform;
struct BatchwiseRandom;
struct FixedRandom;

impl Magnitudes for Uniform {
    fn count(layers: &[LayerPlan]) -> i64 {
        layers.len().saturating_sub(1) as i64
    }

    fn draw(config: &FeedbackWeights, layer: &Layer) -> Tensor {
        let deviation = config.deviation(&*layer.map);
        Tensor::full([] as [i64; 0], deviation, (layer.weight.kind(), layer.weight.device()))
    }
}

impl Magnitudes for FixedRandom {
    fn draw(config: &FeedbackWeights, layer: &Layer) -> Tensor {
        config.draw(&*layer.map, &layer.weight).abs_()
    }
}

impl Magnitudes for BatchwiseRandom {
    fn draw(config: &FeedbackWeights, layer: &Layer) -> Tensor {
        FixedRandom::draw(config, layer)
    }

    fn redraw(config: &FeedbackWeights, layer: &Layer) -> Option<Tensor> {
        Some(config.redraw(&*layer.map, &layer.weight).abs_())
    }
}

struct SignSymmetry<M> {
    config: FeedbackWeights,
    /// For each layer but the first: a number, or a tensor shaped like the weight; none negative.
    magnitudes: Vec<Option<Tensor>>,
    kind: std::marker::PhantomData<M>,
}

impl<M: Magnitudes> Registered for SignSymmetry<M> {
    type Config = SignedFeedback;

    fn new(SignedFeedback(config): SignedFeedback, network: &mut Network, _: Streams) -> Self {
        config.prepare(network);
        let draw = |(index, layer): (usize, &Layer)| (index > 0).then(|| M::draw(&config, layer));
        let magnitudes = network.layers.iter().enumerate().map(draw).collect();
        Self { config, magnitudes, kind: std::marker::PhantomData }
    }

    fn own_values(_: &SignedFeedback, layers: &[LayerPlan]) -> OwnValues {
        OwnValues { fixed: M::count(layers), ..OwnValues::default() }
    }
}

impl<M: Magnitudes> SignSymmetry<M> {
    fn feedback(&self, network: &Network, index: usize) -> Option<Tensor> {
        Some(network.layers[index].weight.sign() * self.magnitudes[index].as_ref()?)
    }
}

impl<M: Magnitudes> LearningRule for SignSymmetry<M> {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        for (layer, magnitudes) in network.layers.iter().zip(&mut self.magnitudes).skip(1) {
            if let Some(fresh) = M::redraw(&self.config, layer) {
                *magnitudes = Some(fresh);
            }
        }
        carry_down(network, loss, batch, |index, error| {
            let feedback = self.feedback(network, index).expect("every layer but the first has magnitudes");
            network.layers[index].map.input_adjoint(&feedback, error)
        })
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        named(&self.magnitudes)
    }

    fn feedback_weights(&self, network: &Network) -> Vec<Option<Tensor>> {
        (0..network.layers.len()).map(|index| self.feedback(network, index)).collect()
    }
}
