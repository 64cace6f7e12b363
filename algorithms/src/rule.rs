//! What a learning rule is, what it declares about itself, and the registry of all of them.

use crate::{
    Problem, architecture::LayerPlan, diagnostics::NeuronDiagnostics, direction::Direction, loss::Loss,
    network::Network, optimizer::OptimizerConfig, randomness::Streams, voltage::VoltageTraces,
};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tch::Tensor;

/// A mini-batch.
#[derive(Debug)]
pub struct Batch {
    /// `[batch, channels, height, width]`, normalised.
    pub inputs: Tensor,
    /// `[batch]`, int64; or of a regression the target values, `[batch, outputs]`, of the inputs' kind.
    pub labels: Tensor,
}

/// What a rule makes of a batch.
#[derive(Debug)]
pub struct Step {
    /// Mean loss over the batch before the update; no dimensions.
    pub loss: Tensor,
    /// The network's output before the update, `[batch, classes]`.
    pub output: Tensor,
    /// A descent direction for each parameter that learns.
    pub directions: Vec<Direction>,
}

/// What a rule says of one layer beside its directions; a value is absent where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RuleDiagnostics {
    /// ‖g(f(h)) − h‖ / ‖h‖ over the batch, h being the layer's input, f the layer and g its inverse; no unit.
    pub reconstruction_error: Option<f64>,
    /// ‖ĥ − h‖ / ‖h‖ over the batch, h being the layer's activity and ĥ its target; no unit.
    pub target_distance: Option<f64>,
    /// What its neurons do, of rules whose neurons have dendrites.
    pub neurons: Option<NeuronDiagnostics>,
}

/// What a rule's directions are compared with: those of the same network, the same batch and the same error at the
/// output, carried down in another way.
#[derive(Debug)]
pub struct References {
    /// The true gradient of what the output layer descends.
    pub gradient: Vec<Direction>,
    /// The error carried down by the rule's own feedback weights instead, as feedback alignment does; empty where
    /// that is no question.
    pub feedback_alignment: Vec<Direction>,
}

/// What a rule is to teach, as far as it is known before there is a tensor.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// The network's layers, from the input.
    pub layers: &'a [LayerPlan],
    /// The loss of the training settings.
    pub loss: Loss,
    /// The least and the largest value that an input can take.
    pub inputs: (f64, f64),
    /// Whether targets are values, one for each output, instead of a class.
    pub regression: bool,
}

impl<'a> Lesson<'a> {
    /// To classify inputs in [0, 1] by cross-entropy.
    pub fn classification(layers: &'a [LayerPlan]) -> Self {
        Self { layers, loss: Loss::CrossEntropy, inputs: (0.0, 1.0), regression: false }
    }

    /// The refusal of a rule in which a pool has no part to play, if a layer is pooled.
    pub fn refuse_pools(&self, because: &str) -> Option<Problem> {
        let pooled = &self.layers.iter().find(|layer| layer.pool.is_some())?.name;
        Some(Problem::at(
            "",
            format!(
                "layer `{pooled}` is pooled, and {because}; shrink its feature maps by a `stride` instead"
            ),
        ))
    }

    /// The refusal of a list of `rates` that has not one for each of so many layers.
    pub fn refuse_count(path: &str, rates: Option<&Vec<f64>>, wanted: usize, of: &str) -> Option<Problem> {
        let given = rates.map(Vec::len).filter(|given| *given != wanted)?;
        Some(Problem::at(path, format!("needs {wanted} values, one for each {of}, and has {given}")))
    }
}

/// A learning rule, with whatever it keeps beside the network: feedback weights, inverses, states.
pub trait LearningRule {
    /// The direction in which this batch moves each parameter. Nothing is applied.
    fn directions(&mut self, network: &Network, loss: Loss, batch: &Batch) -> Step;

    /// The output `[batch, classes]` from which a class is predicted.
    fn output(&self, network: &Network, inputs: &Tensor) -> Tensor {
        network.output(inputs)
    }

    /// Called before each epoch's first batch, LibTorch's generator being at the start of a stream of the
    /// epoch's own. Epochs count from 0.
    fn begin_epoch(&mut self, _epoch: usize) {}

    /// Called where the next batch doesn't follow the last: before an epoch's first one, and before one that is only
    /// measured. Activity that the rule carries on from batch to batch is forgotten; weights stay.
    fn rest(&mut self) {}

