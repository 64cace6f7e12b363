//! `sacramento-teacher`: the non-linear regression of Sacramento et al. 2018 (section 3.2), computed by the program.
//!
//! A random network teaches: 30 inputs r₀, 20 hidden cells, 10 outputs u = k₂ W₂ φ(k₁ W₁ r₀) with k₁ = 2, k₂ = 10, weights
//! U(−1, 1), and φ(u) = γ log(1 + exp(β (u − θ))), γ = 0.1, β = 1, θ = 3, the transfer function of the paper's students too.
//! The sizes and constants are the paper's; that inputs are U(−1, 1) and where k₁ and k₂ stand is quoted from memory. Targets
//! are the output potentials u. The draws are our own and the same everywhere.
//!
//! Inputs are uniform over 256 equidistant values so that all that follows sees bytes: byte b is r₀ = b / 127.5 − 1, which
//! is what the normalisation `centered` makes of it. The teacher reads these very values, so targets are exact.

use super::{
    super::random::{below, stream, uniform},
    Content, DatasetEntry, Labelled, Samples, Task,
};
use rand_chacha::ChaCha8Rng;

/// The regression of Sacramento et al. 2018.
pub static SACRAMENTO_TEACHER: DatasetEntry = DatasetEntry {
    name: "sacramento-teacher",
    title: "Non-linear regression on a random teacher network",
    citation: "J. Sacramento, R. Ponte Costa, Y. Bengio, W. Senn: Dendritic cortical microcircuits approximate the \
               backpropagation algorithm. Advances in Neural Information Processing Systems 31, 2018. \
               https://arxiv.org/abs/1810.11393",
    licence: "computed by the program",
    shape: [1, 1, INPUTS as i64],
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    task: Task::Regression,
    train_size: 8000,
    test_size: 1000,
    channel_mean: &[MEAN],
    channel_std: &[STD],
    content: Content::Computed(compute),
};

const MEAN: f64 = 0.499_827_369_281_050_7;
const STD: f64 = 0.290_004_262_135_704_24;
const INPUTS: usize = 30;
const HIDDEN: usize = 20;
const OUTPUTS: usize = 10;
/// k₁ and k₂: factors on what comes into the hidden and into the output layer.
const GAINS: [f64; 2] = [2.0, 10.0];
/// Seed of the teacher and of the inputs; the stream has a name for each.
const SEED: u64 = 2018;

/// The teacher's weights.
struct Teacher {
    /// `[hidden][inputs]`
    hidden: Vec<[f64; INPUTS]>,
    /// `[outputs][hidden]`
    output: Vec<[f64; HIDDEN]>,
}

impl Teacher {
    fn new() -> Self {
        fn rows<const N: usize>(count: usize, rng: &mut ChaCha8Rng) -> Vec<[f64; N]> {
            (0..count).map(|_| std::array::from_fn(|_| uniform(rng, -1.0, 1.0))).collect()
        }
        let mut rng = stream(SEED, "teacher weights");
        Self { hidden: rows(HIDDEN, &mut rng), output: rows(OUTPUTS, &mut rng) }
    }

    /// The output potentials for inputs given as bytes.
    fn targets(&self, pixels: &[u8]) -> impl Iterator<Item = f64> {
        let inputs = pixels.iter().map(|&byte| f64::from(byte) / 127.5 - 1.0);
        let rates: Vec<f64> =
            self.hidden.iter().map(|weights| transfer(GAINS[0] * dot(weights, inputs.clone()))).collect();
        self.output.iter().map(move |weights| GAINS[1] * dot(weights, rates.iter().copied()))
    }
}

fn dot(weights: &[f64], values: impl Iterator<Item = f64>) -> f64 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}

/// φ(u) = γ log(1 + exp(β (u − θ))) with γ = 0.1, β = 1, θ = 3.
fn transfer(potential: f64) -> f64 {
    0.1 * (potential - 3.0).exp().ln_1p()
}

fn compute() -> Samples {
    let teacher = Teacher::new();
    let split = |purpose: &str, size: usize| {
        let mut rng = stream(SEED, purpose);
        let mut split = Labelled::default();
        for _ in 0..size {
            let pixels: [u8; INPUTS] = std::array::from_fn(|_| below(&mut rng, 256) as u8);
            let targets: Vec<f64> = teacher.targets(&pixels).collect();
            let largest = (0..OUTPUTS).max_by(|left, right| targets[*left].total_cmp(&targets[*right]));
            split.labels.push(largest.unwrap_or(0) as u8);
            split.pixels.extend(pixels);
            split.targets.extend(targets);
        }
        split
    };
    Samples {
        train: split("teacher training inputs", SACRAMENTO_TEACHER.train_size),
        test: split("teacher test inputs", SACRAMENTO_TEACHER.test_size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn the_inputs_are_the_same_for_all_time() {
        let samples = compute();
        let digests = [&samples.train, &samples.test].map(|split| sha256(&split.pixels)[..16].to_owned());
        assert_eq!(digests, ["87c8c98bdf564364", "28ff89349df54a6b"]);
        let first: Vec<String> = samples.train.targets[..3].iter().map(|u| format!("{u:.9}")).collect();
        assert_eq!(first, ["-1.612980625", "0.151317006", "-1.623448398"]);
    }

    #[test]
    fn targets_are_a_two_layer_networks_by_another_computation() {
        use tch::{Kind, Tensor};
        let (teacher, samples) = (Teacher::new(), compute().test);
        let inputs =
            Tensor::from_slice(&samples.pixels).view([-1, INPUTS as i64]).to_kind(Kind::Double) / 127.5 - 1.0;
        let weights = |flat: &[f64], rows: usize| Tensor::from_slice(flat).view([rows as i64, -1]);
        let (first, second) =
            (weights(teacher.hidden.as_flattened(), HIDDEN), weights(teacher.output.as_flattened(), OUTPUTS));
        let rates = ((inputs.matmul(&first.tr()) * 2.0) - 3.0).softplus() * 0.1;
        let expected = rates.matmul(&second.tr()) * 10.0;
        let found = Tensor::from_slice(&samples.targets).view([-1, OUTPUTS as i64]);
        assert!((found - &expected).abs().max().double_value(&[]) < 1e-12);
        // A label is where the largest target is, for splits that are stratified.
        let largest = expected.argmax(1, false);
        let labels = Tensor::from_slice(&samples.labels).to_kind(Kind::Int64);
        assert!(bool::try_from(largest.eq_tensor(&labels).all()).is_ok_and(|same| same));
        // Neither silent nor far out of reach of potentials.
        let spread = expected.std(true).double_value(&[]);
        assert!((0.5..20.0).contains(&spread), "{spread}");
    }

    #[test]
    fn the_constants_are_those_of_the_training_inputs() {
        let pixels = compute().train.pixels;
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|&p| f64::from(p) / 255.0).sum::<f64>() / n;
        let variance = pixels.iter().map(|&p| (f64::from(p) / 255.0 - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - MEAN).abs() < 1e-12, "{mean:?}");
        assert!((variance.sqrt() - STD).abs() < 1e-12, "{:?}", variance.sqrt());
    }
}
