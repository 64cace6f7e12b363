//! How the figures are computed, where the numbers behind them are, and how to compute them again.

use super::super::{Content, Context, RUNS};

pub(super) fn render(context: &Context<'_>) -> Content {
    let commands = context.options.reproduce.join("\n");
    let suite = context.options.reproduce.last().and_then(|command| command.split(' ').next_back());
    let mut text = format!(
        "- A figure with ± is a mean over seeds and the half-width of its two-sided 95 % interval: \
           t(0.975; n − 1) · s / √n, with the sample standard deviation s (n − 1 in its denominator). It takes the \
           seeds as independent and their figures as normally distributed, and speaks of seeds alone: all of them \
           share one split of the data.\n\
         - A gap to BP is the mean of the differences seed by seed, with the interval of the paired t test, over the \
           seeds that completed with both rules.\n\
         - No interval is adjusted for the number of comparisons: of twenty intervals about a true value, one misses \
           it. The rule named as closest to backpropagation is the best of several, so its gap tends to \
           look smaller than it is.\n\
         - The test accuracy of a run is that of one network, selected without the test set. Runs that diverged \
           or failed enter no mean; the tables count them.\n\
         - Every run is a row of [{RUNS}]({RUNS})."
    );
    if let Some(suite) = suite {
        text += &format!(
            " `apical export {suite} --format csv` (or `parquet`, `json`) writes the tables behind the curves and angles as well, one row per epoch and layer."
        );
    }
    text += "\n\n";
    if !commands.is_empty() {
        text += &format!("To compute all of this again:\n\n```sh\n{commands}\n```\n");
    }
    Content::text(text)
}
