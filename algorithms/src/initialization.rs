//! Initial values of weights, biases and feedback weights.

use crate::{Problem, linear_map::LinearMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// A distribution of initial values. "fan in" and "fan out" count a unit's inputs and an input's readers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Initializer {
    /// Uniform in ±√(6 / (fan in + fan out)) (Glorot and Bengio 2010).
    #[default]
    Xavier,
    /// Normal with variance 2 / (fan in + fan out) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform in ±√(6 / fan in) (He et al. 2015).
    He,
    /// Normal with variance 2 / fan in (He et al. 2015).
    HeNormal,
    /// Uniform in ±1 / √(fan in): the default of PyTorch's layers. For feedback weights, the fan in is the
    /// width of the layer that they serve, as in Nøkland 2016.
    FanIn,
    /// A random orthogonal matrix over (outputs × the rest), times `gain` (Saxe et al. 2014).
    Orthogonal {
        /// Scale of the singular values.
        gain: f64,
    },
    /// Uniform in [`low`, `high`).
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        #[schemars(range(min = 0))]
        std: f64,
    },
    /// All zero.
    Zeros,
}

impl Initializer {
    /// Draws a tensor of `map`'s weight shape from LibTorch's generator. Values are drawn on the CPU in
    /// `kind`, so that a run starts from the same weights on every device.
    pub fn weight(self, map: &dyn LinearMap, kind: Kind, device: Device) -> Tensor {
        self.tensor(&map.weight_shape(), map.fan_in(), map.fan_out(), kind, device)
    }

    /// Draws a bias of `map`.
    pub fn bias(self, map: &dyn LinearMap, kind: Kind, device: Device) -> Tensor {
        self.tensor(&map.bias_shape(), map.fan_in(), map.fan_out(), kind, device)
    }

    /// The standard deviation of what [`Self::weight`] draws.
    pub fn weight_deviation(self, map: &dyn LinearMap) -> f64 {
        let (fan_in, fan_out) = (map.fan_in() as f64, map.fan_out() as f64);
        let of_uniform = |low: f64, high: f64| (high - low) / 12.0_f64.sqrt();
        match self {
            Self::Xavier | Self::XavierNormal => (2.0 / (fan_in + fan_out)).sqrt(),
            Self::He | Self::HeNormal => (2.0 / fan_in).sqrt(),
            Self::FanIn => 1.0 / (3.0 * fan_in).sqrt(),
            Self::Orthogonal { gain } => {
                // The columns (or rows) of an orthogonal matrix have norm 1 over the longer side.
                let shape = map.weight_shape();
                let rest: i64 = shape.iter().skip(1).product();
                gain.abs() / (shape[0].max(rest) as f64).sqrt()
            }
            Self::Uniform { low, high } => of_uniform(low, high),
            Self::Normal { std } => std,
            Self::Zeros => 0.0,
        }
    }

    /// Its name in words.
    pub fn describe(self) -> String {
        match self {
            Self::Xavier => "Xavier".to_owned(),
            Self::XavierNormal => "Xavier normal".to_owned(),
            Self::He => "He".to_owned(),
            Self::HeNormal => "He normal".to_owned(),
            Self::FanIn => "uniform in ±1/√(fan in)".to_owned(),
            Self::Orthogonal { gain } => format!("orthogonal with gain {gain}"),
            Self::Uniform { low, high } => format!("uniform from {low} to {high}"),
            Self::Normal { std } => format!("normal with standard deviation {std}"),
            Self::Zeros => "zero".to_owned(),
        }
    }

    /// What is wrong with the values, if anything.
    pub fn problems(self) -> Vec<Problem> {
        match self {
            Self::Orthogonal { gain } if !(gain.is_finite() && gain != 0.0) => {
                vec![Problem::at("orthogonal.gain", "must be a number other than 0")]
            }
            Self::Uniform { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                vec![Problem::at("uniform", "`low` must be less than `high`")]
            }
            Self::Normal { std } if !(std.is_finite() && std >= 0.0) => {
                vec![Problem::at("normal.std", "must be 0 or more")]
            }
            _ => Vec::new(),
        }
    }

    /// Draws a tensor of any shape on the CPU, given the fans that its distribution may depend on, and moves it to `device`.
    pub fn tensor(self, shape: &[i64], fan_in: i64, fan_out: i64, kind: Kind, device: Device) -> Tensor {
        self.drawn_by(Device::Cpu, shape, [fan_in, fan_out], kind).to_device(device)
    }

    /// As [`Self::weight`], but drawn by the generator of `device`: for what is drawn so often that the way there from the CPU
    /// would take most of the time. Another device draws other values.
    pub fn weight_drawn_by(self, device: Device, map: &dyn LinearMap, kind: Kind) -> Tensor {
        self.drawn_by(device, &map.weight_shape(), [map.fan_in(), map.fan_out()], kind)
    }

    fn drawn_by(self, device: Device, shape: &[i64], [fan_in, fan_out]: [i64; 2], kind: Kind) -> Tensor {
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        let zeros = || Tensor::zeros(shape, (kind, device));
        let uniform = |low: f64, high: f64| zeros().uniform_(low, high);
        let symmetric = |bound: f64| uniform(-bound, bound);
        let normal = |std: f64| zeros().normal_(0.0, std);
        match self {
            Self::Xavier => symmetric((6.0 / (fan_in + fan_out)).sqrt()),
            Self::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
            Self::He => symmetric((6.0 / fan_in).sqrt()),
            Self::HeNormal => normal((2.0 / fan_in).sqrt()),
            Self::FanIn => symmetric(1.0 / fan_in.sqrt()),
            Self::Orthogonal { gain } => orthogonal(shape, kind, device) * gain,
            Self::Uniform { low, high } => uniform(low, high),
            Self::Normal { std } => normal(std),
            Self::Zeros => zeros(),
        }
    }
}

/// A tensor whose leading dimension against the rest is a random (semi-)orthogonal matrix.
fn orthogonal(shape: &[i64], kind: Kind, device: Device) -> Tensor {
    let rows = shape.first().copied().unwrap_or(1);
    let columns = shape.iter().skip(1).product::<i64>();
    let gaussian = Tensor::zeros([rows.max(columns), rows.min(columns)], (kind, device)).normal_(0.0, 1.0);
    let (q, r) = Tensor::linalg_qr(&gaussian, "reduced");
    // Without the signs of R's diagonal, Q would not be uniform over the orthogonal group.
    let q = q * r.diagonal(0, 0, 1).sign();
    let q = if rows < columns { q.tr() } else { q };
    q.contiguous().reshape(shape)
}
