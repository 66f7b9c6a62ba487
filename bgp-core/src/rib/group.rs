//! Update groups: peers that are told the same share one Adj-RIB-Out and the same encoded UPDATEs.
//!
//! A member *holds* an entry of the group's Adj-RIB-Out if the entry is there and is not withheld from this member: a route is
//! not told to the peer it came from, nor to the peer that is its next hop (RFC 4271 §5.1.3). A member that is in step needs
//! no state of its own; one that lags behind has a [`Lag`].
//!
//! Changes wait while even the fastest member has much on the way to it: a prefix that changes again meanwhile is told once,
//! and members that are about equally fast stay in step. What waits is a set of slots, never a list of changes.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use hashbrown::HashTable;

use super::attributes::AttrId;
use super::bitset::BitSet;
use super::chunks::Chunks;
use super::export::{Admissions, Admitted, GroupKey, REMEMBERED};
use super::few::Few;
use super::lag::Lag;
use super::peer::Told;
use super::table::{Path, Slot, Table};
use super::{LOCAL, Output, Shared};
use crate::steps;
use crate::types::{PathId, PeerId, Prefix};
use crate::wire::MAX_MESSAGE_LEN;
use crate::wire::update::{encode_reachable, encode_unreachable};

/// With more octets than this on the way to every member, changes wait. One that lags behind is told no more until it has
/// taken them.
pub(super) const HIGH_WATER: usize = 1 << 20;

/// With more octets than this on the way to it, a member is left behind by the others. They share most of what is on the way.
const LEFT_BEHIND: usize = 4 * HIGH_WATER;

/// Slots that are told at once.
pub(super) const SLICE: usize = if cfg!(test) { 2 } else { 4096 };

/// More than the octets of an UPDATE that are not carried attributes: headers, a next hop and one prefix.
const LARGEST_REST: usize = 128;

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

/// A peer in a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: PeerId,
    /// Set while it does not hold just what the group's Adj-RIB-Out says.
    pub(super) lag: Option<Lag>,
    /// What the group had kept from its members when this one came.
    pub(super) since: Kept,
}

/// Routes that a group has not told its members, counted each time one was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// By a rule of BGP.
    pub(super) rejected: u64,
    /// By export policy.
    pub(super) filtered: u64,
}

/// One thing to tell: a route, or with `attrs` of `None` that it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// Withdrawals sort first.
    pub(super) attrs: Option<AttrId>,
    pub(super) at: u32,
    pub(super) path_id: u16,
}

/// Peers that are told the same, and what they are told.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) key: GroupKey,
    pub(super) members: Vec<Member>,
    /// Adj-RIB-Out, by slot.
    pub(super) out: Chunks<Entries>,
    /// What entries take up beside `out`.
    pub(super) spilled: usize,
    /// Slots that may have changed since the members were told; of a new group, all.
    pub(super) waiting: BitSet,
    /// Where to go on with those.
    next: u32,
    /// The member that catches up first.
    pub(super) turn: usize,
    pub(super) kept: Kept,
    /// Rewritten attributes, up to [`REMEMBERED`]; the peer only matters where a route is reflected.
    rewritten: HashTable<Rewritten>,
    /// The last one: routes come in runs.
    last_rewritten: Option<Rewritten>,
    admissions: Admissions,
}

/// What becomes of a route of a peer.
type Rewritten = ((Admitted, PeerId), Option<AttrId>);

/// Encoded changes, those of one source side by side, so that a member can be given all but its own.
struct Section {
    octets: Bytes,
    /// Ascending by source.
    parts: Vec<Part>,
}

struct Part {
    source: PeerId,
    range: Range<usize>,
    changes: usize,
}

impl Group {
    /// A group that has yet to find out what it tells of the slots up to `end`.
    pub(super) fn new(key: GroupKey, end: u32) -> Self {
        let mut waiting = BitSet::default();
        waiting.fill(end);
        Self {
            key,
            members: Vec::new(),
            out: Chunks::default(),
            spilled: 0,
            waiting,
            next: 0,
            turn: 0,
            kept: Kept::default(),
            rewritten: HashTable::new(),
            last_rewritten: None,
            admissions: Admissions::default(),
        }
    }

