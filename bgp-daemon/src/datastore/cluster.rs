//! A Kubernetes cluster as it is told of a node's speaker.

use serde_json::Value;

/// Why the cluster could not be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ClusterError {
    /// What the server says.
    pub reason: String,
    /// It will say so again until an operator changes something: a right or a kind is missing.
    pub lasting: bool,
}

/// Where Events and status objects are written.
pub trait Cluster: Send + 'static {
    /// The unique identifier of a Node.
    fn node_uid(&self, node: &str) -> impl Future<Output = Result<String, ClusterError>> + Send;

    /// Writes an Event into the namespace `default`.
    fn post_event(&self, event: &Value) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Puts an object of a cluster-wide kind, with its `status`, in the place of the one of its name, or adds it.
    fn put(
        &self,
        plural: &str,
        object: &Value,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}
