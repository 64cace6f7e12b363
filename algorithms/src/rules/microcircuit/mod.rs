//! Dendritic cortical microcircuits (Sacramento et al. 2018): errors are not sent, they are what a dendrite fails to explain.
//!
//! Every hidden area k has pyramidal cells with a basal dendrite, which hears the area below through `W_k`, an apical one, which
//! hears the area above through `D_k`, and a soma; and interneurons, each paired with a pyramidal cell of the area above,
//! which hear their own area through `IP_k` and silence its apical dendrites through `PI_k`. In the self-predicting state an
//! interneuron does as its partner does as long as there is no target, and apical potentials are 0. A target nudges the
//! output's somata; what interneurons do not predict of that shows in the apical dendrites below, moves their somata away from
//! what the basal dendrites predict, and so on down. Plasticity is local: basal weights learn to predict the soma. To the
//! first order in the nudge that is backpropagation through `D` instead of the transposed weights (section 2.2).
//!
//! The neurons are the circuit's own; of the architecture it takes the maps, the biases, and perhaps the initial weights.

mod circuit;
mod config;
mod full;
mod membrane;
mod observation;
mod plasticity;
#[cfg(test)]
mod tests;
mod transfer;
mod two_step;

use self::{
    circuit::Circuit,
    config::{Config, Dynamics},
    full::Presentation,
    membrane::Membrane,
    plasticity::Plasticity,
    transfer::target_potentials,
};
use crate::{
    Problem,
    architecture::LayerPlan,
    direction::Direction,
    loss::Loss,
    network::Network,
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, Lesson, OwnValues, Properties, Property, References,
        Registered, RuleDiagnostics, RuleEntry, Step,
    },
    voltage::VoltageTraces,
};
use tch::Tensor;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "microcircuit",
    aliases: &["dendritic-microcircuit", "microcircuits"],
    title: "Dendritic microcircuits",
    citation: Citation {
        short: "Sacramento et al. 2018",
        full: "J. Sacramento, R. P. Costa, Y. Bengio, W. Senn. Dendritic cortical microcircuits approximate the backpropagation algorithm. NeurIPS 31 (2018).",
    },
    properties: Properties {
        exact_gradients: Property::Partly("in the limit"),
        no_weight_transport: Property::Yes,
        no_separate_pathways: Property::Yes,
        dendritic_integration: Property::Yes,
        separate_weights_learned: Property::Partly("optionally"),
        linear_stabilization: Property::NotApplicable,
        explicit_error_representation: Property::Yes,
    },
    functions: Functions::of::<Microcircuit>(),
};

struct Microcircuit {
    config: Config,
    membrane: Membrane,
    /// Those of hidden areas.
    circuits: Vec<Circuit>,
    plasticity: Plasticity,
    /// That of the passes before the first epoch.
    early_plasticity: Plasticity,
}

impl Registered for Microcircuit {
    type Config = Config;

    fn new(config: Config, network: &mut Network, _: Streams) -> Self {
        if let Some(initializer) = config.initial_weights {
            for layer in &network.layers {
                let mut weight = layer.weight.shallow_clone();
                weight.copy_(&initializer.weight(&*layer.map, weight.kind(), weight.device()));
            }
        }
        let membrane = Membrane::new(&config);
        let layers = network.layers.len();
        let circuits =
            (1..layers).map(|above| Circuit::new(&config, &membrane, network, above - 1)).collect();
        let plasticity = Plasticity::new(&config, layers);
        let early_plasticity = Plasticity::of_interneurons(&config, layers);
        Self { config, membrane, circuits, plasticity, early_plasticity }
    }

    fn own_values(config: &Config, layers: &[LayerPlan]) -> OwnValues {
        Circuit::own_values(config, layers)
    }

    fn refusal(config: &Config, lesson: &Lesson<'_>) -> Option<Problem> {
        let layers = lesson.layers.len();
        let wrong_count = || {
            let refuse = |(name, rates, wanted): (&str, &Option<Vec<f64>>, usize)| {
                let of = if wanted == layers { "layer, the output included" } else { "hidden layer" };
                Lesson::refuse_count(name, rates.as_ref(), wanted, of)
            };
            config.rates(layers).into_iter().find_map(refuse)
        };
        // A regression brings its own potentials, and two-step dynamics have no conductances.
        let teaches_rates = config.dynamics == Dynamics::Full && !lesson.regression;
        let unreachable = || config.unreachable_target().filter(|_| teaches_rates);
        lesson
            .refuse_pools("the circuit has no pyramidal cells that would pool")
            .or_else(wrong_count)
            .or_else(unreachable)
    }
}

