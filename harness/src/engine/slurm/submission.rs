//! A submission: the folder in which a set of runs is handed over to Slurm.
//!
//! ```text
//! <results>/slurm/programs/apical-<digest>            the program, so that its jobs all compute with the same one
//! <results>/slurm/<suite>/<number>-…/submission.json   its arrays, their job ids, and which runs each task has
//! <results>/slurm/<suite>/<number>-…/manifest-<k>.jsonl   the runs of array k in full, a task a line
//! <results>/slurm/<suite>/<number>-…/array-<k>.sh      its script
//! <results>/slurm/<suite>/<number>-…/log/<k>-<task>.txt   what each task said
//! ```
//! It is written before Slurm hears of it, and its job ids as they come, so whoever finds it later, on another machine
//! and after the submitter's death, knows what to look for in the queue. It never says what is done: run directories do.

use super::{commands, script::Script};
use crate::{
    digest::hexadecimal,
    plan::{PlannedRun, Slurm},
    record::{
        Store, StoreError,
        files::{self, unique_name},
    },
    spec::RunId,
};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

/// Version of the files of a submission.
const FORMAT: u32 = 1;

/// What every task of a submission needs to know beside its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// The results folder, as an absolute path.
    pub results: PathBuf,
    /// A folder of data sets that the user named.
    pub data: Option<PathBuf>,
    /// What runs compute on; by default the GPU where a task asks for one, else the processor.
    pub device: Option<String>,
    /// `LibTorch` threads of each run.
    pub threads: u32,
    /// After how many seconds a run is stopped.
    pub timeout_seconds: Option<f64>,
    /// How often a lost run is tried again.
    pub retries: u32,
    /// Least time between a run's checkpoints, in seconds.
    pub checkpoint_seconds: f64,
}

/// A run as a task is given it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// The run.
    pub run: PlannedRun,
    /// Number of the latest attempt that had been made when somebody asked for the run: losses up to there don't count.
    pub since: u32,
}

/// A job array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// Name of its job, which no other has.
    pub name: String,
    /// What its tasks ask for.
    pub slurm: Slurm,
    /// Id of the job; absent where the submitter ended before it was known.
    pub job: Option<String>,
    /// The runs of each task.
    pub tasks: Vec<Vec<RunId>>,
}

/// What `submission.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    settings: TaskSettings,
    arrays: Vec<Array>,
}

/// A submission.
#[derive(Debug, Clone)]
pub struct Submission {
    folder: PathBuf,
    record: Record,
}

/// Runs that go into one array: what they ask for, and the tasks.
pub type Class = (Slurm, Vec<Vec<Assigned>>);

/// Puts runs together that ask for the same, `runs_per_task` of them into a task, and so many tasks into an array as the
/// cluster allows.
pub fn arrange(runs: Vec<(Slurm, Assigned)>, most_tasks: usize) -> Vec<Class> {
    let mut classes: BTreeMap<Slurm, Vec<Assigned>> = BTreeMap::new();
    for (slurm, run) in runs {
        classes.entry(slurm).or_default().push(run);
    }
    let mut arrays = Vec::new();
    for (slurm, runs) in classes {
        let tasks: Vec<Vec<Assigned>> =
            runs.chunks(slurm.runs_per_task.max(1) as usize).map(<[Assigned]>::to_vec).collect();
        arrays.extend(tasks.chunks(most_tasks.max(1)).map(|tasks| (slurm.clone(), tasks.to_vec())));
    }
    arrays
}

/// The scripts of arrays that are not submitted, for whoever wants to see them first.
pub fn preview(suite: &str, settings: &TaskSettings, program: &Path, arrays: &[Class]) -> Vec<String> {
    let folder = suites_folder(&settings.results, suite).join("NAME");
    let script = |(index, (slurm, tasks)): (usize, &Class)| {
        let name = job_name(suite, "NAME", index);
        let (tasks, threads) = (tasks.len(), settings.threads);
        Script { name: &name, program, submission: &folder, array: index, tasks, threads, exclude: &[] }
            .text(slurm)
    };
    arrays.iter().enumerate().map(script).collect()
}

