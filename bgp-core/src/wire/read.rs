//! Reading octets: the only file that uses nom.
//!
//! [`Reader`] takes fields off the front of a complete slice, so it never asks for more input. A field beyond the end of its
//! slice, and left-over octets, are both [`Malformed`]; the caller decides what that means on the wire. Nothing here allocates.

use std::net::{Ipv4Addr, Ipv6Addr};

use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Parser};

/// The octets do not have the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<I> ParseError<I> for Malformed {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Self
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Reads fields from the front of a slice and tracks its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self {
            rest: octets,
            len: octets.len(),
        }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn ipv4(&mut self) -> Result<Ipv4Addr, Malformed> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub(super) fn ipv6(&mut self) -> Result<Ipv6Addr, Malformed> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    /// A reader from `start` to `end`.
    pub(super) fn between(start: usize, end: usize, octets: &'a [u8]) -> Self {
        Self {
            rest: &octets[start..end],
            len: end,
        }
    }

    /// The next `count` octets.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        self.parse(|input| octets(count, input))
    }

    /// The next `N` octets.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.parse(array)
    }

    #[inline]
    fn parse<T>(
        &mut self,
        mut parser: impl Parser<&'a [u8], Output = T, Error = Malformed>,
    ) -> Result<T, Malformed> {
        let (rest, value) = parser.parse(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(value)
    }

    /// Octets preceded by their length in one octet.
    pub(super) fn take_len8(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// Octets preceded by their length in two octets.
    pub(super) fn take_len16(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// Octets read so far.
    pub(super) fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The remaining octets.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Checks that no octets remain.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// Takes `count` octets, as nom's `take` but with a single check of the length.
#[inline]
fn octets(count: usize, input: &[u8]) -> IResult<&[u8], &[u8], Malformed> {
    let (octets, rest) = input
        .split_at_checked(count)
        .ok_or(nom::Err::Error(Malformed))?;
    Ok((rest, octets))
}

/// Takes `N` octets as an array, compiled to one load; nom's own numbers are read octet by octet.
#[inline]
fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N], Malformed> {
    let (octets, rest) = input
        .split_first_chunk()
        .ok_or(nom::Err::Error(Malformed))?;
    Ok((rest, *octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32(), Err(Malformed));
        assert_eq!(reader.take(4), Err(Malformed));
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.position(), 2);
        assert_eq!(reader.finish(), Err(Malformed));
        assert_eq!(reader.u8(), Ok(3));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_length_beyond_the_slice_is_malformed() {
        assert_eq!(Reader::new(&[3, 1, 2]).take_len8(), Err(Malformed));
        assert_eq!(Reader::new(&[0, 2, 1, 2]).take_len16(), Ok(&[1, 2][..]));
        assert_eq!(Reader::new(&[0]).take_len16(), Err(Malformed));
    }
}