    /// How many passes over the training data come before an epoch's own, in which the rule's own parameters alone
    /// learn: its inverses, say, or its interneurons.
    fn own_passes(&self, _epoch: usize) -> usize {
        0
    }

    /// The directions of the rule's own parameters for a batch of such a pass. Nothing is applied.
    fn own_directions(&mut self, _network: &Network, _loss: Loss, _batch: &Batch) -> Vec<Direction> {
        Vec::new()
    }

    /// The optimizer of the rule's own parameters, of every role but `Weight` and `Bias`, where it is another than
    /// that of the network.
    fn own_optimizer(&self) -> Option<OptimizerConfig> {
        None
    }

    /// For each layer, how far its target lies, how well its inverse inverts, what its neurons do; empty where a rule
    /// has none of these.
    fn layer_diagnostics(&mut self, _network: &Network, _loss: Loss, _batch: &Batch) -> Vec<RuleDiagnostics> {
        Vec::new()
    }

    /// What the directions are compared with in diagnostics. A rule with neurons of its own has a gradient of its own.
    /// LibTorch's generator is where it was when `directions` was asked for the same batch: what draws the same draws then
    /// compares the same spikes.
    fn references(&mut self, network: &Network, loss: Loss, batch: &Batch) -> References {
        let gradient = crate::rules::gradient(network, loss, batch).directions;
        References { gradient, feedback_alignment: Vec::new() }
    }

    /// The potentials of a few neurons while the network is shown the first sample of `batch`, first without and then
    /// with its target; of rules whose neurons have a time course.
    fn voltage_traces(&mut self, _network: &Network, _batch: &Batch) -> Option<VoltageTraces> {
        None
    }

    /// The rule's own tensors by name, sharing their storage: what a checkpoint must hold beside the network.
    fn parameters(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// For each layer, the tensor that stands in for its weight when an error is carried down through it,
    /// shaped like that weight; `None` where the rule has no such thing.
    fn feedback_weights(&self, network: &Network) -> Vec<Option<Tensor>> {
        network.layers.iter().map(|_| None).collect()
    }
}

/// A yes, a no, or something between, in the literature table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// It has the property.
    Yes,
    /// It does not.
    No,
    /// The question does not arise.
    NotApplicable,
    /// In part; the text says in which.
    Partly(&'static str),
}

/// A rule's column of the literature table (Lange 2019, figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// Its directions are gradients of the loss.
    pub exact_gradients: Property,
    /// No synapse needs to know the strength of another.
    pub no_weight_transport: Property,
    /// Errors do not travel on a pathway of their own.
    pub no_separate_pathways: Property,
    /// Neurons integrate feedback in a dendritic compartment.
    pub dendritic_integration: Property,
    /// Feedback weights are learned apart from the forward weights.
    pub separate_weights_learned: Property,
    /// A linear correction stabilises the targets (difference target propagation).
    pub linear_stabilization: Property,
    /// Neurons or pathways carry an error explicitly.
    pub explicit_error_representation: Property,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Citation {
    /// As in a text, e.g. `Lillicrap et al. 2016`.
    pub short: &'static str,
    /// In full.
    pub full: &'static str,
}

/// A rule's configuration, as a suite gives it.
pub trait RuleConfig: Serialize + DeserializeOwned + JsonSchema + Default {
    /// What is wrong with the values, if anything.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The settings in words, for a report's protocol: by default each that isn't its default, by its name.
    fn describe(&self) -> String {
        let [own, default] =
            [self, &Self::default()].map(|config| serde_json::to_value(config).unwrap_or_default());
        let mut told = Vec::new();
        tell_differences(&own, &default, "", &mut told);
        match (told.is_empty(), own.as_object().is_some_and(|fields| !fields.is_empty())) {
            (true, false) => "nothing to configure".to_owned(),
            (true, true) => "all settings at their defaults".to_owned(),
            (false, _) => told.join(", "),
        }
    }
}

/// Appends `key value` for each setting that isn't as in `default`; the key of an inner one follows its outer one's.
fn tell_differences(value: &Value, default: &Value, path: &str, told: &mut Vec<String>) {
    match value {
        _ if value == default || value.is_null() => {}
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = format!("{path} {}", key.replace('_', " "));
                tell_differences(inner, default.get(key).unwrap_or(&Value::Null), path.trim_start(), told);
            }
        }
        Value::String(text) => told.push(format!("{path} {text}")),
        other => told.push(format!("{path} {other}")),
    }
}

