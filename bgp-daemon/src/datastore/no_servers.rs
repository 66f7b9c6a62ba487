//! Replaces `servers` in a program that is built without them.

use tokio::sync::watch;

use super::error::DatastoreError;
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

/// See [`super::load`].
#[expect(clippy::unused_async, reason = "as where there are servers")]
pub(super) async fn load(
    server: Server,
    _: Interest,
    _: &Settings,
) -> Result<Loaded, DatastoreError> {
    Err(DatastoreError::NotBuilt(server))
}

/// See [`super::open`].
pub(super) fn open(server: Server, _: &Settings) -> Result<Box<dyn Store + Send>, StoreError> {
    let error = DatastoreError::NotBuilt(server);
    Err(StoreError::Failed(error.to_string()))
}
