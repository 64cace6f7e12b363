//! The script of a job array.

use crate::plan::Slurm;
use std::path::Path;

/// What a script says beside what its runs ask for.
#[derive(Debug)]
pub struct Script<'a> {
    /// Name of the job, by which its tasks are found in the queue.
    pub name: &'a str,
    /// This program, where every node sees it.
    pub program: &'a Path,
    /// The folder of the submission.
    pub submission: &'a Path,
    /// Which of the submission's arrays.
    pub array: usize,
    /// Tasks of the array.
    pub tasks: usize,
    /// `LibTorch` threads of a run.
    pub threads: u32,
    /// Nodes to stay away from.
    pub exclude: &'a [String],
}

impl Script<'_> {
    /// The text of the script, for runs that ask for `slurm`.
    pub fn text(&self, slurm: &Slurm) -> String {
        let cpus = slurm.cpus.unwrap_or(self.threads * slurm.runs_at_once);
        let limit = slurm.max_parallel.map(|limit| format!("%{limit}")).unwrap_or_default();
        // Slurm takes a per cent sign for the beginning of a placeholder.
        let log = self.submission.join("log").display().to_string().replace('%', "%%");
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--array=0-{}{limit}", self.tasks.saturating_sub(1)),
            option("--output", &format!("{log}/{}-%a.txt", self.array)),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            format!("--signal=B:USR1@{}", slurm.warning_seconds),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={cpus}"),
        ];
        let mut add = |name: &str, value: Option<&str>| {
            options.extend(value.map(|value| option(name, value)));
        };
        add("--partition", slurm.partition.as_deref());
        add("--account", slurm.account.as_deref());
        add("--time", slurm.time.as_deref());
        add("--mem", slurm.memory.as_deref());
        let gpus = (slurm.gpus > 0).then(|| format!("gpu:{}", slurm.gpus));
        add("--gres", gpus.as_deref());
        add("--constraint", slurm.constraint.as_deref());
        let exclude = (!self.exclude.is_empty()).then(|| self.exclude.join(","));
        add("--exclude", exclude.as_deref());
        options.extend(slurm.extra.iter().map(|extra| match extra.split_once('=') {
            Some((name, value)) => option(name, value),
            None => extra.clone(),
        }));
        let options: Vec<String> = options.iter().map(|option| format!("#SBATCH {option}")).collect();
        // The program takes the place of the shell, so that Slurm's warning reaches it.
        format!(
            "#!/bin/sh\n{}\nexec {} task --submission {} --array {}\n",
            options.join("\n"),
            shell_word(self.program),
            shell_word(self.submission),
            self.array
        )
    }
}

/// An option as `#SBATCH` takes it: what is not plain stands in quotes.
fn option(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=[]".contains(c);
    if value.chars().all(plain) {
        return format!("{name}={value}");
    }
    format!("{name}=\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::Script;
    use crate::plan::Slurm;
    use std::path::Path;

    fn script(exclude: &[String]) -> Script<'_> {
        Script {
            name: "apical-quick-1",
            program: Path::new("/shared/it's/apical"),
            submission: Path::new("/shared/50 % done/slurm"),
            array: 2,
            tasks: 40,
            threads: 2,
            exclude,
        }
    }

    #[test]
    fn a_script_asks_for_what_the_suite_asks_for_and_nothing_else() {
        insta::assert_snapshot!(script(&[]).text(&Slurm::default()), @r###"
        #!/bin/sh
        #SBATCH --job-name=apical-quick-1
        #SBATCH --array=0-39
        #SBATCH --output="/shared/50 %% done/slurm/log/2-%a.txt"
        #SBATCH --open-mode=append
        #SBATCH --requeue
        #SBATCH --signal=B:USR1@120
        #SBATCH --nodes=1
        #SBATCH --ntasks=1
        #SBATCH --cpus-per-task=2
        exec '/shared/it'\''s/apical' task --submission '/shared/50 % done/slurm' --array 2
        "###);
        let everything = Slurm {
            partition: Some("gpu,long".into()),
            account: Some("lab".into()),
            time: Some("2:00:00".into()),
            cpus: Some(8),
            memory: Some("16G".into()),
            gpus: 1,
            constraint: Some("a100|h100".into()),
            max_parallel: Some(4),
            runs_per_task: 6,
            runs_at_once: 3,
            warning_seconds: 300,
            extra: vec!["--qos=long".into(), "--comment=a \"b\" \\c".into(), "--exclusive".into()],
        };
        insta::assert_snapshot!(script(&["node7".into()]).text(&everything), @r###"
        #!/bin/sh
        #SBATCH --job-name=apical-quick-1
        #SBATCH --array=0-39%4
        #SBATCH --output="/shared/50 %% done/slurm/log/2-%a.txt"
        #SBATCH --open-mode=append
        #SBATCH --requeue
        #SBATCH --signal=B:USR1@300
        #SBATCH --nodes=1
        #SBATCH --ntasks=1
        #SBATCH --cpus-per-task=8
        #SBATCH --partition=gpu,long
        #SBATCH --account=lab
        #SBATCH --time=2:00:00
        #SBATCH --mem=16G
        #SBATCH --gres=gpu:1
        #SBATCH --constraint="a100|h100"
        #SBATCH --exclude=node7
        #SBATCH --qos=long
        #SBATCH --comment="a \"b\" \\c"
        #SBATCH --exclusive
        exec '/shared/it'\''s/apical' task --submission '/shared/50 % done/slurm' --array 2
        "###);
    }
}
