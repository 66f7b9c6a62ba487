//! The randomness of a simulation: one stream of numbers from one seed.

use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) use crate::random::mix;

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(crate::random::Random);

impl Random {
    /// The stream of a seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(crate::random::Random::new(seed))
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0.next()
    }

    /// A number of the range.
    pub(super) fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let span = (range.end() - range.start()) as u64 + 1;
        range.start() + usize::try_from(self.number() % span).unwrap_or_default()
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.within(0..=bound - 1)
    }

    /// True with this probability, in percent.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// A time from zero to `longest`, in whole microseconds.
    pub(super) fn time_up_to(&mut self, longest: Duration) -> Duration {
        let micros = usize::try_from(longest.as_micros()).unwrap_or(usize::MAX - 1);
        Duration::from_micros(self.within(0..=micros) as u64)
    }

    /// Shuffles the items.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.within(0..=last));
        }
    }
}
