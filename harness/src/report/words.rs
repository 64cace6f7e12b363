//! Descriptions of runs in words: what a specification says, as a methods section would.

use super::format::{count, list};
use crate::{
    data::{
        DatasetSpec,
        images::Fit,
        spec::{Augmentation, Normalization},
    },
    spec::{Evaluation, RunSpec, Selection, Training},
};
use apical_algorithms::{
    architecture::{Architecture, Initialization, LayerDescription, Layered, Window, Windowed},
    loss::Loss,
    optimizer::OptimizerConfig,
    schedule::{Schedule, Shape},
};
use serde::Serialize;

/// The name under which a value is written in a suite, e.g. `cross-entropy`.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Which photos, and how they were brought to one size.
fn photos(spec: &DatasetSpec) -> Option<String> {
    let (content, size) = (spec.content.as_ref()?, spec.size?);
    let fit = match spec.fit.unwrap_or_default() {
        Fit::Crop => "short side and centre crop",
        Fit::Squash => "both sides squashed",
    };
    let classes = spec.classes.as_ref().map_or(0, Vec::len);
    let limit =
        spec.images_per_class.map(|most| format!(", at most {} for training each", count(most as u64)));
    let share = spec.test_share.map(|share| format!(", a share of {share} of each held out as test set"));
    let (limit, share) = (limit.unwrap_or_default(), share.unwrap_or_default());
    let edition = spec.edition.as_ref().map(|edition| format!(", edition {edition}")).unwrap_or_default();
    Some(format!(
        "{classes} classes of photos{edition}{limit}{share}, {size}×{size} ({fit}), content {content}"
    ))
}

/// The data of a run.
pub fn dataset(spec: &DatasetSpec) -> String {
    let mut parts = vec![format!("`{}`", spec.name)];
    parts.extend(photos(spec));
    parts.push(match spec.subset.train {
        Some(number) => format!("{} training samples", count(number as u64)),
        None if spec.validation > 0 => "all training samples not held out".to_owned(),
        None => "all training samples".to_owned(),
    });
    parts.push(match spec.validation {
        0 => "no validation split".to_owned(),
        number => format!("{} samples of the training set held out for validation", count(number as u64)),
    });
    parts.push(match spec.subset.test {
        Some(number) => format!("{} test samples", count(number as u64)),
        None => "the whole test set".to_owned(),
    });
    if spec.validation > 0 || spec.subset.train.is_some() || spec.subset.test.is_some() {
        let by = if spec.is_regression() { "the output with the largest target" } else { "class" };
        parts.push(format!("splits stratified by {by} with split seed {}", spec.split_seed));
    }
    parts.push(
        match spec.normalization {
            Normalization::Unit => "pixels scaled to [0, 1]",
            Normalization::Standard => {
                "pixels standardised by each channel's mean and deviation over the training set"
            }
            Normalization::Centered if spec.is_regression() => "inputs in [−1, 1]",
            Normalization::Centered => "pixels scaled to [−1, 1]",
        }
        .to_owned(),
    );
    parts.push(match list(&spec.augment.iter().map(Augmentation::words).collect::<Vec<_>>()) {
        none if none.is_empty() => "no augmentation".to_owned(),
        changes => format!("training images changed by {changes}"),
    });
    parts.join("; ")
}

/// A network.
pub fn architecture(spec: &Architecture) -> String {
    let preset = |value: &serde_json::Value| -> String {
        let (name, options) = value.as_object().and_then(|object| object.iter().next()).map_or_else(
            || (String::new(), String::new()),
            |(name, options)| (name.clone(), options.to_string()),
        );
        format!("the architecture `{name}` with `{options}`")
    };
    match spec {
        Architecture::Mlp(mlp) => {
            let sizes: Vec<String> = mlp.hidden.iter().map(u32::to_string).collect();
            let layers = if sizes.is_empty() {
                "no hidden layer".to_owned()
            } else {
                format!("hidden layers of {} units, {}", sizes.join("-"), name(&mlp.activation))
            };
            format!("fully connected, {layers}; {}", initialization(&mlp.initialization))
        }
        Architecture::Cnn(net) | Architecture::LocallyConnected(net) => layered(net),
        other => serde_json::to_value(other).map_or_else(|error| error.to_string(), |value| preset(&value)),
    }
}

fn initialization(spec: &Initialization) -> String {
    let output = spec
        .output_weights
        .as_ref()
        .map_or_else(String::new, |output| format!(", output weights `{}`", name(output)));
    format!("initial weights `{}`{output}, biases `{}`", name(&spec.weights), name(&spec.biases))
}

fn layered(net: &Layered) -> String {
    let layers: Vec<String> = net.layers.iter().map(layer).collect();
    format!("{}; {}; {}", layers.join(" → "), name(&net.activation), initialization(&net.initialization))
}

