//! A datastore that only records changes: the effect of a command before it is carried out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::datastore::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey};

/// Objects by key; `None` for a removed object.
pub(in crate::cli) type Changes = BTreeMap<ObjectKey, Option<Value>>;

/// A datastore, and the recorded changes.
pub(in crate::cli) struct Rehearsal<'a> {
    store: &'a dyn Store,
    pub(in crate::cli) changes: Changes,
}

impl<'a> Rehearsal<'a> {
    /// No changes yet.
    pub(in crate::cli) fn of(store: &'a dyn Store) -> Self {
        Self {
            store,
            changes: Changes::new(),
        }
    }

    fn note(&mut self, key: &ObjectKey, object: &Value) -> Value {
        self.changes.insert(key.clone(), Some(object.clone()));
        object.clone()
    }

    fn check_version(&self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        let stored = self.read(key)?;
        match version.is_none_or(|version| version == resource_version(&stored)) {
            true => Ok(()),
            false => Err(StoreError::Conflict(key.clone())),
        }
    }
}

impl Store for Rehearsal<'_> {
    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
        let mut objects = self.store.list(kind)?;
        let changes = || self.changes.iter().filter(|(key, _)| key.kind == kind);
        objects.retain(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            !changes().any(|(key, _)| key.name == name)
        });
        objects.extend(changes().filter_map(|(_, object)| object.clone()));
        Ok(objects)
    }

    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
        match self.changes.get(key) {
            Some(Some(object)) => Ok(object.clone()),
            Some(None) => Err(StoreError::NotFound(key.clone())),
            None => self.store.read(key),
        }
    }

    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
        match self.read(key) {
            Err(StoreError::NotFound(_)) => Ok(self.note(key, object)),
            Err(error) => Err(error),
            Ok(_) => Err(StoreError::AlreadyExists {
                key: key.clone(),
                place: "the datastore".into(),
            }),
        }
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        self.check_version(key, Some(version))?;
        Ok(self.note(key, object))
    }

    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        self.check_version(key, version)?;
        self.changes.insert(key.clone(), None);
        Ok(())
    }
}
