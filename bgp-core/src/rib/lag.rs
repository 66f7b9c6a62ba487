//! A lagging member of an update group, which does not hold exactly the group's Adj-RIB-Out: it is new, asked for a refresh, has
//! a changed policy, or is slow. It has sets of slots to send, and its holdings in those slots, so memory is bounded by the
//! number of prefixes, however often they change and however often it asks.
//!
//! Nothing here walks the whole table at once: sets are filled a word at a time, and processed in slices.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::BytesMut;

use super::adj_out::{AdjOut, Change, Entry, is_withheld};
use super::attributes::{AttrId, AttrStore};
use super::bitset::BitSet;
use super::few::Few;
use super::shared::Shared;
use crate::types::{Family, PeerId};
use crate::wire::update::encode_end_of_rib;
use crate::wire::{Context, Message, RefreshKind, RouteRefresh};

/// The routes that a member still has to be sent.
#[derive(Debug, Default)]
pub(super) struct Lag {
    pending: BitSet,
    /// The member's holdings in pending slots; unlisted slots hold nothing.
    held: BTreeMap<u32, Few<Held>>,
    /// What the member holds from groups that it has left. Not of pending slots.
    moved: Vec<Moved>,
    /// Slots to send again even if unchanged.
    again: BitSet,
    /// Where to continue.
    next: u32,
    mark: Mark,
    /// The member wants everything again. Repeated requests before the start are answered once.
    asked: bool,
}

/// A path that a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) path_id: u16,
    pub(super) attrs: AttrId,
}

/// The holdings of a member in slots where they are not those of its group.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(pub(super) BTreeMap<u32, Few<Held>>);

/// What was begun with a member and is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Started {
    /// The first table: End-of-RIB follows.
    pub(super) initial: bool,
    /// The answer to a refresh.
    pub(super) asked: bool,
}

impl Held {
    /// The entry with the same path identifier in a list.
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

/// A slot to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) at: u32,
    /// The slot changed; otherwise the member asked for it again.
    pending: bool,
}

/// Holdings of a member from a group that it left.
#[derive(Debug)]
struct Moved {
    out: AdjOut,
    /// Slots that were not yet compared with the new group.
    left: BitSet,
}

/// Markers around the catching up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    None,
    /// The member is new: End-of-RIB follows (RFC 4724 §2).
    Initial,
    /// The member asked for an enhanced refresh: BoRR goes first (RFC 7313 §4).
    RefreshWanted,
    /// EoRR follows.
    Refreshing,
}

impl Lag {
    /// A lag of a member that holds nothing of the slots up to `end`.
    pub(super) fn initial(end: u32) -> Self {
        let mut lag = Self {
            mark: Mark::Initial,
            ..Self::default()
        };
        lag.pending.fill(end);
        lag
    }

    /// A lag of a member that comes from another process: it holds these routes, except in `own` slots. Only differences will be
    /// sent.
    pub(super) fn taken_over(out: AdjOut, own: Own, end: u32, started: Started) -> Self {
        let mut lag = Self {
            mark: match started.initial {
                true => Mark::Initial,
                false => Mark::None,
            },
            asked: started.asked,
            ..Self::default()
        };
        for (at, held) in own.0 {
            lag.pending.insert(at);
            if !held.is_empty() {
                lag.held.insert(at, held);
            }
        }
        let mut left = BitSet::default();
        left.fill(end);
        left.subtract(&lag.pending);
        lag.moved.push(Moved { out, left });
        lag
    }

    /// What was begun with the member and is not finished.
    pub(super) fn started(&self) -> Started {
        let refreshing = matches!(self.mark, Mark::RefreshWanted | Mark::Refreshing);
        Started {
            initial: self.mark == Mark::Initial,
            asked: self.asked || refreshing || !self.again.is_empty(),
        }
    }

    /// What the member holds in a slot, if that is not what the group's entries say.
    pub(super) fn holdings(&self, shared: &Shared, peer: PeerId, at: u32) -> Option<Few<Held>> {
        if self.pending.contains(at) {
            return Some(self.held.get(&at).cloned().unwrap_or_default());
        }
        let moved = self.moved.iter().find(|moved| moved.left.contains(at))?;
        Some(told(shared, peer, moved.entries(at)).collect())
    }

    /// A lag of a member that comes from another group, where it may have lagged: only differences will be sent.
    pub(super) fn moving(old: Option<Self>, from: &AdjOut, to: &AdjOut) -> Self {
        let mut lag = old.unwrap_or_default();
        let mut left = BitSet::default();
        left.fill(from.len().max(to.len()));
        left.subtract(&lag.pending);
        for moved in &lag.moved {
            left.subtract(&moved.left);
        }
        let out = from.clone();
        lag.moved.push(Moved { out, left });
        lag
    }

