//! Encodes UPDATEs: as many routes as fit into each, only one kind of routes in each, and the multiprotocol attributes first (RFC
//! 7606 §5.1).

use std::borrow::Cow;
use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use crate::types::{Family, PathId, Prefix};
use crate::wire::attribute::{code, flag, put_two_octet};
use crate::wire::{AttributeView, Context, HEADER_LEN, MessageType, NextHop, nlri, write};

/// The attributes and one prefix do not fit into a message of the session (RFC 4271 §9.2, RFC 8654 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the attributes and one prefix do not fit a message")
    }
}

impl std::error::Error for TooLong {}

/// Octets of an empty UPDATE: the header and two lengths.
pub(super) const EMPTY_LEN: usize = HEADER_LEN + 4;
/// Octets of a NEXT_HOP attribute.
const NEXT_HOP_LEN: usize = 7;
/// Octets of a multiprotocol attribute before its next hop or NLRI: flags, code, two-octet length, AFI, SAFI.
const MP_LEN: usize = 7;

/// Appends as many UPDATEs as needed to announce `routes`, all with the same canonical attributes and next hop.
///
/// IPv4 routes with an IPv4 next hop go into the NLRI field, all others into MP_REACH_NLRI. The caller must ensure that the
/// session allows IPv6 next hops for IPv4 routes (RFC 8950 §4). An IPv4 next hop of IPv6 routes is written as an IPv4-mapped
/// address.
///
/// # Errors
///
/// The longest route does not fit into a message; nothing was appended.
pub fn encode_reachable<P: Prefix>(
    context: &Context,
    attributes: AttributeView<'_>,
    next_hop: NextHop,
    routes: &[(PathId, P)],
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let attributes = for_session(context, attributes);
    let attributes = AttributeView::new(&attributes);
    match (P::FAMILY, next_hop) {
        (Family::Ipv4Unicast, NextHop::V4(address)) => {
            let len = EMPTY_LEN + attributes.octets().len() + NEXT_HOP_LEN;
            for batch in Batches::new(context, len, routes)? {
                write::message(out, MessageType::UPDATE, |out| {
                    out.put_u16(0);
                    write::len16(out, |out| put_with_next_hop(attributes, address, out));
                    batch.put(out);
                });
            }
        }
        (Family::Ipv6Unicast, NextHop::V4(address)) => {
            let mapped = NextHop::V6(address.to_ipv6_mapped());
            return put_mp_reach(context, attributes, mapped, routes, out);
        }
        (_, NextHop::V6(_) | NextHop::V6LinkLocal { .. }) => {
            return put_mp_reach(context, attributes, next_hop, routes, out);
        }
    }
    Ok(())
}

/// RFC 4760 §3.
fn put_mp_reach<P: Prefix>(
    context: &Context,
    attributes: AttributeView<'_>,
    next_hop: NextHop,
    routes: &[(PathId, P)],
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    // Includes the length of the next hop, and the reserved octet after it.
    let len = EMPTY_LEN + MP_LEN + 1 + next_hop.len() + 1 + attributes.octets().len();
    for batch in Batches::new(context, len, routes)? {
        write::message(out, MessageType::UPDATE, |out| {
            out.put_u16(0);
            write::len16(out, |out| {
                put_mp(code::MP_REACH_NLRI, P::FAMILY, out, |out| {
                    write::len8(out, |out| next_hop.put(out));
                    out.put_u8(0);
                    batch.put(out);
                });
                out.put_slice(attributes.octets());
            });
        });
    }
    Ok(())
}

/// Appends as many UPDATEs as needed to withdraw `routes`.
pub fn encode_unreachable<P: Prefix>(
    context: &Context,
    routes: &[(PathId, P)],
    out: &mut BytesMut,
) {
    let mp_len = match P::FAMILY {
        Family::Ipv4Unicast => 0,
        Family::Ipv6Unicast => MP_LEN,
    };
    let batches = Batches::new(context, EMPTY_LEN + mp_len, routes);
    for batch in batches.expect("4096 octets have room for any prefix") {
        write::message(out, MessageType::UPDATE, |out| match P::FAMILY {
            Family::Ipv4Unicast => {
                write::len16(out, |out| batch.put(out));
                out.put_u16(0);
            }
            Family::Ipv6Unicast => {
                out.put_u16(0);
                write::len16(out, |out| {
                    put_mp(code::MP_UNREACH_NLRI, P::FAMILY, out, |out| batch.put(out));
                });
            }
        });
    }
}

