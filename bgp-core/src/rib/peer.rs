//! What the RIB knows of a neighbour: how its routes are judged and what it may be told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::group::Kept;
use super::stale::Stale;
use super::table::Path;
use super::{Output, Shared};
use crate::policy::Policy;
use crate::types::Role;
use crate::types::{Asn, Family, PeerId, PerFamily, Prefix, RouterId};
use crate::wire::{Context, NextHop};

/// Whose AS a peer is in, and who reflects for whom (RFC 4456 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum PeerKind {
    /// Another AS.
    External,
    /// Our AS.
    Internal,
    /// Our AS, and we reflect for it.
    Client,
}

impl PeerKind {
    /// Whether the peer is in our AS.
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::Internal | Self::Client)
    }
}

/// Which next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NextHopMode {
    /// RFC 4271 §5.1.3: our own address to another AS and for routes without a gateway, else unchanged.
    #[default]
    Auto,
    /// Always our own address.
    Own,
    /// Always unchanged, where there is one.
    Keep,
}

/// A neighbour as the RIB sees it. May change while the session is up: nothing in it is negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// The peer's address: the last tie-break, and the next hop it is never told (RFC 4271 §5.1.3).
    pub address: IpAddr,
    /// Whose AS it is in.
    pub kind: PeerKind,
    /// Our AS number on this session.
    pub local_as: Asn,
    /// The peer's.
    pub peer_as: Asn,
    /// How often our AS may be in a path that it sends.
    pub allowed_local_as: u32,
    /// Which next hop it is told.
    pub next_hop_mode: NextHopMode,
    /// Decides on what it sends.
    pub import: Arc<Policy>,
    /// Decides on what it is told.
    pub export: Arc<Policy>,
    /// More prefixes than this end the session (RFC 4486 §4).
    pub max_prefixes: PerFamily<Option<u32>>,
    /// Our role towards it (RFC 9234).
    pub role: Option<Role>,
}

impl PeerConfig {
    /// A peer of another AS exchanges nothing before it has policies (RFC 8212 §3); one of the same AS exchanges everything.
    pub fn new(local_as: Asn, address: IpAddr, peer_as: Asn) -> Self {
        let internal = local_as == peer_as;
        let policy = Arc::new(if internal {
            Policy::ACCEPT
        } else {
            Policy::REJECT
        });
        Self {
            address,
            kind: if internal {
                PeerKind::Internal
            } else {
                PeerKind::External
            },
            local_as,
            peer_as,
            allowed_local_as: 0,
            next_hop_mode: NextHopMode::Auto,
            import: Arc::clone(&policy),
            export: policy,
            max_prefixes: PerFamily::default(),
            role: None,
        }
    }
}

impl PeerConfig {
    /// Whether routes of the peer must be judged anew when these settings become those.
    pub(super) fn judges_otherwise(&self, new: &Self) -> bool {
        self.import != new.import
            || self.kind != new.kind
            || self.allowed_local_as != new.allowed_local_as
            || self.local_as != new.local_as
            || self.peer_as != new.peer_as
            || self.role != new.role
    }
}

/// What became known when the session came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerUp {
    /// The peer's BGP identifier.
    pub peer_id: RouterId,
    /// How its messages are written; tells the families in use.
    pub context: Context,
    /// Our own next hop in each family: the local address of the connection. `None`: routes without another cannot be told.
    pub own_next_hop: PerFamily<Option<NextHop>>,
    /// It said that it will send End-of-RIB (RFC 4724 §4.1), so the RIB may wait for it when it has just restarted itself.
    pub sends_end_of_rib: bool,
    /// It knows what LLGR_STALE means, and so may be told routes that have it (RFC 9494 §4.3).
    pub long_lived_aware: bool,
}

/// One neighbour.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) config: Arc<PeerConfig>,
    pub(crate) up: Option<PeerUp>,
    /// Of the last session; its stale routes are compared by it.
    pub(crate) peer_id: RouterId,
    /// Ours in the last session, by which its stale routes are judged.
    pub(crate) own_next_hop: PerFamily<Option<NextHop>>,
    pub(crate) families: PerFamily<PeerFamily>,
    /// Octets handed out and not yet reported as written.
    pub(crate) in_flight: usize,
    /// It has been asked to stop; nothing more of it is looked at until its session has ended.
    pub(crate) stopping: Option<Stopping>,
    /// It is not configured any more, but some of its paths are still in the table.
    removed: bool,
}

