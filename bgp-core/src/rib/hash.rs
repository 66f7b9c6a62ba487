//! Hashes of what peers choose: prefixes, attributes, next hops, path identifiers. With a hash that everybody knows, a peer can
//! send keys that all fall in one place; this one depends on a seed that only this speaker knows.

use std::fmt;
use std::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// A hash function for each seed; equal seeds make equal functions.
///
/// foldhash mixes each half of a key with a secret and multiplies them. Whoever knows one of the secrets can make that factor
/// zero, so it is not enough to seed each hasher and leave the crate's [`SharedSeed`] as it is: all come from the seed.
#[derive(Clone)]
pub(crate) struct SeededHash {
    first: u64,
    others: SharedSeed,
}

impl SeededHash {
    pub(crate) fn new(seed: u64) -> Self {
        // Of the plainest seeds, zero and all ones, nothing else would become.
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
    /// Without the seed, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededHash").finish_non_exhaustive()
    }
}
