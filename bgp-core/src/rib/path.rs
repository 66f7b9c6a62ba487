//! A path: one way to reach a prefix, from a peer or of our own.

use super::attributes::AttrId;
use crate::types::{PathId, PeerId};

/// Names this speaker where a route's peer is asked for.
pub(crate) const LOCAL: PeerId = PeerId(u32::MAX);

/// Why a path may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unusable {
    /// Our AS is in its AS path too often (RFC 4271 §9.1.2).
    AsLoop,
    /// Our identifier or cluster ID has been there already (RFC 4456 §8).
    ReflectionLoop,
    /// The next hop is our own address (RFC 4271 §5.1.3).
    OwnNextHop,
    /// The import policy rejected it.
    Policy,
    /// It leaked: its OTC attribute does not fit the role of the peer (RFC 9234 §5).
    RouteLeak,
}

/// One way to reach a prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// After import policy.
    pub(crate) attrs: AttrId,
    /// As received.
    pub(crate) received: AttrId,
    pub(crate) peer: PeerId,
    /// The peer's path identifier.
    pub(crate) remote_id: PathId,
    /// Seconds from the start of the RIB to when it came.
    pub(crate) since: u32,
    /// Our path identifier: unique among the paths of the prefix, the same as long as the path lives (RFC 7911 §5).
    pub(crate) local_id: u16,
    /// The peer's epoch when it came; older ones are stale.
    pub(crate) epoch: u8,
    pub(crate) unusable: Option<Unusable>,
}

impl Path {
    /// Whether it is a local route.
    pub(crate) fn is_local(&self) -> bool {
        self.peer == LOCAL
    }
}
