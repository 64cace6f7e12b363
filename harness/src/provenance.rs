//! Where and with what a run is computed: versions, hardware, and what the process has used.

use crate::record::Provenance;
use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use tch::Device;

/// What this process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of all threads, in seconds.
    pub cpu_seconds: f64,
    /// Largest resident memory, in bytes.
    pub peak_memory_bytes: u64,
}

impl Usage {
    /// As the operating system counts it; zero where it does not say.
    pub fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Self::default() };
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        Self {
            cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
            // Linux counts in kibibytes.
            peak_memory_bytes: usage.max_rss().unsigned_abs() * 1024,
        }
    }
}

/// This build on this machine, for a run on `device` with so many `LibTorch` threads, ending now.
pub fn here(device: Device, threads: u32) -> Provenance {
    let cpu = cpu_model();
    let gpu = match device {
        Device::Cuda(index) => Some(gpu_model(index)),
        _ => None,
    };
    let host_class = match &gpu {
        Some(gpu) => gpu.clone(),
        None => format!("{cpu}, {threads} thread{}", if threads == 1 { "" } else { "s" }),
    };
    Provenance { cpu, gpu, device: device_name(device), threads, host_class, ..of_the_program() }
}

/// This build, now, on a machine that nothing is known of.
pub fn of_the_program() -> Provenance {
    Provenance {
        apical_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_hash: env!("APICAL_GIT_HASH").to_owned(),
        tch_version: env!("APICAL_TCH_VERSION").to_owned(),
        libtorch_version: env!("APICAL_LIBTORCH_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        finished_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ..Provenance::default()
    }
}

/// As the command line takes it, e.g. `cpu` or `cuda:0`.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Cpu => "cpu".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.trim().to_owned())
}

fn gpu_model(index: usize) -> String {
    let mut folders: Vec<_> = fs::read_dir("/proc/driver/nvidia/gpus")
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    folders.sort();
    let information =
        folders.get(index).and_then(|folder| fs::read_to_string(folder.join("information")).ok());
    let model = information
        .as_deref()
        .and_then(|text| text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned())));
    model.unwrap_or_else(|| "unknown GPU".to_owned())
}
