//! Slurm's commands, as far as the engine needs them, and how what they print is read.
//!
//! Only what has been the same since Slurm 20 is used: no `--json`, whose layout changes between releases, and no
//! accounting, which many clusters keep to themselves.

use crate::plan::Slurm;
use std::{
    collections::BTreeSet,
    io,
    path::Path,
    process::{Command, Output},
};

/// What goes wrong between the engine and Slurm.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// The command is not there.
    #[error(
        "cannot start `{command}`: {cause}; is this a node of the cluster from which jobs are submitted, with Slurm's \
         commands in PATH?"
    )]
    NotFound {
        /// Which.
        command: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// Slurm says no.
    #[error("`{command}` failed: {message}{}", remedy(message))]
    Refused {
        /// Which command.
        command: &'static str,
        /// In its words.
        message: String,
    },
    /// It printed something else than expected.
    #[error("`{command}` printed something unexpected: {output}")]
    Unreadable {
        /// Which command.
        command: &'static str,
        /// What.
        output: String,
    },
}

/// What helps against a refusal, where that is known.
fn remedy(message: &str) -> &'static str {
    let message = message.to_lowercase();
    if message.contains("limit")
        && (message.contains("submit") || message.contains("qos") || message.contains("assoc"))
    {
        "; fewer and longer tasks stay below a limit of jobs: `--slurm runs_per_task=N`"
    } else if message.contains("node configuration") {
        "; `sinfo` shows what the nodes have, `apical run … --dry-run` what is asked for"
    } else {
        ""
    }
}

/// A task of a job array that Slurm has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Name of the job.
    pub name: String,
    /// Id of the job array.
    pub job: String,
    /// Index in it.
    pub task: u32,
    /// E.g. `PENDING`.
    pub state: String,
    /// Where it runs; empty where it doesn't.
    pub node: String,
    /// Why it waits, e.g. `Resources`.
    pub reason: String,
}

impl Queued {
    /// Whether it has been given a node and not given it back.
    pub fn is_on_a_node(&self) -> bool {
        matches!(
            self.state.as_str(),
            "RUNNING" | "CONFIGURING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT"
        )
    }

    /// Whether it waits for somebody to release it, because its launch failed: Slurm itself will not try again.
    pub fn is_held_after_a_failed_launch(&self) -> bool {
        let reason = self.reason.to_lowercase();
        self.state == "PENDING" && (reason.contains("launch failed") || reason.contains("holdmaxrequeue"))
    }

    /// Why it waits, where that is not just its turn.
    pub fn obstacle(&self) -> Option<&str> {
        const TURNS: [&str; 10] = [
            "",
            "None",
            "Priority",
            "Resources",
            "BeginTime",
            "JobArrayTaskLimit",
            "Dependency",
            "Cleaning",
            "Prolog",
            "RaisedSignal",
        ];
        Some(self.reason.as_str()).filter(|reason| self.state == "PENDING" && !TURNS.contains(reason))
    }
}

/// How a task ended, as far as Slurm still knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ending {
    /// E.g. `TIMEOUT`.
    pub state: String,
    /// Exit code and signal, e.g. `0:9`.
    pub exit_code: String,
    /// The node.
    pub node: String,
    /// Slurm's reason, e.g. `NonZeroExitCode`.
    pub reason: String,
    /// The time limit, e.g. `00:01:00`.
    pub time_limit: String,
}

fn call(command: &'static str, prepare: impl FnOnce(&mut Command)) -> Result<Output, SlurmError> {
    let mut process = Command::new(command);
    // Slurm shortens lists of array indices.
    process.env("SLURM_BITSTR_LEN", "0").env("LC_ALL", "C");
    // Filters that somebody has set for what they type would hide tasks from us.
    for (name, _) in std::env::vars_os() {
        if ["SQUEUE_", "SCANCEL_", "SINFO_", "SACCT_"]
            .iter()
            .any(|own| name.to_string_lossy().starts_with(own))
        {
            process.env_remove(name);
        }
    }
    prepare(&mut process);
    process.output().map_err(|cause| SlurmError::NotFound { command, cause })
}

fn text(command: &'static str, output: &Output) -> Result<String, SlurmError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches(&format!("{command}: error: ")).replace('\n', "; ");
    let message = if said.is_empty() { output.status.to_string() } else { said };
    Err(SlurmError::Refused { command, message })
}

/// Submits a script that asks for `slurm`; the id of its job.
///
/// # Errors
/// What Slurm objects to.
pub fn submit(script: &Path, slurm: &Slurm) -> Result<String, SlurmError> {
    let output = call("sbatch", |sbatch| {
        sbatch.arg("--parsable").arg(script);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // A job that submits, as a nightly one may, would pass its own settings on to those that it submits.
            if is_of_a_job(&name) || overrules(&name, slurm) {
                sbatch.env_remove(&*name);
            }
        }
    })?;
    let printed = text("sbatch", &output)?;
    // `id` or `id;cluster`, after lines that a cluster's submission filter may print.
    let id = printed.lines().last().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SlurmError::Unreadable { command: "sbatch", output: printed });
    }
    Ok(id.to_owned())
}

