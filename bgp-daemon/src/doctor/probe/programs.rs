//! Programs of this network namespace that speak BGP or write routes as BIRD does.

use std::fs;
use std::path::{Path, PathBuf};

/// Names of routing programs in `/proc`. Ours may have some of them, too.
const ROUTING: [&str; 8] = [
    "bird", "bird6", "bgpd", "zebra", "gobgpd", "exabgp", "openbgpd", "holod",
];

/// Running routing programs other than this one: `bird` (pid 4711).
pub(in crate::doctor) fn routing_programs() -> Vec<String> {
    let own_namespace = fs::read_link("/proc/self/ns/net").ok();
    let own_program = identity(Path::new("/proc/self/exe"));
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<(u32, String)> = pids
        .filter_map(|pid| {
            let folder = PathBuf::from(format!("/proc/{pid}"));
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            let name = name.trim_end();
            let is_here = fs::read_link(folder.join("ns/net")).ok() == own_namespace;
            let is_ours = identity(&folder.join("exe")) == own_program;
            (ROUTING.contains(&name) && is_here && !is_ours).then(|| (pid, name.to_owned()))
        })
        .collect();
    found.sort_unstable();
    let shown = found
        .into_iter()
        .map(|(pid, name)| format!("`{name}` (pid {pid})"));
    shown.collect()
}

/// The executable of a program, by device and inode: containers have it under other paths.
fn identity(link: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(link).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
