//! A member of an update group that does not hold just what the group's Adj-RIB-Out says: it is new, it asked for a refresh,
//! its policy changed, or it is slow. It has sets of slots to be told about, and what it holds of those, so its memory is
//! bounded by the number of prefixes, never by how often they changed or how often it asked.
//!
//! Nothing here walks the table in one go: sets are filled a word at a time, and looked at a slice at a time.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::Shared;
use super::attributes::AttrId;
use super::bitset::BitSet;
use super::chunks::Chunks;
use super::family::FamilyRib;
use super::few::Few;
use super::group::{
    Change, Entries, Entry, Group, HIGH_WATER, SLICE, in_flight, is_withheld, send,
};
use super::peer::Told;
use super::table::Table;
use crate::types::{Family, PeerId, Prefix};
use crate::wire::update::encode_end_of_rib;
use crate::wire::{Context, Message, RefreshKind, RouteRefresh};

/// Slots that all members together are told in one go; who comes later goes first the next time.
const SLICE_OF_ALL: usize = 4 * SLICE;

/// What a member has still to be told.
#[derive(Debug, Default)]
pub(super) struct Lag {
    pending: BitSet,
    /// What it holds of pending slots; nothing of those that are not listed.
    held: BTreeMap<u32, Few<Held>>,
    /// What it was told in groups that it has left. Not of pending slots.
    moved: Vec<Moved>,
    /// Slots that it is told again even if nothing changed.
    again: BitSet,
    /// Where to go on.
    next: u32,
    mark: Mark,
    /// It wants everything told again. However often it asks before that begins, it is told once.
    asked: bool,
}

/// A path that a member has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    path_id: u16,
    attrs: AttrId,
}

impl Held {
    /// The one of the same path, in a list by path identifier.
    fn of_same_path<'a>(&self, list: &'a [Self]) -> Option<&'a Self> {
        let found = list.binary_search_by_key(&self.path_id, |held| held.path_id);
        found.ok().map(|place| &list[place])
    }

    fn change(&self, at: u32, attrs: Option<AttrId>) -> Change {
        Change {
            attrs,
            at,
            path_id: self.path_id,
        }
    }
}

/// A slot to tell about.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: u32,
    /// It changed; if not, the member asked for it again.
    pending: bool,
}

/// What a group told a member before it left.
#[derive(Debug)]
struct Moved {
    out: Chunks<Entries>,
    /// Slots that have not been compared with what the new group says.
    left: BitSet,
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
    pub(super) fn initial(group: &Group) -> Self {
        let mut lag = Self {
            mark: Mark::Initial,
            ..Self::default()
        };
        lag.pending.fill(group.out.len());
        lag
    }

    /// For a member that comes from another group, where it may have lagged: only what differs will be told.
    pub(super) fn moving(old: Option<Self>, from: &Group, to: &Group) -> Self {
        let mut lag = old.unwrap_or_default();
        let mut left = BitSet::default();
        left.fill(from.out.len().max(to.out.len()));
        left.subtract(&lag.pending);
        for moved in &lag.moved {
            left.subtract(&moved.left);
        }
        let out = from.out.clone();
        lag.moved.push(Moved { out, left });
        lag
    }

    /// It wants everything again, duplicates included (RFC 2918 §4). While an answer is on its way, one more follows.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The entries of a slot are, or are about to be, these after those.
    pub(super) fn note(
        &mut self,
        shared: &Shared,
        peer: PeerId,
        at: u32,
        was: &[Entry],
        is: &[Entry],
    ) {
        if self.pending.contains(at) {
            return;
        }
        let mut moved = self.moved.iter_mut();
        let moved = moved.find_map(|moved| moved.left.remove(at).then_some(&*moved));
        let was = moved.map_or(was, |moved| moved.entries(at));
        let held = |entries: &[Entry]| -> Few<Held> { told(shared, peer, entries).collect() };
        let (was, is) = (held(was), held(is));
        if was != is {
            self.pending.insert(at);
            if !was.is_empty() {
                self.held.insert(at, was);
            }
        }
    }

