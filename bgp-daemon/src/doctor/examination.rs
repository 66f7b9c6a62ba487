//! Examines sessions: the path, the link, sockets, and test handshakes with silent peers.
//!
//! An examination takes a few seconds, the time needed to tell silence from a late answer, and examines a bounded number of
//! sessions closely.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bgp_speaker::kernel::query::{KernelPath, KernelQuery, NeighbourEntry};
use bgp_speaker::sockopt::Ttl;
use bgp_speaker::turned_away::{TurnedAway, Why};
use ipnet::IpNet;

use super::facts::{Interface, Knock, Knocks, Peer};
use super::probe::{knock, machine, tcp};
use crate::plan;

/// Sessions that are examined closely at once.
const CLOSELY: usize = 32;
/// Paths that are looked up to find the interfaces towards peers.
const WAYS: usize = 256;
/// Older rejected connections say nothing about the present.
const LATELY: Duration = Duration::from_secs(300);

/// A planned session, before its examination.
pub(super) fn of_plan(peer: &plan::Peer) -> Peer {
    Peer {
        name: peer.name.clone(),
        resource: peer.resource.clone(),
        remote: (peer.address, peer.port).into(),
        source: peer.source_address,
        local_as: peer.local_as,
        peer_as: peer.peer_as,
        passive: peer.passive,
        password: peer.password.is_some(),
        ttl_security: peer.ttl_security,
        families: peer.options.families.clone(),
        disabled: false,
        key_refused: None,
        session: None,
        way: Ok(Default::default()),
        link: NeighbourEntry::Unknown,
        sockets: Vec::new(),
        knocks: Knocks::default(),
        turned_away: None,
        strangers: Vec::new(),
        routes: Default::default(),
    }
}

/// Finds the sockets to each peer.
pub(super) fn look_at_sockets(peers: &mut [Peer]) {
    let ports: BTreeSet<u16> = peers.iter().map(|peer| peer.remote.port()).collect();
    let addresses: BTreeSet<IpAddr> = peers.iter().map(|peer| peer.remote.ip()).collect();
    let mut by_peer: BTreeMap<IpAddr, Vec<_>> = BTreeMap::new();
    for socket in tcp::sockets(&ports, &addresses) {
        by_peer.entry(socket.remote.ip()).or_default().push(socket);
    }
    for peer in peers {
        peer.sockets = by_peer.get(&peer.remote.ip()).cloned().unwrap_or_default();
    }
}

/// Finds the paths to peers, and the neighbour entries of those that are down.
pub(super) async fn look_at_ways(query: &mut KernelQuery, peers: &mut [Peer]) {
    for peer in peers.iter_mut().take(WAYS) {
        let way = way(query, peer).await;
        peer.way = way.map_err(|error| bgp_speaker::connect::words(&error));
    }
    for peer in peers.iter_mut().filter(|peer| !peer.is_up()).take(CLOSELY) {
        let Ok(way) = &peer.way else {
            continue;
        };
        if let Some(interface) = way.interface.as_deref().filter(|_| !way.is_local) {
            let address = peer.remote.ip();
            let next = way.gateway.unwrap_or(address);
            // Without an answer of netlink, the neighbour entry is unknown.
            peer.link = query
                .neighbour(next, interface)
                .await
                .unwrap_or(NeighbourEntry::Unknown);
        }
    }
}

/// The path to a peer. If our source address is not on this machine, there is no path from it, which says nothing about the peer.
async fn way(query: &mut KernelQuery, peer: &Peer) -> io::Result<KernelPath> {
    let to = peer.remote.ip();
    let found = query.path(to, peer.source).await;
    let (Err(_), Some(source)) = (&found, peer.source) else {
        return found;
    };
    match query.path(source, None).await {
        Ok(way) if way.is_local => found,
        _ => query.path(to, None).await,
    }
}

/// The interfaces, and whether peers are reached through them.
pub(super) fn interfaces(peers: &[Peer]) -> Vec<Interface> {
    let ways = peers.iter().filter_map(|peer| peer.way.as_ref().ok());
    let towards = ways
        .filter(|way| !way.is_local)
        .filter_map(|way| way.interface.clone());
    let towards: BTreeSet<String> = towards.collect();
    let judged = machine::interfaces().into_iter().filter_map(|name| {
        Some(Interface {
            filter: machine::reverse_path_filter(&name)?,
            leads_to_peer: towards.contains(&name),
            name,
        })
    });
    judged.collect()
}

