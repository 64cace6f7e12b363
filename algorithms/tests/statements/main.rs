//! Statements about the learning rules and what they stand on, each a test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architectures;
mod backprop;
mod diagnostics;
mod every_rule;
mod feedback_alignment;
mod initialization;
mod linear_maps;
mod optimizers;
mod pooling;
mod registry;
mod support;