    /// Compares a slice of what earlier groups told it with what this one says.
    fn compare(&mut self, shared: &Shared, peer: PeerId, group: &Group, limit: usize) -> Vec<u32> {
        let Some(moved) = self.moved.last_mut() else {
            return Vec::new();
        };
        let slice: Vec<u32> = moved.left.iter().take(limit).collect();
        for at in &slice {
            let entries = group.entries(*at);
            self.note(shared, peer, *at, entries, entries);
        }
        self.moved.retain(|moved| !moved.left.is_empty());
        slice
    }

    /// Slots to tell it about now, less those that are about to change, which are told when they have.
    fn slice(&mut self, limit: usize, changes: impl Fn(u32) -> bool) -> Vec<Due> {
        let mut slice = Vec::new();
        for pending in [true, false] {
            let set = match pending {
                true => &mut self.pending,
                false => &mut self.again,
            };
            for at in set.take_slice(&mut self.next, limit - slice.len()) {
                if changes(at) {
                    set.insert(at);
                } else {
                    slice.push(Due { at, pending });
                }
            }
        }
        slice
    }

    /// What it holds of a slot that it is told about now, and whether it is told even what it holds.
    fn take(
        &mut self,
        shared: &Shared,
        peer: PeerId,
        due: Due,
        entries: &[Entry],
    ) -> (Few<Held>, bool) {
        let at = due.at;
        if due.pending {
            let held = self.held.remove(&at).unwrap_or_default();
            return (held, self.again.remove(at));
        }
        self.note(shared, peer, at, entries, entries);
        let held = match self.pending.remove(at) {
            true => self.held.remove(&at).unwrap_or_default(),
            false => told(shared, peer, entries).collect(),
        };
        (held, true)
    }

