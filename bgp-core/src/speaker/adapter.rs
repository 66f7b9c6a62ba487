//! Translates outputs of a session into inputs of the RIB.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::config::NeighbourConfig;
use crate::rib::{Input, KeepStale, PeerUp, Preserved};
use crate::session::{ConnId, Down, Negotiated, Output, PeerRestart};
use crate::types::{Family, PeerId, PerFamily};
use crate::wire::NextHop;

/// Translates between one session and the RIB.
#[derive(Debug)]
pub struct SessionAdapter {
    peer: PeerId,
    /// Our addresses on the session's connections, at most two.
    local: BTreeMap<ConnId, IpAddr>,
    /// The connection of the Established session.
    conn: Option<ConnId>,
    /// The negotiated properties of the current or last session.
    negotiated: Option<Arc<Negotiated>>,
}

impl SessionAdapter {
    /// A link for a peer without a session.
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            local: BTreeMap::new(),
            conn: None,
            negotiated: None,
        }
    }

    /// Records our address on a connection, before the session learns of the connection.
    pub fn connected(&mut self, conn: ConnId, local: IpAddr) {
        self.local.insert(conn, local);
    }

    /// Forgets a closed connection.
    pub fn closed(&mut self, conn: ConnId) {
        self.local.remove(&conn);
    }

    /// The input for the RIB after a change of settings while the session is up.
    pub fn reconfigured(&self, config: &NeighbourConfig) -> Option<Input> {
        self.conn.map(|_| Input::OwnNextHop {
            peer: self.peer,
            own_next_hop: self.own_next_hop(config),
        })
    }

    /// The configured next hops, otherwise our address on the session's connection.
    fn own_next_hop(&self, config: &NeighbourConfig) -> PerFamily<Option<NextHop>> {
        let mut own_next_hop = config.own_next_hop;
        if let Some(local) = self.conn.and_then(|conn| self.local.get(&conn)) {
            let local = own_on_connection(*local, config.global_next_hop);
            own_next_hop[Family::of(local.address())].get_or_insert(local);
            // RFC 8950 §4: a peer that negotiated it can be sent the session's address as next hop of IPv4 routes.
            let agreed = self.negotiated.as_ref();
            if agreed.is_some_and(|agreed| agreed.context.extended_next_hop)
                && local.address().is_ipv6()
            {
                own_next_hop.ipv4 = Some(local);
            }
        }
        own_next_hop
    }

    /// Splits an output of the session into an input for the RIB, and an output for the owner.
    pub fn split(
        &mut self,
        config: &NeighbourConfig,
        output: Output,
    ) -> (Option<Input>, Option<Output>) {
        let peer = self.peer;
        let input = match &output {
            Output::Up { conn, negotiated } => self.up(config, *conn, negotiated),
            Output::Down(down) => {
                self.conn = None;
                self.down(down)
            }
            Output::Update(_) | Output::EndOfRib(_) | Output::Refresh(_) => {
                return (routes(peer, output), None);
            }
            Output::Close { conn } => {
                self.closed(*conn);
                return (None, Some(output));
            }
            Output::Connect
            | Output::CancelConnect
            | Output::Transmit { .. }
            | Output::Refused(_) => return (None, Some(output)),
        };
        (Some(input), Some(output))
    }

    fn up(
        &mut self,
        config: &NeighbourConfig,
        conn: ConnId,
        negotiated: &Arc<Negotiated>,
    ) -> Input {
        self.negotiated = Some(Arc::clone(negotiated));
        self.conn = Some(conn);
        let restart = negotiated.graceful_restart;
        let preserved = |family: Family| Preserved {
            restart: restart.is_some_and(|restart| restart.families[family] == Some(true)),
            long_lived: negotiated.long_lived[family]
                .is_some_and(|long_lived| long_lived.forwarding_preserved),
        };
        Input::Up {
            peer: self.peer,
            up: PeerUp {
                peer_id: negotiated.peer_id,
                context: negotiated.context,
                own_next_hop: self.own_next_hop(config),
                sends_end_of_rib: restart.is_some_and(|restart: PeerRestart| !restart.restarting),
                long_lived_aware: negotiated.peer_is_long_lived_aware(),
                opaque_families: negotiated.opaque_families.as_slice().into(),
            },
            preserved: PerFamily {
                ipv4: preserved(Family::Ipv4Unicast),
                ipv6: preserved(Family::Ipv6Unicast),
            },
        }
    }

    fn down(&self, down: &Down) -> Input {
        let keep = |family: Family| {
            let negotiated = self
                .negotiated
                .as_ref()
                .filter(|_| down.keep_stale[family])?;
            let restart = negotiated.graceful_restart?;
            // RFC 9494 §4.2: a family in capability 71 alone has a restart time of zero.
            let in_both = restart.families[family].is_some();
            Some(KeepStale {
                restart_time: if in_both {
                    restart.restart_time
                } else {
                    Duration::ZERO
                },
                long_lived: negotiated.long_lived[family]
                    .map_or(Duration::ZERO, |long_lived| long_lived.stale_time),
                again: restart.notification || down.keep_older,
            })
        };
        Input::Down {
            peer: self.peer,
            keep_stale: PerFamily {
                ipv4: keep(Family::Ipv4Unicast),
                ipv6: keep(Family::Ipv6Unicast),
            },
        }
    }
}

/// Our next hop on a connection with this local address.
fn own_on_connection(local: IpAddr, global: Option<Ipv6Addr>) -> NextHop {
    match (local, global) {
        (IpAddr::V6(link_local), Some(global)) if link_local.is_unicast_link_local() => {
            let global = if global.is_unspecified() {
                link_local
            } else {
                global
            };
            NextHop::V6LinkLocal { global, link_local }
        }
        _ => NextHop::from(local),
    }
}

/// Inputs about a peer's routes.
fn routes(peer: PeerId, output: Output) -> Option<Input> {
    match output {
        Output::Update(update) => Some(Input::Update { peer, update }),
        Output::EndOfRib(family) => Some(Input::EndOfRib { peer, family }),
        Output::Refresh(refresh) => Some(Input::Refresh {
            peer,
            family: Family::from_afi_safi(refresh.family)?,
            kind: refresh.kind,
        }),
        Output::Connect
        | Output::CancelConnect
        | Output::Transmit { .. }
        | Output::Close { .. }
        | Output::Up { .. }
        | Output::Down(_)
        | Output::Refused(_) => None,
    }
}
