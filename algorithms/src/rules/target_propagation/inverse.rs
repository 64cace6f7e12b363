//! A layer's learned inverse, `g(y) = φ(A(ω)ᵀ y + c)`: the adjoint of the layer's own map with another tensor `ω`
//! in the place of `θ`, so that it fits every kind of layer. Its gradient is the map's weight adjoint with the roles
//! swapped, `∂⟨r, A(ω)ᵀ y⟩/∂ω = weight_adjoint(r, y)` (Bartunov et al. 2018, appendix).

use super::config::{Config, InverseLoss, LocalLossReduction};
use super::variants::Variant;
use crate::{
    activation::Activation,
    direction::{Direction, Form, ParameterKey, Role},
    linear_map::LinearMap,
    network::reshape_samples,
};
use std::rc::Rc;
use tch::Tensor;

/// From a layer's activity back to its input.
pub(super) struct Inverse {
    pub map: Rc<dyn LinearMap>,
    /// `ω`, `[…weight_shape]`.
    pub weight: Tensor,
    /// `c`, `[…input_shape]`.
    pub bias: Tensor,
    /// That of the layer whose activity is to be found again.
    pub activation: Activation,
}

impl Inverse {
    /// `g(y)`, `[batch, …input_shape]`, for `y` with as many values per sample as the map's output.
    pub fn apply(&self, activity: &Tensor) -> Tensor {
        let activity = reshape_samples(activity, self.map.output_shape());
        let mut preactivation = self.map.input_adjoint(&self.weight, &activity);
        let _ = preactivation.g_add_(&self.bias);
        self.activation.apply(preactivation)
    }

    /// Directions of `ω` and `c` of layer `index` for the loss `config.inverse_loss` at the layer's input `h`
    /// (`[batch, …input_shape]`), `forward` being what the layer makes of such an input.
    pub fn directions<V: Variant>(
        &self,
        index: usize,
        config: &Config<V>,
        input: &Tensor,
        forward: impl Fn(&Tensor) -> Tensor,
    ) -> [Direction; 2] {
        let noise = |like: &Tensor| like.randn_like().g_mul_scalar_(config.noise);
        let perturbation = noise(input);
        let corrupted = input + &perturbation;
        let activity = reshape_samples(&forward(&corrupted), self.map.output_shape());
        // Half the gradient with respect to g(y), not yet reduced.
        let (activity, found, mut error) = match config.inverse_loss {
            InverseLoss::NoisePreserving => {
                let found = self.apply(&activity);
                let error = &found - corrupted;
                (activity, found, error)
            }
            InverseLoss::DeNoising => {
                let found = self.apply(&activity);
                let error = &found - input;
                (activity, found, error)
            }
            InverseLoss::LDrl => {
                let clean = reshape_samples(&forward(input), self.map.output_shape());
                let moved = &clean + noise(&clean);
                let activity = Tensor::cat(&[activity, clean, moved], 0);
                let found = self.apply(&activity);
                let parts = found.chunk(3, 0);
                let moved = &parts[2] - &parts[1];
                let error = Tensor::cat(&[-&perturbation, perturbation - &moved, moved], 0);
                (activity, found, error)
            }
        };
        let _ = error.g_mul_scalar_(2.0 * reduction(config.local_loss_reduction, input));
        let error = self.activation.times_derivative(&error, &found);
        let bias = error.sum_dim_intlist([0i64].as_slice(), false, None);
        let direction = |role: Role, parameter: &Tensor, form: Form| Direction {
            key: ParameterKey { layer: index, role },
            parameter: parameter.shallow_clone(),
            form,
        };
        let hebbian = Form::Hebbian { map: Rc::clone(&self.map), presynaptic: error, error: activity };
        [
            direction(Role::InverseWeight, &self.weight, hebbian),
            direction(Role::InverseBias, &self.bias, Form::Explicit(bias)),
        ]
    }
}

/// What a squared difference counts in a loss that is a mean over the batch, and a sum or mean over features.
pub(super) fn reduction(over_features: LocalLossReduction, activity: &Tensor) -> f64 {
    let batch = activity.size()[0];
    let terms = match over_features {
        LocalLossReduction::Sum => batch,
        LocalLossReduction::Mean => activity.numel() as i64,
    };
    1.0 / terms as f64
}
