//! Update groups: peers that are sent the same routes share one Adj-RIB-Out and the same encoded UPDATEs.
//!
//! A member *holds* an entry of the group's Adj-RIB-Out unless the entry is withheld from this member: a route is not sent to its
//! source, nor to the peer that is its next hop (RFC 4271 §5.1.3). A member that is in step needs no state of its own; a member
//! that lags has a [`Lag`].
//!
//! Changes wait while even the fastest member has many octets in flight. A prefix that changes again in the meantime is sent
//! once, and members of similar speed stay in step. Waiting changes are a set of slots, never a list.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::BytesMut;

use super::adj_out::{AdjOut, Entries, Entry, difference, is_withheld, next_hop_owners};
use super::attributes::AttrStore;
use super::bitset::BitSet;
use super::export::GroupKey;
use super::exporter::Exporter;
use super::lag::{Due, Lag};
use super::pack::{Section, encode_changes, encode_section};
use super::path::LOCAL;
use super::shared::Shared;
use super::stats::{Kept, Told};
use super::table::{Slot, Table};
use crate::types::{PeerId, Prefix};

/// Octets in flight to every member at which changes wait. A lagging member is sent nothing more until it has taken them.
pub(super) const HIGH_WATER: usize = 1 << 20;

/// Octets in flight at which a member starts to lag. Members share most of these octets.
const LEFT_BEHIND: usize = 4 * HIGH_WATER;

/// Slots processed at once.
const SLICE: usize = if cfg!(test) { 2 } else { 4096 };

/// Slots processed for all members in one go; the members that were not reached go first the next time.
const SLICE_OF_ALL: usize = 4 * SLICE;

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: PeerId,
    /// Set while the member does not hold exactly the group's Adj-RIB-Out.
    pub(super) lag: Option<Lag>,
    /// The counters of withheld routes when the member joined.
    pub(super) since: Kept,
}

/// Peers that are sent the same routes, and their Adj-RIB-Out.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) exporter: Exporter,
    pub(super) members: Vec<Member>,
    pub(super) out: AdjOut,
    /// Slots that may have changed since they were sent; all slots for a new group.
    pub(super) waiting: BitSet,
    /// Where to continue with the waiting slots.
    next: u32,
    /// The member that catches up first.
    turn: usize,
}

impl Group {
    /// A new group, in which the slots up to `end` are waiting.
    pub(super) fn new(key: GroupKey, end: u32) -> Self {
        let mut waiting = BitSet::default();
        waiting.fill(end);
        Self {
            exporter: Exporter::new(key),
            members: Vec::new(),
            out: AdjOut::default(),
            waiting,
            next: 0,
            turn: 0,
        }
    }

    pub(super) fn key(&self) -> &GroupKey {
        &self.exporter.key
    }

    /// Takes over the Adj-RIB-Out of another group: members that move from there are only sent the difference.
    pub(super) fn go_on_from(&mut self, old: &Self) {
        self.out = old.out.clone();
    }

    /// Whether its members hold the same routes as those of the other group, so that they can move without a lag.
    pub(super) fn continues(&self, old: &Self) -> bool {
        self.out.is_copy_of(&old.out) && self.key().differs_in_policy_from(old.key())
    }

