//! From a suite's tree to its plan: every combination, its overrides, its axes, and what they come to.

use super::{
    facts::Folders,
    issue::{Issue, Span},
    members::{Member, Members, Section},
    overrides::Override,
    parts::{self, Fits, Part},
    published,
    selection::Selector,
    shape::Shape,
    tree::{Node, Value},
    walk::{AxisValue, Variant, walk},
    wire,
};
use crate::{
    data::{DatasetSpec, Places},
    plan::{Cell, Engine, Exception, Execution, PLAN_FORMAT, Plan, PlannedRun, Requests, Slurm},
    spec::{AlgorithmSpec, Diagnostics, Evaluation, RunSpec, SPEC_FORMAT, Training},
};
use apical_algorithms::architecture::Architecture;
use schemars::schema_for;
use std::collections::BTreeMap;

/// More runs than anyone waits for.
const MAX_RUNS: usize = 100_000;

/// The plan that a suite comes to, if nothing is wrong with it; what is wrong is added to `issues`.
pub(super) fn expand(tree: &Node, places: &Places, issues: &mut Vec<Issue>) -> Option<Plan> {
    walk(tree, Span::START, &Shape::of(&schema_for!(wire::Suite)), false, issues);
    if !matches!(tree.value, Value::Map(_)) {
        return None;
    }
    check_name(tree, issues);
    let seeds = seeds(tree, issues);
    let execution = execution(tree);
    let members = Members::read(tree, issues);
    let labels = &members;
    let overrides = Override::read_all(tree, labels, issues);
    let selectors = |key: &str, issues: &mut Vec<Issue>| -> Vec<(Selector, bool)> {
        let items = tree.get(key).map_or(&[][..], Node::items);
        items.iter().map(|item| (Selector::read(item, item.span, labels, true, issues), false)).collect()
    };
    let include = selectors("include", issues);
    let exclude = selectors("exclude", issues);
    let figures = published::read_all(tree, labels, issues);

    let mut expansion = Expansion {
        overrides,
        include,
        exclude,
        seeds: seeds?,
        fits: Fits::default(),
        folders: Folders::in_places(places.clone()),
        runs: Vec::new(),
        exceptions: Vec::new(),
        slurm: slurm(tree),
        issues,
    };
    expansion.cross(&members);
    if !expansion.issues.is_empty() {
        return None;
    }
    expansion.report_unused(tree);
    let requests = Requests { slurm: expansion.slurm, exceptions: expansion.exceptions };
    let mut runs = expansion.runs;
    runs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let runs: Vec<PlannedRun> = runs.into_iter().map(|(_, run)| run).collect();
    report_duplicates(&runs, &members, issues);

    let mut cells: Vec<(&Cell, &RunSpec)> = runs.iter().map(|run| (&run.cell, &run.spec)).collect();
    cells.dedup_by(|a, b| a.0 == b.0);
    let architectures: Vec<String> =
        members.architectures.iter().map(|member| member.label.clone()).collect();
    let published = published::resolve(figures, &cells, &architectures, issues);
    let text = |key: &str| tree.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    Some(Plan {
        format: PLAN_FORMAT,
        name: text("name"),
        description: text("description"),
        published,
        execution,
        requests,
        runs,
    })
}

fn check_name(tree: &Node, issues: &mut Vec<Issue>) {
    let Some((node, name)) = tree.get("name").and_then(|node| node.text().map(|text| (node, text))) else {
        return;
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !name.split('-').all(|word| !word.is_empty() && word.chars().all(allowed)) {
        let words: Vec<String> = name
            .to_lowercase()
            .split(|c| !allowed(c))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let issue = Issue::new(node.span, format!("`{name}` can't be the name of a folder of reports"));
        issues.push(if words.is_empty() {
            issue.help("lower-case letters, digits and single hyphens, e.g. `my-suite`")
        } else {
            issue.help(format!("lower-case letters, digits and single hyphens, e.g. `{}`", words.join("-")))
        });
    }
}

fn seeds(tree: &Node, issues: &mut Vec<Issue>) -> Option<Vec<u64>> {
    let Some(entry) = tree.entry("seeds") else { return Some(vec![0]) };
    let seed = |node: &Node| match &node.value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    match &entry.value.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(value) = seed(item)
                    && items[..index].iter().any(|earlier| seed(earlier) == Some(value))
                {
                    issues.push(
                        Issue::new(item.span, format!("the seed {value} is listed twice"))
                            .help("the same seed computes the same figures: list it once"),
                    );
                }
            }
            items.iter().map(seed).collect()
        }
        Value::Null => Some(vec![0]),
        _ => {
            let count = seed(&entry.value)?;
            let refused = match count {
                0 => Some("with 0 seeds there is nothing to run"),
                count if count > MAX_RUNS as u64 => Some("these are more seeds than anyone runs"),
                _ => None,
            };
            if let Some(message) = refused {
                issues.push(
                    Issue::new(entry.value.span, message)
                        .help("`seeds: 3` runs the seeds 0, 1 and 2; a list names them, e.g. `[7, 11]`"),
                );
                return None;
            }
            Some((0..count).collect())
        }
    }
}

