//! etcd v3: Calico's resources and claims of blocks, as calicoctl and Calico's IPAM write them.
//!
//! | module       | what it is                                                |
//! |--------------|-----------------------------------------------------------|
//! | `api`        | the part of etcd's gRPC API that is needed                |
//! | `settings`   | where its members are, and who we are to them             |
//! | `client`     | a connection to one of them                               |
//! | `keys`       | keys and values to objects, and back                      |
//! | [`follow`]   | lists and watches, for the speaker                        |
//! | [`store`]    | reads and changes single objects, for commands            |
//!
//! Services, EndpointSlices and Secrets are never here: they are those of Kubernetes.

mod api;
mod client;
pub(super) mod follow;
mod keys;
mod settings;
pub(super) mod store;

use thiserror::Error;

pub(super) use self::settings::EtcdSettings;

/// Why etcd did not do it. No text holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum EtcdError {
    /// What is known of it cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No member answers.
    #[error("etcd cannot be reached: {0}")]
    Unreachable(String),
    /// A member has answered that it does not do it.
    #[error("etcd at {endpoint}: {reason}")]
    Refused {
        /// The member.
        endpoint: String,
        /// Its words.
        reason: String,
    },
    /// It has forgotten who we are.
    #[error("etcd at {0}: the token is no longer valid")]
    TokenExpired(String),
    /// It no longer knows what has changed since.
    #[error("etcd at {0}: the changes are no longer known")]
    Compacted(String),
}

impl EtcdError {
    /// Whether a new connection may help.
    fn is_of_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TokenExpired(_))
    }
}
