//! What a suite can say about the microcircuit.

use super::{membrane::Membrane, transfer::Transfer};
use crate::{Problem, initialization::Initializer, rule::RuleConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the circuit finds its potentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dynamics {
    /// One sweep up without and one down with the target (section 3.4 of the paper, its experiment on MNIST).
    TwoStep,
    /// The differential equations over the time for which a pattern is shown (equations 1 to 10).
    Full,
}

/// What becomes of top-down weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TopDown {
    /// They stay as they were drawn.
    Fixed,
    /// They learn to predict the rates below from those above (equation 10).
    Learned,
}

/// What becomes of synapses to or from interneurons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InterneuronPlasticity {
    /// At every moment what the self-predicting state asks for, of the weights as they are: perfect tracking.
    Tied,
    /// They learn by their local rule.
    Plastic,
    /// As the initial state has left them; or, with `pretraining_epochs`, as they have learned in those.
    Fixed,
}

/// Where interneuron synapses that are not tied start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitialState {
    /// Where apical dendrites are silent without a target.
    SelfPredicting,
    /// At random: to interneurons as `initial_weights`, from them as `top_down_weights`.
    Random,
}

/// The share of a soma's steady potential that its second input has, `λ = g / (all conductances)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixing {
    /// `λ_k` of the apical dendrite in a hidden pyramidal cell.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub hidden: f64,
    /// `λ_N` of the teaching current in an output cell.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub output: f64,
    /// `λ_I` of the current from the paired pyramidal cell in an interneuron.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub interneuron: f64,
}

impl Default for Mixing {
    fn default() -> Self {
        Self { hidden: 0.3, output: 0.1, interneuron: 0.1 }
    }
}

/// Conductances of the other currents, in 1/ms (of unit capacitance).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Conductances {
    /// `g_l`, of the leak to the resting potential 0.
    #[schemars(range(min = 0))]
    pub leak: f64,
    /// `g_B`, from the basal dendrite of a pyramidal cell.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub basal: f64,
    /// `g_D`, from the dendrite of an interneuron.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub dendritic: f64,
}

impl Default for Conductances {
    fn default() -> Self {
        Self { leak: 0.1, basal: 1.0, dendritic: 1.0 }
    }
}

/// Reversal potentials of the teaching current; no unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reversal {
    /// `E_exc`.
    pub excitatory: f64,
    /// `E_inh`.
    pub inhibitory: f64,
}

impl Default for Reversal {
    fn default() -> Self {
        Self { excitatory: 8.0, inhibitory: -8.0 }
    }
}

/// Rates of the output that a label stands for; a regression's targets are potentials as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// That of the label's own cell.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub class: f64,
    /// That of every other cell.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub others: f64,
}

impl Default for Targets {
    fn default() -> Self {
        Self { class: 0.8, others: 0.1 }
    }
}

/// The time course of the full dynamics, and of recorded potentials; two-step learning has none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeCourse {
    /// Euler step, in ms.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub time_step: f64,
    /// For how long a pattern is shown, in ms.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub pattern_duration: f64,
    /// Time constant of the low-pass filter of input and target, in ms; 0 for none.
    #[schemars(range(min = 0))]
    pub input_time_constant: f64,
    /// Time constant of the low-pass filter of weight changes, in ms; 0 for none.
    #[schemars(range(min = 0))]
    pub plasticity_time_constant: f64,
    /// Time from a pattern's onset until plasticity begins, in ms: the circuit settles first.
    #[schemars(range(min = 0))]
    pub plasticity_lag: f64,
    /// σ of the white noise current into every soma, in 1/√ms.
    #[schemars(range(min = 0))]
    pub noise: f64,
    /// Whether rates and plasticity read `u + τ du/dt` instead of `u`, τ being the soma's time constant: cells anticipate where
    /// they are going (latent equilibrium, Haider et al. 2021).
    pub prospective: bool,
}

