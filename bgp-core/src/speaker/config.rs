//! The configuration of a neighbour: its session, and its routes.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::rib::PeerConfig;
use crate::session::SessionConfig;
use crate::types::PerFamily;
use crate::wire::NextHop;

/// A neighbour's settings of the session and of its routes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeighbourConfig {
    /// Settings that require a new session when changed.
    pub session: Arc<SessionConfig>,
    /// Settings that can change while the session is up.
    pub routes: Arc<PeerConfig>,
    /// Our next hops for families other than that of the connection, or instead of its local address.
    pub own_next_hop: PerFamily<Option<NextHop>>,
    /// Where the connection has link-local addresses, our next hop is this address and the link-local one: 32 octets. `::` repeats
    /// the link-local one; `None` sends it alone.
    pub global_next_hop: Option<Ipv6Addr>,
}

impl NeighbourConfig {
    /// A neighbour that is sent the local address of the connection as next hop.
    pub fn new(session: SessionConfig, routes: PeerConfig) -> Self {
        let own_next_hop = PerFamily::default();
        Self {
            session: Arc::new(session),
            routes: Arc::new(routes),
            own_next_hop,
            global_next_hop: None,
        }
    }
}
