//! The architectures that the literature uses, as lists of layers.

use super::{LayerDescription, Window, Windowed};
use crate::activation::Activation;

type Described = (Vec<LayerDescription>, Activation);

fn windowed(kernel: u32, channels: u32, stride: u32, padding: u32) -> Windowed {
    Windowed { channels, kernel, stride, padding }
}

fn max_pool(kernel: u32, stride: u32, padding: u32) -> LayerDescription {
    LayerDescription::MaxPool(Window { kernel, stride: Some(stride), padding })
}

/// BioTorch's LeNet for MNIST: 6-16-120 convolutions of 5×5, dense 84, ReLU, max-pools of 2. The first
/// convolution is padded by 2, which for a 28×28 image equals reading it centred in 32×32, as LeNet-5 did.
pub(super) fn lenet_mnist() -> Described {
    use LayerDescription::{Conv, Dense};
    let layers = vec![
        Conv(windowed(5, 6, 1, 2)),
        max_pool(2, 2, 0),
        Conv(windowed(5, 16, 1, 0)),
        max_pool(2, 2, 0),
        Conv(windowed(5, 120, 1, 0)),
        Dense(84),
    ];
    (layers, Activation::Relu)
}

/// BioTorch's LeNet for CIFAR-10: 32-64-128 convolutions of 3×3 without padding, two max-pools of 2, a
/// global average pool, dense 256, ReLU.
pub(super) fn lenet_cifar() -> Described {
    use LayerDescription::{Conv, Dense, GlobalAveragePool};
    let layers = vec![
        Conv(windowed(3, 32, 1, 0)),
        max_pool(2, 2, 0),
        Conv(windowed(3, 64, 1, 0)),
        max_pool(2, 2, 0),
        Conv(windowed(3, 128, 1, 0)),
        GlobalAveragePool,
        Dense(256),
    ];
    (layers, Activation::Relu)
}

/// Bartunov et al. 2018, table 3: 5 × 256 tanh.
pub(super) fn bartunov_fc_mnist() -> Described {
    (vec![LayerDescription::Dense(256); 5], Activation::Tanh)
}

/// Bartunov et al. 2018, table 3: 3 × 1024 tanh.
pub(super) fn bartunov_fc_cifar() -> Described {
    (vec![LayerDescription::Dense(1024); 3], Activation::Tanh)
}

/// Bartunov et al. 2018, table 3: (3×3, 32, stride 2) (3×3, 64, stride 2), dense 1024; zero padding so
/// that a stride of 1 would keep the size; `layer` is a convolution or its locally connected counterpart.
pub(super) fn bartunov_windowed_mnist(layer: fn(Windowed) -> LayerDescription) -> Described {
    let layers =
        vec![layer(windowed(3, 32, 2, 1)), layer(windowed(3, 64, 2, 1)), LayerDescription::Dense(1024)];
    (layers, Activation::Tanh)
}

/// Bartunov et al. 2018, table 3: (5×5, 64, stride 2) (5×5, 128, stride 2) (3×3, 256, stride 1), dense 1024.
pub(super) fn bartunov_windowed_cifar(layer: fn(Windowed) -> LayerDescription) -> Described {
    let layers = vec![
        layer(windowed(5, 64, 2, 2)),
        layer(windowed(5, 128, 2, 2)),
        layer(windowed(3, 256, 1, 1)),
        LayerDescription::Dense(1024),
    ];
    (layers, Activation::Tanh)
}

/// Bartunov et al. 2018, table 3, for images of 224×224: (9×9, 48, stride 4) (3×3, 48, 2) (5×5, 96, 1) (3×3, 96, 2)
/// (3×3, 192, 1) (3×3, 192, 2) (3×3, 384, 1), then the softmax. `first` is the side, stride and feature maps of the first
/// window; the others follow it in their feature maps, so that smaller images get a smaller network of the same shape.
pub(super) fn bartunov_windowed_imagenet(
    (kernel, stride, maps): (u32, u32, u32),
    layer: fn(Windowed) -> LayerDescription,
) -> Described {
    let layers = vec![
        layer(windowed(kernel, maps, stride, kernel / 2)),
        layer(windowed(3, maps, 2, 1)),
        layer(windowed(5, 2 * maps, 1, 2)),
        layer(windowed(3, 2 * maps, 2, 1)),
        layer(windowed(3, 4 * maps, 1, 1)),
        layer(windowed(3, 4 * maps, 2, 1)),
        layer(windowed(3, 8 * maps, 1, 1)),
    ];
    (layers, Activation::Tanh)
}

/// Nøkland 2016, CONV (from the official code): 96-128-256 feature maps of 5×5 padded by 2, each followed
/// by tanh and a 3×3 max-pool of stride 2, then 2048-2048.
pub(super) fn nokland_conv() -> Described {
    use LayerDescription::{Conv, Dense};
    let layers = vec![
        Conv(windowed(5, 96, 1, 2)),
        max_pool(3, 2, 1),
        Conv(windowed(5, 128, 1, 2)),
        max_pool(3, 2, 1),
        Conv(windowed(5, 256, 1, 2)),
        max_pool(3, 2, 1),
        Dense(2048),
        Dense(2048),
    ];
    (layers, Activation::Tanh)
}
