//! What happens to the RIB and what it wants to happen: the two enums that its owner deals with.

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

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// A neighbour was configured, or its settings changed. Its routes are imported again, and it is sent what differs. Beyond
    /// [`PeerId::MAX`] it is refused.
    Configure {
        /// The peer.
        peer: PeerId,
        /// How it is treated from now on.
        config: Arc<PeerConfig>,
    },
    /// A neighbour is no longer configured.
    Remove(PeerId),
    /// A [`Hook`](crate::policy::Hook) in the policies of this neighbour would decide otherwise now. Its routes are imported
    /// again, and whoever is in its update group is sent what differs, a slice at a time.
    Reevaluate(PeerId),
    /// Our own next hops in the session with a peer changed.
    OwnNextHop {
        /// The peer.
        peer: PeerId,
        /// As [`PeerUp::own_next_hop`].
        own_next_hop: PerFamily<Option<NextHop>>,
    },
    /// Our cluster ID changed. What was reflected is imported and told again.
    ClusterId(Option<RouterId>),
    /// The session came up.
    Up {
        /// The peer.
        peer: PeerId,
        /// What is known of it.
        up: PeerUp,
        /// Whether its stale routes, if there are any, may stay until End-of-RIB.
        preserved: PerFamily<Preserved>,
    },
    /// The session ended.
    Down {
        /// The peer.
        peer: PeerId,
        /// Families whose routes stay as stale, and for how long.
        keep_stale: PerFamily<Option<KeepStale>>,
    },
    /// Routes came or went.
    Update {
        /// The peer.
        peer: PeerId,
        /// The UPDATE.
        update: Update,
    },
    /// The peer has sent all its routes.
    EndOfRib {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
    },
    /// The peer asks for our routes again, or marks its own answer.
    Refresh {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// A request, or the begin or end of an answer.
        kind: RefreshKind,
    },
    /// The peer's connection has taken so many octets of what was sent.
    Written {
        /// The peer.
        peer: PeerId,
        /// The octets that it has taken since the last report.
        octets: usize,
    },
    /// A local route is there.
    Announce {
        /// Its prefix.
        prefix: IpNet,
        /// Everything else. Boxed: far larger than what an UPDATE needs, and rare.
        route: Box<LocalRoute>,
    },
    /// A local route is gone.
    Withdraw {
        /// Its prefix.
        prefix: IpNet,
        /// The number of the route: [`LocalRoute::id`].
        id: u32,
    },
    /// The answer to [`Output::Resolve`], again whenever it changes.
    NextHop {
        /// The next hop.
        address: IpAddr,
        /// The way to it.
        resolution: Resolution,
    },
    /// This speaker has just restarted: nothing is decided, sent or installed until these peers have sent End-of-RIB.
    Defer {
        /// Who is expected to send it, in which family. A family nobody is waited for in goes its way.
        expected: Vec<(PeerId, Family)>,
        /// Whoever is not up by then is not waited for.
        up_by: Instant,
        /// The end of all waiting (RFC 4724 §4.1, selection deferral timer).
        until: Instant,
    },
}

impl Input {
    /// A local route is there: [`Input::Announce`].
    pub fn announce(prefix: IpNet, route: LocalRoute) -> Self {
        Self::Announce {
            prefix,
            route: Box::new(route),
        }
    }
}

/// What is to happen, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send these messages; report with [`Input::Written`].
    Send {
        /// The peer.
        peer: PeerId,
        /// Whole messages, shared with other peers where they are the same.
        messages: Bytes,
    },
    /// The route to a prefix changed.
    Forward {
        /// The prefix.
        prefix: IpNet,
        /// `None`: there is none from a peer, or a local one is preferred by its preference.
        route: Option<ForwardRoute>,
    },
    /// The way to this next hop is wanted from now on.
    Resolve(IpAddr),
    /// The way to this next hop is no longer wanted, until it is asked for again.
    Forget(IpAddr),
    /// The peer has sent more prefixes than it may (RFC 4486 §4). Those that are too many are not in the tables, and nothing
    /// more of it is looked at until its session has ended.
    TooManyPrefixes {
        /// The peer.
        peer: PeerId,
        /// The family.
        family: Family,
        /// How many it may.
        limit: u32,
    },
    /// This speaker holds more than it may, and most of it from this peer, whose session is to end (RFC 4486 §4).
    OutOfResources(PeerId),
    /// Routes of this prefix may have changed in any view, or why they are used or told. Only while
    /// [`Rib::watch`](super::Rib::watch) says so.
    Changed(IpNet),
    /// What this peer is told may be something else altogether: it has joined those that are told the same, or has left them.
    /// Only while [`Rib::watch`](super::Rib::watch) says so.
    ToldAnew(PeerId),
    /// A route that a peer announced cannot be used, and not because of policy: the first one in its session with this reason.
    /// For a log that says so once.
    Unusable {
        /// The peer.
        peer: PeerId,
        /// The prefix of the route.
        prefix: IpNet,
        /// Why the route cannot be used.
        why: Unusable,
    },
    /// Waiting after a restart is over: all that is to be installed has been told.
    DeferralEnded,
}

/// A route from a peer, as it is to be installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ForwardRoute {
    /// Next hops of equal cost, the best path's first, without repetition.
    pub next_hops: Vec<NextHop>,
    /// LOCAL_PREF, the default if it came without.
    pub local_pref: u32,
    /// The preference that it won with.
    pub preference: u32,
    /// A local route of no more than [`PEER_PREFERENCE`](super::PEER_PREFERENCE) is better. Whoever installed that one forwards by it; this one may be
    /// installed beside it, where it does not take its place.
    pub standby: bool,
}

impl ForwardRoute {
    /// One without a better local route.
    pub fn new(next_hops: Vec<NextHop>, local_pref: u32, preference: u32) -> Self {
        Self {
            next_hops,
            local_pref,
            preference,
            standby: false,
        }
    }

    /// The same with another [`standby`](Self::standby).
    pub fn with_standby(self, standby: bool) -> Self {
        Self { standby, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queues are made of these: nothing rare makes them larger.
    #[test]
    fn an_input_is_about_as_large_as_an_update() {
        assert_eq!(size_of::<Update>(), 112);
        assert_eq!(size_of::<Input>(), 120);
        assert_eq!(size_of::<Output>(), 64);
    }
}
