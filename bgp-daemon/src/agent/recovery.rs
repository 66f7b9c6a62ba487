//! The start after an earlier run, and the end before the next one (RFC 4724 §4.1).
//!
//! If routes of an earlier run are in the kernel, they forward packets until the peers have sent theirs. Between the start and
//! the first UPDATE there are these waits, and no others:
//!
//! | wait           | for                                                               | because                                                    | at most    |
//! |----------------|-------------------------------------------------------------------|------------------------------------------------------------|------------|
//! | for sessions   | each peer that was up at the end of the earlier run               | its routes were announced to others, and are in the kernel | `UP_BY`    |
//! | for End-of-RIB | each of these that is up and has promised one                     | before that, a missing route is not known to be withdrawn  | `UNTIL`    |
//! | for leftovers  | each configured peer, for `SETTLE` after the start of its session | a peer without End-of-RIB does not signal that it is done  | `LEFTOVERS_UNTIL` |
//!
//! The last one only delays the removal of routes from the kernel. The first two are per family, and delay all decisions,
//! including the announcement of own blocks: a restarting speaker has no routes to advertise before it has selected them (§4.1).
//! Peers lose nothing, because they keep the announcements of the earlier run.
//!
//! So our first UPDATE leaves a millisecond after the last End-of-RIB, and the peers determine how long that takes. FRR collects
//! changes for a second or more before its first UPDATE (`bgp coalesce-time`, longer with more neighbours): its End-of-RIB was
//! measured 1.2 s after Established. In its own first two minutes FRR also announces a restart (R bit), and such a peer is not
//! awaited (RFC 4724 §4.1).
//!
//! The peers that are up are recorded in a file, the `Register`. Without it every configured peer counts as having been up.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::session::State;
use bgp_core::types::Family;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::elapsed_secs;
use crate::plan::{Peer, Plan, address_in};
use bgp_speaker::alarms::Alarms;
use bgp_speaker::forwarding::Forwarding;
use bgp_speaker::{Ended, Inquirer, NeighbourStatus, Speaker};

/// Peers that were up before must be up again by then.
pub(crate) const UP_BY: Duration = Duration::from_secs(30);
/// End of all waits (the selection deferral timer of RFC 4724 §4.1).
pub(crate) const UNTIL: Duration = Duration::from_secs(120);

/// A peer that has been up for this long counts as complete, even without an End-of-RIB.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);
/// Leftovers in the kernel may lead to peers that come back late; they are removed by then.
const LEFTOVERS_UNTIL: Duration = Duration::from_secs(240);

/// The register's name in the run directory.
pub const FILE_NAME: &str = "peers-up.json";
/// Largest register, octets: about 15,000 sessions. A larger one is neither written nor read.
const MAX_SIZE: u64 = 1 << 20;
/// Version of the register's format.
const VERSION: u32 = 1;

/// The file that records the peers that are up, for the next run.
#[derive(Clone, Debug)]
pub(super) struct Register {
    pub(super) file: PathBuf,
    pub(super) node: String,
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    node: String,
    up: BTreeSet<String>,
}

impl Register {
    /// The peers that were up when the earlier run ended; `None` if unknown.
    pub(super) fn read(&self) -> Option<BTreeSet<String>> {
        match self.try_read() {
            Ok(up) => Some(up),
            Err(error) => {
                let file = self.file.display();
                info!(%file, "it is not known which peers were up before, so all count: {error}");
                None
            }
        }
    }

    fn try_read(&self) -> io::Result<BTreeSet<String>> {
        // A pipe or a link in its place must not block the start.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let file = File::options()
            .read(true)
            .custom_flags(flags)
            .open(&self.file)?;
        let wrong = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if !file.metadata()?.is_file() {
            return wrong("it is not a regular file");
        }
        let mut text = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_SIZE {
            return wrong("it is too large");
        }
        let content: Content = serde_json::from_slice(&text)?;
        if content.version != VERSION {
            return wrong("it has another form");
        }
        if content.node != self.node {
            return wrong("it is of another node");
        }
        Ok(content.up)
    }

    /// Replaces the file atomically. If that fails, the file is removed, because it would be outdated.
    fn write(&self, up: &BTreeSet<Arc<str>>) -> io::Result<()> {
        let written = self.try_write(up);
        if written.is_err() {
            fs::remove_file(&self.file).ok();
        }
        written
    }

