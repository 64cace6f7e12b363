//! The local circuit of a hidden area: its apical dendrites, and its interneurons, as many as there are pyramidal cells in the
//! area above and each paired with one of them. Interneurons live on that area's grid, so that all synapses of the circuit are
//! the map between the two areas with another tensor in the place of `θ`: dense, convolutional or locally connected.
//!
//! Where synapses are tied, the self-predicting state's algebra saves their products: `g_D/(g_l+g_D) IP_k r_k` is the area
//! above's own prediction `v̂_{k+1}`, and with `PI_k = −D_k` the apical potential is `D_k (r_{k+1} − φ(u^I_k))`.

use super::{
    config::{Config, InitialState, InterneuronPlasticity, TopDown},
    membrane::Membrane,
};
use crate::{
    architecture::LayerPlan,
    initialization::Initializer,
    network::{Layer, Network, reshape_samples},
    rule::OwnValues,
};
use tch::Tensor;

/// Synapses of a hidden area k that are not bottom-up, each shaped like `θ` of area k + 1.
#[derive(Debug)]
pub struct Circuit {
    /// `D_k`.
    pub top_down: Tensor,
    /// Whether `D_k r_{k+1}` is wanted by itself.
    predicts_top_down: bool,
    /// `IP_k` with the interneurons' bias; `None` where tied.
    pub to_interneurons: Option<(Tensor, Option<Tensor>)>,
    /// `PI_k`; `None` where tied.
    pub from_interneurons: Option<Tensor>,
}

/// What the circuit of a hidden area does at one moment.
#[derive(Debug)]
pub struct CircuitActivity {
    /// `v̂^I`, `[batch, …units of the area above]`.
    pub prediction: Tensor,
    /// `u^I`, of the same shape.
    pub potential: Tensor,
    /// `φ(u^I)`.
    pub rates: Tensor,
    /// `v_A`, `[batch, …units of the area]`.
    pub apical: Tensor,
    /// `D_k r_{k+1}`, of the same shape, where it is wanted or found on the way.
    pub top_down: Option<Tensor>,
}

impl Circuit {
    /// The circuit of hidden area `index`. Draws first `D`, then what starts at random.
    pub fn new(config: &Config, membrane: &Membrane, network: &Network, index: usize) -> Self {
        let above = &network.layers[index + 1];
        let draw = |initializer: Initializer| {
            initializer.weight(&*above.map, above.weight.kind(), above.weight.device())
        };
        let top_down = draw(config.top_down_weights);
        let random = config.initial_state == InitialState::Random;
        let is_tied = |plasticity: InterneuronPlasticity| plasticity == InterneuronPlasticity::Tied;
        let ratio = membrane.self_predicting_ratio(index + 2 == network.layers.len());
        let to_interneurons = (!is_tied(config.pyramidal_to_interneuron)).then(|| {
            if random {
                let bias = above.bias.as_ref().map(Tensor::zeros_like);
                (draw(config.initial_weights.unwrap_or_default()), bias)
            } else {
                (&above.weight * ratio, above.bias.as_ref().map(|bias| bias * ratio))
            }
        });
        let from_interneurons = (!is_tied(config.interneuron_to_pyramidal))
            .then(|| if random { draw(config.top_down_weights) } else { -&top_down });
        let predicts_top_down = config.top_down == TopDown::Learned;
        Self { top_down, predicts_top_down, to_interneurons, from_interneurons }
    }

    /// How many numbers the circuits of a network of these layers keep, and how many of them learn.
    pub fn own_values(config: &Config, layers: &[LayerPlan]) -> OwnValues {
        // In the passes before the first epoch, those that are fixed afterwards learn too.
        let learns = |plasticity: InterneuronPlasticity| {
            plasticity == InterneuronPlasticity::Plastic || config.pretraining_epochs > 0
        };
        let mut own = OwnValues::default();
        let mut add = |learned: bool, count: i64| {
            *(if learned { &mut own.learned } else { &mut own.fixed }) += count;
        };
        for above in layers.iter().skip(1) {
            add(config.top_down == TopDown::Learned, above.weight_count());
            if config.pyramidal_to_interneuron != InterneuronPlasticity::Tied {
                add(learns(config.pyramidal_to_interneuron), above.parameter_count());
            }
            if config.interneuron_to_pyramidal != InterneuronPlasticity::Tied {
                add(learns(config.interneuron_to_pyramidal), above.weight_count());
            }
        }
        own
    }

    /// `v̂^I_k` from `r_k`, given `v̂_{k+1}` from the same rates.
    pub fn prediction(
        &self,
        membrane: &Membrane,
        above: &Layer,
        rates: &Tensor,
        above_prediction: &Tensor,
    ) -> Tensor {
        let Some((weight, bias)) = &self.to_interneurons else { return above_prediction.shallow_clone() };
        let rates = reshape_samples(rates, above.map.input_shape());
        let mut prediction = above.map.apply(weight, bias.as_ref(), &rates);
        let _ = prediction.g_mul_scalar_(membrane.interneuron_attenuation);
        prediction
    }

    /// `v_A = D_k r_{k+1} + PI_k φ(u^I_k)`, shaped like `area`'s activity, and `D_k r_{k+1}` if it was computed by itself.
    pub fn apical(
        &self,
        area: &Layer,
        above: &Layer,
        rates_above: &Tensor,
        interneuron_rates: &Tensor,
    ) -> (Tensor, Option<Tensor>) {
        let down = |weight: &Tensor, rates: &Tensor| {
            reshape_samples(&above.map.input_adjoint(weight, rates), &area.output_shape)
        };
        match &self.from_interneurons {
            None if !self.predicts_top_down => {
                (down(&self.top_down, &(rates_above - interneuron_rates)), None)
            }
            None => {
                let top_down = down(&self.top_down, rates_above);
                (&top_down - down(&self.top_down, interneuron_rates), Some(top_down))
            }
            Some(from_interneurons) => {
                let top_down = down(&self.top_down, rates_above);
                (&top_down + down(from_interneurons, interneuron_rates), Some(top_down))
            }
        }
    }
}
