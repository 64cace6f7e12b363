//! Target propagation against an implementation of its own kind: loops over numbers, one sample after another,
//! with no tensor, no linear map and no adjoint. It shares nothing with the library but the noise it is given.

use crate::support::{generator, network, random_batch, rule};
use apical_algorithms::{
    direction::Role,
    loss::Loss,
    optimizer::{OptimizerConfig, Optimizers},
};
use serde_json::{Value, json};
use tch::Tensor;

const IMAGE: [i64; 3] = [1, 2, 3];
const CLASSES: usize = 4;
const SIZES: [usize; 5] = [6, 5, 3, 4, CLASSES];
const BATCH: usize = 3;
const AUXILIARY: usize = 2;
const STEPS: usize = 4;
const RATES: (f64, f64) = (0.3, 0.2);
const STEP_SIZE: f64 = 0.4;
const NOISE: f64 = 0.25;

type Matrix = Vec<Vec<f64>>;

fn matrix(tensor: &Tensor) -> Matrix {
    Vec::<Vec<f64>>::try_from(tensor.reshape([tensor.size()[0], -1])).unwrap()
}

fn zeros(like: &Matrix) -> Matrix {
    like.iter().map(|row| vec![0.0; row.len()]).collect()
}

/// `W x + b`
fn affine(weight: &Matrix, bias: &[f64], input: &[f64]) -> Vec<f64> {
    let unit = |(row, bias): (&Vec<f64>, &f64)| row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>() + bias;
    weight.iter().zip(bias).map(unit).collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let total: f64 = logits.iter().map(|a| a.exp()).sum();
    logits.iter().map(|a| a.exp() / total).collect()
}

fn minus(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a - b).collect()
}

fn plus(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a + b).collect()
}

struct Reference {
    /// Per layer.
    weights: Vec<Matrix>,
    biases: Vec<Vec<f64>>,
    /// Per layer, `[output][input]`; empty where there is none.
    inverse_weights: Vec<Matrix>,
    inverse_biases: Vec<Vec<f64>>,
    auxiliary: Matrix,
    difference: bool,
    label: bool,
    de_noising: bool,
    mean: bool,
}

impl Reference {
    fn layer(&self, index: usize, input: &[f64]) -> Vec<f64> {
        let a = affine(&self.weights[index], &self.biases[index], input);
        if index + 1 < self.weights.len() {
            return a.iter().map(|a| a.tanh()).collect();
        }
        let mut h = softmax(&a);
        let none = vec![0.0; self.auxiliary.len()];
        h.extend(affine(&self.auxiliary, &none, input).iter().map(|a| a.tanh()));
        h
    }

    fn inverse(&self, index: usize, activity: &[f64]) -> Vec<f64> {
        let mut out = self.inverse_biases[index].clone();
        for (row, y) in self.inverse_weights[index].iter().zip(activity) {
            for (out, w) in out.iter_mut().zip(row) {
                *out += w * y;
            }
        }
        out.iter().map(|a| a.tanh()).collect()
    }

    fn features(&self, count: usize) -> f64 {
        if self.mean { count as f64 } else { 1.0 }
    }

    /// One step of all inverses and then, from the same state, of the network.
    fn step(&mut self, inputs: &Matrix, labels: &[i64], noise: &[Matrix]) {
        let layers = self.weights.len();
        let mut weight_steps: Vec<Matrix> = self.weights.iter().map(zeros).collect();
        let mut bias_steps = zeros(&self.biases);
        let mut inverse_steps: Vec<Matrix> = self.inverse_weights.iter().map(zeros).collect();
        let mut inverse_bias_steps = zeros(&self.inverse_biases);
        for (sample, x) in inputs.iter().enumerate() {
            let mut h = vec![x.clone()];
            for index in 0..layers {
                h.push(self.layer(index, &h[index]));
            }
            let label: Vec<f64> =
                (0..CLASSES).map(|class| f64::from(u8::from(class as i64 == labels[sample]))).collect();
            let error = minus(&h[layers][..CLASSES], &label);
            // ĥ of each layer's output; h[l + 1] is the output of layer l.
            let mut targets = h.clone();
            let top = if self.label {
                targets[layers][..CLASSES].copy_from_slice(&label);
                layers
            } else {
                for (j, target) in targets[layers - 1].iter_mut().enumerate() {
                    for (class, e) in error.iter().enumerate() {
                        *target -= STEP_SIZE * self.weights[layers - 1][class][j] * e;
                    }
                }
                layers - 1
            };
            for l in (2..=top).rev() {
                let found = self.inverse(l - 1, &targets[l]);
                targets[l - 1] = if self.difference {
                    plus(&minus(&h[l - 1], &self.inverse(l - 1, &h[l])), &found)
                } else {
                    found
                };
            }
            for index in 0..layers {
                let delta: Vec<f64> = if index + 1 == layers {
                    error.iter().map(|e| e / BATCH as f64).collect()
                } else {
                    let features = self.features(h[index + 1].len());
                    let pull = h[index + 1].iter().zip(&targets[index + 1]);
                    pull.map(|(h, t)| 2.0 * (h - t) * (1.0 - h * h) / BATCH as f64 / features).collect()
                };
                for (i, delta) in delta.iter().enumerate() {
                    bias_steps[index][i] += delta;
                    for (j, x) in h[index].iter().enumerate() {
                        weight_steps[index][i][j] += delta * x;
                    }
                }
            }
            for index in (1..layers).filter(|index| !self.inverse_weights[*index].is_empty()) {
                let corrupted = plus(&h[index], &noise[index][sample]);
                let y = self.layer(index, &corrupted);
                let found = self.inverse(index, &y);
                let wanted = if self.de_noising { &h[index] } else { &corrupted };
                let features = self.features(found.len());
                for (j, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    let r = 2.0 * (found - wanted) * (1.0 - found * found) / BATCH as f64 / features;
                    inverse_bias_steps[index][j] += r;
                    for (i, y) in y.iter().enumerate() {
                        inverse_steps[index][i][j] += r * y;
                    }
                }
            }
        }
        let descend = |values: &mut Matrix, steps: &Matrix, rate: f64| {
            for (value, step) in values.iter_mut().flatten().zip(steps.iter().flatten()) {
                *value -= rate * step;
            }
        };
        for index in 0..layers {
            descend(&mut self.weights[index], &weight_steps[index], RATES.0);
            descend(&mut self.inverse_weights[index], &inverse_steps[index], RATES.1);
        }
        descend(&mut self.biases, &bias_steps, RATES.0);
        descend(&mut self.inverse_biases, &inverse_bias_steps, RATES.1);
    }
}

