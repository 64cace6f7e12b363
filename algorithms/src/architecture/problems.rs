//! Values that no image could make sense of; what depends on the image's shape is `plan`'s to refuse.

use super::{Architecture, Initialization, LayerDescription, Window, Windowed};
use crate::Problem;

impl Architecture {
    /// What a suite calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp(_) => "mlp",
            Self::Cnn(_) => "cnn",
            Self::LocallyConnected(_) => "locally_connected",
            Self::LenetMnist(_) => "lenet_mnist",
            Self::LenetCifar(_) => "lenet_cifar",
            Self::BartunovFcMnist(_) => "bartunov_fc_mnist",
            Self::BartunovFcCifar(_) => "bartunov_fc_cifar",
            Self::BartunovLcMnist(_) => "bartunov_lc_mnist",
            Self::BartunovLcCifar(_) => "bartunov_lc_cifar",
            Self::BartunovConvMnist(_) => "bartunov_conv_mnist",
            Self::BartunovConvCifar(_) => "bartunov_conv_cifar",
            Self::BartunovLcImagenet(_) => "bartunov_lc_imagenet",
            Self::BartunovConvImagenet(_) => "bartunov_conv_imagenet",
            Self::BartunovLcImagenet128(_) => "bartunov_lc_imagenet_128",
            Self::BartunovConvImagenet128(_) => "bartunov_conv_imagenet_128",
            Self::BartunovLcImagenet64(_) => "bartunov_lc_imagenet_64",
            Self::BartunovConvImagenet64(_) => "bartunov_conv_imagenet_64",
            Self::NoklandConv(_) => "nokland_conv",
        }
    }

    /// What is wrong with the values, if anything.
    pub fn problems(&self) -> Vec<Problem> {
        let (_, _, initialization) = self.description();
        let mut problems = initialization.problems();
        match self {
            Self::Mlp(mlp) => {
                for (index, units) in mlp.hidden.iter().enumerate() {
                    if *units == 0 {
                        problems.push(Problem::at(format!("hidden.{index}"), "must be at least 1 unit"));
                    }
                }
            }
            Self::Cnn(net) | Self::LocallyConnected(net) => {
                if net.layers.is_empty() {
                    problems.push(Problem::at("layers", "must list at least one layer"));
                }
                for (index, layer) in net.layers.iter().enumerate() {
                    let place = |problem: Problem| problem.under(&index.to_string()).under("layers");
                    problems.extend(layer.problems().into_iter().map(place));
                }
                if matches!(self, Self::LocallyConnected(_)) && !net.layers.iter().any(is_local) {
                    problems.push(Problem::at("layers", "must list at least one `local` layer"));
                }
            }
            // The other architectures list no values of the user's.
            _ => {}
        }
        problems.into_iter().map(|problem| problem.under(self.name())).collect()
    }
}

fn is_local(layer: &LayerDescription) -> bool {
    matches!(layer, LayerDescription::Local(_))
}

impl LayerDescription {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut at_least_one = |value: u32, path: &str| {
            if value == 0 {
                problems.push(Problem::at(path, "must be at least 1"));
            }
        };
        match self {
            Self::Conv(Windowed { channels, kernel, stride, .. })
            | Self::Local(Windowed { channels, kernel, stride, .. }) => {
                at_least_one(*channels, "channels");
                at_least_one(*kernel, "kernel");
                at_least_one(*stride, "stride");
            }
            Self::MaxPool(Window { kernel, stride, .. })
            | Self::AveragePool(Window { kernel, stride, .. }) => {
                at_least_one(*kernel, "kernel");
                at_least_one(stride.unwrap_or(1), "stride");
            }
            Self::Dense(units) => at_least_one(*units, ""),
            Self::GlobalAveragePool => {}
        }
        problems.into_iter().map(|problem| problem.under(super::build::kind_name(self))).collect()
    }
}

impl Initialization {
    fn problems(&self) -> Vec<Problem> {
        let given = [
            ("weights", Some(self.weights)),
            ("output_weights", self.output_weights),
            ("biases", Some(self.biases)),
        ];
        given
            .into_iter()
            .filter_map(|(key, initializer)| Some((key, initializer?)))
            .flat_map(|(key, initializer)| {
                initializer.problems().into_iter().map(move |problem| problem.under(key))
            })
            .map(|problem| problem.under("initialization"))
            .collect()
    }
}
