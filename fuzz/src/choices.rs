//! Input as a sequence of choices, for the targets that act instead of decoding messages.

use std::time::Instant;

/// The remaining input. At its end every choice is the first one, so a longer input only adds choices.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        octet
    }

    pub(crate) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// One of `0..end`, which is not empty.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.octet()) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// At most so many octets, unchanged.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Time zero of a virtual clock.
#[expect(
    clippy::disallowed_methods,
    reason = "which instant it is does not matter"
)]
pub(crate) fn time_zero() -> Instant {
    Instant::now()
}
