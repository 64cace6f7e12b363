//! Phases: the circuit step by step, for a batch at once, and its averages after the transient.
//!
//! Within a time step layers follow each other from the input to the output, so that what is fed forward arrives in the
//! same step and what is fed back in the next (the order of the official code). One core serves rates and spikes,
//! somata with and without a time course, and any state to start from: a batch of one that keeps its state is the paper's
//! online learning.

use super::{config::Source, feedback::Pathway, neurons::Neurons};
use crate::network::{Network, reshape_samples};
use tch::Tensor;

/// Where spikes come from.
pub(super) trait Spikes {
    /// How often each neuron of a population fires in one time step of which `rates` are the expected numbers, `[batch, …]`.
    /// Population 0 is the input, population l + 1 is layer l.
    fn draw(&mut self, population: usize, rates: &Tensor) -> Tensor;
}

/// Independent Poisson processes, from LibTorch's generator.
pub(super) struct Poisson;

impl Spikes for Poisson {
    fn draw(&mut self, _: usize, rates: &Tensor) -> Tensor {
        rates.poisson()
    }
}

/// The spikes of a population within memory, and what synapses make of them.
struct History {
    /// `[memory, batch · units]`; the rows take turns.
    ring: Tensor,
    /// Row t holds the kernel as it lies over the ring when row t is the latest, `[memory, memory]`.
    kernels: Tensor,
    /// The row written next.
    next: i64,
    size: Vec<i64>,
    /// `Σ_k κ(k) S(t − k)`, `[batch, …]`.
    response: Tensor,
}

impl History {
    fn new(kernel: &[f64], like: &Tensor) -> Self {
        let memory = kernel.len();
        let row = |latest: usize| (0..memory).map(move |row| kernel[(latest + memory - row) % memory]);
        let kernels: Vec<f64> = (0..memory).flat_map(row).collect();
        let memory = memory as i64;
        let options = (like.kind(), like.device());
        Self {
            ring: Tensor::zeros([memory, like.numel() as i64], options),
            kernels: Tensor::from_slice(&kernels)
                .to_kind(options.0)
                .to_device(options.1)
                .reshape([memory, memory]),
            next: 0,
            size: like.size(),
            response: like.zeros_like(),
        }
    }

    fn push(&mut self, spikes: &Tensor) {
        self.ring.get(self.next).copy_(&spikes.reshape([-1]));
        self.response = self.ring.tr().mv(&self.kernels.get(self.next)).reshape(&self.size);
        self.next = (self.next + 1) % self.ring.size()[0];
    }
}

/// What a population sends: its rate, or the responses to its spikes.
#[derive(Default)]
struct Sender {
    rate: Option<Tensor>,
    history: Option<History>,
}

impl Sender {
    /// What a synapse of it holds; none before it has ever sent anything.
    fn sent(&self, spiking: bool) -> Option<&Tensor> {
        if spiking { self.history.as_ref().map(|history| &history.response) } else { self.rate.as_ref() }
    }
}

/// All that one time step hands to the next.
pub(super) struct State {
    /// `C` of each layer; none at rest, where it is zero.
    somata: Vec<Option<Tensor>>,
    /// By population: the input, then each layer.
    senders: Vec<Sender>,
}

impl State {
    pub fn rest(layers: usize) -> Self {
        Self {
            somata: (0..layers).map(|_| None).collect(),
            senders: (0..=layers).map(|_| Sender::default()).collect(),
        }
    }
}

/// What a layer holds in one time step; each `[batch, …units]`.
pub(super) struct Moment<'a> {
    pub layer: usize,
    /// `B`, or `V` of the output.
    pub basal: &'a Tensor,
    /// `A`; none of the output.
    pub apical: Option<&'a Tensor>,
    /// `C`, or `U` of the output.
    pub soma: &'a Tensor,
    /// How often it fires in this step, where it sends spikes.
    pub spikes: Option<&'a Tensor>,
}

/// What a layer holds on average after the transient of a phase.
#[derive(Debug, Default)]
pub(super) struct Average {
    /// What the layer reads from below, `[batch, …input_shape]`: rates, or responses to spikes.
    pub presynaptic: Option<Tensor>,
    /// `A`, `[batch, …units]`; none of the output.
    pub apical: Option<Tensor>,
    /// What is fed back to the layer, `[batch, …units there]`.
    pub fed_back: Option<Tensor>,
    /// `C`, or `U` of the output, `[batch, …units]`.
    pub soma: Option<Tensor>,
    /// Spikes per time step, `[batch, …units]`.
    pub rate: Option<Tensor>,
}

/// What is shown each step's number and each layer's moment in it.
pub(super) type Observe<'a> = &'a mut dyn FnMut(usize, &Moment<'_>);

/// Who sends spikes, and whence feedback comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wiring {
    pub spiking_feedforward: bool,
    pub spiking_feedback: bool,
    pub source: Source,
}

impl Wiring {
    /// Whether layer `index` of `layers` fires.
    fn fires(self, index: usize, layers: usize) -> bool {
        let output = index + 1 == layers;
        let feeds_back = if self.source == Source::Broadcast { output } else { index > 0 };
        (self.spiking_feedforward && !output) || (self.spiking_feedback && feeds_back)
    }
}

