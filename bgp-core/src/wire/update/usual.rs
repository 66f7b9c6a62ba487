//! A fast path for common UPDATEs.
//!
//! They announce IPv4 routes in the NLRI field, with ORIGIN, AS_PATH, NEXT_HOP and then other attributes, ascending and without
//! errors. This file only accepts: everything else, wrong or not, goes to `decode.rs`, which has all the rules and gives the same
//! result for the messages accepted here (a test compares both).

use std::net::Ipv4Addr;

use super::kept::{Kept, Piece};
use super::notes::Notes;
use super::sections::{Sections, Span};
use crate::types::Family;
use crate::wire::attribute::{Scopes, Usual, code, usual};
use crate::wire::read::Reader;
use crate::wire::{Context, MAX_EXTENDED_MESSAGE_LEN, next_hop, nlri};

const ORIGIN: Usual = Usual::of(code::ORIGIN);
const AS_PATH: Usual = Usual::of(code::AS_PATH);
const NEXT_HOP: Usual = Usual::of(code::NEXT_HOP);

/// The result of decoding a message, if it is a common one.
#[inline]
pub(in crate::wire) fn read_usual(message: &[u8], context: &Context) -> Option<Notes> {
    if message.len() > MAX_EXTENDED_MESSAGE_LEN.into() || !context.families.ipv4 {
        return None;
    }
    let Sections {
        withdrawn,
        attributes,
        nlri,
    } = Sections::split(message).ok()?;
    if !withdrawn.is_empty() || nlri.is_empty() {
        return None;
    }
    let path_ids = context.add_path_receive;
    nlri::check(Family::Ipv4Unicast, path_ids.ipv4, nlri.of(message)).ok()?;
    let mut attributes = Attributes {
        reader: Reader::between(attributes.start(), attributes.end(), message),
        peer: Scopes::of(context),
    };
    let start = attributes.reader.position();
    attributes.take(code::ORIGIN, &ORIGIN)?;
    attributes.take(code::AS_PATH, &AS_PATH)?;
    let before = Span::new(start, attributes.reader.position());
    let before = Piece::canonical(before, code::AS_PATH);
    let next_hop = attributes.take(code::NEXT_HOP, &NEXT_HOP)?;
    let next_hop = Ipv4Addr::from(*next_hop.first_chunk()?);
    let start = attributes.reader.position();
    let last_code = attributes.take_all_above(code::NEXT_HOP)?;
    let behind = Span::new(start, attributes.reader.position());
    let behind = Piece::canonical(behind, last_code);
    next_hop::is_ipv4_host(next_hop).then_some(Notes {
        withdrawn,
        nlri,
        next_hop: Some(next_hop),
        mp_reach: None,
        mp_unreach: None,
        kept: Kept::pair(before, behind),
        rare: None,
        path_ids,
        treat_as_withdraw: false,
        end_of_rib: None,
    })
}

/// The attributes of a message, as long as they are common.
struct Attributes<'a> {
    reader: Reader<'a>,
    peer: Scopes,
}

