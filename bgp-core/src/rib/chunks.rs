//! A long list stored in chunks. Copying it is cheap: copies share each chunk until one of them writes to it.

use std::sync::Arc;

/// Items per chunk: the amount that a write to a shared chunk copies.
const CHUNK: usize = 256;

/// A list, with default items beyond its end.
#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Arc<[T; CHUNK]>>,
    len: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Clone + Default> Chunks<T> {
    /// One past the last index ever written.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        let (chunk, place) = split(at);
        self.chunks.get(chunk).map(|chunk| &chunk[place])
    }

    /// Whether neither list was written to since one was copied from the other.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        let mut both = self.chunks.iter().zip(&other.chunks);
        self.len == other.len && both.all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// A mutable item; the list grows as needed.
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        let (chunk, place) = split(at);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, || {
                Arc::new(std::array::from_fn(|_| T::default()))
            });
        }
        self.len = self.len.max(at + 1);
        &mut Arc::make_mut(&mut self.chunks[chunk])[place]
    }

    /// Size in octets, without memory owned by the items.
    pub(super) fn octets(&self) -> usize {
        self.chunks.capacity() * size_of::<Arc<[T; CHUNK]>>()
            + self.chunks.len() * size_of::<[T; CHUNK]>()
    }
}

fn split(at: u32) -> (usize, usize) {
    (at as usize / CHUNK, at as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_held_and_shares_what_nobody_wrote_to() {
        let mut list = Chunks::default();
        for at in 0..3000 {
            *list.get_mut(at) = at;
        }
        let copy = list.clone();
        assert!(copy.is_copy_of(&list));
        *list.get_mut(700) = 1;
        assert!(!copy.is_copy_of(&list));
        assert_eq!((list.get(700), copy.get(700)), (Some(&1), Some(&700)));
        assert!(
            copy.chunks
                .iter()
                .flat_map(|chunk| chunk.iter())
                .copied()
                .take(3000)
                .eq(0..3000)
        );
        assert_eq!((list.get(2999), list.get(5000)), (Some(&2999), None));
        let shared = list.chunks.iter().zip(&copy.chunks);
        let written = shared.filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(written, 1);
    }
}
