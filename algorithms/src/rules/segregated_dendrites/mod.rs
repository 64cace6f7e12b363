//! Segregated dendrites (Guerguiev, Lillicrap and Richards 2017): hidden neurons whose apical dendrites are apart from
//! their somata. Feedback adds up there to a plateau potential `α = σ(Ā)` at the end of a forward phase and again of a
//! target phase, in which the output is driven to the label; the difference teaches.
//!
//! | loss | of | weight change (`λ` rates, means over a phase with a bar) |
//! |---|---|---|
//! | `½ ‖λ̄^t − λ_max σ(Ū^f)‖²` | output | `η P_N (λ̄^t − λ_max σ(Ū^f)) k_D λ_max σ′(Ū^f) · PSP̄^f` |
//! | `‖α^t − α^f‖²` | hidden | `η P_l (α^t − α^f) k_B λ_max σ′(C̄^f) · PSP̄^f` |
//!
//! In rate mode without coupling from apical dendrite to soma, somata are at once where they stay, and the target phase
//! differs from the forward phase at the output alone: one pass tells all ([`SegregatedDendrites::at_once`]). Everything
//! else is simulated step by step, in batches of one from where the image before has left the neurons.

mod config;
mod feedback;
mod initialization;
mod neurons;
mod recording;
mod simulation;
#[cfg(test)]
mod tests;

use self::{
    config::{Config, Source, Steps},
    feedback::{Feedback, Pathway},
    neurons::Neurons,
    simulation::{Average, Circuit, Phase, Poisson, Spikes, State, Wiring},
};
use crate::{
    Problem,
    architecture::LayerPlan,
    diagnostics::NeuronDiagnostics,
    direction::Direction,
    loss::{Loss, targets},
    network::{Network, reshape_samples},
    optimizer::{OptimizerConfig, Sgd},
    randomness::Streams,
    rule::{
        Batch, Citation, Functions, LearningRule, Lesson, OwnValues, Properties, Property, References,
        Registered, RuleDiagnostics, RuleEntry, Step,
    },
    voltage::VoltageTraces,
};
use tch::{Kind, Tensor};

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "segregated-dendrites",
    aliases: &["guerguiev"],
    title: "Segregated dendrites",
    citation: Citation {
        short: "Guerguiev et al. 2017",
        full: "J. Guerguiev, T. P. Lillicrap, B. A. Richards. Towards deep learning with segregated dendrites. eLife 6, e22901 (2017).",
    },
    properties: Properties {
        exact_gradients: Property::No,
        no_weight_transport: Property::Yes,
        no_separate_pathways: Property::Yes,
        dendritic_integration: Property::Yes,
        separate_weights_learned: Property::No,
        linear_stabilization: Property::NotApplicable,
        explicit_error_representation: Property::No,
    },
    functions: Functions::of::<SegregatedDendrites>(),
};

struct SegregatedDendrites {
    config: Config,
    neurons: Neurons,
    feedback: Feedback,
    steps: Steps,
    /// Where the last image of online learning has left the neurons; none at rest.
    state: Option<State>,
}

/// What both phases leave behind of a layer, and all that learning reads.
struct Trace {
    /// Mean of what the layer reads from below in the forward phase, `[batch, …input_shape]`.
    presynaptic: Tensor,
    /// `σ` of the mean somatic potential in the forward phase, `[batch, …units]`.
    gate: Tensor,
    /// Mean rate in the forward phase, spikes per time step, `[batch, …units]`.
    rate: Tensor,
    /// Mean apical potentials, of hidden layers.
    apical: Option<Apical>,
}

struct Apical {
    forward: Tensor,
    target: Tensor,
    /// Mean of what was fed back in the forward phase.
    fed_back: Tensor,
}

impl Apical {
    /// `α^t − α^f`, `[batch, …units]`.
    fn plateau_difference(&self) -> Tensor {
        self.target.sigmoid().g_sub(&self.forward.sigmoid())
    }
}

struct Outcome {
    layers: Vec<Trace>,
    /// `Ū^f`, mean somatic potential of the output in the forward phase, `[batch, classes]`.
    potential: Tensor,
    /// `λ̄^t`, mean rate of the output in the target phase, spikes per time step, `[batch, classes]`.
    target_rate: Tensor,
}

