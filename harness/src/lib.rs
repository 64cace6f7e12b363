//! Apical: a distributed benchmark harness for biologically plausible learning.
//!
//! A suite (YAML) becomes a plan, a plan becomes runs, a run becomes events, and events become a report.

pub mod cli;
pub mod data;
pub mod device;
pub mod diff;
pub mod digest;
pub mod engine;
pub mod estimate;
pub mod exit;
pub mod export;
pub mod footprint;
pub mod http;
pub mod memory;
pub mod notify;
pub mod plan;
pub mod provenance;
pub mod record;
pub mod report;
pub mod spec;
pub mod stats;
pub mod suite;
pub mod told;
pub mod train;
pub mod worker;
