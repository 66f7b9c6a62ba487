//! Valid objects and the problems of the others, as one source has them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::part::Part;
use crate::resources::{Kind, ObjectKey, Problem, Resource, ResourceSet, key_of};

/// The objects of a source. Each function that changes them returns whether their meaning has changed.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) set: ResourceSet,
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
}

impl Layer {
    /// What is wrong with its objects.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.problems.values().flatten().cloned()
    }

    /// Takes the complete list of a part.
    pub(super) fn list(&mut self, part: &Part, objects: &[Value]) -> bool {
        let kind = part.kind();
        let keys: Vec<ObjectKey> = objects
            .iter()
            .filter_map(|object| key_of(object, kind))
            .collect();
        let listed: BTreeSet<&ObjectKey> = keys.iter().collect();
        let mut changed = self.retain(part, |key| listed.contains(key));
        for object in objects {
            changed |= self.put(kind, object);
        }
        changed
    }

    /// Takes a new or changed object.
    pub(super) fn put(&mut self, kind: Kind, object: &Value) -> bool {
        // Servers always name their objects.
        let Some(key) = key_of(object, kind) else {
            return false;
        };
        let (resource, problems) = Resource::from_json_of(kind, object);
        let mut changed = self.note(&key, problems);
        changed |= self.set.get(&key) != resource.as_ref();
        match resource {
            Some(resource) => drop(self.set.insert(resource)),
            None => drop(self.set.remove(&key)),
        }
        changed
    }

    /// Removes an object that cannot be read, and keeps the reason.
    pub(super) fn leave_out(&mut self, key: ObjectKey, reason: String) -> bool {
        let removed = self.set.remove(&key).is_some();
        let problem = Problem::error(&key, reason);
        self.note(&key, vec![problem]) | removed
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, key: &ObjectKey) -> bool {
        let removed = self.set.remove(key).is_some();
        self.problems.remove(key).is_some() | removed
    }

    /// Removes the objects of a part that are not kept.
    pub(super) fn retain(&mut self, part: &Part, kept: impl Fn(&ObjectKey) -> bool) -> bool {
        let known = self.set.iter().map(|(key, _)| key);
        let keys = known.chain(self.problems.keys());
        let gone: Vec<ObjectKey> = keys
            .filter(|key| part.covers(key) && !kept(key))
            .cloned()
            .collect();
        let removed = gone.iter().map(|key| self.remove(key));
        removed.fold(false, |any, one| any | one)
    }

    fn note(&mut self, key: &ObjectKey, problems: Vec<Problem>) -> bool {
        let changed = self.problems.get(key).map_or(&[][..], Vec::as_slice) != problems;
        match problems.is_empty() {
            true => drop(self.problems.remove(key)),
            false => drop(self.problems.insert(key.clone(), problems)),
        }
        changed
    }
}