impl Default for TimeCourse {
    fn default() -> Self {
        Self {
            time_step: 0.1,
            pattern_duration: 100.0,
            input_time_constant: 3.0,
            plasticity_time_constant: 30.0,
            plasticity_lag: 20.0,
            noise: 0.0,
            prospective: false,
        }
    }
}

impl TimeCourse {
    /// Euler steps of so many ms.
    pub fn steps(&self, duration: f64) -> usize {
        (duration / self.time_step).round() as usize
    }
}

/// The options of the microcircuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Microcircuit")]
pub struct Config {
    /// How the circuit finds its potentials.
    pub dynamics: Dynamics,
    /// The transfer function of every cell; the architecture's activation is not used.
    pub transfer: Transfer,
    /// How much of a soma's potential comes from above.
    pub mixing: Mixing,
    /// Conductances.
    pub conductances: Conductances,
    /// Reversal potentials of the teaching current. They bound what a label's rates can be with full dynamics, and change no
    /// figure.
    pub reversal_potentials: Reversal,
    /// What rates a label stands for.
    pub targets: Targets,
    /// How bottom-up weights are drawn; `null` leaves weights as the architecture says. Biases stay as they are.
    pub initial_weights: Option<Initializer>,
    /// How top-down weights are drawn.
    pub top_down_weights: Initializer,
    /// What becomes of top-down weights.
    pub top_down: TopDown,
    /// What becomes of the synapses of pyramidal cells on interneurons.
    pub pyramidal_to_interneuron: InterneuronPlasticity,
    /// What becomes of the synapses of interneurons on pyramidal cells.
    pub interneuron_to_pyramidal: InterneuronPlasticity,
    /// Where interneuron synapses that are not tied start.
    pub initial_state: InitialState,
    /// Passes over the data before the first epoch in which interneuron synapses that are not tied learn, without targets.
    pub pretraining_epochs: u32,
    /// Factor on the learning rate for the bottom-up weights of each layer, from the input; 0 freezes a layer. By default
    /// `1 / λ_N` at the output, and `1 / λ_k` times that of the layer above for each layer below.
    pub layer_rates: Option<Vec<f64>>,
    /// The same for the synapses on interneurons, for each hidden layer; by default twice that of the layer above.
    pub interneuron_rates: Option<Vec<f64>>,
    /// The same for the synapses of interneurons on apical dendrites; by default `λ_I` times that of the layer above.
    pub apical_rates: Option<Vec<f64>>,
    /// The same for top-down weights that learn; by default `λ_I` times that of the layer above.
    pub top_down_rates: Option<Vec<f64>>,
    /// The time course of the full dynamics.
    pub time_course: TimeCourse,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dynamics: Dynamics::TwoStep,
            transfer: Transfer::Logistic,
            mixing: Mixing::default(),
            conductances: Conductances::default(),
            reversal_potentials: Reversal::default(),
            targets: Targets::default(),
            initial_weights: Some(Initializer::Uniform { low: -0.1, high: 0.1 }),
            top_down_weights: Initializer::Uniform { low: -1.0, high: 1.0 },
            top_down: TopDown::Fixed,
            pyramidal_to_interneuron: InterneuronPlasticity::Tied,
            interneuron_to_pyramidal: InterneuronPlasticity::Tied,
            initial_state: InitialState::SelfPredicting,
            pretraining_epochs: 0,
            layer_rates: None,
            interneuron_rates: None,
            apical_rates: None,
            top_down_rates: None,
            time_course: TimeCourse::default(),
        }
    }
}

/// Factors on the learning rate, by what they are for, with how many there must be in a network of so many layers.
pub type NamedRates<'a> = [(&'static str, &'a Option<Vec<f64>>, usize); 4];

