//! Where resources come from. Each source gives snapshots of all of them through a channel in which the latest wins.
//!
//! | source     | how                                          |
//! |------------|----------------------------------------------|
//! | [`folder`] | files of YAML or JSON documents, watched     |
//!
//! Commands that read and change single objects do so through a [`store`]; that of a folder is [`folder_store`].
//!
//! A source never judges resources, and never takes them away because it cannot be reached: the last state stays in force.

pub mod folder;
pub mod folder_store;
pub mod store;
pub mod yaml;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::resources::Loaded;

/// All resources at one moment, and what is wrong with some.
pub type Snapshot = Arc<Loaded>;

/// Which source to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastoreSpec {
    /// A folder or a file of YAML or JSON documents.
    Folder(PathBuf),
    /// etcd v3.
    Etcd,
    /// The Kubernetes API.
    Kubernetes,
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
    pub fn from_environment(
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, DatastoreSpecError> {
        let filled = |name: &str| environment(name).filter(|value| !value.is_empty());
        match filled("DATASTORE_TYPE").as_deref() {
            Some("kubernetes") => return Ok(Self::Kubernetes),
            Some("etcdv3") => return Ok(Self::Etcd),
            Some(other) => return Err(DatastoreSpecError::UnknownType(other.to_owned())),
            None => {}
        }
        let endpoints = ["ETCD_ENDPOINTS", "ETCD_DISCOVERY_SRV"]
            .map(|name| filled(name).or_else(|| filled(&format!("CALICO_{name}"))));
        if endpoints.iter().any(Option::is_some) {
            Ok(Self::Etcd)
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
            "etcd" | "etcdv3" => Ok(Self::Etcd),
            "kubernetes" => Ok(Self::Kubernetes),
            path => Ok(Self::Folder(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for DatastoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Etcd => f.write_str("etcd"),
            Self::Kubernetes => f.write_str("kubernetes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_by_name_or_path() {
        assert_eq!("etcd".parse(), Ok(DatastoreSpec::Etcd));
        assert_eq!("kubernetes".parse(), Ok(DatastoreSpec::Kubernetes));
        assert_eq!("./etcd".parse(), Ok(DatastoreSpec::Folder("./etcd".into())));
        assert_eq!("".parse::<DatastoreSpec>(), Err(DatastoreSpecError::Empty));
    }

    #[test]
    fn the_environment_of_calico_names_a_source() {
        let of = |variables: &[(&str, &str)]| {
            DatastoreSpec::from_environment(|key| {
                let found = variables.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            of(&[("DATASTORE_TYPE", "kubernetes")]),
            Ok(DatastoreSpec::Kubernetes)
        );
        assert_eq!(
            of(&[
                ("DATASTORE_TYPE", ""),
                ("CALICO_ETCD_ENDPOINTS", "http://127.0.0.1:2379")
            ]),
            Ok(DatastoreSpec::Etcd)
        );
        assert_eq!(
            of(&[("DATASTORE_TYPE", "consul")]),
            Err(DatastoreSpecError::UnknownType("consul".to_owned()))
        );
        assert_eq!(of(&[]), Err(DatastoreSpecError::Missing));
    }
}
