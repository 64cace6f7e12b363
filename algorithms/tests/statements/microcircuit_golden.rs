//! Dendritic microcircuits against an implementation of another kind: loops over numbers, one sample after another, the
//! equations of Sacramento et al. 2018 as they are printed, with conductances instead of mixing factors and a filter for
//! every weight. It shares nothing with the library but the initial weights.

use crate::support::{generator, network, random_batch, rule};
use apical_algorithms::{
    direction::Role,
    loss::Loss,
    optimizer::{OptimizerConfig, Optimizers},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::Tensor;

const IMAGE: [i64; 3] = [1, 2, 3];
const CLASSES: usize = 4;
const SIZES: [usize; 4] = [6, 5, 3, CLASSES];
const OUTPUT: usize = 2;
const BATCH: usize = 3;
const STEPS: usize = 4;
const RATE: f64 = 0.3;
/// Of `W`, `IP`, `PI` and `D`, from the input.
const RATES: [[f64; 3]; 4] = [[2.0, 1.5, 1.0], [0.7, 0.9, 0.0], [0.4, 0.6, 0.0], [0.3, 0.5, 0.0]];
const LEAK: f64 = 0.1;
const BASAL: f64 = 1.2;
const DENDRITIC: f64 = 0.9;
const APICAL: f64 = 0.8;
/// `g_som` of output cells and of interneurons.
const TEACHING: [f64; 2] = [0.5, 0.4];
const TIME_STEP: f64 = 0.2;
const INPUT_FILTER: f64 = 2.0;
const PLASTICITY_FILTER: f64 = 5.0;
/// Of the presentation and of the lag, in steps.
const SHOWN: [usize; 2] = [60, 15];

type Matrix = Vec<Vec<f64>>;

fn matrix(tensor: &Tensor) -> Matrix {
    Vec::<Vec<f64>>::try_from(tensor.reshape([tensor.size()[0], -1])).unwrap()
}

fn rate(potential: f64) -> f64 {
    1.0 / (1.0 + (-potential).exp())
}

fn rates(potentials: &[f64]) -> Vec<f64> {
    potentials.iter().map(|u| rate(*u)).collect()
}

/// `W r + b`
fn up(weight: &Matrix, bias: &[f64], input: &[f64]) -> Vec<f64> {
    let unit = |(row, bias): (&Vec<f64>, &f64)| row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>() + bias;
    weight.iter().zip(bias).map(unit).collect()
}

/// `Wᵀ r`, for synapses from the area above that are stored like those of the area below on it.
fn down(weight: &Matrix, above: &[f64]) -> Vec<f64> {
    (0..weight[0].len()).map(|j| weight.iter().zip(above).map(|(row, r)| row[j] * r).sum()).collect()
}

fn times(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}

/// All weights by name: `W`, `IP`, `PI`, `D`, and the biases `b` and `bI`, each with the index of its area.
type Weights = BTreeMap<(&'static str, usize), Matrix>;

/// What a cell's rates are at one moment, and what predicts them.
struct State {
    /// `r_0` to `r_N`.
    rates: Vec<Vec<f64>>,
    /// `φ(v̂_k)`, of area 1 on.
    predicted: Vec<Vec<f64>>,
    /// `φ(u^I_k)`, `φ(v̂^I_k)` and `v_A,k` of hidden areas.
    interneurons: Vec<Vec<f64>>,
    interneurons_predicted: Vec<Vec<f64>>,
    apical: Vec<Vec<f64>>,
}

/// Adds the weight changes of a moment, `share` of them.
fn learn(weights: &Weights, state: &State, share: f64, changes: &mut Weights) {
    let mut add =
        |name: &'static str, area: usize, index: usize, post: Vec<f64>, pre: &[f64], transposed: bool| {
            let change = changes
                .entry((name, area))
                .or_insert_with(|| weights[&(name, area)].iter().map(|row| vec![0.0; row.len()]).collect());
            let factor = RATES[index][area] * share;
            for (i, post) in post.iter().enumerate() {
                for (j, pre) in pre.iter().enumerate() {
                    let place = if transposed { &mut change[j][i] } else { &mut change[i][j] };
                    *place += factor * post * pre;
                }
            }
        };
    let minus =
        |left: &[f64], right: &[f64]| -> Vec<f64> { left.iter().zip(right).map(|(l, r)| l - r).collect() };
    for area in 0..=OUTPUT {
        let error = minus(&state.rates[area + 1], &state.predicted[area]);
        add("W", area, 0, error.clone(), &state.rates[area], false);
        add("b", area, 0, error, &[1.0], true);
    }
    for area in 0..OUTPUT {
        let error = minus(&state.interneurons[area], &state.interneurons_predicted[area]);
        add("IP", area, 1, error.clone(), &state.rates[area + 1], false);
        add("bI", area, 1, error, &[1.0], true);
        add("PI", area, 2, times(&state.apical[area], -1.0), &state.interneurons[area], true);
        let predicted = rates(&down(&weights[&("D", area)], &state.rates[area + 2]));
        add("D", area, 3, minus(&state.rates[area + 1], &predicted), &state.rates[area + 2], true);
    }
}

/// `v̂ / v_B`.
fn attenuation(area: usize) -> f64 {
    BASAL / (LEAK + BASAL + if area < OUTPUT { APICAL } else { 0.0 })
}

fn two_steps(weights: &Weights, input: &[f64], target: &[f64], changes: &mut Weights) {
    let mut upward = vec![input.to_vec()];
    let mut basal = Vec::new();
    for area in 0..=OUTPUT {
        let v = up(&weights[&("W", area)], &weights[&("b", area)][0], &upward[area]);
        basal.push(times(&v, attenuation(area)));
        upward.push(rates(&basal[area]));
    }
    let lambda = TEACHING[0] / (LEAK + BASAL + TEACHING[0]);
    let mix = |own: &[f64], other: &[f64], lambda: f64| -> Vec<f64> {
        own.iter().zip(other).map(|(own, other)| (1.0 - lambda) * own + lambda * other).collect()
    };
    let mut potentials = basal.clone();
    potentials[OUTPUT] = mix(&basal[OUTPUT], target, lambda);
    let mut state = State {
        rates: upward.clone(),
        predicted: upward[1..].to_vec(),
        interneurons: vec![Vec::new(); OUTPUT],
        interneurons_predicted: vec![Vec::new(); OUTPUT],
        apical: vec![Vec::new(); OUTPUT],
    };
    state.rates[OUTPUT + 1] = rates(&potentials[OUTPUT]);
    for area in (0..OUTPUT).rev() {
        let v = up(&weights[&("IP", area)], &weights[&("bI", area)][0], &upward[area + 1]);
        let v = times(&v, DENDRITIC / (LEAK + DENDRITIC));
        let u = mix(&v, &potentials[area + 1], TEACHING[1] / (LEAK + DENDRITIC + TEACHING[1]));
        state.interneurons[area] = rates(&u);
        state.interneurons_predicted[area] = rates(&v);
        let excited = down(&weights[&("D", area)], &state.rates[area + 2]);
        let silenced = down(&weights[&("PI", area)], &state.interneurons[area]);
        state.apical[area] = excited.iter().zip(&silenced).map(|(d, i)| d + i).collect();
        for (u, apical) in potentials[area].iter_mut().zip(&state.apical[area]) {
            *u += APICAL / (LEAK + BASAL + APICAL) * apical;
        }
        state.rates[area + 1] = rates(&potentials[area]);
    }
    learn(weights, &state, 1.0 / BATCH as f64, changes);
}

fn full(weights: &Weights, input: &[f64], target: &[f64], prospective: bool, changes: &mut Weights) {
    let mut shown = vec![0.0; input.len()];
    let mut taught = [0.0; CLASSES];
    let zeros = |sizes: &[usize]| -> Matrix { sizes.iter().map(|size| vec![0.0; *size]).collect() };
    // Potentials, and what of them is read: pyramidal cells, then interneurons.
    let (mut u, mut ui) = (zeros(&SIZES[1..]), zeros(&SIZES[2..]));
    let (mut read, mut readi) = (u.clone(), ui.clone());
    let mut filtered = Weights::new();
    let mut sums = Weights::new();
    let (mut unit_filtered, mut unit) = (0.0, 0.0);
    for step in 0..SHOWN[0] {
        let mut r = vec![shown.clone()];
        r.extend(read.iter().map(|u| rates(u)));
        let basal: Matrix = (0..=OUTPUT)
            .map(|area| up(&weights[&("W", area)], &weights[&("b", area)][0], &r[area]))
            .collect();
        let dendrite: Matrix = (0..OUTPUT)
            .map(|area| up(&weights[&("IP", area)], &weights[&("bI", area)][0], &r[area + 1]))
            .collect();
        let interneurons: Matrix = readi.iter().map(|u| rates(u)).collect();
        let apical: Matrix = (0..OUTPUT)
            .map(|area| {
                let excited = down(&weights[&("D", area)], &r[area + 2]);
                let silenced = down(&weights[&("PI", area)], &interneurons[area]);
                excited.iter().zip(&silenced).map(|(d, i)| d + i).collect()
            })
            .collect();
        let state = State {
            rates: r,
            predicted: basal
                .iter()
                .enumerate()
                .map(|(area, v)| rates(&times(v, attenuation(area))))
                .collect(),
            interneurons_predicted: dendrite
                .iter()
                .map(|v| rates(&times(v, DENDRITIC / (LEAK + DENDRITIC))))
                .collect(),
            interneurons,
            apical,
        };
        let above = read.clone();
        for area in 0..=OUTPUT {
            for i in 0..SIZES[area + 1] {
                let (second, other) =
                    if area < OUTPUT { (APICAL, state.apical[area][i]) } else { (TEACHING[0], taught[i]) };
                let own = u[area][i];
                let change = -LEAK * own + BASAL * (basal[area][i] - own) + second * (other - own);
                u[area][i] = own + TIME_STEP * change;
                read[area][i] = if prospective { own + change / (LEAK + BASAL + second) } else { u[area][i] };
            }
        }
        for area in 0..OUTPUT {
            for i in 0..SIZES[area + 2] {
                let own = ui[area][i];
                let change = -LEAK * own
                    + DENDRITIC * (dendrite[area][i] - own)
                    + TEACHING[1] * (above[area + 1][i] - own);
                ui[area][i] = own + TIME_STEP * change;
                readi[area][i] =
                    if prospective { own + change / (LEAK + DENDRITIC + TEACHING[1]) } else { ui[area][i] };
            }
        }
        for (own, goal) in shown.iter_mut().zip(input).chain(taught.iter_mut().zip(target)) {
            *own += TIME_STEP / INPUT_FILTER * (goal - *own);
        }
        if step < SHOWN[1] {
            continue;
        }
        let mut instantaneous = Weights::new();
        learn(weights, &state, 1.0 / BATCH as f64, &mut instantaneous);
        for (name, change) in instantaneous {
            let zero = || -> Matrix { change.iter().map(|row| vec![0.0; row.len()]).collect() };
            let filter = filtered.entry(name).or_insert_with(zero);
            let sum = sums.entry(name).or_insert_with(zero);
            for ((filter, sum), change) in
                filter.iter_mut().flatten().zip(sum.iter_mut().flatten()).zip(change.iter().flatten())
            {
                *filter += TIME_STEP / PLASTICITY_FILTER * (change - *filter);
                *sum += *filter;
            }
        }
        unit_filtered += TIME_STEP / PLASTICITY_FILTER * (1.0 - unit_filtered);
        unit += unit_filtered;
    }
    for (name, sum) in sums {
        let total =
            changes.entry(name).or_insert_with(|| sum.iter().map(|row| vec![0.0; row.len()]).collect());
        for (total, sum) in total.iter_mut().flatten().zip(sum.iter().flatten()) {
            *total += sum / unit;
        }
    }
}

fn follow(dynamics: &str, prospective: bool, tied: bool) {
    let _generator = generator(171);
    let mut network = network(&json!({"mlp": {"hidden": [5, 3]}}), IMAGE, CLASSES as i64);
    let share = |second: f64, rest: f64| second / (LEAK + rest + second);
    let plasticity = if tied { "tied" } else { "plastic" };
    let rates_of = |index: usize, count: usize| RATES[index][..count].to_vec();
    let mut config: Value = json!({
        "dynamics": dynamics,
        "mixing": {"hidden": share(APICAL, BASAL), "output": share(TEACHING[0], BASAL),
            "interneuron": share(TEACHING[1], DENDRITIC)},
        "conductances": {"leak": LEAK, "basal": BASAL, "dendritic": DENDRITIC},
        "initial_weights": null, "top_down": "learned",
        "pyramidal_to_interneuron": plasticity, "interneuron_to_pyramidal": plasticity,
        "initial_state": if tied { "self-predicting" } else { "random" },
        "layer_rates": rates_of(0, 3), "top_down_rates": rates_of(3, 2),
        "time_course": {"time_step": TIME_STEP, "pattern_duration": SHOWN[0] as f64 * TIME_STEP,
            "plasticity_lag": SHOWN[1] as f64 * TIME_STEP, "input_time_constant": INPUT_FILTER,
            "plasticity_time_constant": PLASTICITY_FILTER, "prospective": prospective}});
    if !tied {
        config["interneuron_rates"] = json!(rates_of(1, 2));
        config["apical_rates"] = json!(rates_of(2, 2));
    }
    let mut rule = rule("microcircuit", config, &mut network);
    let own = rule.parameters();
    let find = |name: &str| own.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
    let row = |tensor: &Tensor| vec![matrix(tensor).concat()];
    let mut weights = Weights::new();
    for (area, layer) in network.layers.iter().enumerate() {
        weights.insert(("W", area), matrix(&layer.weight));
        weights.insert(("b", area), row(layer.bias.as_ref().unwrap()));
    }
    for area in 0..OUTPUT {
        weights.insert(("D", area), matrix(find(&format!("{}.feedback", area + 1)).unwrap()));
        if !tied {
            weights.insert(("IP", area), matrix(find(&format!("{area}.pyramidal-to-interneuron")).unwrap()));
            weights.insert(("bI", area), row(find(&format!("{area}.interneuron-bias")).unwrap()));
            weights.insert(("PI", area), matrix(find(&format!("{area}.interneuron-to-pyramidal")).unwrap()));
        }
    }
    let sgd: OptimizerConfig = serde_json::from_value(json!({"sgd": {"learning_rate": RATE}})).unwrap();
    let mut optimizers = Optimizers::new(sgd, None, None);
    for step in 0..STEPS {
        if tied {
            // IP_k = [g_B (g_l + g_D)] / [g_D (g_l + g_B + g_A)] W_{k+1}, PI_k = −D_k
            for area in 0..OUTPUT {
                let ratio = attenuation(area + 1) * (LEAK + DENDRITIC) / DENDRITIC;
                let scaled = |from: (&'static str, usize), factor: f64| -> Matrix {
                    weights[&from].iter().map(|row| times(row, factor)).collect()
                };
                let (ip, bi, pi) = (
                    scaled(("W", area + 1), ratio),
                    scaled(("b", area + 1), ratio),
                    scaled(("D", area), -1.0),
                );
                weights.insert(("IP", area), ip);
                weights.insert(("bI", area), bi);
                weights.insert(("PI", area), pi);
            }
        }
        let batch = random_batch(BATCH as i64, IMAGE, CLASSES as i64);
        let taken = rule.directions(&network, Loss::SquaredError, &batch);
        assert!(taken.directions.iter().any(|direction| direction.key.role == Role::Feedback));
        optimizers.step(taken.directions, 1.0);
        let labels = Vec::<i64>::try_from(&batch.labels).unwrap();
        let mut changes = Weights::new();
        for (input, label) in matrix(&batch.inputs).iter().zip(labels) {
            let wanted = |class: usize| if class as i64 == label { 0.8_f64 } else { 0.1 };
            let target: Vec<f64> = (0..CLASSES).map(wanted).map(|rate| (rate / (1.0 - rate)).ln()).collect();
            match dynamics {
                "full" => full(&weights, input, &target, prospective, &mut changes),
                _ => two_steps(&weights, input, &target, &mut changes),
            }
        }
        for (name, change) in &changes {
            let weight = weights.get_mut(name).unwrap();
            for (value, change) in weight.iter_mut().flatten().zip(change.iter().flatten()) {
                *value += RATE * change;
            }
        }
        let near = |name: (&'static str, usize), ours: &Tensor| {
            let theirs = weights[&name].concat();
            let distance = (ours.flatten(0, -1) - Tensor::from_slice(&theirs)).abs().max().double_value(&[]);
            assert!(distance < 1e-12, "{dynamics}, step {step}, {name:?}: {distance:e}");
            let moved = changes[&name].concat().iter().fold(0.0_f64, |most, change| most.max(change.abs()));
            assert!(moved > 1e-6, "{name:?} moves: {moved:e}");
        };
        for (area, layer) in network.layers.iter().enumerate() {
            near(("W", area), &layer.weight);
            near(("b", area), layer.bias.as_ref().unwrap());
        }
        for area in 0..OUTPUT {
            near(("D", area), find(&format!("{}.feedback", area + 1)).unwrap());
            if !tied {
                near(("IP", area), find(&format!("{area}.pyramidal-to-interneuron")).unwrap());
                near(("bI", area), find(&format!("{area}.interneuron-bias")).unwrap());
                near(("PI", area), find(&format!("{area}.interneuron-to-pyramidal")).unwrap());
            }
        }
    }
}

#[test]
fn two_step_microcircuits_follow_an_implementation_in_plain_loops() {
    follow("two-step", false, false);
    follow("two-step", false, true);
}

#[test]
fn microcircuits_in_time_follow_an_implementation_in_plain_loops() {
    for prospective in [false, true] {
        follow("full", prospective, false);
        follow("full", prospective, true);
    }
}
