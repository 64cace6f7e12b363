//! What an electrode would see: the potentials of a few neurons through a forward and a target phase.

use super::{
    SegregatedDendrites,
    config::Soma,
    simulation::{Circuit, Moment, Phase as Run, Poisson, State},
};
use crate::{
    loss::targets,
    network::Network,
    rule::Batch,
    voltage::{Compartment, Phase, SpikeTrain, VoltageTrace, VoltageTraces},
};
use tch::Tensor;

/// Neurons recorded of each layer.
const NEURONS: i64 = 2;
/// Length of a phase where the rule's own take no time, ms.
const LENGTH: f64 = 50.0;

impl SegregatedDendrites {
    /// Records while the first sample of `batch` is shown. Where nothing has a time course, somata are given theirs: they
    /// follow their dendrites by conductances, to where the rule has them at once.
    pub(super) fn record(&self, network: &Network, batch: &Batch) -> VoltageTraces {
        let batch = Batch { inputs: batch.inputs.narrow(0, 0, 1), labels: batch.labels.narrow(0, 0, 1) };
        let chosen = choose(network, &batch);
        let mut neurons = self.neurons.clone();
        let mut lengths = [self.steps.forward, self.steps.target];
        if self.config.has_no_time_course() {
            neurons.soma = Soma::Conductances;
            // Smooth curves: rates don't depend on how small the steps are.
            while neurons.dt * neurons.largest_conductance() >= 1.0 {
                neurons.dt /= 2.0;
            }
            lengths = [(LENGTH / neurons.dt).round() as usize; 2];
        }
        let pathways = self.feedback.pathways(network);
        let circuit = Circuit { network, neurons: &neurons, pathways: &pathways, wiring: self.wiring() };
        let rates = self.input_rates(network, &batch.inputs);
        let target = targets(&batch.labels, &super::network_output_like(network, &batch));
        let mut traces = Recorder::new(network, &chosen);
        let mut state = State::rest(network.layers.len());
        let mut begin = 0;
        for (steps, target) in lengths.into_iter().zip([None, Some(&target)]) {
            let phase = Run { steps, window: 1, target };
            let mut observe = |step: usize, moment: &Moment<'_>| {
                traces.observe((begin + step + 1) as f64 * neurons.dt, moment);
            };
            circuit.run(&mut state, &mut Poisson, &rates, &phase, Some(&mut observe));
            begin += steps;
        }
        let phase = |name: &str, end: usize| Phase { name: name.to_owned(), end: end as f64 * neurons.dt };
        VoltageTraces {
            time_step: neurons.dt,
            phases: vec![phase("forward phase", lengths[0]), phase("target phase", lengths[0] + lengths[1])],
            traces: traces.traces.into_iter().flatten().collect(),
            spikes: traces.spikes.into_iter().flatten().collect(),
        }
    }
}

/// Of each hidden layer neurons at even distances, of the output the label's and the next: the same whatever was learned,
/// so that recordings before and after can be compared.
fn choose(network: &Network, batch: &Batch) -> Vec<Vec<i64>> {
    let output = network.layers.len() - 1;
    let of_layer = |(index, layer): (usize, &crate::network::Layer)| {
        let units = layer.output_units();
        let mut chosen: Vec<i64> = if index == output {
            let label = batch.labels.int64_value(&[0]);
            vec![label, (label + 1) % units]
        } else {
            (1..=NEURONS).map(|place| place * units / (NEURONS + 1)).collect()
        };
        chosen.dedup();
        chosen
    };
    network.layers.iter().enumerate().map(of_layer).collect()
}

/// What has been recorded so far, by layer.
struct Recorder {
    traces: Vec<Vec<VoltageTrace>>,
    spikes: Vec<Vec<SpikeTrain>>,
}

impl Recorder {
    fn new(network: &Network, chosen: &[Vec<i64>]) -> Self {
        let output = network.layers.len() - 1;
        let trace = |index: usize, neuron: i64, compartment: Compartment| VoltageTrace {
            layer: network.layers[index].name.clone(),
            neuron: neuron as usize,
            compartment,
            potential: Vec::new(),
        };
        let of_layer = |(index, neurons): (usize, &Vec<i64>)| {
            let mut traces = Vec::new();
            for neuron in neurons {
                if index < output {
                    traces.push(trace(index, *neuron, Compartment::Apical));
                }
                traces.push(trace(index, *neuron, Compartment::Basal));
                traces.push(trace(index, *neuron, Compartment::Soma));
            }
            traces
        };
        Self {
            traces: chosen.iter().enumerate().map(of_layer).collect(),
            spikes: chosen.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Takes down a layer's moment, which ends at `time` ms.
    fn observe(&mut self, time: f64, moment: &Moment<'_>) {
        let value = |tensor: &Tensor, neuron: usize| tensor.reshape([-1]).double_value(&[neuron as i64]);
        for trace in &mut self.traces[moment.layer] {
            let potential = match trace.compartment {
                Compartment::Apical => moment.apical,
                Compartment::Basal => Some(moment.basal),
                _ => Some(moment.soma),
            };
            trace.potential.extend(potential.map(|potential| value(potential, trace.neuron)));
        }
        let Some(spikes) = moment.spikes else { return };
        let trains = &mut self.spikes[moment.layer];
        if trains.is_empty() {
            for trace in
                self.traces[moment.layer].iter().filter(|trace| trace.compartment == Compartment::Soma)
            {
                trains.push(SpikeTrain {
                    layer: trace.layer.clone(),
                    neuron: trace.neuron,
                    times: Vec::new(),
                });
            }
        }
        for train in trains {
            if value(spikes, train.neuron) > 0.0 {
                train.times.push(time);
            }
        }
    }
}