/// Whether a variable of the environment describes the job that this process is in.
fn is_of_a_job(name: &str) -> bool {
    [
        "SLURM_JOB",
        "SLURM_ARRAY",
        "SLURM_MEM",
        "SLURM_CPUS",
        "SLURM_NTASKS",
        "SLURM_NNODES",
        "SLURM_GPUS",
        "SLURM_TRES",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// Whether a variable would overrule what the script says. Where a suite says nothing, a site's defaults count.
fn overrules(name: &str, slurm: &Slurm) -> bool {
    match name {
        "SBATCH_ACCOUNT" => slurm.account.is_some(),
        "SBATCH_PARTITION" => slurm.partition.is_some(),
        "SBATCH_TIMELIMIT" => slurm.time.is_some(),
        "SBATCH_CONSTRAINT" => slurm.constraint.is_some(),
        "SBATCH_MEM_PER_CPU" | "SBATCH_MEM_PER_NODE" | "SBATCH_MEM_PER_GPU" => slurm.memory.is_some(),
        "SBATCH_ARRAY_INX" | "SBATCH_JOB_NAME" | "SBATCH_OUTPUT" | "SBATCH_ERROR" | "SBATCH_OPEN_MODE"
        | "SBATCH_REQUEUE" | "SBATCH_NO_REQUEUE" | "SBATCH_SIGNAL" | "SBATCH_EXPORT" | "SBATCH_WAIT"
        | "SBATCH_CLUSTERS" => true,
        _ => false,
    }
}

/// Every task of the jobs with these names that Slurm has not ended.
///
/// # Errors
/// When Slurm does not answer.
pub fn queue(names: &[String]) -> Result<Vec<Queued>, SlurmError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let output = call("squeue", |squeue| {
        squeue.args(["--noheader", "--array", "--format=%j|%F|%K|%T|%N|%r"]);
        squeue.arg(format!("--name={}", names.join(",")));
    })?;
    Ok(text("squeue", &output)?.lines().filter_map(queued).collect())
}

fn queued(line: &str) -> Option<Queued> {
    let mut fields = line.trim().splitn(6, '|').map(str::to_owned);
    Some(Queued {
        name: fields.next()?,
        job: fields.next()?,
        task: fields.next()?.parse().ok()?,
        state: fields.next()?,
        node: fields.next()?,
        reason: fields.next()?,
    })
}

/// How many tasks an array can have.
///
/// # Errors
/// When Slurm does not answer.
pub fn max_array_size() -> Result<usize, SlurmError> {
    let output = call("scontrol", |scontrol| {
        scontrol.args(["show", "config"]);
    })?;
    let printed = text("scontrol", &output)?;
    array_size(&printed).ok_or(SlurmError::Unreadable {
        command: "scontrol",
        output: "its configuration says nothing of MaxArraySize".to_owned(),
    })
}

fn array_size(configuration: &str) -> Option<usize> {
    let lines = configuration.lines().filter_map(|line| line.split_once('='));
    let number = |wanted: &str| {
        let mut values = lines.clone().filter(|(key, _)| key.trim() == wanted);
        values.next().and_then(|(_, value)| value.trim().parse::<usize>().ok())
    };
    // The index of an array ends one below MaxArraySize, and no more jobs than MaxJobCount are held.
    let size = number("MaxArraySize").filter(|size| *size > 0)?;
    Some(number("MaxJobCount").map_or(size, |count| size.min(count.max(1))))
}

/// How a task of an array ended; nothing where Slurm has forgotten it.
///
/// # Errors
/// When Slurm does not answer, which says nothing about the task.
pub fn ending(job: &str, task: u32) -> Result<Option<Ending>, SlurmError> {
    let id = format!("{job}_{task}");
    let output = call("scontrol", |scontrol| {
        scontrol.args(["--oneliner", "show", "job", &id]);
    })?;
    match text("scontrol", &output) {
        Ok(line) => Ok(job_ending(&line).or_else(|| accounted(&id))),
        Err(SlurmError::Refused { message, .. }) if !is_silence(&message) => Ok(accounted(&id)),
        Err(error) => Err(error),
    }
}

/// Whether a refusal means that nobody was there to answer. What the controller has forgotten it refuses in several ways,
/// one of which is to say nothing.
fn is_silence(message: &str) -> bool {
    let message = message.to_lowercase();
    ["contact", "connect", "communication", "timed out", "protocol", "authentication"]
        .iter()
        .any(|word| message.contains(word))
}

fn job_ending(line: &str) -> Option<Ending> {
    let field = |wanted: &str| {
        let mut fields = line.split_whitespace().filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let state = field("JobState");
    let node = Some(field("NodeList")).filter(|node| node != "(null)").unwrap_or_default();
    (!state.is_empty()).then(|| Ending {
        state,
        exit_code: field("ExitCode"),
        node,
        reason: field("Reason"),
        time_limit: field("TimeLimit"),
    })
}

fn accounted(id: &str) -> Option<Ending> {
    let output = call("sacct", |sacct| {
        sacct.args(["--noheader", "--parsable2", "--allocations", "--jobs", id]);
        sacct.arg("--format=State,ExitCode,NodeList,Timelimit");
    });
    let printed = output.ok().and_then(|output| text("sacct", &output).ok())?;
    let mut fields = printed.lines().last()?.split('|').map(str::to_owned);
    let state = fields.next().filter(|state| !state.is_empty())?;
    Some(Ending {
        // `CANCELLED by 1000`.
        state: state.split_whitespace().next().unwrap_or_default().to_owned(),
        exit_code: fields.next().unwrap_or_default(),
        node: fields.next().unwrap_or_default(),
        reason: String::new(),
        time_limit: fields.next().unwrap_or_default(),
    })
}

/// Whether a task that is to keep away from `nodes` has anywhere else to go.
pub fn has_other_nodes(partition: Option<&str>, nodes: &BTreeSet<String>) -> bool {
    let output = call("sinfo", |sinfo| {
        sinfo.args(["--noheader", "--Node", "--format=%N", "--states=idle,mixed,allocated,completing"]);
        sinfo.args(partition.map(|partition| format!("--partition={partition}")));
    });
    let printed = output.ok().and_then(|output| text("sinfo", &output).ok()).unwrap_or_default();
    printed.lines().map(str::trim).any(|other| !other.is_empty() && !nodes.contains(other))
}

/// Ends jobs or tasks, e.g. `12` or `12_3`; what has ended already is no error.
///
/// # Errors
/// When Slurm does not answer, or they are somebody else's.
pub fn cancel(targets: &[String]) -> Result<(), SlurmError> {
    // A command line holds only so much.
    for some in targets.chunks(500) {
        let output = call("scancel", |scancel| {
            scancel.args(["--full", "--quiet"]).args(some);
        })?;
        match text("scancel", &output) {
            Err(SlurmError::Refused { message, .. }) if message.to_lowercase().contains("invalid job id") => {
            }
            other => drop(other?),
        }
    }
    Ok(())
}

/// Puts the task that this process is in back into the queue.
///
/// # Errors
/// When Slurm does not answer, or does not let it.
pub fn requeue(job: &str) -> Result<(), SlurmError> {
    let output = call("scontrol", |scontrol| {
        scontrol.args(["requeue", job]);
    })?;
    text("scontrol", &output).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_queue_are_read_and_jobs_that_are_no_arrays_passed_over() {
        let running = queued("a|12|3|RUNNING|node2|None").expect("a task");
        assert_eq!((running.job.as_str(), running.task, running.is_on_a_node()), ("12", 3, true));
        let waiting = queued("a|12|4|PENDING||JobArrayTaskLimit").expect("a task");
        assert_eq!((waiting.node.as_str(), waiting.is_on_a_node()), ("", false));
        let held = queued("a|12|5|PENDING||launch failed requeued held").expect("a task");
        assert!(held.is_held_after_a_failed_launch() && !waiting.is_held_after_a_failed_launch());
        assert_eq!(queued("a|13|N/A|RUNNING|node2|None"), None);
        assert_eq!(queued("slurm_load_jobs error: Unable to contact slurm controller"), None);
    }

    #[test]
    fn an_ending_is_read_from_what_scontrol_shows() {
        let line = "JobId=4 ArrayJobId=2 ArrayTaskId=0 JobName=a b JobState=TIMEOUT Reason=TimeLimit Dependency=(null) \
                    ExitCode=0:15 RunTime=00:01:10 TimeLimit=00:01:00 ReqNodeList=(null) NodeList=node1 NumNodes=1";
        let ending = job_ending(line).expect("it says how it ended");
        assert_eq!(
            (
                ending.state.as_str(),
                ending.exit_code.as_str(),
                ending.node.as_str(),
                ending.time_limit.as_str()
            ),
            ("TIMEOUT", "0:15", "node1", "00:01:00")
        );
        assert_eq!(job_ending("slurm_load_jobs error: Invalid job id specified"), None);
    }

    #[test]
    fn a_controller_that_does_not_answer_has_forgotten_nothing() {
        assert!(is_silence("slurm_load_jobs error: Unable to contact slurm controller (connect failure)"));
        assert!(is_silence("slurm_load_jobs error: Socket timed out on send/recv operation"));
        assert!(!is_silence("slurm_load_jobs error: Invalid job id specified"));
        assert!(!is_silence("exit status: 1"));
    }

    #[test]
    fn an_array_is_as_large_as_the_cluster_allows() {
        assert_eq!(
            array_size("MaxArraySize            = 1001\nMaxJobCount             = 10000\n"),
            Some(1001)
        );
        assert_eq!(
            array_size("MaxArraySize            = 50001\nMaxJobCount             = 10000\n"),
            Some(10000)
        );
        assert_eq!(array_size("MaxArraySize            = 0\n"), None);
        assert_eq!(array_size(""), None);
    }
}
