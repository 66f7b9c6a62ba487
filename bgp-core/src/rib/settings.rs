//! Settings of the RIB, of its peers and of local routes. No state.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::policy::{PeerView, Policy, Source};
use crate::scoped::with_scope;
use crate::types::{AfiSafi, Asn, PeerId, PerFamily, Role, RouterId};
use crate::wire::{Attributes, Context, NextHop};

/// The preference of routes from peers, unless a policy sets another one.
pub const PEER_PREFERENCE: u32 = 100;

/// Settings of the RIB as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RibConfig {
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// Our cluster ID as a route reflector; `None` is the identifier (RFC 4456 §7).
    pub cluster_id: Option<RouterId>,
    /// LOCAL_PREF of routes without one.
    pub default_local_pref: u32,
    /// Ask the owner to resolve next hops; otherwise every next hop counts as reachable at no cost.
    pub resolve_next_hops: bool,
    /// Use routes whose next hop is unreachable or our own address if nothing better exists, instead of not at all. The
    /// forwarding plane must drop their packets.
    pub use_unresolved: bool,
    /// Output the routes to install.
    pub forwarding: bool,
    /// Limit in octets for tables and attributes. Above it, the session of the peer that holds most is stopped, and so on until
    /// the limit holds. `None` is no limit.
    pub memory_limit: Option<usize>,
}

impl RibConfig {
    /// Settings of a speaker that does not forward: next hops are not resolved, and routes are not installed.
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

/// A local route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalRoute {
    /// Distinguishes local routes of one prefix; a route with the same number is replaced.
    pub id: u32,
    /// The attributes.
    pub attributes: Attributes,
    /// The gateway, if there is one.
    pub next_hop: Option<NextHop>,
    /// The outgoing interface, if known.
    pub interface: Option<Arc<str>>,
    /// Compared before all BGP attributes; routes from peers have 100. With at most 100, the best route of the peers is still
    /// output for forwarding, in addition to the local one.
    pub preference: u32,
    /// Attributes for peers with these addresses, instead of `attributes`; `None` withholds the route. Export policies and the
    /// rules of BGP still apply. Each address costs its peers an update group of their own.
    pub for_peers: BTreeMap<IpAddr, Option<Attributes>>,
}

impl Default for LocalRoute {
    /// A route with empty attributes and our own address as next hop, preferred over routes of peers.
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
    /// Sets the number.
    #[must_use]
    pub const fn with_id(mut self, id: u32) -> Self {
        self.id = id;
        self
    }

    /// Sets the attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets the gateway.
    #[must_use]
    pub const fn with_next_hop(mut self, next_hop: NextHop) -> Self {
        self.next_hop = Some(next_hop);
        self
    }

    /// Sets other attributes for a peer; `None` withholds the route from it. See [`LocalRoute::for_peers`].
    #[must_use]
    pub fn told_to(mut self, peer: IpAddr, attributes: Option<Attributes>) -> Self {
        self.for_peers.insert(peer, attributes);
        self
    }
}

/// The relation to a peer: its AS, and route reflection (RFC 4456 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum PeerKind {
    /// In another AS (eBGP).
    External,
    /// In our AS (iBGP).
    Internal,
    /// In our AS, and a client of ours as route reflector.
    Client,
}

impl PeerKind {
    /// Whether the peer is in our AS.
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::Internal | Self::Client)
    }

    /// The source of the peer's routes, for policies.
    pub(super) const fn source(self) -> Source {
        match self {
            Self::External => Source::External,
            Self::Internal => Source::Internal,
            Self::Client => Source::Client,
        }
    }
}

/// The next hop to advertise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NextHopMode {
    /// RFC 4271 §5.1.3: our own address towards another AS and for routes without a gateway, otherwise unchanged.
    #[default]
    Auto,
    /// Always our own address.
    Own,
    /// Always unchanged, if there is one.
    Keep,
}

