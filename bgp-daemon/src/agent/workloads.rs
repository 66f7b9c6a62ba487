//! Local workloads that peer with this node: watches the folder in which Felix describes them.
//!
//! Output: a channel with the latest state. A file that cannot be read keeps its previous content: a session must not end because
//! Felix is writing. A removed file removes its workload, and so does a removed folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use crate::datastore::folder::{self, Signs, Timing};
use crate::plan::{Workload, WorkloadFiles, read_workload_files};
use crate::resources::Problem;
use bgp_speaker::tasks::Tasks;

/// The workloads at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LocalWorkloads {
    /// Workloads that a BGPPeer selects.
    pub(super) workloads: Vec<Workload>,
    /// Unreadable files.
    pub(super) problems: Vec<Problem>,
}

/// Reads `folder`, which may be missing, and watches it until all receivers are dropped. Must be called within a tokio runtime.
pub(super) async fn watch(folder: PathBuf, tasks: &Tasks) -> watch::Receiver<LocalWorkloads> {
    watch_with(folder, folder::TIMING, tasks).await
}

async fn watch_with(
    folder: PathBuf,
    timing: Timing,
    tasks: &Tasks,
) -> watch::Receiver<LocalWorkloads> {
    let mut follower = Follower {
        folder,
        timing,
        known: BTreeMap::new(),
    };
    let (signs, first) = follower.read().await;
    let (sender, receiver) = watch::channel(first);
    tasks.job("local workloads", follower.run(signs, sender));
    receiver
}

struct Follower {
    folder: PathBuf,
    timing: Timing,
    /// The last readable content of each file.
    known: BTreeMap<PathBuf, Option<Workload>>,
}

impl Follower {
    async fn run(mut self, mut signs: Option<Signs>, sender: watch::Sender<LocalWorkloads>) {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = self.wait(signs.as_mut()) => {}
            }
            let (next, found) = self.read().await;
            signs = next;
            let count = found.workloads.len();
            let changed = sender.send_if_modified(|current| {
                let changed = *current != found;
                *current = found;
                changed
            });
            if changed {
                info!(count, "local workloads that peer have changed");
            }
        }
    }

    async fn wait(&self, signs: Option<&mut Signs>) {
        let Some(signs) = signs else {
            return sleep(self.timing.unwatched).await;
        };
        // A timeout counts as a sign of change.
        if timeout(self.timing.watched, signs.next()).await.is_ok() {
            let end = Instant::now() + self.timing.settle;
            signs.settle(self.timing.quiet, end).await;
        }
    }

    /// Reads the folder after a watch was set up, so that no change is missed in between.
    async fn read(&mut self) -> (Option<Signs>, LocalWorkloads) {
        let (signs, mut files) = read(&self.folder).await;
        let half_written = |files: &WorkloadFiles| files.values().any(Result::is_err);
        if files.as_ref().is_ok_and(half_written) {
            sleep(self.timing.quiet).await;
            (_, files) = read(&self.folder).await;
        }
        let problems = match files {
            Ok(files) => self.take(files),
            Err(error) => {
                let reason = format!("cannot be listed: {error}; its workloads are kept");
                vec![Problem::warning(self.folder.display(), reason)]
            }
        };
        let mut workloads: Vec<Workload> = self.known.values().flatten().cloned().collect();
        workloads.sort();
        let found = LocalWorkloads {
            workloads,
            problems,
        };
        (signs, found)
    }

    /// Takes over the files' content; returns the problems.
    fn take(&mut self, files: WorkloadFiles) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut known = BTreeMap::new();
        for (path, content) in files {
            let workload = content.unwrap_or_else(|reason| {
                problems.push(Problem::warning(path.display(), reason));
                self.known.remove(&path).flatten()
            });
            known.insert(path, workload);
        }
        self.known = known;
        problems
    }
}

