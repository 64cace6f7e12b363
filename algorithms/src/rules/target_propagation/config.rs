//! What a suite can say about target propagation. One set of options serves the family; a variant is its
//! defaults, and what it would no longer be itself without.

use super::variants::Variant;
use crate::{Problem, initialization::Initializer, optimizer::OptimizerConfig, rule::RuleConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// Where targets begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirstTarget {
    /// The output's target is the label.
    Label,
    /// The output's target is a step of `step_size` down the gradient with respect to its pre-activation,
    /// `â_L = a_L − α (h_L − y)`, `h_L` being the prediction; the topmost inverse reads `a_L` (Ernoult et al. 2022).
    OutputGradient,
    /// The last hidden layer's target is a step down its exact gradient, `ĥ_{L−1} = h_{L−1} − α A(θ_L)ᵀ (h_L − y)`;
    /// the output layer has no inverse (Lee et al. 2015).
    PenultimateGradient,
}

/// Of which loss the first target follows the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirstTargetReduction {
    /// Each sample's own: the step is the same whatever the batch.
    PerSample,
    /// The batch's mean, which divides each sample's step by the batch size (the official code of Lee et al. 2015).
    BatchMean,
}

/// How local losses reduce over features; over the batch they are means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LocalLossReduction {
    /// Squared differences summed over features.
    Sum,
    /// Their mean.
    Mean,
}

/// What an inverse learns, from `h̃ = h + σ ε`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InverseLoss {
    /// `‖g(f(h̃)) − h̃‖²` (Lee et al. 2015).
    NoisePreserving,
    /// `‖g(f(h̃)) − h‖²` (Bartunov et al. 2018).
    DeNoising,
    /// Local difference reconstruction loss, `−2 ⟨σε, g(f(h̃)) − g(f(h))⟩ + ‖g(f(h) + ση) − g(f(h))‖²`: its
    /// minimum has the transposed Jacobian of `f` (Ernoult et al. 2022).
    LDrl,
}

/// When inverses learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// On each batch, together with the forward weights.
    Parallel,
    /// In a pass of their own over the data before each epoch's pass for the forward weights.
    Alternating,
}

/// The options of target propagation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, bound = "V: Variant")]
#[schemars(rename = "TargetPropagation")]
pub struct Config<V: Variant> {
    /// Where targets begin.
    pub first_target: FirstTarget,
    /// `α`, the step of a first target that is a step down a gradient; no unit.
    pub step_size: f64,
    /// Of which loss that step follows the gradient.
    pub first_target_reduction: FirstTargetReduction,
    /// How the losses of layers and of inverses reduce over features.
    pub local_loss_reduction: LocalLossReduction,
    /// What inverses learn.
    pub inverse_loss: InverseLoss,
    /// `σ`, standard deviation of the noise with which inverses learn, in units of activity.
    pub noise: f64,
    /// When inverses learn.
    pub schedule: Schedule,
    /// Passes over the data in which inverses learn before the first epoch.
    pub pretraining_epochs: u32,
    /// What applies the inverses' directions; the learning-rate schedule and clipping of training hold for it too.
    pub inverse_optimizer: OptimizerConfig,
    /// How the inverses' weights are drawn; their biases start at zero.
    pub inverse_init: Initializer,
    /// Fixed random units beside the output that the topmost inverse reads as well (AO-SDTP).
    pub auxiliary_units: u32,
    #[serde(skip)]
    pub(super) variant: PhantomData<V>,
}

impl<V: Variant> Config<V> {
    /// One past the topmost layer with an inverse, `output` being the last layer.
    pub(super) fn topmost_inverse(&self, output: usize) -> usize {
        match self.first_target {
            FirstTarget::PenultimateGradient => output,
            FirstTarget::Label | FirstTarget::OutputGradient => output + 1,
        }
    }
}

impl<V: Variant> Default for Config<V> {
    fn default() -> Self {
        V::defaults()
    }
}

impl<V: Variant> RuleConfig for Config<V> {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        check(self.step_size > 0.0 && self.step_size.is_finite(), "step_size", "must be greater than 0");
        if self.first_target == FirstTarget::Label {
            let default = V::defaults();
            let message = "has no effect with `first_target: label`, which takes no step; leave it out";
            check(self.step_size.total_cmp(&default.step_size).is_eq(), "step_size", message);
            let reduction = default.first_target_reduction;
            check(self.first_target_reduction == reduction, "first_target_reduction", message);
        }
        check(self.noise >= 0.0 && self.noise.is_finite(), "noise", "must be 0 or more");
        check(
            self.inverse_loss != InverseLoss::LDrl || self.noise > 0.0,
            "noise",
            "must be greater than 0: without noise the loss `l-drl` is 0 whatever the inverse",
        );
        check(
            !V::SIMPLIFIED || self.first_target == FirstTarget::Label,
            "first_target",
            "must be `label`: that is the simplification; `dtp` has the others",
        );
        check(
            V::AUXILIARY == (self.auxiliary_units > 0),
            "auxiliary_units",
            if V::AUXILIARY {
                "must be at least 1; `sdtp` has none"
            } else {
                "must be 0; `ao-sdtp` has such units"
            },
        );
        let optimizer = self.inverse_optimizer.problems().into_iter();
        problems.extend(optimizer.map(|problem| problem.under("inverse_optimizer")));
        problems
            .extend(self.inverse_init.problems().into_iter().map(|problem| problem.under("inverse_init")));
        problems
    }
}
