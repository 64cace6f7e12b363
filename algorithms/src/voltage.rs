//! Potentials of a few neurons over time, as an electrophysiologist would record them.

use serde::{Deserialize, Serialize};

/// Where in a neuron a potential was recorded, or what stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compartment {
    /// The apical dendrite, where feedback arrives.
    Apical,
    /// The basal dendrite, where feed-forward input arrives.
    Basal,
    /// The soma.
    Soma,
    /// The soma of the interneuron that is paired with the neuron.
    Interneuron,
    /// Not recorded but given: the somatic potential that the output is nudged towards.
    Target,
}

/// The potential of one compartment of one neuron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoltageTrace {
    /// The layer's name, e.g. `1.dense`.
    pub layer: String,
    /// Index of the neuron in its layer.
    pub neuron: usize,
    /// Where in it.
    pub compartment: Compartment,
    /// One value per time step; no unit.
    pub potential: Vec<f64>,
}

/// When a neuron fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpikeTrain {
    /// The layer's name.
    pub layer: String,
    /// Index of the neuron in its layer.
    pub neuron: usize,
    /// In ms from the beginning of the recording.
    pub times: Vec<f64>,
}

/// A span of the recording in which the network was treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What a reader calls it, e.g. `forward phase`.
    pub name: String,
    /// When it ends, in ms from the beginning of the recording.
    pub end: f64,
}

/// A recording while the network was shown one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoltageTraces {
    /// Time between two values, in ms; the first value is after one such step.
    pub time_step: f64,
    /// In order; the first begins at 0.
    pub phases: Vec<Phase>,
    /// Potentials.
    pub traces: Vec<VoltageTrace>,
    /// Spikes, of neurons that fire any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spikes: Vec<SpikeTrain>,
}
