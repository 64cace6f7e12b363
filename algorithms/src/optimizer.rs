//! Optimizers: they apply any rule's directions to the parameters, as if these were gradients.
//!
//! The equations are PyTorch's, so that published hyperparameters mean here what they meant there.

use crate::{
    Problem,
    direction::{Direction, ParameterKey, Role},
    native::axpby_,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::Tensor;

/// Which optimizer, with its constants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Stochastic gradient descent, with classical or Nesterov momentum.
    Sgd(Sgd),
    /// Adam (Kingma and Ba 2015).
    Adam(Adam),
    /// `RMSprop` (Tieleman and Hinton 2012), also centred (Graves 2013).
    Rmsprop(Rmsprop),
}

/// Constants of stochastic gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Step size.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Share of the last velocity that is kept.
    #[serde(default)]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub momentum: f64,
    /// Whether the step looks ahead along the velocity (Nesterov).
    #[serde(default)]
    pub nesterov: bool,
    /// Added to the direction: this much times the parameter.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

/// Constants of Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Decay of the mean.
    #[serde(default = "beta1")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub beta1: f64,
    /// Decay of the mean square.
    #[serde(default = "beta2")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub beta2: f64,
    /// Added to the root of the mean square.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: f64,
    /// Added to the direction: this much times the parameter.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

/// Constants of `RMSprop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rmsprop {
    /// Step size.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Decay of the mean square.
    #[serde(default = "rmsprop_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub decay: f64,
    /// Added to the root of the mean square.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: f64,
    /// Share of the last velocity that is kept.
    #[serde(default)]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub momentum: f64,
    /// Whether the squared mean is taken from the mean square.
    #[serde(default)]
    pub centered: bool,
    /// Added to the direction: this much times the parameter.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub weight_decay: f64,
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn rmsprop_decay() -> f64 {
    0.99
}

impl OptimizerConfig {
    /// How many numbers it keeps for each number of a parameter.
    pub fn state_per_value(&self) -> i64 {
        match self {
            Self::Sgd(sgd) => i64::from(sgd.momentum > 0.0),
            Self::Adam(_) => 2,
            Self::Rmsprop(rmsprop) => 1 + i64::from(rmsprop.centered) + i64::from(rmsprop.momentum > 0.0),
        }
    }

    /// The step size before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.learning_rate,
            Self::Adam(adam) => adam.learning_rate,
            Self::Rmsprop(rmsprop) => rmsprop.learning_rate,
        }
    }

    /// What is wrong with the values, if anything.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, path: &str, message: &str| {
            if !holds {
                problems.push(Problem::at(path, message));
            }
        };
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        let decay = |value: f64| value >= 0.0 && value.is_finite();
        match self {
            Self::Sgd(sgd) => {
                check(positive(sgd.learning_rate), "sgd.learning_rate", "must be greater than 0");
                check(fraction(sgd.momentum), "sgd.momentum", "must lie in [0, 1)");
                check(!sgd.nesterov || sgd.momentum > 0.0, "sgd.nesterov", "needs a momentum greater than 0");
                check(decay(sgd.weight_decay), "sgd.weight_decay", "must be 0 or more");
            }
            Self::Adam(adam) => {
                check(positive(adam.learning_rate), "adam.learning_rate", "must be greater than 0");
                check(fraction(adam.beta1), "adam.beta1", "must lie in [0, 1)");
                check(fraction(adam.beta2), "adam.beta2", "must lie in [0, 1)");
                check(positive(adam.epsilon), "adam.epsilon", "must be greater than 0");
                check(decay(adam.weight_decay), "adam.weight_decay", "must be 0 or more");
            }
            Self::Rmsprop(rmsprop) => {
                check(positive(rmsprop.learning_rate), "rmsprop.learning_rate", "must be greater than 0");
                check(fraction(rmsprop.decay), "rmsprop.decay", "must lie in [0, 1)");
                check(positive(rmsprop.epsilon), "rmsprop.epsilon", "must be greater than 0");
                check(fraction(rmsprop.momentum), "rmsprop.momentum", "must lie in [0, 1)");
                check(decay(rmsprop.weight_decay), "rmsprop.weight_decay", "must be 0 or more");
            }
        }
        problems
    }
}

/// An optimizer with its running averages.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    clip_norm: Option<f64>,
    steps: i64,
    averages: BTreeMap<(ParameterKey, &'static str), Tensor>,
}

