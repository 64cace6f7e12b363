//! What a suite can set of segregated dendrites, and what is refused with which words.

use crate::support::{SMALL_IMAGE, architecture, architectures_of, generator, network, random_batch, rule};
use apical_algorithms::{
    loss::Loss,
    rule::{self as rules, Batch, Lesson, RuleEntry},
};
use serde_json::{Value, json};

const NAME: &str = "segregated-dendrites";

fn entry() -> &'static RuleEntry {
    rules::find(NAME).unwrap()
}

fn mlp() -> Value {
    json!({"mlp": {"hidden": [7, 6]}})
}

fn problem(config: Value) -> (String, String) {
    let problem = entry().resolve(config).unwrap_err().swap_remove(0);
    (problem.path, problem.message)
}

#[test]
fn every_combination_of_switches_steps_on_every_kind_of_network() {
    let _generator = generator(501);
    let phases = json!({"forward": 4, "target": 4, "test": 5, "transient": 2});
    let mut seen = 0;
    for (name, description) in architectures_of(entry()) {
        let layers = architecture(description.clone()).plan(SMALL_IMAGE, 4).unwrap();
        for mask in 0..1 << 10 {
            let on = |bit: u32| mask >> bit & 1 == 1;
            let feedback_weights = mask >> 8;
            let config = json!({
                "feedback": if on(0) { "layer-wise" } else { "broadcast" },
                "symmetric_weights": (["none", "none", "exact", "noisy"][feedback_weights]),
                "learned_feedback": feedback_weights == 1,
                "sparse_feedback": on(1),
                "feedback_bias": on(2),
                "apical_conductance": if on(3) { 0.05 } else { 0.0 },
                "weight_optimization": on(4),
                "spiking_feedforward": on(5),
                "spiking_feedback": on(6),
                "soma": if on(7) { "conductances" } else { "steady-state" },
                "phases": phases,
            });
            if entry().refusal(config.clone(), &Lesson::classification(&layers)).is_some() {
                assert!(on(0) && !on(3), "{config}");
                continue;
            }
            let mut network = network(&description, SMALL_IMAGE, 4);
            let mut rule = rule(NAME, config.clone(), &mut network);
            let batch = random_batch(3, SMALL_IMAGE, 4);
            // Values in [0, 1], as inputs that spike need them.
            let batch = Batch { inputs: batch.inputs.sigmoid(), ..batch };
            let step = rule.directions(&network, Loss::BinaryCrossEntropy, &batch);
            for direction in &step.directions {
                let value = direction.materialize();
                assert_eq!(value.size(), direction.parameter.size());
                assert!(value.isfinite().all().int64_value(&[]) == 1, "{name} {config}: {}", direction.key);
            }
            assert_eq!(rule.output(&network, &batch.inputs).size(), [3, 4]);
            seen += 1;
        }
    }
    assert!(seen >= 3 * 768, "{seen}");
}

#[test]
fn contradictions_are_refused_with_the_reason() {
    for (config, path, reason) in [
        (json!({"learned_feedback": true, "symmetric_weights": "exact"}), "learned_feedback", "contradicts"),
        (
            json!({"learned_feedback": true, "feedback_learning_rate": 0}),
            "feedback_learning_rate",
            "greater than 0",
        ),
        (json!({"symmetric_noise": 0.1}), "symmetric_noise", "no effect"),
        (json!({"phases": {"random": true}}), "phases.random", "time course"),
        (json!({"mode": "spiking", "spike_memory": 0}), "spike_memory", "no spike"),
        (json!({"mode": "spiking", "synaptic_time_constant": 10}), "synaptic_time_constant", "must differ"),
        (json!({"mode": "spiking", "basal_conductance": 0.95}), "time_step", "less than 0.976 ms"),
        (
            json!({"mode": "spiking", "phases": {"forward": 30}}),
            "phases.forward",
            "longer than `phases.transient`, 30 ms",
        ),
        (json!({"spike_memory": 5}), "spike_memory", "nothing spikes"),
        (json!({"synaptic_time_constant": 5}), "synaptic_time_constant", "nothing spikes"),
        (json!({"feedback_learning_rate": 0.02}), "feedback_learning_rate", "no effect"),
        (json!({"layer_rates": [0, 0]}), "layer_rates", "nothing learns"),
        (json!({"phases": {"target": 1}}), "phases.target", "at least 2"),
        (json!({"mode": "spiking", "basal_conductance": 0.9}), "time_step", "less than 1.000 ms"),
        (json!({"mode": "spiking", "time_step": 0.001}), "time_step", "at least 0.01 ms"),
        (json!({"inhibitory_reversal": 9}), "inhibitory_reversal", "less than"),
        (json!({"time_step": 1.5}), "time_step", "at most 1"),
        (json!({"time_step": 0}), "time_step", "greater than 0"),
        (json!({"max_rate": 0}), "max_rate", "greater than 0"),
        (json!({"leak_time_constant": -1}), "leak_time_constant", "greater than 0"),
        (json!({"apical_conductance": -0.1}), "apical_conductance", "0 or more"),
        (json!({"layer_rates": [1, -1]}), "layer_rates", "0 or more"),
    ] {
        let (found, message) = problem(config.clone());
        assert_eq!(found, path, "{config}");
        assert!(message.contains(reason), "{config}: {message}");
    }
}

