//! One copy of values that many hold.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Hands out the same copy for equal values. Forgets those that nobody else holds each time it has grown to twice what was held, and
/// to at least 64.
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
    /// The copy that equals this value; the first time, the value itself.
    pub fn share(&mut self, value: T) -> Arc<T> {
        match self.values.get(&value) {
            Some(known) => Arc::clone(known),
            None => self.share_arc(Arc::new(value)),
        }
    }

    /// The same of a value that is counted already, which is not copied.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Forgets the values that nobody else holds; for those that are few and large.
    pub fn forget_unused(&mut self) {
        self.values.retain(|value| Arc::strong_count(value) > 1);
        self.limit = (self.values.len() * 2).max(LEAST);
    }
}

/// Values that may be remembered though nobody holds them.
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