    /// Takes over what another group has told: for members that come from there, which then are told no more than what differs.
    pub(super) fn go_on_from(&mut self, old: &Self) {
        self.out = old.out.clone();
        self.spilled = old.spilled;
    }

    /// Whether its members have been told just what those of the other group have, so that they can change places as they are.
    pub(super) fn continues(&self, old: &Self) -> bool {
        self.out.is_copy_of(&old.out) && self.key.differs_in_policy_from(&old.key)
    }

    /// What its Adj-RIB-Out takes up.
    pub(super) fn octets(&self) -> usize {
        self.out.octets() + self.spilled
    }

    pub(super) fn entries(&self, at: u32) -> &[Entry] {
        self.out.get(at).map_or(&[], Entries::as_slice)
    }

    /// What the members are to be told of a prefix now.
    pub(super) fn decide<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        at: u32,
    ) -> Entries {
        let slot = &table[at];
        let Some(best) = slot.best() else {
            return Entries::None;
        };
        if !self.key.context.add_path_send[P::FAMILY] {
            return self
                .entry(shared, best, slot.prefix, 0)
                .into_iter()
                .collect();
        }
        // RFC 7911 §5: the best path is among them.
        let mut entries = Entries::None;
        for path in slot.paths.as_slice() {
            if shared.ranking(P::FAMILY).is_eligible(path)
                && let Some(entry) = self.entry(shared, path, slot.prefix, path.local_id)
            {
                entries.push(entry);
            }
        }
        steps::count(slot.paths.as_slice().len());
        entries
            .as_mut_slice()
            .sort_unstable_by_key(|entry| entry.path_id);
        entries
    }

    fn entry<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        path: &Path,
        prefix: P,
        path_id: u16,
    ) -> Option<Entry> {
        let known = &mut self.admissions;
        let Some(admitted) = self.key.admit(shared, path, prefix.into(), known) else {
            self.kept.count(self.key.allows(shared, path));
            return None;
        };
        let by_source = self.key.kind.is_internal() || path.is_local();
        let cached = (admitted, if by_source { path.peer } else { PeerId(0) });
        let attrs = self.rewritten::<P>(shared, cached, path)?;
        Some(Entry {
            path_id,
            attrs,
            source: path.peer,
        })
    }

    fn rewritten<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        cached: (Admitted, PeerId),
        path: &Path,
    ) -> Option<AttrId> {
        if let Some((_, attrs)) = self.last_rewritten.filter(|(last, _)| *last == cached) {
            return attrs;
        }
        let hash = shared.store.hash.of(cached);
        let found = self.rewritten.find(hash, |(key, _)| *key == cached);
        let attrs = match found {
            Some((_, attrs)) => *attrs,
            None => {
                let attrs = self.key.rewrite(shared, cached.0, path);
                let attrs = attrs.filter(|attrs| self.fits::<P>(shared, *attrs));
                if self.rewritten.len() == REMEMBERED {
                    self.rewritten.clear();
                }
                let rehash = |(key, _): &Rewritten| shared.store.hash.of(key);
                self.rewritten.insert_unique(hash, (cached, attrs), rehash);
                attrs
            }
        };
        self.last_rewritten = Some((cached, attrs));
        attrs
    }

    /// RFC 4271 §9.2: what is too big for a message of this session is not told.
    fn fits<P: Prefix>(&self, shared: &Shared, attrs: AttrId) -> bool {
        let view = shared.store.view(attrs);
        // Two-octet AS numbers come with all four octets beside them, which is not twice as much.
        if view.octets().len() < usize::from(MAX_MESSAGE_LEN) / 2 - LARGEST_REST {
            return true;
        }
        let longest = P::from_octets(&[], P::FAMILY.max_prefix_len()).map(|net| (PathId(0), net));
        let routes = longest.as_slice();
        let next_hop = shared.store.next_hop(attrs);
        next_hop.is_some_and(|next_hop| {
            let mut octets = BytesMut::new();
            encode_reachable(&self.key.context, view, next_hop, routes, &mut octets).is_ok()
        })
    }

    /// Takes note of changed slots, and tells the members of them and of a slice of those that have waited, unless all have
    /// enough to take already. Returns the slots that have waited, some of which may not be needed any more.
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

    /// Whether every member has much on the way to it. Those that lag behind count: one that is stuck keeps nothing from them.
    fn is_full(&self, shared: &Shared) -> bool {
        let mut members = self.members.iter();
        members.all(|member| in_flight(shared, member.peer) > HIGH_WATER)
    }

    /// Brings the Adj-RIB-Out of some slots up to date and tells the members.
    fn tell_slots<P: Prefix>(&mut self, shared: &mut Shared, table: &Table<P>, slice: &[u32]) {
        shared.steps += slice.len() as u64;
        let mut replaced = Vec::new();
        for at in slice {
            let new = self.decide(shared, table, *at);
            if self.entries(*at) != new.as_slice() {
                self.spilled += new.octets();
                let old = std::mem::replace(self.out.get_mut(*at), new);
                self.spilled -= old.octets();
                replaced.push((*at, old));
            }
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

    /// A peer that is the next hop of a route somebody else announced is told of these changes by itself.
    fn leave_owners_behind(&mut self, shared: &Shared, replaced: &[(u32, Entries)]) {
        if self.key.tells_own_next_hop() {
            return;
        }
        for (at, old) in replaced {
            let new = self.out.get(*at).map_or(&[][..], Entries::as_slice);
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
                let new = self.out.get(*at).map_or(&[][..], Entries::as_slice);
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
            let (old, new) = (old.as_slice(), self.entries(*at));
            old.iter().for_each(|entry| more.add(entry.source, -1));
            new.iter().for_each(|entry| more.add(entry.source, 1));
            difference(*at, old, new, &mut changes, &mut moved);
        }
        more.add(LOCAL, 0);
        changes.sort_unstable_by_key(|(source, change)| (change.attrs.is_some(), *source, *change));
        let middle = changes.partition_point(|(_, change)| change.attrs.is_none());
        let sections =
            [&changes[..middle], &changes[middle..]].map(|part| self.encode(shared, table, part));
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
                let octets = self.encode_changes(shared, table, &mut [change]);
                send(shared, peer, octets);
            }
        }
    }

    /// Encodes sorted changes, source by source.
    fn encode<P: Prefix>(
        &self,
        shared: &Shared,
        table: &Table<P>,
        changes: &[(PeerId, Change)],
    ) -> Section {
        let mut octets = BytesMut::new();
        let mut parts = Vec::new();
        for part in changes.chunk_by(|a, b| a.0 == b.0) {
            let start = octets.len();
            let mut list: Vec<Change> = part.iter().map(|(_, change)| *change).collect();
            octets.unsplit(self.encode_changes(shared, table, &mut list));
            parts.push(Part {
                source: part[0].0,
                range: start..octets.len(),
                changes: part.len(),
            });
        }
        Section {
            octets: octets.freeze(),
            parts,
        }
    }

    /// Encodes changes, withdrawals first, prefixes with the same attributes together.
    pub(super) fn encode_changes<P: Prefix>(
        &self,
        shared: &Shared,
        table: &Table<P>,
        changes: &mut [Change],
    ) -> BytesMut {
        changes.sort_unstable();
        let mut octets = BytesMut::new();
        let mut routes = Vec::new();
        for run in changes.chunk_by(|a, b| a.attrs == b.attrs) {
            routes.clear();
            routes.extend(
                run.iter()
                    .map(|change| (PathId(change.path_id.into()), table[change.at].prefix)),
            );
            let Some(attrs) = run[0].attrs else {
                encode_unreachable(&self.key.context, &routes, &mut octets);
                continue;
            };
            let Some(next_hop) = shared.store.next_hop(attrs) else {
                continue;
            };
            encode_reachable(
                &self.key.context,
                shared.store.view(attrs),
                next_hop,
                &routes,
                &mut octets,
            )
            .expect("what does not fit is not in the Adj-RIB-Out");
        }
        octets
    }

    /// Gives a member all of the sections but what came from itself.
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
                    push(shared, peer, section.octets.slice(range));
                }
            }
            let own = own.map_or(0, |own| own.changes as u64);
            (all - own, own)
        });
        let mut count = Told::sent((updates.0, withdraws.0), more.of_others(peer));
        count.kept.rejected = updates.1;
        shared.count_told::<P>(peer, count);
        if in_flight(shared, peer) > LEFT_BEHIND {
            self.members[place].lag = Some(Lag::default());
        }
    }

    /// Counts why a new member is not told of a slot what it might have been told.
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
            count.kept.count(self.key.allows(shared, best));
        }
    }

    /// What was kept from a member since it came.
    pub(super) fn kept_from(&self, peer: PeerId) -> Option<Kept> {
        let member = self.members.iter().find(|member| member.peer == peer)?;
        Some(self.kept.since(member.since))
    }

    /// Whether a member still has to be told something about the slot.
    pub(super) fn refers_to(&self, at: u32) -> bool {
        let refers = |member: &Member| member.lag.as_ref().is_some_and(|lag| lag.refers_to(at));
        !self.entries(at).is_empty() || self.waiting.contains(at) || self.members.iter().any(refers)
    }

    /// Attributes are rewritten anew: what that depends on has changed.
    pub(super) fn forget_rewritten(&mut self) {
        self.rewritten.clear();
        self.last_rewritten = None;
        self.admissions = Admissions::default();
    }
}

