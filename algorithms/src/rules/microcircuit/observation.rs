//! What an observer asks of the circuit: what its directions are compared with, what its dendrites do, and potentials as
//! an electrode would record them. None of it is on the path of training.

use super::{
    Microcircuit,
    circuit::CircuitActivity,
    full::Presentation,
    two_step::{Activity, present},
};
use crate::{
    diagnostics::NeuronDiagnostics,
    direction::Direction,
    network::{Network, reshape_samples},
    rule::{Batch, References, RuleDiagnostics},
    voltage::{Compartment, Phase, VoltageTrace, VoltageTraces},
};
use tch::{Kind, Tensor};

/// How long the network is recorded without and then with its target, in ms each.
const RECORDED: f64 = 50.0;
/// Time between two recorded values, in ms, or else the Euler step.
const RECORDING_STEP: f64 = 0.5;
/// Recorded cells of each area.
const RECORDED_CELLS: usize = 2;

impl Microcircuit {
    /// What the output layer descends to the first order in `λ` has the error `e_N = φ′(v̂_N) (u_trgt − v̂_N)` at the
    /// predicted potentials. Its gradient in the network without a target, in which layer k's weights are `a_k θ_k`:
    /// `e_k = φ′(v̂_k) ⊙ A(a_{k+1} θ_{k+1})ᵀ e_{k+1}`; and the same with `D` for `θ`.
    pub(super) fn compared_with(&self, network: &Network, batch: &Batch) -> References {
        let (predictions, rates) = self.up(network, &batch.inputs);
        let carried = |weight: &dyn Fn(usize) -> Tensor| {
            let output = network.layers.len() - 1;
            let difference = &predictions[output] - self.target(&predictions[output], &batch.labels);
            let mut error = self.config.transfer.times_derivative(&difference, &rates[output])
                / batch.inputs.size()[0] as f64;
            let mut directions = Vec::new();
            for (index, layer) in network.layers.iter().enumerate().rev() {
                let below = index.checked_sub(1).map_or(&batch.inputs, |below| &rates[below]);
                let input = reshape_samples(below, layer.map.input_shape());
                error *= self.membrane.attenuation(index == output);
                directions.extend(Direction::of_layer(index, layer, &input, &error));
                if index > 0 {
                    let down = layer.map.input_adjoint(&weight(index), &error);
                    let down = reshape_samples(&down, &network.layers[index - 1].output_shape);
                    error = self.config.transfer.times_derivative(&down, &rates[index - 1]);
                }
            }
            directions
        };
        References {
            gradient: carried(&|index| network.layers[index].weight.shallow_clone()),
            feedback_alignment: carried(&|index| self.circuits[index - 1].top_down.shallow_clone()),
        }
    }

    /// Of the steady state as two-step dynamics find it.
    pub(super) fn observe(&self, network: &Network, batch: &Batch) -> Vec<RuleDiagnostics> {
        let target = |like: &Tensor| self.target(like, &batch.labels);
        let [free, taught] = [None, Some(&target as &dyn Fn(&Tensor) -> Tensor)].map(|target| {
            present(&self.membrane, self.config.transfer, network, &self.circuits, &batch.inputs, target)
        });
        let mean = |tensor: &Tensor| Some(tensor.mean(Kind::Double).double_value(&[]));
        let describe = |index: usize| {
            let circuit = free.circuits.get(index);
            let mismatch = |circuit: &CircuitActivity| {
                let above = &free.rates[index + 1];
                relative(&(&circuit.rates - above), above)
            };
            let largest = self.config.transfer.largest_rate().unwrap_or(1.0);
            NeuronDiagnostics {
                apical_potential: circuit.and_then(|circuit| mean(&circuit.apical.abs())),
                apical_potential_with_target: circuit
                    .and_then(|_| mean(&taught.circuits[index].apical.abs())),
                interneuron_mismatch: circuit.and_then(mismatch),
                firing_rate: mean(&free.rates[index]).map(|rate| rate / largest),
                plateau_difference: None,
            }
        };
        let layers = 0..network.layers.len();
        layers
            .map(|index| RuleDiagnostics { neurons: Some(describe(index)), ..RuleDiagnostics::default() })
            .collect()
    }

