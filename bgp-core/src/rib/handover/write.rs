//! The side of the old process: writes the records.

use std::time::Instant;

use super::record::{self, put_stats};
use crate::handover::Writer;
use crate::rib::adj_out::Entry;
use crate::rib::attributes::AttrId;
use crate::rib::bitset::BitSet;
use crate::rib::family::FamilyRib;
use crate::rib::lag::{Lag, Started};
use crate::rib::path::LOCAL;
use crate::rib::shared::Shared;
use crate::rib::tables::Tables;
use crate::types::{Family, PeerId, Prefix};

/// How far a handover has come.
#[derive(Debug, Default)]
pub struct Cursor {
    stage: Stage,
    /// Sets of attributes that were written.
    known: BitSet,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Start,
    /// The next slot of a family.
    Slots(Family, u32),
    Members,
    End,
}

/// The next chunk; `None` at the end.
pub(in crate::rib) fn chunk(
    tables: &Tables,
    now: Instant,
    cursor: &mut Cursor,
    limit: usize,
) -> Option<Vec<u8>> {
    let Tables { shared, ipv4, ipv6 } = tables;
    let mut out = Writer::default();
    while out.len() < limit {
        cursor.stage = match cursor.stage {
            Stage::Start => {
                out.u8(record::START);
                out.u32(shared.seconds(now));
                put_peers(tables, now, &mut out);
                Stage::Slots(Family::Ipv4Unicast, 0)
            }
            Stage::Slots(Family::Ipv4Unicast, at) if at < ipv4.paths.table.end() => {
                put_slot(ipv4, shared, at, &mut cursor.known, &mut out);
                Stage::Slots(Family::Ipv4Unicast, at + 1)
            }
            Stage::Slots(Family::Ipv4Unicast, _) => Stage::Slots(Family::Ipv6Unicast, 0),
            Stage::Slots(Family::Ipv6Unicast, at) if at < ipv6.paths.table.end() => {
                put_slot(ipv6, shared, at, &mut cursor.known, &mut out);
                Stage::Slots(Family::Ipv6Unicast, at + 1)
            }
            Stage::Slots(Family::Ipv6Unicast, _) => Stage::Members,
            Stage::Members => {
                put_members(ipv4, &mut out);
                put_members(ipv6, &mut out);
                Stage::End
            }
            Stage::End => break,
        };
    }
    (!out.is_empty()).then(|| out.finish())
}

fn put_peers(tables: &Tables, now: Instant, out: &mut Writer) {
    for (id, peer) in tables.shared.peers.iter() {
        out.u8(record::PEER);
        out.u32(id.0);
        out.u32(peer.peer_id.to_bits());
        for family in Family::ALL {
            let state = &peer.families[family];
            out.option(peer.own_next_hop[family], Writer::next_hop);
            out.flag(state.complete);
            out.flag(state.stale_paths() > 0);
            out.option(state.stale, |out, stale| stale.encode(now, out));
            out.u64(state.exported);
            let mut stats = state.stats;
            stats.count_kept(tables.kept_from(id, family).unwrap_or_default());
            put_stats(stats, out);
        }
    }
}

fn put_slot<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    at: u32,
    known: &mut BitSet,
    out: &mut Writer,
) {
    let slot = &family.paths.table[at];
    let is_dead = |path| shared.peers.is_dead(P::FAMILY, path);
    let paths = || slot.paths.as_slice().iter().filter(|path| !is_dead(path));
    let groups = || {
        let told = family.groups.numbered();
        told.filter(|(_, group)| !group.out.get(at).is_empty())
    };
    let own: Vec<_> = family
        .groups
        .iter()
        .flat_map(|group| &group.members)
        .filter_map(|member| {
            let held = member.lag.as_ref()?.holdings(shared, member.peer, at)?;
            Some((member.peer, held))
        })
        .collect();
    if paths().next().is_none() && groups().next().is_none() && own.is_empty() {
        return;
    }
    for path in paths().filter(|path| !path.is_local()) {
        put_attributes(shared, path.received, known, out);
    }
    for entry in groups().flat_map(|(_, group)| group.out.get(at)) {
        put_attributes(shared, entry.attrs, known, out);
    }
    for held in own.iter().flat_map(|(_, held)| held.as_slice()) {
        put_attributes(shared, held.attrs, known, out);
    }
    out.u8(record::SLOT);
    out.u8(P::FAMILY as u8);
    put_prefix(slot.prefix, out);
    out.count(paths().count());
    for path in paths() {
        out.u32(path.peer.0);
        out.u32(path.remote_id.0);
        out.u16(path.local_id);
        if path.peer != LOCAL {
            let epoch = shared.peers.find(path.peer);
            let epoch = epoch.map(|peer| peer.families[P::FAMILY].epoch);
            out.u32(path.received.0);
            out.u32(path.since);
            out.flag(epoch != Some(path.epoch));
        }
    }
    out.count(groups().count());
    for (number, group) in groups() {
        out.u32(number);
        let entries = group.out.get(at);
        out.count(entries.len());
        for Entry {
            path_id,
            attrs,
            source,
        } in entries
        {
            out.u16(*path_id);
            out.u32(attrs.0);
            out.u32(source.0);
        }
    }
    out.count(own.len());
    for (PeerId(peer), held) in &own {
        out.u32(*peer);
        out.count(held.as_slice().len());
        for held in held.as_slice() {
            out.u16(held.path_id);
            out.u32(held.attrs.0);
        }
    }
}

fn put_prefix<P: Prefix>(prefix: P, out: &mut Writer) {
    let net: ipnet::IpNet = prefix.into();
    out.u8(net.prefix_len());
    match net.addr() {
        std::net::IpAddr::V4(address) => out.octets(&address.octets()),
        std::net::IpAddr::V6(address) => out.octets(&address.octets()),
    }
}

/// Writes a set of attributes before its first use.
fn put_attributes(shared: &Shared, id: AttrId, known: &mut BitSet, out: &mut Writer) {
    if !known.insert(id.0) {
        return;
    }
    out.u8(record::ATTRIBUTES);
    out.u32(id.0);
    out.option(shared.store.next_hop(id), Writer::next_hop);
    out.octets(shared.store.view(id).octets());
}

fn put_members<P: Prefix>(family: &FamilyRib<P>, out: &mut Writer) {
    for (number, group) in family.groups.numbered() {
        for member in &group.members {
            let started = member.lag.as_ref().map(Lag::started);
            let Started { initial, asked } = started.unwrap_or_default();
            out.u8(record::MEMBER);
            out.u8(P::FAMILY as u8);
            out.u32(number);
            out.u32(member.peer.0);
            out.flag(initial);
            out.flag(asked);
        }
    }
}
