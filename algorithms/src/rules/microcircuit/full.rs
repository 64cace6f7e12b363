//! The full dynamics (Sacramento et al. 2018, equations 1 to 10): every soma's differential equation, by Euler steps from rest,
//! for as long as a pattern is shown. Each sample of a batch has a copy of the circuit to itself.
//!
//! Weights change on the time scale of many patterns. Here they stand still during a presentation, and what plasticity adds
//! up to in it is the direction; the paper applies it as it goes, which differs at the second order in the learning rate, and
//! shows one pattern at a time. Plasticity begins after a lag, passes a low-pass filter,
//! `τ_w dΔ/dt = (instantaneous change) − Δ`, and is integrated, `dθ/dt = η Δ`, until the pattern ends. What is then still in the
//! filter is dropped, and the sum is divided by what a constant change of 1 would have left: a circuit that has settled
//! gives the direction of the steady state itself, and learning rates mean what they mean with two-step dynamics.
//!
//! The filter is linear, so it need not be kept: the integral is the sum of instantaneous changes, the one of step n of M
//! weighing `1 − (1 − dt/τ_w)^{M−n}`.

use super::{
    circuit::{Circuit, CircuitActivity},
    config::TimeCourse,
    membrane::Membrane,
    plasticity::Plasticity,
    transfer::Transfer,
    two_step::{Activity, prediction},
};
use crate::{
    direction::{Direction, Form},
    network::Network,
};
use tch::Tensor;

/// Cells of one kind in one area, `[batch, …units]`.
#[derive(Debug)]
struct Cells {
    /// `u`.
    potential: Tensor,
    /// What rates and plasticity read: `u`, or ahead of it `u + τ du/dt`.
    read: Tensor,
}

/// A network while it is shown a batch.
#[derive(Debug)]
pub struct Presentation<'a> {
    membrane: Membrane,
    transfer: Transfer,
    time: TimeCourse,
    network: &'a Network,
    circuits: &'a [Circuit],
    shown: &'a Tensor,
    /// Low-pass filtered.
    input: Tensor,
    /// Low-pass filtered; none before the first step with a target.
    target: Option<Tensor>,
    pyramidal: Vec<Cells>,
    interneurons: Vec<Cells>,
}

impl<'a> Presentation<'a> {
    /// All cells at rest, before the input `[batch, …]` comes in.
    pub fn new(
        membrane: Membrane,
        transfer: Transfer,
        time: TimeCourse,
        network: &'a Network,
        circuits: &'a [Circuit],
        shown: &'a Tensor,
    ) -> Self {
        let cells = |shape: &[i64]| {
            let shape: Vec<i64> = std::iter::once(shown.size()[0]).chain(shape.iter().copied()).collect();
            let rest = Tensor::zeros(shape, (shown.kind(), shown.device()));
            Cells { read: rest.shallow_clone(), potential: rest }
        };
        let pyramidal: Vec<Cells> = network.layers.iter().map(|layer| cells(&layer.output_shape)).collect();
        let interneurons = network.layers.iter().skip(1).map(|layer| cells(&layer.output_shape)).collect();
        let input = if time.input_time_constant > 0.0 { shown.zeros_like() } else { shown.shallow_clone() };
        Self {
            membrane,
            transfer,
            time,
            network,
            circuits,
            shown,
            input,
            target: None,
            pyramidal,
            interneurons,
        }
    }

    /// What all cells do now, and one Euler step from it, taught if there is a target `[batch, outputs]`.
    pub fn step(&mut self, target: Option<&Tensor>) -> Activity {
        let filters = self.time.input_time_constant > 0.0;
        self.target = target.map(|target| match &self.target {
            Some(filtered) if filters => filtered.shallow_clone(),
            // The teaching current rises from nothing.
            None if filters => self.pyramidal[self.pyramidal.len() - 1].read.shallow_clone(),
            _ => target.shallow_clone(),
        });
        let activity = self.activity();
        self.advance(&activity);
        if filters {
            let share = self.time.time_step / self.time.input_time_constant;
            self.input = self.input.lerp(self.shown, share);
            let filtered = self.target.as_ref().zip(target).map(|(own, target)| own.lerp(target, share));
            self.target = filtered;
        }
        activity
    }