fn layer(layer: &LayerDescription) -> String {
    let windowed = |kind: &str, shape: &Windowed| {
        let padding = if shape.padding > 0 { format!(", padding {}", shape.padding) } else { String::new() };
        format!(
            "{kind} {}×{}×{}, stride {}{padding}",
            shape.channels, shape.kernel, shape.kernel, shape.stride
        )
    };
    let pooled = |kind: &str, window: &Window| {
        let padding =
            if window.padding > 0 { format!(", padding {}", window.padding) } else { String::new() };
        let stride = window.stride.unwrap_or(window.kernel);
        format!("{kind} {}×{}, stride {stride}{padding}", window.kernel, window.kernel)
    };
    match layer {
        LayerDescription::Conv(shape) => windowed("conv", shape),
        LayerDescription::Local(shape) => windowed("local", shape),
        LayerDescription::Dense(units) => format!("dense {units}"),
        LayerDescription::MaxPool(window) => pooled("max-pool", window),
        LayerDescription::AveragePool(window) => pooled("average-pool", window),
        LayerDescription::GlobalAveragePool => "global average pool".to_owned(),
    }
}

/// What is minimised.
pub fn loss(loss: Loss) -> String {
    match loss {
        Loss::CrossEntropy => "softmax cross-entropy".to_owned(),
        Loss::BinaryCrossEntropy => "binary cross-entropy of logistic units, summed over classes".to_owned(),
        Loss::SquaredError => "half the squared error, summed over outputs".to_owned(),
    }
}

/// The optimizer with its constants.
pub fn optimizer(config: &OptimizerConfig) -> String {
    let decay = |value: f64| if value == 0.0 { String::new() } else { format!(", weight decay {value}") };
    match config {
        OptimizerConfig::Sgd(sgd) => {
            let momentum = match (sgd.momentum, sgd.nesterov) {
                (0.0, _) => String::new(),
                (momentum, false) => format!(", momentum {momentum}"),
                (momentum, true) => format!(", Nesterov momentum {momentum}"),
            };
            format!("SGD, learning rate {}{momentum}{}", sgd.learning_rate, decay(sgd.weight_decay))
        }
        OptimizerConfig::Adam(adam) => format!(
            "Adam, learning rate {}, β₁ {}, β₂ {}, ε {}{}",
            adam.learning_rate,
            adam.beta1,
            adam.beta2,
            adam.epsilon,
            decay(adam.weight_decay)
        ),
        OptimizerConfig::Rmsprop(rms) => format!(
            "{}RMSprop, learning rate {}, decay {}, ε {}{}{}",
            if rms.centered { "centred " } else { "" },
            rms.learning_rate,
            rms.decay,
            rms.epsilon,
            if rms.momentum == 0.0 { String::new() } else { format!(", momentum {}", rms.momentum) },
            decay(rms.weight_decay)
        ),
    }
}

/// How the learning rate changes.
pub fn schedule(schedule: &Schedule) -> String {
    let shape = match &schedule.shape {
        Shape::Constant => "constant".to_owned(),
        Shape::Step { at, factor } => {
            let epochs: Vec<String> = at.iter().map(u32::to_string).collect();
            format!("multiplied by {factor} after epochs {}", list(&epochs))
        }
        Shape::Cosine { floor } => format!("half a cosine down to {floor} of itself"),
    };
    if schedule.warm_up > 0.0 {
        format!("{shape}, after a linear warm-up over {} epochs", schedule.warm_up)
    } else {
        shape
    }
}

/// Which network is a run's result.
pub fn selection(evaluation: &Evaluation, dataset: &DatasetSpec) -> String {
    let selected = match (evaluation.select, dataset.validation) {
        (Selection::BestValidation, 1..) if dataset.is_regression() => {
            "the network of the epoch with the lowest validation loss (the earliest of equals)"
        }
        (Selection::BestValidation, 1..) => {
            "the network of the epoch with the best validation accuracy (the earliest of equals)"
        }
        (Selection::BestValidation, 0) => "the network of the last epoch, there being no validation split",
        (Selection::Last, _) => "the network of the last epoch",
    };
    if evaluation.test_each_epoch {
        format!(
            "{selected}; the test set is also evaluated after every epoch, for figures that say so and select nothing"
        )
    } else {
        format!("{selected}; the test set is evaluated once, with it")
    }
}

/// What is trained how, one topic after the other.
pub fn training(spec: &RunSpec) -> Vec<(&'static str, String)> {
    let Training {
        epochs,
        batch_size,
        loss: minimised,
        optimizer: steps,
        schedule: rate,
        clip_norm,
        precision,
    } = &spec.training;
    vec![
        ("Epochs", epochs.to_string()),
        ("Batch size", batch_size.to_string()),
        ("Loss", loss(*minimised)),
        ("Optimizer", optimizer(steps)),
        ("Learning rate over training", schedule(rate)),
        (
            "Clipping",
            clip_norm.map_or_else(
                || "none".to_owned(),
                |norm| format!("directions scaled down to a norm of {norm}"),
            ),
        ),
        ("Number format", name(precision)),
        ("Result of a run", selection(&spec.evaluation, &spec.dataset)),
        (
            "Diagnostics",
            match spec.diagnostics.every {
                0 => "none".to_owned(),
                every => format!(
                    "every {}, on a fixed batch of {} training samples",
                    if every == 1 { "epoch".to_owned() } else { format!("{every} epochs") },
                    count(u64::from(spec.diagnostics.probe))
                ),
            },
        ),
    ]
}
