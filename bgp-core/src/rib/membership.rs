//! Which peer is in which update group, and what it has to be told when that changes.

use super::export::GroupKey;
use super::family::FamilyRib;
use super::group::{Group, Member};
use super::lag::Lag;
use super::{Rib, Shared};
use crate::types::{PeerId, PerFamily, Prefix, RouterId};
use crate::wire::NextHop;

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
        let target = self.find_or_make_group(key, current);
        let lag = match current {
            None => Some(Lag::initial(self.group(target))),
            Some(old) => {
                let lag = self.take_lag(old, id);
                let (old, new) = (self.group(old), self.group(target));
                match new.continues(old) {
                    true => lag,
                    false => Some(Lag::moving(lag, old, new)),
                }
            }
        };
        self.leave_group(shared, id);
        if let Some(group) = &mut self.groups[target as usize] {
            group.members.push(Member {
                peer: id,
                lag,
                since: group.kept,
            });
        }
        if let Some(peer) = shared.peers.find_mut(id) {
            let state = &mut peer.families[P::FAMILY];
            state.group = Some(target);
            if current.is_none() {
                state.exported = 0;
            }
        }
    }

    fn take_lag(&mut self, group: u32, id: PeerId) -> Option<Lag> {
        let group = self.groups[group as usize].as_mut()?;
        let member = group.members.iter_mut().find(|member| member.peer == id)?;
        member.lag.take()
    }

    pub(super) fn group(&self, place: u32) -> &Group {
        self.groups[place as usize]
            .as_ref()
            .expect("a group lives as long as a peer is in it")
    }

    /// A new group goes on from what the first member's old one told, if another policy is all that is new.
    fn find_or_make_group(&mut self, key: GroupKey, from: Option<u32>) -> u32 {
        let same = |group: &Option<Group>| group.as_ref().is_some_and(|group| group.key == key);
        let place = self.groups.iter().position(same).unwrap_or_else(|| {
            let place = self.groups.iter().position(Option::is_none);
            let place = place.unwrap_or_else(|| {
                self.groups.push(None);
                self.groups.len() - 1
            });
            let mut group = Group::new(key, self.table.end());
            if let Some(old) = from.map(|from| self.group(from))
                && group.key.differs_in_policy_from(&old.key)
            {
                group.go_on_from(old);
            }
            self.groups[place] = Some(group);
            place
        });
        u32::try_from(place).expect("groups are as few as peers")
    }

    pub(super) fn leave_group(&mut self, shared: &mut Shared, id: PeerId) {
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
        let Some(group) = &mut self.groups[place as usize] else {
            return;
        };
        let is_it = |member: &Member| member.peer == id;
        let Some(member) = group.members.iter().position(is_it) else {
            return;
        };
        let left = group.members.swap_remove(member);
        state.stats.count_kept(group.kept.since(left.since));
        // Some slots were only kept for it.
        if let Some(lag) = &left.lag {
            lag.add_referred(&mut self.left);
        }
        if group.members.is_empty() {
            self.left.union(&group.waiting);
            shared.store.leave(group.out.len() as usize);
            self.groups[place as usize] = None;
        }
    }
}

impl Rib {
    pub(super) fn set_own_next_hop(
        &mut self,
        id: PeerId,
        own_next_hop: PerFamily<Option<NextHop>>,
    ) {
        let Some(peer) = self.shared.peers.find_mut(id) else {
            return;
        };
        if peer.own_next_hop == own_next_hop {
            return;
        }
        peer.own_next_hop = own_next_hop;
        if let Some(up) = &mut peer.up {
            up.own_next_hop = own_next_hop;
        }
        // Routes with our own address as next hop are not used.
        self.ipv4.judge_again_all(&self.shared, id);
        self.ipv6.judge_again_all(&self.shared, id);
        self.ipv4.regroup(&mut self.shared, id);
        self.ipv6.regroup(&mut self.shared, id);
    }

    pub(super) fn set_cluster_id(&mut self, cluster_id: Option<RouterId>) {
        if self.shared.config.cluster_id == cluster_id {
            return;
        }
        self.shared.config.cluster_id = cluster_id;
        let peers: Vec<PeerId> = self.shared.peers.iter().map(|(id, _)| id).collect();
        for peer in peers {
            self.ipv4.judge_again_all(&self.shared, peer);
            self.ipv6.judge_again_all(&self.shared, peer);
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
