//! The Kubernetes cluster to which the speaker's state is reported.

use serde_json::Value;

/// Why a report failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ClusterError {
    /// The server's message.
    pub reason: String,
    /// Repeating the request is useless until an operator changes something: a permission or a kind is missing.
    pub lasting: bool,
}

/// Writes Events and status objects.
pub trait Cluster: Send + 'static {
    /// The unique identifier of a Node.
    fn node_uid(&self, node: &str) -> impl Future<Output = Result<String, ClusterError>> + Send;

    /// Sets a condition in the status of a Node.
    fn set_condition(
        &self,
        node: &str,
        condition: &Value,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Writes an Event into the namespace `default`.
    fn post_event(&self, event: &Value) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Creates or replaces an object of a cluster-wide kind, with its `status`.
    fn put(
        &self,
        plural: &str,
        object: &Value,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}