impl Microcircuit {
    fn target(&self, like: &Tensor, labels: &Tensor) -> Tensor {
        target_potentials(self.config.targets, self.config.transfer, labels, like)
    }

    /// The way up, which is also the steady state of a network whose apical dendrites are silent.
    fn up(&self, network: &Network, inputs: &Tensor) -> (Vec<Tensor>, Vec<Tensor>) {
        two_step::up(&self.membrane, self.config.transfer, network, inputs)
    }

    /// What `plasticity` makes of a batch, with targets or without, and the output's predicted potentials.
    fn learn(
        &self,
        network: &Network,
        plasticity: &Plasticity,
        inputs: &Tensor,
        labels: Option<&Tensor>,
    ) -> (Tensor, Vec<Direction>) {
        let transfer = self.config.transfer;
        let target =
            |like: &Tensor| self.target(like, labels.expect("asked for only where there are labels"));
        match self.config.dynamics {
            Dynamics::TwoStep => {
                let target = labels.map(|_| &target as &dyn Fn(&Tensor) -> Tensor);
                let mut activity =
                    two_step::present(&self.membrane, transfer, network, &self.circuits, inputs, target);
                let scale = 1.0 / inputs.size()[0] as f64;
                let directions = plasticity.directions(network, &self.circuits, &activity, scale);
                (activity.predictions.swap_remove(network.layers.len() - 1), directions)
            }
            Dynamics::Full => {
                let output = self.output(network, inputs);
                let target = labels.map(|_| target(&output));
                let time = self.config.time_course;
                let shown = Presentation::new(self.membrane, transfer, time, network, &self.circuits, inputs);
                (output, full::learn(shown, plasticity, target.as_ref()))
            }
        }
    }
}

impl LearningRule for Microcircuit {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        let (output, directions) = self.learn(network, &self.plasticity, &batch.inputs, Some(&batch.labels));
        Step { loss: loss.value(&output, &batch.labels), output, directions }
    }

    /// The output's potentials as its basal dendrites predict them, on the way up: of a label's cell the largest.
    fn output(&self, network: &Network, inputs: &Tensor) -> Tensor {
        let (mut predictions, _) = self.up(network, inputs);
        predictions.swap_remove(network.layers.len() - 1)
    }

    fn own_passes(&self, epoch: usize) -> usize {
        if epoch == 0 { self.config.pretraining_epochs as usize } else { 0 }
    }

    fn own_directions(&mut self, network: &Network, _: Loss, batch: &Batch) -> Vec<Direction> {
        self.learn(network, &self.early_plasticity, &batch.inputs, None).1
    }

    fn layer_diagnostics(&mut self, network: &Network, _: Loss, batch: &Batch) -> Vec<RuleDiagnostics> {
        self.observe(network, batch)
    }

    fn references(&mut self, network: &Network, _: Loss, batch: &Batch) -> References {
        self.compared_with(network, batch)
    }

    fn voltage_traces(&mut self, network: &Network, batch: &Batch) -> Option<VoltageTraces> {
        Some(self.record(network, batch))
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut parameters = Vec::new();
        for (index, circuit) in self.circuits.iter().enumerate() {
            let mut name = |layer: usize, kind: &str, tensor: &Tensor| {
                parameters.push((format!("{layer}.{kind}"), tensor.shallow_clone()));
            };
            name(index + 1, "feedback", &circuit.top_down);
            if let Some((weight, bias)) = &circuit.to_interneurons {
                name(index, "pyramidal-to-interneuron", weight);
                if let Some(bias) = bias {
                    name(index, "interneuron-bias", bias);
                }
            }
            if let Some(weight) = &circuit.from_interneurons {
                name(index, "interneuron-to-pyramidal", weight);
            }
        }
        parameters
    }

    fn feedback_weights(&self, _: &Network) -> Vec<Option<Tensor>> {
        let circuits = self.circuits.iter().map(|circuit| Some(circuit.top_down.shallow_clone()));
        std::iter::once(None).chain(circuits).collect()
    }
}
