//! The RIB's peer numbers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bgp_core::types::PeerId;

/// The numbers in use. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids(Arc<Mutex<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    /// Numbers below `next` that are not in use.
    free: BTreeSet<PeerId>,
    next: u32,
}

impl Ids {
    /// Takes the smallest free number: the RIB keeps peers in a vector.
    pub(super) fn take(&self) -> PeerId {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.pop_first().unwrap_or_else(|| {
            let id = PeerId(numbers.next);
            numbers.next += 1;
            id
        })
    }

    /// Frees the number of a peer that the RIB has forgotten.
    pub(super) fn give_back(&self, id: PeerId) {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_number_is_taken() {
        let ids = Ids::default();
        assert_eq!([ids.take(), ids.take(), ids.take()], [0, 1, 2].map(PeerId));
        ids.give_back(PeerId(2));
        ids.give_back(PeerId(0));
        assert_eq!([ids.take(), ids.take(), ids.take()], [0, 2, 3].map(PeerId));
    }
}
