//! The side of the successor: reads the records.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use ipnet::{Ipv4Net, Ipv6Net};

use super::record::{self, stats};
use crate::handover::{Malformed, Reader};
use crate::rib::adj_out::{AdjOut, Entry};
use crate::rib::attributes::{AttrId, AttrKey};
use crate::rib::family::FamilyRib;
use crate::rib::few::Few;
use crate::rib::import::{Arrival, import_arrived};
use crate::rib::lag::{Held, Lag, Own, Started};
use crate::rib::path::LOCAL;
use crate::rib::settings::{PEER_PREFERENCE, PeerUp};
use crate::rib::shared::Shared;
use crate::rib::stale::Stale;
use crate::rib::stats::PeerStats;
use crate::rib::stop::check_limit;
use crate::rib::tables::Tables;
use crate::types::{Family, PathId, PeerId, PerFamily, Prefix, RouterId};
use crate::wire::{AttributeView, NextHop};

/// What is taken over, as far as it is not in the tables yet.
#[derive(Debug)]
pub(in crate::rib) struct TakeOver {
    /// The own numbers of the old process's peers, and the sessions that go on.
    peers: BTreeMap<PeerId, (PeerId, Option<PeerUp>)>,
    /// The own numbers of the old process's attributes.
    attributes: HashMap<u32, Known, foldhash::fast::FixedState>,
    told: PerFamily<Told>,
    /// Counters of peers, by own number.
    counters: BTreeMap<PeerId, PerFamily<Counters>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: AttrId,
    /// A peer's route has it, not only a route that was told.
    tracked: bool,
}

/// What peers were told, in one family.
#[derive(Debug, Default)]
struct Told {
    groups: BTreeMap<u32, AdjOut>,
    own: BTreeMap<PeerId, Own>,
    members: Vec<(PeerId, u32, Started)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    complete: bool,
    exported: u64,
    stats: PeerStats,
}

impl TakeOver {
    pub(in crate::rib) fn new(peers: BTreeMap<PeerId, (PeerId, Option<PeerUp>)>) -> Self {
        Self {
            peers,
            attributes: HashMap::default(),
            told: PerFamily::default(),
            counters: BTreeMap::new(),
        }
    }

