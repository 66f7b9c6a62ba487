//! Replaces `servers` in a build without them.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::cluster::{Cluster, ClusterError};
use super::error::DatastoreError;
use super::examination::Examination;
use super::settings::Settings;
use super::snapshot::{Interest, Snapshot};
use super::spec::Server;
use super::store::{Store, StoreError};
use crate::resources::Loaded;
use bgp_speaker::tasks::Tasks;

/// See [`super::watch`].
#[expect(clippy::unused_async, reason = "as where there are servers")]
pub(super) async fn watch(
    server: Server,
    _: Interest,
    _: &Settings,
    _: &Tasks,
) -> Result<watch::Receiver<Snapshot>, DatastoreError> {
    Err(DatastoreError::NotBuilt(server))
}

/// See [`super::told_cluster`].
#[expect(clippy::unused_async, reason = "as where there are servers")]
pub(super) async fn told_cluster(_: &Settings) -> Option<NoCluster> {
    None
}

/// There is none.
pub(super) enum NoCluster {}

impl Cluster for NoCluster {
    async fn node_uid(&self, _: &str) -> Result<String, ClusterError> {
        match *self {}
    }

    async fn set_condition(&self, _: &str, _: &Value) -> Result<(), ClusterError> {
        match *self {}
    }

    async fn post_event(&self, _: &Value) -> Result<(), ClusterError> {
        match *self {}
    }

    async fn put(&self, _: &str, _: &Value) -> Result<(), ClusterError> {
        match *self {}
    }
}

/// See [`super::load`].
#[expect(clippy::unused_async, reason = "as where there are servers")]
pub(super) async fn load(
    server: Server,
    _: Interest,
    _: &Settings,
) -> Result<Loaded, DatastoreError> {
    Err(DatastoreError::NotBuilt(server))
}

/// See [`super::examine`].
#[expect(clippy::unused_async, reason = "as where there are servers")]
pub(super) async fn examine(
    server: Server,
    _: Interest,
    _: &Settings,
    _: Duration,
) -> Result<Examination, DatastoreError> {
    Err(DatastoreError::NotBuilt(server))
}

/// See [`super::open`].
pub(super) fn open(server: Server, _: &Settings) -> Result<Box<dyn Store + Send>, StoreError> {
    let error = DatastoreError::NotBuilt(server);
    Err(StoreError::Failed(error.to_string()))
}
