//! What a session's output means to the RIB.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::NeighbourConfig;
use crate::rib::{Input, KeepStale, PeerUp, Preserved};
use crate::session::{ConnId, Down, Negotiated, Output, PeerRestart};
use crate::types::{Family, PeerId, PerFamily};
use crate::wire::NextHop;

/// Local addresses of connections that are remembered at most: a session has no more than two at a time.
const MAX_CONNECTIONS: usize = 4;

/// The glue between one session and the RIB.
#[derive(Debug)]
pub struct Link {
    peer: PeerId,
    local: Vec<(ConnId, IpAddr)>,
    /// Of the session that is up, or was up last.
    negotiated: Option<Arc<Negotiated>>,
}

impl Link {
    /// The glue for a peer whose session is not up.
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            local: Vec::new(),
            negotiated: None,
        }
    }

    /// Notes our address on a connection, before the session is told of the connection.
    pub fn connected(&mut self, conn: ConnId, local: IpAddr) {
        if self.local.len() >= MAX_CONNECTIONS {
            self.local.remove(0);
        }
        self.local.push((conn, local));
    }

    /// What the RIB has to know of an output, if anything.
    pub fn rib_input(&mut self, config: &NeighbourConfig, output: &Output) -> Option<Input> {
        let peer = self.peer;
        match output {
            Output::Up { conn, negotiated } => Some(self.up(config, *conn, negotiated)),
            Output::Update(update) => Some(Input::Update {
                peer,
                update: update.clone(),
            }),
            Output::EndOfRib(family) => Some(Input::EndOfRib {
                peer,
                family: *family,
            }),
            Output::Refresh(refresh) => {
                let family = Family::from_afi_safi(refresh.family)?;
                Some(Input::Refresh {
                    peer,
                    family,
                    kind: refresh.kind,
                })
            }
            Output::Down(down) => Some(self.down(down)),
            Output::Connect
            | Output::CancelConnect
            | Output::Transmit { .. }
            | Output::Close { .. }
            | Output::Refused(_) => None,
        }
    }

    fn up(
        &mut self,
        config: &NeighbourConfig,
        conn: ConnId,
        negotiated: &Arc<Negotiated>,
    ) -> Input {
        self.negotiated = Some(Arc::clone(negotiated));
        let mut own_next_hop = config.own_next_hop;
        if let Some((_, local)) = self.local.iter().find(|(known, _)| *known == conn) {
            let local = NextHop::from(*local);
            own_next_hop[Family::of(local.address())].get_or_insert(local);
            // RFC 8950 §4: whoever agreed on it wants IPv4 packets sent where the session is.
            if negotiated.context.extended_next_hop && local.address().is_ipv6() {
                own_next_hop.ipv4 = Some(local);
            }
        }
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
                own_next_hop,
                sends_end_of_rib: restart.is_some_and(|restart: PeerRestart| !restart.restarting),
                long_lived_aware: negotiated.peer_is_long_lived_aware(),
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
            // RFC 9494 §4.2: a family in capability 71 alone is one whose restart time is zero.
            let in_both = restart.families[family].is_some();
            Some(KeepStale {
                restart_time: if in_both {
                    restart.restart_time
                } else {
                    Duration::ZERO
                },
                long_lived: negotiated.long_lived[family]
                    .map_or(Duration::ZERO, |long_lived| long_lived.stale_time),
                again: restart.notification,
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
