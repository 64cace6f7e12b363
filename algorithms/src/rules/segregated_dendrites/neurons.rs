//! The neurons' constants and equations (Guerguiev et al. 2017, "Materials and methods").
//!
//! Hidden neurons have an apical dendrite `A`, a basal dendrite `B` and a soma `C`; output neurons a dendrite `V` (here
//! `B`) and a soma `U` (here `C`). Dendrites follow their input at once:
//!
//! > hidden: `dC/dt = −g_L C + g_B (B − C) + g_A (A − C)`; output: `dU/dt = −g_L U + g_D (V − U) + I`,
//! > `I = g_E (E_E − U) + g_I (E_I − U)` in the target phase, `g_E` being 1 for the label and `g_I` for the others.
//!
//! A neuron fires at the rate `λ = λ_max σ(C)`. Rates count spikes per time step, as in the official code, so that
//! with `dt` = 1 ms a rate is also that per ms.

use super::config::{Config, Soma};
use tch::Tensor;

/// What all equations share.
#[derive(Debug, Clone)]
pub(super) struct Neurons {
    pub soma: Soma,
    /// Time step, ms.
    pub dt: f64,
    /// Largest rate, spikes per time step.
    pub max_rate: f64,
    pub leak: f64,
    pub basal: f64,
    pub apical: f64,
    /// `g_D`.
    pub dendritic: f64,
    pub excitatory: f64,
    pub inhibitory: f64,
    /// `κ(k dt) dt` for k = 1, 2, … time steps after a spike; empty where none is ever sent.
    pub kernel: Vec<f64>,
}

impl Neurons {
    pub fn new(config: &Config) -> Self {
        let dt = config.time_step;
        let (short, long) = (config.synaptic_time_constant, config.leak_time_constant);
        let response = |time: f64| ((-time / long).exp() - (-time / short).exp()) / (long - short);
        let memory = (config.spike_memory / dt).round() as usize;
        let spiking = config.spiking_feedforward() || config.spiking_feedback();
        Self {
            soma: config.soma(),
            dt,
            max_rate: config.max_rate * dt,
            leak: 1.0 / long,
            basal: config.basal_conductance,
            apical: config.apical_conductance,
            dendritic: config.output_conductance(),
            excitatory: config.excitatory_reversal,
            inhibitory: config.inhibitory_reversal,
            kernel: (1..=if spiking { memory } else { 0 }).map(|k| response(k as f64 * dt) * dt).collect(),
        }
    }

    /// `k_B`, how much of its basal dendrite's potential a hidden soma takes on.
    pub fn basal_gain(&self) -> f64 {
        self.basal / (self.leak + self.basal + self.apical)
    }

    /// `k_D`, the same of an output neuron.
    pub fn output_gain(&self) -> f64 {
        self.dendritic / (self.leak + self.dendritic)
    }

    /// The most that conducts into any soma: Euler steps diverge where this times `dt` reaches 2.
    pub fn largest_conductance(&self) -> f64 {
        (self.leak + self.basal + self.apical).max(self.leak + self.dendritic + 1.0)
    }

    /// `P`, the scale of a layer's weight change: 20 / `λ_max` of a hidden layer, 20 / `λ_max`² of the output.
    pub fn plasticity(&self, output: bool) -> f64 {
        20.0 / if output { self.max_rate * self.max_rate } else { self.max_rate }
    }

    /// The rate `λ_max σ(C)`, `[batch, …]`.
    pub fn rate(&self, soma: &Tensor) -> Tensor {
        soma.sigmoid().g_mul_scalar_(self.max_rate)
    }

    /// The soma of hidden neurons one time step after `soma`, which at a steady state does not matter; `[batch, …]`.
    /// The apical dendrite counts only where it has a conductance to the soma.
    pub fn hidden_soma(&self, soma: Option<&Tensor>, basal: &Tensor, apical: Option<&Tensor>) -> Tensor {
        let apical = apical.filter(|_| self.apical > 0.0);
        let total = self.leak + self.basal + self.apical;
        let drive = |weight: f64| {
            let mut drive = basal * (weight * self.basal);
            if let Some(apical) = apical {
                drive = drive.g_add(&(apical * (weight * self.apical)));
            }
            drive
        };
        match (self.soma, soma) {
            (Soma::SteadyState, _) => drive(1.0 / total),
            (Soma::Conductances, None) => drive(self.dt),
            (Soma::Conductances, Some(soma)) => drive(self.dt).g_add(&(soma * (1.0 - self.dt * total))),
        }
    }

    /// The soma of output neurons one time step after `soma`; `target` is 1 for the label and 0 for the others,
    /// `[batch, classes]`, and absent in the forward phase.
    pub fn output_soma(&self, soma: Option<&Tensor>, dendrite: &Tensor, target: Option<&Tensor>) -> Tensor {
        // `g_E` + `g_I` is 1 for every neuron, so only the reversal potential depends on the label.
        let total = self.leak + self.dendritic + if target.is_some() { 1.0 } else { 0.0 };
        let scale = match self.soma {
            Soma::SteadyState => 1.0 / total,
            Soma::Conductances => self.dt,
        };
        let mut next = dendrite * (scale * self.dendritic);
        if let Some(target) = target {
            next = next
                .g_add(&(target * (scale * (self.excitatory - self.inhibitory))))
                .g_add_scalar_(scale * self.inhibitory);
        }
        match (self.soma, soma) {
            (Soma::Conductances, Some(soma)) => next.g_add(&(soma * (1.0 - self.dt * total))),
            _ => next,
        }
    }
}
