//! A peer of the plan to the settings of a session. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::rib::{NextHopMode, PeerConfig, PeerKind};
use bgp_core::session::SessionConfig;
use bgp_core::session::config::GracefulRestart;
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::NextHop;

use crate::net::PeerSettings;
use crate::net::connect::{self, Dial};
use crate::net::sockopt::{Md5Key, Ttl};
use crate::plan::policy::{export_policy, import_policy};
use crate::plan::{NextHop as PlannedNextHop, Peer, Plan};

/// Restart time that is announced if nothing else is configured, seconds.
const RESTART_TIME: u16 = 120;
/// Pause between the start and the first try to connect: none, peers that are there are spoken to at once.
const CONNECT_DELAY: Duration = Duration::ZERO;
/// Shortest and longest pause after an error.
const IDLE_HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What no TTL rule travels: the default of every system.
const MULTIHOP_TTL: u8 = 64;

/// A peer that cannot be spoken to as the plan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// Its password is not one that the kernel takes.
    #[error("its password must have 1 to 80 octets")]
    Password,
    /// There is no router ID to speak with.
    #[error("this node has no router ID")]
    RouterId,
}

/// Where the plan says to listen.
pub(super) fn listen_addresses(plan: &Plan, port: Option<u16>) -> Vec<SocketAddr> {
    let port = port.unwrap_or(plan.listen_port);
    let any: [(Family, IpAddr); 2] = [
        (Family::Ipv4Unicast, Ipv4Addr::UNSPECIFIED.into()),
        (Family::Ipv6Unicast, Ipv6Addr::UNSPECIFIED.into()),
    ];
    any.into_iter()
        .map(|(family, any)| SocketAddr::new(plan.listen_address[family].unwrap_or(any), port))
        .collect()
}

/// The settings of a session.
pub(super) fn of_peer(plan: &Plan, peer: &Peer) -> Result<PeerSettings, SettingsError> {
    let neighbour = NeighbourConfig {
        session: Arc::new(session(plan, peer)?),
        routes: Arc::new(routes(plan, peer)),
        own_next_hop: next_hops_beside(plan, peer),
    };
    let md5 = peer
        .password
        .as_ref()
        .map(|password| Md5Key::new(password.expose()))
        .transpose();
    let dial = Dial {
        remote: SocketAddr::new(peer.address, peer.port),
        source: peer.source_address,
        md5: md5.map_err(|_| SettingsError::Password)?,
        ttl: match peer.ttl_security {
            Some(hops) => Ttl::Security { hops },
            None if peer.multihop => Ttl::Hops(MULTIHOP_TTL),
            None => Ttl::Hops(1),
        },
        timeout: connect::TIMEOUT,
    };
    Ok(PeerSettings { neighbour, dial })
}

/// Our addresses as next hops in families that the session carries beside that of its own addresses. In that one the local
/// address of the connection is the next hop.
fn next_hops_beside(plan: &Plan, peer: &Peer) -> PerFamily<Option<NextHop>> {
    let mut next_hops = PerFamily::default();
    for family in &peer.options.families {
        if *family != peer.family {
            next_hops[*family] = plan.addresses[*family].map(NextHop::from);
        }
    }
    next_hops
}

fn session(plan: &Plan, peer: &Peer) -> Result<SessionConfig, SettingsError> {
    let options = &peer.options;
    let restart_time = peer.graceful_restart_time.unwrap_or(RESTART_TIME);
    Ok(SessionConfig {
        local_as: peer.local_as,
        peer_as: peer.peer_as,
        router_id: plan.router_id.ok_or(SettingsError::RouterId)?,
        peer_address: peer.address,
        passive: peer.passive,
        hold_time: options.hold_time,
        keepalive_time: peer
            .keepalive_time
            .map(|seconds| Duration::from_secs(seconds.into())),
        connect_delay: CONNECT_DELAY,
        connect_retry_time: options.connect_retry_time,
        idle_hold: IDLE_HOLD,
        families: options.families.clone(),
        add_path: options.add_path,
        extended_messages: options.extended_messages,
        extended_next_hop: options.extended_next_hop,
        graceful_restart: peer.graceful_restart.then_some(GracefulRestart {
            restart_time,
            restarting: false,
            notification: options.graceful_restart_notification,
        }),
        long_lived_stale_time: Some(options.long_lived_stale_time.unwrap_or(Duration::ZERO)),
        role: options.role,
        fqdn: None,
        software_version: None,
    })
}

fn routes(plan: &Plan, peer: &Peer) -> PeerConfig {
    PeerConfig {
        address: peer.address,
        kind: match (peer.internal, peer.route_reflector_client) {
            (false, _) => PeerKind::External,
            (true, true) => PeerKind::Client,
            (true, false) => PeerKind::Internal,
        },
        local_as: peer.local_as,
        peer_as: peer.peer_as,
        allowed_local_as: peer.allowed_local_as.into(),
        next_hop_mode: match peer.next_hop {
            PlannedNextHop::Own => NextHopMode::Own,
            PlannedNextHop::Keep => NextHopMode::Keep,
            PlannedNextHop::None => NextHopMode::Auto,
        },
        import: Arc::new(import_policy(plan, peer)),
        export: Arc::new(export_policy(plan, peer)),
        max_prefixes: PerFamily {
            ipv4: peer.options.max_prefixes,
            ipv6: peer.options.max_prefixes,
        },
        role: peer.options.role.map(|role| role.role),
    }
}
