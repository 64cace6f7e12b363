//! `apical task`: the runs of one task of a Slurm job array, on its node.

use super::{
    progress::RunProgress,
    run::{stop_on, this_program},
};
use crate::{
    engine::slurm::{
        submission::Submission,
        task::{self, Place, Signals},
    },
    exit,
};
use anyhow::Result;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder of the submission.
    #[arg(long)]
    submission: PathBuf,
    /// Which of its arrays.
    #[arg(long)]
    array: usize,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let signals = Signals::default();
    for signal in [SIGTERM, SIGINT, SIGUSR1] {
        stop_on(signal, &signals.stop)?;
    }
    stop_on(SIGUSR1, &signals.time_is_up)?;
    let place = Place::from_env()?;
    let submission = Submission::read(&arguments.submission)?;
    let task =
        submission.arrays().get(arguments.array).and_then(|array| array.tasks.get(place.index as usize));
    let progress = RunProgress::new(task.map_or(0, Vec::len), 1);
    let without_result =
        task::work(&submission, arguments.array, &place, &signals, this_program()?, &progress)?;
    Ok(if without_result == 0 { exit::OK } else { exit::RUNS_FAILED })
}