    fn begin_refresh(&mut self, shared: &Shared, peer: PeerId, out: &Chunks<Entries>) {
        if self.asked && self.mark == Mark::None && self.again.is_empty() {
            self.asked = false;
            self.again.fill(out.len());
            let up = shared.peers.find(peer).and_then(|peer| peer.up.as_ref());
            if up.is_some_and(|up| up.context.enhanced_refresh) {
                self.mark = Mark::RefreshWanted;
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.pending.is_empty() && self.again.is_empty() && self.moved.is_empty()
    }

    /// Whether the member has still to be told something about a slot.
    pub(super) fn refers_to(&self, at: u32) -> bool {
        let of_moved = |moved: &Moved| moved.left.contains(at) && !moved.entries(at).is_empty();
        self.pending.contains(at) || self.moved.iter().any(of_moved)
    }

    /// Adds the slots that may only be kept for it.
    pub(super) fn add_referred(&self, slots: &mut BitSet) {
        slots.union(&self.pending);
        for moved in &self.moved {
            slots.union(&moved.left);
        }
    }

    pub(super) fn mark_attributes(&self, marked: &mut BitSet) {
        for held in self.held.values().flat_map(Few::as_slice) {
            marked.insert(held.attrs.0);
        }
        for moved in &self.moved {
            for entry in moved.left.iter().flat_map(|at| moved.entries(at)) {
                marked.insert(entry.attrs.0);
            }
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

impl Moved {
    fn entries(&self, at: u32) -> &[Entry] {
        self.out.get(at).map_or(&[], Entries::as_slice)
    }
}

fn told(shared: &Shared, peer: PeerId, entries: &[Entry]) -> impl Iterator<Item = Held> {
    let told = entries
        .iter()
        .filter(move |entry| !is_withheld(shared, peer, **entry));
    told.map(|entry| Held {
        path_id: entry.path_id,
        attrs: entry.attrs,
    })
}

fn refresh_mark(context: &Context, family: Family, kind: RefreshKind, octets: &mut BytesMut) {
    let message = Message::RouteRefresh(RouteRefresh {
        family: family.afi_safi(),
        kind,
    });
    message.encode(context, octets);
}

impl Group {
    /// Tells members that lag behind, and have room, a slice of what they miss. `settled`: no changed slot waits to be
    /// decided. Returns the slots that were looked at, some of which may not be needed any more.
    pub(super) fn catch_up<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        settled: bool,
    ) -> Vec<u32> {
        let mut looked_at = Vec::new();
        let settled = settled && self.waiting.is_empty();
        let members = self.members.len();
        for turn in 0..members {
            let place = (self.turn + turn) % members;
            if looked_at.len() >= SLICE_OF_ALL {
                self.turn = place;
                return looked_at;
            }
            let peer = self.members[place].peer;
            if let Some(mut lag) = self.members[place].lag.take() {
                if in_flight(shared, peer) <= HIGH_WATER {
                    lag.begin_refresh(shared, peer, &self.out);
                    // A group that is new has yet to find out what it says.
                    if self.waiting.is_empty() {
                        looked_at.extend(lag.compare(shared, peer, self, SLICE));
                    }
                    let changes = |at: u32| table[at].dirty || self.waiting.contains(at);
                    let slice = lag.slice(SLICE, changes);
                    self.tell_slice(shared, table, peer, &mut lag, &slice);
                    looked_at.extend(slice.iter().map(|due| due.at));
                }
                let done = settled && lag.is_caught_up();
                if done {
                    send(shared, peer, lag.after(&self.key.context, P::FAMILY));
                }
                let in_step = done && !lag.asked && in_flight(shared, peer) <= HIGH_WATER;
                self.members[place].lag = (!in_step).then_some(lag);
            }
        }
        looked_at
    }

    fn tell_slice<P: Prefix>(
        &self,
        shared: &mut Shared,
        table: &Table<P>,
        peer: PeerId,
        lag: &mut Lag,
        slice: &[Due],
    ) {
        let mut octets = lag.before(&self.key.context, P::FAMILY);
        let mut changes = Vec::with_capacity(slice.len());
        let mut count = Told::default();
        for due in slice {
            let at = due.at;
            let entries = self.entries(at);
            if lag.mark == Mark::Initial {
                self.count_kept(shared, &table[at], peer, entries, &mut count);
            }
            let (was, repeat) = lag.take(shared, peer, *due, entries);
            let is: Few<Held> = told(shared, peer, entries).collect();
            let (is, was) = (is.as_slice(), was.as_slice());
            count.held += is.len() as i64 - was.len() as i64;
            let new = is
                .iter()
                .filter(|held| repeat || held.of_same_path(was) != Some(*held));
            changes.extend(new.map(|held| held.change(at, Some(held.attrs))));
            let gone = was.iter().filter(|held| held.of_same_path(is).is_none());
            changes.extend(gone.map(|held| held.change(at, None)));
        }
        let updates = changes.iter().filter(|change| change.attrs.is_some());
        count.updates = updates.count() as u64;
        count.withdraws = changes.len() as u64 - count.updates;
        shared.count_told::<P>(peer, count);
        octets.unsplit(self.encode_changes(shared, table, &mut changes));
        send(shared, peer, octets);
    }
}

impl<P: Prefix> FamilyRib<P> {
    /// A peer wants everything again. That costs nothing here; it is told in slices.
    pub(super) fn send_again(&mut self, shared: &Shared, id: PeerId) {
        let place = shared
            .peers
            .find(id)
            .and_then(|peer| peer.families[P::FAMILY].group);
        let group = place.and_then(|place| self.groups[place as usize].as_mut());
        let member = group.and_then(|group| group.members.iter_mut().find(|m| m.peer == id));
        if let Some(member) = member {
            member.lag.get_or_insert_default().ask();
        }
    }
}
