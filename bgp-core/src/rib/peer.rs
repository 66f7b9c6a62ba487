//! What the RIB knows of a neighbour: how its routes are judged and what it may be told.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::stale::Stale;
use crate::policy::Policy;
use crate::types::Role;
use crate::types::{Asn, Family, PeerId, PerFamily, RouterId};
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
    /// It has been asked to stop; nothing more of it is looked at until it is down.
    pub(crate) stopping: bool,
}

/// One neighbour in one family.
#[derive(Debug, Default)]
pub(crate) struct PeerFamily {
    /// Paths of an older epoch are stale.
    pub(crate) epoch: u8,
    /// Paths that it has in the table.
    pub(crate) paths: u32,
    /// Set while it has stale paths.
    pub(crate) stale: Option<Stale>,
    /// The group it is a member of.
    pub(crate) group: Option<u32>,
    /// Counters for operators.
    pub(crate) stats: PeerStats,
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
    /// Routes that were announced to its update group since it became a member.
    pub export_updates: u64,
    /// Routes that were withdrawn from its update group since it became a member.
    pub export_withdraws: u64,
}

/// All neighbours, by number and by address.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Those with numbers below [`DENSE`].
    list: Vec<Option<Peer>>,
    others: BTreeMap<PeerId, Peer>,
    // Configured, not chosen by peers: a hash that is known does no harm.
    by_address: HashMap<IpAddr, Vec<PeerId>, foldhash::fast::FixedState>,
}

/// Peers with smaller numbers are found by their place in a list.
const DENSE: u32 = 1 << 16;

impl Peers {
    pub(crate) fn insert(&mut self, id: PeerId, config: Arc<PeerConfig>) {
        let same_address = self.by_address.entry(config.address).or_default();
        if !same_address.contains(&id) {
            same_address.push(id);
        }
        if let Some(peer) = self.find_mut(id) {
            peer.config = config;
            return;
        }
        let peer = Peer {
            config,
            up: None,
            peer_id: RouterId::from_bits(0),
            own_next_hop: PerFamily::default(),
            families: PerFamily::default(),
            in_flight: 0,
            stopping: false,
        };
        if id.0 >= DENSE {
            self.others.insert(id, peer);
            return;
        }
        let place = id.0 as usize;
        if place >= self.list.len() {
            self.list.resize_with(place + 1, || None);
        }
        self.list[place] = Some(peer);
    }

    pub(crate) fn remove(&mut self, id: PeerId) {
        let removed = match self.list.get_mut(id.0 as usize) {
            Some(place) => place.take(),
            None => self.others.remove(&id),
        };
        let Some(Peer { config, .. }) = removed else {
            return;
        };
        if let Some(same_address) = self.by_address.get_mut(&config.address) {
            same_address.retain(|other| *other != id);
            if same_address.is_empty() {
                self.by_address.remove(&config.address);
            }
        }
    }

    pub(crate) fn find(&self, id: PeerId) -> Option<&Peer> {
        match self.list.get(id.0 as usize) {
            Some(place) => place.as_ref(),
            None => self.others.get(&id),
        }
    }

    pub(crate) fn find_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        match self.list.get_mut(id.0 as usize) {
            Some(place) => place.as_mut(),
            None => self.others.get_mut(&id),
        }
    }

    /// Who has this address: more than one where several ports of it are spoken to.
    pub(crate) fn with_address(&self, address: IpAddr) -> &[PeerId] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        let dense = (0u32..).zip(&self.list);
        let dense = dense.filter_map(|(id, peer)| Some((PeerId(id), peer.as_ref()?)));
        dense.chain(self.others.iter().map(|(id, peer)| (*id, peer)))
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
