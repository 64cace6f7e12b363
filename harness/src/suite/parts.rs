//! The parts of a combination, decoded: after their shapes have been checked, what they mean is.

use super::{
    facts::{self, Facts, Folders},
    issue::{Issue, Span, suggestion},
    tree::{Node, Value},
    walk::{AxisValue, Variant},
};
use crate::{
    data::{CATALOG, DatasetSpec, Normalization, augment},
    plan::Engine,
    spec::{AlgorithmSpec, Training},
};
use apical_algorithms::{
    Problem,
    architecture::{Architecture, LayerPlan, ShapeError},
    loss::Loss,
    rule::{self, Lesson, RuleEntry},
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// A decoded value, with where it stands and the axis values that led to it.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub value: T,
    pub node: Node,
    pub axes: Vec<AxisValue>,
    /// Where to point when no better place is known.
    pub at: Span,
}

impl<T> Part<T> {
    fn place(&self, path: &str) -> Span {
        self.node.span_at(path).unwrap_or(self.at)
    }
}

/// Decodes variants whose shape is right.
pub(super) fn decode<T: DeserializeOwned>(
    variants: Vec<Variant>,
    at: Span,
    issues: &mut Vec<Issue>,
) -> Vec<Part<T>> {
    let decode = |Variant { node, axes }: Variant| match serde_json::from_value(node.to_json()) {
        Ok(value) => Some(Part { value, node, axes, at }),
        Err(error) => {
            issues.push(Issue::new(at, error.to_string()));
            None
        }
    };
    variants.into_iter().filter_map(decode).collect()
}

/// Decodes datasets, whose name is the label unless they say otherwise, and holds them to the catalog.
pub(super) fn datasets(
    mut variants: Vec<Variant>,
    label: &str,
    at: Span,
    folders: &mut Folders,
    issues: &mut Vec<Issue>,
) -> Vec<(Part<DatasetSpec>, Facts)> {
    for variant in &mut variants {
        if let Value::Map(entries) = &mut variant.node.value
            && entries.iter().all(|entry| entry.key != "name")
        {
            let value = Node { span: at, value: Value::Text(label.to_owned()) };
            entries.push(super::tree::Entry { key: "name".into(), key_span: at, value });
        }
    }
    let known = |mut part: Part<DatasetSpec>| {
        let Some(mut facts) = facts::facts(&part.value.name) else {
            let name = &part.value.name;
            issues.push(
                Issue::new(part.place("name"), format!("there is no dataset `{name}`"))
                    .help(suggestion(name, facts::names())),
            );
            return None;
        };
        if part.value.is_images() {
            match folders.facts(&part.value, facts) {
                Ok((spec, found)) => (part.value, facts) = (spec, found),
                Err(error) => {
                    issues.push(Issue::new(part.place(error.key), error.message).help(error.remedy));
                    return None;
                }
            }
        } else if let Some(key) = part.value.image_settings().first() {
            issues.push(
                Issue::new(part.place(key), format!("`{key}` is a setting of photos")).help(format!(
                    "`{}` has none: leave it out, or use {}",
                    part.value.name,
                    photos()
                )),
            );
            return None;
        }
        check_sizes(&part, facts, issues);
        Some((part, facts))
    };
    decode(variants, at, &mut Vec::new()).into_iter().filter_map(known).collect()
}

/// The names of all datasets of photos.
fn photos() -> String {
    let names = CATALOG.iter().filter(|entry| entry.is_images()).map(|entry| format!("`{}`", entry.name));
    names.collect::<Vec<_>>().join(" or ")
}

