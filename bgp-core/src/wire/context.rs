//! The negotiated properties of a session that affect the codec.

use crate::types::{Family, PerFamily};

/// Largest message without the extended message capability (RFC 4271 §4.1).
pub const MAX_MESSAGE_LEN: u16 = 4096;
/// Largest message with it (RFC 8654 §3).
pub const MAX_EXTENDED_MESSAGE_LEN: u16 = 65535;

/// The negotiated properties of a session that affect how messages are encoded and decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// AS numbers in AS_PATH and AGGREGATOR take four octets (RFC 6793 §3).
    pub four_octet_as: bool,
    /// Received NLRI has path identifiers (RFC 7911 §3).
    pub add_path_receive: PerFamily<bool>,
    /// Sent NLRI has path identifiers.
    pub add_path_send: PerFamily<bool>,
    /// Negotiated families; routes of other families are ignored (RFC 4760 §8).
    pub families: PerFamily<bool>,
    /// IPv4 routes may have IPv6 next hops (RFC 8950 §4).
    pub extended_next_hop: bool,
    /// Largest accepted message: 4096 or 65535 (RFC 8654 §3).
    pub max_receive_len: u16,
    /// Largest message to send.
    pub max_send_len: u16,
    /// The peer is in another AS: attributes that are only valid within an AS are discarded (RFC 7606 §7.5, 7.9, 7.10).
    pub external: bool,
    /// Enhanced route refresh was negotiated (RFC 7313 §4).
    pub enhanced_refresh: bool,
    /// Routes of families that are not routed here are decoded as octets: see [`Update::opaque`](super::Update::opaque).
    pub opaque_families: bool,
}

impl Default for Context {
    /// The properties before the exchange of OPENs.
    fn default() -> Self {
        Self {
            four_octet_as: false,
            add_path_receive: PerFamily::default(),
            add_path_send: PerFamily::default(),
            families: PerFamily {
                ipv4: true,
                ipv6: false,
            },
            extended_next_hop: false,
            max_receive_len: MAX_MESSAGE_LEN,
            max_send_len: MAX_MESSAGE_LEN,
            external: true,
            enhanced_refresh: false,
            opaque_families: false,
        }
    }
}

impl Context {
    /// Largest message to send, octets. Every peer accepts 4096 (RFC 4271 §4.1).
    pub(super) fn send_limit(&self) -> usize {
        self.max_send_len.max(MAX_MESSAGE_LEN).into()
    }

    /// Octets of an AS number.
    pub(super) fn asn_len(&self) -> usize {
        if self.four_octet_as { 4 } else { 2 }
    }

    /// Whether received NLRI of this family has path identifiers.
    pub fn receives_path_ids(&self, family: Family) -> bool {
        self.add_path_receive[family]
    }
}
