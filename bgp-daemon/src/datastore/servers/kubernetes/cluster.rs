//! Reports to the Kubernetes API about a node's speaker.

use kube::Error;
use kube::core::Request;
use kube::core::params::{GetParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::client::{Kubernetes, code};
use crate::datastore::cluster::{Cluster, ClusterError};

/// The field manager (server-side apply).
const MANAGER: &str = "bgp-daemon";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const NODES: &str = "/api/v1/nodes";

/// A server that receives reports.
pub(in crate::datastore) struct ToldCluster(pub(in crate::datastore) Kubernetes);

impl ToldCluster {
    fn failed(&self, error: &Error) -> ClusterError {
        ClusterError {
            reason: self.0.describe(error),
            lasting: matches!(code(error), Some(401 | 403 | 404)),
        }
    }

    async fn apply(
        &self,
        path: &str,
        subresource: Option<&str>,
        object: &Value,
    ) -> Result<(), Error> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let (how, what) = (PatchParams::apply(MANAGER).force(), Patch::Apply(object));
        let request = Request::new(path);
        let request = match subresource {
            Some(subresource) => request.patch_subresource(subresource, name, &how, &what),
            None => request.patch(name, &how, &what),
        };
        self.0.ask::<Value>(request).await.map(drop)
    }
}

impl Cluster for ToldCluster {
    async fn node_uid(&self, node: &str) -> Result<String, ClusterError> {
        let request = Request::new(NODES).get(node, &GetParams::default());
        let found = self.0.ask::<Value>(request).await;
        let found = found.map_err(|error| self.failed(&error))?;
        Ok(found["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    async fn set_condition(&self, node: &str, condition: &Value) -> Result<(), ClusterError> {
        // Conditions are merged by type: those of others stay.
        let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
        let how = PatchParams::default();
        let request = Request::new(NODES).patch_subresource("status", node, &how, &patch);
        let done = self.0.ask::<Value>(request).await;
        done.map(drop).map_err(|error| self.failed(&error))
    }

    async fn post_event(&self, event: &Value) -> Result<(), ClusterError> {
        let octets = event.to_string().into_bytes();
        let request = Request::new(EVENTS).create(&PostParams::default(), octets);
        let done = self.0.ask::<Value>(request).await;
        done.map(drop).map_err(|error| self.failed(&error))
    }

    async fn put(&self, plural: &str, object: &Value) -> Result<(), ClusterError> {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let path = format!("/apis/{version}/{plural}");
        let mut without_status = object.clone();
        if let Some(fields) = without_status.as_object_mut() {
            fields.remove("status");
        }
        let done = match self.apply(&path, Some("status"), object).await {
            // Not there yet; or the kind is missing, which the next request will tell.
            Err(error) if code(&error) == Some(404) => {
                match self.apply(&path, None, &without_status).await {
                    Ok(()) => self.apply(&path, Some("status"), object).await,
                    failed => failed,
                }
            }
            done => done,
        };
        done.map_err(|error| {
            let mut failed = self.failed(&error);
            // Where an object is created by apply, the server does not say which right is missing.
            if failed.reason.ends_with("is forbidden: ") {
                failed.reason += &format!("cannot create resource \"{plural}\"");
            }
            failed
        })
    }
}