    /// Adds changed slots, and sends the members a slice of the waiting ones, unless all members are full. Returns the processed
    /// slots, some of which may be releasable.
    pub(super) fn flush<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        changed: &[u32],
        limit: usize,
    ) -> Vec<u32> {
        if self.is_full(shared) {
            for at in changed {
                self.waiting.insert(*at);
            }
            return Vec::new();
        }
        let waited = self.waiting.take_slice(&mut self.next, limit);
        for slice in [changed, &waited] {
            if !slice.is_empty() {
                self.tell_slots(shared, table, slice);
            }
        }
        waited
    }

    /// Whether every member has many octets in flight. Lagging members count: a stuck member delays no other.
    fn is_full(&self, shared: &Shared) -> bool {
        let mut members = self.members.iter();
        members.all(|member| shared.in_flight(member.peer) > HIGH_WATER)
    }

    /// Updates the Adj-RIB-Out of some slots and sends the difference.
    fn tell_slots<P: Prefix>(&mut self, shared: &mut Shared, table: &Table<P>, slice: &[u32]) {
        shared.steps += slice.len() as u64;
        let mut replaced = Vec::new();
        for at in slice {
            let new = self.exporter.entries(shared, table, *at);
            let old = self.out.replace(*at, new);
            replaced.extend(old.map(|old| (*at, old)));
        }
        if replaced.is_empty() {
            return;
        }
        let left = replaced.iter().map(|(_, old)| old.as_slice().len());
        shared.store.leave(left.sum());
        self.leave_owners_behind(shared, &replaced);
        self.note_lagging(shared, &replaced);
        if self.members.iter().any(|member| member.lag.is_none()) {
            self.tell(shared, table, &replaced);
        }
    }

    /// Makes members lag that are the next hop of a route from another peer, so that they get these changes separately.
    fn leave_owners_behind(&mut self, shared: &Shared, replaced: &[(u32, Entries)]) {
        if self.key().tells_own_next_hop() {
            return;
        }
        for (at, old) in replaced {
            let new = self.out.get(*at);
            for entry in old.as_slice().iter().chain(new) {
                let owners = next_hop_owners(shared, *entry);
                for owner in owners.iter().filter(|owner| **owner != entry.source) {
                    if let Some(member) = self.members.iter_mut().find(|m| m.peer == *owner) {
                        member.lag.get_or_insert_default();
                    }
                }
            }
        }
    }

    fn note_lagging(&mut self, shared: &Shared, replaced: &[(u32, Entries)]) {
        for Member { peer, lag, .. } in &mut self.members {
            let Some(lag) = lag else {
                continue;
            };
            for (at, old) in replaced {
                let new = self.out.get(*at);
                lag.note(shared, *peer, *at, old.as_slice(), new);
            }
        }
    }

    /// Sends the difference to every member that is in step.
    fn tell<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        replaced: &[(u32, Entries)],
    ) {
        let mut changes = Vec::new();
        let mut moved = Vec::new();
        let mut more = More::default();
        for (at, old) in replaced {
            let (old, new) = (old.as_slice(), self.out.get(*at));
            old.iter().for_each(|entry| more.add(entry.source, -1));
            new.iter().for_each(|entry| more.add(entry.source, 1));
            difference(*at, old, new, &mut changes, &mut moved);
        }
        more.add(LOCAL, 0);
        changes.sort_unstable_by_key(|(source, change)| (change.attrs.is_some(), *source, *change));
        let middle = changes.partition_point(|(_, change)| change.attrs.is_none());
        let context = &self.exporter.key.context;
        let sections = [&changes[..middle], &changes[middle..]]
            .map(|part| encode_section(context, shared, table, part));
        for place in 0..self.members.len() {
            if self.members[place].lag.is_none() {
                self.deliver::<P>(shared, place, &sections, &more);
            }
        }
        for (peer, change) in moved {
            let in_step = |member: &&Member| member.peer == peer && member.lag.is_none();
            if self.members.iter().any(|member| in_step(&member)) {
                let count = match change.attrs {
                    Some(_) => (1, 0),
                    None => (0, 1),
                };
                shared.count_told::<P>(peer, Told::sent(count, 0));
                let mut octets = BytesMut::new();
                let context = &self.key().context;
                encode_changes(context, shared, table, &mut [change], &mut octets);
                shared.send(peer, octets);
            }
        }
    }

    /// Sends a member all sections but those of its own routes.
    fn deliver<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        place: usize,
        sections: &[Section; 2],
        more: &More,
    ) {
        let peer = self.members[place].peer;
        let [withdraws, updates] = sections.each_ref().map(|section| {
            let all: u64 = section.parts.iter().map(|part| part.changes as u64).sum();
            let end = section.octets.len();
            let own = section
                .parts
                .binary_search_by_key(&peer, |part| part.source);
            let own = own.ok().map(|found| &section.parts[found]);
            let range = own.map_or(end..end, |own| own.range.clone());
            for range in [0..range.start, range.end..end] {
                if !range.is_empty() {
                    shared.send_shared(peer, section.octets.slice(range));
                }
            }
            let own = own.map_or(0, |own| own.changes as u64);
            (all - own, own)
        });
        let mut count = Told::sent((updates.0, withdraws.0), more.of_others(peer));
        count.kept.rejected = updates.1;
        shared.count_told::<P>(peer, count);
        if shared.in_flight(peer) > LEFT_BEHIND {
            self.members[place].lag = Some(Lag::default());
        }
    }

    /// Sends a slice of the missing routes to lagging members that have room. `settled`: no changed slot is undecided. Returns
    /// the processed slots, some of which may be releasable.
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
                if shared.in_flight(peer) <= HIGH_WATER {
                    lag.begin_refresh(shared, peer, self.out.len());
                    // A new group must first determine its own entries.
                    if self.waiting.is_empty() {
                        looked_at.extend(lag.compare(shared, peer, &self.out, SLICE));
                    }
                    let changes = |at: u32| table[at].dirty || self.waiting.contains(at);
                    let slice = lag.slice(SLICE, changes);
                    self.tell_slice(shared, table, peer, &mut lag, &slice);
                    looked_at.extend(slice.iter().map(|due| due.at));
                }
                let done = settled && lag.is_caught_up();
                if done {
                    shared.send(peer, lag.after(&self.key().context, P::FAMILY));
                }
                let in_step = done && !lag.is_asked() && shared.in_flight(peer) <= HIGH_WATER;
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
        let context = &self.key().context;
        let mut octets = lag.before(context, P::FAMILY);
        let mut changes = Vec::with_capacity(slice.len());
        let mut count = Told::default();
        for due in slice {
            let entries = self.out.get(due.at);
            if lag.is_initial() {
                self.count_kept(shared, &table[due.at], peer, entries, &mut count);
            }
            count.held += lag.tell(shared, peer, *due, entries, &mut changes);
        }
        let updates = changes.iter().filter(|change| change.attrs.is_some());
        count.updates = updates.count() as u64;
        count.withdraws = changes.len() as u64 - count.updates;
        shared.count_told::<P>(peer, count);
        encode_changes(context, shared, table, &mut changes, &mut octets);
        shared.send(peer, octets);
    }

    /// Counts the routes of a slot that are withheld from a new member.
    pub(super) fn count_kept<P: Prefix>(
        &self,
        shared: &Shared,
        slot: &Slot<P>,
        member: PeerId,
        entries: &[Entry],
        count: &mut Told,
    ) {
        let withheld = |entry: &&Entry| is_withheld(shared, member, **entry);
        count.kept.rejected += entries.iter().filter(withheld).count() as u64;
        if let Some(best) = slot.best().filter(|_| entries.is_empty()) {
            count.kept.count(self.key().allows(shared, best));
        }
    }

    /// The routes withheld from a member since it joined.
    pub(super) fn kept_from(&self, peer: PeerId) -> Option<Kept> {
        let member = self.members.iter().find(|member| member.peer == peer)?;
        Some(self.exporter.kept.since(member.since))
    }

    /// Whether a member still needs the slot.
    pub(super) fn refers_to(&self, at: u32) -> bool {
        let refers = |member: &Member| member.lag.as_ref().is_some_and(|lag| lag.refers_to(at));
        !self.out.get(at).is_empty() || self.waiting.contains(at) || self.members.iter().any(refers)
    }

    /// Marks the attributes in use by these slots.
    pub(super) fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        self.out.mark_attributes(store, slots.clone());
        for lag in self.members.iter().filter_map(|member| member.lag.as_ref()) {
            lag.mark_attributes(store, slots.clone());
        }
    }
}

/// The growth of the number of entries, by source.
#[derive(Debug, Default)]
struct More {
    all: i64,
    by_source: BTreeMap<PeerId, i64>,
    /// Entries come in runs.
    last: Option<(PeerId, i64)>,
}

impl More {
    fn add(&mut self, source: PeerId, count: i64) {
        self.all += count;
        match &mut self.last {
            Some((last, run)) if *last == source => *run += count,
            last => {
                if let Some((source, run)) = last.replace((source, count)) {
                    *self.by_source.entry(source).or_default() += run;
                }
            }
        }
    }

    fn of_others(&self, member: PeerId) -> i64 {
        self.all - self.by_source.get(&member).unwrap_or(&0)
    }
}
