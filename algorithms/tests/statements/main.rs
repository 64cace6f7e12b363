//! Statements about the learning rules and what they stand on, each a test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "says which case a failed test was at; the harness captures it")]
#![expect(clippy::float_cmp, reason = "where a test says equal, it means to the bit")]
#![expect(clippy::unreadable_literal, reason = "golden numbers stand as they were printed")]

mod architectures;
mod backprop;
mod diagnostics;
mod every_rule;
mod feedback_alignment;
mod initialization;
mod linear_maps;
mod microcircuit;
mod microcircuit_golden;
mod microcircuit_settings;
mod optimizers;
mod pooling;
mod registry;
mod segregated_dendrites;
mod segregated_dendrites_settings;
mod support;
mod target_propagation;
mod target_propagation_exact;
mod target_propagation_golden;
