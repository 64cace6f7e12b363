//! Learning rules over linear maps: tensors in, tensors out.
//!
//! Nothing here knows a YAML file, a path, a clock or a machine.

pub mod activation;
pub mod architecture;
pub mod diagnostics;
pub mod direction;
pub mod initialization;
pub mod linear_map;
pub mod loss;
mod native;
pub mod network;
pub mod optimizer;
pub mod pooling;
mod problem;
pub mod randomness;
pub mod rule;
pub mod rules;
pub mod schedule;
pub mod voltage;

pub use native::reuse_freed_memory;
pub use problem::Problem;
