//! What a suite can set of dendritic microcircuits, and what is refused with which words.

use crate::support::{SMALL_IMAGE, architecture};
use apical_algorithms::{
    Problem,
    rule::{self, Lesson},
};
use serde_json::{Value, json};

fn problems(config: Value) -> Vec<Problem> {
    rule::find("microcircuit").unwrap().resolve(config).unwrap_err()
}

#[test]
fn wrong_options_are_named() {
    for (config, path, part) in [
        (json!({"mixing": {"hidden": 0.0}}), "mixing.hidden", "no error comes down"),
        (json!({"mixing": {"output": 1.0}}), "mixing.output", "less than 1"),
        (json!({"mixing": {"interneuron": -0.1}}), "mixing.interneuron", "0 or more"),
        (json!({"conductances": {"leak": -1.0}}), "conductances.leak", "0 or more"),
        (json!({"conductances": {"basal": 0.0}}), "conductances.basal", "greater than 0"),
        (
            json!({"reversal_potentials": {"excitatory": -9.0}}),
            "reversal_potentials",
            "greater than `inhibitory`",
        ),
        (json!({"targets": {"class": 1.0}}), "targets.class", "between the least and the largest"),
        (
            json!({"transfer": {"soft-rectifying": {"gamma": 0.0}}}),
            "transfer.soft-rectifying.gamma",
            "greater than 0",
        ),
        (json!({"layer_rates": [1.0, -1.0]}), "layer_rates", "0 or more"),
        (json!({"top_down_weights": {"normal": {"std": -1.0}}}), "top_down_weights.normal.std", "0 or more"),
        (
            json!({"time_course": {"plasticity_lag": 100.0}}),
            "time_course.plasticity_lag",
            "nothing is learned",
        ),
        (json!({"time_course": {"time_step": 1.0}}), "time_course.time_step", "at most 0.636 ms"),
        (json!({"time_course": {"noise": 0.1}}), "time_course.noise", "dynamics: full"),
        (
            json!({"time_course": {"input_time_constant": 0.01}}),
            "time_course.input_time_constant",
            "at least",
        ),
        (json!({"layer_rates": [0.0, 0.0]}), "layer_rates", "nothing else learns"),
        (
            json!({"dynamics": "full", "time_course": {"noise": 0.1, "prospective": true}}),
            "time_course.noise",
            "leave one of the two out",
        ),
        (
            json!({"mixing": {"interneuron": 0.0}, "pyramidal_to_interneuron": "plastic"}),
            "mixing.interneuron",
            "partner's share",
        ),
        (json!({"mixing": {"interneuron": 0.0}, "top_down": "learned"}), "mixing.interneuron", "by default"),
        (json!({"interneuron_rates": [1.0]}), "interneuron_rates", "pyramidal_to_interneuron: plastic"),
        (json!({"apical_rates": [1.0]}), "apical_rates", "interneuron_to_pyramidal: plastic"),
        (json!({"top_down_rates": [1.0]}), "top_down_rates", "top_down: learned"),
        (json!({"initial_state": "random"}), "initial_state", "`plastic` or `fixed`"),
        (json!({"pretraining_epochs": 1}), "pretraining_epochs", "initial_state: random"),
        (json!({"dynamics": "fast"}), "dynamics", "unknown variant"),
    ] {
        let found = problems(config);
        assert!(found.iter().any(|p| p.path == path && p.message.contains(part)), "{path}: {found:?}");
    }
}

#[test]
fn pools_and_rates_of_another_network_are_refused_with_a_remedy() {
    let entry = rule::find("microcircuit").unwrap();
    let refusal = |config: Value, description: Value| {
        let plan = architecture(description).plan(SMALL_IMAGE, 4).unwrap();
        entry.refusal(config, &Lesson::classification(&plan)).map(|problem| problem.to_string())
    };
    let pooled = json!({"cnn": {"layers": [
        {"conv": {"channels": 4, "kernel": 3}}, {"max_pool": {"kernel": 2}}, {"dense": 6}]}});
    assert!(refusal(json!({}), pooled).unwrap().contains("`stride`"));
    let mlp = json!({"mlp": {"hidden": [5, 4]}});
    assert_eq!(
        refusal(
            json!({"layer_rates": [1, 1, 1], "apical_rates": [1, 1], "interneuron_to_pyramidal": "plastic"}),
            mlp.clone()
        ),
        None
    );
    let wrong =
        refusal(json!({"apical_rates": [1, 1, 1], "interneuron_to_pyramidal": "plastic"}), mlp).unwrap();
    assert!(wrong.contains("`apical_rates` needs 2 values, one for each hidden layer, and has 3"), "{wrong}");
    let narrow = |dynamics: &str| json!({"dynamics": dynamics, "reversal_potentials": {"excitatory": 1.0}});
    let unreachable = refusal(narrow("full"), json!({"mlp": {"hidden": [5]}})).unwrap();
    assert!(unreachable.contains("`targets.class` is the rate 0.8, the potential 1.386"), "{unreachable}");
    assert_eq!(refusal(narrow("two-step"), json!({"mlp": {"hidden": [5]}})), None);
}
