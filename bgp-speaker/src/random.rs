//! Randomness of the system.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A number that nobody can guess; std's hasher is seeded by the system.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
