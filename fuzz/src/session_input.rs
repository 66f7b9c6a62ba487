//! A session whose peer, network and owner do anything at any time: it never panics, and never sends on a closed connection.
//!
//! The input is a sequence of actions. The lower three bits of an octet select the action, the upper ones its argument: seconds,
//! octets of input that follow, or the connection.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::session::config::GracefulRestart;
use bgp_core::session::{ConnId, Direction, Output, Session, SessionConfig, Stop};
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::{AddPathDirection, Capability, Context, Message, Open};
use bytes::BytesMut;

use super::choices::{Choices, time_zero};

/// Performs a sequence of actions on one session.
pub fn session_input(data: &[u8]) {
    let mut now = time_zero();
    let mut session = Session::new(Arc::new(config()), 1);
    let mut live = BTreeSet::new();
    let mut last = 0;
    let mut choices = Choices::new(data);
    session.start(now);
    while !choices.is_empty() {
        let deed = choices.octet();
        let amount = usize::from(deed >> 3);
        let conn = ConnId(last - (amount as u64 & 1).min(last));
        match deed & 7 {
            0 | 1 => {
                last += 1;
                live.insert(ConnId(last));
                let direction = [Direction::Outgoing, Direction::Incoming][usize::from(deed & 1)];
                session.handle_connected(now, ConnId(last), direction);
            }
            2 => {
                let octets = choices.take(amount * 8);
                session.handle_bytes(now, conn, &mut BytesMut::from(octets));
            }
            3 => session.handle_bytes(now, conn, &mut encoded(&Message::Open(peer_open()))),
            4 => session.handle_bytes(now, conn, &mut encoded(&Message::Keepalive)),
            5 => {
                now += Duration::from_secs(amount as u64 * 10);
                session.handle_timeout(now);
            }
            6 if amount < 8 => session.stop(now, Stop::Shutdown(None)),
            6 if amount < 16 => session.set_reading(now, amount % 2 == 0),
            6 => session.start(now),
            _ => {
                live.remove(&conn);
                session.handle_closed(now, conn, None);
            }
        }
        perform(&mut session, &mut live);
    }
}

/// Takes the outputs, and checks that session and network know the same connections.
fn perform(session: &mut Session, live: &mut BTreeSet<ConnId>) {
    while let Some(output) = session.poll_output() {
        match output {
            Output::Transmit { conn, .. } => assert!(live.contains(&conn)),
            Output::Close { conn } => assert!(live.remove(&conn)),
            _ => {}
        }
    }
    let connections = session.status().connections;
    let known = connections.iter().map(|connection| connection.id);
    assert!(known.eq(live.iter().copied()));
}

fn encoded(message: &Message) -> BytesMut {
    let mut octets = BytesMut::new();
    message.encode(&Context::default(), &mut octets);
    octets
}

fn peer_open() -> Open {
    let family = Family::Ipv4Unicast.afi_safi();
    Open {
        asn: Asn(64513),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 2)),
        capabilities: vec![
            Capability::Multiprotocol(family),
            Capability::FourOctetAs(Asn(64513)),
            Capability::AddPath(vec![(family, AddPathDirection::Both)]),
            Capability::EnhancedRouteRefresh,
        ],
    }
}

fn config() -> SessionConfig {
    let router_id = RouterId(Ipv4Addr::new(192, 0, 2, 1));
    let peer = Ipv4Addr::new(192, 0, 2, 2).into();
    let mut session = SessionConfig::new(Asn(64512), router_id, peer, Asn(64513));
    session.idle_hold = (Duration::from_secs(5), Duration::from_secs(30));
    session.families = Family::ALL.to_vec();
    session.add_path = Some(AddPathDirection::Both);
    session.extended_messages = true;
    session.extended_next_hop = true;
    session.graceful_restart = Some(
        GracefulRestart::new(120)
            .with_restarting(true)
            .with_notification(true),
    );
    session.long_lived_stale_time = Some(Duration::from_secs(3600));
    session
}
