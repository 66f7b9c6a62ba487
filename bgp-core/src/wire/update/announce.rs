//! Builds an UPDATE from values, for routes that do not come from a session.

use bytes::{Bytes, BytesMut};

use super::encode::{TooLong, encode_reachable};
use crate::types::{PathId, PerFamily, Prefix};
use crate::wire::{AttributeView, Attributes, Context, MAX_EXTENDED_MESSAGE_LEN, NextHop, frame};

/// The codec context: everything is allowed.
pub(super) const CONTEXT: Context = Context {
    four_octet_as: true,
    add_path_receive: NONE,
    add_path_send: NONE,
    families: ALL,
    extended_next_hop: true,
    max_receive_len: MAX_EXTENDED_MESSAGE_LEN,
    max_send_len: MAX_EXTENDED_MESSAGE_LEN,
    external: false,
    enhanced_refresh: false,
    opaque_families: false,
};
const NONE: PerFamily<bool> = PerFamily {
    ipv4: false,
    ipv6: false,
};
const ALL: PerFamily<bool> = PerFamily {
    ipv4: true,
    ipv6: true,
};

/// An UPDATE that announces prefixes.
pub(super) fn message<P: Prefix>(
    attributes: &Attributes,
    next_hop: NextHop,
    prefixes: &[P],
) -> Result<Bytes, TooLong> {
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let routes: Vec<_> = prefixes.iter().map(|prefix| (PathId(0), *prefix)).collect();
    let view = AttributeView::new(&canonical);
    encode_reachable(&CONTEXT, view, next_hop, &routes, &mut octets)?;
    let first = frame::take(&mut octets, MAX_EXTENDED_MESSAGE_LEN)
        .ok()
        .flatten();
    let first = first.filter(|_| octets.is_empty());
    first.map(|frame| frame.bytes).ok_or(TooLong)
}
