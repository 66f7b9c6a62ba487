//! A path: one way to reach a prefix, from a peer or local.

use std::fmt;

use super::attributes::AttrId;
use crate::types::{PathId, PeerId};

/// The peer number of local routes.
pub(crate) const LOCAL: PeerId = PeerId(u32::MAX);

/// Why a path is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Unusable {
    /// Our AS is in the AS path too often (RFC 4271 §9.1.2).
    AsLoop,
    /// Our identifier or cluster ID is in ORIGINATOR_ID or CLUSTER_LIST (RFC 4456 §8).
    ReflectionLoop,
    /// The next hop is our own address (RFC 4271 §5.1.3).
    OwnNextHop,
    /// The next hop is a loopback address, and either the peer is on another host or this speaker forwards packets (RFC 4271
    /// §6.3).
    LoopbackNextHop,
    /// The import policy rejected the route.
    Policy,
    /// A route leak: the OTC attribute contradicts the role of the peer (RFC 9234 §5).
    RouteLeak,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsLoop => "our AS number is in the AS path",
            Self::ReflectionLoop => "our identifier or cluster ID is in the attributes",
            Self::OwnNextHop => "the next hop is our own address",
            Self::LoopbackNextHop => "the next hop is a loopback address",
            Self::Policy => "the import policy rejects the route",
            Self::RouteLeak => "the route has leaked: OTC does not fit the role of the peer",
        })
    }
}

/// The source of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteSource {
    /// Local; the number of the local route.
    Local(u32),
    /// From a peer, with its path identifier.
    Peer(PeerId, PathId),
}

/// A path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Attributes after import policy.
    pub(crate) attrs: AttrId,
    /// Attributes as received.
    pub(crate) received: AttrId,
    pub(crate) peer: PeerId,
    /// The peer's path identifier.
    pub(crate) remote_id: PathId,
    /// When it arrived, in seconds since the start of the RIB.
    pub(crate) since: u32,
    /// Our path identifier: unique among the paths of the prefix, and constant for the life of the path (RFC 7911 §5).
    pub(crate) local_id: u16,
    /// The peer's epoch at arrival; older epochs are stale.
    pub(crate) epoch: u8,
    pub(crate) unusable: Option<Unusable>,
}

impl Path {
    /// Whether it is a local route.
    pub(crate) fn is_local(&self) -> bool {
        self.peer == LOCAL
    }

    /// The source.
    pub(crate) fn source(&self) -> RouteSource {
        match self.is_local() {
            true => RouteSource::Local(self.remote_id.0),
            false => RouteSource::Peer(self.peer, self.remote_id),
        }
    }
}
