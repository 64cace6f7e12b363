//! Apical: a distributed benchmark harness for biologically plausible learning.
//!
//! A suite (YAML) becomes a plan, a plan becomes runs, a run becomes events, and events become a report.

pub mod data;
pub mod device;
pub mod engine;
pub mod exit;
pub mod plan;
pub mod provenance;
pub mod record;
pub mod spec;
pub mod suite;
pub mod train;
pub mod worker;