fn check_sizes(part: &Part<DatasetSpec>, facts: Facts, issues: &mut Vec<Issue>) {
    let DatasetSpec { name, validation, subset, augment: changes, normalization, .. } = &part.value;
    let mut refuse = |path: &str, message: String, help: String| {
        issues.push(Issue::new(part.place(path), message).help(help));
    };
    let left = facts.train.saturating_sub(*validation);
    if left == 0 {
        refuse(
            "validation",
            format!("holding out {validation} samples leaves none of `{name}` to train on"),
            format!("it has {} training samples", facts.train),
        );
    } else if let Some(train) = subset.train
        && train > left
    {
        refuse(
            "subset.train",
            format!("`{name}` has no {train} training samples left"),
            format!("it has {}, of which {validation} are held out for validation", facts.train),
        );
    }
    if let Some(test) = subset.test
        && test > facts.test
    {
        refuse(
            "subset.test",
            format!("`{name}` has no {test} test samples"),
            format!("it has {}", facts.test),
        );
    }
    for (path, size) in [("subset.train", subset.train), ("subset.test", subset.test)] {
        if size == Some(0) {
            refuse(path, "a subset of 0 samples leaves nothing".into(), "leave it out to use all".into());
        }
    }
    if facts.regression && *normalization != Normalization::Centered {
        refuse(
            "normalization",
            format!(
                "the targets of `{name}` are a function of inputs in [−1, 1], and the network is to see those"
            ),
            "`normalization: centered`".into(),
        );
    }
    if facts.regression && !changes.is_empty() {
        refuse(
            "augment",
            format!("the inputs of `{name}` are no images: changed ones would have other targets"),
            "leave it out".into(),
        );
    } else {
        for refusal in augment::refusals(changes, facts.shape) {
            refuse(&format!("augment.{}", refusal.path), refusal.message, refusal.remedy);
        }
    }
    let classes = facts.classes as usize;
    if *validation > 0 && *validation < classes {
        refuse(
            "validation",
            format!("{validation} samples can't hold all {classes} classes of `{name}`"),
            "the validation split is stratified by class: take more".into(),
        );
    }
}

/// Training samples of a run.
fn training_samples(dataset: &DatasetSpec, facts: Facts) -> usize {
    dataset.subset.train.unwrap_or_else(|| facts.train.saturating_sub(dataset.validation))
}

/// Resolves algorithms: fills in the defaults of their rules.
pub(super) fn algorithms(
    variants: Vec<Variant>,
    rule: &'static RuleEntry,
    at: Span,
    issues: &mut Vec<Issue>,
) -> Vec<Part<AlgorithmSpec>> {
    let resolve = |Variant { node, axes }: Variant| {
        let mut config = node.to_json();
        if let Some(config) = config.as_object_mut() {
            config.remove("rule");
        }
        match rule.resolve(config) {
            Ok(config) => {
                let value = AlgorithmSpec { rule: rule.name.to_owned(), config };
                Some(Part { value, node, axes, at })
            }
            Err(problems) => {
                report(&node, at, problems, issues);
                None
            }
        }
    };
    variants.into_iter().filter_map(resolve).collect()
}

/// Reports what is wrong with training settings in themselves.
pub(super) fn check_training(parts: &[Part<Training>], issues: &mut Vec<Issue>) {
    for part in parts {
        report(&part.node, part.at, part.value.problems(), issues);
    }
}

/// Reports what runs can't ask of a cluster.
pub(super) fn check_engine(parts: &[Part<Engine>], issues: &mut Vec<Issue>) {
    for part in parts {
        let problems = part.value.slurm.problems().into_iter().map(|problem| problem.under("slurm"));
        report(&part.node, part.at, problems.collect(), issues);
    }
}

/// Reports a loss that needs classes where there are values to learn.
pub(super) fn check_loss(
    training: &Part<Training>,
    (dataset, facts): &(Part<DatasetSpec>, Facts),
    label: &str,
    issues: &mut Vec<Issue>,
) {
    if facts.regression && training.value.loss != Loss::SquaredError {
        let (name, loss) = (&dataset.value.name, serde_json::to_value(training.value.loss));
        let loss = loss.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        issues.push(
            Issue::new(
                training.place("loss"),
                format!("`{name}` has values to learn and no classes, which `loss: {loss}` needs"),
            )
            .help(format!(
                "`loss: squared-error`; for this dataset alone, an override: \
                 `{{match: {{dataset: {label}}}, set: {{training.loss: squared-error}}}}`"
            )),
        );
    }
}

