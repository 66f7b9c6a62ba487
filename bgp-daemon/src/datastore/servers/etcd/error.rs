//! Why etcd did not do it.

use thiserror::Error;

/// Why etcd did not do it. No text holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::datastore) enum EtcdError {
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
    /// Whether it is that we may not.
    pub(super) fn is_forbidden(&self) -> bool {
        let words = [
            "permission denied",
            "authentication failed",
            "user name is empty",
        ];
        matches!(self, Self::Refused { reason, .. } if words.iter().any(|word| reason.contains(word)))
    }

    /// Whether a new connection may help.
    pub(super) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TokenExpired(_))
    }
}
