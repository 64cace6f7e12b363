//! Architectures by description: a list of layers, or a name from the literature, becomes a network.
//!
//! Shapes are worked out before any tensor exists, so that a suite with a layer that does not fit is
//! refused before it runs, with the layer and the reason.

mod build;
mod presets;
mod problems;

pub use build::{LayerPlan, Options};

use crate::{activation::Activation, initialization::Initializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network architecture; the output layer (one linear unit per class) is added to what is listed here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Architecture {
    /// Fully connected hidden layers.
    Mlp(Mlp),
    /// Convolutions, pools and dense layers, in the order given.
    Cnn(Layered),
    /// Locally connected layers (convolutions without weight sharing), pools and dense layers.
    LocallyConnected(Layered),
    /// LeNet for 28×28 or 32×32 greyscale images, as in BioTorch: 6-16-120 feature maps of 5×5, dense 84.
    LenetMnist(Preset),
    /// LeNet for CIFAR-10, as in BioTorch: 32-64-128 feature maps of 3×3, global average pool, dense 256.
    LenetCifar(Preset),
    /// Fully connected network for MNIST of Bartunov et al. 2018, table 3: 5 × 256.
    BartunovFcMnist(Preset),
    /// Fully connected network for CIFAR-10 of Bartunov et al. 2018, table 3: 3 × 1024.
    BartunovFcCifar(Preset),
    /// Locally connected network for MNIST of Bartunov et al. 2018, table 3.
    BartunovLcMnist(Preset),
    /// Locally connected network for CIFAR-10 of Bartunov et al. 2018, table 3.
    BartunovLcCifar(Preset),
    /// The LC network for MNIST of Bartunov et al. 2018 with shared weights ("BP ConvNet").
    BartunovConvMnist(Preset),
    /// The LC network for CIFAR-10 of Bartunov et al. 2018 with shared weights ("BP ConvNet").
    BartunovConvCifar(Preset),
    /// Locally connected network for ImageNet of Bartunov et al. 2018, table 3, for 224×224 images.
    BartunovLcImagenet(Preset),
    /// The LC network for ImageNet of Bartunov et al. 2018 with shared weights, for 224×224 images.
    BartunovConvImagenet(Preset),
    /// That LC network for 128×128 images: half the feature maps, and maps of 32×32 down to 4×4.
    #[serde(rename = "bartunov_lc_imagenet_128")]
    BartunovLcImagenet128(Preset),
    /// The same with shared weights, for 128×128 images.
    #[serde(rename = "bartunov_conv_imagenet_128")]
    BartunovConvImagenet128(Preset),
    /// That LC network for 64×64 images: half the feature maps, and maps of 32×32 down to 4×4.
    #[serde(rename = "bartunov_lc_imagenet_64")]
    BartunovLcImagenet64(Preset),
    /// The same with shared weights, for 64×64 images.
    #[serde(rename = "bartunov_conv_imagenet_64")]
    BartunovConvImagenet64(Preset),
    /// Convolutional network of Nøkland 2016: 96-128-256 feature maps of 5×5 with 3×3 max-pools, dense 2048-2048.
    NoklandConv(Preset),
}

/// A multi-layer perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Units of each hidden layer, from the input; empty for a single-layer classifier.
    pub hidden: Vec<u32>,
    /// Activation of the hidden layers.
    #[serde(default = "tanh")]
    pub activation: Activation,
    /// Initial weights and biases.
    #[serde(default)]
    pub initialization: Initialization,
}

/// A network given layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layered {
    /// From the input; the output layer is added.
    pub layers: Vec<LayerDescription>,
    /// Activation of the hidden layers.
    #[serde(default = "tanh")]
    pub activation: Activation,
    /// Initial weights and biases.
    #[serde(default)]
    pub initialization: Initialization,
}

/// A named architecture with its own activation unless another is asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// Activation of the hidden layers; by default that of the source.
    pub activation: Option<Activation>,
    /// Initial weights and biases.
    pub initialization: Initialization,
}

/// One entry of a layer list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerDescription {
    /// A convolution with its activation.
    Conv(Windowed),
    /// A locally connected layer with its activation: a convolution whose weights are not shared.
    Local(Windowed),
    /// A dense layer of so many units, with its activation; flattens what it reads.
    Dense(u32),
    /// Max-pooling of the layer above it in the list.
    MaxPool(Window),
    /// Average-pooling of the layer above it in the list.
    AveragePool(Window),
    /// The mean of each feature map of the layer above it in the list.
    GlobalAveragePool,
}

