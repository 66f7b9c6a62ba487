//! Combines documents into a set. A kind whose documents are the same as the last time is not combined again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Document;
use super::kind::{Kind, ObjectKey};
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
            if known.is_some_and(|known| are_same(&known.given, &given)) {
                continue;
            }
            let changed = known.and_then(|known| known.changed_to(&given));
            let combined = changed.unwrap_or_else(|| Combined::of(given));
            self.kinds.insert(kind, combined);
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

/// The most documents whose change is worth less than combining all anew.
const FEW: usize = 64;

/// In the order of their keys.
fn place_of(key: &ObjectKey, documents: &[Arc<Document>]) -> Result<usize, usize> {
    documents.binary_search_by(|document| document.key.cmp(key))
}

impl Combined {
    /// The same as [`Combined::of`], by what differs from the documents of before. `None` if much does, or names are used twice.
    fn changed_to(&self, given: &[Arc<Document>]) -> Option<Self> {
        let is_same = |(a, b): &(&Arc<Document>, &Arc<Document>)| Arc::ptr_eq(a, b);
        let before = self.given.iter().zip(given).take_while(is_same).count();
        let (old, new) = (&self.given[before..], &given[before..]);
        let both = old.iter().rev().zip(new.iter().rev());
        let after = both.take_while(is_same).count();
        let (gone, come) = (&old[..old.len() - after], &new[..new.len() - after]);
        if !self.problems.is_empty() || gone.len() + come.len() > FEW {
            return None;
        }
        let (mut used, mut objects) = (self.used.to_vec(), Arc::clone(&self.objects));
        let by_key = Arc::make_mut(&mut objects);
        for document in gone {
            used.remove(place_of(&document.key, &used).ok()?);
            by_key.remove(&document.key);
        }
        for document in come {
            used.insert(place_of(&document.key, &used).err()?, Arc::clone(document));
            by_key.insert(document.key.clone(), Arc::clone(&document.resource));
        }
        Some(Self {
            given: given.to_vec(),
            used: used.into(),
            objects,
            problems: Vec::new(),
        })
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resources::{Location, parse};

    fn document(name: u8, file: u8, version: u8) -> Arc<Document> {
        let text = format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: p{name}}}\n\
             spec: {{peerIP: 192.0.2.{version}, asNumber: 65001}}\n"
        );
        let mut parsed = parse(&format!("{file}.yaml"), &text);
        parsed.documents.pop().expect("one object")
    }

    proptest! {
        /// Whatever came before, the result is that of a new combiner: with names that come twice, change, and go.
        #[test]
        fn successive_sets_are_those_from_nothing(
            steps in prop::collection::vec((0..12_usize, 0..6_u8, 0..4_u8, any::<bool>()), 1..40),
        ) {
            let mut combiner = Combiner::default();
            let mut documents: Vec<Arc<Document>> = Vec::new();
            for (file, (place, name, version, removes)) in (0..).zip(steps) {
                let place = place.min(documents.len());
                if removes && place < documents.len() {
                    documents.remove(place);
                } else {
                    documents.insert(place, document(name, file, version));
                }
                let loaded = combiner.combine(documents.iter().cloned());
                let anew = Combiner::default().combine(documents.iter().cloned());
                prop_assert_eq!(&loaded, &anew);
                let place = |loaded: &Loaded| -> Option<Location> {
                    loaded.located(Problem::error(format!("BGPPeer/p{name}"), "")).location
                };
                prop_assert_eq!(place(&loaded), place(&anew));
            }
        }
    }
}