/// Appends the End-of-RIB marker of a family (RFC 4724 §2).
pub fn encode_end_of_rib(family: Family, out: &mut BytesMut) {
    write::message(out, MessageType::UPDATE, |out| {
        out.put_u16(0);
        write::len16(out, |out| match family {
            Family::Ipv4Unicast => {}
            Family::Ipv6Unicast => {
                out.put_slice(&[flag::OPTIONAL, code::MP_UNREACH_NLRI]);
                write::len8(out, |out| put_family(family, out));
            }
        });
    });
}

/// The attributes with AS numbers in the session's size.
pub(super) fn for_session<'a>(context: &Context, attributes: AttributeView<'a>) -> Cow<'a, [u8]> {
    if context.four_octet_as {
        return Cow::Borrowed(attributes.octets());
    }
    let mut octets = Vec::with_capacity(2 * attributes.octets().len());
    put_two_octet(attributes, &mut octets);
    Cow::Owned(octets)
}

/// Appends the attributes with NEXT_HOP in ascending order (RFC 4271 §5).
fn put_with_next_hop(attributes: AttributeView<'_>, next_hop: Ipv4Addr, out: &mut BytesMut) {
    let (before, behind) = attributes.split_before(code::MED);
    out.put_slice(before);
    let [a, b, c, d] = next_hop.octets();
    out.put_slice(&[flag::TRANSITIVE, code::NEXT_HOP, 4, a, b, c, d]);
    out.put_slice(behind);
}

/// Appends a multiprotocol attribute: AFI and SAFI, then the octets that `body` writes.
fn put_mp(code: u8, family: Family, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_slice(&[flag::OPTIONAL | flag::EXTENDED_LENGTH, code]);
    write::len16(out, |out| {
        put_family(family, out);
        body(out);
    });
}

fn put_family(family: Family, out: &mut BytesMut) {
    let numbers = family.afi_safi();
    out.put_u16(numbers.afi);
    out.put_u8(numbers.safi);
}

/// Splits routes into batches that fit into a message.
struct Batches<'a, P> {
    routes: &'a [(PathId, P)],
    path_ids: bool,
    /// Octets available for prefixes.
    room: usize,
}

/// Routes of one message; at least one.
struct Batch<'a, P> {
    routes: &'a [(PathId, P)],
    path_ids: bool,
}

impl<'a, P: Prefix> Batches<'a, P> {
    /// `len`: octets of a message other than prefixes.
    fn new(context: &Context, len: usize, routes: &'a [(PathId, P)]) -> Result<Self, TooLong> {
        let path_ids = context.add_path_send[P::FAMILY];
        let room = context.send_limit().checked_sub(len).ok_or(TooLong)?;
        let fits = |(_, prefix): &(PathId, P)| nlri::encoded_len(path_ids, *prefix) <= room;
        if room < nlri::max_encoded_len(P::FAMILY, path_ids) && !routes.iter().all(fits) {
            return Err(TooLong);
        }
        Ok(Self {
            routes,
            path_ids,
            room,
        })
    }

    /// The number of routes that fit into the next message.
    fn fitting(&self) -> usize {
        let longest = nlri::max_encoded_len(P::FAMILY, self.path_ids);
        if self.routes.len().saturating_mul(longest) <= self.room {
            return self.routes.len();
        }
        let mut room = self.room;
        let fitting = self.routes.iter().take_while(|(_, prefix)| {
            let left = room.checked_sub(nlri::encoded_len(self.path_ids, *prefix));
            room = left.unwrap_or(room);
            left.is_some()
        });
        fitting.count()
    }
}

impl<'a, P: Prefix> Iterator for Batches<'a, P> {
    type Item = Batch<'a, P>;

    fn next(&mut self) -> Option<Batch<'a, P>> {
        let (routes, rest) = self.routes.split_at(self.fitting());
        self.routes = rest;
        (!routes.is_empty()).then_some(Batch {
            routes,
            path_ids: self.path_ids,
        })
    }
}

impl<P: Prefix> Batch<'_, P> {
    fn put(&self, out: &mut BytesMut) {
        nlri::encode(self.path_ids, self.routes, out);
    }
}
