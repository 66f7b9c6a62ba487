//! The octets of an UPDATE that are passed on, in canonical form, determined once by decoding.
//!
//! Most senders write attributes in canonical form, except for a few that it leaves out. So a message is recorded as pieces of
//! one or more attributes, and canonical pieces are copied unchanged.

use super::sections::{Received, Span};
use crate::wire::AttributeView;
use crate::wire::read::Reader;

/// Adjacent attributes in a message, ascending by code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    octets: Span,
    last_code: u8,
    /// In canonical form; otherwise a single attribute that must be rewritten.
    canonical: bool,
}

impl Piece {
    /// A piece that can be copied unchanged.
    pub(super) fn canonical(octets: Span, last_code: u8) -> Self {
        Self {
            octets,
            last_code,
            canonical: true,
        }
    }

    /// The attributes. If not canonical, codes and values are right, but flags are as received.
    pub(super) fn view(self, message: &[u8]) -> AttributeView<'_> {
        AttributeView::new(self.octets.of(message))
    }

    pub(super) fn is_canonical(self) -> bool {
        self.canonical
    }

    /// The attributes as separate pieces.
    fn apart(self, message: &[u8]) -> impl Iterator<Item = Self> {
        let mut reader = Reader::between(self.octets.start(), self.octets.end(), message);
        std::iter::from_fn(move || {
            let attribute = Received::read(&mut reader).ok()?;
            Some(Self {
                octets: attribute.whole,
                last_code: attribute.code,
                ..self
            })
        })
    }
}

/// Pieces needed for the usual senders: an ordinary UPDATE allocates nothing.
const FEW: usize = 4;

/// The attributes that are passed on, ascending by code; no code occurs twice, so there are at most 256 pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// In the order received.
    InOrder { pieces: [Piece; FEW], len: u8 },
    /// Each attribute as a separate piece.
    Apart(Vec<Piece>),
}

impl Kept {
    /// No attributes.
    pub(super) fn none() -> Self {
        Self::InOrder {
            pieces: [Piece::default(); FEW],
            len: 0,
        }
    }

    /// Two pieces, of which only the second may be empty.
    #[inline]
    pub(super) fn pair(first: Piece, second: Piece) -> Self {
        let mut pieces = [Piece::default(); FEW];
        pieces[0] = first;
        if second.octets.is_empty() {
            return Self::InOrder { pieces, len: 1 };
        }
        pieces[1] = second;
        Self::InOrder { pieces, len: 2 }
    }

    #[inline]
    pub(super) fn pieces(&self) -> &[Piece] {
        match self {
            Self::InOrder { pieces, len } => &pieces[..usize::from(*len)],
            Self::Apart(pieces) => pieces,
        }
    }

    /// The received value of an attribute.
    pub(super) fn find<'a>(&self, code: u8, message: &'a [u8]) -> Option<&'a [u8]> {
        let pieces = self.pieces();
        let piece = pieces.get(pieces.partition_point(|piece| piece.last_code < code))?;
        piece.view(message).find(code)
    }

    /// Inserts an attribute in order. `canonical`: it can be copied unchanged.
    pub(super) fn insert(&mut self, code: u8, octets: Span, canonical: bool, message: &[u8]) {
        if let Self::InOrder { pieces, len } = self
            && let Some(last) = pieces[..usize::from(*len)].last_mut()
            && last.last_code < code
            && last.octets.end() == octets.start()
            && last.canonical
            && canonical
        {
            last.octets = last.octets.through(octets);
            last.last_code = code;
            return;
        }
        let piece = Piece {
            octets,
            last_code: code,
            canonical,
        };
        self.insert_piece(piece, message);
    }

    fn insert_piece(&mut self, piece: Piece, message: &[u8]) {
        let ascends = |last: &Piece| last.last_code < piece.last_code;
        match self {
            Self::InOrder { pieces, len }
                if usize::from(*len) < FEW
                    && pieces[..usize::from(*len)].last().is_none_or(ascends) =>
            {
                pieces[usize::from(*len)] = piece;
                *len += 1;
            }
            // The sender keeps no order, or much must be rewritten.
            Self::InOrder { .. } => {
                let pieces = self.pieces().iter();
                *self = Self::Apart(pieces.flat_map(|piece| piece.apart(message)).collect());
                self.insert_piece(piece, message);
            }
            Self::Apart(pieces) => {
                let place = pieces.partition_point(ascends);
                pieces.insert(place, piece);
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
        let mut kept = Kept::none();
        for (place, attribute) in message.chunks(3).enumerate() {
            let whole = Span::new(3 * place, 3 * place + 3);
            kept.insert(attribute[1], whole, canonical, message);
        }
        kept
    }

    fn codes(kept: &Kept, message: &[u8]) -> Vec<u8> {
        let attributes = kept
            .pieces()
            .iter()
            .flat_map(|piece| piece.view(message).iter());
        attributes.map(|attribute| attribute.code).collect()
    }

    #[test]
    fn what_is_canonical_is_one_piece() {
        let message = message(1..=255);
        let kept = kept(&message, true);
        assert_eq!(kept.pieces().len(), 1);
        assert!(codes(&kept, &message).into_iter().eq(1..=255));
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        for canonical in [true, false] {
            let descending = message((0..=255).rev());
            let kept = kept(&descending, canonical);
            assert!(codes(&kept, &descending).into_iter().eq(0..=255));
            assert!(
                kept.pieces()
                    .iter()
                    .all(|piece| piece.is_canonical() == canonical)
            );
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
        assert_eq!(Kept::none().pieces().len(), 0);
    }
}
