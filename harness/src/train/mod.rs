//! One run: a [`RunSpec`] becomes events and, at the end, figures.
//!
//! It knows a description, data and a device; of suites, folders and processes it knows nothing. What it
//! says goes through [`Observer`], which is also where its checkpoints go.

mod meter;

use self::meter::Meter;
use crate::{
    data::{self, Batches, DataRoot, Dataset, Split},
    record::{
        Checkpoint, Epoch, Event, Metrics, RunResult,
        checkpoint::Progress,
        event::{EpochTiming, PhotosRead, RECORD_FORMAT, Started},
    },
    spec::{Precision, RunSpec, Selection, Training as TrainingSpec},
};
use anyhow::{Context, Result, anyhow};
use apical_algorithms::{
    architecture,
    diagnostics::{LayerDiagnostics, Probe},
    linear_map::LinearMap,
    loss::Loss,
    network::Network,
    optimizer::Optimizers,
    randomness::Streams,
    rule::{self, Batch, LearningRule},
    voltage::VoltageTraces,
};
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Samples per batch where nothing is learned.
const EVALUATION_BATCH: i64 = 1000;

/// Numbers that a layer may lay out as windows at once while it is evaluated, 1 GiB in float32: only the widest locally connected
/// networks come to it, and are evaluated in smaller batches.
const MOST_UNFOLDED: i64 = 1 << 28;

/// Samples per batch in which a network of these maps is evaluated.
pub fn evaluation_batch<'a>(maps: impl Iterator<Item = &'a dyn LinearMap>) -> i64 {
    let unfolded = maps.map(LinearMap::unfolded_values).max().unwrap_or(0);
    (MOST_UNFOLDED / unfolded.max(1)).clamp(1, EVALUATION_BATCH)
}

/// Whom a run tells what it does.
pub trait Observer {
    /// Something happened.
    ///
    /// # Errors
    /// When it cannot be recorded; the run ends.
    fn event(&mut self, event: Event) -> Result<()>;

    /// Whether a checkpoint is wanted after this epoch; writing one takes time.
    fn wants_checkpoint(&mut self, epoch: u32) -> bool;

    /// A checkpoint that was wanted.
    ///
    /// # Errors
    /// When it cannot be stored; the run ends.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// Processor seconds that the process has used.
    fn cpu_seconds(&self) -> f64;
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// It trained to the end.
    Completed(RunResult),
    /// Its loss stopped being finite.
    Diverged(String),
}

/// A finished run: how it ended and what its epochs took, those before a resumption included.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// Wall time of its epochs and of those of earlier attempts that it went on from.
    pub earlier: (f64, f64),
}

/// Trains and evaluates one run.
///
/// With `checkpoint`, training goes on after its epoch, and `history` holds the epochs before; the
/// measurements are the same, bit for bit, as those of a run that was never interrupted.
///
/// # Errors
/// When the data cannot be loaded, the description does not fit it, or an event cannot be recorded.
pub fn train(
    spec: &RunSpec,
    data_root: &DataRoot,
    device: Device,
    checkpoint: Option<Checkpoint>,
    history: &[Epoch],
    observer: &mut dyn Observer,
) -> Result<Finished> {
    let _no_gradients = tch::no_grad_guard();
    let dataset = data::load(&spec.dataset, data_root, device)?;
    let mut training = Training::new(spec, &dataset, device)?;
    let mut epochs: Vec<Epoch> = history.to_vec();
    if let Some(checkpoint) = checkpoint {
        training.restore(checkpoint)?;
        observer.event(Event::Resumed { after_epoch: training.progress.epoch })?;
    } else {
        observer.event(Event::Started(training.started()))?;
        let Some(epoch) = training.measure(0, None, EpochTiming::default())? else {
            let ended = Ended::Diverged("the untrained network's output is not finite".to_owned());
            return Ok(Finished { ended, earlier: (0.0, 0.0) });
        };
        observer.event(Event::Epoch(epoch.clone()))?;
        epochs.push(epoch);
    }
    let earlier = (training.progress.wall_seconds, training.progress.cpu_seconds);
    let begun = (Instant::now(), observer.cpu_seconds());

    for epoch in training.progress.epoch + 1..=spec.training.epochs {
        let started = Instant::now();
        let metrics = match training.epoch(epoch)? {
            Ok(metrics) => metrics,
            Err(reason) => return Ok(Finished { ended: Ended::Diverged(reason), earlier }),
        };
        let timing = EpochTiming { train_seconds: started.elapsed().as_secs_f64(), ..EpochTiming::default() };
        let Some(measured) = training.measure(epoch, Some(metrics), timing)? else {
            let reason = format!(
                "a weight, or the loss outside of the training split, was not finite after epoch {epoch}"
            );
            return Ok(Finished { ended: Ended::Diverged(reason), earlier });
        };
        training.consider(&measured);
        training.progress.epoch = epoch;
        training.progress.wall_seconds = earlier.0 + begun.0.elapsed().as_secs_f64();
        training.progress.cpu_seconds = earlier.1 + observer.cpu_seconds() - begun.1;
        epochs.push(measured.clone());
        observer.event(Event::Epoch(measured))?;
        if epoch < spec.training.epochs && observer.wants_checkpoint(epoch) {
            observer.checkpoint(&training.checkpoint())?;
        }
    }
    Ok(Finished { ended: training.conclude(&epochs)?, earlier })
}