/// Reports a batch that is larger than what there is to train on.
pub(super) fn check_batch(
    training: &Part<Training>,
    (dataset, facts): &(Part<DatasetSpec>, Facts),
    issues: &mut Vec<Issue>,
) {
    let samples = training_samples(&dataset.value, *facts);
    let batch = training.value.batch_size;
    if batch as usize > samples && samples > 0 {
        let name = &dataset.value.name;
        issues.push(
            Issue::new(
                training.place("batch_size"),
                format!("a batch of {batch} is larger than the training split of `{name}`"),
            )
            .help(format!("there are {samples} samples to train on")),
        );
    }
}

fn report(node: &Node, at: Span, problems: Vec<Problem>, issues: &mut Vec<Issue>) {
    for Problem { path, message } in problems {
        let span = node.span_at(&path).unwrap_or(at);
        issues.push(Issue::new(span, Problem { path, message }.to_string()));
    }
}

/// Whether architectures fit datasets, and rules architectures; layers are worked out once for each pair.
#[derive(Debug, Default)]
pub(super) struct Fits {
    layers: BTreeMap<(String, [i64; 3], i64), Planned>,
    /// What has been reported of rules, so that each refusal is told of the first dataset only.
    refused: BTreeSet<(String, String, String)>,
}

/// The layers of an architecture for images of one shape, or the first that does not fit.
type Planned = Result<Vec<LayerPlan>, ShapeError>;

impl Fits {
    /// Reports an architecture that can't read a dataset's images.
    pub fn check(
        &mut self,
        label: &str,
        architecture: &Part<Architecture>,
        (dataset, facts): &(Part<DatasetSpec>, Facts),
        issues: &mut Vec<Issue>,
    ) {
        if let Err(error) = self.layers(architecture, *facts) {
            let kind = architecture.node.entries().first().map_or("", |entry| &entry.key);
            let layer = architecture.node.get(kind).map(|settings| match settings.entry("layers") {
                Some(_) => format!("{kind}.layers.{}", error.layer - 1),
                None => format!("{kind}.hidden.{}", error.layer - 1),
            });
            let [channels, height, width] = facts.shape;
            issues.push(
                Issue::new(
                    layer.map_or(architecture.at, |path| architecture.place(&path)),
                    format!("the architecture `{label}` does not fit `{}`: {error}", dataset.value.name),
                )
                .help(format!(
                    "its images are {channels}×{height}×{width}; change the layer, or `exclude` the pair"
                )),
            );
        }
    }

    /// Reports a rule that can't teach an architecture, by this loss or from such inputs.
    pub fn check_rule(
        &mut self,
        label: &str,
        algorithm: &Part<AlgorithmSpec>,
        (architecture_label, architecture): (&str, &Part<Architecture>),
        ((dataset, facts), loss): (&(Part<DatasetSpec>, Facts), Loss),
        issues: &mut Vec<Issue>,
    ) {
        let Ok(layers) = self.layers(architecture, *facts) else { return };
        let inputs = facts.inputs(dataset.value.normalization);
        let lesson = Lesson { layers, loss, inputs, regression: facts.regression };
        let AlgorithmSpec { rule, config } = &algorithm.value;
        let refusal = rule::find(rule).and_then(|entry| entry.refusal(config.clone(), &lesson));
        let Some(refusal) = refusal else { return };
        let told = (label.to_owned(), architecture_label.to_owned(), refusal.to_string());
        if self.refused.insert(told) {
            let dataset = &dataset.value.name;
            let message = format!(
                "`{label}` can't teach the architecture `{architecture_label}` on `{dataset}`: {refusal}"
            );
            let at = if refusal.path.is_empty() { algorithm.at } else { algorithm.place(&refusal.path) };
            issues.push(Issue::new(at, message).help(format!(
                "or leave the pair out: `exclude: [{{algorithm: {label}, architecture: {architecture_label}}}]`"
            )));
        }
    }

    fn layers(&mut self, architecture: &Part<Architecture>, facts: Facts) -> &Planned {
        let key = (architecture.node.to_json().to_string(), facts.shape, facts.classes);
        self.layers.entry(key).or_insert_with(|| architecture.value.plan(facts.shape, facts.classes))
    }
}