    /// The full dynamics, whatever the network learns by, of two cells of each area: those a third and two thirds of the way
    /// through it, and at the output those with the largest and the least target. An interneuron is recorded with the cell
    /// of the area above that it is paired with, so the first area has none.
    pub(super) fn record(&self, network: &Network, batch: &Batch) -> VoltageTraces {
        let sample = batch.inputs.narrow(0, 0, 1);
        let labels = batch.labels.narrow(0, 0, 1);
        let time = self.config.time_course;
        let mut shown =
            Presentation::new(self.membrane, self.config.transfer, time, network, &self.circuits, &sample);
        let target =
            self.target(&Tensor::zeros([1, network.classes()], (sample.kind(), sample.device())), &labels);
        let every = time.steps(RECORDING_STEP).max(1);
        let per_phase = time.steps(RECORDED).div_ceil(every).max(1);
        let probes = probes(network, &target);
        let mut potentials: Vec<Vec<f64>> = vec![Vec::with_capacity(2 * per_phase); probes.len()];
        for phase in [None, Some(&target)] {
            for step in 0..per_phase * every {
                let activity = shown.step(phase);
                if (step + 1) % every == 0 {
                    for (probe, potential) in probes.iter().zip(&mut potentials) {
                        potential.push(self.potential(network, probe, &activity, &target));
                    }
                }
            }
        }
        let trace = |(probe, potential): (&Probe, Vec<f64>)| VoltageTrace {
            layer: network.layers[probe.layer].name.clone(),
            neuron: probe.neuron,
            compartment: probe.compartment,
            potential,
        };
        let time_step = every as f64 * time.time_step;
        let end = per_phase as f64 * time_step;
        let phase = |name: &str, end: f64| Phase { name: name.to_owned(), end };
        VoltageTraces {
            time_step,
            phases: vec![phase("without a target", end), phase("with the target", 2.0 * end)],
            traces: probes.iter().zip(potentials).map(trace).collect(),
            spikes: Vec::new(),
        }
    }

    fn potential(&self, network: &Network, probe: &Probe, activity: &Activity, target: &Tensor) -> f64 {
        let of = |tensor: &Tensor| tensor.flatten(0, -1).double_value(&[probe.neuron as i64]);
        let is_output = probe.layer + 1 == network.layers.len();
        match probe.compartment {
            Compartment::Apical => of(&activity.circuits[probe.layer].apical),
            Compartment::Basal => {
                of(&activity.predictions[probe.layer]) / self.membrane.attenuation(is_output)
            }
            Compartment::Soma => of(&activity.potentials[probe.layer]),
            Compartment::Interneuron => of(&activity.circuits[probe.layer - 1].potential),
            Compartment::Target => of(target),
        }
    }
}

/// Where an electrode is.
struct Probe {
    layer: usize,
    neuron: usize,
    compartment: Compartment,
}

/// The recorded cells and their compartments, for the target potentials `[1, outputs]`.
fn probes(network: &Network, target: &Tensor) -> Vec<Probe> {
    let output = network.layers.len() - 1;
    let mut probes = Vec::new();
    for (layer, area) in network.layers.iter().enumerate() {
        let units = area.output_units() as usize;
        let mut neurons: Vec<usize> = if layer == output {
            [target.argmax(None, false), target.argmin(None, false)]
                .map(|neuron| neuron.int64_value(&[]) as usize)
                .to_vec()
        } else {
            (1..=RECORDED_CELLS).map(|cell| cell * units / (RECORDED_CELLS + 1)).collect()
        };
        neurons.dedup();
        let mut compartments = vec![Compartment::Basal, Compartment::Soma];
        compartments.push(if layer == output { Compartment::Target } else { Compartment::Apical });
        if layer > 0 {
            compartments.push(Compartment::Interneuron);
        }
        for neuron in neurons {
            probes.extend(compartments.iter().map(|&compartment| Probe { layer, neuron, compartment }));
        }
    }
    probes
}

/// ‖part‖ / ‖whole‖ over the batch.
fn relative(part: &Tensor, whole: &Tensor) -> Option<f64> {
    let norm = |tensor: &Tensor| tensor.square().sum(Kind::Double).sqrt().double_value(&[]);
    Some(norm(part) / norm(whole)).filter(|ratio| ratio.is_finite())
}
