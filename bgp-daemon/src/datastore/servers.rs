//! Resources on servers: etcd v3, and the Kubernetes API.
//!
//! | module       | content                                                       |
//! |--------------|---------------------------------------------------------------|
//! | `part`       | what is listed and watched by itself                          |
//! | `layer`      | pure: the objects of one source                               |
//! | `gather`     | pure: combines what servers send into snapshots               |
//! | `remote`     | one follower for each kind of object; publishes the snapshots |
//! | `kubernetes` | the Kubernetes API: follower, and store for commands          |
//! | `etcd`       | etcd: the same                                                |
//! | `pause`      | how long to wait after a failure                              |
//! | `blocking`   | blocking calls of async functions, for commands               |
//!
//! Services, EndpointSlices and Secrets are never in etcd: they are read from the Kubernetes API, if one is configured in
//! addition.

mod blocking;
mod etcd;
mod gather;
mod kubernetes;
mod layer;
mod part;
mod pause;
mod remote;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use self::etcd::EtcdSettings;
use self::etcd::store::EtcdStore;
use self::kubernetes::client::{Kubernetes, Settings as KubernetesSettings};
use self::kubernetes::cluster::ToldCluster;
use self::kubernetes::follow::NodeView;
use self::kubernetes::store::KubernetesStore;
use self::remote::{Beside, Origin, Origins};
use super::error::DatastoreError;
use super::examination::Examination;
use super::folder;
use super::settings::Settings;
use super::snapshot::{Interest, Snapshot};
use super::spec::Server;
use super::store::{Store, StoreError};
use crate::resources::{Kind, Loaded, ResourceSet};
use bgp_speaker::tasks::Tasks;

/// A folder of documents beside the server, such as a mounted ConfigMap.
const DOCUMENTS: &str = "BGP_DAEMON_DOCUMENTS";

/// The folder beside the server, read once.
fn read_beside(settings: &Settings) -> Beside {
    let path = settings.get(DOCUMENTS)?;
    let loaded = ResourceSet::load(&[path.into()]);
    Some(watch::channel(Arc::new(loaded)).1)
}

/// See [`super::watch`].
pub(super) async fn watch(
    server: Server,
    interest: Interest,
    settings: &Settings,
    tasks: &Tasks,
) -> Result<watch::Receiver<Snapshot>, DatastoreError> {
    let origins = origins(server, &interest, settings).await?;
    let beside = match settings.get(DOCUMENTS) {
        Some(path) => Some(folder::watch(Path::new(&path), tasks).await?),
        None => None,
    };
    Ok(remote::watch(origins, beside, interest, tasks).await)
}

/// See [`super::load`].
pub(super) async fn load(
    server: Server,
    interest: Interest,
    settings: &Settings,
) -> Result<Loaded, DatastoreError> {
    let origins = origins(server, &interest, settings).await?;
    remote::load(origins, read_beside(settings), interest).await
}

/// See [`super::examine`].
pub(super) async fn examine(
    server: Server,
    interest: Interest,
    settings: &Settings,
    time: Duration,
) -> Result<Examination, DatastoreError> {
    let origins = origins(server, &interest, settings).await?;
    let of_kubernetes = KubernetesSettings::from_lookup(|name| settings.get(name));
    let ahead = async {
        match of_kubernetes.name_a_server() {
            true => clock_ahead(&of_kubernetes).await,
            false => None,
        }
    };
    let ahead = tokio::time::timeout(time, ahead);
    let examined = remote::examine(origins, read_beside(settings), interest, time);
    let ((loaded, unread), ahead) = tokio::join!(examined, ahead);
    let ahead = ahead.ok().flatten();
    Ok(Examination {
        loaded,
        unread,
        ahead,
    })
}

/// How far the clock of the Kubernetes API server is ahead of ours.
async fn clock_ahead(settings: &KubernetesSettings) -> Option<SignedDuration> {
    let theirs = Kubernetes::new(settings).await.ok()?.time().await?;
    Some(theirs.duration_since(Timestamp::now()))
}

/// See [`super::open`].
pub(super) fn open(
    server: Server,
    settings: &Settings,
) -> Result<Box<dyn Store + Send>, StoreError> {
    Ok(match server {
        Server::Etcd => Box::new(EtcdStore::open(settings)?),
        Server::Kubernetes => Box::new(KubernetesStore::open(settings)?),
    })
}

/// See [`super::told_cluster`].
pub(super) async fn told_cluster(settings: &Settings) -> Option<ToldCluster> {
    let settings = KubernetesSettings::from_lookup(|name| settings.get(name));
    // Errors in the settings are reported by the reader of the resources.
    Kubernetes::new(&settings).await.ok().map(ToldCluster)
}

/// The servers for each kind of resource.
async fn origins(
    server: Server,
    interest: &Interest,
    settings: &Settings,
) -> Result<Origins, DatastoreError> {
    let wrong = |reason: String| DatastoreError::Settings(server, reason);
    let of_kubernetes = KubernetesSettings::from_lookup(|name| settings.get(name));
    match server {
        Server::Etcd => {
            let members = EtcdSettings::new(|name| settings.get(name));
            let members = members.map_err(|error| wrong(error.to_string()))?;
            let beside = match of_kubernetes.name_a_server() {
                true => kubernetes(interest, &of_kubernetes).await,
                false => Err("etcd holds none, and no Kubernetes API is named beside it".into()),
            };
            Ok(Origins {
                calico: Arc::new(etcd::follow::NodeView::new(members, &interest.node)),
                nodes: Kind::Node,
                own_kinds: false,
                kubernetes: beside,
            })
        }
        Server::Kubernetes => {
            let view = kubernetes(interest, &of_kubernetes).await.map_err(wrong)?;
            Ok(Origins {
                calico: Arc::clone(&view),
                nodes: Kind::KubernetesNode,
                own_kinds: true,
                kubernetes: Ok(view),
            })
        }
    }
}

async fn kubernetes(
    interest: &Interest,
    settings: &KubernetesSettings,
) -> Result<Arc<dyn Origin>, String> {
    Ok(Arc::new(NodeView {
        server: Kubernetes::new(settings).await?,
        node: interest.node.clone(),
        standalone: interest.standalone,
    }))
}
