//! The parts of an UPDATE: its three sections, and the attributes in theirs. Every length is checked against its container before
//! the content is read.

use std::ops::Range;

use crate::types::AfiSafi;
use crate::wire::HEADER_LEN;
use crate::wire::attribute::flag;
use crate::wire::read::{Malformed, Reader};

/// A range of a message, in octets from its start. Messages have at most 65535 octets, so 16 bits suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Both must lie in a message.
    pub(super) fn new(start: usize, end: usize) -> Self {
        debug_assert!(
            start <= end && end <= usize::from(u16::MAX),
            "inside a message"
        );
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    pub(super) fn start(self) -> usize {
        self.start.into()
    }

    pub(super) fn end(self) -> usize {
        self.end.into()
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start.into()..self.end.into()
    }

    /// The range from its start to the end of a later one.
    pub(super) fn through(self, later: Self) -> Self {
        Self {
            start: self.start,
            end: later.end,
        }
    }

    /// The octets, if this is the message that it was made for.
    pub(super) fn of(self, message: &[u8]) -> &[u8] {
        &message[self.range()]
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The three parts of an UPDATE, without their lengths.
pub(super) struct Sections {
    pub(super) withdrawn: Span,
    pub(super) attributes: Span,
    pub(super) nlri: Span,
}

impl Sections {
    /// RFC 4271 §6.3, RFC 7606 §3 b: if the lengths contradict each other, nothing is reliable.
    #[inline]
    pub(super) fn split(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        reader.take(HEADER_LEN)?;
        let withdrawn = section(&mut reader)?;
        let attributes = section(&mut reader)?;
        let nlri = Span::new(reader.position(), message.len());
        Ok(Self {
            withdrawn,
            attributes,
            nlri,
        })
    }
}

fn section(reader: &mut Reader<'_>) -> Result<Span, Malformed> {
    let len = reader.take_len16()?.len();
    let end = reader.position();
    Ok(Span::new(end - len, end))
}

/// One path attribute as received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) flags: u8,
    pub(super) code: u8,
    /// Flags, code, length and value.
    pub(super) whole: Span,
    pub(super) value: &'a [u8],
}

impl<'a> Received<'a> {
    /// Reads flags, code, length and value (RFC 4271 §4.3). The reader must have started with the message.
    #[inline]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let start = reader.position();
        let [flags, code, len] = reader.array()?;
        let len = if flags & flag::EXTENDED_LENGTH == 0 {
            len.into()
        } else {
            u16::from_be_bytes([len, reader.u8()?])
        };
        let value = reader.take(len.into())?;
        Ok(Self {
            flags,
            code,
            whole: Span::new(start, reader.position()),
            value,
        })
    }

    /// A truncated attribute; flags and code if present.
    pub(super) fn cut(whole: Span, message: &[u8]) -> Self {
        let mut octets = whole.of(message).iter();
        let mut next = || octets.next().copied().unwrap_or_default();
        Self {
            flags: next(),
            code: next(),
            whole,
            value: &[],
        }
    }

    /// A missing attribute.
    pub(super) fn missing(code: u8) -> Self {
        Self {
            flags: 0,
            code,
            whole: Span::new(HEADER_LEN, HEADER_LEN),
            value: &[],
        }
    }

    /// The range of the value from octet `at` on.
    pub(super) fn value_from(&self, at: usize) -> Span {
        let end = self.whole.end();
        Span::new(end - self.value.len() + at, end)
    }
}

/// Type codes seen so far.
#[derive(Default)]
pub(super) struct Codes([u64; 4]);

impl Codes {
    /// Adds a code; returns whether it is new.
    pub(super) fn insert(&mut self, code: u8) -> bool {
        let (word, bit) = (usize::from(code / 64), 1 << (code % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    pub(super) fn contains(&self, code: u8) -> bool {
        self.0[usize::from(code / 64)] & 1 << (code % 64) != 0
    }

    /// Whether this is the only code seen.
    pub(super) fn is_only(&self, code: u8) -> bool {
        let mut only = Self::default();
        only.insert(code);
        self.0 == only.0
    }
}

/// The family at the beginning of a multiprotocol attribute.
pub(super) fn read_family(reader: &mut Reader<'_>) -> Result<AfiSafi, Malformed> {
    let afi = reader.u16()?;
    let safi = reader.u8()?;
    Ok(AfiSafi { afi, safi })
}

/// Family and next hop of an MP_REACH_NLRI (RFC 4760 §3); the NLRI remains in the reader.
pub(super) fn read_mp_reach<'a>(reader: &mut Reader<'a>) -> Result<(AfiSafi, &'a [u8]), Malformed> {
    let family = read_family(reader)?;
    let next_hop = reader.take_len8()?;
    let _reserved = reader.u8()?;
    Ok((family, next_hop))
}
