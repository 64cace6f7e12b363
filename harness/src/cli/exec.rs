//! `apical exec`: one attempt at one run, in this process.

use super::run::stop_on;
use crate::{
    data::DataRoot,
    device, exit,
    record::{AttemptFolder, State, Store},
    worker::{self, Assignment},
};
use anyhow::Result;
use clap::Args;
use signal_hook::consts::{SIGTERM, SIGUSR1};
use std::{
    io::stdout,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The results folder.
    #[arg(long)]
    results: PathBuf,
    /// The attempt's folder, with `spec.json` in it.
    #[arg(long)]
    attempt: PathBuf,
    /// A folder of datasets.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What to compute on.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// `LibTorch` threads.
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Least time between checkpoints.
    #[arg(long, default_value_t = 30.0)]
    checkpoint_seconds: f64,
    /// End when standard input does.
    #[arg(long)]
    end_with_parent: bool,
}

pub fn execute(arguments: &Arguments) -> Result<u8> {
    let stop = Arc::new(AtomicBool::new(false));
    // Slurm tells every process of a task that is cancelled.
    for signal in [SIGUSR1, SIGTERM] {
        stop_on(signal, &stop)?;
    }
    if arguments.end_with_parent {
        worker::end_with_parent();
    }
    apical_algorithms::reuse_freed_memory();
    let attempt = AttemptFolder::at(&arguments.attempt);
    let spec = worker::read_spec(&attempt)?;
    let assignment = Assignment {
        store: Store::new(&arguments.results),
        attempt,
        data_root: DataRoot::from_env(arguments.data.clone())?,
        device: device::parse_device(&arguments.device)?,
        threads: arguments.threads,
        checkpoint_interval: Duration::try_from_secs_f64(arguments.checkpoint_seconds)?,
        stop,
    };
    let state = worker::work(&assignment, &spec, &mut stdout())?;
    Ok(match state {
        Some(State::Completed | State::Diverged) => exit::OK,
        Some(_) => exit::RUNS_FAILED,
        None => exit::INTERRUPTED,
    })
}
