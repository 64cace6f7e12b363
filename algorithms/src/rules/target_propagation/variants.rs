//! The members of the family: what each is called, where it is from, and how it starts.

use super::{
    TargetPropagation,
    config::{Config, FirstTarget, FirstTargetReduction, InverseLoss, LocalLossReduction, Schedule},
};
use crate::{
    initialization::Initializer,
    optimizer::{Adam, OptimizerConfig},
    rule::{Citation, Functions, Properties, Property, RuleEntry},
};
use std::{fmt::Debug, marker::PhantomData};

/// A member of the family.
pub trait Variant: Debug + Clone + PartialEq + Sized + 'static {
    /// Whether targets are corrected by what the inverse makes of the activity itself.
    const DIFFERENCE: bool = true;
    /// Whether no gradient passes between layers at all.
    const SIMPLIFIED: bool = false;
    /// Whether the topmost inverse reads auxiliary units beside the output.
    const AUXILIARY: bool = false;
    /// Its options where a suite says nothing.
    fn defaults() -> Config<Self>;
}

/// Target propagation.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain;
/// Difference target propagation.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference;
/// Simplified difference target propagation.
#[derive(Debug, Clone, PartialEq)]
pub struct Simplified;
/// Simplified difference target propagation with auxiliary outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct AuxiliaryOutput;

impl Variant for Plain {
    const DIFFERENCE: bool = false;

    /// Losses averaged over features: a target lies as far off as its inverse is wrong, and pulls accordingly. So a small
    /// step is lost among what inverses get wrong.
    fn defaults() -> Config<Self> {
        Config {
            local_loss_reduction: LocalLossReduction::Mean,
            pretraining_epochs: 5,
            step_size: 30.0,
            noise: 0.1,
            ..difference()
        }
    }
}

impl Variant for Difference {
    fn defaults() -> Config<Self> {
        difference()
    }
}

impl Variant for Simplified {
    const SIMPLIFIED: bool = true;

    fn defaults() -> Config<Self> {
        simplified()
    }
}

impl Variant for AuxiliaryOutput {
    const SIMPLIFIED: bool = true;
    const AUXILIARY: bool = true;

    fn defaults() -> Config<Self> {
        Config { auxiliary_units: 256, ..simplified() }
    }
}

/// Step and noise near those of Bartunov et al. 2018, table 5, for DTP alternating on MNIST.
fn difference<V: Variant>() -> Config<V> {
    Config {
        first_target: FirstTarget::PenultimateGradient,
        step_size: 0.2,
        first_target_reduction: FirstTargetReduction::PerSample,
        local_loss_reduction: LocalLossReduction::Sum,
        inverse_loss: InverseLoss::NoisePreserving,
        noise: 0.2,
        schedule: Schedule::Alternating,
        pretraining_epochs: 0,
        inverse_optimizer: OptimizerConfig::Adam(Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }),
        inverse_init: Initializer::Xavier,
        auxiliary_units: 0,
        variant: PhantomData,
    }
}

/// Losses averaged over features: with the adaptive optimizers of Bartunov et al. 2018 it is these that are stable.
fn simplified<V: Variant>() -> Config<V> {
    Config {
        first_target: FirstTarget::Label,
        local_loss_reduction: LocalLossReduction::Mean,
        inverse_loss: InverseLoss::DeNoising,
        ..difference()
    }
}

/// Lange 2019, figure 5.
const PROPERTIES: Properties = Properties {
    exact_gradients: Property::No,
    no_weight_transport: Property::Partly("not in the final layer"),
    no_separate_pathways: Property::No,
    dendritic_integration: Property::No,
    separate_weights_learned: Property::Yes,
    linear_stabilization: Property::Yes,
    explicit_error_representation: Property::Yes,
};
const SIMPLIFIED_PROPERTIES: Properties = Properties { no_weight_transport: Property::Yes, ..PROPERTIES };

const BARTUNOV: Citation = Citation {
    short: "Bartunov et al. 2018",
    full: "S. Bartunov, A. Santoro, B. A. Richards, L. Marris, G. E. Hinton, T. Lillicrap. Assessing the scalability of biologically-motivated deep learning algorithms and architectures. NeurIPS 31 (2018).",
};

pub static TP: RuleEntry = RuleEntry {
    name: "tp",
    aliases: &["target-propagation"],
    title: "Target propagation",
    citation: Citation {
        short: "LeCun 1986; Bengio 2014",
        full: "Y. Bengio. How auto-encoders could provide credit assignment in deep networks via target propagation. arXiv 1407.7906 (2014), after Y. LeCun. Learning process in an asymmetric threshold network. Disordered Systems and Biological Organization, Springer (1986).",
    },
    properties: Properties { linear_stabilization: Property::No, ..PROPERTIES },
    functions: Functions::of::<TargetPropagation<Plain>>(),
};

pub static DTP: RuleEntry = RuleEntry {
    name: "dtp",
    aliases: &["difference-target-propagation"],
    title: "Difference target propagation",
    citation: Citation {
        short: "Lee et al. 2015",
        full: "D.-H. Lee, S. Zhang, A. Fischer, Y. Bengio. Difference target propagation. ECML PKDD (2015); with the loss `l-drl`, M. M. Ernoult, F. Normandin, A. Moudgil, S. Spinney, E. Belilovsky, I. Rish, B. Richards, Y. Bengio. Towards scaling difference target propagation by learning backprop targets. ICML (2022).",
    },
    properties: PROPERTIES,
    functions: Functions::of::<TargetPropagation<Difference>>(),
};

pub static SDTP: RuleEntry = RuleEntry {
    name: "sdtp",
    aliases: &["simplified-difference-target-propagation"],
    title: "Simplified difference target propagation",
    citation: BARTUNOV,
    properties: SIMPLIFIED_PROPERTIES,
    functions: Functions::of::<TargetPropagation<Simplified>>(),
};

pub static AO_SDTP: RuleEntry = RuleEntry {
    name: "ao-sdtp",
    aliases: &["auxiliary-output-sdtp"],
    title: "Auxiliary-output SDTP",
    citation: BARTUNOV,
    properties: SIMPLIFIED_PROPERTIES,
    functions: Functions::of::<TargetPropagation<AuxiliaryOutput>>(),
};
