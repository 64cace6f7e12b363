//! Feedback alignment (Lillicrap et al. 2016): `δ_{l−1} = A(B_l)ᵀ δ_l ⊙ φ′(a_{l−1})`, `B_l` fixed and random.

use super::support::{
    FeedbackWeights, carry_down, forward_weights_above_the_first, like_forward_weights, named, of_layer,
    share,
};
use crate::{
    architecture::LayerPlan,
    loss::Loss,
    network::Network,
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, OwnValues, Properties, Property, Registered, RuleEntry,
        Step,
    },
};
use tch::Tensor;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "fa",
    aliases: &["feedback-alignment"],
    title: "Feedback alignment",
    citation: Citation {
        short: "Lillicrap et al. 2016",
        full: "T. P. Lillicrap, D. Cownden, D. B. Tweed, C. J. Akerman. Random synaptic feedback weights support error backpropagation for deep learning. Nature Communications 7, 13276 (2016).",
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
    functions: Functions::of::<FeedbackAlignment>(),
};

struct FeedbackAlignment {
    feedback: Vec<Option<Tensor>>,
}

impl Registered for FeedbackAlignment {
    type Config = FeedbackWeights;

    fn new(config: FeedbackWeights, network: &mut Network, _: Streams) -> Self {
        config.prepare(network);
        Self { feedback: like_forward_weights(&config, network) }
    }

    fn own_values(_: &FeedbackWeights, layers: &[LayerPlan]) -> OwnValues {
        OwnValues { fixed: forward_weights_above_the_first(layers), ..OwnValues::default() }
    }
}

impl LearningRule for FeedbackAlignment {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        carry_down(network, loss, batch, |index, error| {
            network.layers[index].map.input_adjoint(of_layer(&self.feedback, index), error)
        })
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        named(&self.feedback)
    }

    fn feedback_weights(&self, _: &Network) -> Vec<Option<Tensor>> {
        share(&self.feedback)
    }
}
