//! The RIB's peer numbers.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Numbers of peers that are awaited but not added yet.
    reserved: BTreeMap<Arc<str>, PeerId>,
}

impl Numbers {
    /// Takes the smallest free number: the RIB keeps peers in a vector.
    fn take(&mut self) -> PeerId {
        self.free.pop_first().unwrap_or_else(|| {
            let id = PeerId(self.next);
            self.next += 1;
            id
        })
    }
}

impl Ids {
    /// The number reserved for a peer, or else the smallest free one.
    pub(super) fn take_for(&self, name: &str) -> PeerId {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reserved = numbers.reserved.remove(name);
        reserved.unwrap_or_else(|| numbers.take())
    }

    /// Reserves a number for a peer that will be added.
    pub(super) fn reserve(&self, name: Arc<str>) -> PeerId {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = numbers.reserved.remove(&name);
        let id = id.unwrap_or_else(|| numbers.take());
        numbers.reserved.insert(name, id);
        id
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
        let take = || ["a", "b", "c"].map(|name| ids.take_for(name).0);
        assert_eq!(take(), [0, 1, 2]);
        ids.give_back(PeerId(2));
        ids.give_back(PeerId(0));
        assert_eq!(take(), [0, 2, 3]);
        assert_eq!(
            (ids.reserve("d".into()).0, ids.reserve("d".into()).0),
            (4, 4)
        );
        assert_eq!((ids.take_for("e").0, ids.take_for("d").0), (5, 4));
    }
}