fn execution(tree: &Node) -> Execution {
    let Some(node) = tree.get("execution") else { return Execution::default() };
    // What does not decode or is out of range has been reported by the walk.
    serde_json::from_value(node.to_json()).unwrap_or_default()
}

/// What runs ask of Slurm where no override says otherwise.
fn slurm(tree: &Node) -> Slurm {
    let engine = tree.get("engine").and_then(|node| serde_json::from_value::<Engine>(node.to_json()).ok());
    engine.unwrap_or_default().slurm
}

/// Where a run stands in the order of the suite.
type Place = [Vec<usize>; 4];

struct Expansion<'a> {
    overrides: Vec<Override>,
    include: Vec<(Selector, bool)>,
    exclude: Vec<(Selector, bool)>,
    seeds: Vec<u64>,
    fits: Fits,
    folders: Folders,
    runs: Vec<(Place, PlannedRun)>,
    exceptions: Vec<Exception>,
    slurm: Slurm,
    issues: &'a mut Vec<Issue>,
}

/// The decoded parts of one combination of labels; none where something is wrong with one.
struct Combination {
    /// Positions of the overrides that were applied.
    overrides: Vec<usize>,
    datasets: Vec<(Part<DatasetSpec>, super::facts::Facts)>,
    architectures: Vec<Part<Architecture>>,
    algorithms: Vec<Part<AlgorithmSpec>>,
    training: Vec<Part<Training>>,
    evaluation: Vec<Part<Evaluation>>,
    diagnostics: Vec<Part<Diagnostics>>,
    engine: Vec<Part<Engine>>,
}