/// The RIB's settings of a neighbour. They may change while the session is up: none of them is negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerConfig {
    /// The peer's address: the last tie-break, and a next hop that is never advertised to it (RFC 4271 §5.1.3).
    pub address: IpAddr,
    /// The interface over which a peer with a link-local address is reached; 0 is none. Link-local next hops from the peer are
    /// reached over it too, see [`scoped`](crate::scoped).
    pub scope: u32,
    /// The relation to the peer.
    pub kind: PeerKind,
    /// Our AS number on this session.
    pub local_as: Asn,
    /// The peer's AS number.
    pub peer_as: Asn,
    /// How often our AS may occur in a received AS path.
    pub allowed_local_as: u32,
    /// The next hop to advertise.
    pub next_hop_mode: NextHopMode,
    /// Import policy.
    pub import: Arc<Policy>,
    /// Export policy.
    pub export: Arc<Policy>,
    /// More prefixes than this end the session (RFC 4486 §4).
    pub max_prefixes: PerFamily<Option<u32>>,
    /// Our role towards the peer (RFC 9234).
    pub role: Option<Role>,
}

impl PeerConfig {
    /// A peer in another AS exchanges nothing without policies (RFC 8212 §3); a peer in the same AS exchanges everything.
    pub fn new(local_as: Asn, address: IpAddr, peer_as: Asn) -> Self {
        let internal = local_as == peer_as;
        let policy = Arc::new(if internal {
            Policy::ACCEPT
        } else {
            Policy::REJECT
        });
        Self {
            address,
            scope: 0,
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

    /// Sets the import and export policies.
    #[must_use]
    pub fn with_policies(mut self, import: Arc<Policy>, export: Arc<Policy>) -> Self {
        self.import = import;
        self.export = export;
        self
    }

    /// A received next hop, with the interface of the session in a link-local one. The peer is on that link, so its link-local
    /// address is the better one of two (RFC 2545 §3).
    pub(super) fn with_scope(&self, next_hop: NextHop) -> NextHop {
        match next_hop.link_local() {
            Some(address) if self.scope != 0 => NextHop::V6(with_scope(address, self.scope)),
            _ => next_hop,
        }
    }

    /// The policy's view of the peer.
    pub(super) fn view(&self, id: PeerId) -> PeerView {
        PeerView {
            id,
            address: self.address,
            asn: self.peer_as,
        }
    }

    /// Whether the new settings require the peer's routes to be imported again.
    pub(super) fn changes_import(&self, new: &Self) -> bool {
        self.import != new.import
            || self.kind != new.kind
            || self.address != new.address
            || self.scope != new.scope
            || self.allowed_local_as != new.allowed_local_as
            || self.local_as != new.local_as
            || self.peer_as != new.peer_as
            || self.role != new.role
    }
}

/// Properties of a session that came up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerUp {
    /// The peer's BGP identifier.
    pub peer_id: RouterId,
    /// How messages are encoded, including the negotiated families.
    pub context: Context,
    /// Our own next hop in each family: the local address of the connection. `None`: routes without another next hop cannot be
    /// advertised.
    pub own_next_hop: PerFamily<Option<NextHop>>,
    /// The peer will send End-of-RIB (RFC 4724 §4.1), so the RIB may wait for it after its own restart.
    pub sends_end_of_rib: bool,
    /// The peer supports LLGR_STALE, so routes with it may be advertised (RFC 9494 §4.3).
    pub long_lived_aware: bool,
    /// Negotiated families that are not routed here: see [`Rib::send_opaque`](super::Rib::send_opaque).
    pub opaque_families: Box<[AfiSafi]>,
}

impl PeerUp {
    /// A session with these negotiated properties only: there is no own next hop, and End-of-RIB is not awaited.
    pub fn new(peer_id: RouterId, context: Context) -> Self {
        Self {
            peer_id,
            context,
            own_next_hop: PerFamily::default(),
            sends_end_of_rib: false,
            long_lived_aware: false,
            opaque_families: Box::default(),
        }
    }
}