impl<'a> Attributes<'a> {
    /// The value of the next attribute, which must have this code.
    #[inline(always)]
    fn take(&mut self, code: u8, usual: &Usual) -> Option<&'a [u8]> {
        let [flags, received, len] = self.reader.array().ok()?;
        let value = self.reader.take(len.into()).ok()?;
        (received == code && usual.fits(flags, len, value, self.peer)).then_some(value)
    }

    /// Takes all remaining attributes, which must ascend; returns the code of the last.
    #[inline(always)]
    fn take_all_above(&mut self, mut last: u8) -> Option<u8> {
        while !self.reader.is_empty() {
            let [flags, code, len] = self.reader.array().ok()?;
            let value = self.reader.take(len.into()).ok()?;
            if code <= last || !usual(code)?.fits(flags, len, value, self.peer) {
                return None;
            }
            last = code;
        }
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;
    use proptest::sample::{Index, select, subsequence};

    use super::*;
    use crate::types::PerFamily;
    use crate::wire::{HEADER_LEN, Update};

    /// Ascending; each in the variants of different senders.
    const ATTRIBUTES: [&[u8]; 13] = [
        &[0x40, 1, 1, 0],
        &[0x40, 2, 10, 2, 2, 0, 0, 0xfc, 0, 0, 3, 0, 1],
        &[0x40, 3, 4, 192, 0, 2, 1],
        &[0x80, 4, 4, 0, 0, 0, 7],
        &[0x40, 5, 4, 0, 0, 0, 100],
        &[0x40, 6, 0],
        &[0xc0, 7, 8, 0, 0, 0xfc, 0, 192, 0, 2, 9],
        &[0xc0, 8, 8, 0xfc, 0, 0, 1, 0xfc, 0, 0, 1],
        &[0x80, 9, 4, 192, 0, 2, 9],
        &[0xe0, 16, 8, 0, 2, 0xfc, 0, 0, 0, 0, 1],
        &[0xc0, 32, 12, 0, 0, 0xfc, 0, 0, 0, 0, 1, 0, 0, 0, 2],
        &[0xc0, 35, 4, 0, 0, 0xfc, 0],
        &[0xc0, 99, 1, 5],
    ];

    const NLRI: [u8; 7] = [24, 198, 51, 100, 16, 10, 1];

    fn message(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> BytesMut {
        let attributes = attributes.concat();
        let mut message = BytesMut::new();
        message.put_bytes(0, HEADER_LEN);
        message.put_u16(withdrawn.len() as u16);
        message.put_slice(withdrawn);
        message.put_u16(attributes.len() as u16);
        message.put_slice(&attributes);
        message.put_slice(nlri);
        message
    }

    fn internal() -> Context {
        Context {
            four_octet_as: true,
            external: false,
            ..Context::default()
        }
    }

    fn context() -> impl Strategy<Value = Context> {
        any::<[bool; 4]>().prop_map(|[four_octet_as, external, path_ids, ipv4]| Context {
            four_octet_as,
            external,
            add_path_receive: PerFamily {
                ipv4: path_ids,
                ipv6: false,
            },
            families: PerFamily { ipv4, ipv6: true },
            ..Context::default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn the_rules_say_the_same(
            context in prop_oneof![3 => Just(internal()), 1 => context()],
            more in prop_oneof![
                3 => subsequence(ATTRIBUTES[3..].to_vec(), 0..10),
                1 => prop::collection::vec(select(&ATTRIBUTES), 0..4),
            ],
            mistakes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
        ) {
            let mut message = message(&[], &[&ATTRIBUTES[..3], &more].concat(), &NLRI);
            for (at, octet) in mistakes {
                let body = &mut message[HEADER_LEN..];
                body[at.index(body.len())] = octet;
            }
            if let Some(notes) = read_usual(&message, &context) {
                let message = message.freeze();
                let by_the_rules = Update::decode(message.clone(), &context);
                prop_assert_eq!(by_the_rules.ok(), Some(Update::new(message, notes)));
            }
        }
    }

    /// Ensures that the test above is not vacuous.
    #[test]
    fn usual_messages() {
        let is_usual = |message: BytesMut| read_usual(&message, &internal()).is_some();
        let [origin, as_path, next_hop, med] = [0, 1, 2, 3].map(|at| ATTRIBUTES[at]);
        assert!(is_usual(message(&[], &ATTRIBUTES[..3], &NLRI)));
        assert!(is_usual(message(&[], &ATTRIBUTES[..12], &NLRI)));
        assert!(!is_usual(message(&[], &ATTRIBUTES, &NLRI)));
        assert!(!is_usual(message(&[], &[], &[])));
        assert!(!is_usual(message(&NLRI, &ATTRIBUTES[..3], &NLRI)));
        assert!(!is_usual(message(&[], &[as_path, origin, next_hop], &NLRI)));
        assert!(!is_usual(message(&[], &[origin, as_path, med], &NLRI)));
        let no_host = &[0x40, 3, 4, 0, 0, 0, 1][..];
        assert!(!is_usual(message(&[], &[origin, as_path, no_host], &NLRI)));
        assert!(!is_usual(message(
            &[],
            &[&ATTRIBUTES[..4], &[med]].concat(),
            &NLRI
        )));
    }
}
