//! The memory limit of routes: as configured, otherwise half of the memory available to this process.

use std::path::Path;

/// The limit in octets for a number of mebibytes; zero means no limit.
pub(super) fn limit(asked: Option<usize>) -> Option<usize> {
    match asked {
        Some(mebibytes) => Some(mebibytes << 20).filter(|octets| *octets > 0),
        None => {
            available(Path::new("/sys/fs/cgroup"), Path::new("/proc/meminfo")).map(|all| all / 2)
        }
    }
}

/// The memory available to this process: the limit of its control group, or that of the machine.
fn available(cgroup: &Path, meminfo: &Path) -> Option<usize> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    // Versions 2 and 1; without a limit the first has "max", the second an impossibly large number.
    let of_group = ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|name| read(&cgroup.join(name))?.trim().parse().ok());
    let of_machine = read(meminfo).and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    [of_group, of_machine].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_group_and_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (group, machine) = (folder.path(), folder.path().join("meminfo"));
        assert_eq!(available(group, &machine), None);
        std::fs::write(&machine, "MemFree: 1 kB\nMemTotal:    4096 kB\n").unwrap();
        assert_eq!(available(group, &machine), Some(4 << 20));
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(available(group, &machine), Some(4 << 20));
        std::fs::write(group.join("memory.max"), "1048576\n").unwrap();
        assert_eq!(available(group, &machine), Some(1 << 20));
    }

    #[test]
    fn what_is_asked_for_counts() {
        assert_eq!(limit(Some(3)), Some(3 << 20));
        assert_eq!(limit(Some(0)), None);
    }
}
