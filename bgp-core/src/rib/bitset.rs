//! A growable set of small numbers, one bit each: the slots of a table that wait for something.

/// Bits beyond the end are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BitSet {
    words: Vec<u64>,
    len: usize,
}

impl BitSet {
    /// Inserts `bit`; `false` if it was present.
    pub(crate) fn insert(&mut self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & mask == 0;
        self.words[word] |= mask;
        self.len += usize::from(new);
        new
    }

    /// Removes `bit`; `false` if it was absent.
    pub(crate) fn remove(&mut self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        let Some(word) = self.words.get_mut(word).filter(|word| **word & mask != 0) else {
            return false;
        };
        *word &= !mask;
        self.len -= 1;
        true
    }

    /// Removes all members from `end` on, and releases their memory.
    pub(crate) fn truncate(&mut self, end: usize) {
        self.words.truncate(end.div_ceil(64));
        if let Some(last) = self.words.get_mut(end / 64) {
            *last &= (1 << (end % 64)) - 1;
        }
        let ones = self.words.iter().map(|word| word.count_ones() as usize);
        self.len = ones.sum();
        super::room::shrink(&mut self.words);
    }

    pub(crate) fn contains(&self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        self.words.get(word).is_some_and(|word| word & mask != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes up to `limit` members, starting at `from`, which advances and wraps around to zero.
    pub(crate) fn take_slice(&mut self, from: &mut u32, limit: usize) -> Vec<u32> {
        let mut slice = Vec::with_capacity(limit.min(self.len));
        while slice.len() < limit {
            let Some(bit) = self.next_from(*from).or_else(|| self.next_from(0)) else {
                break;
            };
            self.remove(bit);
            *from = bit.saturating_add(1);
            slice.push(bit);
        }
        slice
    }

    /// Inserts all numbers below `end`, a word at a time.
    pub(crate) fn fill(&mut self, end: u32) {
        let (last, mask) = place(end);
        if self.words.len() <= last {
            self.words.resize(last + 1, 0);
        }
        self.words[..last].fill(u64::MAX);
        self.words[last] |= mask - 1;
        self.count();
    }

    /// Inserts all members of the other set, a word at a time.
    pub(crate) fn union(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
        self.count();
    }

    /// Removes all members of the other set, a word at a time.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
        self.count();
    }

    fn count(&mut self) {
        self.len = self
            .words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum();
    }

    /// All members, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.next_from(0), |bit| self.next_from(bit + 1))
    }

    /// The smallest member from `from` on.
    pub(crate) fn next_from(&self, from: u32) -> Option<u32> {
        let (start, mask) = place(from);
        let below = mask - 1;
        let mut word = self.words.get(start)? & !below;
        let mut at = start;
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        u32::try_from(at * 64)
            .ok()
            .map(|base| base + word.trailing_zeros())
    }
}

fn place(bit: u32) -> (usize, u64) {
    ((bit / 64) as usize, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(members: &BTreeSet<u32>) -> BitSet {
        let mut bits = BitSet::default();
        members.iter().for_each(|bit| {
            bits.insert(*bit);
        });
        bits
    }

    proptest! {
        #[test]
        fn sets_are_joined_and_taken_apart(
            one in prop::collection::btree_set(0u32..300, 0..50),
            other in prop::collection::btree_set(0u32..300, 0..50),
            end in 0u32..300,
        ) {
            let (mut both, mut rest, mut filled) = (set(&one), set(&one), set(&one));
            both.union(&set(&other));
            rest.subtract(&set(&other));
            filled.fill(end);
            prop_assert!(both.iter().eq(one.union(&other).copied()));
            prop_assert!(rest.iter().eq(one.difference(&other).copied()));
            prop_assert!(filled.iter().eq((0..end).chain(one.range(end..).copied())));
            for bits in [both, rest, filled] {
                prop_assert_eq!(bits.iter().count(), bits.len);
            }
        }

        #[test]
        fn behaves_like_a_set(operations in prop::collection::vec((any::<bool>(), 0u32..300), 0..200)) {
            let (mut bits, mut model) = (BitSet::default(), BTreeSet::new());
            for (insert, bit) in operations {
                if insert {
                    prop_assert_eq!(bits.insert(bit), model.insert(bit));
                } else {
                    prop_assert_eq!(bits.remove(bit), model.remove(&bit));
                }
                prop_assert_eq!(bits.contains(bit), insert);
                prop_assert_eq!(bits.is_empty(), model.is_empty());
                prop_assert_eq!(bits.next_from(bit), model.range(bit..).next().copied());
            }
            prop_assert!(bits.iter().eq(model.iter().copied()));
            let mut from = 150;
            let taken = bits.take_slice(&mut from, 20);
            let in_turn = model.range(150..).chain(model.range(..150)).copied();
            prop_assert!(taken.iter().copied().eq(in_turn.take(20)));
            prop_assert!(taken.iter().all(|bit| !bits.contains(*bit)));
            prop_assert_eq!(bits.iter().count(), model.len() - taken.len());
            bits.truncate(100);
            model.retain(|bit| *bit < 100 && !taken.contains(bit));
            prop_assert!(bits.iter().eq(model.iter().copied()));
            prop_assert_eq!(bits.is_empty(), model.is_empty());
        }
    }
}
