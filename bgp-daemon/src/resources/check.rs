//! Checks of a kind beyond the types of its fields.

use super::fault::Fault;
use super::metadata::{Metadata, Object};

/// Checks of a type beyond the types of its fields.
pub(super) trait Check {
    /// What is dropped because of a value that cannot be read.
    const TOLERANCE: Tolerance = Tolerance::None;

    /// Adds the faults found.
    fn check(&self, faults: &mut Vec<Fault>);

    /// Adds the faults of the type as part of an object.
    fn check_with(&self, _metadata: &Metadata, faults: &mut Vec<Fault>) {
        self.check(faults);
    }
}

/// How much of an object is dropped because of a value that cannot be read.
pub(super) enum Tolerance {
    /// All of it: the remaining half would mean something else than was intended.
    None,
    /// The field, or the entry of a list; the others are used.
    PerField {
        /// Fields of `spec` without which the object must not be used.
        vital: &'static [&'static str],
        /// Fields of `spec` that BGP ignores.
        unused: &'static [&'static str],
    },
}

impl<S: Check> Check for Object<S> {
    const TOLERANCE: Tolerance = S::TOLERANCE;

    fn check(&self, faults: &mut Vec<Fault>) {
        self.spec.check_with(&self.metadata, faults);
    }
}
