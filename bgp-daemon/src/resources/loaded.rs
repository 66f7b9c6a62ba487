//! Resources at one moment, and what is wrong with them.

use std::time::Instant;

use super::places::Places;
use super::problem::Problem;
use super::set::ResourceSet;

/// The content of files. Two are equal if they mean the same, regardless of where it is written.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The valid objects.
    pub set: ResourceSet,
    /// What is wrong with the others.
    pub problems: Vec<Problem>,
    /// Locations of the objects.
    pub(crate) places: Places,
    /// The source is currently unreadable, and this is its last state.
    pub unreachable: bool,
    /// For a watched source: when the change to this state was noticed.
    pub noticed: Option<Instant>,
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        (&self.set, &self.problems) == (&other.set, &other.problems)
    }
}

impl Loaded {
    /// The problem with its location in a file, if its object comes from one.
    pub fn located(&self, problem: Problem) -> Problem {
        self.places.locate(problem)
    }
}