fn suites_folder(results: &Path, suite: &str) -> PathBuf {
    results.join("slurm").join(suite)
}

/// By its name an array is found in the queue, also where the submitter ended before it learnt the job's id.
fn job_name(suite: &str, name: &str, array: usize) -> String {
    format!("apical-{suite}-{name}-{array}")
}

impl Submission {
    /// Writes a submission and hands its arrays to Slurm.
    ///
    /// # Errors
    /// When the results folder cannot be written, or Slurm objects. Arrays that it had taken until then are in the record.
    pub fn submit(
        suite: &str,
        settings: &TaskSettings,
        program: &Path,
        arrays: Vec<Class>,
        exclude: &[String],
    ) -> Result<Self> {
        let program = install(program, &settings.results)?;
        // Numbered, since clocks of login nodes differ too.
        let folder = suites_folder(&settings.results, suite);
        let number = folders(&folder).last().map_or(0, |last| number(last)) + 1;
        let name = format!("{number:04}-{}", unique_name());
        let folder = folder.join(&name);
        let log = folder.join("log");
        fs::create_dir_all(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut records = Vec::new();
        for (index, (slurm, tasks)) in arrays.into_iter().enumerate() {
            write_manifest(&manifest(&folder, index), &tasks)?;
            let ids = |task: &Vec<Assigned>| task.iter().map(|assigned| assigned.run.id.clone()).collect();
            let tasks = tasks.iter().map(ids).collect();
            records.push(Array { name: job_name(suite, &name, index), slurm, job: None, tasks });
        }
        let record = Record { format: FORMAT, settings: settings.clone(), arrays: records };
        let mut submission = Self { folder, record };
        submission.write()?;
        for index in 0..submission.record.arrays.len() {
            let job = match submission.hand_over(index, &program, exclude) {
                Ok(job) => job,
                Err(error) => return Err(submission.take_back(error)),
            };
            submission.record.arrays[index].job = Some(job);
            submission.write()?;
        }
        Ok(submission)
    }

    /// Cancels what Slurm has taken of a submission that it did not take as a whole.
    fn take_back(&mut self, error: anyhow::Error) -> anyhow::Error {
        let jobs: Vec<String> = self.record.arrays.iter().filter_map(|array| array.job.clone()).collect();
        if jobs.is_empty() {
            return error;
        }
        match commands::cancel(&jobs) {
            Ok(()) => {
                error.context(format!("job {} is cancelled again, so nothing is submitted", jobs.join(", ")))
            }
            Err(other) => {
                error.context(format!("job {} was submitted before and goes on ({other})", jobs.join(", ")))
            }
        }
    }

    fn hand_over(&self, index: usize, program: &Path, exclude: &[String]) -> Result<String> {
        let array = &self.record.arrays[index];
        let path = self.folder.join(format!("array-{index}.sh"));
        let submit = |exclude: &[String]| -> Result<String> {
            let script = Script {
                name: &array.name,
                program,
                submission: &self.folder,
                array: index,
                tasks: array.tasks.len(),
                threads: self.record.settings.threads,
                exclude,
            };
            files::write_atomically(&path, script.text(&array.slurm).as_bytes())?;
            let job = commands::submit(&path, &array.slurm);
            job.with_context(|| format!("cannot submit {}", path.display()))
        };
        // Where there is no other node, the one that is to be avoided is better than none.
        let no_other = |error: &anyhow::Error| format!("{error:#}").contains("node configuration");
        submit(exclude)
            .or_else(|error| if exclude.is_empty() || !no_other(&error) { Err(error) } else { submit(&[]) })
    }

    fn write(&self) -> Result<(), StoreError> {
        let text = serde_json::to_vec(&self.record).expect("a record is plain data");
        files::write_atomically(&self.folder.join("submission.json"), &text)
    }

    /// Reads the submission in a folder.
    ///
    /// # Errors
    /// When it cannot be read, or is another version's.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("submission.json");
        let record: Record = files::read_json(&path, "submission")?;
        if record.format != FORMAT {
            let reason = format!("it has format {}, this program reads format {FORMAT}", record.format);
            return Err(StoreError::Corrupt { path, what: "submission", reason });
        }
        Ok(Self { folder: folder.to_owned(), record })
    }