/// The end of a session that was asked for.
#[derive(Debug)]
pub(crate) struct Stopping {
    pub(crate) output: Output,
    /// When to ask again.
    pub(crate) again: Instant,
}

/// One neighbour in one family.
#[derive(Debug, Default)]
pub(crate) struct PeerFamily {
    /// Paths of an older epoch are stale.
    pub(crate) epoch: u8,
    /// Paths of an epoch before this one are dead: it does not stand by them any more.
    oldest: u8,
    /// There are no paths of an epoch before this one.
    swept: u8,
    /// Paths that it has, without those that are dead.
    pub(crate) paths: u32,
    /// Of those, the ones of its epoch.
    fresh: u32,
    /// Paths of its that are dead but still in the table.
    dead: u32,
    /// Usable paths in the table.
    pub(crate) imported: u32,
    /// Prefixes of which it has the best path.
    pub(crate) preferred: u64,
    /// Set while it has stale paths.
    pub(crate) stale: Option<Stale>,
    /// The group it is a member of.
    pub(crate) group: Option<u32>,
    /// Routes that it holds of ours.
    pub(crate) exported: u64,
    /// Counters for operators.
    pub(crate) stats: PeerStats,
}

impl PeerFamily {
    /// Counts a path that has come.
    pub(super) fn add(&mut self, path: &Path) {
        self.imported += u32::from(path.unusable.is_none());
        if self.is_dead(path.epoch) {
            self.dead += 1;
        } else {
            self.paths += 1;
            self.fresh += u32::from(path.epoch == self.epoch);
        }
    }

    /// Counts a path that goes; tells whether it was dead.
    pub(super) fn take(&mut self, path: &Path) -> bool {
        self.imported -= u32::from(path.unusable.is_none());
        let dead = self.is_dead(path.epoch);
        if dead {
            self.dead -= 1;
            self.note_swept();
        } else {
            self.paths -= 1;
            self.fresh -= u32::from(path.epoch == self.epoch);
        }
        dead
    }

    /// All paths become stale. `false`, and nothing changes, if the paths of as many epochs as there are numbers may be there.
    pub(super) fn begin_epoch(&mut self) -> bool {
        let next = self.epoch.wrapping_add(1);
        let free = next != self.swept;
        if free {
            self.epoch = next;
            self.fresh = 0;
        }
        free
    }

    /// Stale paths die; tells how many.
    pub(super) fn bury_stale(&mut self) -> u32 {
        let died = self.paths - self.fresh;
        self.paths = self.fresh;
        self.dead += died;
        self.oldest = self.epoch;
        self.note_swept();
        died
    }

    fn note_swept(&mut self) {
        if self.dead == 0 {
            self.swept = self.oldest;
        }
    }

    fn is_dead(&self, epoch: u8) -> bool {
        self.epoch.wrapping_sub(epoch) > self.epoch.wrapping_sub(self.oldest)
    }
}

/// What happened between a neighbour and the RIB since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PeerStats {
    /// Routes it announced.
    pub import_updates: u64,
    /// Of those, the ones that import policy rejected.
    pub import_filtered: u64,
    /// Of those, the ones that could not be used for another reason.
    pub import_invalid: u64,
    /// Routes it withdrew.
    pub import_withdraws: u64,
    /// Withdrawals of routes that it had not announced.
    pub import_withdraws_ignored: u64,
    /// Routes that it was told.
    pub export_updates: u64,
    /// Routes that a rule of BGP kept from it: it told them to us, is their next hop, or must not have them by RFC.
    pub export_rejected: u64,
    /// Routes that export policy kept from it.
    pub export_filtered: u64,
    /// Routes that it was told are gone.
    pub export_withdraws: u64,
}

/// What became of routes on their way to a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) updates: u64,
    pub(super) withdraws: u64,
    pub(super) kept: Kept,
    /// Routes that it holds more than before.
    pub(super) held: i64,
}

impl Told {
    /// Updates and withdrawals that were sent, and how many more routes it holds then.
    pub(super) fn sent((updates, withdraws): (u64, u64), held: i64) -> Self {
        Self {
            updates,
            withdraws,
            held,
            kept: Kept::default(),
        }
    }
}

impl Shared {
    pub(super) fn count_told<P: Prefix>(&mut self, peer: PeerId, told: Told) {
        if let Some(peer) = self.peers.find_mut(peer) {
            let state = &mut peer.families[P::FAMILY];
            state.stats.export_updates += told.updates;
            state.stats.export_withdraws += told.withdraws;
            state.stats.count_kept(told.kept);
            state.exported = state.exported.saturating_add_signed(told.held);
        }
    }
}