/// How many numbers a rule keeps beside the network, known before any is drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnValues {
    /// Those that stay as they are, or are drawn anew.
    pub fixed: i64,
    /// Those that learn, of which optimizers keep averages.
    pub learned: i64,
    /// The optimizer of those, where it is another than the network's.
    pub optimizer: Option<OptimizerConfig>,
}

/// A rule that can be registered.
pub trait Registered: LearningRule + Sized + 'static {
    /// What a suite may say about it.
    type Config: RuleConfig;

    /// Sets the rule up for a network, whose initial weights it may replace where its paper does so.
    /// Feedback weights and the like are drawn from the stream `feedback weights`.
    fn new(config: Self::Config, network: &mut Network, streams: Streams) -> Self;

    /// How many numbers [`LearningRule::parameters`] will hold for a network of these layers, so that a plan can say what a run
    /// needs of memory.
    fn own_values(config: &Self::Config, layers: &[LayerPlan]) -> OwnValues;

    /// Why the rule, so configured, cannot teach this, and what would help. The path is that of the setting which does not
    /// fit, or empty where it is the rule as a whole. Most rules can teach anything.
    fn refusal(_config: &Self::Config, _lesson: &Lesson<'_>) -> Option<Problem> {
        None
    }
}

/// A registered rule.
#[derive(Debug)]
pub struct RuleEntry {
    /// What a suite calls it.
    pub name: &'static str,
    /// Other names that a suite may use.
    pub aliases: &'static [&'static str],
    /// In words.
    pub title: &'static str,
    /// Where it comes from.
    pub citation: Citation,
    /// Its column of the literature table.
    pub properties: Properties,
    /// The functions that depend on the rule's type.
    pub functions: Functions,
}

type Build = fn(Value, &mut Network, Streams) -> Result<Box<dyn LearningRule>, Vec<Problem>>;

/// The functions of a rule that depend on its type.
#[derive(Debug, Clone, Copy)]
pub struct Functions {
    schema: fn() -> Schema,
    defaults: fn() -> Result<String, serde_json::Error>,
    resolve: fn(Value) -> Result<Value, Vec<Problem>>,
    describe: fn(Value) -> Result<String, Vec<Problem>>,
    build: Build,
    refusal: fn(Value, &Lesson<'_>) -> Option<Problem>,
    own_values: fn(Value, &[LayerPlan]) -> Option<OwnValues>,
}

impl Functions {
    /// The functions of the rule `R`.
    pub const fn of<R: Registered>() -> Self {
        Self {
            schema: || schema_for!(R::Config),
            defaults: || serde_json::to_string(&R::Config::default()),
            resolve: |value| {
                let config = decode::<R::Config>(&value)?;
                serde_json::to_value(config).map_err(|error| vec![Problem::at("", error.to_string())])
            },
            describe: |value| Ok(decode::<R::Config>(&value)?.describe()),
            build: |value, network, streams| {
                let config = decode::<R::Config>(&value)?;
                streams.enter("feedback weights", 0);
                Ok(Box::new(R::new(config, network, streams)))
            },
            refusal: |value, lesson| R::refusal(&decode::<R::Config>(&value).ok()?, lesson),
            own_values: |value, layers| Some(R::own_values(&decode::<R::Config>(&value).ok()?, layers)),
        }
    }
}

fn decode<C: RuleConfig>(value: &Value) -> Result<C, Vec<Problem>> {
    let refusal = |value: Value| serde_json::from_value::<C>(value).err().map(|error| error.to_string());
    let config = serde_json::from_value::<C>(value.clone()).map_err(|_| {
        let mut problems = Vec::new();
        locate(&refusal, value, "", &mut problems);
        problems
    })?;
    let problems = config.problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Finds every key of `value` that `refusal` objects to. A decoder tells what is wrong but not where, and
/// stops at the first fault; so each key is offered to it alone.
fn locate(refusal: &dyn Fn(Value) -> Option<String>, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Some(message) = refusal(value.clone()) else { return };
    let before = problems.len();
    let misses_a_field = |message: &str| message.starts_with("missing field");
    // Where not all keys are optional, one alone is refused for the want of the others.
    let has_required_keys =
        refusal(Value::Object(serde_json::Map::new())).is_some_and(|message| misses_a_field(&message));
    for (key, inner) in value.as_object().into_iter().flatten() {
        let alone = |inner: Value| refusal(Value::Object([(key.clone(), inner)].into_iter().collect()));
        let at_fault = |message: String| !(has_required_keys && misses_a_field(&message));
        if alone(inner.clone()).is_some_and(at_fault) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            locate(&alone, inner, &path, problems);
        }
    }
    if problems.len() == before {
        problems.push(Problem::at(path, message));
    }
}

impl RuleEntry {
    /// The JSON Schema of the rule's configuration.
    pub fn schema(&self) -> Schema {
        (self.functions.schema)()
    }