impl Expansion<'_> {
    fn cross(&mut self, members: &Members) {
        for (d, dataset) in members.datasets.iter().enumerate() {
            for (a, architecture) in members.architectures.iter().enumerate() {
                for (g, algorithm) in members.algorithms.iter().enumerate() {
                    let combination = self.combine(members, dataset, architecture, algorithm);
                    let labels = [dataset, architecture, algorithm];
                    self.add_runs(labels, [d, a, g], &combination);
                    if self.runs.len() > MAX_RUNS {
                        self.issues.push(
                            Issue::new(Span::START, format!("this suite comes to more than {MAX_RUNS} runs"))
                                .help("list fewer values or seeds, or split it"),
                        );
                        return;
                    }
                }
            }
        }
    }

    fn variants(
        &mut self,
        overrides: &[usize],
        root: &str,
        node: Option<&Node>,
        (shape, axes): (&Shape, bool),
        at: Span,
    ) -> Vec<Variant> {
        let Some(node) = node else { return Vec::new() };
        let mut node = node.clone();
        for index in overrides {
            self.overrides[*index].apply(root, &mut node, self.issues);
        }
        let known = self.issues.len();
        let variants = walk(&node, at, shape, axes, self.issues);
        if self.issues.len() == known { variants } else { Vec::new() }
    }

    fn combine(
        &mut self,
        members: &Members,
        dataset: &Member,
        architecture: &Member,
        algorithm: &Member,
    ) -> Combination {
        let cell = Cell {
            dataset: dataset.label.clone(),
            architecture: architecture.label.clone(),
            algorithm: algorithm.label.clone(),
        };
        let overrides: Vec<usize> = (0..self.overrides.len())
            .filter(|index| self.overrides[*index].selector.matches(&cell))
            .collect();
        let mut member = |root: &str, member: &Member| {
            self.variants(&overrides, root, member.node.as_ref(), (&member.shape, true), member.key_span)
        };
        let datasets = member("dataset", dataset);
        let architectures = member("architecture", architecture);
        let algorithms = member("algorithm", algorithm);
        let mut section = |section: &Section| {
            let shape = (&section.shape, section.axes);
            self.variants(&overrides, section.name, section.node.as_ref(), shape, section.key_span)
        };
        let [training, evaluation, diagnostics, engine] = &members.sections;
        let (training_at, training) = (training.key_span, section(training));
        let (evaluation, diagnostics) = (section(evaluation), section(diagnostics));
        let (engine_at, engine) = (engine.key_span, section(engine));
        let issues = &mut *self.issues;
        Combination {
            overrides,
            datasets: parts::datasets(datasets, &dataset.label, dataset.key_span, &mut self.folders, issues),
            architectures: parts::decode(architectures, architecture.key_span, issues),
            algorithms: algorithm.rule.map_or_else(Vec::new, |rule| {
                parts::algorithms(algorithms, rule, algorithm.key_span, issues)
            }),
            training: parts::decode(training, training_at, issues),
            evaluation: parts::decode(evaluation, Span::START, issues),
            diagnostics: parts::decode(diagnostics, Span::START, issues),
            engine: parts::decode(engine, engine_at, issues),
        }
    }

    fn add_runs(&mut self, labels: [&Member; 3], [d, a, g]: [usize; 3], parts: &Combination) {
        parts::check_training(&parts.training, self.issues);
        parts::check_engine(&parts.engine, self.issues);
        let settings = settings(&labels[2].label, g, parts);
        let mut used = false;
        for dataset in &parts.datasets {
            for architecture in &parts.architectures {
                let mut cell = Cell {
                    dataset: labelled(&labels[0].label, &dataset.0.axes, 0),
                    architecture: labelled(&labels[1].label, &architecture.axes, 1),
                    algorithm: labels[2].label.clone(),
                };
                // Where the settings are wrong there are no runs, but whether the network fits is still of interest.
                let mut kept = settings.is_empty() && self.keeps(&cell);
                for setting in &settings {
                    cell.algorithm.clone_from(&setting.label);
                    if !self.keeps(&cell) {
                        continue;
                    }
                    (kept, used) = (true, true);
                    parts::check_batch(setting.training, dataset, self.issues);
                    parts::check_loss(setting.training, dataset, &labels[0].label, self.issues);
                    let network = (labels[1].label.as_str(), architecture);
                    self.fits.check_rule(
                        &labels[2].label,
                        setting.algorithm,
                        network,
                        (dataset, setting.training.value.loss),
                        self.issues,
                    );
                    let spec = RunSpec {
                        format: SPEC_FORMAT,
                        seed: 0,
                        dataset: dataset.0.value.clone(),
                        architecture: architecture.value.clone(),
                        algorithm: setting.algorithm.value.clone(),
                        training: setting.training.value.clone(),
                        evaluation: setting.evaluation.value.clone(),
                        diagnostics: setting.diagnostics.value.clone(),
                    };
                    let place = [
                        place(d, [dataset.0.axes.as_slice()]),
                        place(a, [architecture.axes.as_slice()]),
                        setting.place.clone(),
                        Vec::new(),
                    ];
                    self.except(&cell, &parts.engine);
                    self.add_seeds(&cell, &spec, &place);
                }
                if kept {
                    self.fits.check(&labels[1].label, architecture, dataset, self.issues);
                }
            }
        }
        if used {
            for index in &parts.overrides {
                self.overrides[*index].used = true;
            }
        }
    }

    /// Whether `include` and `exclude` leave the cell in; remembers which of their entries had a say.
    fn keeps(&mut self, cell: &Cell) -> bool {
        let any = |entries: &mut Vec<(Selector, bool)>| {
            let mut any = false;
            for (selector, used) in entries {
                if selector.matches(cell) {
                    (any, *used) = (true, true);
                }
            }
            any
        };
        let included = self.include.is_empty() || any(&mut self.include);
        included && !any(&mut self.exclude)
    }

    /// Notes what a cell asks of a cluster, where that isn't what most do.
    fn except(&mut self, cell: &Cell, engine: &[Part<Engine>]) {
        let Some(slurm) = engine.first().map(|part| &part.value.slurm).filter(|slurm| **slurm != self.slurm)
        else {
            return;
        };
        self.exceptions.push(Exception { cell: cell.clone(), slurm: slurm.clone() });
    }

    fn add_seeds(&mut self, cell: &Cell, spec: &RunSpec, place: &Place) {
        if self.runs.len() > MAX_RUNS {
            return;
        }
        for (index, seed) in self.seeds.iter().enumerate() {
            let spec = RunSpec { seed: *seed, ..spec.clone() };
            let mut place = place.clone();
            place[3] = vec![index];
            self.runs.push((place, PlannedRun { id: spec.id(), cell: cell.clone(), spec }));
        }
    }

    /// Reports entries that are about no run.
    fn report_unused(&mut self, tree: &Node) {
        let unused = |entries: &[(Selector, bool)], what: &str| -> Vec<Issue> {
            let unused = entries.iter().filter(|(_, used)| !used);
            unused.map(|(selector, _)| selector.matches_nothing(what)).collect()
        };
        let mut found = unused(&self.include, "this `include` entry");
        found.extend(unused(&self.exclude, "this `exclude` entry"));
        let overrides = self.overrides.iter().filter(|entry| !entry.used);
        found.extend(overrides.map(|entry| entry.selector.matches_nothing("this override")));
        if self.runs.is_empty() {
            let place = tree.entry("include").or_else(|| tree.entry("exclude"));
            found.push(
                Issue::new(
                    place.map_or(Span::START, |entry| entry.key_span),
                    "nothing is left to run: `include` and `exclude` leave out every combination",
                )
                .help("loosen them, or remove the labels that are not needed"),
            );
        }
        self.issues.extend(found);
    }
}