impl Config {
    /// All lists of rates.
    pub fn rates(&self, layers: usize) -> NamedRates<'_> {
        let hidden = layers.saturating_sub(1);
        [
            ("layer_rates", &self.layer_rates, layers),
            ("interneuron_rates", &self.interneuron_rates, hidden),
            ("apical_rates", &self.apical_rates, hidden),
            ("top_down_rates", &self.top_down_rates, hidden),
        ]
    }

    /// Whether no interneuron synapse has a state of its own.
    pub fn is_all_tied(&self) -> bool {
        let tied = InterneuronPlasticity::Tied;
        self.pyramidal_to_interneuron == tied && self.interneuron_to_pyramidal == tied
    }

    /// Why a label's rates can't be taught by conductances, if so.
    pub fn unreachable_target(&self) -> Option<Problem> {
        let Reversal { excitatory, inhibitory } = self.reversal_potentials;
        let targets = [("class", self.targets.class), ("others", self.targets.others)];
        let potentials = targets.map(|(name, rate)| (name, rate, self.transfer.potential(rate)));
        let beyond = |potential: f64| !(inhibitory..=excitatory).contains(&potential);
        let (name, rate, potential) = potentials.into_iter().find(|(_, _, potential)| beyond(*potential))?;
        let message = format!(
            "is the rate {rate}, the potential {potential:.3}, beyond the `reversal_potentials` of {inhibitory} and {excitatory}, \
             where a conductance would be negative; choose another rate or wider reversal potentials"
        );
        Some(Problem::at(format!("targets.{name}"), message))
    }

    fn value_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        let share = "must be greater than 0 and less than 1: without this share no error comes down";
        check(self.mixing.hidden > 0.0 && self.mixing.hidden < 1.0, "mixing.hidden", share);
        check(self.mixing.output > 0.0 && self.mixing.output < 1.0, "mixing.output", share);
        let interneuron = self.mixing.interneuron;
        check((0.0..1.0).contains(&interneuron), "mixing.interneuron", "must be 0 or more and less than 1");
        let Conductances { leak, basal, dendritic } = self.conductances;
        check(leak >= 0.0 && leak.is_finite(), "conductances.leak", "must be 0 or more");
        for (path, value) in [("conductances.basal", basal), ("conductances.dendritic", dendritic)] {
            check(value > 0.0 && value.is_finite(), path, "must be greater than 0");
        }
        let Reversal { excitatory, inhibitory } = self.reversal_potentials;
        check(
            excitatory > inhibitory && (excitatory - inhibitory).is_finite(),
            "reversal_potentials",
            "`excitatory` must be greater than `inhibitory`",
        );
        let most = self.transfer.largest_rate().unwrap_or(f64::INFINITY);
        for (path, rate) in [("targets.class", self.targets.class), ("targets.others", self.targets.others)] {
            check(
                rate > 0.0 && rate < most,
                path,
                "must be a rate between the least and the largest that the transfer function has",
            );
        }
        check(
            self.targets.class > self.targets.others,
            "targets.class",
            "must be greater than `targets.others`, or the label's cell is not driven above the others",
        );
        for (path, rates, _) in self.rates(0) {
            let fine = rates.iter().flatten().all(|rate| *rate >= 0.0 && rate.is_finite());
            check(fine, path, "must each be 0 or more");
        }
        problems
    }

    fn time_problems(&self) -> Vec<Problem> {
        let time = &self.time_course;
        let mut problems = Vec::new();
        let mut check = |holds: bool, key: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(format!("time_course.{key}"), message));
            }
        };
        check(time.time_step > 0.0 && time.time_step.is_finite(), "time_step", "must be greater than 0");
        for (key, value) in [
            ("input_time_constant", time.input_time_constant),
            ("plasticity_time_constant", time.plasticity_time_constant),
        ] {
            let fine = value == 0.0 || (value >= time.time_step && value.is_finite());
            let message = format!(
                "is {value} ms, and must be 0, for no filter, or at least the `time_step` of {} ms",
                time.time_step
            );
            check(fine, key, &message);
        }
        check(
            time.pattern_duration.is_finite() && time.pattern_duration >= time.time_step,
            "pattern_duration",
            "must be at least the `time_step`",
        );
        check(
            time.plasticity_lag >= 0.0 && time.plasticity_lag + time.time_step <= time.pattern_duration,
            "plasticity_lag",
            &format!(
                "is {} ms, and must be 0 or more and end before the `pattern_duration` of {} ms does, or nothing is learned",
                time.plasticity_lag, time.pattern_duration
            ),
        );
        check(time.noise >= 0.0 && time.noise.is_finite(), "noise", "must be 0 or more");
        problems
    }

    fn contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        check(
            self.initial_state == InitialState::SelfPredicting || !self.is_all_tied(),
            "initial_state",
            "`random` changes nothing where both `pyramidal_to_interneuron` and `interneuron_to_pyramidal` are `tied`: make \
             one `plastic` or `fixed`",
        );
        check(
            self.pretraining_epochs == 0 || self.initial_state == InitialState::Random,
            "pretraining_epochs",
            "must be 0 in the self-predicting state, in which there is nothing to learn without targets: set \
             `initial_state: random`",
        );
        check(
            self.dynamics == Dynamics::Full || self.time_course.noise == 0.0,
            "time_course.noise",
            "must be 0 with `dynamics: two-step`, which has no time for noise to come in: set `dynamics: full`",
        );
        check(
            self.time_course.noise == 0.0 || !self.time_course.prospective,
            "time_course.noise",
            "has no effect with `prospective: true`: cells then read where their potentials are heading, which noise does not \
             change; leave one of the two out",
        );
        // Where an interneuron's partner has no share in it, interneurons have nothing to learn from, and the default rates
        // of what learns beside them are 0.
        let unpaired = self.mixing.interneuron == 0.0;
        let by_default = [
            (self.interneuron_to_pyramidal != InterneuronPlasticity::Tied && self.apical_rates.is_none()),
            (self.top_down == TopDown::Learned && self.top_down_rates.is_none()),
        ];
        check(
            !unpaired
                || (self.pyramidal_to_interneuron == InterneuronPlasticity::Tied
                    && by_default == [false, false]),
            "mixing.interneuron",
            "must be greater than 0 where synapses of interneurons or top-down weights learn: they learn from the partner's \
             share, and by default at rates in proportion to it",
        );
        let frozen = self.layer_rates.as_ref().is_some_and(|rates| rates.iter().all(|rate| *rate == 0.0));
        check(
            !frozen || self.top_down == TopDown::Learned || !self.is_all_tied(),
            "layer_rates",
            "can't all be 0 where nothing else learns",
        );
        let pretrained = self.pretraining_epochs > 0;
        let learns = |synapses| match synapses {
            InterneuronPlasticity::Plastic => true,
            InterneuronPlasticity::Fixed => pretrained,
            InterneuronPlasticity::Tied => false,
        };
        for (path, rates, learns, switch) in [
            (
                "interneuron_rates",
                &self.interneuron_rates,
                learns(self.pyramidal_to_interneuron),
                "pyramidal_to_interneuron: plastic",
            ),
            (
                "apical_rates",
                &self.apical_rates,
                learns(self.interneuron_to_pyramidal),
                "interneuron_to_pyramidal: plastic",
            ),
            ("top_down_rates", &self.top_down_rates, self.top_down == TopDown::Learned, "top_down: learned"),
        ] {
            let message =
                format!("has no effect where these synapses don't learn: leave it out, or set `{switch}`");
            check(rates.is_none() || learns, path, &message);
        }
        let fastest = Membrane::new(self).fastest();
        check(
            self.time_course.time_step * fastest <= 1.0 || !fastest.is_finite(),
            "time_course.time_step",
            &format!("must be at most {:.3} ms, the shortest time constant of a soma", 1.0 / fastest),
        );
        problems
    }
}

impl RuleConfig for Config {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.value_problems();
        problems.extend(self.transfer.problems().into_iter().map(|problem| problem.under("transfer")));
        for (name, initializer) in
            [("initial_weights", self.initial_weights), ("top_down_weights", Some(self.top_down_weights))]
        {
            let found = initializer.map(Initializer::problems).unwrap_or_default();
            problems.extend(found.into_iter().map(|problem| problem.under(name)));
        }
        problems.extend(self.time_problems());
        if problems.is_empty() {
            // Contradictions between values that are each possible.
            problems.extend(self.contradictions());
        }
        problems
    }
}
