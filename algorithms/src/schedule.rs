//! How the learning rate changes over training: a factor on the optimizer's own rate.

use crate::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A factor on the learning rate as training goes on, after an optional linear warm-up from zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Epochs over which the rate grows linearly from zero to its full value.
    #[schemars(range(min = 0))]
    pub warm_up: f64,
    /// What follows.
    pub shape: Shape,
}

/// The course of the learning rate after the warm-up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// Always the full rate.
    #[default]
    Constant,
    /// Multiplied by `factor` at the start of each epoch listed.
    Step {
        /// Epochs, counted from 0, at whose start the rate drops.
        at: Vec<u32>,
        /// What it is multiplied by.
        #[schemars(extend("exclusiveMinimum" = 0))]
        factor: f64,
    },
    /// Half a cosine from the full rate to `floor` times it at the end of training (Loshchilov and Hutter 2017).
    Cosine {
        /// The final rate as a fraction of the full one.
        #[schemars(range(min = 0, max = 1))]
        floor: f64,
    },
}

impl Schedule {
    /// The factor at a moment of training.
    ///
    /// `epoch` counts from 0 and `fraction` in [0, 1) is how much of it has passed.
    pub fn factor(&self, epoch: usize, fraction: f64, epochs: usize) -> f64 {
        let now = epoch as f64 + fraction;
        if now < self.warm_up {
            return now / self.warm_up;
        }
        match &self.shape {
            Shape::Constant => 1.0,
            Shape::Step { at, factor } => {
                let passed = at.iter().filter(|at| epoch >= **at as usize).count();
                factor.powi(passed as i32)
            }
            Shape::Cosine { floor } => {
                let progress = (now - self.warm_up) / (epochs as f64 - self.warm_up).max(f64::MIN_POSITIVE);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
            }
        }
    }

    /// What is wrong with the values, if anything.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(self.warm_up >= 0.0 && self.warm_up.is_finite()) {
            problems.push(Problem::at("warm_up", "must be 0 or more epochs"));
        }
        match &self.shape {
            Shape::Step { factor, .. } if !(*factor > 0.0 && factor.is_finite()) => {
                problems.push(Problem::at("shape.step.factor", "must be greater than 0"));
            }
            Shape::Cosine { floor } if !(0.0..=1.0).contains(floor) => {
                problems.push(Problem::at("shape.cosine.floor", "must lie between 0 and 1"));
            }
            Shape::Constant | Shape::Step { .. } | Shape::Cosine { .. } => {}
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::{Schedule, Shape};

    #[test]
    fn a_step_schedule_drops_at_each_epoch_listed() {
        let schedule = Schedule { warm_up: 0.0, shape: Shape::Step { at: vec![2, 4], factor: 0.1 } };
        let rates: Vec<f64> = (0..6).map(|epoch| schedule.factor(epoch, 0.5, 6)).collect();
        let expected = [1.0, 1.0, 0.1, 0.1, 0.01, 0.01];
        assert!(
            rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-12),
            "{rates:?}"
        );
    }

    #[test]
    fn a_cosine_goes_from_the_full_rate_through_its_middle_to_the_floor() {
        let schedule = Schedule { warm_up: 0.0, shape: Shape::Cosine { floor: 0.2 } };
        assert!((schedule.factor(0, 0.0, 10) - 1.0).abs() < 1e-12);
        assert!((schedule.factor(5, 0.0, 10) - 0.6).abs() < 1e-12);
        assert!((schedule.factor(9, 1.0, 10) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_grows_linearly_and_ends_at_the_full_rate() {
        let schedule = Schedule { warm_up: 2.0, shape: Shape::Constant };
        assert!((schedule.factor(0, 0.5, 5) - 0.25).abs() < 1e-12);
        assert!((schedule.factor(1, 0.0, 5) - 0.5).abs() < 1e-12);
        assert!((schedule.factor(2, 0.0, 5) - 1.0).abs() < 1e-12);
    }
}