impl Registered for SegregatedDendrites {
    type Config = Config;

    fn new(config: Config, network: &mut Network, _: Streams) -> Self {
        let neurons = Neurons::new(&config);
        if config.weight_optimization {
            initialization::start(network, neurons.max_rate);
        }
        let feedback = Feedback::new(&config, network, neurons.max_rate);
        Self { steps: config.steps(), config, neurons, feedback, state: None }
    }

    fn own_values(config: &Config, layers: &[LayerPlan]) -> OwnValues {
        OwnValues { optimizer: feedback_optimizer(config), ..Feedback::own_values(config, layers) }
    }

    fn refusal(config: &Config, lesson: &Lesson<'_>) -> Option<Problem> {
        let pooled = lesson.refuse_pools("a pool has no neurons with dendrites");
        if pooled.is_some() {
            return pooled;
        }
        if lesson.regression {
            let message = "its target phase drives one output neuron up and the others down, which tells a class and no \
                           values; leave it out of regressions";
            return Some(Problem::at("", message));
        }
        let (least, largest) = lesson.inputs;
        if config.spiking_feedforward() && (least < 0.0 || largest > 1.0) {
            let message = format!(
                "its inputs fire at `max_rate` times their value, which must lie between 0 and 1 and not between {least:.2} \
                 and {largest:.2}; set the dataset's `normalization: unit`, or `spiking_feedforward: false`"
            );
            return Some(Problem::at("", message));
        }
        let hidden = lesson.layers.len().saturating_sub(1);
        if config.feedback == Source::LayerWise && config.apical_conductance == 0.0 && hidden > 1 {
            let message = "with `feedback: layer-wise` a layer is told of the target only by the layer above, whose somata \
                           don't feel it without an `apical_conductance`: below the last hidden layer nothing could learn; \
                           set one (0.05 is the paper's), or `feedback: broadcast`";
            return Some(Problem::at("", message));
        }
        // The target comes down by one layer with each step.
        let needed = hidden + 1;
        if config.feedback == Source::LayerWise
            && config.has_no_time_course()
            && config.steps().target < needed
        {
            let least = needed as f64 * config.time_step;
            let message = format!(
                "must be at least {least} ms: layer by layer, the target takes {needed} steps to come down"
            );
            return Some(Problem::at("phases.target", message));
        }
        let layers = lesson.layers.len();
        Lesson::refuse_count("layer_rates", config.layer_rates.as_ref(), layers, "layer, the output included")
    }
}

impl SegregatedDendrites {
    fn wiring(&self) -> Wiring {
        Wiring {
            spiking_feedforward: self.config.spiking_feedforward(),
            spiking_feedback: self.config.spiking_feedback(),
            source: self.config.feedback,
        }
    }

    /// Whether one pass tells what two phases would come to.
    fn is_at_once(&self) -> bool {
        self.config.has_no_time_course() && self.config.apical_conductance == 0.0
    }

    /// The inputs as rates, spikes per time step.
    fn input_rates(&self, network: &Network, inputs: &Tensor) -> Tensor {
        reshape_samples(inputs, network.layers[0].map.input_shape()) * self.neurons.max_rate
    }

