//! What a suite can say about segregated dendrites: every switch and number of the search space of Lange 2019. `mode` only chooses
//! what is not said; each switch can be set apart from it.

use super::neurons::Neurons;
use crate::{Problem, rule::RuleConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What neurons send each other, where no other switch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Rates, and somata at their steady state: the default of the official code.
    Rate,
    /// Poisson spikes, and somata that follow their dendrites in time: the model of the paper.
    Spiking,
}

/// How a soma follows its dendrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Soma {
    /// At once: it is at its steady state in every time step.
    SteadyState,
    /// By currents through conductances, integrated in Euler steps.
    Conductances,
}

/// Where a hidden layer's apical dendrites read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// From the output layer, through a matrix of their own `[classes, units]`.
    Broadcast,
    /// From the layer above, through a tensor shaped like that layer's weight.
    LayerWise,
}

/// Whether feedback weights follow the forward weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Symmetry {
    /// They are weights of their own.
    None,
    /// They are the transposed forward weights at every moment; for broadcast the product of those above.
    Exact,
    /// The same, with noise on each forward weight that is drawn anew for every batch.
    Noisy,
}

/// The lengths of phases, in ms.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Forward phase in training, ms; by default 50, or where nothing has a time course 2 time steps, with an
    /// `apical_conductance` 20.
    pub forward: Option<f64>,
    /// Target phase, ms; by default as the forward phase.
    pub target: Option<f64>,
    /// Forward phase in testing, ms; by default 250, or as in training where nothing has a time course.
    pub test: Option<f64>,
    /// Beginning of each phase that no average includes, ms; by default 30, or where nothing has a time course all but the
    /// last time step.
    pub transient: Option<f64>,
    /// Whether each training phase is longer by a number of ms drawn for each batch from the Wald distribution with mean
    /// 2 and shape 1, rounded down; by default in spiking mode.
    pub random: Option<bool>,
}

/// The options of segregated dendrites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SegregatedDendrites")]
pub struct Config {
    /// What neurons send each other and how somata follow their dendrites, where the three switches below don't say.
    pub mode: Mode,
    /// Whether inputs and hidden neurons send spikes upwards instead of rates; by default in spiking mode.
    pub spiking_feedforward: Option<bool>,
    /// Whether neurons send spikes to apical dendrites instead of rates; by default in spiking mode.
    pub spiking_feedback: Option<bool>,
    /// How somata follow their dendrites; by default at once in rate mode, by conductances in spiking mode.
    pub soma: Option<Soma>,
    /// Where apical dendrites read.
    pub feedback: Source,
    /// Whether 80 % of the feedback weights are zero, and the others five times as large.
    pub sparse_feedback: bool,
    /// Whether feedback weights follow the forward weights.
    pub symmetric_weights: Symmetry,
    /// Standard deviation of the noise of `symmetric_weights: noisy`; by default 0.05.
    #[schemars(range(min = 0))]
    pub symmetric_noise: Option<f64>,
    /// Whether apical dendrites have biases.
    pub feedback_bias: bool,
    /// Whether feedback weights and biases learn: to give the forward firing rate back as the plateau potential.
    pub learned_feedback: bool,
    /// Their learning rate, in plain gradient descent.
    #[schemars(range(min = 0))]
    pub feedback_learning_rate: f64,
    /// Whether forward weights, biases and feedback weights start where dendritic potentials have mean 3 and standard
    /// deviation 3. Otherwise forward weights start as the architecture says, and feedback weights are uniform in ±1.
    pub weight_optimization: bool,
    /// For each layer, from the input to the output, a factor on the learning rate; by default 1.
    pub layer_rates: Option<Vec<f64>>,
    /// `dt`, time step, ms; at most 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub time_step: f64,
    /// How long a spike is remembered by the synapses, ms.
    #[schemars(range(min = 0))]
    pub spike_memory: f64,
    /// Lengths of phases.
    pub phases: Phases,
    /// `λ_max`, largest firing rate, spikes/ms. Inputs are multiplied by it.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_rate: f64,
    /// `τ_s`, synaptic time constant, ms.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub synaptic_time_constant: f64,
    /// `τ_L`, leak time constant, ms; the leak conductance `g_L` is 1/`τ_L`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub leak_time_constant: f64,
    /// `g_B`, conductance from basal dendrite to soma.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub basal_conductance: f64,
    /// `g_A`, conductance from apical dendrite to soma; 0 is the paper's default, 0.05 its weak coupling.
    #[schemars(range(min = 0))]
    pub apical_conductance: f64,
    /// `g_D`, conductance from dendrite to soma in the output layer; by default `g_B`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub output_conductance: Option<f64>,
    /// `E_E`, reversal potential towards which the label's output neuron is driven.
    pub excitatory_reversal: f64,
    /// `E_I`, reversal potential towards which the other output neurons are driven.
    pub inhibitory_reversal: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Rate,
            spiking_feedforward: None,
            spiking_feedback: None,
            soma: None,
            feedback: Source::Broadcast,
            sparse_feedback: false,
            symmetric_weights: Symmetry::None,
            symmetric_noise: None,
            feedback_bias: false,
            learned_feedback: false,
            feedback_learning_rate: 0.01,
            weight_optimization: true,
            layer_rates: None,
            time_step: 1.0,
            spike_memory: 10.0,
            phases: Phases::default(),
            max_rate: 0.2,
            synaptic_time_constant: 3.0,
            leak_time_constant: 10.0,
            basal_conductance: 0.6,
            apical_conductance: 0.0,
            output_conductance: None,
            excitatory_reversal: 8.0,
            inhibitory_reversal: -8.0,
        }
    }
}

