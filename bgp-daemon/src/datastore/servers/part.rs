//! The units in which the objects of a server are listed and watched.

use std::fmt;

use crate::resources::{Kind, ObjectKey};

/// A unit that is listed and watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// All objects of a kind of Calico or Kubernetes.
    Kind(Kind),
    /// All objects of a kind of our own group.
    Own(Kind),
    /// A single object: a Secret, because Secrets cannot be listed.
    Object(ObjectKey),
}

impl Part {
    /// The kind of its objects.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Kind(kind) | Self::Own(kind) => *kind,
            Self::Object(key) => key.kind,
        }
    }

    pub(super) fn covers(&self, key: &ObjectKey) -> bool {
        match self {
            Self::Kind(kind) | Self::Own(kind) => *kind == key.kind,
            Self::Object(only) => only == key,
        }
    }

    /// Whether it is Calico's or a Node; the others are in Kubernetes only. Permission for those is up to the operator.
    pub(super) fn is_of_store(&self) -> bool {
        !matches!(
            self.kind(),
            Kind::Service | Kind::EndpointSlice | Kind::Secret
        )
    }

    /// Whether a snapshot requires it. BFDConfiguration, of Calico Enterprise, need not exist, and our own kinds need not in a
    /// cluster with Calico.
    pub(super) fn is_required(&self, standalone: bool) -> bool {
        match self {
            Self::Own(_) => standalone,
            Self::Kind(_) | Self::Object(_) => {
                self.is_of_store() && self.kind() != Kind::BfdConfiguration
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind.plural()),
            Self::Own(kind) => write!(f, "{}.bgp-daemon.io", kind.plural()),
            Self::Object(key) => key.fmt(f),
        }
    }
}
