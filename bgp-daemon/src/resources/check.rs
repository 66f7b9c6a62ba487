//! What a kind demands of its objects beyond the types of their fields.

use super::fault::Fault;
use super::metadata::Object;

/// What a type demands beyond the types of its fields.
pub(super) trait Check {
    /// What is lost to a value that cannot be read.
    const TOLERANCE: Tolerance = Tolerance::None;

    /// Adds what is wrong.
    fn check(&self, faults: &mut Vec<Fault>);
}

/// How much of an object is lost to a value that cannot be read.
pub(super) enum Tolerance {
    /// All of it: half of what it says would be something else than was meant.
    None,
    /// The field, or the entry of a list: the others are used.
    PerField {
        /// Fields of `spec` without which the object must not be used.
        vital: &'static [&'static str],
        /// Fields of `spec` that mean nothing to BGP.
        unused: &'static [&'static str],
    },
}

impl<S: Check> Check for Object<S> {
    const TOLERANCE: Tolerance = S::TOLERANCE;

    fn check(&self, faults: &mut Vec<Fault>) {
        self.spec.check(faults);
    }
}