/// More time steps than synapses can remember: each keeps a table of so many by so many.
const MOST_REMEMBERED: f64 = 1000.0;

/// Phases in time steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub forward: usize,
    pub target: usize,
    pub test: usize,
    /// The steps at the beginning of each phase that averages leave out.
    pub transient: usize,
}

impl Config {
    pub(super) fn spiking_feedforward(&self) -> bool {
        self.spiking_feedforward.unwrap_or(self.mode == Mode::Spiking)
    }

    pub(super) fn spiking_feedback(&self) -> bool {
        self.spiking_feedback.unwrap_or(self.mode == Mode::Spiking)
    }

    pub(super) fn soma(&self) -> Soma {
        self.soma.unwrap_or(match self.mode {
            Mode::Rate => Soma::SteadyState,
            Mode::Spiking => Soma::Conductances,
        })
    }

    pub(super) fn output_conductance(&self) -> f64 {
        self.output_conductance.unwrap_or(self.basal_conductance)
    }

    pub(super) fn symmetric_noise(&self) -> f64 {
        self.symmetric_noise.unwrap_or(0.05)
    }

    /// Whether a phase is a matter of steps to a steady state instead of a time course.
    pub(super) fn has_no_time_course(&self) -> bool {
        self.soma() == Soma::SteadyState && !self.spiking_feedforward() && !self.spiking_feedback()
    }

    pub(super) fn random_phases(&self) -> bool {
        self.phases.random.unwrap_or(self.mode == Mode::Spiking && !self.has_no_time_course())
    }

    pub(super) fn steps(&self) -> Steps {
        let step = self.time_step;
        let steps = |ms: f64| (ms / step).round() as usize;
        let phases = &self.phases;
        // Coupled somata close a loop through all layers, which takes as many steps to come to rest as there is depth.
        let settled = if self.apical_conductance > 0.0 { 20.0 } else { 2.0 };
        let (forward, test, transient) = if self.has_no_time_course() {
            (settled * step, None, None)
        } else {
            (50.0, Some(250.0), Some(30.0))
        };
        let forward = phases.forward.unwrap_or(forward);
        let target = phases.target.unwrap_or(forward);
        let test = phases.test.or(test).unwrap_or(forward);
        let all_but_the_last = forward.min(target).min(test) - step;
        let transient = phases.transient.or(transient).unwrap_or(all_but_the_last);
        Steps {
            forward: steps(forward),
            target: steps(target),
            test: steps(test),
            transient: steps(transient),
        }
    }
}

