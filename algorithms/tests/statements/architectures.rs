//! The named architectures have the shapes and parameter counts of their sources, worked out by hand, and
//! what does not fit says where and why.

use crate::support::{DOUBLE, architecture, generator};
use apical_algorithms::randomness::Streams;
use serde_json::{Value, json};

const MNIST: [i64; 3] = [1, 28, 28];
const CIFAR: [i64; 3] = [3, 32, 32];

/// Output shapes of all layers as text, e.g. `6×14×14 16×5×5 10`.
fn shapes(description: Value, image: [i64; 3]) -> String {
    let plans = architecture(description).plan(image, 10).unwrap();
    let shape = |shape: &[i64]| shape.iter().map(i64::to_string).collect::<Vec<_>>().join("×");
    plans.iter().map(|plan| shape(&plan.output_shape)).collect::<Vec<_>>().join(" ")
}

fn parameters(description: Value, image: [i64; 3]) -> i64 {
    let count = |shape: &[i64]| shape.iter().product::<i64>();
    let plans = architecture(description).plan(image, 10).unwrap();
    plans.iter().map(|plan| count(&plan.map.weight_shape()) + count(&plan.map.bias_shape())).sum()
}

#[track_caller]
fn assert_architecture(name: &str, image: [i64; 3], expected_shapes: &str, expected_parameters: i64) {
    assert_eq!(shapes(json!({name: {}}), image), expected_shapes, "{name}");
    assert_eq!(parameters(json!({name: {}}), image), expected_parameters, "{name}");
}

#[test]
fn lenets_have_the_shapes_of_biotorch() {
    // 6·26 + 16·151 + 120·401 + 84·121 + 10·85, the count of LeNet-5 as it is taught.
    assert_architecture("lenet_mnist", MNIST, "6×14×14 16×5×5 120×1×1 84 10", 61_706);
    // 32·28 + 64·289 + 128·577 + 256·129 + 10·257
    assert_architecture("lenet_cifar", CIFAR, "32×15×15 64×6×6 128×1×1 256 10", 128_842);
}

#[test]
fn bartunovs_fully_connected_networks_have_the_widths_of_table_3() {
    // 256·785 + 4·256·257 + 10·257
    assert_architecture("bartunov_fc_mnist", MNIST, "256 256 256 256 256 10", 466_698);
    // 1024·3073 + 2·1024·1025 + 10·1025
    assert_architecture("bartunov_fc_cifar", CIFAR, "1024 1024 1024 10", 5_256_202);
}

#[test]
fn bartunovs_locally_connected_networks_have_the_shapes_of_table_3() {
    // Positions × maps × (inputs of a window + 1): 196·32·10 + 49·64·289 + 1024·3137 + 10·1025
    assert_architecture("bartunov_lc_mnist", MNIST, "32×14×14 64×7×7 1024 10", 4_191_562);
    // 256·64·76 + 64·128·1601 + 64·256·1153 + 1024·16385 + 10·1025
    assert_architecture("bartunov_lc_cifar", CIFAR, "64×16×16 128×8×8 256×8×8 1024 10", 50_039_818);
}

#[test]
fn bartunovs_networks_for_imagenet_have_the_shapes_of_table_3_and_smaller_ones_end_in_maps_of_4_by_4() {
    let whole = "48×56×56 48×28×28 96×28×28 96×14×14 192×14×14 192×7×7 384×7×7 10";
    let small = "24×32×32 24×16×16 48×16×16 48×8×8 96×8×8 96×4×4 192×4×4 10";
    // Maps × (inputs of a window + 1), in locally connected ones once for each position; 10·(flat + 1).
    assert_architecture("bartunov_conv_imagenet", [3, 224, 224], whole, 1_580_986);
    assert_architecture("bartunov_conv_imagenet_128", [3, 128, 128], small, 382_114);
    assert_architecture("bartunov_conv_imagenet_64", [3, 64, 64], small, 378_082);
    assert_architecture("bartunov_lc_imagenet_64", [3, 64, 64], small, 18_593_290);
    assert_architecture("bartunov_lc_imagenet_128", [3, 128, 128], small, 22_722_058);
}

#[test]
fn bartunovs_convolutional_networks_share_the_weights_of_the_locally_connected_ones() {
    // 32·10 + 64·289 + 1024·3137 + 10·1025
    assert_architecture("bartunov_conv_mnist", MNIST, "32×14×14 64×7×7 1024 10", 3_241_354);
    // 64·76 + 128·1601 + 256·1153 + 1024·16385 + 10·1025
    assert_architecture("bartunov_conv_cifar", CIFAR, "64×16×16 128×8×8 256×8×8 1024 10", 17_293_450);
}

#[test]
fn noklands_convolutional_network_halves_its_maps_three_times() {
    // 96·76 + 128·2401 + 256·3201 + 2048·4097 + 2048·2049 + 10·2049
    assert_architecture("nokland_conv", CIFAR, "96×16×16 128×8×8 256×4×4 2048 2048 10", 13_741_578);
}

#[test]
fn a_network_has_as_many_parameters_as_its_plan() {
    let _generator = generator(101);
    for name in ["lenet_mnist", "bartunov_lc_mnist"] {
        let network = architecture(json!({name: {}})).build(MNIST, 10, DOUBLE, Streams::new(0)).unwrap();
        assert_eq!(network.parameter_count(), parameters(json!({name: {}}), MNIST));
        assert_eq!(network.classes(), 10);
    }
}