impl Kept {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            rejected: self.rejected - earlier.rejected,
            filtered: self.filtered - earlier.filtered,
        }
    }

    /// One that BGP allows to be told is kept by policy.
    pub(super) fn count(&mut self, allowed: bool) {
        let counter = match allowed {
            true => &mut self.filtered,
            false => &mut self.rejected,
        };
        *counter += 1;
    }
}

/// How many more entries there are than before, by source.
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

/// What has to be told to make `old` into `new`. `moved`: what only the peers that an entry came from and comes from have to be
/// told, because a peer does not hold what it announced itself.
fn difference(
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
pub(super) fn with_path_id(entries: &[Entry], path_id: u16) -> Option<&Entry> {
    let found = entries.binary_search_by_key(&path_id, |entry| entry.path_id);
    found.ok().map(|place| &entries[place])
}

/// Whether a member must not be told an entry: it told us, or it is the next hop.
pub(super) fn is_withheld(shared: &Shared, member: PeerId, entry: Entry) -> bool {
    entry.source == member || next_hop_owners(shared, entry).contains(&member)
}

/// The peers that are the next hop of a route.
fn next_hop_owners(shared: &Shared, entry: Entry) -> &[PeerId] {
    let next_hop = shared.store.next_hop(entry.attrs);
    next_hop.map_or(&[], |next_hop| {
        shared.peers.with_address(next_hop.address())
    })
}

pub(super) fn in_flight(shared: &Shared, peer: PeerId) -> usize {
    shared.peers.find(peer).map_or(0, |peer| peer.in_flight)
}

pub(super) fn send(shared: &mut Shared, peer: PeerId, octets: BytesMut) {
    if !octets.is_empty() {
        push(shared, peer, octets.freeze());
    }
}

fn push(shared: &mut Shared, peer: PeerId, messages: Bytes) {
    if let Some(state) = shared.peers.find_mut(peer) {
        state.in_flight += messages.len();
        shared.outputs.push_back(Output::Send { peer, messages });
    }
}

impl Shared {
    /// Takes back what is not handed out yet: it belongs to a session that has ended.
    pub(super) fn drop_outputs_to(&mut self, id: PeerId) {
        let is_to_it = |output: &Output| matches!(output, Output::Send { peer, .. } if *peer == id);
        self.outputs.retain(|output| !is_to_it(output));
    }
}