/// Every value that the search space of Lange 2019 names can be set.
#[test]
fn the_published_search_space_is_accepted_to_its_ends() {
    for (low, key, high) in [
        (0.1, "time_step", 1.0),
        (1.0, "spike_memory", 10.0),
        (0.2, "max_rate", 0.5),
        (1.0, "synaptic_time_constant", 5.0),
        (7.0, "leak_time_constant", 13.0),
        (0.3, "basal_conductance", 0.9),
        (0.02, "apical_conductance", 0.1),
        (5.0, "excitatory_reversal", 12.0),
        (-12.0, "inhibitory_reversal", -5.0),
        (0.0, "feedback_learning_rate", 0.05),
    ] {
        let of_spikes = ["spike_memory", "synaptic_time_constant"].contains(&key);
        for (mode, value) in [("rate", low), ("rate", high), ("spiking", low), ("spiking", high)] {
            if of_spikes && mode == "rate" {
                continue;
            }
            // Somata of conductances take shorter steps where these are large.
            let time_step = if (mode, key) == ("spiking", "basal_conductance") { 0.5 } else { 1.0 };
            let mut config = json!({"mode": mode, "learned_feedback": value > 0.0, "time_step": time_step});
            config[key] = json!(value);
            assert!(entry().resolve(config.clone()).is_ok(), "{config}");
        }
    }
    for length in [2, 50] {
        let phases = json!({"forward": length, "target": length, "test": 50, "transient": 1});
        assert!(entry().resolve(json!({"mode": "spiking", "phases": phases})).is_ok());
    }
}

#[test]
fn what_it_cannot_teach_is_refused_with_the_remedy() {
    let refusal = |config: Value, description: Value, change: &dyn Fn(&mut Lesson<'_>)| {
        let layers = architecture(description).plan(SMALL_IMAGE, 4).unwrap();
        let mut lesson = Lesson::classification(&layers);
        change(&mut lesson);
        entry().refusal(config, &lesson).map(|problem| problem.to_string()).unwrap_or_default()
    };
    let nothing = |_: &mut Lesson<'_>| {};
    let negative = |lesson: &mut Lesson<'_>| lesson.inputs = (-0.4, 2.8);
    assert_eq!(refusal(json!({}), mlp(), &nothing), "");
    assert_eq!(refusal(json!({}), mlp(), &negative), "", "rates may be anything");
    let spiking = json!({"mode": "spiking"});
    assert_eq!(refusal(spiking.clone(), mlp(), &nothing), "");
    assert!(refusal(spiking, mlp(), &negative).contains("normalization: unit"));
    assert!(refusal(json!({}), mlp(), &|lesson| lesson.regression = true).contains("regression"));
    let pooled =
        json!({"cnn": {"layers": [{"conv": {"channels": 2, "kernel": 3}}, {"max_pool": {"kernel": 2}}]}});
    assert!(refusal(json!({}), pooled, &nothing).contains("stride"));
    let layer_wise = json!({"feedback": "layer-wise"});
    assert!(refusal(layer_wise.clone(), mlp(), &nothing).contains("apical_conductance"));
    assert_eq!(refusal(layer_wise, json!({"mlp": {"hidden": [5]}}), &nothing), "");
    let too_short = json!({"feedback": "layer-wise", "apical_conductance": 0.05, "phases": {"target": 2}});
    assert!(refusal(too_short, mlp(), &nothing).contains("`phases.target` must be at least 3 ms"));
    assert!(refusal(json!({"layer_rates": [1.0]}), mlp(), &nothing).contains("`layer_rates` needs 3 values"));
}
