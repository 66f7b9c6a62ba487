//! A growing set of small numbers, one bit each: which slots of a table wait for something.

/// Bits beyond the end are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BitSet {
    words: Vec<u64>,
    len: usize,
}

impl BitSet {
    /// Puts `bit` in; `false` if it was there.
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

    /// Takes `bit` out; `false` if it was not there.
    pub(crate) fn remove(&mut self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        let Some(word) = self.words.get_mut(word).filter(|word| **word & mask != 0) else {
            return false;
        };
        *word &= !mask;
        self.len -= 1;
        true
    }

    pub(crate) fn contains(&self, bit: u32) -> bool {
        let (word, mask) = place(bit);
        self.words.get(word).is_some_and(|word| word & mask != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The smallest member that is not below `from`.
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

    proptest! {
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
        }
    }
}
