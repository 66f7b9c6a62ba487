//! Settings of the RIB, of its peers and of local routes: what the owner says, without any state.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::policy::{PeerView, Policy, Source};
use crate::types::{AfiSafi, Asn, PeerId, PerFamily, Role, RouterId};
use crate::wire::{Attributes, Context, NextHop};

/// The preference of routes from peers, if no policy sets another.
pub const PEER_PREFERENCE: u32 = 100;

/// Settings of the RIB as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RibConfig {
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Ours as a route reflector; the identifier if not set (RFC 4456 §7).
    pub cluster_id: Option<RouterId>,
    /// LOCAL_PREF of routes that came without.
    pub default_local_pref: u32,
    /// Ask for the way to next hops; without, every next hop counts as reachable at no cost.
    pub resolve_next_hops: bool,
    /// Routes whose next hop cannot be reached, or is our own address, are used when there is nothing better, instead of not
    /// at all. Whoever forwards must drop their packets.
    pub use_unresolved: bool,
    /// Tell which routes are to be installed.
    pub forwarding: bool,
    /// With more octets than this in tables and attributes, whoever holds most of them is stopped, and whoever holds most
    /// after that until it is less. `None`: no limit.
    pub memory_limit: Option<usize>,
}

impl RibConfig {
    /// Settings of a speaker that does not forward: next hops are not resolved, routes are not installed.
    pub fn new(router_id: RouterId) -> Self {
        Self {
            router_id,
            cluster_id: None,
            default_local_pref: 100,
            resolve_next_hops: false,
            use_unresolved: false,
            forwarding: false,
            memory_limit: None,
        }
    }
}

/// A route of this speaker's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalRoute {
    /// Tells apart several local routes of one prefix; the same number replaces.
    pub id: u32,
    /// Its attributes.
    pub attributes: Attributes,
    /// The gateway, if there is one.
    pub next_hop: Option<NextHop>,
    /// The interface it leaves by, if known.
    pub interface: Option<Arc<str>>,
    /// Compared before anything of BGP; routes from peers have 100. With no more than that, the best of the peers' routes is
    /// given for forwarding all the same, beside the local one.
    pub preference: u32,
    /// What peers with these addresses are told in place of the attributes; `None`: they are not told of the route. Export policies and
    /// the rules of BGP apply all the same. Each address that is named by any route costs its peers an update group of their own.
    pub for_peers: BTreeMap<IpAddr, Option<Attributes>>,
}

impl Default for LocalRoute {
    /// A route with empty attributes and our own address as next hop, preferred over those of peers.
    fn default() -> Self {
        Self {
            id: 0,
            attributes: Attributes::default(),
            next_hop: None,
            interface: None,
            preference: 2 * PEER_PREFERENCE,
            for_peers: BTreeMap::new(),
        }
    }
}

impl LocalRoute {
    /// The same with a number.
    #[must_use]
    pub const fn with_id(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    /// The same with attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// The same with a gateway.
    #[must_use]
    pub const fn with_next_hop(mut self, next_hop: NextHop) -> Self {
        self.next_hop = Some(next_hop);
        self
    }

    /// The same with other attributes for a peer; `None`: that peer is not told of the route. See [`LocalRoute::for_peers`].
    #[must_use]
    pub fn told_to(mut self, peer: IpAddr, attributes: Option<Attributes>) -> Self {
        self.for_peers.insert(peer, attributes);
        self
    }
}

/// Whose AS a peer is in, and who reflects for whom (RFC 4456 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum PeerKind {
    /// Another AS.
    External,
    /// Our AS.
    Internal,
    /// Our AS, and we reflect for it.
    Client,
}

impl PeerKind {
    /// Whether the peer is in our AS.
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::Internal | Self::Client)
    }

    /// Where its routes are learned, for policies.
    pub(super) const fn source(self) -> Source {
        match self {
            Self::External => Source::External,
            Self::Internal => Source::Internal,
            Self::Client => Source::Client,
        }
    }
}

