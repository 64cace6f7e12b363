//! Backpropagation (Rumelhart, Hinton and Williams 1986): `δ_{l−1} = A(θ_l)ᵀ δ_l ⊙ φ′(a_{l−1})`.
//!
//! The reference that every other rule is held against.

use super::support::carry_down;
use crate::{
    architecture::LayerPlan,
    loss::Loss,
    network::Network,
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, OwnValues, Properties, Property, Registered, RuleConfig,
        RuleEntry, Step,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "bp",
    aliases: &["backprop", "backpropagation"],
    title: "Backpropagation",
    citation: Citation {
        short: "Rumelhart et al. 1986",
        full: "D. E. Rumelhart, G. E. Hinton, R. J. Williams. Learning representations by back-propagating errors. Nature 323, 533–536 (1986).",
    },
    properties: Properties {
        exact_gradients: Property::Yes,
        no_weight_transport: Property::No,
        no_separate_pathways: Property::Yes,
        dendritic_integration: Property::NotApplicable,
        separate_weights_learned: Property::NotApplicable,
        linear_stabilization: Property::NotApplicable,
        explicit_error_representation: Property::Yes,
    },
    functions: Functions::of::<Backpropagation>(),
};

/// Backpropagation has nothing to configure.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl RuleConfig for Config {}

/// The directions of backpropagation for a batch.
pub(crate) fn gradient(network: &Network, loss: Loss, batch: &Batch) -> Step {
    carry_down(network, loss, batch, |index, error| {
        let layer = &network.layers[index];
        layer.map.input_adjoint(&layer.weight, error)
    })
}

struct Backpropagation;

impl Registered for Backpropagation {
    type Config = Config;

    fn new(_: Config, _: &mut Network, _: Streams) -> Self {
        Self
    }

    fn own_values(_: &Config, _: &[LayerPlan]) -> OwnValues {
        OwnValues::default()
    }
}

impl LearningRule for Backpropagation {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        gradient(network, loss, batch)
    }

    fn feedback_weights(&self, network: &Network) -> Vec<Option<Tensor>> {
        let own = |(index, layer): (usize, &crate::network::Layer)| {
            (index > 0).then(|| layer.weight.shallow_clone())
        };
        network.layers.iter().enumerate().map(own).collect()
    }
}
