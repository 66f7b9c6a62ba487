//! Adj-RIB-Out of an update group: the routes advertised to its members, and the difference between two such states.

use std::ops::Range;

use super::attributes::{AttrId, AttrStore};
use super::chunks::Chunks;
use super::few::Few;
use super::shared::Shared;
use crate::steps;
use crate::types::PeerId;
use crate::wire::NextHop;

/// An advertised route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// 0 unless the group uses additional paths.
    pub(super) path_id: u16,
    pub(super) attrs: AttrId,
    /// The peer that announced it.
    pub(super) source: PeerId,
}

/// The advertised routes of one prefix, ascending by path identifier.
pub(super) type Entries = Few<Entry>;

/// A change to advertise: a route, or its withdrawal if `attrs` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// Withdrawals sort first.
    pub(super) attrs: Option<AttrId>,
    pub(super) at: u32,
    pub(super) path_id: u16,
}

/// The entries of all prefixes, by slot. Copies share the parts that neither side has changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct AdjOut {
    slots: Chunks<Entries>,
    /// Octets of entries outside the slots.
    spilled: usize,
}

impl AdjOut {
    pub(super) fn get(&self, at: u32) -> &[Entry] {
        self.slots.get(at).map_or(&[], Entries::as_slice)
    }

    /// Replaces the entries of a slot; returns the old ones if they differ.
    pub(super) fn replace(&mut self, at: u32, new: Entries) -> Option<Entries> {
        if self.get(at) == new.as_slice() {
            return None;
        }
        self.spilled += new.octets();
        let old = std::mem::replace(self.slots.get_mut(at), new);
        self.spilled -= old.octets();
        Some(old)
    }

    /// One past the last slot that ever had entries.
    pub(super) fn len(&self) -> u32 {
        self.slots.len()
    }

    /// Whether neither side has changed since one was copied from the other.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        self.slots.is_copy_of(&other.slots)
    }

    /// Size in octets.
    pub(super) fn octets(&self) -> usize {
        self.slots.octets() + self.spilled
    }

    /// Octets of entries outside the slots.
    pub(super) fn spilled(&self) -> usize {
        self.spilled
    }

    /// Marks the attributes in use by these slots.
    pub(super) fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        for entry in slots.flat_map(|at| self.get(at)) {
            store.mark(entry.attrs);
        }
    }
}

/// The changes that turn `old` into `new`. `moved`: changes only for the old and new source of an entry, because a peer does not
/// hold a route that it announced itself.
pub(super) fn difference(
    at: u32,
    old: &[Entry],
    new: &[Entry],
    changes: &mut Vec<(PeerId, Change)>,
    moved: &mut Vec<(PeerId, Change)>,
) {
    steps::count(old.len() + new.len());
    for was in old {
        let gone = Change {
            attrs: None,
            at,
            path_id: was.path_id,
        };
        match with_path_id(new, was.path_id) {
            None => changes.push((was.source, gone)),
            Some(is) if is.source != was.source => moved.push((is.source, gone)),
            Some(_) => {}
        }
    }
    for is in new {
        let told = Change {
            attrs: Some(is.attrs),
            at,
            path_id: is.path_id,
        };
        match with_path_id(old, is.path_id).filter(|was| was.attrs == is.attrs) {
            None => changes.push((is.source, told)),
            Some(was) if was.source != is.source => moved.push((was.source, told)),
            Some(_) => {}
        }
    }
}

/// The entry of one prefix with a path identifier.
fn with_path_id(entries: &[Entry], path_id: u16) -> Option<&Entry> {
    let found = entries.binary_search_by_key(&path_id, |entry| entry.path_id);
    found.ok().map(|place| &entries[place])
}

/// Whether a member must not be sent an entry, because it is the source or the next hop.
pub(super) fn is_withheld(shared: &Shared, member: PeerId, entry: Entry) -> bool {
    entry.source == member || is_next_hop(shared, member, entry)
}

/// Whether a member, and not this speaker, is the next hop of a route: two speakers on one host may have the same address.
pub(super) fn is_next_hop(shared: &Shared, member: PeerId, entry: Entry) -> bool {
    let is_ours = |next_hop: NextHop| {
        let peer = shared.peers.find(member);
        peer.is_some_and(|peer| peer.knows_us_as(next_hop.address()))
    };
    next_hop_owners(shared, entry).contains(&member)
        && !shared.store.next_hop(entry.attrs).is_some_and(is_ours)
}

/// The peers whose address is the next hop of a route.
pub(super) fn next_hop_owners(shared: &Shared, entry: Entry) -> &[PeerId] {
    let next_hop = shared.store.next_hop(entry.attrs);
    next_hop.map_or(&[], |next_hop| {
        shared.peers.with_address(next_hop.address())
    })
}
