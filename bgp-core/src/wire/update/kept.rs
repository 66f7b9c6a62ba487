//! Which octets of an UPDATE are carried on, in canonical form: what decoding finds out once, so that nobody looks again.
//!
//! Most senders write attributes as the canonical form has them, but for a few that are left out of it. So a message is kept
//! as pieces of one or more attributes, and those that can be are copied as they stand.

use super::sections::{Received, Span};
use crate::wire::AttributeView;
use crate::wire::attribute::code;
use crate::wire::read::Reader;

/// Attributes next to each other in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    octets: Span,
    /// In canonical form; else it is one attribute that has to be written anew.
    canonical: bool,
}

impl Piece {
    /// Its attributes. Of those that are not canonical, codes and values are right, flags are as received.
    pub(super) fn view(self, message: &[u8]) -> AttributeView<'_> {
        AttributeView::new(self.octets.of(message))
    }

    pub(super) fn is_canonical(self) -> bool {
        self.canonical
    }

    /// Each of its attributes by itself, behind its code.
    fn apart(self, message: &[u8]) -> impl Iterator<Item = (u8, Self)> {
        let mut reader = Reader::between(self.octets.start(), self.octets.end(), message);
        std::iter::from_fn(move || {
            let attribute = Received::read(&mut reader).ok()?;
            let octets = attribute.whole;
            Some((attribute.code, Self { octets, ..self }))
        })
    }
}

/// Pieces before the last one that it takes for the usual senders: an ordinary UPDATE allocates nothing.
const EARLIER: usize = 3;

/// The attributes that are carried on, ascending by code; no code twice, so at most 256 pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// As they came.
    InOrder {
        earlier: [Piece; EARLIER],
        earlier_len: u8,
        /// Empty if nothing is kept.
        last: Piece,
        last_code: u8,
    },
    /// Each attribute a piece of its own, behind its code.
    Apart(Vec<(u8, Piece)>),
}

impl Kept {
    /// Nothing yet of the attributes that begin at `start`.
    #[inline]
    pub(super) fn none(start: usize) -> Self {
        Self::InOrder {
            earlier: [Piece::default(); EARLIER],
            earlier_len: 0,
            last: Piece {
                octets: Span::new(start, start),
                canonical: true,
            },
            last_code: 0,
        }
    }

    /// Canonical attributes up to AS_PATH, and those behind NEXT_HOP, of which the last has that code.
    #[inline]
    pub(super) fn around_next_hop(before: Span, behind: Span, last_code: u8) -> Self {
        let canonical = |octets| Piece {
            octets,
            canonical: true,
        };
        let mut earlier = [Piece::default(); EARLIER];
        if behind.is_empty() {
            return Self::InOrder {
                earlier,
                earlier_len: 0,
                last: canonical(before),
                last_code: code::AS_PATH,
            };
        }
        earlier[0] = canonical(before);
        Self::InOrder {
            earlier,
            earlier_len: 1,
            last: canonical(behind),
            last_code,
        }
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let (earlier, last, apart) = match self {
            Self::InOrder {
                earlier,
                earlier_len,
                last,
                ..
            } => {
                let last = (!last.octets.is_empty()).then_some(*last);
                (&earlier[..usize::from(*earlier_len)], last, &[][..])
            }
            Self::Apart(apart) => (&[][..], None, &apart[..]),
        };
        let apart = apart.iter().map(|(_, piece)| *piece);
        earlier.iter().copied().chain(last).chain(apart)
    }

    /// The value of an attribute, as received.
    pub(super) fn find<'a>(&self, code: u8, message: &'a [u8]) -> Option<&'a [u8]> {
        self.pieces()
            .find_map(|piece| piece.view(message).find(code))
    }

    /// Puts an attribute in its place. `canonical`: it can be copied as it stands.
    #[inline]
    pub(super) fn insert(&mut self, code: u8, octets: Span, canonical: bool, message: &[u8]) {
        if let Self::InOrder {
            last, last_code, ..
        } = self
            && *last_code < code
            && last.octets.end() == octets.start()
            && last.canonical
            && canonical
        {
            last.octets = last.octets.through(octets);
            *last_code = code;
        } else {
            self.insert_piece(code, Piece { octets, canonical }, message);
        }
    }

    #[inline(never)]
    fn insert_piece(&mut self, code: u8, piece: Piece, message: &[u8]) {
        match self {
            Self::InOrder {
                last, last_code, ..
            } if last.octets.is_empty() => (*last, *last_code) = (piece, code),
            Self::InOrder {
                earlier,
                earlier_len,
                last,
                last_code,
            } if *last_code < code && usize::from(*earlier_len) < EARLIER => {
                earlier[usize::from(*earlier_len)] = *last;
                *earlier_len += 1;
                (*last, *last_code) = (piece, code);
            }
            // A sender that keeps no order, or leaves much to be written anew.
            Self::InOrder { .. } => {
                let pieces = self.pieces();
                *self = Self::Apart(pieces.flat_map(|piece| piece.apart(message)).collect());
                self.insert_piece(code, piece, message);
            }
            Self::Apart(apart) => {
                let place = apart.partition_point(|(other, _)| *other < code);
                apart.insert(place, (code, piece));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes without values, one after the other.
    fn message(codes: impl Iterator<Item = u8>) -> Vec<u8> {
        codes.flat_map(|code| [0xc0, code, 0]).collect()
    }

    fn kept(message: &[u8], canonical: bool) -> Kept {
        let mut kept = Kept::none(0);
        for (place, attribute) in message.chunks(3).enumerate() {
            let whole = Span::new(3 * place, 3 * place + 3);
            kept.insert(attribute[1], whole, canonical, message);
        }
        kept
    }

    fn codes(kept: &Kept, message: &[u8]) -> Vec<u8> {
        let attributes = kept.pieces().flat_map(|piece| piece.view(message).iter());
        attributes.map(|attribute| attribute.code).collect()
    }

    #[test]
    fn what_is_canonical_is_one_piece() {
        let message = message(1..=255);
        let kept = kept(&message, true);
        assert_eq!(kept.pieces().count(), 1);
        assert!(codes(&kept, &message).into_iter().eq(1..=255));
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        for canonical in [true, false] {
            let descending = message((0..=255).rev());
            let kept = kept(&descending, canonical);
            assert!(codes(&kept, &descending).into_iter().eq(0..=255));
            assert!(kept.pieces().all(|piece| piece.is_canonical() == canonical));
        }
        for codes_received in [&[1, 2, 4, 3, 5][..], &[0, 9], &[9, 0], &[200, 1, 100, 2]] {
            let mixed = message(codes_received.iter().copied());
            let mut ascending = codes_received.to_vec();
            ascending.sort_unstable();
            assert_eq!(codes(&kept(&mixed, true), &mixed), ascending);
        }
    }

    #[test]
    fn nothing_is_kept() {
        assert_eq!(Kept::none(7).pieces().count(), 0);
    }
}
