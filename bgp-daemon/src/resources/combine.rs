//! Combines documents into a set. A kind whose documents are the same as the last time is not combined again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Document;
use super::kind::Kind;
use super::loaded::Loaded;
use super::places::Places;
use super::problem::Problem;
use super::set::{Objects, ResourceSet};

/// Combines documents again and again.
#[derive(Debug, Default)]
pub(crate) struct Combiner {
    kinds: BTreeMap<Kind, Combined>,
}

/// The documents of a kind.
#[derive(Debug)]
struct Combined {
    /// All of them, in the order in which they came.
    given: Vec<Arc<Document>>,
    /// Those that count, by name.
    used: Arc<[Arc<Document>]>,
    objects: Arc<Objects>,
    problems: Vec<Problem>,
}

impl Combiner {
    /// Combines documents. Of several with the same kind and name the first is used; the others are problems.
    pub(crate) fn combine(&mut self, documents: impl Iterator<Item = Arc<Document>>) -> Loaded {
        let mut by_kind: BTreeMap<Kind, Vec<Arc<Document>>> = BTreeMap::new();
        for document in documents {
            by_kind.entry(document.key.kind).or_default().push(document);
        }
        self.kinds.retain(|kind, _| by_kind.contains_key(kind));
        for (kind, given) in by_kind {
            let known = self.kinds.get(&kind);
            if !known.is_some_and(|known| are_same(&known.given, &given)) {
                self.kinds.insert(kind, Combined::of(given));
            }
        }
        let kinds = || self.kinds.values();
        Loaded {
            set: ResourceSet::of_objects(
                self.kinds
                    .iter()
                    .map(|(kind, combined)| (*kind, Arc::clone(&combined.objects))),
            ),
            problems: kinds()
                .flat_map(|combined| &combined.problems)
                .cloned()
                .collect(),
            places: Places::of(kinds().map(|combined| Arc::clone(&combined.used)).collect()),
            ..Loaded::default()
        }
    }
}

fn are_same(a: &[Arc<Document>], b: &[Arc<Document>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

impl Combined {
    fn of(given: Vec<Arc<Document>>) -> Self {
        let mut used = given.clone();
        // The sort is stable: equal keys stay in order.
        used.sort_by(|a, b| a.key.cmp(&b.key));
        let mut problems = Vec::new();
        used.dedup_by(|document, first| {
            let is_again = document.key == first.key;
            if is_again {
                let place = &first.location;
                let reason = format!("is already defined at {place}; this one is left out");
                let problem = Problem::error(&document.key, reason);
                problems.push(problem.at(document.location.clone()));
            }
            is_again
        });
        let objects = used
            .iter()
            .map(|document| (document.key.clone(), Arc::clone(&document.resource)));
        Self {
            objects: Arc::new(objects.collect()),
            used: used.into(),
            given,
            problems,
        }
    }
}
