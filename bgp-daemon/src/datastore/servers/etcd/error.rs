//! Errors of etcd.

use thiserror::Error;

/// An error of etcd. No text contains a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::datastore) enum EtcdError {
    /// The settings are unusable.
    #[error("{0}")]
    Settings(String),
    /// No member answers.
    #[error("etcd cannot be reached: {0}")]
    Unreachable(String),
    /// A member refused the request.
    #[error("etcd at {endpoint}: {reason}")]
    Refused {
        /// The member.
        endpoint: String,
        /// Its message.
        reason: String,
    },
    /// The authentication has expired.
    #[error("etcd at {0}: the token is no longer valid")]
    TokenExpired(String),
    /// The requested changes are no longer known.
    #[error("etcd at {0}: the changes are no longer known")]
    Compacted(String),
}

impl EtcdError {
    /// Whether a permission is missing.
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
