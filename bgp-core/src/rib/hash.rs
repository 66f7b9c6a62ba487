//! Hashes of values that peers choose: prefixes, attributes, next hops, path identifiers. With a known hash, a peer could send
//! keys that all collide; this hash depends on a secret seed.

use std::fmt;
use std::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// A hash function for each seed; equal seeds give equal functions.
///
/// foldhash mixes each half of a key with a secret and multiplies them. Anybody who knows one of the secrets can make that factor
/// zero, so seeding each hasher is not enough: the crate's [`SharedSeed`] is derived from the seed as well.
#[derive(Clone)]
pub(crate) struct SeededHash {
    first: u64,
    others: SharedSeed,
}

impl SeededHash {
    pub(crate) fn new(seed: u64) -> Self {
        // The seeds zero and all ones would stay unchanged otherwise.
        let others = SharedSeed::from_u64(seed ^ 0x9e37_79b9_7f4a_7c15);
        Self {
            first: seed,
            others,
        }
    }

    #[inline(always)]
    pub(crate) fn of(&self, key: impl Hash) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.first, &self.others);
        key.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Debug for SeededHash {
    /// Does not print the seed, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededHash").finish_non_exhaustive()
    }
}
