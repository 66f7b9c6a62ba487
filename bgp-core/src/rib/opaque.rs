//! UPDATEs of families that are not routed here, sent between those of the RIB.

use std::fmt;

use bytes::BytesMut;

use super::group::HIGH_WATER;
use super::shared::Shared;
use crate::types::PeerId;
use crate::wire::update::encode_opaque;
use crate::wire::{AttributeView, Attributes, OpaqueRoutes};

/// Why routes of a family that is not routed here were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpaqueError {
    /// There is no session, or it did not negotiate the family.
    NotNegotiated,
    /// More than a mebibyte is in flight: try again when the peer has taken some.
    Full,
    /// Attributes and routes do not fit into one message of the session.
    TooLong,
}

/// Sends the routes, after the UPDATEs in flight.
pub(super) fn send(
    shared: &mut Shared,
    peer: PeerId,
    attributes: &Attributes,
    routes: OpaqueRoutes<'_>,
) -> Result<(), OpaqueError> {
    let known = shared.peers.find(peer);
    let known = known.filter(|known| known.stopping.is_none());
    let up = known.and_then(|known| known.up.as_ref());
    let agreed = up.filter(|up| up.opaque_families.contains(&routes.family()));
    let up = agreed.ok_or(OpaqueError::NotNegotiated)?;
    if shared.in_flight(peer) > HIGH_WATER {
        return Err(OpaqueError::Full);
    }
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    encode_opaque(&up.context, view, routes, &mut octets).map_err(|_| OpaqueError::TooLong)?;
    shared.send(peer, octets);
    Ok(())
}

impl fmt::Display for OpaqueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNegotiated => "the family was not negotiated with the peer",
            Self::Full => "the peer has much to take already",
            Self::TooLong => "attributes and routes do not fit one message",
        })
    }
}

impl std::error::Error for OpaqueError {}
