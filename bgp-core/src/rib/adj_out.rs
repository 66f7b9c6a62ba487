//! Adj-RIB-Out of an update group: what its members are told of each prefix, and how two states of that differ.

use std::ops::Range;

use super::attributes::{AttrId, AttrStore};
use super::chunks::Chunks;
use super::few::Few;
use super::shared::Shared;
use crate::steps;
use crate::types::PeerId;
use crate::wire::NextHop;

/// A route as the members are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// 0 unless the group is told additional paths.
    pub(super) path_id: u16,
    pub(super) attrs: AttrId,
    /// Where it was learned.
    pub(super) source: PeerId,
}

/// What the members are told of one prefix, ascending by path identifier.
pub(super) type Entries = Few<Entry>;

/// One thing to tell: a route, or with `attrs` of `None` that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// Withdrawals sort first.
    pub(super) attrs: Option<AttrId>,
    pub(super) at: u32,
    pub(super) path_id: u16,
}

/// The entries of all prefixes, by slot. A copy shares what neither side has changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct AdjOut {
    slots: Chunks<Entries>,
    /// Octets that entries take up beside the slots.
    spilled: usize,
}

impl AdjOut {
    pub(super) fn get(&self, at: u32) -> &[Entry] {
        self.slots.get(at).map_or(&[], Entries::as_slice)
    }

    /// Puts in the entries of a slot; answers with the old ones if they were others.
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

    /// Whether nothing has changed in either since one was copied from the other.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        self.slots.is_copy_of(&other.slots)
    }

    /// Octets that it takes up.
    pub(super) fn octets(&self) -> usize {
        self.slots.octets() + self.spilled
    }

    /// Octets that entries take up beside the slots.
    pub(super) fn spilled(&self) -> usize {
        self.spilled
    }

    /// Marks the attributes that some slots refer to.
    pub(super) fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        for entry in slots.flat_map(|at| self.get(at)) {
            store.mark(entry.attrs);
        }
    }
}

/// What has to be told to make `old` into `new`. `moved`: what only the peers that an entry came from and comes from have to be
/// told, because a peer does not hold what it announced itself.
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

/// The entry with a path identifier, of those of one prefix.
fn with_path_id(entries: &[Entry], path_id: u16) -> Option<&Entry> {
    let found = entries.binary_search_by_key(&path_id, |entry| entry.path_id);
    found.ok().map(|place| &entries[place])
}

/// Whether a member must not be told an entry: it told us, or it is the next hop.
pub(super) fn is_withheld(shared: &Shared, member: PeerId, entry: Entry) -> bool {
    entry.source == member || is_next_hop(shared, member, entry)
}

/// Whether a member is the next hop of a route, and not we: two speakers on one host may have the same address.
pub(super) fn is_next_hop(shared: &Shared, member: PeerId, entry: Entry) -> bool {
    let is_ours = |next_hop: NextHop| {
        let peer = shared.peers.find(member);
        peer.is_some_and(|peer| peer.knows_us_as(next_hop.address()))
    };
    next_hop_owners(shared, entry).contains(&member)
        && !shared.store.next_hop(entry.attrs).is_some_and(is_ours)
}

/// The peers that have the address of the next hop of a route.
pub(super) fn next_hop_owners(shared: &Shared, entry: Entry) -> &[PeerId] {
    let next_hop = shared.store.next_hop(entry.attrs);
    next_hop.map_or(&[], |next_hop| {
        shared.peers.with_address(next_hop.address())
    })
}
