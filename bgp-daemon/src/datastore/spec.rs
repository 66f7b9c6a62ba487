//! Selects a source of resources: by name, by path, or by Calico's environment variables.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use super::settings::Settings;

/// A source of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatastoreSpec {
    /// A folder or a file of YAML or JSON documents.
    Folder(PathBuf),
    /// A server; the settings have its location.
    Server(Server),
}

/// A kind of server with resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// etcd v3.
    Etcd,
    /// The Kubernetes API.
    Kubernetes,
}

/// Why text or environment names no source.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DatastoreSpecError {
    /// An empty path.
    #[error("expected a folder, a file, `etcd` or `kubernetes`")]
    Empty,
    /// A value of `DATASTORE_TYPE` that Calico does not know.
    #[error("DATASTORE_TYPE is `{0}`, expected `kubernetes` or `etcdv3`")]
    UnknownType(String),
    /// No source is named.
    #[error(
        "no datastore: give --datastore with a folder, a file, `etcd` or `kubernetes`, or set DATASTORE_TYPE"
    )]
    Missing,
}

impl DatastoreSpec {
    /// `given`, or the source named by the environment of this process.
    ///
    /// # Errors
    ///
    /// None is given, and [`from_settings`](Self::from_settings) finds none.
    pub fn or_of_environment(given: Option<Self>) -> Result<Self, DatastoreSpecError> {
        given.map_or_else(|| Self::from_settings(&Settings::from_env()), Ok)
    }

    /// The source named by Calico's environment variables: `DATASTORE_TYPE`, otherwise etcd if its endpoints are set.
    ///
    /// # Errors
    ///
    /// They name no source, or an unknown one.
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
