//! Local workloads that peer with this node, from Felix' endpoint status folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::resources::{Problem, from_json_text};

/// A workload on this node that a BGPPeer selects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// The BGPPeer.
    pub peer_name: String,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusFile {
    ipv4_nets: Vec<String>,
    ipv6_nets: Vec<String>,
    bgp_peer_name: String,
}

/// Felix writes no larger files.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// The content of the folder's files, by path: a workload, `None` without a peering, or the reason why the file cannot be read.
pub type WorkloadFiles = BTreeMap<PathBuf, Result<Option<Workload>, String>>;

/// Reads the folder: one file for each workload. A missing folder counts as empty. A file that is being written cannot be read
/// and is a problem; read the folder again a little later.
pub fn load_workloads(folder: &Path) -> (Vec<Workload>, Vec<Problem>) {
    let files = read_workload_files(folder).unwrap_or_default();
    let (mut workloads, mut problems) = (Vec::new(), Vec::new());
    for (path, content) in files {
        match content {
            Ok(workload) => workloads.extend(workload),
            Err(reason) => problems.push(Problem::warning(path.display(), reason)),
        }
    }
    workloads.sort();
    (workloads, problems)
}

/// Reads the folder, file by file. A missing folder counts as empty.
///
/// # Errors
///
/// The folder exists but cannot be listed.
pub fn read_workload_files(folder: &Path) -> io::Result<WorkloadFiles> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(WorkloadFiles::new()),
        Err(error) => return Err(error),
    };
    let mut files = WorkloadFiles::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let small = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_FILE_SIZE);
        if !hidden && small {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string());
            files.insert(path, text.and_then(|text| read(&text)));
        }
    }
    Ok(files)
}

/// Reads a file; `None` for a workload that no BGPPeer selects.
fn read(text: &str) -> Result<Option<Workload>, String> {
    let file: StatusFile = from_json_text(text)?;
    if file.bgp_peer_name.is_empty() {
        return Ok(None);
    }
    let ipv4 = file.ipv4_nets.first().map(|net| net.parse::<Ipv4Net>());
    let ipv6 = file.ipv6_nets.first().map(|net| net.parse::<Ipv6Net>());
    let bad = |_| "the first of ipv4Nets or ipv6Nets is not a prefix".to_owned();
    Ok(Some(Workload {
        peer_name: file.bgp_peer_name,
        ipv4: ipv4.transpose().map_err(bad)?.map(|net| net.addr()),
        ipv6: ipv6.transpose().map_err(bad)?.map(|net| net.addr()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 6.1.
    #[test]
    fn the_first_net_of_each_family_counts() {
        let text = r#"{"ifaceName":"cali1","ipv4Nets":["10.1.0.5/32","10.1.0.6/32"],"ipv6Nets":["fd00::5/128"],"bgpPeerName":"vm"}"#;
        let workload = read(text).unwrap().unwrap();
        assert_eq!(workload.peer_name, "vm");
        assert_eq!(workload.ipv4, "10.1.0.5".parse().ok());
        assert_eq!(workload.ipv6, "fd00::5".parse().ok());
    }

    /// Promise 6.1.
    #[test]
    fn files_without_a_peer_or_half_written_bring_nothing() {
        assert_eq!(
            read(r#"{"ifaceName":"cali1","ipv4Nets":["10.1.0.5/32"]}"#),
            Ok(None)
        );
        assert!(read(r#"{"bgpPeerName":"vm","ipv4Nets":["#).is_err());
        assert!(read(r#"{"bgpPeerName":"vm","ipv4Nets":["x"]}"#).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_none() {
        assert_eq!(load_workloads(Path::new("/nonexistent")), (vec![], vec![]));
    }
}