/// Shape of a convolutional or locally connected layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Windowed {
    /// Feature maps.
    pub channels: u32,
    /// Side of the square kernel.
    pub kernel: u32,
    /// Distance between windows.
    #[serde(default = "one")]
    pub stride: u32,
    /// Zeros around the input.
    #[serde(default)]
    pub padding: u32,
}

/// Shape of a pooling window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Side of the square window.
    pub kernel: u32,
    /// Distance between windows; by default the kernel, so that windows do not overlap.
    #[serde(default)]
    pub stride: Option<u32>,
    /// Padding around the input.
    #[serde(default)]
    pub padding: u32,
}

/// How a network's parameters start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Initialization {
    /// Weights of the hidden layers.
    pub weights: Initializer,
    /// Weights of the output layer; by default as the hidden layers.
    pub output_weights: Option<Initializer>,
    /// Biases of all layers.
    pub biases: Initializer,
}

impl Default for Initialization {
    fn default() -> Self {
        Self { weights: Initializer::Xavier, output_weights: None, biases: Initializer::Zeros }
    }
}

fn tanh() -> Activation {
    Activation::Tanh
}

fn one() -> u32 {
    1
}

/// Why an architecture cannot be built for a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer} ({description}) on an input of {input}: {reason}")]
pub struct ShapeError {
    /// Position in the list of layers, counted from 1.
    pub layer: usize,
    /// The layer as described.
    pub description: String,
    /// Shape that it would read, e.g. `16×5×5`.
    pub input: String,
    /// What does not fit.
    pub reason: String,
}

impl Architecture {
    /// Side, stride and feature maps of the first window of the networks for ImageNet.
    fn first_window(&self) -> (u32, u32, u32) {
        match self {
            Self::BartunovLcImagenet64(_) | Self::BartunovConvImagenet64(_) => (5, 2, 24),
            Self::BartunovLcImagenet128(_) | Self::BartunovConvImagenet128(_) => (9, 4, 24),
            _ => (9, 4, 48),
        }
    }

    /// The layers listed, without the output layer, and what holds for all of them.
    fn description(&self) -> (Vec<LayerDescription>, Activation, &Initialization) {
        use presets as p;
        let preset = |preset: &'_ Preset, (layers, activation): (Vec<LayerDescription>, Activation)| {
            (layers, preset.activation.unwrap_or(activation))
        };
        let ((layers, activation), initialization) = match self {
            Self::Mlp(mlp) => {
                let layers = mlp.hidden.iter().map(|units| LayerDescription::Dense(*units)).collect();
                ((layers, mlp.activation), &mlp.initialization)
            }
            Self::Cnn(net) | Self::LocallyConnected(net) => {
                ((net.layers.clone(), net.activation), &net.initialization)
            }
            Self::LenetMnist(options) => (preset(options, p::lenet_mnist()), &options.initialization),
            Self::LenetCifar(options) => (preset(options, p::lenet_cifar()), &options.initialization),
            Self::BartunovFcMnist(options) => {
                (preset(options, p::bartunov_fc_mnist()), &options.initialization)
            }
            Self::BartunovFcCifar(options) => {
                (preset(options, p::bartunov_fc_cifar()), &options.initialization)
            }
            Self::BartunovLcMnist(options) => (
                preset(options, p::bartunov_windowed_mnist(LayerDescription::Local)),
                &options.initialization,
            ),
            Self::BartunovLcCifar(options) => (
                preset(options, p::bartunov_windowed_cifar(LayerDescription::Local)),
                &options.initialization,
            ),
            Self::BartunovConvMnist(options) => {
                (preset(options, p::bartunov_windowed_mnist(LayerDescription::Conv)), &options.initialization)
            }
            Self::BartunovConvCifar(options) => {
                (preset(options, p::bartunov_windowed_cifar(LayerDescription::Conv)), &options.initialization)
            }
            Self::BartunovLcImagenet(options)
            | Self::BartunovLcImagenet128(options)
            | Self::BartunovLcImagenet64(options) => (
                preset(options, p::bartunov_windowed_imagenet(self.first_window(), LayerDescription::Local)),
                &options.initialization,
            ),
            Self::BartunovConvImagenet(options)
            | Self::BartunovConvImagenet128(options)
            | Self::BartunovConvImagenet64(options) => (
                preset(options, p::bartunov_windowed_imagenet(self.first_window(), LayerDescription::Conv)),
                &options.initialization,
            ),
            Self::NoklandConv(options) => (preset(options, p::nokland_conv()), &options.initialization),
        };
        (layers, activation, initialization)
    }
}