    fn activity(&self) -> Activity {
        let potentials: Vec<Tensor> = self.pyramidal.iter().map(|cells| cells.read.shallow_clone()).collect();
        let rates: Vec<Tensor> = potentials.iter().map(|potential| self.transfer.rate(potential)).collect();
        let below = |index: usize| if index == 0 { &self.input } else { &rates[index - 1] };
        let predictions: Vec<Tensor> = (0..rates.len())
            .map(|index| prediction(&self.membrane, self.network, index, below(index)))
            .collect();
        let predicted_rates = predictions.iter().map(|predicted| self.transfer.rate(predicted)).collect();
        let of_circuit = |(index, circuit): (usize, &Circuit)| {
            let (area, above) = (&self.network.layers[index], &self.network.layers[index + 1]);
            let potential = self.interneurons[index].read.shallow_clone();
            let interneuron_rates = self.transfer.rate(&potential);
            let prediction =
                circuit.prediction(&self.membrane, above, &rates[index], &predictions[index + 1]);
            let (apical, top_down) = circuit.apical(area, above, &rates[index + 1], &interneuron_rates);
            CircuitActivity { prediction, potential, rates: interneuron_rates, apical, top_down }
        };
        let circuits = self.circuits.iter().enumerate().map(of_circuit).collect();
        let input = self.input.shallow_clone();
        Activity { input, predictions, predicted_rates, potentials, rates, circuits }
    }

    fn advance(&mut self, activity: &Activity) {
        let time = self.time;
        let pyramidal = self.pyramidal.iter_mut().enumerate();
        for (index, cells) in pyramidal {
            let predicted = &activity.predictions[index];
            let change = match activity.circuits.get(index) {
                Some(circuit) => self.membrane.hidden_change(&cells.potential, predicted, &circuit.apical),
                None => self.membrane.output_change(&cells.potential, predicted, self.target.as_ref()),
            };
            cells.advance(change, &time);
        }
        for (index, cells) in self.interneurons.iter_mut().enumerate() {
            let predicted = &activity.circuits[index].prediction;
            let above = &activity.potentials[index + 1];
            cells.advance(self.membrane.interneuron_change(&cells.potential, predicted, above), &time);
        }
    }
}

impl Cells {
    /// One Euler step of `du/dt = change + σξ`, the change being that of a soma with the time constant τ in ms.
    fn advance(&mut self, (change, time_constant): (Tensor, f64), time: &TimeCourse) {
        let mut next = &self.potential + &change * time.time_step;
        if time.noise > 0.0 {
            next += change.randn_like() * (time.noise * time.time_step.sqrt());
        }
        self.read =
            if time.prospective { &self.potential + change * time_constant } else { next.shallow_clone() };
        self.potential = next;
    }
}

/// The directions that plasticity adds up to while a batch is shown, as means over the batch.
pub fn learn(
    mut shown: Presentation<'_>,
    plasticity: &Plasticity,
    target: Option<&Tensor>,
) -> Vec<Direction> {
    let time = shown.time;
    let (lag, steps) = (time.steps(time.plasticity_lag), time.steps(time.pattern_duration));
    for _ in 0..lag {
        let _ = shown.step(target);
    }
    let weights = filter_weights(&time, steps.saturating_sub(lag));
    let total = weights.iter().sum::<f64>() * shown.shown.size()[0] as f64;
    let mut sums: Vec<Direction> = Vec::new();
    for weight in weights {
        let activity = shown.step(target);
        let changes = plasticity.directions(shown.network, shown.circuits, &activity, weight / total);
        if sums.is_empty() {
            sums = changes.into_iter().map(Direction::explicit).collect();
            continue;
        }
        for (sum, change) in sums.iter_mut().zip(changes) {
            if let Form::Explicit(sum) = &mut sum.form {
                change.accumulate_into(sum, 1.0, 1.0);
            }
        }
    }
    sums
}

/// How much an instantaneous change at each of so many steps leaves in the integral, up to a common factor.
fn filter_weights(time: &TimeCourse, steps: usize) -> Vec<f64> {
    if time.plasticity_time_constant == 0.0 {
        return vec![1.0; steps];
    }
    let kept = 1.0 - time.time_step / time.plasticity_time_constant;
    (0..steps).map(|step| 1.0 - kept.powi((steps - step) as i32)).collect()
}
