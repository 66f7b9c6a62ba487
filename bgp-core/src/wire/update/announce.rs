//! An UPDATE out of values, for whoever has routes from something else than a session.

use bytes::BytesMut;

use super::encode::{TooLong, encode_reachable};
use super::{NextHop, Update};
use crate::types::{PathId, PerFamily, Prefix};
use crate::wire::{AttributeView, Attributes, Context, MAX_EXTENDED_MESSAGE_LEN, frame};

/// Everything is allowed.
const CONTEXT: Context = Context {
    four_octet_as: true,
    add_path_receive: NONE,
    add_path_send: NONE,
    families: ALL,
    extended_next_hop: true,
    max_receive_len: MAX_EXTENDED_MESSAGE_LEN,
    max_send_len: MAX_EXTENDED_MESSAGE_LEN,
    external: false,
    enhanced_refresh: false,
};
const NONE: PerFamily<bool> = PerFamily {
    ipv4: false,
    ipv6: false,
};
const ALL: PerFamily<bool> = PerFamily {
    ipv4: true,
    ipv6: true,
};

impl Update {
    /// One that announces prefixes: to feed a [`Rib`](crate::rib::Rib) from a file or a test.
    ///
    /// ```
    /// use bgp_core::wire::{Attributes, NextHop, Update};
    /// use ipnet::Ipv4Net;
    ///
    /// let prefix: Ipv4Net = "198.51.100.0/24".parse()?;
    /// let next_hop = NextHop::V4([192, 0, 2, 1].into());
    /// let update = Update::announce(&Attributes::default(), next_hop, &[prefix])?;
    /// assert_eq!(update.reachable().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is not possible within one message of 65535 octets.
    pub fn announce<P: Prefix>(
        attributes: &Attributes,
        next_hop: NextHop,
        prefixes: &[P],
    ) -> Result<Self, TooLong> {
        let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
        attributes.encode_canonical(&mut canonical);
        let routes: Vec<_> = prefixes.iter().map(|prefix| (PathId(0), *prefix)).collect();
        let view = AttributeView::new(&canonical);
        encode_reachable(&CONTEXT, view, next_hop, &routes, &mut octets)?;
        let first = frame::take(&mut octets, MAX_EXTENDED_MESSAGE_LEN)
            .ok()
            .flatten();
        let update = first.and_then(|frame| Self::decode(frame.bytes, &CONTEXT).ok());
        update.filter(|_| octets.is_empty()).ok_or(TooLong)
    }
}
