//! A member of an update group that does not hold just what the group's Adj-RIB-Out says: it is new, it asked for a refresh,
//! its policy changed, or it is slow. It has a set of slots to be told about, and what it holds of those, so its memory is
//! bounded by the number of prefixes, never by how often they changed.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::BytesMut;

use super::Shared;
use super::attributes::{AttrId, AttrStore};
use super::bitset::BitSet;
use super::family::FamilyRib;
use super::few::Few;
use super::group::{
    Change, Entry, Group, HIGH_WATER, SLICE, in_flight, is_withheld, send, with_path_id,
};
use super::table::Table;
use crate::types::{Family, PeerId, Prefix};
use crate::wire::update::encode_end_of_rib;
use crate::wire::{Context, Message, RefreshKind, RouteRefresh};

/// What a member has still to be told.
#[derive(Debug, Default)]
pub(super) struct Lag {
    pub(super) pending: BitSet,
    /// What it holds of pending slots; nothing of those that are not listed.
    held: BTreeMap<u32, Few<Held>>,
    /// Where to go on.
    next: u32,
    mark: Mark,
}

/// A path that a member has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    path_id: u16,
    /// `None`: it wants to be told again even if nothing changed.
    attrs: Option<AttrId>,
}

impl Held {
    fn new(entry: &Entry) -> Self {
        Self {
            path_id: entry.path_id,
            attrs: Some(entry.attrs),
        }
    }
}

/// What is said around the catching up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    None,
    /// It is new: End-of-RIB follows (RFC 4724 §2).
    Initial,
    /// It asked for a refresh and knows the marks: BoRR goes first (RFC 7313 §4).
    RefreshWanted,
    /// EoRR follows.
    Refreshing,
}

impl Lag {
    /// For a member that holds nothing yet.
    pub(super) fn initial(shared: &Shared, peer: PeerId, group: &Group) -> Self {
        let mut lag = Self {
            mark: Mark::Initial,
            ..Self::default()
        };
        for (at, entries) in (0u32..).zip(&group.out) {
            if entries
                .as_slice()
                .iter()
                .any(|entry| !is_withheld(shared, peer, *entry))
            {
                lag.pending.insert(at);
            }
        }
        lag
    }

    /// For a member that comes from another group: only what differs is told.
    pub(super) fn moving(shared: &Shared, peer: PeerId, from: &Group, to: &Group) -> Self {
        let old = from
            .members
            .iter()
            .find(|member| member.peer == peer)
            .and_then(|member| member.lag.as_ref());
        let mut lag = Self {
            mark: old.map_or(Mark::None, |old| old.mark),
            ..Self::default()
        };
        let end = u32::try_from(from.out.len().max(to.out.len())).unwrap_or(u32::MAX);
        let told = |entries: &[Entry]| -> Vec<Entry> {
            entries
                .iter()
                .filter(|entry| !is_withheld(shared, peer, **entry))
                .copied()
                .collect()
        };
        for at in 0..end {
            let (new, in_step) = (told(to.entries(at)), told(from.entries(at)));
            let held = match old.filter(|old| old.pending.contains(at)) {
                Some(old) => old.held.get(&at).cloned().unwrap_or_default(),
                None if new == in_step => continue,
                None => in_step.iter().map(Held::new).collect(),
            };
            lag.pending.insert(at);
            if !held.is_empty() {
                lag.held.insert(at, held);
            }
        }
        lag
    }

    /// The entries of a slot changed; `held`: those that the member held before, if the slot was not pending already.
    pub(super) fn note<'a>(&mut self, at: u32, held: impl Iterator<Item = &'a Entry>) {
        if !self.pending.insert(at) {
            return;
        }
        let held: Few<Held> = held.map(Held::new).collect();
        if !held.is_empty() {
            self.held.insert(at, held);
        }
    }

    /// The member wants to be told a slot again, of which it holds these unless the slot was pending already.
    fn repeat<'a>(&mut self, at: u32, held: impl Iterator<Item = &'a Entry>) {
        self.note(at, held);
        if let Some(held) = self.held.get_mut(&at) {
            held.as_mut_slice()
                .iter_mut()
                .for_each(|held| held.attrs = None);
        }
    }

    pub(super) fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        let held = self.held.range(slots).flat_map(|(_, held)| held.as_slice());
        for attrs in held.filter_map(|held| held.attrs) {
            store.mark(attrs);
        }
    }

    /// The octets that go before the next slice.
    fn before(&mut self, context: &Context, family: Family) -> BytesMut {
        let mut octets = BytesMut::new();
        if self.mark == Mark::RefreshWanted {
            self.mark = Mark::Refreshing;
            refresh_mark(context, family, RefreshKind::BEGIN, &mut octets);
        }
        octets
    }

    /// The octets that go after the last slice.
    fn after(&mut self, context: &Context, family: Family) -> BytesMut {
        let mut octets = BytesMut::new();
        match std::mem::take(&mut self.mark) {
            Mark::Initial => encode_end_of_rib(family, &mut octets),
            Mark::Refreshing => refresh_mark(context, family, RefreshKind::END, &mut octets),
            Mark::None | Mark::RefreshWanted => {}
        }
        octets
    }
}