    fn try_write(&self, up: &BTreeSet<Arc<str>>) -> io::Result<()> {
        let content = Content {
            version: VERSION,
            node: self.node.clone(),
            up: up.iter().map(|name| String::from(&**name)).collect(),
        };
        let text = serde_json::to_vec(&content)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(io::Error::other("there are too many sessions"));
        }
        let draft = draft_of(&self.file);
        // A crash may have left a file; a link is not followed.
        fs::remove_file(&draft).ok();
        let mut file = File::options().write(true).create_new(true).open(&draft)?;
        file.write_all(&text)?;
        fs::rename(&draft, &self.file)
    }

    /// Updates the file until `stop`. `awaited` peers stay in it until `recovered`: if this run ends earlier, the next one waits
    /// for them.
    pub(super) async fn keep(
        self,
        mut established: watch::Receiver<BTreeSet<Arc<str>>>,
        mut awaited: BTreeSet<Arc<str>>,
        recovered: CancellationToken,
        stop: CancellationToken,
        alarms: Alarms,
    ) {
        let mut written = None;
        loop {
            let mut up = established.borrow_and_update().clone();
            up.extend(awaited.iter().cloned());
            // Sessions that end because this run ends were up at its end.
            if stop.is_cancelled() {
                return;
            }
            if written.as_ref() != Some(&up) {
                let (register, content) = (self.clone(), up.clone());
                let write = tokio::task::spawn_blocking(move || register.write(&content));
                let done = tokio::select! {
                    // A file system that hangs is not awaited.
                    () = stop.cancelled() => return,
                    done = write => done.unwrap_or_else(|error| Err(io::Error::other(error))),
                };
                let wrong = done.as_ref().err().map(|error| {
                    let file = self.file.display();
                    format!(
                        "cannot write {file}: {error}; after a restart all peers are waited for"
                    )
                });
                alarms.set("recovery", "which peers are up", wrong.as_deref());
                written = Some(up);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = established.changed() => if changed.is_err() {
                    return;
                },
                () = recovered.cancelled(), if !awaited.is_empty() => awaited.clear(),
            }
        }
    }
}

fn draft_of(file: &Path) -> PathBuf {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    draft.into()
}

/// Defers all decisions of the speaker for the planned peers that were up; returns them.
///
/// # Errors
///
/// The speaker has ended.
pub(super) async fn wait_for_peers(
    speaker: &Speaker,
    plan: &Plan,
    register: Option<&Register>,
) -> Result<BTreeSet<Arc<str>>, Ended> {
    let known = register.and_then(Register::read);
    let was_up = |peer: &&Arc<Peer>| {
        known
            .as_ref()
            .is_none_or(|known| known.contains(&peer.name))
    };
    let peers = plan.peers.iter().filter(was_up);
    let peers = peers.map(|peer| (Arc::from(&*peer.name), peer.options.families.clone()));
    let peers: Vec<(Arc<str>, Vec<Family>)> = peers.collect();
    let (mut peers, all) = (peers, plan.peers.len());
    let returning = returning(plan, known.iter().flatten());
    speaker.expect_peers(returning.iter().map(|(name, _)| Arc::clone(name)).collect());
    peers.extend(returning);
    let names: BTreeSet<Arc<str>> = peers.iter().map(|(name, _)| Arc::clone(name)).collect();
    speaker.set_bfd_first(names.clone());
    let waiting = peers.len();
    info!("recovery after the start: waiting for {waiting} of {all} peers, those that were up");
    speaker.defer(peers, UP_BY, UNTIL).await?;
    Ok(names)
}

/// Peers that were up and are not planned yet, because they are found while this runs, and their families.
fn returning<'a>(
    plan: &Plan,
    known: impl Iterator<Item = &'a String>,
) -> Vec<(Arc<str>, Vec<Family>)> {
    let is_planned = |name: &str| plan.peers.iter().any(|peer| peer.name == name);
    let in_range = |name: &str| {
        let range = plan
            .listen_ranges
            .iter()
            .find(|range| range.is_name(name))?;
        let template = range.templates().into_iter().flatten().next()?;
        Some(template.options.families.clone())
    };
    let searched = |name: &str| {
        let search = plan.searches.iter().find(|search| search.is_name(name))?;
        Some(match &search.families[..] {
            [] => vec![Family::of(address_in(name)?)],
            families => families.to_vec(),
        })
    };
    let unplanned = known.filter(|name| !is_planned(name));
    let families = |name: &str| in_range(name).or_else(|| searched(name));
    unplanned
        .filter_map(|name| Some((Arc::from(&**name), families(name)?)))
        .collect()
}

/// Removes leftovers in the kernel as soon as every peer has been up for a while, or was awaited for long enough.
pub(super) async fn sweep_leftovers(inquirer: Inquirer, forwarding: Forwarding, boot: Timestamp) {
    let settled = |status: &NeighbourStatus| {
        status.session.state == State::Established && status.since.elapsed() >= SETTLE
    };
    while elapsed_secs(boot) < LEFTOVERS_UNTIL.as_secs()
        && !inquirer.sessions().await.values().all(settled)
    {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // If the forwarding task has ended, that is reported elsewhere.
    forwarding.finish_recovery().await.ok();
}

#[cfg(test)]
mod tests;
