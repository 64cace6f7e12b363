//! Potentials of a few neurons over time, as an electrophysiologist would record them.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// One value per time step; no unit. NaN, in JSON null, where there is none, e.g. no target yet.
    #[serde(deserialize_with = "null_is_nan")]
    pub potential: Vec<f64>,
}

/// JSON has no word for NaN: it is written as null.
fn null_is_nan<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
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

#[cfg(test)]
mod tests {
    use super::{Compartment, VoltageTrace};

    #[test]
    fn a_potential_that_is_not_there_survives_being_written_and_read() {
        let trace = VoltageTrace {
            layer: "1.dense".to_owned(),
            neuron: 3,
            compartment: Compartment::Target,
            potential: vec![f64::NAN, 0.1, -2.5e-9],
        };
        let written = serde_json::to_string(&trace).expect("plain data");
        assert!(written.contains("[null,0.1,"), "{written}");
        let read: VoltageTrace = serde_json::from_str(&written).expect("as written");
        assert!(read.potential[0].is_nan());
        assert_eq!(read.potential[1..], trace.potential[1..]);
    }
}
