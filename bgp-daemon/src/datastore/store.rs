//! What the commands need of a datastore: to read and to change single objects. Each source has one
//! implementation; that of a folder is [`folder_store`](super::folder_store).
//!
//! Objects are JSON of Calico's v3 API. A store keeps them and does not validate them: what may be written is for the caller to
//! know, and objects that are wrong can be read, replaced and deleted like any other.

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
    /// It does not exist, or the datastore cannot be read.
    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError>;

    /// Adds an object. Returns it as it was stored.
    ///
    /// # Errors
    ///
    /// It exists, or the datastore cannot be written; then it is as it was.
    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError>;

    /// Puts an object in the place of the one of that name, if that one still has this resource version. Returns it as it
    /// was stored.
    ///
    /// # Errors
    ///
    /// There is none, it has another version, or the datastore cannot be written; then it is as it was.
    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError>;

    /// Removes an object; if a resource version is given, only that one.
    ///
    /// # Errors
    ///
    /// There is none, it has another version, or the datastore cannot be written; then it is as it was.
    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError>;

    /// What changes since the last call could not keep of how somebody wrote an object: comments, order. One sentence each.
    fn losses(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Puts another `status` into an object, and touches nothing else of it.
    ///
    /// # Errors
    ///
    /// There is none, it has just been changed, or the datastore cannot be written; then it is as it was.
    fn write_status(&mut self, key: &ObjectKey, status: Value) -> Result<(), StoreError> {
        let mut object = self.read(key)?;
        let version = resource_version(&object).to_owned();
        object["status"] = status;
        self.update(key, &object, &version)?;
        Ok(())
    }
}

/// Why a store did not do it. The texts are those of calicoctl.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// There is no such object.
    #[error(
        "resource does not exist: {} with error: {}.projectcalico.org \"{}\" not found",
        identifier(.0), .0.kind.plural(), .0.name
    )]
    NotFound(ObjectKey),
    /// There is one already.
    #[error(
        "resource already exists: {} with error: {}.projectcalico.org \"{}\" already exists in {}",
        identifier(.key), .key.kind.plural(), .key.name, .place
    )]
    AlreadyExists {
        /// Which.
        key: ObjectKey,
        /// Where.
        place: String,
    },
    /// It has been changed since that version.
    #[error("update conflict: {}", identifier(.0))]
    Conflict(ObjectKey),
    /// This object cannot be changed in this way.
    #[error("operation {operation} is not supported on {}: {reason}", identifier(.key))]
    Unsupported {
        /// `create`, `update` or `delete`.
        operation: &'static str,
        /// Which.
        key: ObjectKey,
        /// Why.
        reason: String,
    },
    /// The datastore cannot be read or written, as the sentence says.
    #[error("{0}")]
    Failed(String),
}

/// An object as calicoctl's messages name it: `BGPPeer(tor)`.
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
