//! The update groups of one family: the membership of peers, and the routes to send when it changes.

use super::bitset::BitSet;
use super::export::GroupKey;
use super::group::{Group, Member};
use super::lag::Lag;
use super::shared::Shared;
use super::table::Table;
use crate::types::{PeerId, Prefix};

/// All groups, by number.
#[derive(Debug, Default)]
pub(super) struct Groups {
    list: Vec<Option<Group>>,
    /// Slots that may be releasable, because members that needed them have left, in table order.
    pub(super) left: BitSet,
}

impl Groups {
    /// The groups with members.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.list.iter().flatten()
    }

    /// The groups with members, mutable.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.list.iter_mut().flatten()
    }

    /// The groups with members, by number.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Group)> {
        let numbered = (0u32..).zip(&self.list);
        numbered.filter_map(|(number, group)| Some((number, group.as_ref()?)))
    }

    /// The number of group numbers.
    pub(super) fn places(&self) -> usize {
        self.list.len()
    }

    /// The group with this number.
    pub(super) fn group(&self, place: u32) -> &Group {
        self.list[place as usize]
            .as_ref()
            .expect("a group lives as long as a peer is in it")
    }

    /// The group of a peer, if it is sent anything in this family.
    pub(super) fn of_peer<P: Prefix>(&self, shared: &Shared, peer: PeerId) -> Option<&Group> {
        let peer = shared.peers.find(peer)?;
        Some(self.group(peer.families[P::FAMILY].group?))
    }

    /// Whether any member still needs a slot.
    pub(super) fn refer_to(&self, at: u32) -> bool {
        self.iter().any(|group| group.refers_to(at))
    }

    /// Clears the caches of rewritten attributes.
    pub(super) fn forget_rewritten(&mut self) {
        for group in self.iter_mut() {
            group.exporter.forget_rewritten();
        }
    }

    /// Size in octets.
    pub(super) fn octets(&self) -> usize {
        self.iter().map(|group| group.out.octets()).sum()
    }

    /// Moves a peer into the matching group, if there is one, and sends it the difference.
    pub(super) fn regroup<P: Prefix>(&mut self, shared: &mut Shared, table: &Table<P>, id: PeerId) {
        self.regroup_with(shared, table, id, None);
    }

    /// As [`Groups::regroup`], for a peer that another process has told these routes.
    pub(super) fn regroup_with<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        id: PeerId,
        told: Option<Lag>,
    ) {
        let Some(peer) = shared.peers.find(id) else {
            return;
        };
        let address = peer.config.address;
        let named = shared.locals.name(address).then_some(address);
        let (current, wanted) = (
            peer.families[P::FAMILY].group,
            GroupKey::of(id, peer, P::FAMILY).map(|key| key.named(named)),
        );
        let current_key = current
            .and_then(|place| self.list[place as usize].as_ref())
            .map(Group::key);
        if current_key == wanted.as_ref() {
            return;
        }
        let Some(key) = wanted else {
            self.leave::<P>(shared, id);
            return;
        };
        let target = self.find_or_make(key, current, table.end());
        let lag = match current {
            None => told.or_else(|| Some(Lag::initial(self.group(target).out.len()))),
            Some(old) => {
                let lag = self.take_lag(old, id);
                let (old, new) = (self.group(old), self.group(target));
                match new.continues(old) {
                    true => lag,
                    false => Some(Lag::moving(lag, &old.out, &new.out)),
                }
            }
        };
        self.leave::<P>(shared, id);
        if let Some(group) = &mut self.list[target as usize] {
            group.members.push(Member {
                peer: id,
                lag,
                since: group.exporter.kept,
            });
        }
        if let Some(peer) = shared.peers.find_mut(id) {
            let state = &mut peer.families[P::FAMILY];
            state.group = Some(target);
            if current.is_none() {
                state.exported = 0;
            }
        }
        shared.note_told_anew(id);
    }

    /// Evaluates and advertises all routes to a peer's group again: the policy's data has changed.
    pub(super) fn tell_peer_again<P: Prefix>(&mut self, shared: &Shared, end: u32, id: PeerId) {
        let peer = shared.peers.find(id);
        let group = peer.and_then(|peer| peer.families[P::FAMILY].group);
        if let Some(group) = group.and_then(|place| self.list[place as usize].as_mut()) {
            group.exporter.forget_rewritten();
            group.waiting.fill(end);
        }
    }

    fn take_lag(&mut self, group: u32, id: PeerId) -> Option<Lag> {
        self.member_mut(group, id)?.lag.take()
    }

    /// A new group takes over the Adj-RIB-Out of the first member's old group, if only the policy differs.
    fn find_or_make(&mut self, key: GroupKey, from: Option<u32>, end: u32) -> u32 {
        let same = |group: &Option<Group>| group.as_ref().is_some_and(|group| *group.key() == key);
        let place = self.list.iter().position(same).unwrap_or_else(|| {
            let place = self.list.iter().position(Option::is_none);
            let place = place.unwrap_or_else(|| {
                self.list.push(None);
                self.list.len() - 1
            });
            let mut group = Group::new(key, end);
            if let Some(old) = from.map(|from| self.group(from))
                && group.key().differs_in_policy_from(old.key())
            {
                group.go_on_from(old);
            }
            self.list[place] = Some(group);
            place
        });
        u32::try_from(place).expect("groups are as few as peers")
    }

    /// Removes a peer from its group.
    pub(super) fn leave<P: Prefix>(&mut self, shared: &mut Shared, id: PeerId) {
        let Some(state) = shared
            .peers
            .find_mut(id)
            .map(|peer| &mut peer.families[P::FAMILY])
        else {
            return;
        };
        let Some(place) = state.group.take() else {
            return;
        };
        let Some(group) = &mut self.list[place as usize] else {
            return;
        };
        let is_it = |member: &Member| member.peer == id;
        let Some(member) = group.members.iter().position(is_it) else {
            return;
        };
        let left = group.members.swap_remove(member);
        state
            .stats
            .count_kept(group.exporter.kept.since(left.since));
        // Some slots were only needed by this member.
        if let Some(lag) = &left.lag {
            lag.add_referred(&mut self.left);
        }
        if group.members.is_empty() {
            self.left.union(&group.waiting);
            shared.store.leave(group.out.len() as usize);
            self.list[place as usize] = None;
        }
        shared.note_told_anew(id);
    }

    /// A peer asks for all routes again (RFC 2918 §4). This call is cheap; the routes are sent in slices.
    pub(super) fn send_again<P: Prefix>(&mut self, shared: &Shared, id: PeerId) {
        let peer = shared.peers.find(id);
        let place = peer.and_then(|peer| peer.families[P::FAMILY].group);
        if let Some(member) = place.and_then(|place| self.member_mut(place, id)) {
            member.lag.get_or_insert_default().ask();
        }
    }

    fn member_mut(&mut self, group: u32, id: PeerId) -> Option<&mut Member> {
        let group = self.list[group as usize].as_mut()?;
        group.members.iter_mut().find(|member| member.peer == id)
    }
}
