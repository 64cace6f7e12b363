//! What the rules of the feedback-alignment family share: the way an error is carried down a network,
//! and how fixed feedback weights are drawn.

use crate::{
    Problem,
    activation::Activation,
    architecture::LayerPlan,
    direction::Direction,
    initialization::Initializer,
    linear_map::LinearMap,
    loss::Loss,
    network::Network,
    rule::{Batch, RuleConfig, Step},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// A forward pass, then an error carried down layer by layer: `δ_{l−1} = A(B_l)ᵀ δ_l ⊙ φ′(a_{l−1})`, with
/// `carry(l, δ_l)` supplying `A(B_l)ᵀ δ_l`, `[batch, …input of layer l]`.
pub(super) fn carry_down(
    network: &Network,
    loss: Loss,
    batch: &Batch,
    mut carry: impl FnMut(usize, &Tensor) -> Tensor,
) -> Step {
    let trace = network.forward(&batch.inputs);
    let evaluated = loss.evaluate(trace.output(), &batch.labels);
    let mut directions = Vec::with_capacity(2 * network.layers.len());
    let mut output_error = evaluated.error;
    for (index, (layer, trace)) in network.layers.iter().zip(&trace.layers).enumerate().rev() {
        let error = layer.preactivation_error(trace, &output_error);
        directions.extend(Direction::of_layer(index, layer, &trace.input, &error));
        if index > 0 {
            output_error = carry(index, &error);
        }
    }
    Step { loss: evaluated.value, output: trace.output().shallow_clone(), directions }
}

/// How a paper starts its weights, where it differs from what the architecture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// Nøkland 2016 (official code): feedback uniform in ±1/√(width of the layer it serves); networks of
    /// tanh or logistic units start with all forward weights at zero.
    Nokland,
    /// `BioTorch` (Sanfiz and Akrout 2021): Xavier for forward and feedback weights alike.
    Biotorch,
}

/// The configuration of a rule with random feedback weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackWeights {
    /// A paper's convention for the initial forward and feedback weights.
    pub convention: Option<Convention>,
    /// How the feedback weights are drawn.
    pub feedback: FeedbackDraw,
}

/// How feedback weights are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackDraw {
    /// Their distribution; by default the convention's, or else Xavier.
    pub init: Option<Initializer>,
    /// A factor on what was drawn. With 0 no error reaches a hidden layer: the output layer alone learns, a
    /// baseline of what fixed random features give.
    pub scale: f64,
}

impl Default for FeedbackDraw {
    fn default() -> Self {
        Self { init: None, scale: 1.0 }
    }
}

impl RuleConfig for FeedbackWeights {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.draw_problems();
        let inert = match self.feedback.init {
            Some(Initializer::Zeros) => Some("feedback.init"),
            Some(Initializer::Normal { std: 0.0 }) => Some("feedback.init.normal.std"),
            _ => None,
        };
        if let Some(path) = inert {
            let message = "can't be zero here, or no error reaches any hidden layer; if that is meant, `scale: 0` says so";
            problems.push(Problem::at(path, message));
        }
        problems
    }

    fn describe(&self) -> String {
        let (convention, forward) = match self.convention {
            None => ("", "as the architecture says"),
            Some(Convention::Nokland) => (
                "convention nokland: ",
                "at zero if any units are tanh or logistic, else as the architecture says",
            ),
            Some(Convention::Biotorch) => ("convention biotorch: ", "Xavier"),
        };
        let whose = match (self.feedback.init, self.convention) {
            (Some(_), _) => "",
            (None, Some(_)) => " (the convention's)",
            (None, None) => " (default)",
        };
        format!(
            "{convention}feedback weights {}{whose}, scale {}; forward weights {forward}",
            self.initializer().describe(),
            self.feedback.scale
        )
    }
}

impl FeedbackWeights {
    /// What is wrong with the distribution, if anything, whether or not its draws stay as they are.
    pub(super) fn draw_problems(&self) -> Vec<Problem> {
        let init = self.feedback.init.map(Initializer::problems).unwrap_or_default();
        let mut problems: Vec<Problem> =
            init.into_iter().map(|problem| problem.under("init").under("feedback")).collect();
        if !self.feedback.scale.is_finite() {
            problems.push(Problem::at("feedback.scale", "must be a finite number"));
        }
        problems
    }

    fn initializer(&self) -> Initializer {
        self.feedback.init.unwrap_or(match self.convention {
            Some(Convention::Nokland) => Initializer::FanIn,
            Some(Convention::Biotorch) | None => Initializer::Xavier,
        })
    }

    /// Draws a tensor of `map`'s weight shape, like `like` in kind and device.
    pub(super) fn draw(&self, map: &dyn LinearMap, like: &Tensor) -> Tensor {
        self.initializer().weight(map, like.kind(), like.device()) * self.feedback.scale
    }

    /// As [`Self::draw`], for what is drawn anew for every batch: by the generator of the device that `like` is on.
    pub(super) fn redraw(&self, map: &dyn LinearMap, like: &Tensor) -> Tensor {
        self.initializer().weight_drawn_by(like.device(), map, like.kind()) * self.feedback.scale
    }

    /// The standard deviation of what [`Self::draw`] draws.
    pub(super) fn deviation(&self, map: &dyn LinearMap) -> f64 {
        self.initializer().weight_deviation(map) * self.feedback.scale.abs()
    }

    /// Starts the forward weights as the convention does.
    pub(super) fn prepare(&self, network: &Network) {
        let saturating = network
            .layers
            .iter()
            .any(|layer| matches!(layer.activation, Activation::Tanh | Activation::Logistic));
        for layer in &network.layers {
            let mut weight = layer.weight.shallow_clone();
            match self.convention {
                Some(Convention::Nokland) if saturating => {
                    let _ = weight.zero_();
                }
                Some(Convention::Biotorch) => {
                    weight.copy_(&Initializer::Xavier.weight(&*layer.map, weight.kind(), weight.device()));
                }
                Some(Convention::Nokland) | None => {}
            }
        }
    }
}

/// Feedback weights by layer as named tensors, for checkpoints.
pub(super) fn named(feedback: &[Option<Tensor>]) -> Vec<(String, Tensor)> {
    let entry = |(index, weight): (usize, &Option<Tensor>)| {
        weight.as_ref().map(|weight| (format!("{index}.feedback"), weight.shallow_clone()))
    };
    feedback.iter().enumerate().filter_map(entry).collect()
}

/// Feedback weights shaped like each layer's own, for all layers but the first, whose input learns nothing.
pub(super) fn like_forward_weights(config: &FeedbackWeights, network: &Network) -> Vec<Option<Tensor>> {
    let draw = |(index, layer): (usize, &crate::network::Layer)| {
        (index > 0).then(|| config.draw(&*layer.map, &layer.weight))
    };
    network.layers.iter().enumerate().map(draw).collect()
}

/// How many numbers [`like_forward_weights`] draws.
pub(super) fn forward_weights_above_the_first(layers: &[LayerPlan]) -> i64 {
    layers.iter().skip(1).map(LayerPlan::weight_count).sum()
}

/// The feedback weights of a layer that has some.
pub(super) fn of_layer(feedback: &[Option<Tensor>], index: usize) -> &Tensor {
    feedback[index].as_ref().expect("every layer but the first has feedback weights")
}

/// Shares the tensors of a list.
pub(super) fn share(feedback: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
    feedback.iter().map(|weight| weight.as_ref().map(Tensor::shallow_clone)).collect()
}