fn assert_near(name: &str, ours: &Tensor, reference: &Matrix) {
    let theirs: Vec<f64> = reference.iter().flatten().copied().collect();
    let difference = (ours.flatten(0, -1) - Tensor::from_slice(&theirs)).abs().max().double_value(&[]);
    assert!(difference < 1e-13, "{name}: {difference:e}");
}

fn follow(variant: &str, config: Value, [difference, label, de_noising, mean]: [bool; 4]) {
    let _generator = generator(141);
    let mut network = network(&json!({"mlp": {"hidden": [5, 3, 4]}}), IMAGE, CLASSES as i64);
    let mut config = config;
    let sgd = |rate: f64| json!({"sgd": {"learning_rate": rate}});
    for (key, value) in
        [("schedule", json!("parallel")), ("noise", json!(NOISE)), ("inverse_optimizer", sgd(RATES.1))]
    {
        config[key] = value;
    }
    if !label {
        config["step_size"] = json!(STEP_SIZE);
    }
    let mut rule = rule(variant, config, &mut network);
    let own = rule.parameters();
    let find = |name: &str| own.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
    let layers = SIZES.len() - 1;
    let vector = |tensor: &Tensor| matrix(tensor).concat();
    let mut reference = Reference {
        weights: network.layers.iter().map(|layer| matrix(&layer.weight)).collect(),
        biases: network.layers.iter().map(|layer| vector(layer.bias.as_ref().unwrap())).collect(),
        inverse_weights: (0..layers)
            .map(|l| find(&format!("{l}.inverse-weight")).map(matrix).unwrap_or_default())
            .collect(),
        inverse_biases: (0..layers)
            .map(|l| find(&format!("{l}.inverse-bias")).map(vector).unwrap_or_default())
            .collect(),
        auxiliary: find("auxiliary").map(matrix).unwrap_or_default(),
        difference,
        label,
        de_noising,
        mean,
    };
    let forward: OptimizerConfig = serde_json::from_value(sgd(RATES.0)).unwrap();
    let mut optimizers = Optimizers::new(forward, rule.own_optimizer(), None);
    for step in 0..STEPS {
        let batch = random_batch(BATCH as i64, IMAGE, CLASSES as i64);
        // The rule draws its noise from the topmost inverse to the lowest.
        tch::manual_seed(1000 + step as i64);
        let mut noise: Vec<Matrix> = vec![Matrix::new(); layers];
        for index in (1..layers).rev().filter(|index| !reference.inverse_weights[*index].is_empty()) {
            noise[index] = matrix(&(crate::support::randn(&[BATCH as i64, SIZES[index] as i64]) * NOISE));
        }
        tch::manual_seed(1000 + step as i64);
        let taken = rule.directions(&network, Loss::CrossEntropy, &batch);
        assert!(taken.directions.iter().any(|direction| direction.key.role == Role::InverseWeight));
        optimizers.step(taken.directions, 1.0);
        let labels = Vec::<i64>::try_from(&batch.labels).unwrap();
        let before = reference.weights[0].clone();
        reference.step(&matrix(&batch.inputs), &labels, &noise);
        assert_ne!(before, reference.weights[0], "the first layer moves");
        for (index, layer) in network.layers.iter().enumerate() {
            let bias = layer.bias.as_ref().unwrap();
            assert_near(
                &format!("{variant}, step {step}: θ{index}"),
                &layer.weight,
                &reference.weights[index],
            );
            assert_near(
                &format!("{variant}, step {step}: b{index}"),
                bias,
                &vec![reference.biases[index].clone()],
            );
            if let Some(weight) = find(&format!("{index}.inverse-weight")) {
                let name = format!("{variant}, step {step}: ω{index}");
                assert_near(&name, weight, &reference.inverse_weights[index]);
                let bias = find(&format!("{index}.inverse-bias")).unwrap();
                assert_near(&name, bias, &vec![reference.inverse_biases[index].clone()]);
            }
        }
    }
}

#[test]
fn tp_follows_an_implementation_in_plain_loops() {
    follow("tp", json!({"local_loss_reduction": "sum"}), [false, false, false, false]);
}

#[test]
fn dtp_follows_an_implementation_in_plain_loops() {
    follow("dtp", json!({}), [true, false, false, false]);
}

#[test]
fn sdtp_follows_an_implementation_in_plain_loops() {
    follow("sdtp", json!({}), [true, true, true, true]);
}

#[test]
fn ao_sdtp_follows_an_implementation_in_plain_loops() {
    follow("ao-sdtp", json!({"auxiliary_units": AUXILIARY}), [true, true, true, true]);
}
