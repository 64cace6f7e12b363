//! What runs ask of a cluster. No part of any run's identity: the same run computes the same on any node.

use super::Cell;
use apical_algorithms::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How engines other than this machine compute the runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// For `apical run --engine slurm`.
    pub slurm: Slurm,
}

/// What a task of a Slurm job array asks for. Texts are passed to `sbatch` as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slurm {
    /// Partition, or several joined by commas; the cluster's own choice by default.
    pub partition: Option<String>,
    /// Account that is charged.
    pub account: Option<String>,
    /// Time limit of a task as `sbatch --time` takes it, e.g. `"2:00:00"` or `"90"` (minutes). A run that needs longer goes on
    /// from its last checkpoint in the same task, queued again.
    pub time: Option<String>,
    /// Processor cores of a task; by default one for each thread of the runs that it computes at once.
    #[schemars(range(min = 1))]
    pub cpus: Option<u32>,
    /// Memory of a task as `sbatch --mem` takes it, e.g. `4G`.
    pub memory: Option<String>,
    /// GPUs of a task, 0 or 1. With one, runs compute on `cuda` unless `--device` says otherwise.
    pub gpus: u32,
    /// Features that a node must have, as `sbatch --constraint` takes them.
    pub constraint: Option<String>,
    /// Most tasks of an array at once; no limit by default.
    #[schemars(range(min = 1))]
    pub max_parallel: Option<u32>,
    /// Runs that a task computes, one after another: short ones are not worth a task each.
    #[schemars(range(min = 1))]
    pub runs_per_task: u32,
    /// How many of them at once, to share a GPU.
    #[schemars(range(min = 1))]
    pub runs_at_once: u32,
    /// Seconds before the time limit at which runs are told to write a checkpoint after the epoch they are in.
    #[schemars(range(min = 10, max = 65535))]
    pub warning_seconds: u32,
    /// More options of `sbatch`, e.g. `["--qos=long"]`.
    pub extra: Vec<String>,
}

impl Default for Slurm {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            time: None,
            cpus: None,
            memory: None,
            gpus: 0,
            constraint: None,
            max_parallel: None,
            runs_per_task: 1,
            runs_at_once: 1,
            warning_seconds: 120,
            extra: Vec::new(),
        }
    }
}

/// Options that the engine gives itself.
const RESERVED: [&str; 17] = [
    "--array",
    "--output",
    "--error",
    "--job-name",
    "--requeue",
    "--no-requeue",
    "--open-mode",
    "--signal",
    "--parsable",
    "--wait",
    "--export",
    "--chdir",
    "--clusters",
    "--wrap",
    "--test-only",
    "--nodes",
    "--ntasks",
];

impl Slurm {
    /// Every setting's name.
    pub const KEYS: [&str; 12] = [
        "partition",
        "account",
        "time",
        "cpus",
        "memory",
        "gpus",
        "constraint",
        "max_parallel",
        "runs_per_task",
        "runs_at_once",
        "warning_seconds",
        "extra",
    ];