/// A phase to be run.
pub(super) struct Phase<'a> {
    pub steps: usize,
    /// How many of its last steps are averaged over.
    pub window: usize,
    /// 1 for the label and 0 for the others, `[batch, classes]`; none in the forward phase.
    pub target: Option<&'a Tensor>,
}

/// A network with its neurons and the feedback of one batch.
pub(super) struct Circuit<'a> {
    pub network: &'a Network,
    pub neurons: &'a Neurons,
    pub pathways: &'a [Pathway<'a>],
    pub wiring: Wiring,
}

impl Circuit<'_> {
    /// Runs a phase from `state`, which is left as it is at its end, with inputs that fire at `rates`
    /// (`[batch, …]`, spikes per time step). Every layer's every step is shown to `observe`, if there is one.
    pub fn run(
        &self,
        state: &mut State,
        source: &mut dyn Spikes,
        rates: &Tensor,
        phase: &Phase<'_>,
        mut observe: Option<Observe<'_>>,
    ) -> Vec<Average> {
        let layers = &self.network.layers;
        let Wiring { spiking_feedforward, spiking_feedback, source: feedback } = self.wiring;
        let inputs = reshape_samples(rates, layers[0].map.input_shape());
        state.senders[0].rate = Some(inputs.shallow_clone());
        // Of rates that don't change, the first layer makes the same in every step.
        let constant = (!spiking_feedforward)
            .then(|| layers[0].map.apply(&layers[0].weight, layers[0].bias.as_ref(), &inputs));
        let mut averages: Vec<Average> = layers.iter().map(|_| Average::default()).collect();
        for step in 0..phase.steps {
            let averaged = step + phase.window >= phase.steps;
            if spiking_feedforward {
                let _ = self.fire(&mut state.senders[0], source, 0, &inputs);
            }
            for (index, layer) in layers.iter().enumerate() {
                let below = state.senders[index].sent(spiking_feedforward).map_or_else(
                    || unreachable!("the layer below has sent something in this step"),
                    |sent| reshape_samples(sent, layer.map.input_shape()),
                );
                let basal = match &constant {
                    Some(basal) if index == 0 => basal.shallow_clone(),
                    _ => layer.map.apply(&layer.weight, layer.bias.as_ref(), &below),
                };
                let above = if feedback == Source::Broadcast { layers.len() } else { index + 2 };
                let above = state.senders.get(above).and_then(|sender| sender.sent(spiking_feedback));
                let read = averaged || observe.is_some() || self.neurons.apical > 0.0;
                let apical = self.pathways.get(index).filter(|_| read).map(|pathway| match above {
                    Some(activity) => pathway.apical(activity),
                    None => pathway.rest(inputs.size()[0]),
                });
                let before = state.somata[index].as_ref();
                let soma = if index + 1 < layers.len() {
                    self.neurons.hidden_soma(before, &basal, apical.as_ref())
                } else {
                    self.neurons.output_soma(before, &basal, phase.target)
                };
                let rate = self.neurons.rate(&soma);
                if averaged {
                    let average = &mut averages[index];
                    if phase.target.is_none() {
                        add(&mut average.presynaptic, &below);
                        if let (Some(activity), Some(_)) = (above, &apical) {
                            add(&mut average.fed_back, activity);
                        }
                    }
                    if let Some(apical) = &apical {
                        add(&mut average.apical, apical);
                    }
                    add(&mut average.soma, &soma);
                    add(&mut average.rate, &rate);
                }
                let sender = &mut state.senders[index + 1];
                let spikes = self
                    .wiring
                    .fires(index, layers.len())
                    .then(|| self.fire(sender, source, index + 1, &rate));
                if let Some(observe) = observe.as_mut() {
                    let moment = Moment {
                        layer: index,
                        basal: &basal,
                        apical: apical.as_ref(),
                        soma: &soma,
                        spikes: spikes.as_ref(),
                    };
                    observe(step, &moment);
                }
                sender.rate = Some(rate);
                state.somata[index] = Some(soma);
            }
        }
        for average in &mut averages {
            average.divide(phase.window.min(phase.steps));
        }
        averages
    }

    fn fire(
        &self,
        sender: &mut Sender,
        source: &mut dyn Spikes,
        population: usize,
        rates: &Tensor,
    ) -> Tensor {
        let spikes = source.draw(population, rates);
        sender.history.get_or_insert_with(|| History::new(&self.neurons.kernel, rates)).push(&spikes);
        spikes
    }
}

/// Adds to a sum that starts with its first term, which it must not write to.
fn add(sum: &mut Option<Tensor>, term: &Tensor) {
    match sum {
        Some(sum) => *sum = &*sum + term,
        None => *sum = Some(term.shallow_clone()),
    }
}

impl Average {
    fn divide(&mut self, steps: usize) {
        if steps == 1 {
            return;
        }
        let sums =
            [&mut self.presynaptic, &mut self.apical, &mut self.fed_back, &mut self.soma, &mut self.rate];
        for sum in sums.into_iter().flatten() {
            *sum = &*sum / steps as f64;
        }
    }
}