/// Which next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NextHopMode {
    /// RFC 4271 §5.1.3: our own address to another AS and for routes without a gateway, else unchanged.
    #[default]
    Auto,
    /// Always our own address.
    Own,
    /// Always unchanged, where there is one.
    Keep,
}

/// A neighbour as the RIB sees it. May change while the session is up: nothing in it is negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerConfig {
    /// The peer's address: the last tie-break, and the next hop it is never told (RFC 4271 §5.1.3).
    pub address: IpAddr,
    /// Whose AS it is in.
    pub kind: PeerKind,
    /// Our AS number on this session.
    pub local_as: Asn,
    /// The peer's.
    pub peer_as: Asn,
    /// How often our AS may be in a path that it sends.
    pub allowed_local_as: u32,
    /// Which next hop it is told.
    pub next_hop_mode: NextHopMode,
    /// Decides on what it sends.
    pub import: Arc<Policy>,
    /// Decides on what it is told.
    pub export: Arc<Policy>,
    /// More prefixes than this end the session (RFC 4486 §4).
    pub max_prefixes: PerFamily<Option<u32>>,
    /// Our role towards it (RFC 9234).
    pub role: Option<Role>,
}

impl PeerConfig {
    /// A peer of another AS exchanges nothing before it has policies (RFC 8212 §3); one of the same AS exchanges everything.
    pub fn new(local_as: Asn, address: IpAddr, peer_as: Asn) -> Self {
        let internal = local_as == peer_as;
        let policy = Arc::new(if internal {
            Policy::ACCEPT
        } else {
            Policy::REJECT
        });
        Self {
            address,
            kind: if internal {
                PeerKind::Internal
            } else {
                PeerKind::External
            },
            local_as,
            peer_as,
            allowed_local_as: 0,
            next_hop_mode: NextHopMode::Auto,
            import: Arc::clone(&policy),
            export: policy,
            max_prefixes: PerFamily::default(),
            role: None,
        }
    }

    /// The same with policies for what the peer sends, and for what it is told.
    #[must_use]
    pub fn with_policies(mut self, import: Arc<Policy>, export: Arc<Policy>) -> Self {
        self.import = import;
        self.export = export;
        self
    }

    /// The peer with this number, for policies.
    pub(super) fn view(&self, id: PeerId) -> PeerView {
        PeerView {
            id,
            address: self.address,
            asn: self.peer_as,
        }
    }

    /// Whether routes of the peer must be imported again when these settings become the new ones.
    pub(super) fn changes_import(&self, new: &Self) -> bool {
        self.import != new.import
            || self.kind != new.kind
            || self.address != new.address
            || self.allowed_local_as != new.allowed_local_as
            || self.local_as != new.local_as
            || self.peer_as != new.peer_as
            || self.role != new.role
    }
}

/// What became known when the session came up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerUp {
    /// The peer's BGP identifier.
    pub peer_id: RouterId,
    /// How its messages are written; tells the families in use.
    pub context: Context,
    /// Our own next hop in each family: the local address of the connection. `None`: routes without another cannot be told.
    pub own_next_hop: PerFamily<Option<NextHop>>,
    /// It said that it will send End-of-RIB (RFC 4724 §4.1), so the RIB may wait for it when it has just restarted itself.
    pub sends_end_of_rib: bool,
    /// It knows what LLGR_STALE means, and so may be told routes that have it (RFC 9494 §4.3).
    pub long_lived_aware: bool,
    /// Families that are not routed here, of which it takes routes: see [`Rib::send_opaque`](super::Rib::send_opaque).
    pub opaque_families: Vec<AfiSafi>,
}

impl PeerUp {
    /// A session with what the two sides agreed on, and nothing else: routes without a next hop cannot be told, End-of-RIB is not
    /// waited for.
    pub fn new(peer_id: RouterId, context: Context) -> Self {
        Self {
            peer_id,
            context,
            own_next_hop: PerFamily::default(),
            sends_end_of_rib: false,
            long_lived_aware: false,
            opaque_families: Vec::new(),
        }
    }
}
