//! Losses of a classifier's output, with the error that every rule starts from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

/// A loss between the output layer's pre-activations and the labels, averaged over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Softmax followed by the negative log-likelihood of the label.
    CrossEntropy,
    /// A logistic unit per class, each with its own binary cross-entropy, summed over classes.
    BinaryCrossEntropy,
    /// `½ ‖output − onehot‖²`, summed over classes; the output is linear.
    SquaredError,
}

/// A loss's value and where it starts credit assignment.
#[derive(Debug)]
pub struct Evaluated {
    /// Mean over the batch; no dimensions.
    pub value: Tensor,
    /// `∂value/∂output`, `[batch, classes]`: for each of the three losses, (prediction − target) / batch.
    pub error: Tensor,
}

impl Loss {
    /// The network's prediction for each class, `[batch, classes]`: what the loss compares with the target.
    pub fn prediction(self, output: &Tensor) -> Tensor {
        match self {
            Self::CrossEntropy => output.softmax(-1, None),
            Self::BinaryCrossEntropy => output.sigmoid(),
            Self::SquaredError => output.shallow_clone(),
        }
    }

    /// The mean loss over the batch, for `output` `[batch, classes]` and `labels` `[batch]` (int64).
    pub fn value(self, output: &Tensor, labels: &Tensor) -> Tensor {
        match self {
            Self::CrossEntropy => output.log_softmax(-1, None).nll_loss(labels),
            Self::BinaryCrossEntropy => {
                let target = targets(labels, output);
                // softplus(output) − target·output is the binary cross-entropy, without overflow.
                (output.softplus() - target * output).sum(None) / output.size()[0] as f64
            }
            Self::SquaredError => {
                output.mse_loss(&targets(labels, output), Reduction::Sum) * (0.5 / output.size()[0] as f64)
            }
        }
    }

    /// The loss and its gradient with respect to `output`.
    pub fn evaluate(self, output: &Tensor, labels: &Tensor) -> Evaluated {
        let batch = output.size()[0] as f64;
        if self == Self::CrossEntropy {
            let mut log_probabilities = output.log_softmax(-1, None);
            let value = log_probabilities.nll_loss(labels);
            let mut error = log_probabilities.exp_();
            let minus_one = Tensor::full(labels.size(), -1.0, (error.kind(), error.device()));
            let _ = error.scatter_add_(1, &labels.unsqueeze(1), &minus_one.unsqueeze(1));
            let _ = error.g_div_scalar_(batch);
            return Evaluated { value, error };
        }
        let mut error = self.prediction(output) - targets(labels, output);
        let _ = error.g_div_scalar_(batch);
        Evaluated { value: self.value(output, labels), error }
    }
}

/// The targets as `[batch, outputs]`: labels as rows of zeros with one 1, of `like`'s kind and on its device; the target
/// values of a regression as they are.
pub fn targets(labels: &Tensor, like: &Tensor) -> Tensor {
    if labels.dim() == 2 {
        return labels.shallow_clone();
    }
    let mut target = like.zeros_like();
    let _ = target.scatter_value_(1, &labels.unsqueeze(1), 1.0);
    target
}

/// How many of the batch the network gets right, as an int64 tensor without dimensions: of a regression, for how many the
/// largest output is where the largest target value is.
pub fn correct_predictions(output: &Tensor, labels: &Tensor) -> Tensor {
    let largest = if labels.dim() == 2 { labels.argmax(1, false) } else { labels.shallow_clone() };
    output.argmax(1, false).eq_tensor(&largest).sum(Kind::Int64)
}
