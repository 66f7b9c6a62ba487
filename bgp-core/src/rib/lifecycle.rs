//! The life of peers and sessions: configuration, changes, up, down, and the end of the first table.

use std::sync::Arc;
use std::time::Instant;

use super::settings::{PeerConfig, PeerUp};
use super::stale::{KeepStale, Preserved, Stale};
use super::stop::check_limit;
use super::tables::Tables;
use crate::types::{Family, PeerId, PerFamily, RouterId};
use crate::wire::{NextHop, RefreshKind};

/// A peer was configured, or its settings changed.
pub(super) fn configure(tables: &mut Tables, peer: PeerId, config: Arc<PeerConfig>) {
    if peer > PeerId::MAX {
        return;
    }
    let Tables { shared, ipv4, ipv6 } = tables;
    let known = shared.peers.find(peer);
    let old = known.map(|peer| Arc::clone(&peer.config));
    let has_moved = |old: &Arc<PeerConfig>| old.address != config.address;
    if old.as_ref().is_some_and(has_moved) {
        // The routes that it holds were sent to another router.
        ipv4.groups.leave::<ipnet::Ipv4Net>(shared, peer);
        ipv6.groups.leave::<ipnet::Ipv6Net>(shared, peer);
    }
    shared.peers.insert(peer, Arc::clone(&config));
    let Some(old) = old.filter(|old| *old != config) else {
        return;
    };
    if old.changes_import(&config) {
        tables.import_again(peer);
    }
    let identity = |config: &PeerConfig| (config.kind, config.address, config.peer_as);
    if identity(&old) != identity(&config) {
        // Exports and the comparison of its routes depend on these settings.
        tables.tell_again();
    }
    tables.regroup(peer);
    for family in Family::ALL {
        check_limit(&mut tables.shared, peer, family);
    }
}

/// Hooks in the policies of a peer have new answers.
pub(super) fn reevaluate(tables: &mut Tables, peer: PeerId) {
    tables.import_again(peer);
    let Tables { shared, ipv4, ipv6 } = tables;
    ipv4.tell_peer_again(shared, peer);
    ipv6.tell_peer_again(shared, peer);
}

/// A peer was removed from the configuration.
pub(super) fn remove(tables: &mut Tables, peer: PeerId) {
    let Tables { shared, ipv4, ipv6 } = tables;
    shared.drop_outputs_to(peer);
    ipv4.forget_peer(shared, peer);
    ipv6.forget_peer(shared, peer);
    if let Some(deferral) = &mut shared.deferral {
        deferral.forget(peer);
    }
    shared.peers.remove(peer);
    tables.forget_rewritten();
}

/// The session with a peer came up.
pub(super) fn peer_up(
    tables: &mut Tables,
    now: Instant,
    id: PeerId,
    up: PeerUp,
    preserved: PerFamily<Preserved>,
) {
    let Tables { shared, ipv4, ipv6 } = tables;
    let Some(peer) = shared.peers.find_mut(id) else {
        return;
    };
    let known_as = std::mem::replace(&mut peer.peer_id, up.peer_id);
    let renamed = known_as != up.peer_id;
    peer.own_next_hop = up.own_next_hop;
    if let Some(deferral) = &mut shared.deferral {
        deferral.narrow(id, &up);
    }
    peer.renew(Some(up));
    ipv4.peer_back(shared, now, id, preserved.ipv4);
    ipv6.peer_back(shared, now, id, preserved.ipv6);
    if renamed {
        tables.forget_rewritten();
    }
    tables.regroup(id);
}

/// The session with a peer ended.
pub(super) fn peer_down(
    tables: &mut Tables,
    now: Instant,
    id: PeerId,
    keep: PerFamily<Option<KeepStale>>,
) {
    let Tables { shared, ipv4, ipv6 } = tables;
    let Some(peer) = shared.peers.find_mut(id) else {
        return;
    };
    peer.renew(None);
    if let Some(deferral) = &mut shared.deferral {
        deferral.lost(id);
    }
    shared.drop_outputs_to(id);
    ipv4.peer_down(shared, now, id, keep.ipv4);
    ipv6.peer_down(shared, now, id, keep.ipv6);
}

/// A peer has sent all its routes of a family.
pub(super) fn end_of_rib(tables: &mut Tables, peer: PeerId, family: Family) {
    if let Some(deferral) = &mut tables.shared.deferral {
        deferral.complete(peer, family);
    }
    if let Some(peer) = tables.shared.peers.find_mut(peer) {
        peer.families[family].complete = true;
    }
    sweep_stale(tables, peer, family);
}

/// A peer asks for our routes again, or marks the start or end of its own answer (RFC 2918, RFC 7313).
pub(super) fn refresh(
    tables: &mut Tables,
    now: Instant,
    peer: PeerId,
    family: Family,
    kind: RefreshKind,
) {
    let Tables { shared, ipv4, ipv6 } = tables;
    match kind {
        RefreshKind::REQUEST => match family {
            Family::Ipv4Unicast => ipv4.groups.send_again::<ipnet::Ipv4Net>(shared, peer),
            Family::Ipv6Unicast => ipv6.groups.send_again::<ipnet::Ipv6Net>(shared, peer),
        },
        RefreshKind::BEGIN => {
            // A peer that begins more often than there are epoch numbers continues with the last one (RFC 7313 §4).
            if let Some(peer) = shared.peers.find_mut(peer) {
                let state = &mut peer.families[family];
                state.begin_epoch();
                state.stale = Some(Stale::refreshing(now));
            }
        }
        RefreshKind::END => sweep_stale(tables, peer, family),
        _ => {}
    }
}

fn sweep_stale(tables: &mut Tables, peer: PeerId, family: Family) {
    let Tables { shared, ipv4, ipv6 } = tables;
    match family {
        Family::Ipv4Unicast => ipv4.sweep_stale(shared, peer),
        Family::Ipv6Unicast => ipv6.sweep_stale(shared, peer),
    }
}

/// Our own next hops in the session with a peer changed.
pub(super) fn set_own_next_hop(
    tables: &mut Tables,
    id: PeerId,
    own_next_hop: PerFamily<Option<NextHop>>,
) {
    let Some(peer) = tables.shared.peers.find_mut(id) else {
        return;
    };
    if peer.own_next_hop == own_next_hop {
        return;
    }
    peer.own_next_hop = own_next_hop;
    if let Some(up) = &mut peer.up {
        up.own_next_hop = own_next_hop;
    }
    // Routes with our own address as next hop are unusable.
    tables.import_again(id);
    tables.regroup(id);
}

/// Our cluster ID changed.
pub(super) fn set_cluster_id(tables: &mut Tables, cluster_id: Option<RouterId>) {
    if tables.shared.config.cluster_id == cluster_id {
        return;
    }
    tables.shared.config.cluster_id = cluster_id;
    let peers: Vec<PeerId> = tables.shared.peers.iter().map(|(id, _)| id).collect();
    for peer in peers {
        tables.import_again(peer);
    }
    tables.tell_again();
}