fn refresh_mark(context: &Context, family: Family, kind: RefreshKind, octets: &mut BytesMut) {
    let message = Message::RouteRefresh(RouteRefresh {
        family: family.afi_safi(),
        kind,
    });
    message.encode(context, octets);
}

impl Group {
    /// Tells every member that lags behind, and has room, a slice of what it misses. `settled`: no changed slot waits to be
    /// decided. Returns the slots that were told, some of which may not be needed any more.
    pub(super) fn catch_up<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        settled: bool,
    ) -> Vec<u32> {
        let mut told = Vec::new();
        let settled = settled && self.waiting.is_empty();
        for place in 0..self.members.len() {
            let peer = self.members[place].peer;
            if let Some(mut lag) = self.members[place].lag.take() {
                if in_flight(shared, peer) <= HIGH_WATER {
                    // What is about to change is told when it has.
                    let changes = |at: &u32| table[*at].dirty || self.waiting.contains(*at);
                    let slice = lag.pending.take_slice(&mut lag.next, SLICE);
                    let (later, slice): (Vec<u32>, _) = slice.into_iter().partition(changes);
                    for at in later {
                        lag.pending.insert(at);
                    }
                    self.tell_slice(shared, table, peer, &mut lag, &slice);
                    told.extend(slice);
                }
                let done = settled && lag.pending.is_empty();
                if done {
                    send(shared, peer, lag.after(&self.key.context, P::FAMILY));
                }
                let in_step = done && in_flight(shared, peer) <= HIGH_WATER;
                self.members[place].lag = (!in_step).then_some(lag);
            }
        }
        told
    }

    fn tell_slice<P: Prefix>(
        &self,
        shared: &mut Shared,
        table: &Table<P>,
        peer: PeerId,
        lag: &mut Lag,
        slice: &[u32],
    ) {
        let mut octets = lag.before(&self.key.context, P::FAMILY);
        let mut changes = Vec::with_capacity(slice.len());
        for &at in slice {
            let held = lag.held.remove(&at).unwrap_or_default();
            let held = held.as_slice();
            let told = |entry: &&Entry| !is_withheld(shared, peer, **entry);
            let entries: Vec<Entry> = self.entries(at).iter().filter(told).copied().collect();
            let is_new = |entry: &&Entry| {
                let found = held.binary_search_by_key(&entry.path_id, |held| held.path_id);
                !found.is_ok_and(|place| held[place] == Held::new(entry))
            };
            let new = entries.iter().filter(is_new);
            changes.extend(new.map(|entry| Change {
                attrs: Some(entry.attrs),
                at,
                path_id: entry.path_id,
            }));
            let gone = held
                .iter()
                .filter(|held| with_path_id(&entries, held.path_id).is_none());
            changes.extend(gone.map(|held| Change {
                attrs: None,
                at,
                path_id: held.path_id,
            }));
        }
        octets.unsplit(self.encode_changes(shared, table, &mut changes));
        send(shared, peer, octets);
    }
}

impl<P: Prefix> FamilyRib<P> {
    /// Everything again, duplicates included (RFC 2918 §4).
    pub(super) fn send_again(&mut self, shared: &Shared, id: PeerId) {
        let Some(peer) = shared.peers.find(id) else {
            return;
        };
        let marks = peer
            .up
            .as_ref()
            .is_some_and(|up| up.context.enhanced_refresh);
        let Some(group) = peer.families[P::FAMILY]
            .group
            .and_then(|place| self.groups[place as usize].as_mut())
        else {
            return;
        };
        let Some(place) = group.members.iter().position(|member| member.peer == id) else {
            return;
        };
        let mut lag = group.members[place].lag.take().unwrap_or_default();
        for (at, entries) in (0u32..).zip(&group.out) {
            let held: Vec<&Entry> = entries
                .as_slice()
                .iter()
                .filter(|entry| !is_withheld(shared, id, **entry))
                .collect();
            if !held.is_empty() {
                lag.repeat(at, held.into_iter());
            }
        }
        if lag.mark == Mark::None && marks {
            lag.mark = Mark::RefreshWanted;
        }
        group.members[place].lag = Some(lag);
    }
}