    /// The member wants everything again, including duplicates (RFC 2918 §4). During an answer, one more follows.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The entries of a slot change from `old` to `new`.
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

    /// Compares a slice of the holdings from earlier groups with this group.
    pub(super) fn compare(
        &mut self,
        shared: &Shared,
        peer: PeerId,
        out: &AdjOut,
        limit: usize,
    ) -> Vec<u32> {
        let Some(moved) = self.moved.last_mut() else {
            return Vec::new();
        };
        let slice: Vec<u32> = moved.left.iter().take(limit).collect();
        for at in &slice {
            let entries = out.get(*at);
            self.note(shared, peer, *at, entries, entries);
        }
        self.moved.retain(|moved| !moved.left.is_empty());
        slice
    }

    /// The next slots to send, without those that are about to change, which follow after their change.
    pub(super) fn slice(&mut self, limit: usize, changes: impl Fn(u32) -> bool) -> Vec<Due> {
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

    /// Whether the member is new and gets its first table.
    pub(super) fn is_initial(&self) -> bool {
        self.mark == Mark::Initial
    }

    /// Whether the member wants everything again, and that has not begun.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Adds the changes for a slot with these entries; returns by how much the number of held routes grows.
    pub(super) fn tell(
        &mut self,
        shared: &Shared,
        peer: PeerId,
        due: Due,
        entries: &[Entry],
        changes: &mut Vec<Change>,
    ) -> i64 {
        let at = due.at;
        let (was, repeat) = self.take(shared, peer, due, entries);
        let is: Few<Held> = told(shared, peer, entries).collect();
        let (is, was) = (is.as_slice(), was.as_slice());
        let new = is
            .iter()
            .filter(|held| repeat || held.of_same_path(was) != Some(*held));
        changes.extend(new.map(|held| held.change(at, Some(held.attrs))));
        let gone = was.iter().filter(|held| held.of_same_path(is).is_none());
        changes.extend(gone.map(|held| held.change(at, None)));
        is.len() as i64 - was.len() as i64
    }

    /// The member's holdings in a slot that is sent now, and whether even held routes are repeated.
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

    /// Starts the refresh, if requested, with the slots up to `end`.
    pub(super) fn begin_refresh(&mut self, shared: &Shared, peer: PeerId, end: u32) {
        if self.asked && self.mark == Mark::None && self.again.is_empty() {
            self.asked = false;
            self.again.fill(end);
            let up = shared.peers.find(peer).and_then(|peer| peer.up.as_ref());
            if up.is_some_and(|up| up.context.enhanced_refresh) {
                self.mark = Mark::RefreshWanted;
            }
        }
    }

    /// Whether everything was sent, except for slots that may have changed.
    pub(super) fn is_caught_up(&self) -> bool {
        self.pending.is_empty() && self.again.is_empty() && self.moved.is_empty()
    }

    /// Whether the member still needs a slot.
    pub(super) fn refers_to(&self, at: u32) -> bool {
        let of_moved = |moved: &Moved| moved.left.contains(at) && !moved.entries(at).is_empty();
        self.pending.contains(at) || self.moved.iter().any(of_moved)
    }

    /// Adds the slots that may be kept only for this member.
    pub(super) fn add_referred(&self, slots: &mut BitSet) {
        slots.union(&self.pending);
        for moved in &self.moved {
            slots.union(&moved.left);
        }
    }

    pub(super) fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        let held = self.held.range(slots.clone());
        for held in held.flat_map(|(_, held)| held.as_slice()) {
            store.mark(held.attrs);
        }
        for moved in &self.moved {
            let left = slots.clone().filter(|at| moved.left.contains(*at));
            for entry in left.flat_map(|at| moved.entries(at)) {
                store.mark(entry.attrs);
            }
        }
    }

    /// Octets to send before the next slice.
    pub(super) fn before(&mut self, context: &Context, family: Family) -> BytesMut {
        let mut octets = BytesMut::new();
        if self.mark == Mark::RefreshWanted {
            self.mark = Mark::Refreshing;
            refresh_mark(context, family, RefreshKind::BEGIN, &mut octets);
        }
        octets
    }

    /// Octets to send after the last slice.
    pub(super) fn after(&mut self, context: &Context, family: Family) -> BytesMut {
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
        self.out.get(at)
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