    /// Both phases, without simulating what can't change.
    fn at_once(&self, network: &Network, batch: &Batch, pathways: &[Pathway<'_>]) -> Outcome {
        let (mut layers, potential) = self.ascend(network, &batch.inputs);
        let target = targets(&batch.labels, &potential);
        // At the steady state `V = U / k_D`.
        let dendrite = &potential * (1.0 / self.neurons.output_gain());
        let target_rate = self.neurons.rate(&self.neurons.output_soma(None, &dendrite, Some(&target)));
        for (index, pathway) in pathways.iter().enumerate() {
            let own_source = index + 1 < pathways.len() && self.config.feedback == Source::LayerWise;
            let above = if own_source { index + 1 } else { layers.len() - 1 };
            let fed_back = layers[above].rate.shallow_clone();
            let apical = if own_source {
                // The layer above does not change.
                let forward = pathway.apical(&fed_back);
                Apical { target: forward.shallow_clone(), forward, fed_back }
            } else {
                let both = pathway.apical(&Tensor::cat(&[&fed_back, &target_rate], 0));
                let samples = fed_back.size()[0];
                Apical {
                    forward: both.narrow(0, 0, samples),
                    target: both.narrow(0, samples, samples),
                    fed_back,
                }
            };
            layers[index].apical = Some(apical);
        }
        Outcome { layers, potential, target_rate }
    }

    /// The forward phase where it takes no time: traces without apical potentials, and `U`.
    fn ascend(&self, network: &Network, inputs: &Tensor) -> (Vec<Trace>, Tensor) {
        let mut layers: Vec<Trace> = Vec::with_capacity(network.layers.len());
        let mut potential = None;
        let mut activity = self.input_rates(network, inputs);
        for (index, layer) in network.layers.iter().enumerate() {
            let presynaptic = reshape_samples(&activity, layer.map.input_shape());
            let mut soma = layer.map.apply(&layer.weight, layer.bias.as_ref(), &presynaptic);
            let output = index + 1 == network.layers.len();
            let gain = if output { self.neurons.output_gain() } else { self.neurons.basal_gain() };
            let _ = soma.g_mul_scalar_(gain);
            let gate = if output { soma.sigmoid() } else { soma.sigmoid_() };
            activity = &gate * self.neurons.max_rate;
            layers.push(Trace { presynaptic, gate, rate: activity.shallow_clone(), apical: None });
            potential = output.then_some(soma);
        }
        (layers, potential.unwrap_or(activity))
    }

    /// Both phases, step by step from `state`; lengths are drawn here where they are random.
    fn simulate(
        &self,
        network: &Network,
        batch: &Batch,
        pathways: &[Pathway<'_>],
        state: &mut State,
    ) -> Outcome {
        let circuit = Circuit { network, neurons: &self.neurons, pathways, wiring: self.wiring() };
        let rates = self.input_rates(network, &batch.inputs);
        let steps = self.steps;
        let target = targets(&batch.labels, &network_output_like(network, batch));
        let lengths = [steps.forward, steps.target].map(|length| (length + self.extra_steps(), length));
        self.phases(&circuit, state, &mut Poisson, &rates, &target, lengths)
    }

    /// A forward and a target phase from `state`, each of so many steps, of which all but the transient of so many are
    /// averaged over.
    fn phases(
        &self,
        circuit: &Circuit<'_>,
        state: &mut State,
        source: &mut dyn Spikes,
        rates: &Tensor,
        target: &Tensor,
        lengths: [(usize, usize); 2],
    ) -> Outcome {
        let phase = |index: usize, target| {
            let (steps, least) = lengths[index];
            Phase { steps, window: least - self.steps.transient, target }
        };
        let forward = circuit.run(state, source, rates, &phase(0, None), None);
        let with_target = circuit.run(state, source, rates, &phase(1, Some(target)), None);
        outcome(forward, with_target)
    }

    /// By how much a phase is longer than it must be: a number of ms drawn from the Wald distribution, rounded down.
    fn extra_steps(&self) -> usize {
        if self.config.random_phases() { (wald() / self.neurons.dt).floor() as usize } else { 0 }
    }

    /// Both phases, from rest, with the feedback of one batch.
    fn outcome(&self, network: &Network, batch: &Batch, pathways: &[Pathway<'_>]) -> Outcome {
        if self.is_at_once() {
            self.at_once(network, batch, pathways)
        } else {
            self.simulate(network, batch, pathways, &mut State::rest(network.layers.len()))
        }
    }

    /// Both phases of one image, from where the image before has left the neurons.
    fn online(&mut self, network: &Network, image: &Batch) -> Outcome {
        let mut state = self.state.take().unwrap_or_else(|| State::rest(network.layers.len()));
        let outcome = self.simulate(network, image, &self.feedback.pathways(network), &mut state);
        self.state = Some(state);
        outcome
    }

    /// `η P`-scaled factor on a layer's error, whose sign makes it a gradient's.
    fn scale(&self, index: usize, layers: usize, batch: i64) -> f64 {
        let own = self.config.layer_rates.as_ref().and_then(|rates| rates.get(index)).copied().unwrap_or(1.0);
        -own * self.neurons.plasticity(index + 1 == layers) / batch as f64
    }

    /// The output's `δ_N / (k_D λ_max)` = `(λ̄^t − λ_max σ(Ū^f)) σ′(Ū^f)`, `[batch, classes]`.
    fn output_error(&self, outcome: &Outcome) -> Tensor {
        let gate = &outcome.layers[outcome.layers.len() - 1].gate;
        Tensor::sigmoid_backward(&(&outcome.target_rate - gate * self.neurons.max_rate), gate)
    }

    fn learn(&self, network: &Network, outcome: &Outcome) -> Vec<Direction> {
        let count = network.layers.len();
        let batch = outcome.potential.size()[0];
        let mut directions = Vec::with_capacity(4 * count);
        for (index, (layer, trace)) in network.layers.iter().zip(&outcome.layers).enumerate() {
            let (mut error, gain) = match &trace.apical {
                Some(apical) => (
                    Tensor::sigmoid_backward(&apical.plateau_difference(), &trace.gate),
                    self.neurons.basal_gain(),
                ),
                None => (self.output_error(outcome), self.neurons.output_gain()),
            };
            let _ = error.g_mul_scalar_(self.scale(index, count, batch) * gain * self.neurons.max_rate);
            directions.extend(Direction::of_layer(index, layer, &trace.presynaptic, &error));
            if let Some(apical) = trace.apical.as_ref().filter(|_| self.config.learned_feedback) {
                let rate = &trace.gate * self.neurons.max_rate;
                directions.extend(self.feedback.directions(index, &rate, &apical.forward, &apical.fed_back));
            }
        }
        directions
    }

    /// The error of the output layer, `carry(l, δ_{l+1})` taking it from layer l + 1 to the rates of layer l; all layers'
    /// directions are of the same loss, that of the output.
    fn descend(
        &self,
        network: &Network,
        outcome: &Outcome,
        mut carry: impl FnMut(usize, &Tensor) -> Tensor,
    ) -> Vec<Direction> {
        let output = network.layers.len() - 1;
        let scale = self.scale(output, output + 1, outcome.potential.size()[0]);
        let mut error =
            self.output_error(outcome) * (scale * self.neurons.output_gain() * self.neurons.max_rate);
        let mut directions = Vec::new();
        for index in (0..=output).rev() {
            let (layer, trace) = (&network.layers[index], &outcome.layers[index]);
            if index < output {
                let carried = reshape_samples(&carry(index, &error), &layer.output_shape);
                error = Tensor::sigmoid_backward(&carried, &trace.gate)
                    * (self.neurons.basal_gain() * self.neurons.max_rate);
            }
            directions.extend(Direction::of_layer(index, layer, &trace.presynaptic, &error));
        }
        directions
    }
}

/// A tensor of the kind and device of the output, `[batch, classes]`.
fn network_output_like(network: &Network, batch: &Batch) -> Tensor {
    let shape = [batch.inputs.size()[0], network.classes()];
    Tensor::zeros(shape, (batch.inputs.kind(), batch.inputs.device()))
}

/// Puts together what learning reads of the averages of both phases.
fn outcome(forward: Vec<Average>, with_target: Vec<Average>) -> Outcome {
    fn present(average: Option<Tensor>) -> Tensor {
        average.expect("a phase averages over at least one step")
    }
    let mut potential = None;
    let mut target_rate = None;
    let mut layers = Vec::with_capacity(forward.len());
    for (forward, with_target) in forward.into_iter().zip(with_target) {
        let soma = present(forward.soma);
        let apical = forward.apical.zip(with_target.apical).map(|(apical, target)| Apical {
            forward: apical,
            target,
            fed_back: present(forward.fed_back),
        });
        layers.push(Trace {
            presynaptic: present(forward.presynaptic),
            gate: soma.sigmoid(),
            rate: present(forward.rate),
            apical,
        });
        potential = Some(soma);
        target_rate = with_target.rate;
    }
    Outcome { layers, potential: present(potential), target_rate: present(target_rate) }
}

/// A draw from the Wald (inverse Gaussian) distribution with mean 2 and shape 1 (Michael, Schucany and Haas 1976).
fn wald() -> f64 {
    const MEAN: f64 = 2.0;
    const SHAPE: f64 = 1.0;
    let options = (Kind::Double, tch::Device::Cpu);
    let squared = Tensor::randn([1], options).double_value(&[0]).powi(2);
    let ratio = MEAN / (2.0 * SHAPE);
    let root = (4.0 * MEAN * SHAPE * squared + (MEAN * squared).powi(2)).sqrt();
    let smaller = MEAN + ratio * (MEAN * squared - root);
    let uniform = Tensor::rand([1], options).double_value(&[0]);
    if uniform <= MEAN / (MEAN + smaller) { smaller } else { MEAN * MEAN / smaller }
}

fn feedback_optimizer(config: &Config) -> Option<OptimizerConfig> {
    config.learned_feedback.then_some(OptimizerConfig::Sgd(Sgd {
        learning_rate: config.feedback_learning_rate,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    }))
}

impl LearningRule for SegregatedDendrites {
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step {
        let outcome = if batch.inputs.size()[0] == 1 && !self.is_at_once() {
            self.online(network, batch)
        } else {
            self.outcome(network, batch, &self.feedback.pathways(network))
        };
        let directions = self.learn(network, &outcome);
        let value = loss.value(&outcome.potential, &batch.labels);
        Step { loss: value, output: outcome.potential, directions }
    }

    fn rest(&mut self) {
        self.state = None;
    }

    /// The output's mean somatic potential `U` in the test phase: the class of the largest is the prediction.
    fn output(&self, network: &Network, inputs: &Tensor) -> Tensor {
        if self.is_at_once() {
            return self.ascend(network, inputs).1;
        }
        let pathways = self.feedback.pathways(network);
        let circuit = Circuit { network, neurons: &self.neurons, pathways: &pathways, wiring: self.wiring() };
        let rates = self.input_rates(network, inputs);
        let phase =
            Phase { steps: self.steps.test, window: self.steps.test - self.steps.transient, target: None };
        let averages =
            circuit.run(&mut State::rest(network.layers.len()), &mut Poisson, &rates, &phase, None);
        let soma = averages.into_iter().last().and_then(|average| average.soma);
        soma.expect("a phase averages over at least one step")
    }

    fn own_optimizer(&self) -> Option<OptimizerConfig> {
        feedback_optimizer(&self.config)
    }

    fn layer_diagnostics(&mut self, network: &Network, _: Loss, batch: &Batch) -> Vec<RuleDiagnostics> {
        let mean = |tensor: &Tensor| tensor.mean(Kind::Double).double_value(&[]);
        let outcome = self.outcome(network, batch, &self.feedback.pathways(network));
        let describe = |trace: &Trace| {
            let apical = trace.apical.as_ref();
            let neurons = NeuronDiagnostics {
                apical_potential: apical.map(|apical| mean(&apical.forward.abs())),
                apical_potential_with_target: apical.map(|apical| mean(&apical.target.abs())),
                plateau_difference: apical.map(|apical| mean(&apical.plateau_difference().abs())),
                interneuron_mismatch: None,
                firing_rate: Some(mean(&trace.rate) / self.neurons.max_rate),
            };
            RuleDiagnostics { neurons: Some(neurons), ..RuleDiagnostics::default() }
        };
        outcome.layers.iter().map(describe).collect()
    }

    /// What the output layer descends, through the rates at which both phases come to rest. Coupling from apical dendrites
    /// to somata is left out.
    fn references(&mut self, network: &Network, _: Loss, batch: &Batch) -> References {
        let pathways = self.feedback.pathways(network);
        let outcome = self.outcome(network, batch, &pathways);
        let gradient = self.descend(network, &outcome, |index, error| {
            let above = &network.layers[index + 1];
            above.map.input_adjoint(&above.weight, error)
        });
        let mut output_error = None;
        let feedback_alignment = self.descend(network, &outcome, |index, error| {
            let output_error = output_error.get_or_insert_with(|| error.shallow_clone());
            let broadcast = self.config.feedback == Source::Broadcast;
            pathways[index].carry(if broadcast { output_error } else { error })
        });
        References { gradient, feedback_alignment }
    }

    fn voltage_traces(&mut self, network: &Network, batch: &Batch) -> Option<VoltageTraces> {
        Some(self.record(network, batch))
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.feedback.parameters()
    }

    fn feedback_weights(&self, network: &Network) -> Vec<Option<Tensor>> {
        self.feedback.by_layer(network)
    }
}