    /// What is wrong with the values, if anything.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(time) = self.time.as_deref().filter(|time| !is_time(time)) {
            let message = format!(
                "`{time}` is no time limit of Slurm's; minutes (`\"90\"`), `\"2:00:00\"`, `\"1-12\"` (days and hours)"
            );
            problems.push(Problem::at("time", message));
        }
        if let Some(memory) = self.memory.as_deref().filter(|memory| !is_memory(memory)) {
            let message = format!("`{memory}` is no amount of memory of Slurm's, e.g. `4G` or `800M`");
            problems.push(Problem::at("memory", message));
        }
        if self.runs_at_once > self.runs_per_task {
            let message = format!(
                "a task has {} in all (`runs_per_task`), so no {} of them can run at once",
                self.runs_per_task, self.runs_at_once
            );
            problems.push(Problem::at("runs_at_once", message));
        }
        if let Some(limit) = self.time.as_deref().and_then(seconds)
            && u64::from(self.warning_seconds) >= limit
        {
            let message = format!(
                "with a time limit of {limit} s, a warning {} s before it would come at once; e.g. {}",
                self.warning_seconds,
                (limit / 4).max(10)
            );
            problems.push(Problem::at("warning_seconds", message));
        }
        if self.gpus > 1 {
            let message = "a run computes on one GPU, so a task of several would leave the others idle: `gpus: 1`, and \
                           `runs_at_once` to share it";
            problems.push(Problem::at("gpus", message));
        }
        for (key, text) in
            [("partition", &self.partition), ("account", &self.account), ("constraint", &self.constraint)]
        {
            if text.as_deref().is_some_and(|text| text.is_empty() || text.contains(char::is_control)) {
                problems.push(Problem::at(key, "must be a word as `sbatch` takes it"));
            }
        }
        for (index, option) in self.extra.iter().enumerate() {
            let name = option.split('=').next().unwrap_or_default();
            let path = format!("extra.{index}");
            if !option.starts_with("--") || option.contains(char::is_control) {
                let message = format!("`{option}` is no long option of `sbatch`, e.g. `--qos=long`");
                problems.push(Problem::at(&path, message));
            } else if RESERVED.contains(&name) {
                problems
                    .push(Problem::at(&path, format!("`{name}` is set by the engine, which depends on it")));
            }
        }
        problems
    }

    /// Bytes of memory for each run of a task; nothing where the cluster decides.
    pub fn memory_per_run(&self) -> Option<u64> {
        let text = self.memory.as_deref()?;
        let digits = text.trim_end_matches(char::is_alphabetic);
        let shift = match &text[digits.len()..] {
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return None,
        };
        // `--mem=0` asks for all that the node has.
        let amount = digits.parse::<u64>().ok().filter(|amount| *amount > 0)?;
        Some((amount << shift) / u64::from(self.runs_at_once))
    }

    /// Sets one setting from text, as on a command line.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = || value.parse::<u32>().map_err(|_| format!("`{key}` is a whole number, not `{value}`"));
        let at_least_one =
            || number().and_then(|n| if n == 0 { Err(format!("`{key}` is at least 1")) } else { Ok(n) });
        let text = || Some(value.to_owned());
        match key {
            "partition" => self.partition = text(),
            "account" => self.account = text(),
            "time" => self.time = text(),
            "cpus" => self.cpus = Some(at_least_one()?),
            "memory" => self.memory = text(),
            "gpus" => self.gpus = number()?,
            "constraint" => self.constraint = text(),
            "max_parallel" => self.max_parallel = Some(at_least_one()?),
            "runs_per_task" => self.runs_per_task = at_least_one()?,
            "runs_at_once" => self.runs_at_once = at_least_one()?,
            "warning_seconds" => {
                self.warning_seconds = number()?;
                if !(10..=65535).contains(&self.warning_seconds) {
                    return Err("`warning_seconds` lies between 10 and 65535".to_owned());
                }
            }
            "extra" => self.extra.push(value.to_owned()),
            _ => return Err(format!("there is no setting `{key}`; there are {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }
}

/// `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours[:minutes[:seconds]]`, or without a limit.
fn is_time(text: &str) -> bool {
    let numbers = |text: &str, most: usize| {
        let parts: Vec<&str> = text.split(':').collect();
        parts.len() <= most
            && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    match text.split_once('-') {
        Some((days, rest)) => numbers(days, 1) && numbers(rest, 3),
        None => numbers(text, 3) || matches!(text, "UNLIMITED" | "INFINITE"),
    }
}

/// The seconds of a time limit; none where there is no limit.
fn seconds(text: &str) -> Option<u64> {
    let numbers = |text: &str| text.split(':').map(str::parse).collect::<Result<Vec<u64>, _>>().ok();
    Some(match text.split_once('-') {
        Some((days, rest)) => {
            let rest = numbers(rest)?;
            let units = [3600, 60, 1];
            days.parse::<u64>().ok()? * 86_400 + rest.iter().zip(units).map(|(n, unit)| n * unit).sum::<u64>()
        }
        None => match numbers(text)?[..] {
            [minutes] => minutes * 60,
            [minutes, seconds] => minutes * 60 + seconds,
            [hours, minutes, seconds] => hours * 3600 + minutes * 60 + seconds,
            _ => return None,
        },
    })
}

fn is_memory(text: &str) -> bool {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    // Without a unit it would be megabytes, which few people mean.
    text.len() - digits.len() == 1 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What all runs of a plan ask of a cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// Of every cell that isn't excepted.
    pub slurm: Slurm,
    /// The cells for which the suite's overrides say otherwise.
    pub exceptions: Vec<Exception>,
}

/// A cell that asks for something else than the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Which cell.
    pub cell: Cell,
    /// What its runs ask for.
    pub slurm: Slurm,
}

impl Requests {
    /// What the runs of a cell ask for.
    pub fn of(&self, cell: &Cell) -> &Slurm {
        self.exceptions.iter().find(|exception| exception.cell == *cell).map_or(&self.slurm, |e| &e.slurm)
    }

    /// The settings of every class of runs.
    pub fn classes_mut(&mut self) -> impl Iterator<Item = &mut Slurm> {
        std::iter::once(&mut self.slurm)
            .chain(self.exceptions.iter_mut().map(|exception| &mut exception.slurm))
    }
}

#[cfg(test)]
mod tests {
    use super::{Slurm, is_memory, is_time, seconds};

    #[test]
    fn times_and_memory_are_what_sbatch_takes() {
        for time in ["90", "90:30", "2:00:00", "1-12", "1-12:30", "1-0:0:1", "UNLIMITED"] {
            assert!(is_time(time), "{time}");
        }
        for time in ["", "2h", "1-", "-3", "1:2:3:4", "1:", "a", "1-2-3"] {
            assert!(!is_time(time), "{time}");
        }
        assert!(["4G", "800M", "1T"].into_iter().all(is_memory));
        assert!(["", "G", "4", "4GB", "4 G", "-4G", "4GG"].into_iter().all(|memory| !is_memory(memory)));
    }

    #[test]
    fn runs_of_a_task_share_its_memory() {
        let asks = |memory: &str, runs_at_once: u32| Slurm {
            memory: Some(memory.to_owned()),
            runs_at_once,
            ..Slurm::default()
        };
        assert_eq!(asks("4G", 1).memory_per_run(), Some(4 << 30));
        assert_eq!(asks("800M", 4).memory_per_run(), Some(200 << 20));
        assert_eq!(asks("0G", 1).memory_per_run(), None);
        assert_eq!(Slurm::default().memory_per_run(), None);
    }

    #[test]
    fn time_limits_are_what_slurm_takes_them_for() {
        for (text, expected) in
            [("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-12", 129_600), ("1-0:30", 88_200)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert_eq!(seconds("UNLIMITED"), None);
    }

    #[test]
    fn what_sbatch_would_misread_or_the_engine_depends_on_is_refused() {
        let refused = |slurm: Slurm, path: &str| {
            let problems = slurm.problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].path, path);
        };
        let extra = |option: &str| Slurm { extra: vec![option.to_owned()], ..Slurm::default() };
        refused(extra("--array=1-2"), "extra.0");
        refused(extra("qos=long"), "extra.0");
        refused(extra("--qos=a\nrm"), "extra.0");
        refused(Slurm { runs_at_once: 2, ..Slurm::default() }, "runs_at_once");
        refused(Slurm { time: Some("2h".into()), ..Slurm::default() }, "time");
        refused(Slurm { time: Some("1".into()), ..Slurm::default() }, "warning_seconds");
        refused(Slurm { gpus: 2, ..Slurm::default() }, "gpus");
        assert_eq!(extra("--qos=long").problems(), []);
    }

    #[test]
    fn every_key_can_be_set_from_text_and_no_other() {
        for key in Slurm::KEYS {
            let mut slurm = Slurm::default();
            assert_eq!(slurm.set(key, "30"), Ok(()));
            assert_ne!(slurm, Slurm::default(), "{key}");
        }
        let keys = serde_json::to_value(Slurm::default()).expect("plain data");
        let keys = keys.as_object().expect("an object").keys();
        assert_eq!(keys.len(), Slurm::KEYS.len());
        assert!(Slurm::default().set("partitoin", "a").is_err());
        assert!(Slurm::default().set("gpus", "two").is_err());
    }
}