impl PeerStats {
    pub(super) fn count_kept(&mut self, kept: Kept) {
        self.export_rejected += kept.rejected;
        self.export_filtered += kept.filtered;
    }
}

/// All neighbours, by number and by address.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    list: Vec<Option<Peer>>,
    by_address: HashMap<IpAddr, Vec<PeerId>, foldhash::fast::FixedState>,
}

impl Peers {
    /// Adds a peer, or changes its settings.
    pub(crate) fn insert(&mut self, id: PeerId, config: Arc<PeerConfig>) {
        let place = id.0 as usize;
        if place >= self.list.len() {
            self.list.resize_with(place + 1, || None);
        }
        if let Some(old) = &self.list[place] {
            let address = old.config.address;
            self.forget_address(id, address);
        }
        self.by_address.entry(config.address).or_default().push(id);
        match &mut self.list[place] {
            Some(peer) if !peer.removed => peer.config = config,
            empty => {
                let known = empty.take().map(|removed| removed.families);
                let mut families = known.unwrap_or_default();
                for family in Family::ALL {
                    families[family].stats = PeerStats::default();
                }
                *empty = Some(Peer {
                    config,
                    up: None,
                    peer_id: RouterId::from_bits(0),
                    own_next_hop: PerFamily::default(),
                    families,
                    in_flight: 0,
                    stopping: None,
                    removed: false,
                });
            }
        }
    }

    /// Removes a peer. Its number is known as long as dead paths of it are in the table.
    pub(crate) fn remove(&mut self, id: PeerId) {
        let Some(peer) = self.find_mut(id) else {
            return;
        };
        peer.removed = true;
        peer.up = None;
        let address = peer.config.address;
        self.forget_address(id, address);
        self.forget_removed(id);
    }

    /// The last path of a removed peer may be gone.
    pub(crate) fn forget_removed(&mut self, id: PeerId) {
        let Some(place) = self.list.get_mut(id.0 as usize) else {
            return;
        };
        let without_paths = |peer: &Peer| Family::ALL.iter().all(|f| peer.families[*f].dead == 0);
        place.take_if(|peer| peer.removed && without_paths(peer));
    }

    fn forget_address(&mut self, id: PeerId, address: IpAddr) {
        if let Some(same_address) = self.by_address.get_mut(&address) {
            same_address.retain(|other| *other != id);
            if same_address.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    pub(crate) fn find(&self, id: PeerId) -> Option<&Peer> {
        let peer = self.list.get(id.0 as usize)?.as_ref();
        peer.filter(|peer| !peer.removed)
    }

    pub(crate) fn find_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.known_mut(id).filter(|peer| !peer.removed)
    }

    /// Also one that was removed and still has paths in the table.
    pub(crate) fn known_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.list.get_mut(id.0 as usize)?.as_mut()
    }

    /// Whether a path's peer does not stand by it any more.
    pub(crate) fn is_dead(&self, family: Family, path: &Path) -> bool {
        let peer = self.list.get(path.peer.0 as usize).and_then(Option::as_ref);
        peer.is_some_and(|peer| peer.families[family].is_dead(path.epoch))
    }

    /// Who has this address: more than one where several ports of it are spoken to.
    pub(crate) fn with_address(&self, address: IpAddr) -> &[PeerId] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    /// One past the greatest number of a peer.
    pub(crate) fn end(&self) -> usize {
        self.list.len()
    }

    /// Whether the end of any session has been asked for and has not come.
    pub(crate) fn any_stopping(&self) -> bool {
        self.iter().any(|(_, peer)| peer.stopping.is_some())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        let peers = self.list.iter_mut().flatten();
        peers.filter(|peer| !peer.removed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        (0u32..)
            .zip(&self.list)
            .filter_map(|(id, peer)| Some((PeerId(id), peer.as_ref()?)))
            .filter(|(_, peer)| !peer.removed)
    }
}

impl Peer {
    /// What is needed to speak to it in a family, if the session is up and uses it.
    pub(crate) fn speaks(&self, family: Family) -> Option<&PeerUp> {
        self.up.as_ref().filter(|up| up.context.families[family])
    }

    /// Whether an address is our own on its connection.
    pub(crate) fn knows_us_as(&self, address: IpAddr) -> bool {
        let own = self.own_next_hop[Family::of(address)];
        own.is_some_and(|own| own.address() == address)
    }
}