    /// Every submission of a suite that can be read, in the order in which they were made.
    pub fn all(store: &Store, suite: &str) -> Vec<Self> {
        let folders = folders(&suites_folder(store.root(), suite));
        folders.iter().filter_map(|folder| Self::read(folder).ok()).collect()
    }

    /// Forgets tasks that were taken back: another submission has their runs.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn withdraw(&mut self, tasks: &[(usize, u32)]) -> Result<(), StoreError> {
        for (array, task) in tasks {
            let of = self.record.arrays.get_mut(*array);
            if let Some(runs) = of.and_then(|array| array.tasks.get_mut(*task as usize)) {
                runs.clear();
            }
        }
        self.write()
    }

    /// What its tasks know.
    pub fn settings(&self) -> &TaskSettings {
        &self.record.settings
    }

    /// Its arrays.
    pub fn arrays(&self) -> &[Array] {
        &self.record.arrays
    }

    /// Id of the job of an array, where it is known.
    pub fn job(&self, array: usize) -> Option<&str> {
        self.record.arrays.get(array)?.job.as_deref()
    }

    /// Where the runs of an array stand in full.
    pub fn manifest(&self, array: usize) -> PathBuf {
        manifest(&self.folder, array)
    }

    /// What a task of an array said.
    pub fn log(&self, array: usize, task: u32) -> PathBuf {
        self.folder.join("log").join(format!("{array}-{task}.txt"))
    }

    /// The runs of all tasks of an array in full.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn assigned_to_all(&self, array: usize) -> Result<Vec<Vec<Assigned>>> {
        let path = manifest(&self.folder, array);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let tasks = text.lines().map(serde_json::from_str);
        tasks.collect::<Result<_, _>>().with_context(|| format!("{} is damaged", path.display()))
    }

    /// The runs of a task in full.
    ///
    /// # Errors
    /// When the manifest cannot be read, or has no such task.
    pub fn assigned(&self, array: usize, task: usize) -> Result<Vec<Assigned>> {
        let path = manifest(&self.folder, array);
        let file = fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut lines = BufReader::new(file).lines();
        let line = lines.nth(task).with_context(|| format!("{} has no task {task}", path.display()))?;
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&line).with_context(|| format!("{}: task {task} is damaged", path.display()))
    }
}

/// The folders of a suite's submissions, in their order.
fn folders(suite: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(suite)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort_by_key(|folder| (number(folder), folder.clone()));
    folders
}

fn number(folder: &Path) -> u32 {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn manifest(folder: &Path, array: usize) -> PathBuf {
    folder.join(format!("manifest-{array}.jsonl"))
}

fn write_manifest(path: &Path, tasks: &[Vec<Assigned>]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(fs::File::create(path)?);
        for task in tasks {
            serde_json::to_writer(&mut file, task)?;
            file.write_all(b"\n")?;
        }
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The program's copy in the results folder, made where it is not there yet: jobs that start in a week compute with what was
/// submitted, whatever has been built since.
fn install(program: &Path, results: &Path) -> Result<PathBuf> {
    let context = || format!("cannot copy {} into {}", program.display(), results.display());
    let bytes = fs::read(program).with_context(context)?;
    let digest = hexadecimal(&Sha256::digest(&bytes));
    let folder = results.join("slurm/programs");
    let installed = folder.join(format!("apical-{}", &digest[..12]));
    if installed.exists() {
        return Ok(installed);
    }
    fs::create_dir_all(&folder).with_context(context)?;
    let temporary = folder.join(unique_name());
    let copy = || -> std::io::Result<()> {
        fs::write(&temporary, &bytes)?;
        fs::set_permissions(&temporary, fs::metadata(program)?.permissions())?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &installed)
    };
    copy().inspect_err(|_| drop(fs::remove_file(&temporary))).with_context(context)?;
    Ok(installed)
}