/// A run under way.
struct Training<'a> {
    spec: &'a RunSpec,
    dataset: &'a Dataset,
    kind: Kind,
    streams: Streams,
    network: Network,
    rule: Box<dyn LearningRule>,
    optimizers: Optimizers,
    probe: Option<Probe>,
    progress: Progress,
    /// The parameters of the epoch selected so far, where that need not be the last.
    selected: Option<Vec<(String, Tensor)>>,
}

impl<'a> Training<'a> {
    fn new(spec: &'a RunSpec, dataset: &'a Dataset, device: Device) -> Result<Self> {
        let kind = match spec.training.precision {
            Precision::Float32 => Kind::Float,
            Precision::Float64 => Kind::Double,
        };
        let streams = Streams::new(spec.seed);
        let options = architecture::Options { kind, device };
        let classes = dataset.classes.len() as i64;
        let mut network = spec.architecture.build(dataset.shape, classes, options, streams)?;
        let entry = rule::find(&spec.algorithm.rule)
            .ok_or_else(|| anyhow!("there is no learning rule `{}` in this build", spec.algorithm.rule))?;
        let rule = entry.build(spec.algorithm.config.clone(), &mut network, streams).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow!("`{}` cannot be set up: {}", entry.name, problems.join("; "))
        })?;
        let own = rule.own_optimizer();
        let optimizers = Optimizers::new(spec.training.optimizer.clone(), own, spec.training.clip_norm);
        let mut training = Self {
            spec,
            dataset,
            kind,
            streams,
            network,
            rule,
            optimizers,
            probe: None,
            progress: Progress {
                spec: spec.canonical_json(),
                epoch: 0,
                best: None,
                wall_seconds: 0.0,
                cpu_seconds: 0.0,
            },
            selected: None,
        };
        if spec.diagnostics.every > 0 {
            training.probe = Some(Probe::new(training.probe_batch()?));
        }
        Ok(training)
    }

    fn started(&self) -> Started {
        let layers = &self.network.layers;
        Started {
            format: RECORD_FORMAT,
            epochs: self.spec.training.epochs,
            train_samples: self.dataset.train.len() as u64,
            validation_samples: self.dataset.validation.as_ref().map_or(0, Split::len) as u64,
            test_samples: self.dataset.test.len() as u64,
            parameters: self.network.parameter_count() as u64,
            multiply_accumulates: layers.iter().map(|layer| layer.map.multiply_accumulates()).sum::<i64>()
                as u64,
            layers: layers.iter().map(|layer| layer.name.clone()).collect(),
            photos: self
                .dataset
                .packed
                .as_ref()
                .map(|(sha256, left_out)| PhotosRead { sha256: sha256.clone(), left_out: *left_out as u64 }),
        }
    }

    /// The first training samples of a fixed order, without augmentation.
    fn probe_batch(&self) -> Result<Batch> {
        let train = &self.dataset.train;
        let size = (self.spec.diagnostics.probe as usize).min(train.len());
        let order = data::epoch_order(train.len(), self.streams.seed("probe", 0));
        let indices = Tensor::from_slice(&order[..size]).to_device(train.labels.device());
        let pixels = train.images.select(&indices)?;
        Ok(Batch {
            inputs: self.dataset.normalizer.apply(&pixels, self.kind)?,
            labels: train.lesson(self.kind, |all| all.f_index_select(0, &indices))?,
        })
    }

    /// Trains for one epoch, counted from 1. The inner error says how it diverged.
    fn epoch(&mut self, epoch: u32) -> Result<Result<Metrics, String>> {
        let index = epoch as usize - 1;
        for pass in 0..self.rule.own_passes(index) {
            self.own_pass(index, pass)?;
        }
        let batches = self.batches("", index)?;
        let steps = batches.len();
        let batch_size = self.spec.training.batch_size as usize;
        self.streams.enter("learning", index);
        self.rule.begin_epoch(index);
        self.rule.rest();
        let mut meter = Meter::new(self.dataset.train.labels.device());
        for (number, batch) in batches.enumerate() {
            let data::Batch { images, labels } = batch?;
            let batch = Batch { inputs: images, labels };
            let step = self.rule.directions(&self.network, self.spec.training.loss, &batch);
            if let Some(loss) = meter.add(&step.loss, &step.output, &batch.labels) {
                let samples = (number + 1) * batch_size;
                return Ok(Err(format!(
                    "the training loss was {loss} in epoch {epoch}, after {samples} samples of it"
                )));
            }
            self.optimizers.step(step.directions, self.rate_factor(index, number, steps));
        }
        let metrics = meter.metrics();
        if !metrics.loss.is_finite() {
            return Ok(Err(format!("the training loss was {} in epoch {epoch}", metrics.loss)));
        }
        Ok(Ok(metrics))
    }

    /// One pass over the data in which the rule's own parameters alone learn, with an order of its own.
    fn own_pass(&mut self, index: usize, pass: usize) -> Result<()> {
        let purpose = format!(", inverse pass {pass}");
        let batches = self.batches(&purpose, index)?;
        let steps = batches.len();
        self.streams.enter(&format!("learning{purpose}"), index);
        for (number, batch) in batches.enumerate() {
            let data::Batch { images, labels } = batch?;
            let batch = Batch { inputs: images, labels };
            let directions = self.rule.own_directions(&self.network, self.spec.training.loss, &batch);
            self.optimizers.step(directions, self.rate_factor(index, number, steps));
        }
        Ok(())
    }

    /// The training batches of a pass, in an order and with an augmentation of its own.
    fn batches(&self, pass: &str, index: usize) -> Result<Batches<'a>> {
        let Dataset { train, normalizer, augmenter, .. } = self.dataset;
        let order = data::epoch_order(train.len(), self.streams.seed(&format!("data order{pass}"), index));
        let augmentation = (augmenter, self.streams.seed(&format!("augmentation{pass}"), index));
        let batch_size = self.spec.training.batch_size as usize;
        Ok(Batches::training(train, &order, batch_size, normalizer, augmentation, self.kind)?)
    }

    fn rate_factor(&self, index: usize, step: usize, steps: usize) -> f64 {
        let TrainingSpec { schedule, epochs, .. } = &self.spec.training;
        schedule.factor(index, step as f64 / steps as f64, *epochs as usize)
    }

    /// What the network does at the end of an epoch; nothing where a loss is not finite.
    fn measure(&mut self, epoch: u32, train: Option<Metrics>, timing: EpochTiming) -> Result<Option<Epoch>> {
        let started = Instant::now();
        // Rules that spike draw in evaluation too.
        self.streams.enter("evaluation", epoch as usize);
        let validation = self.dataset.validation.as_ref().map(|split| self.evaluate(split)).transpose()?;
        let each_epoch = self.spec.evaluation.test_each_epoch;
        let test_during_training = each_epoch.then(|| self.evaluate(&self.dataset.test)).transpose()?;
        let finite = |metrics: &Option<Metrics>| metrics.is_none_or(|metrics| metrics.loss.is_finite());
        if !finite(&validation) || !finite(&test_during_training) {
            return Ok(None);
        }
        let evaluated = Instant::now();
        let (layers, voltages) = self.diagnose(epoch);
        if layers.iter().any(|layer| !layer.weight_norm.is_finite()) {
            return Ok(None);
        }
        let timing = EpochTiming {
            evaluation_seconds: (evaluated - started).as_secs_f64(),
            diagnostics_seconds: evaluated.elapsed().as_secs_f64(),
            ..timing
        };
        let schedule = &self.spec.training.schedule;
        let epochs = self.spec.training.epochs as usize;
        let factor =
            schedule.factor((epoch as usize).saturating_sub(1), f64::from(u8::from(epoch > 0)), epochs);
        Ok(Some(Epoch {
            epoch,
            samples_seen: u64::from(epoch) * self.dataset.train.len() as u64,
            train,
            validation,
            test_during_training,
            learning_rate: self.spec.training.optimizer.learning_rate() * factor,
            layers,
            voltages,
            timing,
        }))
    }

    fn diagnose(&mut self, epoch: u32) -> (Vec<LayerDiagnostics>, Option<VoltageTraces>) {
        let Some(probe) = &mut self.probe else { return (Vec::new(), None) };
        let last = epoch == self.spec.training.epochs;
        if !epoch.is_multiple_of(self.spec.diagnostics.every) && !last {
            return (Vec::new(), None);
        }
        // The next epoch enters streams of its own, so that nothing depends on what is drawn here.
        self.streams.enter("diagnostics", epoch as usize);
        let layers = probe.measure(self.rule.as_mut(), &self.network, self.spec.training.loss);
        let record = epoch == 0 || last;
        let voltages = record.then(|| self.rule.voltage_traces(&self.network, probe.batch())).flatten();
        (layers, voltages)
    }

    fn evaluate(&self, split: &Split) -> Result<Metrics> {
        let mut meter = Meter::new(split.labels.device());
        let loss: Loss = self.spec.training.loss;
        let batch_size = evaluation_batch(self.network.layers.iter().map(|layer| &*layer.map)) as usize;
        for batch in Batches::evaluation(split, batch_size, &self.dataset.normalizer, self.kind) {
            let data::Batch { images, labels } = batch?;
            let output = self.rule.output(&self.network, &images);
            meter.add(&loss.value(&output, &labels), &output, &labels);
        }
        Ok(meter.metrics())
    }

    /// Remembers the network if it is the best on the validation split so far.
    fn consider(&mut self, epoch: &Epoch) {
        let Some(validation) = epoch.validation else { return };
        if self.spec.evaluation.select == Selection::Last {
            return;
        }
        // A regression has no accuracy to speak of.
        let score = if self.dataset.train.targets.is_some() { -validation.loss } else { validation.accuracy };
        if self.progress.best.is_none_or(|(_, best)| score > best) {
            self.progress.best = Some((epoch.epoch, score));
            let copy = |(name, tensor): (String, Tensor)| (name, tensor.copy());
            self.selected = Some(self.parameters().into_iter().map(copy).collect());
        }
    }

    /// The network's parameters and the rule's own, by name.
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let prefixed = |prefix: &str, tensors: Vec<(String, Tensor)>| {
            let rename = |(name, tensor)| (format!("{prefix}{name}"), tensor);
            tensors.into_iter().map(rename).collect::<Vec<_>>()
        };
        let mut parameters = prefixed("network.", self.network.parameters());
        parameters.extend(prefixed("rule.", self.rule.parameters()));
        parameters
    }

    fn set_parameters(&self, values: &[(String, Tensor)]) -> Result<()> {
        for (name, mut parameter) in self.parameters() {
            let (_, value) = values
                .iter()
                .find(|(other, _)| *other == name)
                .with_context(|| format!("the checkpoint lacks `{name}`"))?;
            parameter.f_copy_(value).with_context(|| format!("the checkpoint's `{name}` does not fit"))?;
        }
        Ok(())
    }

    fn checkpoint(&self) -> Checkpoint {
        let mut tensors = self.parameters();
        let mut add = |prefix: &str, state: Vec<(String, Tensor)>| {
            tensors.extend(state.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
        };
        add("optimizer.", self.optimizers.state());
        add("probe.", self.probe.as_ref().map(Probe::state).unwrap_or_default());
        let share = |selected: &Vec<(String, Tensor)>| {
            selected.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
        };
        add("selected.", self.selected.as_ref().map(share).unwrap_or_default());
        Checkpoint { progress: self.progress.clone(), tensors }
    }

    fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let device = self.dataset.train.labels.device();
        let on_device = |state: Vec<(String, Tensor)>| -> Vec<(String, Tensor)> {
            state.into_iter().map(|(name, tensor)| (name, tensor.to_device(device))).collect()
        };
        self.set_parameters(&checkpoint.tensors)?;
        self.optimizers
            .restore(on_device(checkpoint.under("optimizer.")))
            .map_err(|reason| anyhow!(reason))?;
        if let Some(probe) = &mut self.probe {
            probe.restore(self.network.layers.len(), &on_device(checkpoint.under("probe.")));
        }
        let selected = on_device(checkpoint.under("selected."));
        self.selected = (!selected.is_empty()).then_some(selected);
        self.progress = checkpoint.progress;
        Ok(())
    }

    /// Selects a network by what the validation split said, and touches the test split with it.
    fn conclude(&mut self, epochs: &[Epoch]) -> Result<Ended> {
        let selected_epoch = match (&self.selected, self.progress.best) {
            (Some(selected), Some((epoch, _))) => {
                self.set_parameters(selected)?;
                epoch
            }
            _ => self.spec.training.epochs,
        };
        let epoch = epochs
            .iter()
            .find(|epoch| epoch.epoch == selected_epoch)
            .with_context(|| format!("epoch {selected_epoch} is missing from the record"))?;
        let test = if let Some(test) = epoch.test_during_training {
            test
        } else {
            self.streams.enter("test", 0);
            self.evaluate(&self.dataset.test)?
        };
        if !test.loss.is_finite() {
            return Ok(Ended::Diverged("the loss on the test split was not finite".to_owned()));
        }
        let during =
            epochs.iter().filter(|epoch| epoch.epoch > 0).filter_map(|epoch| epoch.test_during_training);
        Ok(Ended::Completed(RunResult {
            selected_epoch,
            test,
            validation: epoch.validation,
            train: epoch.train,
            best_test_accuracy_during_training: during.map(|metrics| metrics.accuracy).reduce(f64::max),
        }))
    }
}
