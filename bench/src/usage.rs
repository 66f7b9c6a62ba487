//! The cost of a daemon, from `/proc`: the sum over its process and all child processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Length of the ticks in which `/proc/PID/stat` counts (USER_HZ), the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What some processes have used until now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU time, in user and kernel mode, of all threads.
    pub(crate) cpu: Duration,
    /// Most memory that was ever resident, octets. Of several processes the sum of their peaks.
    pub(crate) peak_memory: u64,
    /// Memory that is resident now, octets.
    pub(crate) memory: u64,
    /// The part of it that is not pages of files, such as the program itself; octets.
    pub(crate) anonymous: u64,
    /// How often a thread went to sleep by itself.
    pub(crate) sleeps: u64,
}

impl Usage {
    /// Of a process and its descendants. A process that has just ended counts as nothing.
    pub(crate) fn of(root: u32) -> Self {
        let mut sum = Self::default();
        for process in family(root) {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            sum.cpu += cpu(&process);
            sum.peak_memory += number(&status, "VmHWM:") * 1024;
            sum.memory += number(&status, "VmRSS:") * 1024;
            sum.anonymous += number(&status, "RssAnon:") * 1024;
            sum.sleeps += sleeps(&process);
        }
        sum
    }
}

/// The directories in `/proc` of a process and its descendants.
fn family(root: u32) -> Vec<PathBuf> {
    let parents: Vec<(u32, u32)> = entries(Path::new("/proc")).filter_map(parent).collect();
    let mut members = vec![root];
    let mut next = 0;
    while let Some(member) = members.get(next).copied() {
        let children = parents.iter().filter(|(_, parent)| *parent == member);
        members.extend(children.map(|(child, _)| child));
        next += 1;
    }
    members
        .into_iter()
        .map(|pid| PathBuf::from(format!("/proc/{pid}")))
        .collect()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// The number of the process in a directory of `/proc`, and that of its parent.
fn parent(process: PathBuf) -> Option<(u32, u32)> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let parent = stat(&process)?.nth(1)?.parse().ok()?;
    Some((pid, parent))
}

/// The fields of `/proc/PID/stat` after the name of the program, which may contain anything.
fn stat(process: &Path) -> Option<impl Iterator<Item = String> + use<>> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<String> = fields.split_ascii_whitespace().map(str::to_owned).collect();
    Some(fields.into_iter())
}

/// In ticks for the process, in nanoseconds for the threads that it has now; the greater is the better known.
fn cpu(process: &Path) -> Duration {
    let ticks: u32 = stat(process)
        .into_iter()
        .flatten()
        .skip(11)
        .take(2)
        .flat_map(|field| field.parse::<u32>())
        .sum();
    let threads = entries(&process.join("task"));
    let nanoseconds: u64 = threads.filter_map(|thread| nanoseconds(&thread)).sum();
    (ticks * TICK).max(Duration::from_nanos(nanoseconds))
}

fn nanoseconds(thread: &Path) -> Option<u64> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn sleeps(process: &Path) -> u64 {
    let threads = entries(&process.join("task"));
    let status = threads.filter_map(|thread| fs::read_to_string(thread.join("status")).ok());
    status
        .map(|status| number(&status, "voluntary_ctxt_switches:"))
        .sum()
}

/// The number on the line of a `status` file that begins so.
fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_ascii_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id());
        assert!(usage.peak_memory >= usage.memory && usage.memory > usage.anonymous);
        assert!(usage.anonymous > 0 && usage.cpu > Duration::ZERO);
    }

    #[test]
    fn numbers_of_a_status_file() {
        let status = "VmPeak:\t  900 kB\nVmHWM:\t  123 kB\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(number(status, "VmHWM:"), 123);
        assert_eq!(number(status, "voluntary_ctxt_switches:"), 0);
    }
}