impl RuleConfig for Config {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        check(
            self.time_step > 0.0 && self.time_step <= 1.0,
            "time_step",
            "must be greater than 0 and at most 1 ms",
        );
        for (path, value) in [
            ("max_rate", self.max_rate),
            ("synaptic_time_constant", self.synaptic_time_constant),
            ("leak_time_constant", self.leak_time_constant),
            ("basal_conductance", self.basal_conductance),
            ("output_conductance", self.output_conductance()),
        ] {
            check(positive(value), path, "must be greater than 0");
        }
        for (path, value) in [
            ("spike_memory", self.spike_memory),
            ("apical_conductance", self.apical_conductance),
            ("symmetric_noise", self.symmetric_noise()),
            ("feedback_learning_rate", self.feedback_learning_rate),
        ] {
            check(not_negative(value), path, "must be 0 or more");
        }
        let rates = self.layer_rates.as_deref().unwrap_or_default();
        check(rates.iter().all(|rate| not_negative(*rate)), "layer_rates", "must each be 0 or more");
        let moves = rates.iter().any(|rate| *rate > 0.0);
        check(self.layer_rates.is_none() || moves, "layer_rates", "can't all be 0, or nothing learns");
        let reversals = (self.inhibitory_reversal, self.excitatory_reversal);
        check(
            reversals.0 < reversals.1 && reversals.0.is_finite() && reversals.1.is_finite(),
            "inhibitory_reversal",
            "must be less than `excitatory_reversal`, or the label's neuron is not driven above the others",
        );
        if problems.is_empty() {
            self.contradictions(&mut problems);
        }
        problems
    }
}

impl Config {
    /// Values that are each possible, but not together.
    fn contradictions(&self, problems: &mut Vec<Problem>) {
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        let spiking = self.spiking_feedforward() || self.spiking_feedback();
        check(
            !spiking || (self.spike_memory / self.time_step).round() >= 1.0,
            "spike_memory",
            "must be at least one time step where neurons spike, or no spike has an effect",
        );
        check(
            !spiking || self.spike_memory / self.time_step <= MOST_REMEMBERED,
            "time_step",
            &format!(
                "must be at least {} ms with this `spike_memory`: more than {MOST_REMEMBERED} time steps can't be remembered",
                self.spike_memory / MOST_REMEMBERED
            ),
        );
        check(
            !spiking || (self.synaptic_time_constant - self.leak_time_constant).abs() > 1e-9,
            "synaptic_time_constant",
            "must differ from `leak_time_constant` where neurons spike: the response to a spike divides by their \
             difference",
        );
        check(
            !self.learned_feedback || self.symmetric_weights == Symmetry::None,
            "learned_feedback",
            "contradicts `symmetric_weights`: weights that follow the forward weights can't learn on their own; leave out \
             one of the two",
        );
        check(
            !self.learned_feedback || self.feedback_learning_rate > 0.0,
            "feedback_learning_rate",
            "must be greater than 0 with `learned_feedback`; leave that out for fixed feedback weights",
        );
        let default = Self::default();
        for (path, changed) in [
            ("spike_memory", self.spike_memory.total_cmp(&default.spike_memory).is_ne()),
            (
                "synaptic_time_constant",
                self.synaptic_time_constant.total_cmp(&default.synaptic_time_constant).is_ne(),
            ),
        ] {
            check(
                spiking || !changed,
                path,
                "has no effect where nothing spikes: leave it out, or set `mode: spiking`",
            );
        }
        check(
            self.learned_feedback
                || [0.0, default.feedback_learning_rate].contains(&self.feedback_learning_rate),
            "feedback_learning_rate",
            "has no effect without `learned_feedback: true`",
        );
        check(
            self.symmetric_noise.is_none() || self.symmetric_weights == Symmetry::Noisy,
            "symmetric_noise",
            "has no effect without `symmetric_weights: noisy`",
        );
        check(
            !(self.random_phases() && self.has_no_time_course()),
            "phases.random",
            "has no effect where neither a soma nor a synapse has a time course; set `soma: conductances` or `mode: spiking`",
        );
        let largest = 2.0 / Neurons::new(self).largest_conductance();
        check(
            self.soma() == Soma::SteadyState || self.time_step < largest,
            "time_step",
            &format!(
                "must be less than {largest:.3} ms with these conductances (the leak's is 1 / `leak_time_constant`), or the \
                 Euler steps of a soma diverge"
            ),
        );
        let steps = self.steps();
        let transient = steps.transient as f64 * self.time_step;
        // A phase that isn't given is as the forward phase, or as long as it must be.
        for (path, given, length) in [
            ("phases.forward", true, steps.forward),
            ("phases.target", self.phases.target.is_some(), steps.target),
            ("phases.test", self.phases.test.is_some() || steps.test != steps.forward, steps.test),
        ] {
            check(!given || length >= 2, path, "must be at least 2 time steps: feedback takes one to arrive");
            check(
                !given || length > steps.transient,
                path,
                &format!(
                    "must be longer than `phases.transient`, {transient} ms, or nothing is left to average over; shorten that too"
                ),
            );
        }
    }
}
