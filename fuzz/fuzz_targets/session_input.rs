//! A session whose peer, network and owner do anything at any time: it never panics, and never speaks on a connection that
//! is closed.

#![no_main]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::session::config::GracefulRestart;
use bgp_core::session::{ConnId, Direction, Output, Session, SessionConfig, Stop};
use bgp_core::types::{Asn, Family, RouterId};
use bgp_core::wire::{AddPathDirection, Capability, Context, Message, Open};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut now = Instant::now();
    let mut session = Session::new(Arc::new(config()), 1);
    let mut live = BTreeSet::new();
    let mut last = 0;
    let mut rest = data;
    session.start(now);
    while let Some((&deed, after)) = rest.split_first() {
        rest = after;
        // The upper bits say how much: seconds, or octets of input, or which connection.
        let amount = usize::from(deed >> 3);
        let conn = ConnId(last - u64::from(amount as u64 & 1).min(last));
        match deed & 7 {
            0 | 1 => {
                last += 1;
                live.insert(ConnId(last));
                let direction = [Direction::Outgoing, Direction::Incoming][usize::from(deed & 1)];
                session.handle_connected(now, ConnId(last), direction);
            }
            2 => {
                let (octets, after) = rest.split_at(rest.len().min(amount * 8));
                rest = after;
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
        while let Some(output) = session.poll_output() {
            match output {
                Output::Transmit { conn, .. } => assert!(live.contains(&conn)),
                Output::Close { conn } => assert!(live.remove(&conn)),
                Output::Connect
                | Output::CancelConnect
                | Output::Up { .. }
                | Output::Update(_)
                | Output::EndOfRib(_)
                | Output::Refresh(_)
                | Output::Down(_) => {}
            }
        }
        let status = session.status();
        assert!(
            status
                .connections
                .iter()
                .map(|c| c.id)
                .eq(live.iter().copied())
        );
    }
});

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
    SessionConfig {
        local_as: Asn(64512),
        peer_as: Asn(64513),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 1)),
        peer_address: Ipv4Addr::new(192, 0, 2, 2).into(),
        passive: false,
        hold_time: Duration::from_secs(90),
        keepalive_time: None,
        connect_delay: Duration::ZERO,
        connect_retry_time: Duration::from_secs(5),
        idle_hold: (Duration::from_secs(5), Duration::from_secs(30)),
        families: Family::ALL.to_vec(),
        add_path: Some(AddPathDirection::Both),
        extended_messages: true,
        extended_next_hop: true,
        graceful_restart: Some(GracefulRestart {
            restart_time: 120,
            restarting: true,
            notification: true,
        }),
        long_lived_stale_time: Some(Duration::from_secs(3600)),
        role: None,
        fqdn: None,
        software_version: None,
    }
}
