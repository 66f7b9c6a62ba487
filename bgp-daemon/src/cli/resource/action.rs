//! Operations on one object of a datastore.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::args::PlaceArgs;
use super::go_value;
use super::manifest::{Given, ManifestError};
use super::merge::{self, PatchError, PatchType};
use super::validation::{self, Invalid, Request};
use crate::datastore::store::{Store, StoreError, resource_version};

/// Why an operation failed.
#[derive(Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum ActionError {
    /// The datastore refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object is invalid.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The patched object is malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The patch cannot be applied.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// A message of its own.
    #[error("{0}")]
    Refused(String),
}

/// Retries of an update after conflicts.
const UPDATE_TRIES: usize = 5;

/// Refuses a namespace, as no kind here has one.
pub(in crate::cli) fn check_namespace(
    given: &Given,
    place: &PlaceArgs,
    all_namespaces: bool,
) -> Result<(), ActionError> {
    let kind = given.kind.name();
    let named = place.namespace.as_deref().unwrap_or_default();
    if !given.namespace.is_empty() {
        return Err(ActionError::Refused(format!(
            "namespace should not be specified for a non-namespaced resource. \
             {kind} is not a namespaced resource"
        )));
    }
    if all_namespaces || !named.is_empty() {
        return Err(ActionError::Refused(format!("{kind} is not namespaced")));
    }
    Ok(())
}

/// Creates an object.
pub(in crate::cli) fn create(store: &mut dyn Store, given: &Given) -> Result<(), ActionError> {
    validation::check(given, Request::Create)?;
    validation::check_no_version(given)?;
    validation::check_references(store, given)??;
    let object = with_metadata(given, Map::new());
    store.create(&given.key(), &object)?;
    Ok(())
}

/// Creates or replaces an object.
pub(in crate::cli) fn apply(store: &mut dyn Store, given: &Given) -> Result<(), ActionError> {
    let mut new = given.clone();
    if let Some(metadata) = new.value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    match create(store, &new) {
        // The currently stored version is replaced, whatever version the new object names.
        Err(ActionError::Store(StoreError::AlreadyExists { .. })) => replace(store, &new),
        done => done,
    }
}

/// Replaces an object; if it names a version, only that version.
pub(in crate::cli) fn replace(store: &mut dyn Store, given: &Given) -> Result<(), ActionError> {
    validation::check(given, Request::Update)?;
    let wanted = resource_version(&given.value);
    let mut tries = 1;
    loop {
        let stored = store.read(&given.key())?;
        if !wanted.is_empty() && wanted != resource_version(&stored) {
            return Err(StoreError::Conflict(given.key()).into());
        }
        validation::check_change(given, &stored)?;
        validation::check_references(store, given)??;
        match update(store, given, &stored) {
            Err(StoreError::Conflict(_)) if wanted.is_empty() && tries < UPDATE_TRIES => tries += 1,
            done => return Ok(done?),
        }
    }
}

fn update(store: &mut dyn Store, given: &Given, stored: &Value) -> Result<(), StoreError> {
    let kept = stored["metadata"].as_object().cloned().unwrap_or_default();
    let object = with_metadata(given, kept);
    store.update(&given.key(), &object, resource_version(stored))?;
    Ok(())
}

/// Removes an object; if a version is named, only that version.
pub(in crate::cli) fn delete(store: &mut dyn Store, given: &Given) -> Result<(), ActionError> {
    if given.name.is_empty() {
        return Err(ActionError::Refused(EMPTY_NAME.to_owned()));
    }
    let version = Some(resource_version(&given.value)).filter(|version| !version.is_empty());
    Ok(store.delete(&given.key(), version)?)
}

/// The message for an empty name.
pub(in crate::cli) const EMPTY_NAME: &str = "resource name may not be empty";

/// An object; or, without a name, the list of all objects of its kind.
pub(in crate::cli) fn get(store: &dyn Store, given: &Given) -> Result<Value, ActionError> {
    let kind = given.kind;
    if !given.name.is_empty() {
        let mut object = store.read(&given.key())?;
        go_value::normalise(kind, &mut object);
        return Ok(object);
    }
    let mut items = store.list(kind)?;
    items
        .iter_mut()
        .for_each(|item| go_value::normalise(kind, item));
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": format!("{}List", kind.name()),
        "metadata": {},
        "items": items,
    }))
}

/// Changes some fields of an object.
pub(in crate::cli) fn patch(
    store: &mut dyn Store,
    given: &Given,
    patch: &Value,
    form: PatchType,
) -> Result<(), ActionError> {
    let mut value = store.read(&given.key())?;
    merge::apply(&mut value, patch, form)?;
    let patched = Given::from_value(given.kind, value)?;
    if patched.key() != given.key() {
        let reason = "a patch cannot change the name of a resource";
        return Err(ActionError::Refused(reason.to_owned()));
    }
    replace(store, &patched)
}

/// The object with the metadata of the datastore, except for its own name, labels and annotations.
fn with_metadata(given: &Given, mut metadata: Map<String, Value>) -> Value {
    for field in ["name", "labels", "annotations"] {
        match &given.value["metadata"][field] {
            Value::Null => drop(metadata.remove(field)),
            own => drop(metadata.insert(field.to_owned(), own.clone())),
        }
    }
    let mut object = given.value.clone();
    object["metadata"] = Value::Object(metadata);
    go_value::normalise(given.kind, &mut object);
    object
}
