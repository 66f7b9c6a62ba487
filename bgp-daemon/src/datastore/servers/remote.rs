//! Snapshots of resources on servers: etcd, and the Kubernetes API.
//!
//! One task follows each [`Part`]; the tasks send updates through one bounded channel, and wait for a slow reader. The followed
//! Secrets, and whether services are followed, depend on the resources, and change with them. No snapshot is sent until new parts
//! have answered, so that no session starts without its password.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tracing::{info, warn};

use super::gather::{Gathered, Update};
use super::part::Part;
use crate::datastore::error::DatastoreError;
use crate::datastore::examination::Unread;
use crate::datastore::snapshot::{Interest, Snapshot};
use crate::resources::{FailureDetectionMode, Kind, Loaded, ObjectKey, ResourceSet, SecretKeyRef};
use bgp_speaker::tasks::Tasks;

/// Updates waiting to be gathered; beyond this number, followers wait.
const MAX_UPDATES: usize = 1024;
/// Changes come in groups: how long further ones are awaited.
const SETTLE: Duration = Duration::from_millis(5);

/// A server with resources.
pub(super) trait Origin: Send + Sync {
    /// Lists a part and watches it, until the future is dropped. Failures are reported and retried.
    fn follow(self: Arc<Self>, part: Part, reporter: Reporter) -> Following;
}

/// A running follower.
pub(super) type Following = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Receives the updates of a follower.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    part: Part,
    updates: mpsc::Sender<(Part, Update)>,
}

impl Reporter {
    /// For a part.
    pub(super) fn new(part: Part, updates: mpsc::Sender<(Part, Update)>) -> Self {
        Self { part, updates }
    }

    /// Sends an update. Waits while many are queued.
    pub(super) async fn tell(&self, update: Update) {
        // Without a receiver, the follower is about to be dropped.
        self.updates.send((self.part.clone(), update)).await.ok();
    }
}

/// The servers for each kind of resource.
pub(super) struct Origins {
    /// Calico's resources, and the nodes.
    pub(super) calico: Arc<dyn Origin>,
    /// The kind of the nodes.
    pub(super) nodes: Kind,
    /// Whether they may have the kinds of our own group.
    pub(super) own_kinds: bool,
    /// Services, EndpointSlices and Secrets; or why no server is known.
    pub(super) kubernetes: Result<Arc<dyn Origin>, String>,
}

/// A folder beside the servers: its snapshots.
pub(super) type Beside = Option<watch::Receiver<Snapshot>>;

/// Follows everything in `interest`. Returns once all parts have answered, however long it takes.
pub(super) async fn watch(
    origins: Origins,
    beside: Beside,
    interest: Interest,
    tasks: &Tasks,
) -> watch::Receiver<Snapshot> {
    let mut remote = Remote::new(origins, beside, interest);
    let mut told = None;
    let first = loop {
        if let Some(loaded) = remote.next().await {
            break loaded;
        }
        let obstacle = remote.gathered.waits_for();
        if let Some(obstacle) = obstacle.as_ref().filter(|_| obstacle != told) {
            warn!("waiting for the datastore: {obstacle}");
        }
        told = obstacle;
    };
    let (sender, receiver) = watch::channel(Arc::new(first));
    tasks.job("datastore", remote.publish(sender));
    receiver
}

/// Reads everything once.
///
/// # Errors
///
/// A part cannot be read.
pub(super) async fn load(
    origins: Origins,
    beside: Beside,
    interest: Interest,
) -> Result<Loaded, DatastoreError> {
    let mut remote = Remote::new(origins, beside, interest);
    loop {
        if let Some(loaded) = remote.next().await {
            return Ok(loaded);
        }
        // A single reading does not wait for kinds that may be installed later.
        remote.gathered.settle();
        if let Some(loaded) = remote.gathered.next_snapshot() {
            return Ok(loaded);
        }
        if let Some(obstacle) = remote.gathered.obstacle() {
            return Err(DatastoreError::Unreadable(obstacle));
        }
    }
}

/// Reads everything once, as far as possible within a time.
pub(super) async fn examine(
    origins: Origins,
    beside: Beside,
    interest: Interest,
    time: Duration,
) -> (Option<Loaded>, Vec<Unread>) {
    let mut remote = Remote::new(origins, beside, interest);
    let asking = async {
        let mut loaded = None;
        // The content of one part may require others, which have not been read yet.
        while loaded.is_none() || !remote.gathered.is_answered() {
            let next = remote.next().await;
            remote.gathered.settle();
            loaded = next
                .or_else(|| remote.gathered.next_snapshot())
                .or_else(|| loaded.take());
            if loaded.is_none() && remote.gathered.is_answered() {
                break;
            }
        }
        loaded
    };
    let loaded = tokio::time::timeout(time, asking).await.ok().flatten();
    (loaded, remote.gathered.unread())
}

/// The followers, and their updates.
struct Remote {
    origins: Origins,
    beside: Beside,
    interest: Interest,
    gathered: Gathered,
    followers: BTreeMap<Part, AbortHandle>,
    tasks: JoinSet<()>,
    reporter: mpsc::Sender<(Part, Update)>,
    updates: mpsc::Receiver<(Part, Update)>,
}

impl Remote {
    fn new(origins: Origins, beside: Beside, interest: Interest) -> Self {
        let (reporter, updates) = mpsc::channel(MAX_UPDATES);
        let mut gathered = Gathered::new(interest.standalone);
        if let Some(beside) = &beside {
            gathered.put_beside(Arc::clone(&beside.borrow()));
        }
        let mut remote = Self {
            origins,
            beside,
            interest,
            gathered,
            followers: BTreeMap::new(),
            tasks: JoinSet::new(),
            reporter,
            updates,
        };
        remote.follow_what_is_wanted();
        remote
    }

