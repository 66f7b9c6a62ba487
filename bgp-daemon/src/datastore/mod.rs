//! The sources of resources. Each source sends snapshots of all resources through a channel that keeps the latest one.
//!
//! | source     | how                                                |
//! |------------|----------------------------------------------------|
//! | [`folder`] | files of YAML or JSON documents, watched           |
//! | `servers`  | etcd v3 and the Kubernetes API, listed and watched |
//!
//! Commands that read and change single objects use a [`store`]; that of a folder is [`folder_store`].
//!
//! A source does not validate resources, and keeps them when it is unreachable: the last state stays in force.

pub mod cluster;
mod error;
mod examination;
pub mod folder;
pub mod folder_store;
mod kubernetes_node;
#[cfg(feature = "servers")]
mod servers;
#[cfg(not(feature = "servers"))]
#[path = "no_servers.rs"]
mod servers;
mod settings;
mod snapshot;
mod spec;
pub mod store;
pub mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use self::cluster::Cluster;
pub use self::error::DatastoreError;
pub use self::examination::{Examination, Unread};
use self::folder_store::{Access, FolderStore};
pub use self::settings::Settings;
pub use self::snapshot::{Interest, Snapshot};
pub use self::spec::{DatastoreSpec, DatastoreSpecError, Server};
use self::store::{Store, StoreError};
use crate::resources::{Loaded, ResourceSet};
use bgp_speaker::tasks::Tasks;

/// Reads a source and watches it. Returns once the first state is known, waiting for a server that is unreachable. Must be called
/// within a tokio runtime.
///
/// # Errors
///
/// The folder cannot be read, or the location of the server is unknown.
pub async fn watch(
    spec: &DatastoreSpec,
    interest: Interest,
    settings: &Settings,
    tasks: &Tasks,
) -> Result<watch::Receiver<Snapshot>, DatastoreError> {
    match spec {
        DatastoreSpec::Folder(path) => Ok(folder::watch(path, tasks).await?),
        DatastoreSpec::Server(server) => servers::watch(*server, interest, settings, tasks).await,
    }
}

/// Reads a source once.
///
/// # Errors
///
/// The source cannot be read.
pub async fn load(
    spec: &DatastoreSpec,
    interest: Interest,
    settings: &Settings,
) -> Result<Loaded, DatastoreError> {
    match spec {
        DatastoreSpec::Folder(path) => Ok(ResourceSet::load(std::slice::from_ref(path))),
        DatastoreSpec::Server(server) => servers::load(*server, interest, settings).await,
    }
}

/// The Kubernetes cluster for reports, if the settings name one. `None` without one, or with a folder as the source, because its
/// owner did not name a cluster.
pub async fn told_cluster(
    spec: &DatastoreSpec,
    settings: &Settings,
) -> Option<impl Cluster + use<>> {
    match spec {
        DatastoreSpec::Folder(_) => None,
        DatastoreSpec::Server(_) => servers::told_cluster(settings).await,
    }
}

/// Reads everything of a source once, within this time. Unreadable parts are part of the answer.
///
/// # Errors
///
/// The location of the server is unknown.
pub async fn examine(
    spec: &DatastoreSpec,
    interest: Interest,
    settings: &Settings,
    time: Duration,
) -> Result<Examination, DatastoreError> {
    match spec {
        DatastoreSpec::Folder(path) => Ok(examine_folder(path.clone(), time).await),
        DatastoreSpec::Server(server) => servers::examine(*server, interest, settings, time).await,
    }
}

/// A file system may hang: the reading thread is not joined then.
async fn examine_folder(path: PathBuf, time: Duration) -> Examination {
    let (reply, answer) = oneshot::channel();
    let what = path.display().to_string();
    std::thread::spawn(move || {
        let loaded = std::fs::metadata(&path).map(|_| ResourceSet::load(&[path]));
        // The caller may be gone.
        reply.send(loaded).ok();
    });
    let (reason, forbidden) = match tokio::time::timeout(time, answer).await {
        Ok(Ok(Ok(loaded))) => {
            return Examination {
                loaded: Some(loaded),
                ..Examination::default()
            };
        }
        Ok(Ok(Err(error))) => {
            let forbidden = error.kind() == std::io::ErrorKind::PermissionDenied;
            (bgp_speaker::connect::words(&error), forbidden)
        }
        Ok(Err(_)) => ("it cannot be read".to_owned(), false),
        Err(_) => ("no answer".to_owned(), false),
    };
    Examination {
        unread: vec![Unread {
            what,
            reason,
            forbidden,
            required: true,
        }],
        ..Examination::default()
    }
}

/// Opens a source for commands.
///
/// # Errors
///
/// The source cannot be read, or the location of the server is unknown.
pub fn open(
    spec: &DatastoreSpec,
    access: Access,
    settings: &Settings,
) -> Result<Box<dyn Store + Send>, StoreError> {
    match spec {
        DatastoreSpec::Folder(path) => Ok(Box::new(FolderStore::open(path, access)?)),
        DatastoreSpec::Server(server) => servers::open(*server, settings),
    }
}