impl Optimizer {
    /// An optimizer before its first step. With `clip_norm`, directions are scaled down together whenever
    /// the joint Euclidean norm of those of weights and biases exceeds it.
    pub fn new(config: OptimizerConfig, clip_norm: Option<f64>) -> Self {
        Self { config, clip_norm, steps: 0, averages: BTreeMap::new() }
    }

    /// Moves every parameter along its direction; `rate_factor` comes from the schedule.
    pub fn step(&mut self, directions: Vec<Direction>, rate_factor: f64) {
        self.steps += 1;
        let directions = match self.clip_norm {
            Some(norm) => clipped(directions, norm),
            None => directions,
        };
        let rate = self.config.learning_rate() * rate_factor;
        for direction in &directions {
            let mut parameter = direction.parameter.shallow_clone();
            match self.config.clone() {
                OptimizerConfig::Sgd(sgd) => self.sgd(&sgd, rate, direction, &mut parameter),
                OptimizerConfig::Adam(adam) => self.adam(&adam, rate, direction, &mut parameter),
                OptimizerConfig::Rmsprop(rmsprop) => self.rmsprop(&rmsprop, rate, direction, &mut parameter),
            }
        }
    }

    fn sgd(&mut self, sgd: &Sgd, rate: f64, direction: &Direction, parameter: &mut Tensor) {
        if sgd.momentum == 0.0 {
            direction.accumulate_into(parameter, 1.0 - rate * sgd.weight_decay, -rate);
            return;
        }
        let velocity = self.average(direction, "velocity");
        if sgd.nesterov {
            let gradient = decayed(direction, parameter, sgd.weight_decay);
            axpby_(velocity, sgd.momentum, 1.0, &gradient);
            axpby_(parameter, 1.0, -rate, &gradient);
            axpby_(parameter, 1.0, -rate * sgd.momentum, velocity);
            return;
        }
        direction.accumulate_into(velocity, sgd.momentum, 1.0);
        if sgd.weight_decay != 0.0 {
            axpby_(velocity, 1.0, sgd.weight_decay, parameter);
        }
        axpby_(parameter, 1.0, -rate, velocity);
    }

    fn adam(&mut self, adam: &Adam, rate: f64, direction: &Direction, parameter: &mut Tensor) {
        let steps = self.steps as i32;
        let gradient = decayed(direction, parameter, adam.weight_decay);
        let mean = self.average(direction, "mean");
        axpby_(mean, adam.beta1, 1.0 - adam.beta1, &gradient);
        let mean = mean.shallow_clone();
        let square = self.average(direction, "square");
        axpby_(square, adam.beta2, 1.0 - adam.beta2, &gradient.square());
        let mut root = square.sqrt();
        let _ = root.g_div_scalar_((1.0 - adam.beta2.powi(steps)).sqrt());
        let _ = root.g_add_scalar_(adam.epsilon);
        axpby_(parameter, 1.0, -rate / (1.0 - adam.beta1.powi(steps)), &(mean / root));
    }

    fn rmsprop(&mut self, rmsprop: &Rmsprop, rate: f64, direction: &Direction, parameter: &mut Tensor) {
        let gradient = decayed(direction, parameter, rmsprop.weight_decay);
        let square = self.average(direction, "square");
        axpby_(square, rmsprop.decay, 1.0 - rmsprop.decay, &gradient.square());
        let square = square.shallow_clone();
        let mut root = if rmsprop.centered {
            let mean = self.average(direction, "mean");
            axpby_(mean, rmsprop.decay, 1.0 - rmsprop.decay, &gradient);
            (square - mean.square()).sqrt_()
        } else {
            square.sqrt()
        };
        let _ = root.g_add_scalar_(rmsprop.epsilon);
        let scaled = gradient / root;
        if rmsprop.momentum == 0.0 {
            axpby_(parameter, 1.0, -rate, &scaled);
            return;
        }
        let velocity = self.average(direction, "velocity");
        axpby_(velocity, rmsprop.momentum, 1.0, &scaled);
        axpby_(parameter, 1.0, -rate, velocity);
    }

    /// A running average of the parameter's shape, zero before the first step.
    fn average(&mut self, direction: &Direction, name: &'static str) -> &mut Tensor {
        self.averages.entry((direction.key, name)).or_insert_with(|| direction.parameter.zeros_like())
    }

