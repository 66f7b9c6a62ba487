//! The locations of objects and their fields, for problems found after the text was read.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::document::Document;
use super::problem::{Location, Problem};

/// The locations of objects, found by the object names in problems. Nothing is sorted before the first lookup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    documents: Vec<Arc<[Arc<Document>]>>,
    by_name: OnceLock<HashMap<String, Arc<Document>>>,
}

impl Places {
    /// The locations of these documents.
    pub(super) fn of(documents: Vec<Arc<[Arc<Document>]>>) -> Self {
        Self {
            documents,
            by_name: OnceLock::new(),
        }
    }

    /// The problem with its location: that of its field, or of the nearest enclosing field that is written.
    pub(super) fn locate(&self, problem: Problem) -> Problem {
        let document = match self.document(&problem.object) {
            Some(document) if problem.location.is_none() => document,
            _ => return problem,
        };
        let mut field = problem.field.as_deref();
        let mut place = None;
        while let Some(name) = field.filter(|_| place.is_none()) {
            place = document.place_of(name);
            field = name.rfind(['.', '[']).map(|end| &name[..end]);
        }
        let object = &document.location;
        let (line, column) = place.unwrap_or((object.line, object.column));
        let location = Location {
            file: object.file.clone(),
            line,
            column,
        };
        problem.at(location)
    }

    fn document(&self, object: &str) -> Option<&Document> {
        let by_name = self.by_name.get_or_init(|| {
            let documents = self.documents.iter().flat_map(|kind| kind.iter());
            documents
                .map(|document| (document.key.to_string(), Arc::clone(document)))
                .collect()
        });
        by_name.get(object).map(Arc::as_ref)
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
