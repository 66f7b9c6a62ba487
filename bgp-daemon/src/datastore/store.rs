//! The interface that commands need of a datastore: reading and changing single objects. Each source has one implementation; that
//! of a folder is [`folder_store`](super::folder_store).
//!
//! Objects are JSON of Calico's v3 API. A store does not validate them: the caller decides what may be written, and invalid
//! objects can be read, replaced and deleted like any other.

use serde_json::Value;
use thiserror::Error;

use crate::resources::{Kind, ObjectKey};

/// A datastore that can be changed.
pub trait Store {
    /// All objects of a kind, by name. Each has its `metadata.resourceVersion`.
    ///
    /// # Errors
    ///
    /// The datastore cannot be read.
    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError>;

    /// One object, with its `metadata.resourceVersion`.
    ///
    /// # Errors
    ///
    /// The object does not exist, or the datastore cannot be read.
    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError>;

    /// Adds an object. Returns the stored object.
    ///
    /// # Errors
    ///
    /// The object exists, or the datastore cannot be written; it is then unchanged.
    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError>;

    /// Replaces an object, if the stored one has this resource version. Returns the stored object.
    ///
    /// # Errors
    ///
    /// The object does not exist or has another version, or the datastore cannot be written; it is then unchanged.
    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError>;

    /// Removes an object; with a resource version, only that version.
    ///
    /// # Errors
    ///
    /// The object does not exist or has another version, or the datastore cannot be written; it is then unchanged.
    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError>;

    /// Parts of objects' formatting that changes since the last call could not preserve, such as comments and order. One sentence
    /// each.
    fn losses(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Replaces only the `status` of an object.
    ///
    /// # Errors
    ///
    /// The object does not exist or was just changed, or the datastore cannot be written; it is then unchanged.
    fn write_status(&mut self, key: &ObjectKey, status: Value) -> Result<(), StoreError> {
        let mut object = self.read(key)?;
        let version = resource_version(&object).to_owned();
        object["status"] = status;
        self.update(key, &object, &version)?;
        Ok(())
    }
}

/// Why a store refused. The texts are those of calicoctl.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The object does not exist.
    #[error(
        "resource does not exist: {} with error: {}.projectcalico.org \"{}\" not found",
        identifier(.0), .0.kind.plural(), .0.name
    )]
    NotFound(ObjectKey),
    /// The object exists already.
    #[error(
        "resource already exists: {} with error: {}.projectcalico.org \"{}\" already exists in {}",
        identifier(.key), .key.kind.plural(), .key.name, .place
    )]
    AlreadyExists {
        /// The object.
        key: ObjectKey,
        /// The datastore.
        place: String,
    },
    /// The object was changed since that version.
    #[error("update conflict: {}", identifier(.0))]
    Conflict(ObjectKey),
    /// The object cannot be changed in this way.
    #[error("operation {operation} is not supported on {}: {reason}", identifier(.key))]
    Unsupported {
        /// `create`, `update` or `delete`.
        operation: &'static str,
        /// The object.
        key: ObjectKey,
        /// The reason.
        reason: String,
    },
    /// The datastore cannot be read or written, with the reason.
    #[error("{0}")]
    Failed(String),
}

/// The name of an object in calicoctl's messages: `BGPPeer(tor)`.
pub fn identifier(key: &ObjectKey) -> String {
    let kind = key.kind.name();
    match key.namespace.as_str() {
        "" => format!("{kind}({})", key.name),
        namespace => format!("{kind}({namespace}/{})", key.name),
    }
}

/// The `metadata.resourceVersion` of an object; empty if it has none.
pub fn resource_version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
}
