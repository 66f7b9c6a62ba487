//! Where resources come from. Each source gives snapshots of all of them through a channel in which the latest wins.
//!
//! | source         | how                                          |
//! |----------------|----------------------------------------------|
//! | [`folder`]     | files of YAML or JSON documents, watched     |
//! | `servers`      | etcd v3 and the Kubernetes API, listed and watched |
//!
//! Commands that read and change single objects do so through a [`store`]; that of a folder is [`folder_store`].
//!
//! A source never judges resources, and never takes them away because it cannot be reached: the last state stays in force.

pub mod folder;
pub mod folder_store;
mod kubernetes_node;
#[cfg(feature = "servers")]
mod servers;
#[cfg(not(feature = "servers"))]
#[path = "no_servers.rs"]
mod servers;
mod settings;
pub mod store;
pub mod yaml;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;

use self::folder_store::{Access, FolderStore};
pub use self::settings::Settings;
use self::store::{Store, StoreError};
use crate::resources::{Loaded, ResourceSet};
use bgp_speaker::tasks::Tasks;

/// All resources at one moment, and what is wrong with some.
pub type Snapshot = Arc<Loaded>;

/// Which source to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastoreSpec {
    /// A folder or a file of YAML or JSON documents.
    Folder(PathBuf),
    /// A server; the settings say where it is.
    Server(Server),
}

/// A kind of server that holds resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// etcd v3.
    Etcd,
    /// The Kubernetes API.
    Kubernetes,
}

/// What a speaker wants to know, beside what every speaker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The node whose blocks are wanted.
    pub node: String,
    /// Where Secrets with passwords are.
    pub namespace: String,
    /// The node's pod CIDRs take the place of block affinities.
    pub use_pod_cidr: bool,
    /// Services are wanted even if no BGPConfiguration says so.
    pub services: bool,
}

/// Why a source cannot be followed.
#[derive(Debug, Error)]
pub enum DatastoreError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// The server is not known, or what is known of it cannot be used.
    #[error("datastore {0}: {1}")]
    Settings(Server, String),
    /// The server does not give something.
    #[error("datastore: {0}")]
    Unreadable(String),
    /// Left out when the program was built.
    #[error("this program was built without the datastore {0}")]
    NotBuilt(Server),
}

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

/// Text or environment that names no source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DatastoreSpecError {
    /// An empty path.
    #[error("expected a folder, a file, `etcd` or `kubernetes`")]
    Empty,
    /// A value of `DATASTORE_TYPE` that Calico does not know either.
    #[error("DATASTORE_TYPE is `{0}`, expected `kubernetes` or `etcdv3`")]
    UnknownType(String),
    /// Nothing names one.
    #[error(
        "no datastore: give --datastore with a folder, a file, `etcd` or `kubernetes`, or set DATASTORE_TYPE"
    )]
    Missing,
}

impl DatastoreSpec {
    /// What Calico's environment variables name: `DATASTORE_TYPE`, else etcd if its endpoints are set.
    ///
    /// # Errors
    ///
    /// They name none, or one that does not exist.
    pub fn from_settings(settings: &Settings) -> Result<Self, DatastoreSpecError> {
        let filled = |name: &str| settings.get(name);
        match filled("DATASTORE_TYPE").as_deref() {
            Some("kubernetes") => return Ok(Self::Server(Server::Kubernetes)),
            Some("etcdv3") => return Ok(Self::Server(Server::Etcd)),
            Some(other) => return Err(DatastoreSpecError::UnknownType(other.to_owned())),
            None => {}
        }
        let endpoints = ["ETCD_ENDPOINTS", "ETCD_DISCOVERY_SRV"]
            .map(|name| filled(name).or_else(|| filled(&format!("CALICO_{name}"))));
        if endpoints.iter().any(Option::is_some) {
            Ok(Self::Server(Server::Etcd))
        } else {
            Err(DatastoreSpecError::Missing)
        }
    }
}

impl FromStr for DatastoreSpec {
    type Err = DatastoreSpecError;

    /// `etcd`, `kubernetes`, or a path; a path of that name is written `./etcd`.
    fn from_str(text: &str) -> Result<Self, DatastoreSpecError> {
        match text {
            "" => Err(DatastoreSpecError::Empty),
            "etcd" | "etcdv3" => Ok(Self::Server(Server::Etcd)),
            "kubernetes" => Ok(Self::Server(Server::Kubernetes)),
            path => Ok(Self::Folder(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for DatastoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Etcd => "etcd",
            Self::Kubernetes => "kubernetes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_by_name_or_path() {
        assert_eq!("etcd".parse(), Ok(DatastoreSpec::Server(Server::Etcd)));
        assert_eq!(
            "kubernetes".parse(),
            Ok(DatastoreSpec::Server(Server::Kubernetes))
        );
        assert_eq!("./etcd".parse(), Ok(DatastoreSpec::Folder("./etcd".into())));
        assert_eq!("".parse::<DatastoreSpec>(), Err(DatastoreSpecError::Empty));
    }

    #[test]
    fn the_environment_of_calico_names_a_source() {
        let of = |variables: &[(&str, &str)]| {
            let variables = variables.iter();
            let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            DatastoreSpec::from_settings(&Settings::from_map(owned.collect()))
        };
        assert_eq!(
            of(&[("DATASTORE_TYPE", "kubernetes")]),
            Ok(DatastoreSpec::Server(Server::Kubernetes))
        );
        assert_eq!(
            of(&[
                ("DATASTORE_TYPE", ""),
                ("CALICO_ETCD_ENDPOINTS", "http://127.0.0.1:2379")
            ]),
            Ok(DatastoreSpec::Server(Server::Etcd))
        );
        assert_eq!(
            of(&[("DATASTORE_TYPE", "consul")]),
            Err(DatastoreSpecError::UnknownType("consul".to_owned()))
        );
        assert_eq!(of(&[]), Err(DatastoreSpecError::Missing));
    }
}
