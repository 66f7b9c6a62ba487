//! How much routes may take up: as the operator says, otherwise half of what this process may have.

use std::path::Path;

/// The limit in octets, of what was asked for in mebibytes; zero asks for none.
pub(super) fn limit(asked: Option<usize>) -> Option<usize> {
    match asked {
        Some(mebibytes) => Some(mebibytes << 20).filter(|octets| *octets > 0),
        None => {
            available(Path::new("/sys/fs/cgroup"), Path::new("/proc/meminfo")).map(|all| all / 2)
        }
    }
}

/// What this process may have: the limit of its control group, or all that the machine has.
fn available(cgroup: &Path, meminfo: &Path) -> Option<usize> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    // Versions 2 and 1; the first says "max" where there is no limit, the second a number that no machine has.
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
