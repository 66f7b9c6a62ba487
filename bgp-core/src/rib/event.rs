//! Inputs and outputs of the RIB.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ipnet::IpNet;

use super::next_hop::Resolution;
use super::path::Unusable;
use super::settings::{LocalRoute, PeerConfig, PeerUp};
use super::stale::{KeepStale, Preserved};
use crate::types::{Family, PeerId, PerFamily, RouterId};
use crate::wire::{NextHop, RefreshKind, Update};

/// An input of the RIB.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A neighbour was configured, or its settings changed. Its routes are imported again, and changed routes are advertised to
    /// it. A number above [`PeerId::MAX`] is refused.
    Configure {
        /// The peer.
        peer: PeerId,
        /// The new settings.
        config: Arc<PeerConfig>,
    },
    /// A neighbour was removed from the configuration.
    Remove(PeerId),
    /// A [`Hook`](crate::policy::Hook) in the policies of this neighbour has new answers. The neighbour's routes are imported
    /// again, and the members of its update group are sent what differs, in slices.
    Reevaluate(PeerId),
    /// Our own next hops in the session with a peer changed.
    OwnNextHop {
        /// The peer.
        peer: PeerId,
        /// As [`PeerUp::own_next_hop`].
        own_next_hop: PerFamily<Option<NextHop>>,
    },
    /// Our cluster ID changed. Reflected routes are imported and advertised again.
    ClusterId(Option<RouterId>),
    /// The session came up.
    Up {
        /// The peer.
        peer: PeerId,
        /// Properties of the session.
        up: PeerUp,
        /// Whether the peer preserved its forwarding state, so that stale routes may stay until End-of-RIB.
        preserved: PerFamily<Preserved>,
    },
    /// The session ended.
    Down {
        /// The peer.
        peer: PeerId,
        /// Families whose routes stay as stale, and for how long.
        keep_stale: PerFamily<Option<KeepStale>>,
    },
    /// Routes were announced or withdrawn.
    Update {
        /// The peer.
        peer: PeerId,
        /// The UPDATE.
        update: Update,
    },
    /// The peer has sent all its routes of a family (RFC 4724 §2).
    EndOfRib {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The peer asks for our routes again, or marks the start or end of its own answer.
    Refresh {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// A request, or the beginning or end of an answer.
        kind: RefreshKind,
    },
    /// The peer's connection has taken octets of UPDATEs.
    Written {
        /// The peer.
        peer: PeerId,
        /// Octets taken since the last report.
        octets: usize,
    },
    /// Adds or replaces a local route.
    Announce {
        /// The prefix.
        prefix: IpNet,
        /// The route. Boxed, because it is far larger than an UPDATE, and rare.
        route: Box<LocalRoute>,
    },
    /// Removes a local route.
    Withdraw {
        /// The prefix.
        prefix: IpNet,
        /// The number of the route: [`LocalRoute::id`].
        id: u32,
    },
    /// The answer to [`Output::Resolve`], again whenever it changes.
    NextHop {
        /// The next hop.
        address: IpAddr,
        /// The path to it.
        resolution: Resolution,
    },
    /// This speaker has just restarted: nothing is decided, sent or installed until these peers have sent End-of-RIB.
    Defer {
        /// The awaited peers and families. A family without awaited peers is not deferred.
        expected: Vec<(PeerId, Family)>,
        /// Peers that are not up by then are no longer awaited.
        up_by: Instant,
        /// End of the deferral (RFC 4724 §4.1, selection deferral timer).
        until: Instant,
    },
}

impl Input {
    /// Adds or replaces a local route: [`Input::Announce`].
    pub fn announce(prefix: IpNet, route: LocalRoute) -> Self {
        Self::Announce {
            prefix,
            route: Box::new(route),
        }
    }
}

/// An output of the RIB, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send these messages; report progress with [`Input::Written`].
    Send {
        /// The peer.
        peer: PeerId,
        /// Complete messages, shared between peers where they are equal.
        messages: Bytes,
    },
    /// The route to a prefix changed.
    Forward {
        /// The prefix.
        prefix: IpNet,
        /// The route to install. `None`: no peer has one, or a local route is preferred by its preference.
        route: Option<ForwardRoute>,
    },
    /// Resolve this next hop from now on.
    Resolve(IpAddr),
    /// Stop resolving this next hop, until it is requested again.
    Forget(IpAddr),
    /// The peer exceeded its prefix limit (RFC 4486 §4). Excess prefixes are not stored, and further input of the peer is ignored
    /// until its session has ended.
    TooManyPrefixes {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// The limit.
        limit: u32,
    },
    /// The memory limit is reached, and most of it is in use by this peer, whose session must end (RFC 4486 §4).
    OutOfResources(PeerId),
    /// Routes of this prefix may have changed in any view, or their reasons. Only after [`Rib::watch`](super::Rib::watch).
    Changed(IpNet),
    /// All routes advertised to this peer may have changed: it has moved to another update group. Only after
    /// [`Rib::watch`](super::Rib::watch).
    ToldAnew(PeerId),
    /// A route from a peer is unusable for a reason other than policy. Reported for the first route of a session with this
    /// reason, as a log message.
    Unusable {
        /// The peer.
        peer: PeerId,
        /// The prefix.
        prefix: IpNet,
        /// The reason.
        why: Unusable,
    },
    /// The deferral after a restart is over: all routes to install were output.
    DeferralEnded,
}

/// A peer's route to install.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ForwardRoute {
    /// Next hops of equal cost without duplicates, that of the best path first.
    pub next_hops: Vec<NextHop>,
    /// LOCAL_PREF, or the default.
    pub local_pref: u32,
    /// The winning preference.
    pub preference: u32,
    /// A local route with a preference of at most [`PEER_PREFERENCE`](super::PEER_PREFERENCE) is better. The local route, if
    /// installed by its owner, forwards the packets; this route may be installed in addition to it, but must not replace it.
    pub standby: bool,
}

impl ForwardRoute {
    /// A route without a better local route.
    pub fn new(next_hops: Vec<NextHop>, local_pref: u32, preference: u32) -> Self {
        Self {
            next_hops,
            local_pref,
            preference,
            standby: false,
        }
    }

    /// Sets [`standby`](Self::standby).
    pub fn with_standby(self, standby: bool) -> Self {
        Self { standby, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queues hold these values: rare variants must not make them larger.
    #[test]
    fn an_input_is_about_as_large_as_an_update() {
        assert_eq!(size_of::<Update>(), 112);
        assert_eq!(size_of::<Input>(), 120);
        assert_eq!(size_of::<Output>(), 64);
    }
}
