//! Where objects and their fields are written, for problems that are found after the text was read.

use std::collections::BTreeMap;

use super::document::Document;
use super::problem::{Location, Problem};

/// The places of objects, by the names that problems give them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, ObjectPlaces>);

/// The places of an object and of its fields.
#[derive(Clone, Debug)]
struct ObjectPlaces {
    object: Location,
    /// Line and column, by the field as problems write it.
    fields: BTreeMap<String, (usize, usize)>,
}

impl Places {
    pub(super) fn add(&mut self, document: &Document) {
        let places = ObjectPlaces {
            object: document.location.clone(),
            fields: document.fields.iter().cloned().collect(),
        };
        self.0.insert(document.key.to_string(), places);
    }

    /// The problem with its place: that of its field, or of the nearest one around that is written down.
    pub(super) fn locate(&self, problem: Problem) -> Problem {
        let places = match self.0.get(&problem.object) {
            Some(places) if problem.location.is_none() => places,
            _ => return problem,
        };
        let mut field = problem.field.as_deref();
        let mut place = None;
        while let Some(name) = field.filter(|_| place.is_none()) {
            place = places.fields.get(name);
            field = name.rfind(['.', '[']).map(|end| &name[..end]);
        }
        let mut location = places.object.clone();
        if let Some((line, column)) = place {
            (location.line, location.column) = (*line, *column);
        }
        Problem {
            location: Some(location),
            ..problem
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resources::{Problem, ResourceSet, parse};

    #[test]
    fn a_problem_is_found_at_its_field_or_around_it() {
        let text = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n  annotations:\n    bgp-daemon.io/bfd: 'on'\nspec:\n  peerIP: 192.0.2.1\n  filters:\n  - nope\n";
        let loaded = ResourceSet::from_documents(parse("x.yaml", text).documents);
        let place = |object: &str, field: &str| {
            let problem = loaded.located(Problem::error(object, "bad").at_field(field));
            problem.location.map(|at| (at.line, at.column))
        };
        let tor = "BGPPeer/tor";
        assert_eq!(
            place(tor, "metadata.annotations.bgp-daemon.io/bfd"),
            Some((6, 24))
        );
        assert_eq!(place(tor, "spec.filters[0]"), Some((10, 5)));
        assert_eq!(place(tor, "spec.filters[7]"), Some((9, 3)));
        assert_eq!(place(tor, "status.x"), Some((1, 1)));
        assert_eq!(place("BGPPeer/other", "spec"), None);
    }
}