#[test]
fn an_mlp_lists_its_hidden_layers_and_may_have_none() {
    assert_eq!(shapes(json!({"mlp": {"hidden": [500]}}), MNIST), "500 10");
    assert_eq!(parameters(json!({"mlp": {"hidden": [500]}}), MNIST), 397_510);
    assert_eq!(shapes(json!({"mlp": {"hidden": []}}), MNIST), "10");
}

#[test]
fn layers_are_named_by_place_and_kind() {
    let plans = architecture(json!({"lenet_mnist": {}})).plan(MNIST, 10).unwrap();
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["1.conv", "2.conv", "3.conv", "4.dense", "5.output"]);
}

#[test]
fn a_layer_that_does_not_fit_is_named_with_its_input_and_the_reason() {
    let refused = |layers: Value, image: [i64; 3]| {
        architecture(json!({"cnn": {"layers": layers}})).plan(image, 10).unwrap_err().to_string()
    };
    assert_eq!(
        refused(
            json!([{"conv": {"channels": 8, "kernel": 5, "stride": 4}}, {"conv": {"channels": 8, "kernel": 9}}]),
            MNIST
        ),
        "layer 2 (conv: 8 channels, kernel 9, stride 1, padding 0) on an input of 8×6×6: \
         a kernel of 9×9 does not fit into 6×6 with padding 0"
    );
    assert_eq!(
        refused(json!([{"dense": 30}, {"local": {"channels": 8, "kernel": 3}}]), MNIST),
        "layer 2 (local: 8 channels, kernel 3, stride 1, padding 0) on an input of 30: \
         it needs feature maps (channels × height × width), so it can't follow a dense layer"
    );
    assert_eq!(
        refused(json!([{"max_pool": {"kernel": 2}}]), MNIST),
        "layer 1 (max_pool: kernel 2) on an input of 1×28×28: a pool must follow another layer"
    );
    assert_eq!(
        refused(
            json!([{"conv": {"channels": 8, "kernel": 5}}, {"max_pool": {"kernel": 2}}, "global_average_pool"]),
            MNIST
        ),
        "layer 3 (global_average_pool) on an input of 8×12×12: a pool must follow a layer, not another pool"
    );
    assert_eq!(
        refused(json!([{"conv": {"channels": 8, "kernel": 25}}, {"average_pool": {"kernel": 5}}]), MNIST),
        "layer 2 (average_pool: kernel 5) on an input of 8×4×4: \
         a kernel of 5×5 does not fit into 4×4 with padding 0"
    );
    assert_eq!(
        refused(json!([{"dense": 0}]), MNIST),
        "layer 1 (dense: 0) on an input of 1×28×28: units must be at least 1"
    );
    let refused = architecture(json!({"lenet_cifar": {}})).plan([1, 8, 8], 10).unwrap_err();
    assert_eq!(
        (refused.layer, refused.input.as_str()),
        (4, "64×1×1"),
        "8 → 6 → 3 → 1, too small for a pool of 2"
    );
}

#[test]
fn values_without_sense_are_all_named() {
    let paths = |description: Value| -> Vec<String> {
        architecture(description).problems().into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(paths(json!({"mlp": {"hidden": [0, 5, 0]}})), ["mlp.hidden.0", "mlp.hidden.2"]);
    assert_eq!(paths(json!({"cnn": {"layers": []}})), ["cnn.layers"]);
    assert_eq!(
        paths(json!({"cnn": {"layers": [
            {"conv": {"channels": 0, "kernel": 0, "stride": 0}}, {"max_pool": {"kernel": 2, "stride": 0}}, {"dense": 0}]}})),
        [
            "cnn.layers.0.conv.channels",
            "cnn.layers.0.conv.kernel",
            "cnn.layers.0.conv.stride",
            "cnn.layers.1.max_pool.stride",
            "cnn.layers.2.dense"
        ]
    );
    assert_eq!(
        paths(json!({"locally_connected": {"layers": [{"conv": {"channels": 2, "kernel": 3}}]}})),
        ["locally_connected.layers"]
    );
    assert_eq!(
        paths(json!({"lenet_mnist": {"initialization": {"weights": {"normal": {"std": -1.0}}}}})),
        ["lenet_mnist.initialization.weights.normal.std"]
    );
    assert_eq!(paths(json!({"mlp": {"hidden": [5]}})), [""; 0]);
}

#[test]
fn every_name_is_the_one_that_a_suite_uses() {
    for name in [
        "lenet_mnist",
        "lenet_cifar",
        "bartunov_fc_mnist",
        "bartunov_fc_cifar",
        "bartunov_lc_mnist",
        "bartunov_lc_cifar",
        "bartunov_conv_mnist",
        "bartunov_conv_cifar",
        "bartunov_lc_imagenet",
        "bartunov_conv_imagenet",
        "bartunov_lc_imagenet_128",
        "bartunov_conv_imagenet_128",
        "bartunov_lc_imagenet_64",
        "bartunov_conv_imagenet_64",
        "nokland_conv",
    ] {
        assert_eq!(architecture(json!({name: {}})).name(), name);
    }
    assert_eq!(architecture(json!({"mlp": {"hidden": []}})).name(), "mlp");
    assert_eq!(architecture(json!({"cnn": {"layers": []}})).name(), "cnn");
    assert_eq!(architecture(json!({"locally_connected": {"layers": []}})).name(), "locally_connected");
}
