//! What a run needs of memory at the least, known from its description before anything is computed.
//!
//! A bound from below: parameters, what the rule keeps beside them, what optimizers keep of both, the copy of the best
//! epoch's network, and the activity of a batch. What comes on top (temporaries, `LibTorch` itself) differs between rules and
//! devices, so that a run which fits by this figure may still not fit, but one that does not fit never does.

use crate::{
    data::{self, DatasetEntry, DatasetSpec},
    plan::{Cell, PlannedRun},
    spec::{Precision, RunSpec, Selection},
    train::evaluation_batch,
};
use apical_algorithms::{architecture::LayerPlan, rule};
use serde::Serialize;
use std::collections::BTreeMap;

/// Bytes that a run needs at the least, by what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Footprint {
    /// The network's weights and biases.
    pub parameters: u64,
    /// What the rule keeps beside them: feedback weights, inverses, interneurons.
    pub rule: u64,
    /// What optimizers keep of what learns.
    pub optimizer: u64,
    /// The copy of the best epoch's network and rule.
    pub selected: u64,
    /// The activity of all layers for a batch of training samples, or of the widest for one in evaluation; windows included
    /// where they are laid out.
    pub activity: u64,
    /// The samples, where they are held in memory as a whole.
    pub data: u64,
}

impl Footprint {
    /// That of a run; nothing where its network cannot be worked out here, which the run itself will tell.
    pub fn of(spec: &RunSpec) -> Option<Self> {
        let entry = data::find(&spec.dataset.name).ok()?;
        let (shape, classes) = shape_of(&spec.dataset)?;
        let layers = spec.architecture.plan(shape, classes).ok()?;
        let own = rule::find(&spec.algorithm.rule)?.own_values(spec.algorithm.config.clone(), &layers)?;
        let width: i64 = match spec.training.precision {
            Precision::Float32 => 4,
            Precision::Float64 => 8,
        };
        let parameters: i64 = layers.iter().map(LayerPlan::parameter_count).sum();
        let optimizer = &spec.training.optimizer;
        let states = parameters * optimizer.state_per_value()
            + own.learned * own.optimizer.as_ref().unwrap_or(optimizer).state_per_value();
        let selects = spec.dataset.validation > 0 && spec.evaluation.select == Selection::BestValidation;
        let kept = parameters + own.fixed + own.learned;
        // Each layer's pre-activation is kept for the way down, and its output is the next one's input.
        let units = |shape: &[i64]| shape.iter().product::<i64>();
        let activity: i64 = layers.iter().map(|layer| units(layer.map.output_shape())).sum();
        let unfolded = layers.iter().map(|layer| layer.map.unfolded_values()).max().unwrap_or(0);
        let learning = i64::from(spec.training.batch_size).saturating_mul(2 * activity + unfolded);
        // Where nothing is learned, a layer's activity is kept for as long as the next one reads it.
        let in_passing = |layer: &LayerPlan| {
            units(layer.map.input_shape()) + units(layer.map.output_shape()) + layer.map.unfolded_values()
        };
        let passing = layers.iter().map(in_passing).max().unwrap_or(0);
        let evaluating = evaluation_batch(layers.iter().map(|layer| &*layer.map)) * passing;
        let bytes = |values: i64| u64::try_from(values.saturating_mul(width)).unwrap_or(0);
        let data = data_bytes(entry, &spec.dataset, shape);
        Some(Self {
            parameters: bytes(parameters),
            rule: bytes(own.fixed + own.learned),
            optimizer: bytes(states),
            selected: if selects { bytes(kept) } else { 0 },
            activity: bytes(learning.max(evaluating)),
            data,
        })
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        let Self { parameters, rule, optimizer, selected, activity, data } = *self;
        [parameters, rule, optimizer, selected, activity, data]
            .iter()
            .fold(0, |sum, part| sum.saturating_add(*part))
    }

    /// What most of it is for, in words, and how many bytes that is.
    pub fn largest_part(&self) -> (&'static str, u64) {
        let parts = [
            ("the network's parameters", self.parameters),
            ("what the rule keeps beside them", self.rule),
            ("the optimizer's averages", self.optimizer),
            ("the copy of the best epoch's network", self.selected),
            ("the activity of a batch", self.activity),
            ("the data", self.data),
        ];
        // Of equals the first.
        parts.into_iter().rev().max_by_key(|(_, bytes)| *bytes).unwrap_or(("nothing", 0))
    }
}

/// Bytes of the samples that are held in memory as a whole. Of a folder of the user's their number is not known here.
fn data_bytes(entry: &DatasetEntry, spec: &DatasetSpec, shape: [i64; 3]) -> u64 {
    let Some(set) = entry.photos() else {
        let images = if entry.is_images() { 0 } else { entry.train_size + entry.test_size };
        return (images * entry.image_len()) as u64;
    };
    let is_chosen =
        |folder: &str| spec.classes.as_ref().is_none_or(|classes| classes.iter().any(|c| c == folder));
    let chosen = || set.classes.iter().filter(|class| is_chosen(class.folder));
    let most = spec.images_per_class.unwrap_or(usize::MAX);
    let train: usize = chosen().map(|class| class.train.min(most)).sum();
    let test: usize = chosen().map(|class| class.test).sum();
    let image = shape.iter().product::<i64>() as u64;
    let bytes = |images: usize, subset: Option<usize>| {
        let bytes = images.min(subset.unwrap_or(usize::MAX)) as u64 * image;
        // What is larger is read from its file.
        if bytes <= data::resident() { bytes } else { 0 }
    };
    bytes(train, spec.subset.train) + bytes(test, spec.subset.test)
}