    /// Everything that the next step depends on, by name; what a checkpoint holds.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let averages =
            self.averages.iter().map(|((key, name), value)| (format!("{key}.{name}"), value.shallow_clone()));
        std::iter::once(("steps".to_owned(), Tensor::from(self.steps))).chain(averages).collect()
    }

    /// Restores what [`Self::state`] gave, on the device of the parameters.
    ///
    /// # Errors
    /// Names an entry that no optimizer writes.
    pub fn restore(&mut self, state: Vec<(String, Tensor)>) -> Result<(), String> {
        self.averages.clear();
        for (name, value) in state {
            if name == "steps" {
                self.steps = value.int64_value(&[]);
                continue;
            }
            let entry = name.rsplit_once('.').and_then(|(key, average)| {
                let average = ["velocity", "mean", "square"].into_iter().find(|known| *known == average)?;
                Some((key.parse::<ParameterKey>().ok()?, average))
            });
            let entry = entry.ok_or_else(|| format!("`{name}` is no optimizer state"))?;
            // A copy: the averages change in place.
            self.averages.insert(entry, value.copy());
        }
        Ok(())
    }
}

/// A network's optimizer, and that of a rule's own parameters where it is another: they may differ, and step apart.
#[derive(Debug)]
pub struct Optimizers {
    network: Optimizer,
    rule: Option<Optimizer>,
}

impl Optimizers {
    /// Optimizers before their first step; without one of their own, the rule's parameters share the network's.
    pub fn new(network: OptimizerConfig, rule: Option<OptimizerConfig>, clip_norm: Option<f64>) -> Self {
        Self {
            network: Optimizer::new(network, clip_norm),
            rule: rule.map(|config| Optimizer::new(config, clip_norm)),
        }
    }

    /// Moves every parameter along its direction, each by its own optimizer; an optimizer without directions takes
    /// no step.
    pub fn step(&mut self, directions: Vec<Direction>, rate_factor: f64) {
        let of_the_rule = |direction: &Direction| self.rule.is_some() && direction.key.role.is_of_the_rule();
        let (rule, network): (Vec<_>, Vec<_>) = directions.into_iter().partition(of_the_rule);
        for (optimizer, directions) in [(Some(&mut self.network), network), (self.rule.as_mut(), rule)] {
            if let Some(optimizer) = optimizer.filter(|_| !directions.is_empty()) {
                optimizer.step(directions, rate_factor);
            }
        }
    }

    /// Everything that the next step depends on, by name; what a checkpoint holds.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let rule = self.rule.iter().flat_map(Optimizer::state);
        let rule = rule.map(|(name, value)| (format!("{OF_THE_RULE}{name}"), value));
        self.network.state().into_iter().chain(rule).collect()
    }

    /// Restores what [`Self::state`] gave, on the device of the parameters.
    ///
    /// # Errors
    /// Names an entry that no optimizer writes.
    pub fn restore(&mut self, state: Vec<(String, Tensor)>) -> Result<(), String> {
        let (rule, network): (Vec<_>, Vec<_>) =
            state.into_iter().partition(|(name, _)| name.starts_with(OF_THE_RULE));
        self.network.restore(network)?;
        let rule = rule.into_iter().map(|(name, value)| (name[OF_THE_RULE.len()..].to_owned(), value));
        self.rule.as_mut().map_or(Ok(()), |optimizer| optimizer.restore(rule.collect()))
    }
}

/// How the names of the state of a rule's own optimizer begin.
const OF_THE_RULE: &str = "rule/";

/// The direction multiplied out, plus `weight_decay` times the parameter.
fn decayed(direction: &Direction, parameter: &Tensor, weight_decay: f64) -> Tensor {
    let gradient = direction.materialize();
    // A new tensor: another parameter may share this direction.
    if weight_decay == 0.0 { gradient } else { gradient + parameter * weight_decay }
}

/// The directions, scaled down together to a joint norm of at most `norm` (PyTorch's `clip_grad_norm_`).
/// Those of feedback weights are scaled along but do not count: where they repeat the forward weights' own,
/// as in Kolen–Pollack learning, the same direction would count twice.
fn clipped(directions: Vec<Direction>, norm: f64) -> Vec<Direction> {
    let materialized: Vec<Direction> = directions.into_iter().map(Direction::explicit).collect();
    let counted = materialized.iter().filter(|direction| direction.key.role != Role::Feedback);
    let squares: f64 = counted.map(Direction::squared_norm).sum();
    let factor = norm / (squares.sqrt() + 1e-6);
    if factor >= 1.0 {
        return materialized;
    }
    // Two parameters may share one direction tensor, so none is scaled in place.
    materialized.into_iter().map(|direction| direction.scaled(factor)).collect()
}
