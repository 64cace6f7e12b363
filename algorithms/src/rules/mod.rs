//! One file per rule or family, and one line per rule here.

mod bp;
mod dfa;
mod fa;
mod kp;
mod microcircuit;
mod segregated_dendrites;
mod sign_symmetry;
mod support;
mod target_propagation;

use crate::rule::RuleEntry;

pub(crate) use bp::gradient;
pub use support::{Convention, FeedbackWeights};

/// All rules, in the order in which reports list them.
pub static ALL: &[&RuleEntry] = &[
    &bp::ENTRY,
    &fa::ENTRY,
    &dfa::ENTRY,
    &sign_symmetry::UNIFORM,
    &sign_symmetry::BATCHWISE_RANDOM,
    &sign_symmetry::FIXED_RANDOM,
    &kp::ENTRY,
    &target_propagation::TP,
    &target_propagation::DTP,
    &target_propagation::SDTP,
    &target_propagation::AO_SDTP,
    &segregated_dendrites::ENTRY,
    &microcircuit::ENTRY,
];
