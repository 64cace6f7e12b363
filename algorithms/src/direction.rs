//! What a learning rule returns: for each parameter a direction of descent, as if it were a gradient.
//!
//! Almost every rule's weight change is a Hebbian product of a presynaptic activity and a postsynaptic
//! error. Such a direction is kept in its two factors until the optimizer needs it, so that plain SGD and
//! momentum accumulate it straight into the weight or its velocity with one GEMM, and no gradient tensor
//! is ever materialised.

use crate::{linear_map::LinearMap, native, network::Layer};
use std::rc::Rc;
use tch::Tensor;

/// Which parameter of which layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterKey {
    /// Index of the layer, from the input.
    pub layer: usize,
    /// What the parameter is to it.
    pub role: Role,
}

/// What a parameter is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `θ`.
    Weight,
    /// `b`.
    Bias,
    /// Feedback weights that learn.
    Feedback,
    /// Biases of feedback that learn.
    FeedbackBias,
    /// `ω` of the layer's inverse, shaped like `θ`.
    InverseWeight,
    /// `c` of the layer's inverse, shaped like the layer's input.
    InverseBias,
    /// Synapses of a layer's pyramidal cells on its interneurons, shaped like `θ` of the layer above.
    PyramidalToInterneuron,
    /// Biases of a layer's interneurons, shaped like `b` of the layer above.
    InterneuronBias,
    /// Synapses of a layer's interneurons on the apical dendrites of its pyramidal cells, shaped like `θ` of the layer
    /// above.
    InterneuronToPyramidal,
}

impl Role {
    /// Whether the parameter is the rule's and not the network's.
    pub fn is_of_the_rule(self) -> bool {
        !matches!(self, Self::Weight | Self::Bias)
    }

    const ALL: [Self; 9] = [
        Self::Weight,
        Self::Bias,
        Self::Feedback,
        Self::FeedbackBias,
        Self::InverseWeight,
        Self::InverseBias,
        Self::PyramidalToInterneuron,
        Self::InterneuronBias,
        Self::InterneuronToPyramidal,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Feedback => "feedback",
            Self::FeedbackBias => "feedback-bias",
            Self::InverseWeight => "inverse-weight",
            Self::InverseBias => "inverse-bias",
            Self::PyramidalToInterneuron => "pyramidal-to-interneuron",
            Self::InterneuronBias => "interneuron-bias",
            Self::InterneuronToPyramidal => "interneuron-to-pyramidal",
        }
    }
}

impl std::fmt::Display for ParameterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.layer, self.role.name())
    }
}

/// A descent direction for one parameter.
#[derive(Debug)]
pub struct Direction {
    /// Which parameter.
    pub key: ParameterKey,
    /// The parameter itself, sharing its storage.
    pub parameter: Tensor,
    /// The direction.
    pub form: Form,
}

/// How a direction is given.
#[derive(Debug)]
pub enum Form {
    /// `weight_adjoint(presynaptic, error)` of the map, not yet multiplied out.
    Hebbian {
        /// The layer's map.
        map: Rc<dyn LinearMap>,
        /// `[batch, …input_shape]`.
        presynaptic: Tensor,
        /// `[batch, …output_shape]`.
        error: Tensor,
    },
    /// A tensor of the parameter's shape.
    Explicit(Tensor),
}

impl Direction {
    /// The directions of a layer's weight and bias from an error at its pre-activation, `[batch, …output_shape]`.
    pub fn of_layer(
        index: usize,
        layer: &Layer,
        presynaptic: &Tensor,
        error: &Tensor,
    ) -> impl Iterator<Item = Self> {
        let weight = Self {
            key: ParameterKey { layer: index, role: Role::Weight },
            parameter: layer.weight.shallow_clone(),
            form: Form::Hebbian {
                map: Rc::clone(&layer.map),
                presynaptic: presynaptic.shallow_clone(),
                error: error.shallow_clone(),
            },
        };
        let bias = layer.bias.as_ref().map(|bias| Self {
            key: ParameterKey { layer: index, role: Role::Bias },
            parameter: bias.shallow_clone(),
            form: Form::Explicit(layer.map.bias_adjoint(error)),
        });
        std::iter::once(weight).chain(bias)
    }

    /// The direction as a tensor of the parameter's shape.
    pub fn materialize(&self) -> Tensor {
        match &self.form {
            Form::Hebbian { map, presynaptic, error } => map.weight_adjoint(presynaptic, error),
            Form::Explicit(direction) => direction.shallow_clone(),
        }
    }

    /// `own ← beta·own + alpha·direction`, in place, without materialising a Hebbian direction.
    pub fn accumulate_into(&self, own: &mut Tensor, beta: f64, alpha: f64) {
        match &self.form {
            Form::Hebbian { map, presynaptic, error } => {
                map.accumulate_weight_adjoint(own, beta, alpha, presynaptic, error);
            }
            Form::Explicit(direction) => native::axpby_(own, beta, alpha, direction),
        }
    }
}

impl Direction {
    /// The same direction, multiplied out.
    #[must_use]
    pub fn explicit(self) -> Self {
        let direction = self.materialize();
        Self { form: Form::Explicit(direction), ..self }
    }

    /// The same direction, multiplied out and by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let direction = self.materialize() * factor;
        Self { form: Form::Explicit(direction), ..self }
    }

    /// Squared Euclidean norm of the direction.
    pub fn squared_norm(&self) -> f64 {
        self.materialize().square().sum(tch::Kind::Double).double_value(&[])
    }
}

impl std::str::FromStr for ParameterKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (layer, role) = text.split_once('.').ok_or(())?;
        let role = Role::ALL.into_iter().find(|known| known.name() == role).ok_or(())?;
        Ok(Self { layer: layer.parse().map_err(|_| ())?, role })
    }
}