/// Tries to reach the silent peers, all at once.
pub(super) async fn knock_at_silent(peers: &mut [Peer]) {
    let closely = peers
        .iter_mut()
        .filter(|peer| !peer.disabled && peer.way.is_ok());
    let tries = closely.filter(|peer| match peer.is_up() {
        true => peer.is_unheard(),
        false => peer.is_silent() || peer.passive,
    });
    let tries: Vec<&mut Peer> = tries.take(CLOSELY).collect();
    let tries = tries.into_iter().map(|peer| async move {
        let knocks = knock_at(peer).await;
        peer.knocks = knocks;
    });
    join_all(tries).await;
}

async fn knock_at(peer: &Peer) -> Knocks {
    let (remote, source) = (peer.remote, peer.source);
    let ttl = peer
        .ttl_security
        .map_or(Ttl::System, |hops| Ttl::Security { hops });
    let unsigned = async {
        match peer.passive || peer.is_up() {
            // The peer need not listen, or could take the attempt for our restart.
            true => Knock::Untried,
            false => knock::knock(remote, source, ttl).await,
        }
    };
    let from_anywhere = async {
        match peer.ttl_security {
            Some(_) if !peer.password && !peer.is_up() => {
                knock::knock(remote, source, Ttl::Hops(u8::MAX)).await
            }
            _ => Knock::Untried,
        }
    };
    let alive = knock::is_alive(remote.ip(), source);
    let (unsigned, from_anywhere, alive) = tokio::join!(unsigned, from_anywhere, alive);
    Knocks {
        unsigned,
        from_anywhere,
        alive: Some(alive),
    }
}

/// Polls all futures until all are done.
async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        match waiting.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

/// Assigns rejected connections to peers: those from a peer's address, or from the direction of a peer that is down.
pub(super) async fn assign_turned_away(
    query: &mut KernelQuery,
    all: Vec<TurnedAway>,
    peers: &mut [Peer],
    now: Instant,
) {
    for away in all {
        if let Some(peer) = peers.iter_mut().find(|peer| peer.remote.ip() == away.from) {
            peer.turned_away = Some(away);
            continue;
        }
        let is_stranger = away.why == Why::Stranger;
        if !is_stranger || now.saturating_duration_since(away.at) > LATELY {
            continue;
        }
        let Ok(way) = query.path(away.from, None).await else {
            continue;
        };
        let Some(interface) = way.interface.as_deref().filter(|_| !way.is_local) else {
            continue;
        };
        let next = way.gateway.unwrap_or(away.from);
        let link = query
            .neighbour(next, interface)
            .await
            .unwrap_or(NeighbourEntry::Unknown);
        for peer in peers.iter_mut().filter(|peer| !peer.is_up()) {
            let same_way = peer.way.as_ref().is_ok_and(|known| {
                known.interface == way.interface && known.gateway == way.gateway
            });
            let same_family = peer.remote.is_ipv4() == away.from.is_ipv4();
            // On a link, a machine is identified by its hardware address.
            let same_machine = matches!(link, NeighbourEntry::Answered(_)) && peer.link == link;
            if same_way && same_family && same_machine {
                peer.strangers.push(away.clone());
            }
        }
    }
}

/// Routes of routing programs by protocol: their number, and one of them.
pub(super) async fn routes_of_others(
    query: &mut KernelQuery,
    counts: impl Fn(u8) -> bool,
) -> Vec<(u8, IpNet)> {
    let mut routes = Vec::new();
    for ipv4 in [true, false] {
        // Without an answer of netlink there is nothing to report.
        let found = query.routes(ipv4).await.unwrap_or_default();
        let found = found.into_iter().filter(|route| counts(route.protocol));
        routes.extend(found.map(|route| (route.protocol, route.prefix)));
    }
    routes
}

/// By protocol: their number, and one of them.
pub(super) fn summed_up(routes: Vec<(u8, IpNet)>) -> Vec<(u8, usize, String)> {
    let mut sums: BTreeMap<u8, (usize, IpNet)> = BTreeMap::new();
    for (protocol, prefix) in routes {
        sums.entry(protocol).or_insert((0, prefix)).0 += 1;
    }
    let sums = sums.into_iter();
    sums.map(|(protocol, (count, prefix))| (protocol, count, prefix.to_string()))
        .collect()
}

/// Protocol numbers of routing programs (`/etc/iproute2/rt_protos`), except BIRD's, which is also ours.
pub(super) fn is_of_routing_program(protocol: u8) -> bool {
    matches!(protocol, 8 | 10 | 11 | 13..=15 | 42 | 80 | 186..=189 | 192)
}