    /// Takes in the records of a chunk.
    pub(in crate::rib) fn chunk(
        &mut self,
        tables: &mut Tables,
        now: Instant,
        chunk: &[u8],
    ) -> Result<(), Malformed> {
        let mut input = Reader::new(chunk);
        let mut last = None;
        while !input.is_empty() {
            match input.u8()? {
                record::START => {
                    let age = Duration::from_secs(input.u32()?.into());
                    let shared = &mut tables.shared;
                    shared.start = now.checked_sub(age).unwrap_or(shared.start);
                }
                record::PEER => self.peer(tables, now, &mut input)?,
                record::ATTRIBUTES => self.attributes(&mut tables.shared, &mut input)?,
                record::SLOT => {
                    let Tables { shared, ipv4, ipv6 } = tables;
                    match input.family()? {
                        Family::Ipv4Unicast => self.slot(ipv4, shared, &mut input, &mut last)?,
                        Family::Ipv6Unicast => self.slot(ipv6, shared, &mut input, &mut last)?,
                    }
                }
                record::MEMBER => {
                    let family = input.family()?;
                    let (group, peer) = (input.u32()?, PeerId(input.u32()?));
                    let started = Started {
                        initial: input.flag()?,
                        asked: input.flag()?,
                    };
                    if let Some((peer, Some(_))) = self.peers.get(&peer) {
                        self.told[family].members.push((*peer, group, started));
                    }
                }
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }

    fn peer(
        &mut self,
        tables: &mut Tables,
        now: Instant,
        input: &mut Reader<'_>,
    ) -> Result<(), Malformed> {
        let old = PeerId(input.u32()?);
        let peer_id = RouterId::from_bits(input.u32()?);
        let mut counters = PerFamily::<Counters>::default();
        let mut own_next_hop = PerFamily::default();
        let mut stale: PerFamily<(bool, Option<Stale>)> = PerFamily::default();
        for family in Family::ALL {
            own_next_hop[family] = input.option(Reader::next_hop)?;
            let complete = input.flag()?;
            stale[family].0 = input.flag()?;
            stale[family].1 = input.option(|input| Stale::decode(now, input))?;
            counters[family] = Counters {
                complete,
                exported: input.u64()?,
                stats: stats(input)?,
            };
        }
        let Some((id, up)) = self.peers.get(&old) else {
            return Ok(());
        };
        let Tables { shared, ipv4, ipv6 } = tables;
        let Some(peer) = shared.peers.find_mut(*id) else {
            return Ok(());
        };
        peer.peer_id = up.as_ref().map_or(peer_id, |up| up.peer_id);
        peer.own_next_hop = up.as_ref().map_or(own_next_hop, |up| up.own_next_hop);
        self.counters.insert(*id, counters);
        for family in Family::ALL {
            if stale[family].0 || stale[family].1.is_some() {
                match family {
                    Family::Ipv4Unicast => ipv4.begin_epoch(shared, *id),
                    Family::Ipv6Unicast => ipv6.begin_epoch(shared, *id),
                }
            }
            if let Some(peer) = shared.peers.find_mut(*id) {
                peer.families[family].stale = stale[family].1;
            }
        }
        Ok(())
    }

    fn attributes(&mut self, shared: &mut Shared, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let number = input.u32()?;
        let next_hop: Option<NextHop> = input.option(Reader::next_hop)?;
        let octets = AttributeView::checked(input.octets()?)
            .ok_or(Malformed)?
            .octets();
        let id = shared.store.intern(AttrKey {
            next_hop,
            preference: PEER_PREFERENCE,
            interface: None,
            octets,
        });
        let tracked = false;
        self.attributes.insert(number, Known { id, tracked });
        Ok(())
    }

    fn attr(&self, number: u32) -> Result<AttrId, Malformed> {
        let known = self.attributes.get(&number).ok_or(Malformed)?;
        Ok(known.id)
    }

    /// The attributes of a route that a peer announced.
    fn received(&mut self, shared: &mut Shared, number: u32) -> Result<AttrId, Malformed> {
        let known = self.attributes.get_mut(&number).ok_or(Malformed)?;
        if !std::mem::replace(&mut known.tracked, true) {
            shared.store.track(known.id);
        }
        Ok(known.id)
    }

    fn slot<P: Prefix>(
        &mut self,
        family: &mut FamilyRib<P>,
        shared: &mut Shared,
        input: &mut Reader<'_>,
        last: &mut Option<Arrival>,
    ) -> Result<(), Malformed> {
        let len = input.u8()?;
        let octets = input.octets()?;
        let width = usize::from(P::FAMILY.max_prefix_len() / 8);
        let prefix = P::from_octets(octets, len).filter(|_| octets.len() == width);
        let at = family.paths.table.find_or_insert(prefix.ok_or(Malformed)?);
        for _ in 0..input.count()? {
            self.path(family, shared, at, input, last)?;
        }
        let told = P::FAMILY;
        for _ in 0..input.count()? {
            let number = input.u32()?;
            let entries = self.entries(input)?;
            let group = self.told[told].groups.entry(number).or_default();
            group.replace(at, entries);
        }
        for _ in 0..input.count()? {
            let peer = PeerId(input.u32()?);
            let mut held: Vec<Held> = Vec::new();
            for _ in 0..input.count()? {
                let (path_id, attrs) = (input.u16()?, self.attr(input.u32()?)?);
                if held.last().is_some_and(|last| last.path_id >= path_id) {
                    return Err(Malformed);
                }
                held.push(Held { path_id, attrs });
            }
            if let Some((peer, _)) = self.peers.get(&peer) {
                let own = self.told[told].own.entry(*peer).or_default();
                own.0.insert(at, held.into_iter().collect());
            }
        }
        if family.paths.table[at].paths.is_empty() {
            // Decided as any other, so that it is released in the end.
            family.paths.mark_changed(at);
        }
        Ok(())
    }

    fn entries(&self, input: &mut Reader<'_>) -> Result<Few<Entry>, Malformed> {
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..input.count()? {
            let (path_id, attrs) = (input.u16()?, self.attr(input.u32()?)?);
            let source = self.peers.get(&PeerId(input.u32()?));
            // A source that is gone withholds the route from nobody, as this speaker itself.
            let source = source.map_or(LOCAL, |(source, _)| *source);
            if entries.last().is_some_and(|last| last.path_id >= path_id) {
                return Err(Malformed);
            }
            entries.push(Entry {
                path_id,
                attrs,
                source,
            });
        }
        Ok(entries.into_iter().collect())
    }

    fn path<P: Prefix>(
        &mut self,
        family: &mut FamilyRib<P>,
        shared: &mut Shared,
        at: u32,
        input: &mut Reader<'_>,
        last: &mut Option<Arrival>,
    ) -> Result<(), Malformed> {
        let (old, remote_id, local_id) = (PeerId(input.u32()?), PathId(input.u32()?), input.u16()?);
        let mut id = LOCAL;
        if old != LOCAL {
            let (number, since, stale) = (input.u32()?, input.u32()?, input.flag()?);
            let Some((peer, _)) = self.peers.get(&old) else {
                return Ok(());
            };
            id = *peer;
            let received = self.received(shared, number)?;
            let Some(peer) = shared.peers.find(id) else {
                return Ok(());
            };
            let epoch = peer.families[P::FAMILY].epoch.wrapping_sub(stale.into());
            let config = std::sync::Arc::clone(&peer.config);
            let same = |last: &Arrival| last.peer == id && last.received == received;
            let arrival = match last.take().filter(same) {
                Some(arrival) => last.insert(arrival),
                None => last.insert(Arrival::again(shared, &config, id, received, since)),
            };
            arrival.since = since;
            let prefix = family.paths.table[at].prefix;
            let mut path = import_arrived(shared, arrival, prefix, remote_id, epoch);
            if shared.peers.is_dead(P::FAMILY, &path) {
                // Nothing of the peer is stale.
                path.epoch = path.epoch.wrapping_add(1);
            }
            family.paths.put_back(shared, at, path);
        }
        if let Some(place) = family.paths.table.place(at, id, remote_id) {
            family.paths.table.identify(at, place, local_id);
        }
        Ok(())
    }

    /// Everything is in the tables: the sessions go on.
    pub(in crate::rib) fn finish(self, tables: &mut Tables) {
        let Self {
            peers,
            told,
            mut counters,
            ..
        } = self;
        let sessions: Vec<_> = peers.into_values().collect();
        let Tables { shared, ipv4, ipv6 } = tables;
        for (id, up) in &sessions {
            if let (Some(peer), Some(up)) = (shared.peers.find_mut(*id), up) {
                peer.renew(Some(up.clone()));
            }
        }
        join::<Ipv4Net>(ipv4, shared, told.ipv4);
        join::<Ipv6Net>(ipv6, shared, told.ipv6);
        for (id, up) in sessions {
            if up.is_some() {
                // Families in which nothing was told.
                ipv4.regroup(shared, id);
                ipv6.regroup(shared, id);
            }
            let counters = counters.remove(&id).unwrap_or_default();
            for family in Family::ALL {
                if let Some(peer) = shared.peers.find_mut(id) {
                    let state = &mut peer.families[family];
                    state.complete = counters[family].complete;
                    state.stats = counters[family].stats;
                    state.exported = counters[family].exported;
                }
                check_limit(shared, id, family);
            }
        }
    }
}

/// The peers join update groups, each with what it was told.
fn join<P: Prefix>(family: &mut FamilyRib<P>, shared: &mut Shared, mut told: Told) {
    let end = family.paths.table.end();
    for (peer, group, started) in told.members {
        let out = told.groups.get(&group).cloned().unwrap_or_default();
        let own = told.own.remove(&peer).unwrap_or_default();
        let lag = Lag::taken_over(out, own, end, started);
        let table = &family.paths.table;
        family.groups.regroup_with(shared, table, peer, Some(lag));
    }
}
