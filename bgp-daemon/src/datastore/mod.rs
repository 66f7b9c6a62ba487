//! Where resources come from. Each source gives snapshots of all of them through a channel in which the latest wins.
//!
//! | source         | how                                          |
//! |----------------|----------------------------------------------|
//! | [`folder`]     | files of YAML or JSON documents, watched     |
//! | `servers`      | etcd v3 and the Kubernetes API, listed and watched |
//!
//! Commands that read and change single objects do so through a [`store`]; that of a folder is [`folder_store`].
//!
//! A source does not validate resources, and keeps them when it cannot be reached: the last state stays in force.

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

/// Reads a source and follows its changes. Returns once the first state is known; of a server that cannot be reached, that is
/// waited for. Must be called within a tokio runtime.
///
/// # Errors
///
/// The folder cannot be read, or nothing says where the server is.
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
/// It cannot be read.
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

/// The Kubernetes cluster that is told of the speaker, if settings name one. `None` without one, or with a folder as the source: its owner did not
/// say that there is a cluster.
pub async fn told_cluster(
    spec: &DatastoreSpec,
    settings: &Settings,
) -> Option<impl Cluster + use<>> {
    match spec {
        DatastoreSpec::Folder(_) => None,
        DatastoreSpec::Server(_) => servers::told_cluster(settings).await,
    }
}

/// Asks everything of a source once, for at most this time. What cannot be read is part of the answer.
///
/// # Errors
///
/// Nothing says where the server is.
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

/// A file system may hang: the thread that reads is not waited for then.
async fn examine_folder(path: PathBuf, time: Duration) -> Examination {
    let (reply, answer) = oneshot::channel();
    let what = path.display().to_string();
    std::thread::spawn(move || {
        let loaded = std::fs::metadata(&path).map(|_| ResourceSet::load(&[path]));
        // Whoever asked may have gone.
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
/// It cannot be read, or nothing says where the server is.
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
