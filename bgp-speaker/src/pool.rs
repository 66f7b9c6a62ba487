//! Equal values are stored once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Returns the same shared copy for equal values. Unused values are dropped whenever the pool has grown to twice the number that
/// was in use, and to at least 64.
#[derive(Debug)]
pub struct Pool<T> {
    values: HashSet<Arc<T>>,
    limit: usize,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            values: HashSet::new(),
            limit: LEAST,
        }
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// The shared copy that equals this value, or the value itself if it is new.
    pub fn share(&mut self, value: T) -> Arc<T> {
        match self.values.get(&value) {
            Some(known) => Arc::clone(known),
            None => self.share_arc(Arc::new(value)),
        }
    }

    /// As [`Self::share`], without a copy of a value that is already in an [`Arc`].
    pub fn share_arc(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.values.get(&*value) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.limit {
            self.forget_unused();
        }
        self.values.insert(Arc::clone(&value));
        value
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the pool is empty.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Drops unused values; for pools of few and large values.
    pub fn forget_unused(&mut self) {
        self.values.retain(|value| Arc::strong_count(value) > 1);
        self.limit = (self.values.len() * 2).max(LEAST);
    }
}

/// Unused values that may always remain.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_those_that_nobody_holds_are_forgotten() {
        let mut pool = Pool::default();
        let held: Vec<_> = (0..100).map(|value| pool.share(value)).collect();
        assert!(Arc::ptr_eq(&held[7], &pool.share(7)));
        for value in 100..10_000 {
            pool.share(value);
            assert!(pool.values.len() <= 2 * held.len());
        }
        assert!(
            held.iter()
                .all(|value| Arc::ptr_eq(value, &pool.share(**value)))
        );
    }
}