    /// Waits for an update. Returns the resulting snapshot, if there is one.
    ///
    /// # Panics
    ///
    /// A follower panicked: its part would no longer be updated.
    async fn next(&mut self) -> Option<Loaded> {
        tokio::select! {
            update = self.updates.recv() => self.take(update),
            beside = next_of(&mut self.beside) => self.gathered.put_beside(beside),
            Some(ended) = self.tasks.join_next() => {
                // A follower that is no longer needed was cancelled.
                if let Some(panic) = ended.err().filter(JoinError::is_panic) {
                    std::panic::resume_unwind(panic.into_panic());
                }
                return None;
            }
        }
        let noticed = Some(Instant::now());
        // More changes of the same group are in flight.
        let settled = tokio::time::sleep(SETTLE);
        tokio::pin!(settled);
        loop {
            tokio::select! {
                () = &mut settled => break,
                update = self.updates.recv() => self.take(update),
            }
        }
        self.follow_what_is_wanted();
        let snapshot = self.gathered.next_snapshot()?;
        Some(Loaded {
            noticed,
            ..snapshot
        })
    }

    fn take(&mut self, update: Option<(Part, Update)>) {
        // The channel never ends: we hold a sender.
        if let Some((part, update)) = update {
            self.gathered.take(&part, update);
        }
    }

    async fn publish(mut self, sender: watch::Sender<Snapshot>) {
        loop {
            let next = tokio::select! {
                () = sender.closed() => return,
                next = self.next() => next,
            };
            if let Some(loaded) = next {
                let (objects, problems) = (loaded.set.len(), loaded.problems.len());
                info!(objects, problems, "datastore changed");
                sender.send_replace(Arc::new(loaded));
            }
        }
    }

    fn follow_what_is_wanted(&mut self) {
        let sets: Vec<&ResourceSet> = self.gathered.sets().collect();
        let wanted = wanted(&self.interest, &self.origins, &sets);
        self.followers.retain(|part, follower| {
            let keep = wanted.contains(part);
            if !keep {
                follower.abort();
                self.gathered.forget(part);
            }
            keep
        });
        for part in wanted {
            if !self.followers.contains_key(&part) {
                self.follow(part);
            }
        }
    }

    fn follow(&mut self, part: Part) {
        self.gathered.expect(part.clone());
        let reporter = Reporter::new(part.clone(), self.reporter.clone());
        let following: Following = match (&self.origins.kubernetes, part.is_of_store()) {
            (_, true) => Arc::clone(&self.origins.calico).follow(part.clone(), reporter),
            (Ok(kubernetes), false) => Arc::clone(kubernetes).follow(part.clone(), reporter),
            (Err(reason), false) => {
                let reason = reason.clone();
                Box::pin(async move { reporter.tell(Update::Failed(reason)).await })
            }
        };
        self.followers.insert(part, self.tasks.spawn(following));
    }
}

/// The next state of the folder beside the servers. Never, if there is none or it has ended.
async fn next_of(beside: &mut Beside) -> Snapshot {
    if let Some(receiver) = beside
        && receiver.changed().await.is_ok()
    {
        return Arc::clone(&receiver.borrow_and_update());
    }
    std::future::pending().await
}

/// The parts that a speaker needs, given the resources.
fn wanted(interest: &Interest, origins: &Origins, sets: &[&ResourceSet]) -> BTreeSet<Part> {
    let mut kinds = vec![origins.nodes];
    let peers = || sets.iter().flat_map(|set| set.bgp_peers());
    let configurations = || sets.iter().flat_map(|set| set.bgp_configurations());
    if !interest.standalone {
        kinds.extend([
            Kind::BgpConfiguration,
            Kind::BgpPeer,
            Kind::BgpFilter,
            Kind::IpPool,
            Kind::CalicoNodeStatus,
        ]);
        if !interest.use_pod_cidr {
            kinds.push(Kind::BlockAffinity);
        }
        let mut modes = peers().map(|peer| peer.spec.failure_detection_mode);
        if modes.any(|mode| mode == Some(FailureDetectionMode::BFDIfDirectlyConnected)) {
            kinds.push(Kind::BfdConfiguration);
        }
    }
    let advertises = configurations().any(|configuration| {
        let spec = &configuration.spec;
        let blocks = [
            &spec.service_cluster_ips,
            &spec.service_external_ips,
            &spec.service_load_balancer_ips,
        ];
        blocks.iter().any(|blocks| !blocks.is_empty())
    });
    if advertises || interest.services {
        kinds.extend([Kind::Service, Kind::EndpointSlice]);
    }
    let of_peers = peers().map(|peer| &peer.spec.password);
    let of_mesh = configurations().map(|configuration| &configuration.spec.node_mesh_password);
    let passwords = of_peers.chain(of_mesh).flatten();
    let passwords = passwords.filter_map(|source| source.secret_key_ref.as_ref());
    let secret = |wanted: &SecretKeyRef| {
        Part::Object(ObjectKey {
            kind: Kind::Secret,
            namespace: interest.namespace.clone(),
            name: wanted.name.clone(),
        })
    };
    let own = Kind::all().filter(|kind| origins.own_kinds && kind.is_own());
    let kinds = kinds.into_iter().map(Part::Kind).chain(own.map(Part::Own));
    kinds.chain(passwords.map(secret)).collect()
}

#[cfg(test)]
mod tests;
