//! Kolen–Pollack learning (Kolen and Pollack 1994; Akrout et al. 2019): feedback weights `B_l` learn with
//! the same update as the forward weights, `Δ B_l = Δ θ_l`, and the same decay, so that the two converge
//! without ever being compared. With plain SGD their difference shrinks by exactly `1 − rate · decay` at every
//! step; momentum and the adaptive optimizers take the decay into their running averages, and there the
//! difference shrinks at their pace.
//!
//! The decay is the optimizer's `weight_decay`; without one the difference never shrinks and only its
//! share of the growing weights does.

use super::support::{
    FeedbackWeights, carry_down, forward_weights_above_the_first, like_forward_weights, named, of_layer,
    share,
};
use crate::{
    Problem,
    architecture::LayerPlan,
    direction::{Direction, Form, ParameterKey, Role},
    loss::Loss,
    network::Network,
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

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "kp",
    aliases: &["kolen-pollack"],
    title: "Kolen–Pollack",
    citation: Citation {
        short: "Akrout et al. 2019",
        full: "M. Akrout, C. Wilson, P. Humphreys, T. Lillicrap, D. B. Tweed. Deep learning without weight transport. NeurIPS 32 (2019), after J. F. Kolen, J. B. Pollack. Backpropagation without weight transport. ICNN (1994).",
    },
    properties: Properties {
        exact_gradients: Property::Partly("in the limit"),
        no_weight_transport: Property::Yes,
        no_separate_pathways: Property::No,
        dendritic_integration: Property::No,
        separate_weights_learned: Property::Yes,
        linear_stabilization: Property::NotApplicable,
        explicit_error_representation: Property::Yes,
    },
    functions: Functions::of::<KolenPollack>(),
};

/// The configuration of a rule whose feedback weights learn: they may start anywhere, also at zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LearnedFeedback(FeedbackWeights);

/// That of what it holds: a reference to it would describe no property.
impl JsonSchema for LearnedFeedback {
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

impl RuleConfig for LearnedFeedback {
    fn problems(&self) -> Vec<Problem> {
        self.0.draw_problems()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

struct KolenPollack {
    feedback: Vec<Option<Tensor>>,
}

impl Registered for KolenPollack {
    type Config = LearnedFeedback;

    fn new(LearnedFeedback(config): LearnedFeedback, network: &mut Network, _: Streams) -> Self {
        config.prepare(network);
        Self { feedback: like_forward_weights(&config, network) }
    }

    fn own_values(_: &LearnedFeedback, layers: &[LayerPlan]) -> OwnValues {
        OwnValues { learned: forward_weights_above_the_first(layers), ..OwnValues::default() }
    }
}

impl LearningRule for KolenPollack {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        let mut step = carry_down(network, loss, batch, |index, error| {
            network.layers[index].map.input_adjoint(of_layer(&self.feedback, index), error)
        });
        // Both weights take the same step, so its GEMM is done once.
        let forward = std::mem::take(&mut step.directions);
        for direction in forward {
            let ParameterKey { layer, role } = direction.key;
            let feedback = self.feedback[layer].as_ref().filter(|_| role == Role::Weight);
            let Some(feedback) = feedback else {
                step.directions.push(direction);
                continue;
            };
            let direction = direction.explicit();
            step.directions.push(Direction {
                key: ParameterKey { layer, role: Role::Feedback },
                parameter: feedback.shallow_clone(),
                form: Form::Explicit(direction.materialize()),
            });
            step.directions.push(direction);
        }
        step
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        named(&self.feedback)
    }

    fn feedback_weights(&self, _: &Network) -> Vec<Option<Tensor>> {
        share(&self.feedback)
    }
}
