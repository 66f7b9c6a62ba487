//! Messages built octet by octet, valid or not, for tests of the codec.
#![allow(dead_code, reason = "each test program uses a part of it")]

use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::{
    Context, Frame, Message, MessageError, MessageType, Nlri, Notification, Update,
};
use bytes::{BufMut, BytesMut};

pub(crate) const EVERY_FAMILY: PerFamily<bool> = PerFamily {
    ipv4: true,
    ipv6: true,
};

/// A session inside our AS, with four-octet AS numbers and every family.
pub(crate) fn internal() -> Context {
    Context {
        four_octet_as: true,
        families: EVERY_FAMILY,
        external: false,
        ..Context::default()
    }
}

/// The same with another AS.
pub(crate) fn external() -> Context {
    Context {
        external: true,
        ..internal()
    }
}

/// The same with a peer that has two-octet AS numbers.
pub(crate) fn two_octet() -> Context {
    Context {
        four_octet_as: false,
        ..internal()
    }
}

/// A message of any type with this body.
pub(crate) fn frame(kind: MessageType, body: &[u8]) -> Frame {
    let mut bytes = BytesMut::new();
    bytes.put_bytes(0xff, 16);
    bytes.put_u16(19 + u16::try_from(body.len()).expect("a message"));
    bytes.put_u8(kind.0);
    bytes.put_slice(body);
    Frame {
        kind,
        bytes: bytes.freeze(),
    }
}

/// An attribute; its length takes two octets if the flags say so.
pub(crate) fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![flags, code];
    if flags & 0x10 == 0 {
        octets.put_u8(value.len().try_into().expect("a short value"));
    } else {
        octets.put_u16(value.len().try_into().expect("a value"));
    }
    octets.extend(value);
    octets
}

/// Flags that RFC 4271 §4.3 and the RFCs of the attributes ask for.
pub(crate) fn flags_of(code: u8) -> u8 {
    match code {
        1 | 2 | 3 | 5 | 6 => 0x40,
        4 | 9 | 10 | 14 | 15 | 26 => 0x80,
        _ => 0xc0,
    }
}

/// An attribute with the right flags.
pub(crate) fn good(code: u8, value: &[u8]) -> Vec<u8> {
    attribute(flags_of(code), code, value)
}

pub(crate) fn origin() -> Vec<u8> {
    good(1, &[0])
}

/// AS_PATH with AS 64512 in four octets.
pub(crate) fn as_path() -> Vec<u8> {
    good(2, &[2, 1, 0, 0, 0xfc, 0])
}

pub(crate) fn next_hop() -> Vec<u8> {
    good(3, &[192, 0, 2, 1])
}

/// ORIGIN, AS_PATH and NEXT_HOP: what an IPv4 route cannot do without.
pub(crate) fn mandatory() -> Vec<Vec<u8>> {
    vec![origin(), as_path(), next_hop()]
}

/// MP_REACH_NLRI of IPv6 unicast with next hop 2001:db8::1.
pub(crate) fn mp_reach(nlri: &[u8]) -> Vec<u8> {
    good(14, &mp_reach_value(nlri))
}

pub(crate) fn mp_reach_value(nlri: &[u8]) -> Vec<u8> {
    let mut value = vec![0, 2, 1, 16, 0x20, 0x01, 0x0d, 0xb8];
    value.extend([0; 11]);
    value.extend([1, 0]);
    value.extend(nlri);
    value
}

/// MP_UNREACH_NLRI of IPv6 unicast.
pub(crate) fn mp_unreach(nlri: &[u8]) -> Vec<u8> {
    good(15, &[&[0, 2, 1], nlri].concat())
}

/// 10.1.0.0/16 and 2001:db8::/32 as NLRI.
pub(crate) const IPV4: [u8; 3] = [16, 10, 1];
pub(crate) const IPV6: [u8; 5] = [32, 0x20, 0x01, 0x0d, 0xb8];

/// An UPDATE of three sections.
pub(crate) fn update(withdrawn: &[u8], attributes: &[Vec<u8>], nlri: &[u8]) -> Frame {
    let attributes = attributes.concat();
    let mut body = Vec::new();
    body.put_u16(withdrawn.len().try_into().expect("a section"));
    body.extend(withdrawn);
    body.put_u16(attributes.len().try_into().expect("a section"));
    body.extend(attributes);
    body.extend(nlri);
    frame(MessageType::UPDATE, &body)
}

/// An UPDATE that announces 10.1.0.0/16 with these attributes and the mandatory ones.
pub(crate) fn announcing(more: &[Vec<u8>]) -> Frame {
    update(&[], &[mandatory(), more.to_vec()].concat(), &IPV4)
}

/// Reads an UPDATE that does not end the session.
pub(crate) fn read(frame: Frame, context: &Context) -> Update {
    match Message::decode(frame, context) {
        Ok(Message::Update(update)) => update,
        other => panic!("not an UPDATE: {other:?}"),
    }
}

/// Reads a message that ends the session.
pub(crate) fn refused(frame: Frame, context: &Context) -> MessageError {
    Message::decode(frame, context).expect_err("this ends the session")
}

/// Code and subcode.
pub(crate) fn numbers(notification: &Notification) -> (u8, u8) {
    (notification.code.0, notification.subcode)
}

/// The prefixes in a list as text.
pub(crate) fn nets(nlri: Nlri<'_>) -> Vec<String> {
    nlri.nets().map(|(_, net)| net.to_string()).collect()
}

/// All prefixes that are announced, as text.
pub(crate) fn announced(update: &Update) -> Vec<String> {
    update
        .reachable()
        .flat_map(|reachable| nets(reachable.nlri))
        .collect()
}

/// All prefixes that are withdrawn, as text.
pub(crate) fn withdrawn(update: &Update) -> Vec<String> {
    update.unreachable().flat_map(nets).collect()
}

/// Families in the order of the lists.
pub(crate) fn families<'a>(lists: impl Iterator<Item = Nlri<'a>>) -> Vec<Family> {
    lists.map(Nlri::family).collect()
}