/// The shape of an image and the number of classes, as far as a description and the catalog tell.
fn shape_of(spec: &DatasetSpec) -> Option<([i64; 3], i64)> {
    let entry = data::find(&spec.name).ok()?;
    let classes = spec.classes.as_ref().map_or(entry.classes.len(), Vec::len) as i64;
    let shape = match (entry.is_images(), spec.size) {
        (true, Some(side)) => [entry.shape[0], side.into(), side.into()],
        _ => entry.shape,
    };
    (classes > 0).then_some((shape, classes))
}

/// What a run of each cell needs, where that can be worked out: runs of a cell differ in their seeds alone.
pub fn of_cells<'a>(runs: &[&'a PlannedRun]) -> BTreeMap<&'a Cell, Footprint> {
    let mut cells: BTreeMap<&Cell, Option<Footprint>> = BTreeMap::new();
    for run in runs {
        cells.entry(&run.cell).or_insert_with(|| Footprint::of(&run.spec));
    }
    cells.into_iter().filter_map(|(cell, needs)| Some((cell, needs?))).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::suite;

    fn footprint(architecture: &str, algorithm: &str, optimizer: &str, dataset: &str) -> Footprint {
        let text = format!(
            "name: a\ndescription: b\ndatasets: {{mnist: {{{dataset}}}}}\narchitectures: {{net: {architecture}}}\n\
             algorithms: {{rule: {algorithm}}}\ntraining: {{epochs: 1, batch_size: 10, optimizer: {optimizer}}}\n"
        );
        Footprint::of(&suite::parse(&text, "suite.yaml").unwrap().runs[0].spec).unwrap()
    }

    const MLP: &str = "{mlp: {hidden: [100]}}";
    const PARAMETERS: u64 = 785 * 100 + 101 * 10;

    #[test]
    fn a_network_without_extras_is_its_parameters_its_data_and_a_batch() {
        let plain = footprint(MLP, "{rule: bp}", "{sgd: {learning_rate: 0.1}}", "");
        assert_eq!(plain.parameters, 4 * PARAMETERS);
        assert_eq!((plain.rule, plain.optimizer, plain.selected), (0, 0, 0));
        assert_eq!(
            plain.activity,
            4 * 1000 * (784 + 100),
            "a batch of evaluation is larger than one of training"
        );
        assert_eq!(plain.data, 70_000 * 784);
        assert_eq!(plain.total(), plain.parameters + plain.activity + plain.data);
    }

    #[test]
    fn momentum_adam_and_a_validation_split_add_copies() {
        let of = |optimizer: &str, dataset: &str| footprint(MLP, "{rule: bp}", optimizer, dataset);
        let momentum = of("{sgd: {learning_rate: 0.1, momentum: 0.9}}", "");
        assert_eq!(momentum.optimizer, momentum.parameters);
        let adam = of("{adam: {learning_rate: 0.001}}", "validation: 1000");
        assert_eq!(adam.optimizer, 2 * adam.parameters);
        assert_eq!(adam.selected, adam.parameters);
    }

    #[test]
    fn inverses_count_with_their_own_optimizer() {
        let deep = "{mlp: {hidden: [100, 50]}}";
        let dtp = footprint(deep, "{rule: dtp}", "{sgd: {learning_rate: 0.1}}", "");
        // One inverse, from 50 units to 100, with Adam.
        assert_eq!(dtp.rule, 4 * (100 * 50 + 100));
        assert_eq!(dtp.optimizer, 2 * dtp.rule);
    }

    #[test]
    fn each_cell_is_worked_out_once_whatever_its_seeds() {
        let text = "name: a\ndescription: b\nseeds: 2\ndatasets: {digits: {}}\narchitectures:\n  wide: {mlp: {hidden: [30000, 30000]}}\n  \
                    small: {mlp: {hidden: [10]}}\nalgorithms: {bp: {}}\ntraining: {epochs: 1, batch_size: 10, optimizer: {sgd: {learning_rate: 1}}}\n";
        let plan = suite::parse(text, "suite.yaml").unwrap();
        let runs: Vec<_> = plan.runs.iter().collect();
        let cells = of_cells(&runs);
        let totals: Vec<(&str, bool)> =
            cells.iter().map(|(cell, needs)| (cell.architecture.as_str(), needs.total() > 1 << 30)).collect();
        assert_eq!(totals, [("small", false), ("wide", true)]);
        assert_eq!(cells[&runs[0].cell].largest_part().0, "the network's parameters");
    }

    #[test]
    fn direct_feedback_to_every_unit_of_a_locally_connected_network_is_what_it_was_for_bartunov() {
        // Of ImageNet's 1000 classes, at 224×224: 348,096 hidden units.
        let described = serde_json::json!({"bartunov_lc_imagenet": {}});
        let layers: apical_algorithms::architecture::Architecture =
            serde_json::from_value(described).unwrap();
        let layers = layers.plan([3, 224, 224], 1000).unwrap();
        let own = |name: &str| rule::find(name).unwrap().own_values(serde_json::json!({}), &layers).unwrap();
        let units: i64 = layers[..layers.len() - 1].iter().map(LayerPlan::output_units).sum();
        assert_eq!(own("dfa").fixed, units * 1000);
        assert_eq!(own("bp"), rule::OwnValues::default());
    }
}