    /// The default configuration as JSON text, its keys in the order in which the rule declares them.
    ///
    /// # Errors
    /// If a value can't be written as JSON.
    pub fn defaults(&self) -> Result<String, serde_json::Error> {
        (self.functions.defaults)()
    }

    /// The configuration with every default filled in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn resolve(&self, config: Value) -> Result<Value, Vec<Problem>> {
        (self.functions.resolve)(config)
    }

    /// Why the rule, so configured, cannot teach this, and what would help; of a wrong configuration, nothing.
    pub fn refusal(&self, config: Value, lesson: &Lesson<'_>) -> Option<Problem> {
        (self.functions.refusal)(config, lesson)
    }

    /// How many numbers the rule, so configured, keeps beside a network of these layers; of a wrong configuration, nothing.
    pub fn own_values(&self, config: Value, layers: &[LayerPlan]) -> Option<OwnValues> {
        (self.functions.own_values)(config, layers)
    }

    /// The configuration in words, defaults included where the rule finds them worth telling.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn describe(&self, config: Value) -> Result<String, Vec<Problem>> {
        (self.functions.describe)(config)
    }

    /// Sets the rule up for a network.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn build(
        &self,
        config: Value,
        network: &mut Network,
        streams: Streams,
    ) -> Result<Box<dyn LearningRule>, Vec<Problem>> {
        (self.functions.build)(config, network, streams)
    }
}

/// All rules, in the order in which reports list them.
pub fn registry() -> &'static [&'static RuleEntry] {
    crate::rules::ALL
}

/// The rule of this name or alias.
pub fn find(name: &str) -> Option<&'static RuleEntry> {
    registry().iter().copied().find(|rule| rule.name == name || rule.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Settings {
        step_size: f64,
        kind: Option<String>,
        inner: Inner,
    }

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Inner {
        steps: u32,
    }

    impl RuleConfig for Settings {}

    #[test]
    fn only_settings_that_are_not_the_defaults_are_told() {
        assert_eq!(Settings::default().describe(), "all settings at their defaults");
        let settings = Settings { step_size: 0.5, kind: Some("exact".to_owned()), inner: Inner { steps: 3 } };
        let mut told = settings.describe();
        for part in ["step size 0.5", "kind exact", "inner steps 3"] {
            assert!(told.contains(part), "no `{part}` in `{told}`");
            told = told.replacen(part, "", 1);
        }
        assert_eq!(told, ", , ");
    }

    #[test]
    fn feedback_weights_are_told_with_their_defaults() {
        let told = |rule: &str, config: Value| find(rule).expect("registered").describe(config);
        assert_eq!(told("bp", json!({})).as_deref(), Ok("nothing to configure"));
        assert_eq!(
            told("fa", json!({})).as_deref(),
            Ok("feedback weights Xavier (default), scale 1; forward weights as the architecture says")
        );
        assert_eq!(
            told("usf", json!({"convention": "biotorch", "feedback": {"init": "he", "scale": 0.5}}))
                .as_deref(),
            Ok("convention biotorch: feedback weights He, scale 0.5; forward weights Xavier")
        );
        let nokland = told("dfa", json!({"convention": "nokland"})).expect("valid");
        assert!(
            nokland.starts_with(
                "convention nokland: feedback weights uniform in ±1/√(fan in) (the convention's)"
            )
        );
        assert!(
            nokland.ends_with("at zero if any units are tanh or logistic, else as the architecture says")
        );
        assert!(told("fa", json!({"feedbck": {}})).is_err());
    }
}
