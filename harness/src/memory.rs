//! How much memory there is, and whether the system ended processes because it ran out.
//!
//! The kernel's out-of-memory killer sends the same signal as anybody's `kill -9`. What tells the two apart
//! is the control group's count of such kills.

use std::{fs, path::PathBuf};

/// Bytes of memory that this process and its children may have: the machine's, or less where a control group limits it.
pub fn total() -> Option<u64> {
    let machine = meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal");
    machine.into_iter().chain(limit()).min()
}

/// Bytes that are free or can be had back from caches.
pub fn available() -> Option<u64> {
    let machine = meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable");
    machine.into_iter().chain(limit()).min()
}

fn meminfo(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The smallest limit on this process's control group and those around it.
fn limit() -> Option<u64> {
    let group = group()?;
    let limit_of =
        |folder: &std::path::Path| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok();
    let root = PathBuf::from("/sys/fs/cgroup");
    root.join(group).ancestors().take_while(|folder| folder.starts_with(&root)).filter_map(limit_of).min()
}

/// This process's control group, below the root of all.
fn group() -> Option<String> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().find_map(|line| line.strip_prefix("0::/")).map(str::to_owned)
}

/// How many processes of this one's control group the kernel has killed for want of memory; nothing where
/// the system does not say.
pub fn kills() -> Option<u64> {
    let events =
        fs::read_to_string(PathBuf::from("/sys/fs/cgroup").join(group()?).join("memory.events")).ok();
    // Outside of any group of its own a process still counts in the machine's own figures.
    let text = events.or_else(|| fs::read_to_string("/proc/vmstat").ok())?;
    count(&text)
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{available, count, meminfo, total};

    #[test]
    fn the_count_of_kills_is_read_and_not_that_of_warnings() {
        assert_eq!(count("low 0\noom 7\noom_kill 3\noom_group_kill 1\n"), Some(3));
        assert_eq!(count("low 0\n"), None);
    }

    #[test]
    fn a_machine_has_at_least_as_much_memory_as_is_available() {
        let text = "MemTotal:       24656888 kB\nMemFree:         1 kB\nMemAvailable:   100 kB\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(24_656_888 * 1024));
        assert_eq!(meminfo(text, "MemAvailable"), Some(102_400));
        assert_eq!(meminfo(text, "Mem"), None);
        assert!(available() <= total() && available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
