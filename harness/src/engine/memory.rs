//! Whether the system ended processes because memory ran out.
//!
//! The kernel's out-of-memory killer sends the same signal as anybody's `kill -9`. What tells the two apart
//! is the control group's count of such kills.

use std::{fs, path::PathBuf};

/// How many processes of this one's control group the kernel has killed for want of memory; nothing where
/// the system does not say.
pub fn kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = fs::read_to_string(PathBuf::from("/sys/fs/cgroup").join(group).join("memory.events")).ok();
    // Outside of any group of its own a process still counts in the machine's own figures.
    let text = events.or_else(|| fs::read_to_string("/proc/vmstat").ok())?;
    count(&text)
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_count_of_kills_is_read_and_not_that_of_warnings() {
        assert_eq!(count("low 0\noom 7\noom_kill 3\noom_group_kill 1\n"), Some(3));
        assert_eq!(count("low 0\n"), None);
    }
}
