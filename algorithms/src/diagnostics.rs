//! What a rule's directions look like beside the true gradient, layer by layer, on a fixed probe batch.

use serde::{Deserialize, Serialize};

/// One layer's state at one moment. Angles are in degrees; a value is absent where it is undefined.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDiagnostics {
    /// The layer's name, e.g. `2.conv`.
    pub layer: String,
    /// Alignment angle between the rule's direction for the weight and the true gradient.
    pub gradient_angle: Option<f64>,
    /// Norm of the rule's direction over the norm of the true gradient.
    pub gradient_norm_ratio: Option<f64>,
    /// Angle between the feedback weights and the forward weights.
    pub feedback_angle: Option<f64>,
    /// Frobenius norm of the weight.
    pub weight_norm: f64,
    /// ‖W − W′‖ / ‖W′‖, W′ being the weight at the last measurement.
    pub weight_change: Option<f64>,
    /// ‖d − d′‖ / ‖d′‖, d′ being the rule's direction at the last measurement.
    pub direction_change: Option<f64>,
}
