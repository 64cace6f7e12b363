//! The somata: what their conductances make of the potentials that reach them, in time and in the end.
//!
//! | cell | `du/dt` | in the end |
//! |---|---|---|
//! | hidden pyramidal | `−g_l u + g_B (v_B − u) + g_A (v_A − u)` | `v̂ + λ_k v_A`, `v̂ = g_B/(g_l+g_B+g_A) v_B` |
//! | output pyramidal | `−g_l u + g_B (v_B − u) + g_som (u_trgt − u)` | `(1 − λ_N) v̂ + λ_N u_trgt`, `v̂ = g_B/(g_l+g_B) v_B` |
//! | interneuron | `−g_l u + g_D (v − u) + g_som (u_{k+1} − u)` | `(1 − λ_I) v̂ + λ_I u_{k+1}`, `v̂ = g_D/(g_l+g_D) v` |
//!
//! (Sacramento et al. 2018, equations 1, 2 and 5; unit capacitance, rest 0.) The three mixing factors λ are what is
//! configured, `g_A` and the two `g_som` follow from them. The factor of `v̂` occurs in predictions, in the self-predicting
//! state and in the reference gradient alike: left out in one of them, apical dendrites are not silent.

use super::config::{Conductances, Config, Mixing, Reversal};
use tch::Tensor;

/// Conductances in 1/ms, mixing factors and attenuations, without unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Membrane {
    /// λ.
    pub mixing: Mixing,
    reversal: Reversal,
    /// `v̂ / v_B` of a hidden pyramidal cell.
    hidden_attenuation: f64,
    /// `v̂ / v_B` of an output cell.
    output_attenuation: f64,
    /// `v̂ / v` of an interneuron.
    pub interneuron_attenuation: f64,
    /// `g_l + g_B`.
    untaught_output: f64,
    /// `g_l + g_D`.
    untaught_interneuron: f64,
    /// `g_l + g_B + g_A`.
    hidden: f64,
    /// `g_som` of output cells.
    output_teaching: f64,
    /// `g_som` of interneurons.
    interneuron_teaching: f64,
}

impl Membrane {
    /// What follows from a configuration.
    pub fn new(config: &Config) -> Self {
        let Conductances { leak, basal, dendritic } = config.conductances;
        let mixing = config.mixing;
        let (untaught_output, untaught_interneuron) = (leak + basal, leak + dendritic);
        // λ = g / (rest + g)
        let conductance = |share: f64, rest: f64| share * rest / (1.0 - share);
        let hidden = untaught_output + conductance(mixing.hidden, untaught_output);
        Self {
            mixing,
            reversal: config.reversal_potentials,
            hidden_attenuation: basal / hidden,
            output_attenuation: basal / untaught_output,
            interneuron_attenuation: dendritic / untaught_interneuron,
            untaught_output,
            untaught_interneuron,
            hidden,
            output_teaching: conductance(mixing.output, untaught_output),
            interneuron_teaching: conductance(mixing.interneuron, untaught_interneuron),
        }
    }

    /// `v̂ / v_B` of the pyramidal cells of a layer.
    pub fn attenuation(&self, is_output: bool) -> f64 {
        if is_output { self.output_attenuation } else { self.hidden_attenuation }
    }

    /// What a synapse on an interneuron is to that on the pyramidal cell that it is paired with, in the self-predicting
    /// state: `IP_k = [g_B (g_l + g_D)] / [g_D (g_l + g_B + g_A)] W_{k+1}`, without `g_A` where k + 1 is the output.
    pub fn self_predicting_ratio(&self, above_is_output: bool) -> f64 {
        self.attenuation(above_is_output) / self.interneuron_attenuation
    }

    /// The largest conductance of a soma, in 1/ms: the inverse of the shortest time constant.
    pub fn fastest(&self) -> f64 {
        let output = self.untaught_output + self.output_teaching;
        let interneuron = self.untaught_interneuron + self.interneuron_teaching;
        self.hidden.max(output).max(interneuron)
    }

    /// `du/dt` and the time constant in ms of hidden pyramidal cells; potentials are `[batch, …units]`.
    pub fn hidden_change(&self, potential: &Tensor, prediction: &Tensor, apical: &Tensor) -> (Tensor, f64) {
        let steady = prediction + apical * self.mixing.hidden;
        ((steady - potential) * self.hidden, 1.0 / self.hidden)
    }

    /// The same of output cells, with a target or without.
    pub fn output_change(
        &self,
        potential: &Tensor,
        prediction: &Tensor,
        target: Option<&Tensor>,
    ) -> (Tensor, f64) {
        self.taught_change(potential, prediction, target, self.untaught_output, self.output_teaching)
    }

    /// The same of interneurons, taught by the pyramidal cells of the layer above.
    pub fn interneuron_change(
        &self,
        potential: &Tensor,
        prediction: &Tensor,
        above: &Tensor,
    ) -> (Tensor, f64) {
        let (untaught, teaching) = (self.untaught_interneuron, self.interneuron_teaching);
        self.taught_change(potential, prediction, Some(above), untaught, teaching)
    }

    fn taught_change(
        &self,
        potential: &Tensor,
        prediction: &Tensor,
        target: Option<&Tensor>,
        untaught: f64,
        teaching: f64,
    ) -> (Tensor, f64) {
        let change = (prediction - potential) * untaught;
        match target {
            Some(target) => {
                let current = teaching_current(potential, target, teaching, self.reversal);
                (change + current, 1.0 / (untaught + teaching))
            }
            None => (change, 1.0 / untaught),
        }
    }
}

/// `i = g_exc (E_exc − u) + g_inh (E_inh − u)` with `g_exc = g_som (u_trgt − E_inh) / (E_exc − E_inh)` and `g_inh = −g_som
/// (u_trgt − E_exc) / (E_exc − E_inh)`: conductances that balance at the target, so that `i = g_som (u_trgt − u)`
/// (Sacramento et al. 2018, section 2).
fn teaching_current(potential: &Tensor, target: &Tensor, conductance: f64, reversal: Reversal) -> Tensor {
    let Reversal { excitatory, inhibitory } = reversal;
    let scale = conductance / (excitatory - inhibitory);
    let excitation = (target - inhibitory) * scale;
    let inhibition = (target - excitatory) * -scale;
    excitation * (-potential + excitatory) + inhibition * (-potential + inhibitory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_conductances_pull_towards_the_target_as_a_current_would() {
        let (potential, target) =
            (Tensor::from_slice(&[-1.5, 0.0, 0.7, 2.0]), Tensor::from_slice(&[0.3, -2.0, 0.7, 1.4]));
        for reversal in [Reversal::default(), Reversal { excitatory: 3.0, inhibitory: -4.5 }] {
            let ours = teaching_current(&potential, &target, 0.8, reversal);
            let difference = (ours - (&target - &potential) * 0.8).abs().max().double_value(&[]);
            assert!(difference < 1e-14, "{difference:e}");
        }
    }

    #[test]
    fn defaults_are_the_conductances_of_the_published_code() {
        let membrane = Membrane::new(&Config::default());
        assert!((membrane.hidden - 1.1 - 0.471).abs() < 1e-3, "g_A");
        assert!(
            (membrane.output_teaching - 0.12).abs() < 3e-3
                && (membrane.interneuron_teaching - 0.12).abs() < 3e-3
        );
        assert!((membrane.attenuation(false) - 0.7 / 1.1).abs() < 1e-15);
        assert!((membrane.attenuation(true) - 1.0 / 1.1).abs() < 1e-15);
    }
}
