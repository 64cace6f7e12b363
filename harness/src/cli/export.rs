//! `apical export`: results as tables for other programs, and for TensorBoard and MLflow.

use super::{
    UserError,
    output::{count, line, thousands},
    progress::ExportProgress,
    suite::{Selected, SuiteArguments, quoted},
};
use crate::{
    exit,
    export::{
        self,
        mlflow::{self, client},
        target::{Kind, Target},
        tensorboard,
    },
    record::Results,
};
use anyhow::Result;
use clap::Args;
use std::path::Path;

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    suite: SuiteArguments,
    /// What to write.
    #[arg(long, value_enum)]
    format: Kind,
    /// Where to: a folder, or for `mlflow` the address of a server.
    ///
    /// By default tables go to `exports/<suite>` (`exports/<suite>-filtered` with `--filter`), event files to `exports/tensorboard`, and runs to the server that
    /// `MLFLOW_TRACKING_URI` names.
    #[arg(long, short, value_name = "DIR|URL")]
    to: Option<String>,
}

const EXAMPLES: &str = "\
Exporting again brings the target up to date and doubles nothing.

Examples:
  apical export quick --format csv
  apical export quick --format tensorboard        then: tensorboard --logdir exports/tensorboard
  apical export quick --format mlflow --to http://localhost:5000

An MLflow server that asks who is there is told by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or by \
MLFLOW_TRACKING_TOKEN.";

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let server = std::env::var("MLFLOW_TRACKING_URI").ok();
    // Before the suite is read: the folder's name alone depends on it.
    let target = |suite: &str| {
        Target::new(arguments.format, arguments.to.as_deref(), suite, server.as_deref())
            .map_err(|error| UserError::usage(error.to_string()))
    };
    target("")?;
    let Selected { whole, plan, store, .. } = arguments.suite.select()?;
    // Tables of a part leave those of the whole as they are.
    let part = if plan.runs.len() < whole.runs.len() { "-filtered" } else { "" };
    let target = target(&format!("{}{part}", plan.name))?;
    let results = store.results(plan)?;
    match target {
        Target::Tables(format, folder) => {
            for file in export::export(&results, format, &folder)? {
                line(file.display())?;
            }
        }
        Target::TensorBoard(folder) => to_tensorboard(&results, &folder)?,
        Target::Mlflow(url) => {
            let credentials = client::Credentials::from_env();
            let client = client::Client::new(url, credentials, client::Patience::default())?;
            to_mlflow(&results, &client)?;
        }
    }
    Ok(exit::OK)
}

fn to_tensorboard(results: &Results, folder: &Path) -> Result<()> {
    let summary = tensorboard::export(results, folder)?;
    let counts = parts(&[
        (summary.written, "written"),
        (summary.unchanged, "unchanged"),
        (summary.without_measurements, "without measurements"),
    ]);
    line(format!("{}: {}: {counts}", summary.folder.display(), count(results.runs.len(), "run")))?;
    line(format!("to look at them: tensorboard --logdir {}", quoted(&folder.to_string_lossy())))
}

fn to_mlflow(results: &Results, client: &client::Client) -> Result<()> {
    let progress = ExportProgress::new();
    let summary = mlflow::export(results, client, &mut |step| progress.step(step.done, step.total));
    progress.finish();
    let summary = summary?;
    let counts = parts(&[
        (summary.sent, "sent"),
        (summary.replaced, "replaced"),
        (summary.unchanged, "unchanged"),
        (summary.not_begun, "not begun"),
    ]);
    line(format!("{}: {}: {counts}", summary.experiment, count(results.runs.len(), "run")))?;
    line(format!("to look at them: {}/#/experiments/{}", client.server(), summary.experiment_id))
}

/// `3 sent, 204 unchanged`: what there is none of is not told.
fn parts(counts: &[(usize, &str)]) -> String {
    let told = counts.iter().filter(|(number, _)| *number > 0);
    told.map(|(number, what)| format!("{} {what}", thousands(*number))).collect::<Vec<_>>().join(", ")
}
