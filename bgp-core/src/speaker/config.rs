//! How a neighbour is spoken to, and how its routes are treated.

use std::sync::Arc;

use crate::rib::PeerConfig;
use crate::session::SessionConfig;
use crate::types::PerFamily;
use crate::wire::NextHop;

/// A neighbour: how it is spoken to and how its routes are treated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeighbourConfig {
    /// A change of it needs a new session.
    pub session: Arc<SessionConfig>,
    /// A change of it does not.
    pub routes: Arc<PeerConfig>,
    /// Our next hop in families other than the one of the connection, or instead of its local address.
    pub own_next_hop: PerFamily<Option<NextHop>>,
}

impl NeighbourConfig {
    /// A neighbour that is told the local address of the connection as next hop.
    pub fn new(session: SessionConfig, routes: PeerConfig) -> Self {
        let own_next_hop = PerFamily::default();
        Self {
            session: Arc::new(session),
            routes: Arc::new(routes),
            own_next_hop,
        }
    }
}
