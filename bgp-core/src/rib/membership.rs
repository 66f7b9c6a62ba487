//! Which peer is in which update group, and what it has to be told when that changes.

use super::export::GroupKey;
use super::family::FamilyRib;
use super::group::{Group, Member};
use super::lag::Lag;
use super::{Rib, Shared};
use crate::types::{PeerId, Prefix, RouterId};

impl<P: Prefix> FamilyRib<P> {
    /// Puts a peer into the group that fits it, which may be none, and has it told what differs from what it holds.
    pub(super) fn regroup(&mut self, shared: &mut Shared, id: PeerId) {
        let Some(peer) = shared.peers.find(id) else {
            return;
        };
        let (current, wanted) = (
            peer.families[P::FAMILY].group,
            GroupKey::of(peer, P::FAMILY),
        );
        let current_key = current
            .and_then(|place| self.groups[place as usize].as_ref())
            .map(|group| &group.key);
        if current_key == wanted.as_ref() {
            return;
        }
        let Some(key) = wanted else {
            self.leave_group(shared, id);
            return;
        };
        let target = self.find_or_make_group(shared, key);
        let lag = match current {
            None => Lag::initial(shared, id, self.group(target)),
            Some(old) => Lag::moving(shared, id, self.group(old), self.group(target)),
        };
        self.leave_group(shared, id);
        if let Some(group) = &mut self.groups[target as usize] {
            group.members.push(Member {
                peer: id,
                lag: Some(lag),
            });
        }
        if let Some(peer) = shared.peers.find_mut(id) {
            peer.families[P::FAMILY].group = Some(target);
        }
    }

    pub(super) fn group(&self, place: u32) -> &Group {
        self.groups[place as usize]
            .as_ref()
            .expect("a group lives as long as a peer is in it")
    }

    fn find_or_make_group(&mut self, shared: &mut Shared, key: GroupKey) -> u32 {
        let same = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.key == key);
        if let Some(place) = self.groups.iter().position(same) {
            return u32::try_from(place).expect("groups are as few as peers");
        }
        let mut group = Group::new(key);
        group.out = (0..self.table.end())
            .map(|at| group.decide(shared, &self.table, at))
            .collect();
        let place = self
            .groups
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                self.groups.push(None);
                self.groups.len() - 1
            });
        self.groups[place] = Some(group);
        u32::try_from(place).expect("groups are as few as peers")
    }

    pub(super) fn leave_group(&mut self, shared: &mut Shared, id: PeerId) {
        let Some(place) = shared
            .peers
            .find_mut(id)
            .and_then(|peer| peer.families[P::FAMILY].group.take())
        else {
            return;
        };
        let Some(group) = &mut self.groups[place as usize] else {
            return;
        };
        let is_it = |member: &Member| member.peer == id;
        let Some(member) = group.members.iter().position(is_it) else {
            return;
        };
        let lag = group.members.swap_remove(member).lag;
        let mut left: Vec<u32> = lag.iter().flat_map(|lag| lag.pending.iter()).collect();
        if group.members.is_empty() {
            left.extend(group.waiting.iter());
            shared.store.leave(group.out.len());
            self.groups[place as usize] = None;
        }
        // Some were only kept for it.
        for at in left {
            if self.table[at].paths.as_slice().is_empty() {
                self.mark_changed(at);
            }
        }
    }
}

impl Rib {
    pub(super) fn set_cluster_id(&mut self, cluster_id: Option<RouterId>) {
        if self.shared.config.cluster_id == cluster_id {
            return;
        }
        self.shared.config.cluster_id = cluster_id;
        let peers: Vec<PeerId> = self.shared.peers.iter().map(|(id, _)| id).collect();
        for peer in peers {
            self.ipv4.judge_again(&mut self.shared, peer);
            self.ipv6.judge_again(&mut self.shared, peer);
        }
        self.ipv4.tell_again();
        self.ipv6.tell_again();
    }

    /// A number may come to stand for another peer, or a peer to have another identifier (RFC 4456 §8).
    pub(super) fn forget_rewritten(&mut self) {
        self.ipv4.forget_rewritten();
        self.ipv6.forget_rewritten();
    }
}