async fn read(folder: &Path) -> (Option<Signs>, io::Result<WorkloadFiles>) {
    let path = folder.to_owned();
    let read = move || {
        let signs = Signs::watch(&path).ok();
        (signs, read_workload_files(&path))
    };
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|error| (None, Err(io::Error::other(error))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// So long that only inotify can trigger a reading.
    const BY_EVENTS: Timing = Timing {
        watched: Duration::from_secs(3600),
        unwatched: Duration::from_secs(3600),
        ..folder::TIMING
    };
    /// Only ends a broken test.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn status(peer: &str, address: &str) -> String {
        format!(
            r#"{{"ifaceName":"cali1","ipv4Nets":["{address}/32"],"ipv6Nets":[],"bgpPeerName":"{peer}"}}"#
        )
    }

    async fn see(receiver: &mut watch::Receiver<LocalWorkloads>, wanted: &[&str]) -> usize {
        let addresses = |local: &LocalWorkloads| -> Vec<String> {
            let ipv4 = local.workloads.iter().filter_map(|workload| workload.ipv4);
            ipv4.map(|address| address.to_string()).collect()
        };
        let seen = receiver.wait_for(|local| addresses(local) == wanted);
        match timeout(PATIENCE, seen).await {
            Ok(seen) => seen.expect("the follower lives").problems.len(),
            Err(_) => panic!("{wanted:?} were not seen"),
        }
    }

    /// Promise 6.3.
    #[tokio::test]
    async fn workloads_come_and_go_with_their_files_and_their_folder() {
        let prefix = tempfile::tempdir().expect("a folder");
        let folder = prefix.path().join("endpoint-status");
        let mut receiver = watch_with(folder.clone(), BY_EVENTS, &Tasks::default()).await;
        see(&mut receiver, &[]).await;
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("one"), status("vm", "10.1.0.5")).expect("a file");
        see(&mut receiver, &["10.1.0.5"]).await;
        fs::write(folder.join("two"), status("vm", "10.1.0.6")).expect("a file");
        see(&mut receiver, &["10.1.0.5", "10.1.0.6"]).await;
        fs::write(folder.join("one"), status("", "10.1.0.5")).expect("a file");
        see(&mut receiver, &["10.1.0.6"]).await;
        fs::remove_dir_all(&folder).expect("a folder");
        see(&mut receiver, &[]).await;
    }

    /// Promise 6.4.
    #[tokio::test]
    async fn a_half_written_file_keeps_what_it_said() {
        let prefix = tempfile::tempdir().expect("a folder");
        let folder = prefix.path().join("endpoint-status");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("one"), status("vm", "10.1.0.5")).expect("a file");
        let mut receiver = watch_with(folder.clone(), BY_EVENTS, &Tasks::default()).await;
        assert_eq!(see(&mut receiver, &["10.1.0.5"]).await, 0);
        fs::write(folder.join("one"), r#"{"bgpPeerName":"vm","ipv4Nets":["#).expect("a file");
        fs::write(folder.join("two"), status("vm", "10.1.0.6")).expect("a file");
        let problems = see(&mut receiver, &["10.1.0.5", "10.1.0.6"]).await;
        assert_eq!(problems, 1, "what the file holds is said to be wrong");
        fs::write(folder.join("one"), status("vm", "10.1.0.7")).expect("a file");
        assert_eq!(see(&mut receiver, &["10.1.0.6", "10.1.0.7"]).await, 0);
    }

    /// Promise 6.3.
    #[tokio::test]
    async fn the_folder_may_come_with_all_that_is_above_it() {
        let prefix = tempfile::tempdir().expect("a folder");
        let folder = prefix.path().join("not/there/endpoint-status");
        let mut receiver = watch_with(folder.clone(), BY_EVENTS, &Tasks::default()).await;
        see(&mut receiver, &[]).await;
        let away = prefix.path().join("not/here");
        fs::create_dir_all(&away).expect("a folder");
        fs::write(away.join("one"), status("vm", "10.1.0.5")).expect("a file");
        fs::create_dir(prefix.path().join("not/there")).expect("a folder");
        fs::rename(away, &folder).expect("a rename");
        see(&mut receiver, &["10.1.0.5"]).await;
        fs::remove_dir_all(prefix.path().join("not")).expect("a folder");
        see(&mut receiver, &[]).await;
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("two"), status("vm", "10.1.0.6")).expect("a file");
        see(&mut receiver, &["10.1.0.6"]).await;
    }
}