/// One combination of the algorithm's variants and the sections', which share the algorithm's label.
struct Setting<'a> {
    label: String,
    place: Vec<usize>,
    algorithm: &'a Part<AlgorithmSpec>,
    training: &'a Part<Training>,
    evaluation: &'a Part<Evaluation>,
    diagnostics: &'a Part<Diagnostics>,
}

fn settings<'a>(label: &str, position: usize, parts: &'a Combination) -> Vec<Setting<'a>> {
    let mut all = Vec::new();
    for algorithm in &parts.algorithms {
        for training in &parts.training {
            for evaluation in &parts.evaluation {
                for diagnostics in &parts.diagnostics {
                    let mut axes = algorithm.axes.clone();
                    let sections = [
                        ("training", &training.axes),
                        ("evaluation", &evaluation.axes),
                        ("diagnostics", &diagnostics.axes),
                    ];
                    for (section, own) in sections {
                        axes.extend(own.iter().cloned().map(|mut axis| {
                            axis.path.insert(0, section.to_owned());
                            axis
                        }));
                    }
                    all.push(Setting {
                        label: labelled(label, &axes, 0),
                        place: place(position, [axes.as_slice()]),
                        algorithm,
                        training,
                        evaluation,
                        diagnostics,
                    });
                }
            }
        }
    }
    all
}

/// A label with its axis values: `fa[feedback.scale=0.5]`; the first `skip` keys of a path go without saying.
fn labelled(label: &str, axes: &[AxisValue], skip: usize) -> String {
    if axes.is_empty() {
        return label.to_owned();
    }
    let value = |axis: &AxisValue| {
        let path = axis.path.get(skip..).unwrap_or_default().join(".");
        if path.is_empty() { axis.text.clone() } else { format!("{path}={}", axis.text) }
    };
    format!("{label}[{}]", axes.iter().map(value).collect::<Vec<_>>().join(","))
}

fn place<const N: usize>(position: usize, axes: [&[AxisValue]; N]) -> Vec<usize> {
    let positions = axes.into_iter().flatten().map(|axis| axis.position);
    std::iter::once(position).chain(positions).collect()
}

/// Reports cells that are one and the same run: their figures would be counted twice.
fn report_duplicates(runs: &[PlannedRun], members: &Members, issues: &mut Vec<Issue>) {
    let mut first: BTreeMap<&str, &Cell> = BTreeMap::new();
    let span = |key: &str, label: &str| {
        let base = label.split_once('[').map_or(label, |(base, _)| base);
        members.of(key).iter().find(|member| member.label == base).map_or(Span::START, |m| m.key_span)
    };
    for run in runs {
        let Some(earlier) = first.insert(run.id.as_str(), &run.cell) else { continue };
        let cell = &run.cell;
        let pairs = [
            ("dataset", &earlier.dataset, &cell.dataset),
            ("architecture", &earlier.architecture, &cell.architecture),
            ("algorithm", &earlier.algorithm, &cell.algorithm),
        ];
        let issue = if let Some((key, a, b)) = pairs.iter().find(|(_, a, b)| a != b) {
            Issue::new(
                span(key, b),
                format!("`{b}` is the same as `{a}`: the same runs would be counted twice"),
            )
            .help("drop one of them, or make them differ")
        } else {
            let (key, _, label) = pairs.iter().find(|(_, _, label)| label.contains('[')).unwrap_or(&pairs[2]);
            Issue::new(span(key, label), format!("`{label}` comes up twice: a value is listed twice"))
                .help("list it once")
        };
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }
}
